package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
	"accrue/state"
)

// What most tests here need: an embedded broker with topics, a programme, a shop that writes events and remembers them, an
// engine that can be killed, and a look at what it wrote.

const (
	testApp    = "test"
	testShards = 4
)

const testProgramme = `programme: test
currency: EUR
time_zone: Europe/Berlin
earn_on: PAID
return_window: 30 days
tiers:
  by: points
  over: lifetime
  levels:
    - {id: member, at: 0}
    - {id: gold, at: 200}
rules:
  - {id: spend, title: a point per euro, on: order, earn: {points: 1, per: 1.00}}
  - {id: held, title: held for a while, on: order, when: order.total >= 50.00, earn: {points: 10}, hold: 2 days}
  - {id: visit, title: a check-in, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
  - {id: hello, on: referral, after: joined, earn: {referrer: 3, referee: 2}, limit: {points: 20, per: ever}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 30, referee: 20}, limit: {times: 1, per: day}}
`

// always is one ledger, of which it is always certain that there is no other.
type always struct {
	ledger *rules.Ledger
	now    func() time.Time
}

func (a always) Known() (*rules.Ledger, time.Time) { return a.ledger, a.now() }

func testLedger(t *testing.T) *rules.Ledger {
	t.Helper()
	p, problems := programme.Parse(map[string][]byte{"test.yaml": []byte(testProgramme)})
	if p == nil {
		t.Fatalf("programme: %s", problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// testSchemas are the ids under which a registry would have the schemas.
type testSchemas struct {
	mu   sync.Mutex
	down error
}

func (s *testSchemas) SchemaByID(_ context.Context, id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return "", s.down
	}
	for _, k := range append(schemas.Kinds(), schemas.KindEffect) {
		if int(k) == id {
			return k.SchemaText(), nil
		}
	}
	return "", schemas.ErrSchemaUnknown
}

func (s *testSchemas) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func testEncoder() *schemas.Encoder {
	ids := make(map[schemas.Kind]int)
	for _, k := range append(schemas.Kinds(), schemas.KindEffect) {
		ids[k] = int(k)
	}
	return schemas.NewEncoder(ids)
}

// shop is a broker with an app's topics and somebody who writes to them.
type shop struct {
	t        *testing.T
	cluster  *kfake.Cluster
	topics   Topics
	ledger   *rules.Ledger // that its events are to be decided by
	registry *testSchemas
	encoder  *schemas.Encoder
	writer   *kgo.Client
	random   *rand.Rand
	sent     []schemas.Source // every input record
	events   []rules.Event    // those that decode and name a member, in the order in which they were sent
	orders   int
	started  time.Time
}

// newShop starts a broker. Inputs have partitions of their own number.
func newShop(t *testing.T, inputPartitions int32, opts ...kfake.Opt) *shop {
	t.Helper()
	topics := DefaultTopics(testApp)
	topics.Inputs = map[string]schemas.Kind{
		schemas.TopicOrders: schemas.KindOrder, schemas.TopicCheckIns: schemas.KindCheckIn, schemas.TopicProfiles: schemas.KindMember,
		schemas.TopicRedemptions: schemas.KindRedemption, schemas.TopicReferrals: schemas.KindReferral, schemas.TopicCommands: schemas.KindCommand,
	}
	var inputs []string
	for name := range topics.Inputs {
		inputs = append(inputs, name)
	}
	opts = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.SeedTopics(inputPartitions, inputs...), kfake.SeedTopics(testShards, topics.Produced()...), kfake.SeedTopics(1, topics.Control),
	}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	writer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(partitioner)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	return &shop{
		t: t, cluster: cluster, topics: topics, ledger: testLedger(t), registry: &testSchemas{}, encoder: testEncoder(), writer: writer,
		random: rand.New(rand.NewPCG(1, 2)), started: time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second), // reproducible
	}
}

