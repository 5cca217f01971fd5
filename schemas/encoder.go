package schemas

import (
	"fmt"
	"maps"
	"sync"
)

// Encoder turns records into values in wire format. It is safe for concurrent use.
type Encoder struct {
	ids     map[Kind]int
	outputs sync.Pool // *output
}

// NewEncoder makes an encoder that writes each kind under the id that the registry gave to [Kind.SchemaText].
func NewEncoder(ids map[Kind]int) *Encoder {
	return &Encoder{ids: maps.Clone(ids), outputs: sync.Pool{New: func() any { return newOutput() }}}
}

// Append appends a record, header and body, to dst. v is a pointer to a record type of a kind that has an id. The error
// says what cannot be written (no such record, no id, an enum value that the schema lacks, a text that is not UTF-8); dst
// is then returned as it was.
func (e *Encoder) Append(dst []byte, v any) ([]byte, error) {
	kind, ok := KindOf(v)
	if !ok {
		return dst, fmt.Errorf("encoding %T: it is no record", v)
	}
	id, ok := e.ids[kind]
	if !ok {
		return dst, fmt.Errorf("encoding %s: its schema has no id", kind)
	}
	out, ok := e.outputs.Get().(*output)
	if !ok {
		out = newOutput()
	}
	defer e.outputs.Put(out)
	out.reset()
	recordOf(kind).encodeAny(v, out)
	if out.err != nil {
		return dst, fmt.Errorf("encoding %s: %w", kind, out.err)
	}
	dst = AppendHeader(dst, id)
	return append(dst, out.bytes()...), nil
}
