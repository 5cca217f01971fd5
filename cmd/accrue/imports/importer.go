package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// Options of an Importer.
type Options struct {
	SortBytes int                        // of a piece that is sorted in memory; 0: 128 MiB
	Folder    string                     // for temporary files; empty: the system's
	Progress  func(what string)          // is told of each row or event that a pass, in words, has done; nil: nobody is
	Refused   func(Refusal)              // takes what is refused
	Event     func(*schemas.Order) error // takes the events, by time
}

const sortBytes = 128 << 20

// Report is what an import came to.
type Report struct {
	Rows, Skipped, Refused         int64
	Orders, Refunds, Cancellations int64 // events
	Members                        int64
	Forgotten                      int64            // orders of members with too many of them, of which nothing could come back any more
	Reasons                        map[string]int64 // of refused rows
	Ordered, Returned              map[string]int64 // money in minor units by currency; of an order at its earliest status
	First, Last                    time.Time        // of events; zero: there is none
	NeverSeen                      []string         // columns of JSON lines that no row had
}

// Importer imports one file.
type Importer struct {
	mapping *Mapping
	options Options
	report  Report
}

// New returns an Importer.
func New(m *Mapping, o Options) *Importer {
	if o.SortBytes == 0 {
		o.SortBytes = sortBytes
	}
	return &Importer{mapping: m, options: o, report: Report{
		Reasons: map[string]int64{}, Ordered: map[string]int64{}, Returned: map[string]int64{},
	}}
}

// MappingError says that a mapping does not fit its file.
type MappingError struct{ Problems programme.Problems }

func (e *MappingError) Error() string { return strings.TrimRight(e.Problems.String(), "\n") }

// Run imports the file that is read from in. Name is its name, from which the format follows where the mapping does not say it.
// The error is a *MappingError where the mapping names columns that are not there; then nothing was handed over.
func (im *Importer) Run(ctx context.Context, name string, in io.Reader) (*Report, error) {
	folder, err := os.MkdirTemp(im.options.Folder, "accrue-import-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for temporary files: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // what is left there harms nobody
	t, err := im.table(name, in)
	if err != nil {
		return nil, err
	}
	byOrder, byMember, byTime := newSorter(folder, im.options.SortBytes), newSorter(folder, im.options.SortBytes), newSorter(folder, im.options.SortBytes)
	defer byOrder.close()
	defer byMember.close()
	defer byTime.close()
	if err := im.read(ctx, t, byOrder); err != nil {
		return nil, err
	}
	if err := im.group(ctx, byOrder, byMember); err != nil {
		return nil, err
	}
	if err := im.match(ctx, byMember, byTime); err != nil {
		return nil, err
	}
	return &im.report, byTime.each(func(it item) error {
		u := unpacker{b: it.value}
		o := u.order()
		if u.err != nil {
			return u.err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped: %w", err)
		}
		im.count(&o)
		im.step("events")
		return im.options.Event(&o)
	})
}

// table opens the file and finds the mapping's columns in it.
func (im *Importer) table(name string, in io.Reader) (table, error) {
	m := im.mapping
	text, err := textReader(in, m.Encoding)
	if err != nil {
		return nil, err
	}
	lines := newLineReader(text)
	var t table
	if isJSON(m, name) {
		t = &jsonTable{lines: lines, each: m.Each}
	} else if t, err = openCSV(m, lines); err != nil {
		return nil, err
	}
	var names []string
	var problems programme.Problems
	known := t.known()
	if len(m.columns) > 0 && m.Columns == nil && strings.ContainsAny(strings.Join(known, ""), "\x00\uFFFD") {
		return nil, &MappingError{programme.Problems{{Pos: m.columns[0].at, Severity: programme.Error, Message: fmt.Sprintf(
			"the file's header line is no text in %s: say in `file: {encoding: ...}` which it is; there are %s", m.Encoding, strings.Join(encodings(), ", "))}}}
	}
	for _, use := range m.columns {
		at := slices.Index(names, use.name)
		if at < 0 {
			at = len(names)
			names = append(names, use.name)
		}
		*use.index = at
		if problem, wrong := columnProblem(use, known); wrong {
			problems = append(problems, problem)
		}
	}
	if len(problems) > 0 {
		return nil, &MappingError{sortProblems(problems)}
	}
	t.bind(names)
	return t, nil
}

// columnProblem says what is wrong with a column that the mapping names; known is nil where that shows only later.
func columnProblem(use columnUse, known []string) (programme.Problem, bool) {
	p := programme.Problem{Pos: use.at, Severity: programme.Error}
	first := slices.Index(known, use.name)
	switch {
	case known == nil:
		return p, false
	case first < 0:
		p.Message = fmt.Sprintf("the file has no column %q", use.name)
		if p.Suggestion = schemas.Nearest(use.name, known); p.Suggestion == "" {
			p.Message += "; it has " + strings.Join(known, ", ")
		}
	case slices.Contains(known[first+1:], use.name):
		p.Message = fmt.Sprintf("the file has column %q twice: name its columns in `file: {columns: [...]}`, and leave out its header line", use.name)
	default:
		return p, false
	}
	return p, true
}

func isJSON(m *Mapping, name string) bool {
	if m.Format != "" {
		return m.Format == "jsonl"
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".json")
}

// read understands the rows.
func (im *Importer) read(ctx context.Context, t table, to *sorter) error {
	seen := make([]bool, len(im.mapping.columns))
	for {
		r, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped after %d rows; nothing was written: %w", im.report.Rows, ctx.Err())
		}
		im.report.Rows++
		im.step("rows read")
		var e entry
		if err == nil {
			if anyHolds(im.mapping.Skip, r.values) {
				im.report.Skipped++
				continue
			}
			for i, use := range im.mapping.columns {
				seen[i] = seen[i] || r.values[*use.index] != ""
			}
			e, err = im.mapping.understand(r)
		} else if r.values != nil {
			e.order.OrderID, _ = im.mapping.Order.OrderID.name(r.values, "order_id") // as far as it is known
		}
		var no *refused
		switch {
		case errors.As(err, &no):
			im.refuse(Refusal{Line: r.line, Order: e.order.OrderID, Kind: no.kind, Why: no.why, Raw: r.raw})
			if e.order.OrderID == "" {
				continue
			}
			e = entry{row: r.line, bad: true, order: schemas.Order{OrderID: e.order.OrderID}}
		case err != nil:
			return fmt.Errorf("reading the file after line %d: %w", r.line, err)
		}
		e.sequence = im.report.Rows
		if err := to.add(e.groupKey(), e.pack()); err != nil {
			return err
		}
	}
	for i, use := range im.mapping.columns {
		if !seen[i] && !slices.Contains(im.report.NeverSeen, use.name) {
			im.report.NeverSeen = append(im.report.NeverSeen, use.name)
		}
	}
	return nil
}

