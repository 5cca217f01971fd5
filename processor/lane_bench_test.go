package processor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
	"accrue/state"
)

// What an event costs in a lane, without Kafka: decode, decide, encode, changelog, store. The client's own cost is that of
// BenchmarkPassthrough.

const benchProgramme = `programme: bench
currency: CNY
time_zone: Asia/Shanghai
earn_on: PAID
return_window: 90 days
tiers:
  by: points
  over: 12 months
  levels: [{id: member, at: 0}, {id: gold, at: 1000}, {id: platinum, at: 5000}]
rules:
  - {id: spend, on: order, when: order.total >= 10.00, earn: {points: 1, per: 1.00}}
  - {id: full-100, on: order, earn: {points: 50, per: 100.00}}
  - {id: gold, on: order, when: member.tier == "gold", boost: {of: [spend], by: 20%}}
  - {id: platinum, on: order, when: member.tier == "platinum", boost: {of: [spend], by: 50%}}
  - {id: large, on: order, when: order.total >= 150.00, earn: {points: 100}, limit: {times: 2, per: month}}
  - {id: check-in, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
  - {id: streak-7, on: check_in, earn: {points: 30}, each: {streak: 7}}
`

// benchEvents makes the events of a shop in the order of time: of 100 about 70 paid orders of one to four lines, 5 refunds, 8
// check-ins, and other statuses.
type benchEvents struct {
	random  *rand.Rand
	busy    []float64 // by member: how busy this one and all before it are
	at      time.Time
	n       int
	paid    []*schemas.Order
	encoder *schemas.Encoder
}

// sentBackWithin is how many orders of all members later an order is sent back at most.
const sentBackWithin = 4096

