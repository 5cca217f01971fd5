package e2e_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// badKind is one way to be wrong. Records of it are made with a number each.
type badKind struct {
	name  string
	make  func(b *rubbish, n int) *kgo.Record
	want  string // the outcome
	says  string // what the reason has to hold
	times int    // 0: 20
}

// rubbish makes records as producers with bugs do.
type rubbish struct {
	t       testing.TB
	encoder *schemas.Encoder
	ids     map[schemas.Kind]int
}

// Bad records of every kind come among good ones: each is answered once, with a reason that a person understands, dead letters
// keep the bytes, and the good ones are decided as if they were alone.
func TestBadInput(t *testing.T) {
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 3))
	s := newStage(t, "rubbish", programme(t))
	e := s.engine("a", 2, "")
	s.accrue("", "topics", "apply", "--config", e.config)
	b := s.rubbish()
	good := append(shopEvents(t, 1), strangeButGood()...)
	var records []*kgo.Record
	wanted := map[*kgo.Record]*badKind{}
	for _, line := range good {
		m, err := schemas.ParseLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, b.record(m.Value))
	}
	kinds := slices.Concat(unreadable(), undecidable())
	for i := range kinds {
		times := kinds[i].times
		if times == 0 {
			times = 20
		}
		for n := range times {
			r := kinds[i].make(b, n)
			wanted[r] = &kinds[i]
			records = append(records, r)
		}
	}
	random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	e.start()
	for _, result := range s.client.ProduceSync(t.Context(), records...) {
		if result.Err != nil {
			t.Fatalf("sending %d bytes to %s: %v", len(result.Record.Value), result.Record.Topic, result.Err)
		}
	}
	w := s.wallet()
	sent := w.awaitAnswers(2 * time.Minute)
	want := s.simulate(good)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(e)
	e.stop()
	w.finish(sent, want)
	w.check(records, wanted)
}

// check compares the answers with what was wanted, and logs one reason of each kind, for people to judge.
func (w *wallet) check(records []*kgo.Record, wanted map[*kgo.Record]*badKind) {
	w.stage.t.Helper()
	logged := map[string]bool{}
	for _, r := range records {
		kind := wanted[r]
		answers := w.answers[place{r.Topic, r.Partition, r.Offset}]
		if len(answers) != 1 {
			continue // finish has said so
		}
		got := answers[0]
		switch {
		case kind == nil:
			if got.outcome == buried || got.outcome == string(schemas.OutcomeInvalid) {
				w.stage.t.Errorf("a good record is %s: %s", got.outcome, got.reason)
			}
		case got.outcome != kind.want || !strings.Contains(got.reason, kind.says):
			w.stage.t.Errorf("%s: %s (%s), want %s with %q", kind.name, got.outcome, got.reason, kind.want, kind.says)
		case kind.want == buried && !bytes.Equal(got.raw, r.Value):
			w.stage.t.Errorf("%s: the dead letter has %d bytes, not the %d that were sent", kind.name, len(got.raw), len(r.Value))
		case !logged[kind.name]:
			logged[kind.name] = true
			w.stage.t.Logf("%s: %s: %s", kind.name, got.outcome, got.reason)
		}
	}
}

func (s *stage) rubbish() *rubbish {
	s.t.Helper()
	registry, err := schemas.NewRegistry(schemas.RegistryConfig{URLs: []string{shared.registry}})
	if err != nil {
		s.t.Fatal(err)
	}
	ids := map[schemas.Kind]int{}
	for _, kind := range schemas.Kinds() {
		id, found, err := registry.LookUp(s.t.Context(), schemas.Subject(kind.Topic()), kind.SchemaText())
		if err != nil || !found {
			s.t.Fatalf("the schema of %s is not there: %v", kind, err)
		}
		ids[kind] = id
	}
	return &rubbish{t: s.t, encoder: schemas.NewEncoder(ids), ids: ids}
}

// record is what a good producer sends.
func (b *rubbish) record(value any) *kgo.Record {
	b.t.Helper()
	encoded, err := b.encoder.Append(nil, value)
	if err != nil {
		b.t.Fatal(err)
	}
	topic := schemas.TopicOrders
	switch value.(type) {
	case *schemas.CheckIn:
		topic = schemas.TopicCheckIns
	case *schemas.Member:
		topic = schemas.TopicProfiles
	}
	return &kgo.Record{Topic: topic, Key: []byte(schemas.MemberOf(value)), Value: encoded}
}