// send writes one value for a member, at home unless key is set.
func (s *shop) send(topic, member string, value any) {
	s.t.Helper()
	data, err := s.encoder.Append(nil, value)
	if err != nil {
		s.t.Fatal(err)
	}
	source := s.sendRaw(topic, ByKey, member, data)
	e, err := rules.NewEvent(value, source, time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.events = append(s.events, e)
}

func (s *shop) sendRaw(topic string, partition int32, key string, data []byte) schemas.Source {
	s.t.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: data, Headers: []kgo.RecordHeader{{Key: "from", Value: []byte("shop")}}}
	if err := s.writer.ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	source := schemas.Source{Topic: topic, Partition: r.Partition, Offset: r.Offset}
	s.sent = append(s.sent, source)
	return source
}

// trade writes n events of a few members: orders, refunds, check-ins, invitations, and now and then rubbish.
func (s *shop) trade(n int) {
	s.t.Helper()
	for range n {
		member := fmt.Sprintf("m%d", s.random.IntN(25))
		at := s.started.Add(time.Duration(len(s.sent)) * 5 * time.Second)
		switch s.random.IntN(14) {
		case 0:
			s.sendRaw(schemas.TopicOrders, ByKey, member, []byte("rubbish"))
		case 1, 2:
			s.send(schemas.TopicCheckIns, member, &schemas.CheckIn{EventID: s.id("c"), MemberID: member, OccurredAt: at, Activity: "check-in"})
		case 3:
			// A duplicate, and a key that is somebody else's: away from home.
			if len(s.events) > 0 {
				e := s.events[s.random.IntN(len(s.events))]
				if e.Order != nil {
					s.send(schemas.TopicOrders, "other", e.Order)
				}
			}
		case 4:
			if o := s.someOrder(member); o != nil {
				refund := *o
				refund.EventID, refund.Status, refund.OccurredAt, refund.Lines = s.id("r"), schemas.Refunded, at, nil
				s.send(schemas.TopicOrders, member, &refund)
			}
		case 5, 6:
			by := fmt.Sprintf("m%d", s.random.IntN(25))
			s.send(schemas.TopicReferrals, member, &schemas.Referral{EventID: s.id("i"), ReferrerID: by, RefereeID: member, OccurredAt: at})
		default:
			s.buy(member, at)
		}
	}
}

// buy writes an order, which earns points.
func (s *shop) buy(member string, at time.Time) {
	s.t.Helper()
	s.orders++
	s.send(schemas.TopicOrders, member, &schemas.Order{
		EventID: s.id("o"), OrderID: fmt.Sprintf("order-%d", s.orders), MemberID: member, Status: schemas.Paid, OccurredAt: at, Currency: "EUR",
		Lines: []schemas.Line{{LineID: "1", SKU: "a", Category: "food/tea", Quantity: 1, Amount: int64(100 + s.random.IntN(9900))}},
	})
}

func (s *shop) id(kind string) string { return fmt.Sprintf("%s-%d", kind, len(s.sent)) }

func (s *shop) someOrder(member string) *schemas.Order {
	for i := len(s.events) - 1; i >= 0; i-- {
		if o := s.events[i].Order; o != nil && o.MemberID == member && o.Status == schemas.Paid {
			return o
		}
	}
	return nil
}

// cable is the network between an engine and the broker; it can be cut for good.
type cable struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	isCut bool
}

func newCable() *cable { return &cable{conns: make(map[net.Conn]bool)} }

func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut {
		return nil, errors.Join(errors.New("the cable is cut"), conn.Close())
	}
	c.conns[conn] = true
	return conn, nil
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	for conn := range c.conns {
		_ = conn.Close() // a second close of a connection that the client closed is no matter
	}
}

// machine is what an engine runs on: a disk, a cable and a name.
type machine struct {
	name  string
	disk  *vfs.MemFS
	cable *cable
}

func newMachine(name string) *machine {
	return &machine{name: name, disk: vfs.NewCrashableMem(), cable: newCable()}
}

// crash cuts the cable and returns the machine as it comes up again: what was not synced is lost.
func (m *machine) crash() *machine {
	m.cable.cut()
	return &machine{name: m.name, disk: m.disk.CrashClone(vfs.CrashCloneCfg{}), cable: newCable()}
}