func (im *Importer) step(what string) {
	if im.options.Progress != nil {
		im.options.Progress(what)
	}
}

func (im *Importer) refuse(r Refusal) {
	const most = 1000
	if len(r.Raw) > most {
		r.Raw = strings.ToValidUTF8(r.Raw[:most], "") + "..."
	}
	im.report.Refused++
	im.report.Reasons[r.Kind]++
	im.options.Refused(r)
}

// group makes documents of rows.
func (im *Importer) group(ctx context.Context, from, to *sorter) error {
	g := &grouper{mapping: im.mapping, refuse: im.refuse, emit: func(d *document) error { return to.add(d.memberKey(), d.pack()) }}
	err := from.each(func(it item) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped; nothing was written: %w", err)
		}
		im.step("rows put together")
		return g.take(it)
	})
	if err != nil {
		return err
	}
	return g.finish()
}

// match makes events of documents.
func (im *Importer) match(ctx context.Context, from, to *sorter) error {
	m := &matcher{mapping: im.mapping, refuse: im.refuse, ordered: im.report.Ordered, returned: im.report.Returned, emit: func(d *document, event *schemas.Order, n int) error {
		var p packer
		p.order(event)
		return to.add(d.timeKey(n), p.b)
	}}
	err := from.each(func(it item) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped; nothing was written: %w", err)
		}
		im.step("orders matched")
		d, err := unpackDocument(it.value)
		if err != nil {
			return err
		}
		return m.take(&d)
	})
	im.report.Members, im.report.Forgotten = m.members, m.forgot
	return err
}

// count takes an event into the report.
func (im *Importer) count(o *schemas.Order) {
	r := &im.report
	if r.First.IsZero() {
		r.First = o.OccurredAt
	}
	r.Last = o.OccurredAt
	switch o.Status {
	case schemas.Cancelled:
		r.Cancellations++
	case schemas.Refunded:
		r.Refunds++
	case schemas.Placed, schemas.Paid, schemas.Completed:
		r.Orders++
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
