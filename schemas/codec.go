package schemas

import (
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/hamba/avro/v2"
)

// This file is the border to hamba/avro, which reads and writes the primitives of the binary encoding and parses
// schemas. What it does not check by itself is checked here: it takes some truncated bodies and all trailing bytes for
// good, loops over or allocates whatever a length says, and overflows the stack on a recursive schema.

// Bounds of a writer's schema. Ours have 80 nodes, 3 levels and 6 KB; beyond these bounds something else is meant.
const (
	maxSchemaBytes = 256 << 10
	maxSchemaDepth = 32     // levels of nesting
	maxSchemaNodes = 10_000 // types, each counted as often as it is used
)

// errSchemaRecursive says that a type contains itself, which would let a body decide how deep decoding recurses.
var errSchemaRecursive = errors.New("it is recursive")

// shapeKind is a type of Avro's.
type shapeKind uint8

const (
	shapeNull shapeKind = iota
	shapeBoolean
	shapeInt
	shapeLong
	shapeFloat
	shapeDouble
	shapeBytes
	shapeText
	shapeFixed
	shapeEnum
	shapeArray
	shapeMap
	shapeUnion
	shapeRecord
)

// String returns Avro's name of the type.
func (k shapeKind) String() string {
	names := [...]string{
		"null", "boolean", "int", "long", "float", "double", "bytes", "string",
		"fixed", "enum", "array", "map", "union", "record",
	}
	return names[k]
}

// shape is a writer's schema, checked against the bounds above, free of references and of the Avro library.
type shape struct {
	kind     shapeKind
	logical  string   // logicalType; empty: none
	names    []string // fields of a record, symbols of an enum
	parts    []*shape // fields of a record, branches of a union, the one item of an array or map
	size     int      // bytes of a fixed
	nodes    int      // types in it, itself included
	zeroSize bool     // each value takes no byte at all
}

// parseShape parses a writer's schema. The error names what is wrong with it.
func parseShape(text string) (*shape, error) {
	if len(text) > maxSchemaBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), maxSchemaBytes)
	}
	if depth := bracketDepth(text); depth > 4*maxSchemaDepth {
		return nil, fmt.Errorf("its JSON is nested %d deep, more than %d", depth, 4*maxSchemaDepth)
	}
	// A cache of its own: the library's shared one would resolve names that another schema has defined.
	schema, err := avro.ParseBytesWithCache([]byte(text), "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("it is no Avro schema: %w", err)
	}
	s := shaper{done: map[string]*shape{}, open: map[string]bool{}}
	return s.shape(schema, 0)
}

// bracketDepth returns how deep a JSON text is nested, before any recursive parser sees it.
func bracketDepth(text string) int {
	depth, deepest := 0, 0
	inText := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// shaper turns the library's schema into shapes.
type shaper struct {
	done map[string]*shape // finished named types
	open map[string]bool   // named types that are being looked at: a reference to one is a recursion
}

// shape converts one type and all that is in it.
func (c *shaper) shape(schema avro.Schema, depth int) (*shape, error) {
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxSchemaDepth)
	}
	if ref, ok := schema.(*avro.RefSchema); ok {
		schema = ref.Schema()
	}
	named, isNamed := schema.(avro.NamedSchema)
	if isNamed {
		name := named.FullName()
		if c.open[name] {
			return nil, fmt.Errorf("type %s: %w", name, errSchemaRecursive)
		}
		if s := c.done[name]; s != nil {
			return s, nil
		}
		c.open[name] = true
		defer delete(c.open, name)
	}
	s, err := c.convert(schema, depth)
	if err != nil {
		return nil, err
	}
	s.nodes = 1
	for _, p := range s.parts {
		s.nodes += p.nodes
	}
	if s.nodes > maxSchemaNodes {
		return nil, fmt.Errorf("it has more than %d types", maxSchemaNodes)
	}
	if isNamed {
		c.done[named.FullName()] = s
	}
	return s, nil
}