// restarted is the machine after a stop that was no crash.
func (m *machine) restarted() *machine {
	return &machine{name: m.name, disk: m.disk, cable: newCable()}
}

// wiped is the machine with an empty disk.
func (m *machine) wiped() *machine { return newMachine(m.name) }

func (s *shop) kafkaOptions(m *machine) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.Dialer(m.cable.dial),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
}

func (s *shop) options(m *machine) Options {
	return Options{
		App: testApp, Instance: m.name, DataDir: "data", Topics: s.topics, Kafka: s.kafkaOptions(m), FS: m.disk,
		Programme: map[string][]byte{"test.yaml": []byte(testProgramme)}, Decoder: schemas.NewDecoder(s.registry), Encoder: s.encoder, Log: testLog(s.t),
		CommitInterval: 20 * time.Millisecond, SessionTimeout: time.Second, Heartbeat: 50 * time.Millisecond,
		RebalanceTimeout: 5 * time.Second, TransactionTimeout: 2 * time.Second, StopTimeout: 3 * time.Second,
		FlushEvery: time.Hour, Standbys: 1,
	}
}

// testLog writes to the test's log.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(&testWriter{t: t}, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// testWriter drops what is written after the test's end.
type testWriter struct {
	t  *testing.T
	mu sync.Mutex
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

// running is an engine that runs.
type running struct {
	*Engine
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func (s *shop) run(m *machine, change ...func(*Options)) *running {
	s.t.Helper()
	o := s.options(m)
	for _, f := range change {
		f(&o)
	}
	engine, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Engine: engine, t: s.t, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- engine.Run(ctx) }()
	s.t.Cleanup(cancel)
	return r
}

// end stops the engine and waits for it.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("engine: %v", err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to: %s", what)
		}
	}
}

// written is what a read_committed reader finds in the output topics.
type written struct {
	decisions map[schemas.Source]int // by topic, partition, offset
	buried    map[schemas.Source]int
	outcomes  map[schemas.Outcome]int
	entries   map[string]int      // by entry id
	sums      map[string][3]int64 // by grant id: available, pending, tier
	letters   []*kgo.Record
}

// read waits until each input record has an answer, and what accounts ask of each other is taken in, and returns all that was
// written. What is not taken in within seconds of quiet is missing.
func (s *shop) read() *written {
	s.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(s.topics.Decisions, s.topics.PointGrants, s.topics.DeadLetters), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close()
	w := &written{
		decisions: map[schemas.Source]int{}, buried: map[schemas.Source]int{}, outcomes: map[schemas.Outcome]int{},
		entries: map[string]int{}, sums: map[string][3]int64{},
	}
	decoder := schemas.NewDecoder(s.registry)
	ctx, cancel := context.WithTimeout(s.t.Context(), 40*time.Second)
	defer cancel()
	expected := s.expected()
	for quiet := 0; len(w.decisions)+len(w.buried) < len(s.sent) || quiet < 3 || quiet < 40 && !maps.Equal(w.sums, expected); {
		polling, done := context.WithTimeout(ctx, 150*time.Millisecond)
		fetches := reader.PollFetches(polling)
		done()
		if ctx.Err() != nil {
			s.t.Fatalf("%d decisions and %d dead letters for %d records", len(w.decisions), len(w.buried), len(s.sent))
		}
		quiet++
		fetches.EachRecord(func(r *kgo.Record) {
			quiet = 0
			s.note(w, decoder, r)
		})
	}
	return w
}

