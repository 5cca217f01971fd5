package schemas

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"pgregory.net/rapid"
)

// Law: decoding what was encoded gives the record, for every kind; and appending leaves what stood before.
func TestEncodeDecodeIsIdentity(t *testing.T) {
	decoder, encoder := NewDecoder(ownSchemas()), NewEncoder(ids())
	for _, kind := range Kinds() {
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			want := drawRecord(t, kind)
			data, err := encoder.Append([]byte("before"), want)
			if err != nil {
				t.Fatal(err)
			}
			rest, ok := bytes.CutPrefix(data, []byte("before"))
			if !ok {
				t.Fatalf("Append changed what stood before: %q", data)
			}
			got, err := decoder.Decode(context.Background(), kind, rest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}))
	}
}

// Our bytes are Avro in the eyes of the library's own codec, in both directions: it decodes what we wrote into generic
// values, writes them again, with blocks of its own, and we read the same record. The only place where we differ is the
// empty optional text, which both sides see as null.
func TestLibraryAgrees(t *testing.T) {
	decoder := NewDecoder(ownSchemas())
	api := avro.Config{BlockLength: 2}.Freeze()
	for _, kind := range Kinds() {
		schema := parsed(t, kind)
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			want := drawRecord(t, kind)
			data, err := NewEncoder(ids()).Append(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			var generic map[string]any
			if err := api.Unmarshal(schema, data[headerSize:], &generic); err != nil {
				t.Fatalf("the library cannot read it: %v", err)
			}
			again, err := api.Marshal(schema, generic)
			if err != nil {
				t.Fatalf("the library cannot write it: %v", err)
			}
			got, err := decoder.Decode(context.Background(), kind, append(AppendHeader(nil, int(kind)), again...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}))
	}
}

// Every prefix of a record is an error, and so is every record with something behind it (S2). The library by itself
// takes some of both for good.
func TestEveryTruncationIsBad(t *testing.T) {
	decoder := NewDecoder(ownSchemas())
	for _, kind := range Kinds() {
		data := mustEncode(t, sampleRecord(kind))
		for n := range len(data) {
			expectBad(t, decoder, kind, data[:n])
		}
		for _, more := range []string{"\x00", "\x02", "\xff", string(data)} {
			expectBad(t, decoder, kind, append(bytes.Clone(data), more...))
		}
	}
}

// expectBad checks that a value is a bad record with a reason.
func expectBad(t testing.TB, d *Decoder, kind Kind, data []byte) string {
	t.Helper()
	v, err := d.Decode(context.Background(), kind, data)
	var bad *BadRecord
	if !errors.As(err, &bad) || v != nil {
		t.Fatalf("%s from %x: got %v and %v, expected a bad record", kind, data, v, err)
	}
	if bad.Reason == "" {
		t.Fatalf("%s from %x: no reason", kind, data)
	}
	return bad.Reason
}

// A record that cannot be written says why, and leaves the buffer alone.
func TestEncodeRefuses(t *testing.T) {
	encoder := NewEncoder(map[Kind]int{KindOrder: 1, KindMember: 2, KindPointGrant: 3})
	tests := []struct {
		value any
		want  string
	}{
		{&Order{Status: "GONE"}, `encoding Order: status: "GONE" is none of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED`},
		{&Order{EventID: "\xff"}, `encoding Order: event_id: the text "\xff" is not valid UTF-8`},
		{&Order{Status: Paid, Lines: []Line{{Tags: []string{"\xff"}}}}, `encoding Order: lines: tags: the text "\xff" is not valid UTF-8`},
		{&Member{Birthday: "1990-02-30"}, `encoding Member: birthday: "1990-02-30" is no day of the form 2006-01-02`},
		{&PointGrant{Entry: symbolUnknown}, `encoding PointGrant: entry: "UNKNOWN" is none of GRANTED, HELD, RELEASED, REJECTED, REVERSED, ADJUSTED, EXPIRED`},
		{&Notice{}, "encoding Notice: its schema has no id"},
		{Order{}, "encoding schemas.Order: it is no record"},
		{nil, "encoding <nil>: it is no record"},
		{(*Order)(nil), "encoding Order: *schemas.Order is not a Order"},
	}
	for _, test := range tests {
		got, err := encoder.Append([]byte("before"), test.value)
		if err == nil || err.Error() != test.want {
			t.Errorf("%T: got error %v, expected %s", test.value, err, test.want)
		}
		if string(got) != "before" {
			t.Errorf("%T: the buffer became %q", test.value, got)
		}
	}
}

// What a person reads in a dead letter.
func TestReasons(t *testing.T) {
	order := mustEncode(t, &Order{EventID: "e", Status: Paid, Lines: []Line{{LineID: "1"}}})
	status := AppendHeader(nil, int(KindOrder))
	status = append(status, 2, 'e', 0, 0, 18) // event_id "e", order_id and member_id empty, status symbol 9
	tests := []struct {
		data string
		want string
	}{
		{"", "the value is empty, expected an Avro record in wire format"},
		{`{"event_id":"e"}`, "not in Avro wire format: first byte is 0x7b, expected 0 and then a schema id of 4 bytes; it looks like JSON"},
		{"\x01\x00", "not in Avro wire format: first byte is 0x01, expected 0 and then a schema id of 4 bytes"},
		{"\x00\x00\x00", "not in Avro wire format: 3 bytes, too short for a schema id"},
		{"\x00\xff\xff\xff\xff", "not in Avro wire format: schema id -1 is below 0"},
		{"\x00\x00\x00\x00\x7b", "schema id 123 is not in the registry"},
		{string(order[:len(order)-2]), "Order written with schema 1: refunded_lines: the body ends in the middle of the record"},
		{string(order) + "\x00", "Order written with schema 1: the body goes on after the end of the record: it does not follow its schema"},
		{string(status), "Order written with schema 1: status: symbol 9 of an enum that has 5"},
		{"\x00\x00\x00\x00\x01\xfe\xff\xff\xff\x0f", "Order written with schema 1: event_id: a length of 2147483647 bytes in a body of 5"},
		{"\x00\x00\x00\x00\x01\x02\xff", "Order written with schema 1: event_id: the text is not valid UTF-8"},
		{strings.Repeat("\x00", 101), "the value has 101 bytes, more than the limit of 100"},
	}
	decoder := NewDecoder(ownSchemas(), DecoderOptions{Limits: Limits{MaxBytes: 100}})
	for _, test := range tests {
		if got := expectBad(t, decoder, KindOrder, []byte(test.data)); got != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.data, got, test.want)
		}
	}
	// A record of another kind on the topic.
	got := expectBad(t, decoder, KindOrder, mustEncode(t, &CheckIn{EventID: "e"}))
	if want := "schema id 2 cannot be read as Order: field order_id is missing"; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
}
