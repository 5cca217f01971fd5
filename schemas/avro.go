package schemas

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// This file is the Avro form of the column types: resolving what a writer wrote, and writing as our schema says.

// Instants that a record may hold: years 1 to 9999, in ms since 1970. Beyond there is no RFC 3339.
const (
	minInstant = -62_135_596_800_000
	maxInstant = 253_402_300_799_999
)

// dateForm is the text form of a date.
const dateForm = time.DateOnly

// errNull says that a value is null where the schema has no null.
var errNull = errors.New("it is null, which this field cannot be")

// read reads one value of a writer's type.
type read[V any] func(*input) V

// resolve compiles the reading of a writer's type with leaf, which knows the types that a column can be read from. A
// union is resolved branch by branch, so that a branch of a wrong type is an error only in the record that has it.
func resolve[V any](w *shape, nullable bool, leaf func(*shape) (read[V], error)) (read[V], error) {
	switch w.kind {
	case shapeNull:
		if !nullable {
			return nil, errNull
		}
		return func(*input) V { var zero V; return zero }, nil
	case shapeUnion:
		branches := make([]read[V], 0, len(w.parts))
		usable := false
		for _, p := range w.parts {
			branch, err := resolve(p, nullable, leaf)
			if err != nil {
				branch = func(in *input) V {
					in.fail("%v", err)
					var zero V
					return zero
				}
			}
			usable = usable || err == nil
			branches = append(branches, branch)
		}
		if !usable {
			return nil, errors.New("no type of the union can be read")
		}
		return func(in *input) V { return branches[in.branch(len(branches))](in) }, nil
	default:
		return leaf(w)
	}
}

// mismatch is the error for a writer's type that cannot be read.
func mismatch(w *shape, expected string) error {
	if w.logical != "" {
		return fmt.Errorf("it is %s (%s), expected %s", w.kind, w.logical, expected)
	}
	return fmt.Errorf("it is %s, expected %s", w.kind, expected)
}

func readText(w *shape) (read[string], error) {
	if w.kind != shapeText && w.kind != shapeBytes {
		return nil, mismatch(w, "string")
	}
	return (*input).text, nil
}

func (c *textColumn[T]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, c.nullable, readText)
	if err != nil {
		return nil, err
	}
	return func(v *T, in *input) { *c.at(v) = get(in) }, nil
}

func (c *textColumn[T]) encode(v *T, out *output) {
	s := *c.at(v)
	if c.nullable {
		if s == "" {
			out.long(0)
			return
		}
		out.long(1)
	}
	writeText(s, out)
}

// writeText writes a text and checks that it is one (S4).
func writeText(s string, out *output) {
	if !utf8.ValidString(s) {
		out.fail("the text %q is not valid UTF-8", s)
	}
	out.text(s)
}

func (c *enumColumn[T, E]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, false, func(w *shape) (read[E], error) {
		if w.kind != shapeEnum {
			return nil, mismatch(w, "enum")
		}
		return c.symbolReader(w.names), nil
	})
	if err != nil {
		return nil, err
	}
	return func(v *T, in *input) { *c.at(v) = get(in) }, nil
}

// symbolReader reads an enum with the writer's symbols. One that is not ours is an error only in the record that has it.
func (c *enumColumn[T, E]) symbolReader(writer []string) read[E] {
	ours := make([]E, len(writer))
	for i, symbol := range writer {
		switch {
		case slices.Contains(c.symbols, E(symbol)):
			ours[i] = E(symbol)
		case c.unknown:
			ours[i] = symbolUnknown
		}
	}
	return func(in *input) E {
		i := int(in.int())
		if i < 0 || i >= len(ours) {
			in.fail("symbol %d of an enum that has %d", i, len(ours))
			return ""
		}
		if ours[i] == "" {
			in.fail("%q is not known, expected one of %s", writer[i], joinSymbols(c.symbols))
		}
		return ours[i]
	}
}

func (c *enumColumn[T, E]) encode(v *T, out *output) {
	for i, symbol := range c.symbols {
		if *c.at(v) == symbol {
			out.long(int64(i))
			return
		}
	}
	out.fail("%q is none of %s", *c.at(v), joinSymbols(c.symbols))
}

func readInt32(w *shape) (read[int32], error) {
	if w.kind != shapeInt {
		return nil, mismatch(w, "int")
	}
	return (*input).int, nil
}

func readInt64(w *shape) (read[int64], error) {
	switch w.kind {
	case shapeInt:
		return func(in *input) int64 { return int64(in.int()) }, nil
	case shapeLong:
		return (*input).long, nil
	default:
		return nil, mismatch(w, "long")
	}
}

func (c *numberColumn[T, N]) compile(w *shape) (step[T], error) {
	if _, wide := any(c.def).(int64); wide {
		get, err := resolve(w, false, readInt64)
		return func(v *T, in *input) { *c.at(v) = N(get(in)) }, err
	}
	get, err := resolve(w, false, readInt32)
	return func(v *T, in *input) { *c.at(v) = N(get(in)) }, err
}

func (c *numberColumn[T, N]) encode(v *T, out *output) { out.long(int64(*c.at(v))) }

// readInstant reads a time of any timestamp type, or of plain ms.
func readInstant(w *shape) (read[time.Time], error) {
	long, err := readInt64(w)
	if err != nil {
		return nil, mismatch(w, "timestamp-millis")
	}
	perMilli := int64(1)
	switch w.logical {
	case "", "timestamp-millis":
	case "timestamp-micros":
		perMilli = 1_000
	case "timestamp-nanos":
		perMilli = 1_000_000
	default:
		return nil, mismatch(w, "timestamp-millis")
	}
	return func(in *input) time.Time {
		n := long(in)
		milli := n / perMilli
		if n%perMilli < 0 {
			milli-- // towards the past, also before 1970
		}
		if milli < minInstant || milli > maxInstant {
			in.fail("%d is no time in the years 1 to 9999 (%s)", n, w.logical)
			return time.Time{}
		}
		return time.UnixMilli(milli).UTC()
	}, nil
}

