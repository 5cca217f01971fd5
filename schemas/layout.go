package schemas

import (
	"fmt"
	"strconv"
)

// layout is the table of a record: its columns in the order of the schema. It never changes once it is made.
type layout[T any] struct {
	name     string
	columns  []column[T]
	names    []string
	heads    []string // the fields' names with quotes and colon, as they mostly stand in plain JSON
	required uint64   // bit i: column i has no default
	defaults []func(*T)
}

// column is one field of the record type T, in every form that the record has.
type column[T any] interface {
	name() string
	needed() bool                              // the schema gives no default
	reset() func(*T)                           // sets the default; nil: it is the zero value
	compile(w *shape) (step[T], error)         // reads what a writer wrote as w
	encode(v *T, out *output)                  // writes as the schema says
	parse(v *T, s *scanner)                    // reads plain JSON
	print(p *printer, dst []byte, v *T) []byte // writes plain JSON after a comma; what is absent not at all
}

// step reads one field of a body into a record.
type step[T any] func(v *T, in *input)

// newLayout makes a table.
func newLayout[T any](name string, columns ...column[T]) *layout[T] {
	l := &layout[T]{name: name, columns: columns}
	for i, c := range columns {
		l.names = append(l.names, c.name())
		l.heads = append(l.heads, strconv.Quote(c.name())+":")
		if c.needed() {
			l.required |= 1 << i
		}
		if set := c.reset(); set != nil {
			l.defaults = append(l.defaults, set)
		}
	}
	return l
}

// setDefaults sets the defaults that are not zero values.
func (l *layout[T]) setDefaults(v *T) {
	for _, set := range l.defaults {
		set(v)
	}
}

// find returns the column with a name. The search starts where the last one ended, as fields mostly come in order.
func (l *layout[T]) find(name []byte, from int) (int, bool) {
	for i := from; i < len(l.names); i++ {
		if string(name) == l.names[i] {
			return i, true
		}
	}
	for i := 0; i < min(from, len(l.names)); i++ {
		if string(name) == l.names[i] {
			return i, true
		}
	}
	return 0, false
}

// record is a layout whose type is not known when compiling.
type record interface {
	recordName() string
	fieldNames() []string
	compileAny(w *shape) (func(*input) any, error)
	encodeAny(v any, out *output)
	parseAny(s *scanner) any
	printAny(p *printer, dst []byte, v any) []byte
}

func (l *layout[T]) recordName() string   { return l.name }
func (l *layout[T]) fieldNames() []string { return l.names }

// compileAny returns what decodes a body written as w into a new *T.
func (l *layout[T]) compileAny(w *shape) (func(*input) any, error) {
	p, err := l.compile(w)
	if err != nil {
		return nil, err
	}
	return func(in *input) any {
		v := new(T)
		p.run(v, in)
		return v
	}, nil
}

// encodeAny writes v, which is a *T.
func (l *layout[T]) encodeAny(v any, out *output) {
	t, ok := v.(*T)
	if !ok || t == nil {
		out.fail("%T is not a %s", v, l.name)
		return
	}
	l.encode(t, out)
}

// parseAny reads a new *T from plain JSON.
func (l *layout[T]) parseAny(s *scanner) any {
	v := new(T)
	l.parse(v, s)
	return v
}

// printAny writes v, which is a *T, as plain JSON.
func (l *layout[T]) printAny(p *printer, dst []byte, v any) []byte {
	t, ok := v.(*T)
	if !ok || t == nil {
		p.fail("%T is not a %s", v, l.name)
		return dst
	}
	return l.print(p, dst, t)
}

// plan decodes the bodies that one writer's schema describes.
type plan[T any] struct {
	layout *layout[T]
	steps  []step[T]
	names  []string
}

// compile resolves a writer's record against the table: fields are found by name, what is not known is passed over,
// what is missing gets its default. Names and namespaces of record and enum types do not matter.
func (l *layout[T]) compile(w *shape) (*plan[T], error) {
	if w.kind != shapeRecord {
		return nil, fmt.Errorf("it is a %s, expected the record %s", w.kind, l.name)
	}
	p := &plan[T]{layout: l}
	var seen uint64
	for i, name := range w.names {
		at, known := l.find([]byte(name), i)
		if !known {
			if pass := skip(w.parts[i]); pass != nil {
				p.steps = append(p.steps, func(_ *T, in *input) { pass(in) })
				p.names = append(p.names, name)
			}
			continue
		}
		run, err := l.columns[at].compile(w.parts[i])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		seen |= 1 << at
		p.steps = append(p.steps, run)
		p.names = append(p.names, name)
	}
	for i, name := range l.names {
		if l.required&^seen&(1<<i) != 0 {
			return nil, fmt.Errorf("field %s is missing", name)
		}
	}
	return p, nil
}

// run decodes one record. v is zero.
func (p *plan[T]) run(v *T, in *input) {
	p.layout.setDefaults(v)
	for i, run := range p.steps {
		run(v, in)
		if in.failed() {
			in.at(p.names[i])
			return
		}
	}
}

// encode writes a record.
func (l *layout[T]) encode(v *T, out *output) {
	for _, c := range l.columns {
		c.encode(v, out)
		if out.err != nil {
			out.err = fmt.Errorf("%s: %w", c.name(), out.err)
			return
		}
	}
}
