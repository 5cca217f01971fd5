package imports

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"accrue/rules/programme"
)

// Mapping says what the columns of a file mean. ReadMapping makes one.
type Mapping struct {
	Source string // a name for where the orders come from; part of every event id

	Format    string // csv or jsonl; empty: by the file's name
	Encoding  string // one of encodings
	Delimiter rune
	Columns   []string // of a CSV file without a header line; nil: it has one
	Each      string   // of JSON lines: the path of a list, whose items are the rows; empty: an object is a row

	Decimal, Thousands string // separators in numbers
	MinorUnits         bool   // amounts are in minor units already
	Rounding           string // refuse, half_up, down: of amounts that are no whole minor unit

	Patterns []Pattern // of times, in the order in which they are tried
	Zone     *time.Location

	Skip    []Condition // rows of which any holds are no orders
	Returns []Condition // rows of which any holds take something back, beside those with negative pieces or amounts
	Within  int         // days: how long after its order something may come back
	Spread  bool        // what no single order holds is taken from several, the newest first

	Order      OrderFields
	Line       LineFields
	Attributes []Attribute

	columns []columnUse // every column that is named, and where
}

// OrderFields are the fields of an order. Those that are nil are left out.
type OrderFields struct {
	OrderID, MemberID, OccurredAt, Status, Currency, Channel, Store, Coupons, PaymentHash, DeviceID, IP, Reference *Field
}

// LineFields are the fields of a line. UnitPrice or Amount is set, not both.
type LineFields struct {
	LineID, SKU, Quantity, UnitPrice, Amount, Category, Brand, Tags *Field
}

// Attribute is an attribute of orders.
type Attribute struct {
	Name  string
	Value *Field
}

// Field says where a value comes from.
type Field struct {
	Column    string            // empty: Value
	Value     string            // a constant
	Table     map[string]string // what the column says, and what that means; nil: it is taken as it is
	Otherwise *string           // what anything else means; nil: it is refused
	Default   string            // where the column is empty
	Strip     string            // a prefix that is taken off
	Separator string            // of lists

	at    programme.Position
	index int // of Column in the rows
}

// Condition holds for rows.
type Condition struct {
	Column  string
	In      []string // any of these; nil: not asked
	Begins  string   // empty: not asked
	Matches *regexp.Regexp
	Empty   *bool

	index int
}

// columnUse is where the mapping names a column.
type columnUse struct {
	name  string
	at    programme.Position
	index *int
}

// holds says whether all that a condition asks is so.
func (c *Condition) holds(values []string) bool {
	v := strings.TrimSpace(values[c.index])
	return (c.In == nil || slices.Contains(c.In, v)) &&
		(c.Begins == "" || strings.HasPrefix(v, c.Begins)) &&
		(c.Matches == nil || c.Matches.MatchString(v)) &&
		(c.Empty == nil || *c.Empty == (v == ""))
}

func anyHolds(conditions []Condition, values []string) bool {
	return slices.ContainsFunc(conditions, func(c Condition) bool { return c.holds(values) })
}

// text is a field's value in a row. A nil field is empty.
func (f *Field) text(values []string) (string, error) {
	if f == nil {
		return "", nil
	}
	if f.Column == "" {
		return f.Value, nil
	}
	v := strings.TrimSpace(values[f.index])
	if strings.ContainsRune(v, '\uFFFD') {
		return "", refuse("text cannot be read", "column %s holds bytes that are no text in this encoding: %q; is `encoding` right?", f.Column, v)
	}
	v = strings.TrimPrefix(v, f.Strip)
	if v == "" {
		v = f.Default
	}
	if f.Table == nil {
		return v, nil
	}
	meant, ok := f.Table[v]
	switch {
	case ok:
		return meant, nil
	case f.Otherwise != nil:
		return *f.Otherwise, nil
	}
	return "", refuse("value is in no table", "column %s holds %q, which is not in the table of `values`", f.Column, v)
}

// list is a field's value as a list.
func (f *Field) list(values []string) ([]string, error) {
	v, err := f.text(values)
	if err != nil || v == "" {
		return nil, err
	}
	separator := f.Separator
	if strings.Contains(v, listSeparator) {
		separator = listSeparator
	}
	if separator == "" {
		return []string{v}, nil
	}
	var items []string
	for item := range strings.SplitSeq(v, separator) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}

// listSeparator stands between the items of a JSON list.
const listSeparator = "\x1f"
