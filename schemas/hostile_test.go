package schemas

import (
	"bytes"
	"context"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostileSchemas are writers' schemas around which hostile bodies are built: what we read, and what we pass over.
func hostileSchemas() map[string]string {
	return map[string]string{
		"own":                KindOrder.SchemaText(),
		"skip array":         orderWith(`{"type": "array", "items": "string"}`),
		"skip nulls":         orderWith(`{"type": "array", "items": "null"}`),
		"skip empty":         orderWith(`{"type": "array", "items": {"type": "record", "name": "Z", "fields": []}}`),
		"skip map":           orderWith(`{"type": "map", "values": "null"}`),
		"skip nested":        orderWith(`{"type": "array", "items": {"type": "array", "items": {"type": "array", "items": "null"}}}`),
		"skip bytes":         orderWith(`"bytes"`),
		"skip fixed":         orderWith(`{"type": "fixed", "name": "Big", "size": 1073741824}`),
		"skip union":         orderWith(`["null", {"type": "array", "items": ["null", "long"]}]`),
		"skip map of arrays": orderWith(`{"type": "array", "items": {"type": "map", "values": {"type": "array", "items": "null"}}}`),
	}
}

// orderWith is an order whose first field is one that we do not know.
func orderWith(typ string) string {
	return strings.Replace(KindOrder.SchemaText(), `"fields": [`, `"fields": [{"name": "extra", "type": `+typ+`},`, 1)
}

// Bodies that claim lengths and counts of all sizes at every place end as bad records, fast and within bounded memory
// (S1). The whole sweep allocates less than what a single believed claim would: the least of the large ones is 1 GiB.
func TestHostileLengths(t *testing.T) {
	var claims [][]byte
	for _, n := range []int64{-1, 1 << 20, 1 << 30, 1 << 40, 1 << 62, -1 << 40, -1 << 62, -1 << 63, 1<<63 - 1} {
		claims = append(claims, binary.AppendVarint(nil, n))
		// A block whose size in bytes lies too.
		claims = append(claims, binary.AppendVarint(binary.AppendVarint(nil, n), -5), binary.AppendVarint(binary.AppendVarint(nil, n), 1<<62))
	}
	claims = append(claims, bytes.Repeat([]byte{0xff}, 20), bytes.Repeat([]byte{0x80}, 20))
	start := time.Now()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, schema := range hostileSchemas() {
		d := NewDecoder(schemaTexts{1: schema})
		for cut := range 40 {
			for _, claim := range claims {
				// Zero bytes read as empty texts, first symbols and ends of lists: the claim meets every field in turn.
				data := append(AppendHeader(nil, 1), bytes.Repeat([]byte{0}, cut)...)
				data = append(data, claim...)
				v, err := d.Decode(context.Background(), KindOrder, append(data, bytes.Repeat([]byte{0}, 40)...))
				if err == nil && v == nil {
					t.Fatalf("%s: neither record nor error", name)
				}
			}
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<20 {
		t.Errorf("%d MiB allocated", got>>20)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// A body of 1 MiB that says as much as it can: lists of the smallest items, in every place. The limit of items holds, the
// work is bounded by the length of the body.
func TestHostileItems(t *testing.T) {
	const size = 1 << 20
	for name, schema := range hostileSchemas() {
		d := NewDecoder(schemaTexts{1: schema})
		for _, fill := range [][]byte{{0}, {1}, {2}, {2, 0}, {4, 2, 0, 0}, {0x7e}, {0xfe, 0xff, 0x7f}, {2, 2, 2, 0, 0, 0}} {
			body := append(AppendHeader(nil, 1), bytes.Repeat(fill, size/len(fill))...)
			start := time.Now()
			expectBad(t, d, KindOrder, body)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s filled with %x took %v", name, fill, took)
			}
		}
	}
	// Many lines, each as small as it can be, are refused by number.
	order := &Order{Status: Paid, Lines: make([]Line, defaultMaxItems+1)}
	got := expectBad(t, NewDecoder(ownSchemas()), KindOrder, mustEncode(t, order))
	want := "Order written with schema 1: lines: a list with 20001 or more items; a record may have 20000 in all its lists together"
	if got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	order.Lines = order.Lines[:defaultMaxItems]
	if _, err := NewDecoder(ownSchemas()).Decode(context.Background(), KindOrder, mustEncode(t, order)); err != nil {
		t.Errorf("as many lines as are allowed: %v", err)
	}
}

// Ten megabytes of lines are refused before they are looked at.
func TestTooLarge(t *testing.T) {
	lines := make([]Line, 200_000)
	for i := range lines {
		lines[i].Category = "food/tea/green/loose/organic/spring/mountain"
	}
	data := mustEncode(t, &Order{Status: Paid, Lines: lines})
	decoder := NewDecoder(ownSchemas())
	allocated := testing.AllocsPerRun(10, func() { expectBad(t, decoder, KindOrder, data) })
	if len(data) < 10_000_000 || allocated > 10 {
		t.Errorf("%d bytes, %v allocations", len(data), allocated)
	}
}

// FuzzDecodeOrder: whatever the bytes are, there is a record or a reason; a record can be written again and reads back as
// the same, and as JSON.
func FuzzDecodeOrder(f *testing.F) {
	decoder, encoder := NewDecoder(ownSchemas()), NewEncoder(ids())
	sample, err := encoder.Append(nil, sampleRecord(KindOrder))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample[headerSize:])
	f.Add([]byte{})
	f.Add(make([]byte, 15))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := decoder.Decode(context.Background(), KindOrder, append(AppendHeader(nil, int(KindOrder)), body...))
		if err != nil {
			return
		}
		again, err := encoder.Append(nil, v)
		if err != nil {
			t.Fatalf("a record that was read cannot be written: %v", err)
		}
		w, err := decoder.Decode(context.Background(), KindOrder, again)
		if err != nil {
			t.Fatal(err)
		}
		line, err := AppendLine(nil, TopicOrders, "", w)
		if err != nil {
			t.Fatalf("a record that was read has no JSON form: %v", err)
		}
		m, err := ParseLine(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		third, err := encoder.Append(nil, m.Value)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("through JSON %x became %x (%v)", again, third, err)
		}
	})
}
