package schemas

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
)

// parsed returns the kind's schema as the Avro library sees it.
func parsed(t testing.TB, kind Kind) *avro.RecordSchema {
	t.Helper()
	schema, err := avro.ParseBytesWithCache([]byte(kind.SchemaText()), "", &avro.SchemaCache{})
	if err != nil {
		t.Fatalf("schema of %s: %v", kind, err)
	}
	record, ok := schema.(*avro.RecordSchema)
	if !ok {
		t.Fatalf("schema of %s is a %s", kind, schema.Type())
	}
	return record
}

// Every record and every field says what it means: the schemas are what producers and wallets read.
func TestSchemasAreDocumented(t *testing.T) {
	var check func(path string, s avro.Schema)
	check = func(path string, s avro.Schema) {
		switch s := s.(type) {
		case *avro.RecordSchema:
			if s.Doc() == "" {
				t.Errorf("%s: record %s has no doc", path, s.Name())
			}
			for _, f := range s.Fields() {
				at := path + "." + f.Name()
				if f.Doc() == "" {
					t.Errorf("%s has no doc", at)
				}
				check(at, f.Type())
			}
		case *avro.EnumSchema:
			if s.Doc() == "" {
				t.Errorf("%s: enum %s has no doc", path, s.Name())
			}
		case *avro.ArraySchema:
			check(path, s.Items())
		}
	}
	for _, kind := range Kinds() {
		record := parsed(t, kind)
		if record.FullName() != "accrue."+kind.String() {
			t.Errorf("%s.avsc holds %s", kind, record.FullName())
		}
		check(kind.String(), record)
	}
}

// The tables in records.go and the *.avsc files say the same: fields, order, types, defaults, symbols.
func TestTablesMatchSchemas(t *testing.T) {
	for _, kind := range Kinds() {
		want := describeSchema(parsed(t, kind))
		got := recordOf(kind).(describer).describe() //nolint:forcetypeassert // all layouts are
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-schema +table):\n%s", kind, diff)
		}
	}
}

// describer tells a table's types in the words of describeSchema.
type describer interface{ describe() string }

func (l *layout[T]) describe() string {
	var b strings.Builder
	b.WriteString(l.name + "{\n")
	for _, c := range l.columns {
		fmt.Fprintf(&b, "%s %s\n", c.name(), c.(describer).describe()) //nolint:forcetypeassert // all columns are
	}
	return b.String() + "}"
}

func (c *textColumn[T]) describe() string {
	switch {
	case c.nullable:
		return "optional string"
	case c.must:
		return "string"
	default:
		return fmt.Sprintf("string =%v", c.def)
	}
}

func (c *enumColumn[T, E]) describe() string {
	if c.unknown {
		return "enum " + joinSymbols(c.symbols) + ", UNKNOWN else UNKNOWN"
	}
	return "enum " + joinSymbols(c.symbols)
}

func (c *numberColumn[T, N]) describe() string {
	name := map[bool]string{true: "long", false: "int"}[fmt.Sprintf("%T", c.def) == "int64"]
	if c.must {
		return name
	}
	return fmt.Sprintf("%s =%v", name, c.def)
}

func (c *instantColumn[T]) describe() string {
	if c.nullable {
		return "optional long timestamp-millis"
	}
	return "long timestamp-millis"
}
func (c *dateColumn[T]) describe() string     { return "optional int date" }
func (c *textsColumn[T]) describe() string    { return "array string =[]" }
func (c *mapColumn[T]) describe() string      { return "map string =map[]" }
func (c *groupColumn[T, E]) describe() string { return c.layout.describe() + " =defaults" }
func (c *listColumn[T, E]) describe() string  { return "array " + c.layout.describe() + " =[]" }

// describeSchema tells a schema's types.
func describeSchema(s avro.Schema) string {
	switch s := s.(type) {
	case *avro.RefSchema:
		return describeSchema(s.Schema())
	case *avro.RecordSchema:
		var b strings.Builder
		b.WriteString(s.Name() + "{\n")
		for _, f := range s.Fields() {
			fmt.Fprintf(&b, "%s %s%s\n", f.Name(), describeSchema(f.Type()), describeDefault(f))
		}
		return b.String() + "}"
	case *avro.EnumSchema:
		text := "enum " + strings.Join(s.Symbols(), ", ")
		if s.HasDefault() {
			text += " else " + s.Default()
		}
		return text
	case *avro.ArraySchema:
		return "array " + describeSchema(s.Items())
	case *avro.MapSchema:
		return "map " + describeSchema(s.Values())
	case *avro.UnionSchema:
		return "optional " + describeSchema(s.Types()[1])
	case *avro.PrimitiveSchema:
		if s.Logical() != nil {
			return fmt.Sprintf("%s %s", s.Type(), s.Logical().Type())
		}
		return string(s.Type())
	default:
		return string(s.Type())
	}
}

func describeDefault(f *avro.Field) string {
	switch f.Type().(type) {
	case *avro.UnionSchema:
		if f.HasDefault() && f.Default() == nil {
			return ""
		}
		return " without default null"
	case *avro.RecordSchema:
		if f.HasDefault() {
			return " =defaults"
		}
	}
	if !f.HasDefault() {
		return ""
	}
	return fmt.Sprintf(" =%v", f.Default())
}

// Our schema is readable by itself, and what every kind, topic and subject is called is one thing.
func TestKinds(t *testing.T) {
	for _, kind := range Kinds() {
		if err := CheckReadable(kind, kind.SchemaText()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if got := DefaultTopics()[kind.Topic()]; got != kind {
			t.Errorf("topic %s holds %s, expected %s", kind.Topic(), got, kind)
		}
		text, ok := SchemaText(kind.Topic())
		if !ok || text != kind.SchemaText() {
			t.Errorf("SchemaText(%s) is not the schema of %s", kind.Topic(), kind)
		}
	}
	if _, ok := SchemaText(TopicDeadLetters); ok {
		t.Error("dead letters have a schema")
	}
	if got := Subject(TopicOrders); got != "commerce.orders-value" {
		t.Errorf("Subject: %s", got)
	}
	if Kind(0).String() != "Kind(0)" || Kind(200).SchemaText() != "" || Kind(99).Topic() != "" {
		t.Error("a kind that is none has a name, a topic or a schema")
	}
	if !KindRedemption.IsInput() || KindPointGrant.IsInput() || Kind(0).IsInput() {
		t.Error("IsInput")
	}
}

// The Avro library stays behind one file.
func TestAvroLibraryIsBehindOneFile(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "codec.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			if strings.Contains(spec.Path.Value, "hamba/avro") {
				t.Errorf("%s imports %s", name, spec.Path.Value)
			}
		}
	}
}
