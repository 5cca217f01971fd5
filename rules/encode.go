package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// formatVersion is the first byte of every row. A reader knows this version and all before it.
const formatVersion = 1

// Row keys. A fact's key sorts as the facts do.
const (
	headRow  = "h"
	baseRow  = "b"
	factRows = "f"
	pageRows = "p"
	keptRows = "k"
	pastRows = "w"

	linkedRows = "r" // behind it the member with whose account this one is linked

	// The rows of a tally stand under a name of their own, and have other keys all the same.
	tallyRow    = "t"
	countedRows = "c"
	leaseRow    = "l"
	budgetRow   = "g"
	wishRows    = "q"

	// So do those of Erasures.
	saltRows   = "s"
	erasedRows = "e"

	baseOwner = "b" // of the pages of the base
)

func (k factKey) row() []byte {
	w := &writer{bytes: make([]byte, 0, 10+len(k.event))}
	w.factKey(k)
	return w.bytes
}

// keptRow is the key of a fact beside the window.
func (k factKey) keptRow() []byte {
	w := &writer{bytes: make([]byte, 0, 10+len(k.event))}
	w.keyOf(keptRows, k)
	return w.bytes
}

func (w *writer) factKey(k factKey) { w.keyOf(factRows, k) }

func (w *writer) keyOf(rows string, k factKey) {
	w.bytes = append(w.bytes, rows...)
	w.uint64(uint64(k.at) ^ 1<<63)
	w.byte(byte(k.kind))
	w.bytes = append(w.bytes, k.event...)
}

func factKeyOf(row []byte) (factKey, error) {
	if len(row) < 10 || row[0] != factRows[0] && row[0] != keptRows[0] && row[0] != pastRows[0] {
		return factKey{}, fmt.Errorf("decode fact key %x: it is shorter than 10 bytes or of another kind", row)
	}
	at := int64(binary.BigEndian.Uint64(row[1:]) ^ 1<<63)
	return factKey{at: at, kind: factKind(row[9]), event: string(row[10:])}, nil
}

func pageKey(name string, page int64) []byte {
	w := &writer{bytes: make([]byte, 0, len(name)+6)}
	w.pageKey(name, page)
	return w.bytes
}

func (w *writer) pageKey(name string, page int64) {
	w.bytes = append(w.bytes, pageRows...)
	w.bytes = append(w.bytes, name...)
	w.byte(0)
	w.uint32(uint32(page))
}

// writer appends the compact encoding of a row. The zero writer is ready.
type writer struct{ bytes []byte }

func (w *writer) byte(b byte)      { w.bytes = append(w.bytes, b) }
func (w *writer) uvarint(v uint64) { w.bytes = binary.AppendUvarint(w.bytes, v) }
func (w *writer) varint(v int64)   { w.bytes = binary.AppendVarint(w.bytes, v) }
func (w *writer) uint32(v uint32)  { w.bytes = binary.BigEndian.AppendUint32(w.bytes, v) }
func (w *writer) uint64(v uint64)  { w.bytes = binary.BigEndian.AppendUint64(w.bytes, v) }

func (w *writer) bool(b bool) {
	if b {
		w.byte(1)
		return
	}
	w.byte(0)
}

func (w *writer) string(s string) {
	w.uvarint(uint64(len(s)))
	w.bytes = append(w.bytes, s...)
}

func (w *writer) strings(list []string) {
	w.uvarint(uint64(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

// reader reads what a writer wrote. The first error sticks; after it every read gives the zero value, so that a decoder
// checks once, at its end.
type reader struct {
	rest []byte
	text string // the same bytes, where texts are to be cut from one piece of memory; empty: each has its own
	err  error
}

var errTorn = errors.New("the row ends early or holds an impossible length")

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("decode %s: %w", what, errTorn)
	}
	r.rest = nil
}

// missing records that a row which the head names could not be had (invariant R5).
func (r *reader) missing(key []byte, err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("read row %q: %w", key, err)
	}
	if r.err == nil {
		r.err = fmt.Errorf("read row %q: it is not there, though the head names it", key)
	}
	r.rest = nil
}

// version reads the first byte of a row.
func (r *reader) version() {
	if v := r.byte(); r.err == nil && v != formatVersion {
		r.err = fmt.Errorf("decode row: format %d is not known to this version, which reads %d: run the version that wrote it, or a newer one", v, formatVersion)
		r.rest = nil
	}
}

func (r *reader) byte() byte {
	if len(r.rest) < 1 {
		r.fail("byte")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) bool() bool { return r.byte() != 0 }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) uint32() uint32 {
	if len(r.rest) < 4 {
		r.fail("hash")
		return 0
	}
	v := binary.BigEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return v
}

func (r *reader) uint64() uint64 {
	if len(r.rest) < 8 {
		r.fail("hash")
		return 0
	}
	v := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("text")
		return ""
	}
	at := len(r.text) - len(r.rest)
	rest := r.rest
	r.rest = r.rest[n:]
	if r.text != "" {
		return r.text[at : at+int(n)]
	}
	return string(rest[:n])
}

// count reads the length of a list whose elements take at least one byte each, so that a torn row cannot ask for memory.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("list")
		return 0
	}
	return int(n)
}

func (r *reader) strings() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

// end reports the first error, or that bytes are left over.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("decode row: %d bytes are left over", len(r.rest))
	}
	return r.err
}

// rowWriter makes changed rows, one behind the other in memory that is used again, and hands them to the caller of Save.
type rowWriter struct {
	emit func(key, value []byte)
	w    writer
}

func (r *rowWriter) begin(emit func(key, value []byte)) { r.emit, r.w.bytes = emit, r.w.bytes[:0] }

// cut returns what `write` writes, as a piece of its own.
func (r *rowWriter) cut(write func(w *writer)) []byte {
	from := len(r.w.bytes)
	write(&r.w)
	return r.w.bytes[from:len(r.w.bytes):len(r.w.bytes)]
}

func (r *rowWriter) fact(f *fact) {
	rows := factRows
	switch {
	case f.kept:
		rows = keptRows
	case f.past:
		rows = pastRows
	}
	key := r.cut(func(w *writer) { w.keyOf(rows, f.key) })
	r.emit(key, r.cut(f.encode))
}

func (r *rowWriter) delete(key []byte) { r.emit(key, nil) }
