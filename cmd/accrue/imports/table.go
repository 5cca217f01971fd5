package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// row is a row as it stands in the file: the values of the columns that the mapping names, in the order of bind.
type row struct {
	line   int64
	raw    string // the text of the row; of JSON lines of its object
	values []string
}

// table reads rows. An error of next is a *refused where the next row may be good, and io.EOF after the last one. A row that is
// refused has the values that could be read, empty ones for the others: its order may be among them. None at all: it has not.
type table interface {
	// known are the columns that the file has; nil: that is not known before it is read.
	known() []string
	bind(columns []string)
	next() (row, error)
}

// csvTable reads CSV as RFC 4180 has it, with some mercy: a quote within text that does not begin with one is text, and a row
// may be shorter or longer than the header where nothing that is named is missing. encoding/csv would read to the end of a
// file, however large, for a quote that somebody forgot to close.
type csvTable struct {
	lines     *lineReader
	delimiter string
	header    []string
	bound     []int
	names     []string
}

func openCSV(m *Mapping, lines *lineReader) (*csvTable, error) {
	t := &csvTable{lines: lines, delimiter: string(m.Delimiter), header: m.Columns}
	if t.header != nil {
		return t, nil
	}
	first, err := t.record()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("the header line cannot be read: %w", err)
	}
	for i := range first.values {
		first.values[i] = strings.TrimSpace(first.values[i])
	}
	t.header = first.values
	return t, nil
}

func (t *csvTable) known() []string { return t.header }

func (t *csvTable) bind(columns []string) {
	t.names = columns
	for _, name := range columns {
		at := -1
		for i, h := range t.header {
			if h == name {
				at = i
				break
			}
		}
		t.bound = append(t.bound, at)
	}
}

func (t *csvTable) next() (row, error) {
	r, err := t.record()
	if r.values == nil {
		return r, err
	}
	if err == nil && len(r.values) > len(t.header) && strings.Join(r.values[len(t.header):], "") != "" {
		err = refuse("row has too many values", "the row has %d values, the header %d: is `delimiter` right, and is text that holds it in quotes?", len(r.values), len(t.header))
	}
	values := make([]string, len(t.bound))
	for i, at := range t.bound {
		if at < len(r.values) {
			values[i] = r.values[at]
		} else if err == nil {
			err = refuse("row is too short", "the row has %d values and column %s is number %d", len(r.values), t.names[i], at+1)
		}
	}
	r.values = values
	return r, err
}

// record reads one record. Empty lines are passed over.
func (t *csvTable) record() (row, error) {
	line, long, err := "", false, error(nil)
	for line == "" && err == nil {
		line, long, err = t.lines.next()
	}
	if err != nil {
		return row{}, err
	}
	r := row{line: t.lines.number, raw: line}
	if long {
		return r, refuse("line is too long", "the line has more than %d bytes", maxLine)
	}
	var behind []textLine // lines after the first
	for rest := line; ; {
		value, more, open, err := t.value(rest)
		for open && err == nil {
			next, long, failed := t.lines.next()
			if failed == nil {
				behind = append(behind, textLine{next, long})
			} else if !errors.Is(failed, io.EOF) {
				return r, failed
			}
			if failed != nil || long || len(r.raw)+len(next) > maxQuoted { // they may be rows
				t.lines.putBack(r.line+1, behind)
				r.raw = line
				return r, refuse("quote is not closed", "a quote (\") is opened in this line and not closed")
			}
			r.raw, rest = r.raw+"\n"+next, rest+"\n"+next
			value, more, open, err = t.value(rest)
		}
		if err != nil {
			t.lines.putBack(r.line+1, behind)
			r.raw = line
			return r, err
		}
		r.values = append(r.values, value)
		if more == nil {
			return r, nil
		}
		rest = *more
	}
}

// value takes the first value off a text. More is what follows its delimiter; nil: it was the last. Open says that it is in
// quotes that are not closed here.
func (t *csvTable) value(text string) (value string, more *string, open bool, err error) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, found := strings.Cut(text, t.delimiter)
		if found {
			more = &rest
		}
		return value, more, false, nil
	}
	var b strings.Builder
	rest := text[1:]
	for {
		before, after, closed := strings.Cut(rest, `"`)
		b.WriteString(before)
		switch {
		case !closed:
			return "", nil, true, nil
		case after == "":
			return b.String(), nil, false, nil
		case after[0] == '"':
			b.WriteByte('"')
			rest = after[1:]
		case strings.HasPrefix(after, t.delimiter):
			after = after[len(t.delimiter):]
			return b.String(), &after, false, nil
		default:
			return "", nil, false, refuse("quote is not closed", "text in quotes goes on behind them: %.20q; a quote within is written twice (\"\")", after)
		}
	}
}

// jsonTable reads JSON lines. Columns are paths ("customer.id"); with `each`, those that begin with it are of the list's items.
type jsonTable struct {
	lines   *lineReader
	each    string
	columns [][]string
	inItem  []bool
	waiting []row   // of the object that was read last
	errs    []error // of them
}

func (t *jsonTable) known() []string { return nil }

func (t *jsonTable) bind(columns []string) {
	for _, name := range columns {
		inner, inItem := strings.CutPrefix(name, t.each+".")
		if inItem = inItem && t.each != ""; inItem {
			name = inner
		}
		t.columns, t.inItem = append(t.columns, strings.Split(name, ".")), append(t.inItem, inItem)
	}
}

func (t *jsonTable) next() (row, error) {
	for len(t.waiting) == 0 {
		line, long, err := t.lines.next()
		if err != nil {
			return row{}, err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		r := row{line: t.lines.number, raw: line}
		if long {
			return r, refuse("line is too long", "the line has more than %d bytes", maxLine)
		}
		if err := t.object(r); err != nil {
			return r, err
		}
	}
	r, err := t.waiting[0], t.errs[0]
	t.waiting, t.errs = t.waiting[1:], t.errs[1:]
	return r, err
}

// object reads an object and puts its rows into waiting.
func (t *jsonTable) object(r row) error {
	d := json.NewDecoder(strings.NewReader(r.raw))
	d.UseNumber() // as it is written, never a float
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return refuse("line is no JSON object", "the line is no JSON object: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse("line is no JSON object", "something follows the JSON object")
	}
	items := []any{nil}
	var missing error
	if t.each != "" {
		if list, ok := lookUp(object, strings.Split(t.each, ".")).([]any); ok && len(list) > 0 {
			items = list
		} else {
			missing = refuse("list is missing", "%s is no list with something in it", t.each)
		}
	}
	for _, item := range items {
		err := missing
		values := make([]string, len(t.columns))
		for i, path := range t.columns {
			from := any(object)
			if t.inItem[i] {
				from = item
			}
			text, ok := plainText(lookUp(from, path))
			if !ok {
				err = refuse("value is no plain value", "%s is an object", strings.Join(path, "."))
			}
			values[i] = text
		}
		t.waiting, t.errs = append(t.waiting, row{r.line, r.raw, values}), append(t.errs, err)
	}
	return nil
}

// lookUp follows a path; nil: nothing is there.
func lookUp(from any, path []string) any {
	for _, name := range path {
		object, ok := from.(map[string]any)
		if !ok {
			return nil
		}
		from = object[name]
	}
	return from
}

// plainText is a value as text; the items of a list with listSeparator between them.
func plainText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			text, ok := plainText(item)
			if !ok || strings.Contains(text, listSeparator) {
				return "", false
			}
			items[i] = text
		}
		return strings.Join(items, listSeparator), true
	}
	return "", false
}