// order is a good order of a member of the sample.
func (b *rubbish) order(n int) *schemas.Order {
	return &schemas.Order{
		EventID: fmt.Sprintf("bad-%d", n), OrderID: fmt.Sprintf("bad-%d", n), MemberID: "16218-0", Status: schemas.Paid,
		OccurredAt: time.Date(2011, 3, 1, 10, n%60, 0, 0, time.UTC), Currency: "GBP", Store: "United Kingdom",
		Lines: []schemas.Line{{LineID: "1", SKU: "22297", Category: "goods", Quantity: 2, Amount: 1500}, {LineID: "2", SKU: "22771", Quantity: 1, Amount: 250}},
	}
}

// changed is an order with something wrong.
func changed(change func(o *schemas.Order)) func(*rubbish, int) *kgo.Record {
	return func(b *rubbish, n int) *kgo.Record {
		o := b.order(n)
		change(o)
		return b.record(o)
	}
}

// mangled is a good order whose bytes were changed.
func mangled(change func(value []byte, n int) []byte) func(*rubbish, int) *kgo.Record {
	return func(b *rubbish, n int) *kgo.Record {
		r := b.record(b.order(n))
		r.Value = change(r.Value, n)
		return r
	}
}

// unreadable are records that are none of ours: dead letters.
func unreadable() []badKind {
	const header = 5
	return []badKind{
		{"JSON instead of Avro", mangled(func([]byte, int) []byte { return []byte(`{"event_id":"e1","member_id":"16218-0"}`) }), buried, "looks like JSON", 0},
		{"text", mangled(func([]byte, int) []byte { return []byte("no idea") }), buried, "not in Avro wire format", 0},
		{"empty", mangled(func([]byte, int) []byte { return []byte{} }), buried, "empty", 0},
		{"header only", mangled(func(v []byte, _ int) []byte { return v[:header] }), buried, "", 0},
		{"half a header", mangled(func(v []byte, n int) []byte { return v[:1+n%4] }), buried, "too short", 0},
		{"truncated", mangled(func(v []byte, n int) []byte { return v[:len(v)-1-n] }), buried, "", 0},
		{"trailing bytes", mangled(func(v []byte, n int) []byte { return append(v, make([]byte, n+1)...) }), buried, "after", 0},
		{"unknown schema id", mangled(func(v []byte, n int) []byte {
			binary.BigEndian.PutUint32(v[1:], uint32(7_000_000+n))
			return v
		}), buried, "schema id 70000", 0},
		{"negative schema id", mangled(func(v []byte, _ int) []byte {
			binary.BigEndian.PutUint32(v[1:], math.MaxUint32)
			return v
		}), buried, "below 0", 0},
		{"a check-in among orders", func(b *rubbish, n int) *kgo.Record {
			r := b.record(&schemas.CheckIn{EventID: fmt.Sprint(n), MemberID: "16218-0", OccurredAt: time.UnixMilli(1_300_000_000_000), Activity: "check-in"})
			r.Topic = schemas.TopicOrders
			return r
		}, buried, "", 0},
		{"a length of exabytes", mangled(func(v []byte, _ int) []byte {
			return append(v[:header:header], binary.AppendVarint(nil, math.MaxInt64/2)...)
		}), buried, "", 0},
		{"random bytes behind the header", mangled(func(v []byte, n int) []byte {
			random := rand.New(rand.NewPCG(uint64(n), 4))
			v = v[:header:header]
			for range 200 {
				v = append(v, byte(random.Uint32()))
			}
			return v
		}), buried, "", 0},
		{"no UTF-8", changedBytes("16218-0", "16218\xff0"), buried, "UTF-8", 0},
		{"tombstone", func(b *rubbish, n int) *kgo.Record {
			r := b.record(b.order(n))
			r.Value = nil
			return r
		}, buried, "tombstone", 0},
		{"a tombstone of nobody's profile", func(*rubbish, int) *kgo.Record { return &kgo.Record{Topic: schemas.TopicProfiles, Key: []byte{}} }, buried, "tombstone", 0},
		{"no member", changed(func(o *schemas.Order) { o.MemberID = "" }), buried, "no member", 0},
		{"a member of 100 kB", changed(func(o *schemas.Order) { o.MemberID = strings.Repeat("m", 100_000) }), buried, "bytes", 2},
		{"10 MB of lines", changed(func(o *schemas.Order) {
			for i := 0; i < 300_000; i++ {
				o.Lines = append(o.Lines, schemas.Line{LineID: fmt.Sprintf("line-%d", i), SKU: "0123456789012345", Quantity: 1, Amount: 100})
			}
		}), buried, "bytes", 3},
		{"10 MB of nothing", mangled(func([]byte, int) []byte { return make([]byte, 10<<20) }), buried, "", 2},
	}
}