func (s *shop) note(w *written, decoder *schemas.Decoder, r *kgo.Record) {
	s.t.Helper()
	if r.Topic == s.topics.DeadLetters {
		var o origin
		headers := make([]Header, 0, len(r.Headers))
		for _, h := range r.Headers {
			if h.Key == HeaderTopic || h.Key == HeaderPartition || h.Key == HeaderOffset {
				headers = append(headers, Header{h.Key, h.Value})
			}
		}
		if err := o.unwrap(append(headers, Header{headerSeen, []byte("0")})); err != nil {
			s.t.Errorf("dead letter: %v", err)
		}
		w.buried[o.source]++
		w.letters = append(w.letters, r)
		return
	}
	kind := schemas.KindDecision
	if r.Topic == s.topics.PointGrants {
		kind = schemas.KindPointGrant
	}
	value, err := decoder.Decode(s.t.Context(), kind, r.Value)
	if err != nil {
		s.t.Fatalf("%s/%d at %d: %v", r.Topic, r.Partition, r.Offset, err)
	}
	switch v := value.(type) {
	case *schemas.Decision:
		w.decisions[schemas.Source{Topic: v.Source.Topic, Partition: v.Source.Partition, Offset: v.Source.Offset}]++
		w.outcomes[v.Outcome]++
	case *schemas.PointGrant:
		w.entries[v.EntryID]++
		sum := w.sums[v.GrantID]
		w.sums[v.GrantID] = [3]int64{sum[0] + v.AvailableDelta, sum[1] + v.PendingDelta, sum[2] + v.TierDelta}
	}
}

// check demands exactly one answer per input record, each entry once, and the grants that the same events give in memory.
func (s *shop) check(w *written) {
	s.t.Helper()
	for _, source := range s.sent {
		if n := w.decisions[source] + w.buried[source]; n != 1 {
			s.t.Errorf("%d answers to %s/%d at %d", n, source.Topic, source.Partition, source.Offset)
		}
	}
	for id, n := range w.entries {
		if n != 1 {
			s.t.Errorf("entry %s was written %d times", id, n)
		}
	}
	expected := s.expected()
	for id, sums := range map[string]map[string][3]int64{"written": w.sums, "in memory": expected} {
		for grant, sum := range sums {
			if w.sums[grant] != expected[grant] {
				s.t.Errorf("grant %s (%s): %v written, %v in memory", grant, id, w.sums[grant], expected[grant])
			}
			_ = sum
		}
	}
}

// expected is what the grants come to where the rules alone decide the events.
func (s *shop) expected() map[string][3]int64 {
	s.t.Helper()
	shard := NewMemoryShard(s.ledger)
	expected := map[string][3]int64{}
	var waiting []schemas.Effect
	take := func(out *rules.Outcome, err error) {
		if err != nil {
			s.t.Fatal(err)
		}
		for _, entry := range out.Entries {
			sum := expected[entry.GrantID]
			expected[entry.GrantID] = [3]int64{sum[0] + entry.AvailableDelta, sum[1] + entry.PendingDelta, sum[2] + entry.TierDelta}
		}
		waiting = append(waiting, out.Requests...)
	}
	for _, e := range s.events {
		take(shard.Handle(e))
		for ; len(waiting) > 0; waiting = waiting[1:] {
			take(shard.Take(&waiting[0], time.Time{}))
		}
	}
	return expected
}

// dump is all rows of a store, and where its shards stand.
func dump(t *testing.T, store *state.Store) string {
	t.Helper()
	var b bytes.Buffer
	for n := range int32(testShards) {
		shard := store.Shard(n)
		err := shard.All(func(member string, key, value []byte) bool {
			fmt.Fprintf(&b, "%d %s %q %x\n", n, member, key, value)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// changelog is what the committed changelog comes to: the last value of each key, in order.
func (s *shop) changelog() string {
	s.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(s.topics.State), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close()
	rows := map[string]string{}
	for quiet := 0; quiet < 4; quiet++ {
		ctx, cancel := context.WithTimeout(s.t.Context(), 150*time.Millisecond)
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			quiet = 0
			member, row, err := state.DecodeKey(r.Key)
			if err != nil {
				s.t.Fatal(err)
			}
			key := fmt.Sprintf("%d %s %q", r.Partition, member, row)
			if r.Value == nil {
				delete(rows, key)
				return
			}
			rows[key] = fmt.Sprintf("%s %x\n", key, r.Value)
		})
		cancel()
	}
	lines := make([]string, 0, len(rows))
	for _, line := range rows {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (s *shop) admin() *kadm.Client { return kadm.NewClient(s.writer) }