func newBenchEvents(members int) *benchEvents {
	b := &benchEvents{random: rand.New(rand.NewPCG(1, 2)), encoder: testEncoder(), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	sum := 0.0
	for n := range members {
		sum += math.Pow(float64(n+1), -0.8)
		b.busy = append(b.busy, sum)
	}
	return b
}

// member is one of them; a few are much busier than most: the n-th of them as n to the power of -0.8.
func (b *benchEvents) member() string {
	at := b.random.Float64() * b.busy[len(b.busy)-1]
	n, _ := slices.BinarySearch(b.busy, at)
	return fmt.Sprintf("m%d", n)
}

func (b *benchEvents) next() (topic, member string, value any) {
	b.n++
	b.at = b.at.Add(10 * time.Second)
	id := fmt.Sprintf("e%d", b.n)
	what := b.random.Float64()
	switch {
	case what < 0.08:
		member = b.member()
		return schemas.TopicCheckIns, member, &schemas.CheckIn{EventID: id, MemberID: member, OccurredAt: b.at, Activity: "check-in", Channel: "app"}
	case what < 0.13 && len(b.paid) > 100:
		refund := *b.paid[0]
		b.paid = b.paid[1:]
		refund.EventID, refund.OccurredAt, refund.Status = id, b.at, schemas.Refunded
		return schemas.TopicOrders, refund.MemberID, &refund
	}
	o := &schemas.Order{
		EventID: id, OrderID: "o" + id, MemberID: b.member(), Status: schemas.Paid, OccurredAt: b.at, Currency: "CNY", Channel: "app",
		DeviceID: "d", IP: "10.0.0.1",
	}
	for l := range 1 + b.random.IntN(4) {
		sku := b.random.IntN(5000)
		o.Lines = append(o.Lines, schemas.Line{
			LineID: fmt.Sprintf("l%d", l), SKU: fmt.Sprintf("sku-%d", sku), Category: fmt.Sprintf("grocery/c%d", sku%40),
			Brand: fmt.Sprintf("brand-%d", sku%200), Quantity: 1 + int64(b.random.IntN(3)), Amount: 100 + int64(b.random.IntN(9000)),
		})
	}
	switch {
	case what < 0.83:
		if b.paid = append(b.paid, o); len(b.paid) > sentBackWithin {
			b.paid = b.paid[1:]
		}
	case what < 0.92:
		o.Status = schemas.Placed
	default:
		o.Status = schemas.Completed
	}
	return schemas.TopicOrders, o.MemberID, o
}

// benchKafka is a broker that has all events at hand, takes everything and loses nothing.
type benchKafka struct {
	Kafka
	b       testing.TB
	source  *benchEvents
	records Records // made, and not given yet
	offsets map[Partition]int64
	ends    map[int32]int64 // of changelogs
	answers []Event
	rows    int
	bytes   int64 // of the changelog
	outputs int
	out     int64 // bytes of all outputs
}

func (k *benchKafka) Poll(_ context.Context, _ time.Duration, most int) []Event {
	if answers := k.answers; len(answers) > 0 {
		k.answers = nil
		return answers
	}
	n := min(most, len(k.records))
	if n == 0 {
		return nil
	}
	records := k.records[:n:n]
	k.records = k.records[n:]
	return []Event{records}
}

// make makes records for the next run.
func (k *benchKafka) make(n int) {
	k.records = make(Records, 0, n)
	for range n {
		topic, member, value := k.source.next()
		body, err := k.source.encoder.Append(nil, value)
		if err != nil {
			k.b.Fatal(err)
		}
		p := Partition{topic, Home(member, testShards)}
		k.records = append(k.records, Record{Partition: p, Offset: k.offsets[p], Key: []byte(member), Value: body, Timestamp: k.source.at})
		k.offsets[p]++
	}
	for i := range k.records {
		k.records[i].End = k.offsets[k.records[i].Partition]
	}
}

func (k *benchKafka) answer(e Event) { k.answers = append(k.answers, e) }

func (k *benchKafka) Open()                            { k.answer(Opened{}) }
func (k *benchKafka) Pause([]Partition)                {}
func (k *benchKafka) Resume([]Partition)               {}
func (k *benchKafka) Seek(map[Partition]int64)         {}
func (k *benchKafka) FenceGone([]int32)                {}
func (k *benchKafka) Trim(map[int32]int64)             {}
func (k *benchKafka) Abort()                           { k.b.Error("a transaction was aborted") }
func (k *benchKafka) Close(context.Context)            {}
func (k *benchKafka) FetchEnds(t int64, _ []Partition) { k.answer(Ends{Token: t}) }

func (k *benchKafka) Join() {
	var parts []Partition
	at := map[Partition]Committed{}
	for shard := range int32(testShards) {
		for _, topic := range []string{schemas.TopicOrders, schemas.TopicCheckIns, DefaultTopics(testApp).Effects} {
			p := Partition{topic, shard}
			parts = append(parts, p)
			at[p] = Committed{Offset: 0}
		}
	}
	k.answer(Assigned{parts})
	k.answer(Offsets{Parts: at})
}

func (k *benchKafka) ReadChangelog(token int64, shard int32, _ int64) {
	k.answer(Changelog{Token: token, Shard: shard, ClusterID: "c", TopicID: "t"})
}

func (k *benchKafka) Produce(records []Output) {
	for i := range records {
		r := &records[i]
		k.outputs++
		k.out += r.bytes()
		if r.Partition != ByKey {
			k.rows++
			k.bytes += r.bytes()
			k.ends[r.Partition]++
		}
	}
}

func (k *benchKafka) Flush() {
	acked := make(map[int32]int64)
	for shard, end := range k.ends {
		acked[shard] = end - 1
	}
	k.answer(Flushed{Acked: acked})
}

func (k *benchKafka) Commit(Commit) {
	for shard := range k.ends {
		k.ends[shard]++ // the marker
	}
	k.answer(Ended{Outcome: OutcomeCommitted})
}

// benchLane is a lane over a benchKafka, and what lets it decide all records that are made.
func benchLane(b testing.TB, members int, clock func() time.Time, observer Observer) (kafka *benchKafka, run func()) {
	b.Helper()
	p, problems := programme.Parse(map[string][]byte{"bench.yaml": []byte(benchProgramme)})
	if p == nil {
		b.Fatal(problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		b.Fatal(err)
	}
	store, err := state.Open(b.TempDir(), state.Identity{App: testApp}, state.Options{DueOf: rules.HeadDue, MemoryBytes: 192 << 20, HotBytes: 32 << 20, IsHot: rules.OpenReads})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	topics := DefaultTopics(testApp)
	topics.Inputs = map[string]schemas.Kind{schemas.TopicOrders: schemas.KindOrder, schemas.TopicCheckIns: schemas.KindCheckIn}
	kafka = &benchKafka{b: b, source: newBenchEvents(members), offsets: map[Partition]int64{}, ends: map[int32]int64{}}
	lane := NewLane(kafka, LaneOptions{
		TransactionalID: "bench", Shards: testShards, Topics: topics, Programmes: always{ledger, clock}, Store: store, Observer: observer,
		Decoder: schemas.NewDecoder(&testSchemas{}), Encoder: testEncoder(), CacheBytes: 64 << 20,
		Now: clock, Log: slog.New(slog.DiscardHandler), CommitInterval: 20 * time.Millisecond, MaxRecords: 2000,
	})
	return kafka, func() {
		for len(kafka.records) > 0 || lane.backlog.records > 0 || lane.current != nil || lane.ending != nil {
			if err := lane.Step(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// ticking is a clock that goes on by so much whenever it is looked at.
func ticking(step time.Duration) func() time.Time {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(step)
		return now
	}
}

// BenchmarkLane is the lane's own cost of an event.
func BenchmarkLane(b *testing.B) {
	const members = 30_000
	kafka, run := benchLane(b, members, ticking(10*time.Microsecond), nil)
	kafka.make(3 * members)
	run()
	kafka.make(b.N)
	kafka.rows, kafka.bytes, kafka.outputs, kafka.out = 0, 0, 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	run()
	b.ReportMetric(float64(kafka.rows)/float64(b.N), "rows/event")
	b.ReportMetric(float64(kafka.bytes)/float64(b.N), "changelog-B/event")
	b.ReportMetric(float64(kafka.outputs)/float64(b.N), "records/event")
	b.ReportMetric(float64(kafka.out)/float64(b.N), "out-B/event")
}

// largest notes the largest transaction.
type largest struct {
	nobody
	records int
}

func (l *largest) Committed(r Report) { l.records = max(l.records, r.Records) }

// lags notes the lag of each transaction.
type lags struct {
	nobody
	seen []time.Duration
}

func (l *lags) Committed(r Report) { l.seen = append(l.seen, r.Lag) }

// History that is imported lags by its age, and no more once all of it is decided.
func TestLagEndsWithTheBacklog(t *testing.T) {
	var l lags
	kafka, run := benchLane(t, 50, ticking(15*time.Millisecond), &l)
	kafka.make(300)
	run()
	if n := len(l.seen); n < 10 || l.seen[0] < 30*24*time.Hour || l.seen[n-1] != 0 {
		t.Errorf("the lags were %v", l.seen)
	}
}

// Where each record takes long, a transaction is ended by the time that it takes, not by how many records it may hold.
func TestTransactionIsBoundedByWork(t *testing.T) {
	// The clock goes on whenever it is looked at, so that a step of 15 ms passes the commit interval with the second record.
	for step, want := range map[time.Duration]struct{ least, most int }{time.Microsecond: {200, 300}, 15 * time.Millisecond: {1, 6}} {
		var seen largest
		kafka, run := benchLane(t, 50, ticking(step), &seen)
		kafka.make(300)
		if run(); seen.records > want.most || seen.records < want.least {
			t.Errorf("with %s a record the largest transaction has %d records, expected %d to %d", step, seen.records, want.least, want.most)
		}
	}
}