// changedBytes replaces a text in the bytes of an order by one of the same length.
func changedBytes(from, to string) func(*rubbish, int) *kgo.Record {
	return mangled(func(v []byte, _ int) []byte { return []byte(strings.Replace(string(v), from, to, 1)) })
}

// undecidable are records that can be read and mean nothing that may be: INVALID.
func undecidable() []badKind {
	invalid := string(schemas.OutcomeInvalid)
	return []badKind{
		{"negative amount", changed(func(o *schemas.Order) { o.Lines[1].Amount = -250 }), invalid, "below 0", 0},
		{"no quantity", changed(func(o *schemas.Order) { o.Lines[1].Quantity = 0 }), invalid, "quantity", 0},
		{"negative quantity", changed(func(o *schemas.Order) { o.Lines[0].Quantity = -2 }), invalid, "quantity", 0},
		{"unknown currency", changed(func(o *schemas.Order) { o.Currency = "XAU" }), invalid, "currency", 0},
		{"no currency", changed(func(o *schemas.Order) { o.Currency = "" }), invalid, "currency", 0},
		{"3 years ahead", changed(func(o *schemas.Order) { o.OccurredAt = time.Now().AddDate(3, 0, 0) }), invalid, "ahead", 0},
		{"before 1970", changed(func(o *schemas.Order) { o.OccurredAt = time.Date(1, 1, 1, 0, 0, 0, 1e6, time.UTC) }), invalid, "1970", 0},
		{"repeated line id", changed(func(o *schemas.Order) { o.Lines[1].LineID = "1" }), invalid, "twice", 0},
		{"no event id", changed(func(o *schemas.Order) { o.EventID = "" }), invalid, "event_id", 0},
		{"no order id", changed(func(o *schemas.Order) { o.OrderID = "" }), invalid, "order_id", 0},
		{"an order id of 5 kB", changed(func(o *schemas.Order) { o.OrderID = strings.Repeat("o", 5000) }), invalid, "order_id", 0},
		{"amounts beyond counting", changed(func(o *schemas.Order) { o.Lines[0].Amount, o.Lines[1].Amount = math.MaxInt64, math.MaxInt64 }), invalid, "more than", 0},
		{"negative refund", changed(func(o *schemas.Order) {
			o.Status, o.Lines, o.RefundedLines = schemas.Refunded, nil, []schemas.RefundedLine{{LineID: "1", Quantity: -1, Amount: 5}}
		}), invalid, "below 0", 0},
		{"a check-in 3 years ahead", func(b *rubbish, n int) *kgo.Record {
			return b.record(&schemas.CheckIn{EventID: fmt.Sprint(n), MemberID: "16218-0", OccurredAt: time.Now().AddDate(3, 0, 0), Activity: "check-in"})
		}, invalid, "ahead", 0},
	}
}

// strangeButGood are events that a person may frown at and that have a proper decision: refunds beyond the order, of nothing, of
// unknown lines and orders, an order of very many lines.
func strangeButGood() []string {
	event := func(id, order, status, more string) string {
		return fmt.Sprintf(`{"topic":"commerce.orders","value":{"event_id":%q,"order_id":%q,"member_id":"strange","status":%q,"occurred_at":"2011-05-01T10:00:00Z","currency":"GBP"%s}}`,
			id, order, status, more)
	}
	var lines []string
	for n := range 20 {
		order := fmt.Sprintf("o%d", n)
		lines = append(lines,
			event(order+"-paid", order, "PAID", `,"lines":[{"line_id":"1","quantity":3,"amount":3000},{"line_id":"2","quantity":1,"amount":1234}]`),
			event(order+"-back", order, "REFUNDED", `,"refunded_lines":[{"line_id":"1","quantity":30,"amount":99999900}]`),
			event(order+"-unknown-line", order, "REFUNDED", `,"refunded_lines":[{"line_id":"77","quantity":1,"amount":100}]`),
			event(order+"-nothing", order, "REFUNDED", `,"refunded_lines":[{"line_id":"2","quantity":0,"amount":0}]`),
			event(order+"-never-sold", "never-"+order, "REFUNDED", ""),
			event(order+"-empty", "empty-"+order, "PAID", ""),
			event(order+"-placed", "placed-"+order, "PLACED", `,"lines":[{"line_id":"1","quantity":1,"amount":1000}]`),
		)
	}
	var long strings.Builder
	for i := range 15_000 {
		fmt.Fprintf(&long, `,{"line_id":"%d","sku":"0123456789","category":"goods","quantity":2,"amount":%d}`, i, 100+i%50)
	}
	return append(lines, event("long", "long", "PAID", `,"lines":[`+long.String()[1:]+`]`))
}