// convert converts a type that is no reference.
func (c *shaper) convert(schema avro.Schema, depth int) (*shape, error) {
	switch t := schema.(type) {
	case *avro.NullSchema:
		return &shape{kind: shapeNull, zeroSize: true}, nil
	case *avro.PrimitiveSchema:
		return primitiveShape(t)
	case *avro.FixedSchema:
		return &shape{kind: shapeFixed, size: t.Size(), zeroSize: t.Size() <= 0}, nil
	case *avro.EnumSchema:
		return &shape{kind: shapeEnum, names: t.Symbols()}, nil
	case *avro.ArraySchema:
		return c.container(&shape{kind: shapeArray}, depth, t.Items())
	case *avro.MapSchema:
		return c.container(&shape{kind: shapeMap}, depth, t.Values())
	case *avro.UnionSchema:
		return c.container(&shape{kind: shapeUnion}, depth, t.Types()...)
	case *avro.RecordSchema:
		s := &shape{kind: shapeRecord}
		types := make([]avro.Schema, 0, len(t.Fields()))
		for _, f := range t.Fields() {
			s.names = append(s.names, f.Name())
			types = append(types, f.Type())
		}
		if _, err := c.container(s, depth, types...); err != nil {
			return nil, err
		}
		s.zeroSize = true
		for _, p := range s.parts {
			s.zeroSize = s.zeroSize && p.zeroSize
		}
		return s, nil
	default:
		return nil, fmt.Errorf("type %s is not supported", schema.Type())
	}
}

// container fills in the parts of s.
func (c *shaper) container(s *shape, depth int, types ...avro.Schema) (*shape, error) {
	for _, t := range types {
		p, err := c.shape(t, depth+1)
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, p)
	}
	return s, nil
}

// primitiveShape converts a primitive type with its logical type, also one that the library does not know.
func primitiveShape(t *avro.PrimitiveSchema) (*shape, error) {
	kinds := map[avro.Type]shapeKind{
		avro.Boolean: shapeBoolean, avro.Int: shapeInt, avro.Long: shapeLong, avro.Float: shapeFloat,
		avro.Double: shapeDouble, avro.Bytes: shapeBytes, avro.String: shapeText,
	}
	kind, ok := kinds[t.Type()]
	if !ok {
		return nil, fmt.Errorf("type %s is not supported", t.Type())
	}
	s := &shape{kind: kind}
	if l := t.Logical(); l != nil {
		s.logical = string(l.Type())
	} else if name, ok := t.Prop("logicalType").(string); ok {
		s.logical = name
	}
	return s, nil
}

// input reads one body. Its first failure sticks; after it every read returns a zero value.
type input struct {
	reader  *avro.Reader
	size    int // of the body, in bytes
	items   int // of lists and maps that may still come
	limits  Limits
	texts   slab
	scratch []byte
	bad     *BadRecord
	path    string // of the field that failed
}

func newInput() *input { return &input{reader: avro.NewReader(nil, 0)} }

// reset makes the input read a body.
func (in *input) reset(body []byte, limits Limits) {
	in.reader.Reset(body)
	in.reader.Error = nil
	in.size, in.limits, in.items = len(body), limits, limits.MaxItems
	in.bad, in.path = nil, ""
}

// failed reports whether anything has failed.
func (in *input) failed() bool { return in.bad != nil || in.reader.Error != nil }

// fail records a failure; only the first counts.
func (in *input) fail(format string, args ...any) {
	if !in.failed() {
		in.bad = badRecord(format, args...)
	}
}

// at puts a field or index in front of the path of a failure, while it travels outwards.
func (in *input) at(name string) { in.path = joinPath(name, in.path) }

// end returns what failed, if anything, and checks that the body is used up (S2). The library's Peek sets io.EOF there.
func (in *input) end() *BadRecord {
	if !in.failed() {
		in.reader.Peek()
		if errors.Is(in.reader.Error, io.EOF) {
			return nil
		}
		return badRecord("the body goes on after the end of the record: it does not follow its schema")
	}
	bad := in.bad
	switch {
	case bad != nil:
	case errors.Is(in.reader.Error, io.EOF), errors.Is(in.reader.Error, io.ErrUnexpectedEOF):
		bad = badRecord("the body ends in the middle of the record")
	default:
		bad = badRecord("the body does not follow its schema: %v", in.reader.Error)
	}
	if in.path != "" {
		bad.Reason = in.path + ": " + bad.Reason
	}
	return bad
}

// long reads an int or a long.
func (in *input) long() int64 { return in.reader.ReadLong() }

// int reads an int; the library refuses more bytes than an int may have.
func (in *input) int() int32 { return in.reader.ReadInt() }

// length reads the length of a text or of bytes, which cannot be more than what the whole body has.
func (in *input) length() int {
	n := in.reader.ReadLong()
	if n < 0 || n > int64(in.size) {
		in.fail("a length of %d bytes in a body of %d", n, in.size)
		return 0
	}
	return int(n)
}