func (c *instantColumn[T]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, c.nullable, readInstant)
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

func (c *instantColumn[T]) encode(v *T, out *output) {
	t := *c.at(v)
	if c.nullable {
		if t.IsZero() {
			out.long(0)
			return
		}
		out.long(1)
	}
	milli := t.UnixMilli()
	if milli < minInstant || milli > maxInstant {
		out.fail("%v is not in the years 1 to 9999", t)
	}
	out.long(milli)
}

// secondsPerDay is the length of a day in UTC.
const secondsPerDay = 24 * 60 * 60

// readDate reads a date as its text.
func readDate(w *shape) (read[string], error) {
	if w.kind != shapeInt || (w.logical != "date" && w.logical != "") {
		return nil, mismatch(w, "date")
	}
	return func(in *input) string {
		days := int64(in.int())
		if days < minInstant/1000/secondsPerDay || days > maxInstant/1000/secondsPerDay {
			in.fail("%d is no day in the years 1 to 9999", days)
			return ""
		}
		return time.Unix(days*secondsPerDay, 0).UTC().Format(dateForm)
	}, nil
}

func (c *dateColumn[T]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, true, readDate)
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

func (c *dateColumn[T]) encode(v *T, out *output) {
	s := *c.at(v)
	if s == "" {
		out.long(0)
		return
	}
	day, err := time.Parse(dateForm, s)
	if err != nil || day.Year() < 1 {
		out.fail("%q is no day of the form 2006-01-02", s)
		return
	}
	out.long(1)
	out.long(day.Unix() / secondsPerDay)
}

// readTexts reads a list of texts; an empty one is nil.
func readTexts(w *shape) (read[[]string], error) {
	if w.kind != shapeArray {
		return nil, mismatch(w, "array of string")
	}
	item, err := resolve(w.parts[0], false, readText)
	if err != nil {
		return nil, fmt.Errorf("item: %w", err)
	}
	return func(in *input) []string {
		var all []string
		for n := in.block(); n > 0; n = in.block() {
			for range n {
				all = append(all, item(in))
				if in.failed() {
					in.at(fmt.Sprintf("[%d]", len(all)-1))
					return nil
				}
			}
		}
		return all
	}, nil
}

func (c *textsColumn[T]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, false, readTexts)
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

func (c *textsColumn[T]) encode(v *T, out *output) {
	all := *c.at(v)
	if len(all) > 0 {
		out.long(int64(len(all)))
	}
	for _, s := range all {
		writeText(s, out)
	}
	out.long(0)
}

// readMap reads named texts; an empty map is nil.
func readMap(w *shape) (read[map[string]string], error) {
	if w.kind != shapeMap {
		return nil, mismatch(w, "map of string")
	}
	item, err := resolve(w.parts[0], false, readText)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return func(in *input) map[string]string {
		var all map[string]string
		for n := in.block(); n > 0; n = in.block() {
			if all == nil {
				all = make(map[string]string)
			}
			for range n {
				key := in.text()
				all[key] = item(in)
				if in.failed() {
					in.at(fmt.Sprintf("[%q]", key))
					return nil
				}
			}
		}
		return all
	}, nil
}

func (c *mapColumn[T]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, false, readMap)
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

// encode writes the keys in order, so that equal records have equal bytes.
func (c *mapColumn[T]) encode(v *T, out *output) {
	all := *c.at(v)
	if len(all) > 0 {
		out.long(int64(len(all)))
		for _, key := range slices.Sorted(maps.Keys(all)) {
			writeText(key, out)
			writeText(all[key], out)
		}
	}
	out.long(0)
}

func (c *groupColumn[T, E]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, false, func(w *shape) (read[E], error) {
		p, err := c.layout.compile(w)
		if err != nil {
			return nil, err
		}
		return func(in *input) E {
			var e E
			p.run(&e, in)
			return e
		}, nil
	})
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

func (c *groupColumn[T, E]) encode(v *T, out *output) { c.layout.encode(c.at(v), out) }

func (c *listColumn[T, E]) compile(w *shape) (step[T], error) {
	get, err := resolve(w, false, c.itemsReader)
	return func(v *T, in *input) { *c.at(v) = get(in) }, err
}

// firstItems is how many items a list gets room for at first, whatever a block's header claims.
const firstItems = 64

// itemsReader reads a list of records; an empty one is nil. The list grows with what is there, not with what a header
// says.
func (c *listColumn[T, E]) itemsReader(w *shape) (read[[]E], error) {
	if w.kind != shapeArray {
		return nil, mismatch(w, "array of "+c.layout.name)
	}
	p, err := c.layout.compile(w.parts[0])
	if err != nil {
		return nil, fmt.Errorf("item: %w", err)
	}
	return func(in *input) []E {
		var all []E
		for n := in.block(); n > 0; n = in.block() {
			all = slices.Grow(all, min(n, firstItems))
			for range n {
				var zero E
				all = append(all, zero)
				p.run(&all[len(all)-1], in)
				if in.failed() {
					in.at(fmt.Sprintf("[%d]", len(all)-1))
					return nil
				}
			}
		}
		return all
	}, nil
}

func (c *listColumn[T, E]) encode(v *T, out *output) {
	all := *c.at(v)
	if len(all) > 0 {
		out.long(int64(len(all)))
	}
	for i := range all {
		c.layout.encode(&all[i], out)
	}
	out.long(0)
}
