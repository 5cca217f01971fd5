package schemas

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
)

// writeAs encodes a value with a writer's schema by the library, and returns it in wire format under id 1.
func writeAs(t testing.TB, schema string, value any) []byte {
	t.Helper()
	parsed, err := avro.ParseBytesWithCache([]byte(schema), "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := avro.Config{}.Freeze().Marshal(parsed, value)
	if err != nil {
		t.Fatal(err)
	}
	return append(AppendHeader(nil, 1), body...)
}

// decodeAs decodes a value that was written with a schema.
func decodeAs(kind Kind, schema string, data []byte) (any, error) {
	return NewDecoder(schemaTexts{1: schema}).Decode(context.Background(), kind, data)
}

// A producer that knows only what every order needs, in a namespace and with type names of its own, with a quantity of
// type int and plain strings where we have unions. Its records are read, and what it lacks gets its default.
func TestOldProducer(t *testing.T) {
	const schema = `{"type": "record", "name": "ShopOrder", "namespace": "com.shop", "fields": [
	  {"name": "status", "type": {"type": "enum", "name": "State", "symbols": ["PAID", "PLACED"]}},
	  {"name": "member_id", "type": "string"},
	  {"name": "event_id", "type": "string"},
	  {"name": "order_id", "type": "bytes"},
	  {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
	  {"name": "currency", "type": "string"},
	  {"name": "channel", "type": "string"},
	  {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "L", "fields": [
	    {"name": "line_id", "type": "string"},
	    {"name": "amount", "type": "int"}
	  ]}}}
	]}`
	at := time.Date(2026, 6, 18, 8, 30, 0, 123_000_000, time.UTC)
	data := writeAs(t, schema, map[string]any{
		"status": "PAID", "member_id": "m1", "event_id": "e1", "order_id": []byte("o1"),
		"occurred_at": at.Add(456 * time.Microsecond), "currency": "CNY", "channel": "web",
		"lines": []any{map[string]any{"line_id": "1", "amount": 1250}},
	})
	got, err := decodeAs(KindOrder, schema, data)
	if err != nil {
		t.Fatal(err)
	}
	want := &Order{
		EventID: "e1", OrderID: "o1", MemberID: "m1", Status: Paid, OccurredAt: at, Currency: "CNY", Channel: "web",
		Lines: []Line{{LineID: "1", Quantity: 1, Amount: 1250}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	const checkIn = `{"type": "record", "name": "CheckIn", "fields": [
	  {"name": "event_id", "type": "string"}, {"name": "member_id", "type": "string"},
	  {"name": "occurred_at", "type": "long"}]}`
	got, err = decodeAs(KindCheckIn, checkIn, writeAs(t, checkIn, map[string]any{
		"event_id": "e", "member_id": "m", "occurred_at": at.UnixMilli(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&CheckIn{EventID: "e", MemberID: "m", OccurredAt: at, Activity: "check-in"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The order of another program in the field: int quantities, no attributes, no tags, its own namespace.
func TestForeignOrder(t *testing.T) {
	const schema = `{"type": "record", "name": "Order", "namespace": "other.avro", "fields": [
	  {"name": "event_id", "type": "string"}, {"name": "order_id", "type": "string"}, {"name": "member_id", "type": "string"},
	  {"name": "status", "type": {"type": "enum", "name": "OrderStatus", "symbols": ["PLACED", "PAID", "COMPLETED", "CANCELLED", "REFUNDED"]}},
	  {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
	  {"name": "currency", "type": "string"},
	  {"name": "device_id", "type": ["null", "string"], "default": null},
	  {"name": "ip", "type": ["string", "null"], "default": ""},
	  {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "OrderLine", "fields": [
	    {"name": "line_id", "type": "string"}, {"name": "sku", "type": "string"}, {"name": "category", "type": "string"},
	    {"name": "brand", "type": "string"}, {"name": "quantity", "type": "int"}, {"name": "amount", "type": "long"}]}}}]}`
	data := writeAs(t, schema, map[string]any{
		"event_id": "e", "order_id": "o", "member_id": "m", "status": "REFUNDED", "occurred_at": time.UnixMilli(1).UTC(),
		"currency": "EUR", "device_id": map[string]any{"string": "d"}, "ip": map[string]any{"string": "10.0.0.1"},
		"lines": []any{map[string]any{
			"line_id": "1", "sku": "s", "category": "food/tea", "brand": "b", "quantity": 3, "amount": int64(-7),
		}},
	})
	got, err := decodeAs(KindOrder, schema, data)
	if err != nil {
		t.Fatal(err)
	}
	want := &Order{
		EventID: "e", OrderID: "o", MemberID: "m", Status: Refunded, OccurredAt: time.UnixMilli(1).UTC(), Currency: "EUR",
		DeviceID: "d", IP: "10.0.0.1",
		Lines: []Line{{LineID: "1", SKU: "s", Category: "food/tea", Brand: "b", Quantity: 3, Amount: -7}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// extraFields are one field of every type, such as a newer producer may have.
const extraFields = `
  {"name": "x_null", "type": "null"},
  {"name": "x_boolean", "type": "boolean"},
  {"name": "x_int", "type": "int"},
  {"name": "x_long", "type": "long"},
  {"name": "x_float", "type": "float"},
  {"name": "x_double", "type": "double"},
  {"name": "x_bytes", "type": "bytes"},
  {"name": "x_string", "type": "string"},
  {"name": "x_fixed", "type": {"type": "fixed", "name": "F", "size": 3}},
  {"name": "x_enum", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
  {"name": "x_array", "type": {"type": "array", "items": {"type": "map", "values": "long"}}},
  {"name": "x_map", "type": {"type": "map", "values": ["null", "F"]}},
  {"name": "x_union", "type": ["null", "boolean", {"type": "record", "name": "R", "fields": [
     {"name": "a", "type": "string"}, {"name": "nothing", "type": {"type": "record", "name": "Z", "fields": []}}]}]}`

// extraValues fill extraFields.
func extraValues() map[string]any {
	return map[string]any{
		"x_null": nil, "x_boolean": true, "x_int": -1, "x_long": int64(1) << 60, "x_float": float32(1.5), "x_double": 2.5,
		"x_bytes": []byte("bytes"), "x_string": "string", "x_fixed": [3]byte{1, 2, 3}, "x_enum": "B",
		"x_array": []any{map[string]any{"a": int64(1), "b": int64(2)}, map[string]any{}},
		"x_map":   map[string]any{"k": nil, "l": map[string]any{"accrue.F": [3]byte{}}},
		"x_union": map[string]any{"accrue.R": map[string]any{"a": "x", "nothing": map[string]any{}}},
	}
}

// A newer producer has fields that we do not know, of every type, before, between and behind ours and in the lines. They
// are passed over to the byte.
func TestNewerProducer(t *testing.T) {
	schema := strings.Replace(`{"type": "record", "name": "CheckIn", "namespace": "accrue", "fields": [EXTRA,
	  {"name": "event_id", "type": "string"},
	  {"name": "more", "type": {"type": "array", "items": ["null", {"type": "array", "items": "string"}]}},
	  {"name": "member_id", "type": ["null", "string"]},
	  {"name": "occurred_at", "type": ["long", "null"]},
	  {"name": "activity", "type": ["null", "string"]},
	  {"name": "again", "type": "F"}]}`, "EXTRA", extraFields, 1)
	values := extraValues()
	values["event_id"] = "e"
	values["more"] = []any{nil, map[string]any{"array": []any{"a", "b"}}}
	values["member_id"] = map[string]any{"string": "m"}
	values["occurred_at"] = map[string]any{"long": int64(5)}
	values["activity"] = map[string]any{"string": "study"}
	values["again"] = [3]byte{}
	data := writeAs(t, schema, values)
	got, err := decodeAs(KindCheckIn, schema, data)
	if err != nil {
		t.Fatal(err)
	}
	want := &CheckIn{EventID: "e", MemberID: "m", OccurredAt: time.UnixMilli(5).UTC(), Activity: "study"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d := NewDecoder(schemaTexts{1: schema})
	for n := range len(data) {
		expectBad(t, d, KindCheckIn, data[:n])
	}
	expectBad(t, d, KindCheckIn, append(data, 0))

	// Where the union has the null, only that record is bad.
	values["member_id"] = nil
	got, err = d.Decode(context.Background(), KindCheckIn, writeAs(t, schema, values))
	if err == nil || err.Error() != "CheckIn written with schema 1: member_id: it is null, which this field cannot be" {
		t.Errorf("got %v and %v", got, err)
	}
}

// A status that came later is a bad record, and only the record that has it; a later symbol of what we write ourselves is
// read as UNKNOWN, by tail or verify of an older version.
func TestUnknownSymbols(t *testing.T) {
	order := strings.Replace(KindOrder.SchemaText(), `"REFUNDED"]`, `"REFUNDED", "LOST"]`, 1)
	d := NewDecoder(schemaTexts{1: order})
	for symbol, want := range map[byte]string{
		4: "",
		5: `Order written with schema 1: status: "LOST" is not known, expected one of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED`,
	} {
		body := append(AppendHeader(nil, 1), 0, 0, 0, symbol*2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		_, err := d.Decode(context.Background(), KindOrder, body)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("symbol %d: got %v, expected %q", symbol, err, want)
		}
	}
	const grant = `{"type": "record", "name": "G", "fields": [{"name": "entry_id", "type": "string"},
	  {"name": "grant_id", "type": "string"}, {"name": "member_id", "type": "string"},
	  {"name": "entry", "type": {"type": "enum", "name": "K", "symbols": ["GIVEN", "HELD"]}},
	  {"name": "occurred_at", "type": "long"}, {"name": "decided_at", "type": "long"}]}`
	got, err := decodeAs(KindPointGrant, grant, append(AppendHeader(nil, 1), 0, 0, 0, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := got.(*PointGrant); !ok || g.Entry != symbolUnknown {
		t.Errorf("got %v", got)
	}
}

// Schemas that cannot be read say why.
func TestUnreadableSchemas(t *testing.T) {
	referral := func(field string) string {
		return `{"type": "record", "name": "R", "fields": [{"name": "event_id", "type": "string"},
		 {"name": "referrer_id", "type": "string"}, {"name": "occurred_at", "type": "long"}, ` + field + `]}`
	}
	deep := `"int"`
	for range 40 {
		deep = `{"type": "array", "items": ` + deep + `}`
	}
	tests := []struct{ schema, want string }{
		{`"string"`, "it is a string, expected the record Referral"},
		{`{"type": "record"`, "it is no Avro schema: "},
		{`{"type": "nonsense"}`, "it is no Avro schema: "},
		{referral(`{"name": "code", "type": "string"}`), "field referee_id is missing"},
		{referral(`{"name": "referee_id", "type": "long"}`), "field referee_id: it is long, expected string"},
		{referral(`{"name": "referee_id", "type": "null"}`), "field referee_id: it is null, which this field cannot be"},
		{referral(`{"name": "referee_id", "type": ["null", "int"]}`), "field referee_id: no type of the union can be read"},
		{
			strings.Replace(referral(`{"name": "referee_id", "type": "string"}`), `"long"`, `"double"`, 1),
			"field occurred_at: it is double, expected timestamp-millis",
		},
		{
			strings.Replace(referral(`{"name": "referee_id", "type": "string"}`), `"long"`,
				`{"type": "long", "logicalType": "local-timestamp-millis"}`, 1),
			"field occurred_at: it is long (local-timestamp-millis), expected timestamp-millis",
		},
		{referral(`{"name": "x", "type": {"type": "array", "items": "R"}}`), "type R: it is recursive"},
		{
			`{"type": "record", "name": "A", "fields": [{"name": "b", "type": {"type": "record", "name": "B", "fields": [
			  {"name": "a", "type": ["null", {"type": "map", "values": "A"}]}]}}]}`,
			"type A: it is recursive",
		},
		{referral(`{"name": "x", "type": ` + deep + `}`), "it is nested more than 32 deep"},
		{strings.Repeat("[", 5000), "its JSON is nested 5000 deep, more than 128"},
		{referral(`{"name": "x", "type": "string", "doc": "` + strings.Repeat("x", 300_000) + `"}`), "it has 300214 bytes, more than 262144"},
		{referral(doubling(14)), "it has more than 10000 types"},
	}
	for _, test := range tests {
		err := CheckReadable(KindReferral, test.schema)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%.200s:\n got %v\nwant %s", test.schema, err, test.want)
		}
	}
	if err := CheckReadable(Kind(0), `"string"`); err == nil {
		t.Error("a kind that is none is readable")
	}
}

// doubling is a field whose type names two of the type before, and so on: 2^n types in n lines.
func doubling(n int) string {
	field := `{"type": "record", "name": "T0", "fields": []}`
	for i := range n {
		name := "T" + string(rune('a'+i))
		last := "T0"
		if i > 0 {
			last = "T" + string(rune('a'+i-1))
		}
		field = `{"type": "record", "name": "` + name + `", "fields": [{"name": "l", "type": ` + field +
			`}, {"name": "r", "type": "` + last + `"}]}`
	}
	text := `{"name": "x", "type": ` + field + `}`
	if !json.Valid([]byte(text)) {
		panic("the test's schema is no JSON")
	}
	return text
}