// text reads a text and checks that it is one (S4).
func (in *input) text() string {
	n := in.length()
	if n == 0 || in.failed() {
		return ""
	}
	if cap(in.scratch) < n {
		in.scratch = make([]byte, max(n, 256))
	}
	b := in.scratch[:n]
	in.reader.Read(b)
	if in.failed() {
		return ""
	}
	if !utf8.Valid(b) {
		in.fail("the text is not valid UTF-8")
		return ""
	}
	return in.texts.add(b)
}

// skipBytes passes over n bytes; the library stops at the end of the body and says so.
func (in *input) skipBytes(n int) {
	if !in.failed() {
		in.reader.SkipNBytes(n)
	}
}

// block reads the header of a block of a list or map: how many items follow, 0 at the end. Items that take no byte are
// bounded by Limits.MaxItems like all others.
func (in *input) block() int {
	n := in.reader.ReadLong()
	if n < 0 {
		// The block's length in bytes follows. It is not used: going through the items checks them.
		if size := in.reader.ReadLong(); size < 0 || size > int64(in.size) || n == math.MinInt64 {
			in.fail("a block of %d bytes in a body of %d", size, in.size)
		}
		n = -n
	}
	if in.failed() {
		return 0
	}
	if n > int64(in.items) {
		in.fail("a list with %d or more items; a record may have %d in all its lists together", n, in.limits.MaxItems)
		return 0
	}
	in.items -= int(n)
	return int(n)
}

// branch reads which branch of a union follows.
func (in *input) branch(branches int) int {
	i := in.reader.ReadLong()
	if i < 0 || i >= int64(branches) {
		in.fail("branch %d of a union that has %d", i, branches)
		return 0
	}
	return int(i)
}

// skip returns what passes over a value of a shape; nil for a shape whose values take no byte. So the work is bounded by
// the length of the body, also for a schema full of empty records (S1).
func skip(s *shape) func(*input) {
	if s.zeroSize {
		return nil
	}
	switch s.kind {
	case shapeBoolean:
		return func(in *input) { in.reader.ReadBool() }
	case shapeInt, shapeEnum:
		return func(in *input) { in.int() }
	case shapeLong:
		return func(in *input) { in.long() }
	case shapeFloat:
		return func(in *input) { in.skipBytes(4) }
	case shapeDouble:
		return func(in *input) { in.skipBytes(8) }
	case shapeBytes, shapeText:
		return func(in *input) { in.skipBytes(in.length()) }
	case shapeFixed:
		return func(in *input) { in.skipBytes(s.size) }
	case shapeArray, shapeMap:
		return skipBlocks(s.kind == shapeMap, skip(s.parts[0]))
	case shapeUnion:
		branches := skipAll(s.parts)
		return func(in *input) {
			if branch := branches[in.branch(len(branches))]; branch != nil {
				branch(in)
			}
		}
	default: // a record
		fields := skipAll(s.parts)
		return func(in *input) {
			for _, field := range fields {
				if field != nil && !in.failed() {
					field(in)
				}
			}
		}
	}
}

// skipAll returns skip of each part.
func skipAll(parts []*shape) []func(*input) {
	all := make([]func(*input), 0, len(parts))
	for _, p := range parts {
		all = append(all, skip(p))
	}
	return all
}

// skipBlocks passes over a list or map; item is nil when its values take no byte.
func skipBlocks(keyed bool, item func(*input)) func(*input) {
	return func(in *input) {
		for n := in.block(); n > 0; n = in.block() {
			if item == nil && !keyed {
				continue
			}
			for range n {
				if keyed {
					in.skipBytes(in.length())
				}
				if item != nil {
					item(in)
				}
				if in.failed() {
					return
				}
			}
		}
	}
}

// output writes one body. Its first failure sticks.
type output struct {
	writer *avro.Writer
	err    error
}

func newOutput() *output { return &output{writer: avro.NewWriter(nil, 512)} }

// reset empties the output.
func (out *output) reset() {
	out.writer.Reset(nil)
	out.err = nil
}

// fail records a failure; only the first counts.
func (out *output) fail(format string, args ...any) {
	if out.err == nil {
		out.err = fmt.Errorf(format, args...)
	}
}

// long writes an int, a long or the number of a union's branch or an enum's symbol.
func (out *output) long(n int64) { out.writer.WriteLong(n) }

// text writes a text.
func (out *output) text(s string) { out.writer.WriteString(s) }

// bytes returns what was written; valid until the next reset.
func (out *output) bytes() []byte { return out.writer.Buffer() }
