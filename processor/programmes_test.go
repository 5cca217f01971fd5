package processor

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// leapingClock is the clock of engines, which a test puts forward.
type leapingClock struct{ ahead atomic.Int64 }

func (c *leapingClock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *leapingClock) leap(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *leapingClock) is(o *Options)        { o.Now = c.now }
func (s *shop) control() *Control            { return s.controlOf(testApp) }
func (s *shop) appendControl(value []byte) {
	s.t.Helper()
	s.must(appendControl(s.t.Context(), s.writer, s.topics.Control, value))
}
func (s *shop) must(_ int64, err error)    { s.t.Helper(); fatal(s.t, err) }
func (r *running) known() (n, ignored int) { p, _ := r.Programmes(); return p.Versions, p.Ignored }
func testVersion(old, updated string) []byte {
	return []byte(strings.Replace(testProgramme, old, updated, 1))
}
func sourceFiles(text []byte) map[string][]byte { return map[string][]byte{"test.yaml": text} }

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shop) controlOf(app string) *Control {
	s.t.Helper()
	c, err := ReadControl(s.t.Context(), s.writer, app, nil)
	fatal(s.t, err)
	return c
}

// A version is published while two engines decide, and something broken besides. Both take the one and ignore the other, and
// what happens from its time on is decided by it, by both: as in memory with both versions.
func TestVersionWhileDeciding(t *testing.T) {
	s := newShop(t, 4)
	clock := &leapingClock{}
	a, b := s.run(newMachine("a"), clock.is), s.run(newMachine("b"), clock.is)
	s.tradeUntil(func() bool { return a.serving() == 2 && b.serving() == 2 })
	if c := s.control(); c.App == nil || c.App.Shards != testShards || len(c.Versions()) != 1 || c.Ignored != 0 {
		t.Fatalf("two engines that start together leave %+v", c)
	}
	effective := time.Now().Add(PublishAhead + 5*time.Second).UTC().Truncate(time.Second)
	second := testVersion("earn: {points: 5}, limit: {times: 1, per: day}", "earn: {points: 9}, limit: {times: 2, per: day}")
	published, err := Publish(t.Context(), s.writer, testApp, Publication{Files: sourceFiles(second), Effective: effective, By: "ning"})
	fatal(t, err)
	s.appendControl([]byte("rubbish"))
	_, err = Publish(t.Context(), s.writer, testApp, Publication{Files: sourceFiles(second), Effective: time.Now().Add(time.Minute)})
	if !errors.Is(err, ErrIgnored) {
		t.Errorf("a version that would be in force in a minute: %v", err)
	}
	for _, e := range []*running{a, b} {
		eventually(t, "both know", func() bool { n, ignored := e.known(); return n == 2 && ignored == 2 })
	}
	s.trade(50)
	s.check(s.read())

	clock.leap(PublishAhead + 3*time.Minute)
	s.started = effective.Add(-time.Duration(len(s.sent)) * 5 * time.Second) // from here on it trades from that time on
	s.trade(60)
	first := testLedger(t)
	if s.ledger, err = rules.NewLedger(programme.Versions{{Programme: programmeOf(t, testProgramme)}, {From: effective, Programme: published.Programme}}); err != nil {
		t.Fatal(err)
	}
	s.check(s.read())
	if inForce, _ := a.Programmes(); inForce.InForce != published.Version {
		t.Errorf("%s is in force, want %s", inForce.InForce, published.Version)
	}
	w := s.read()
	if s.ledger = first; sameSums(s, w) {
		t.Error("the first version alone gives the same: the test shows nothing")
	}
	a.end()
	b.end()
}

func programmeOf(t *testing.T, text string) *programme.Programme {
	t.Helper()
	p, problems := programme.Parse(sourceFiles([]byte(text)))
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// sameSums says that what was written is what the shop's ledger gives.
func sameSums(s *shop, w *written) bool {
	s.t.Helper()
	shard := NewMemoryShard(s.ledger)
	sums := map[string][3]int64{}
	for _, e := range s.events {
		out, err := shard.Handle(e)
		fatal(s.t, err)
		for _, entry := range out.Entries {
			sum := sums[entry.GrantID]
			sums[entry.GrantID] = [3]int64{sum[0] + entry.AvailableDelta, sum[1] + entry.PendingDelta, sum[2] + entry.TierDelta}
		}
	}
	for grant, sum := range sums {
		if w.sums[grant] != sum {
			return false
		}
	}
	return true
}

// What is on the control topic decides, not what an instance is configured with.
func TestConfiguredProgrammeIsOnlyTheFirst(t *testing.T) {
	s := newShop(t, 4)
	a := s.run(newMachine("a"))
	s.trade(30)
	s.check(s.read())
	a.end()
	b := s.run(newMachine("b"), func(o *Options) { o.Programme = sourceFiles(testVersion("points: 5", "points: 50")) })
	s.trade(30)
	s.check(s.read())
	if n := len(s.control().Published); n != 1 {
		t.Errorf("%d versions are published, want 1", n)
	}
	b.end()
}

// An instance that does not fit to what the app is says what does not fit, and what to do, and stops.
func TestControlThatDoesNotFit(t *testing.T) {
	app := func(change func(a *AppRecord)) []byte {
		a := AppRecord{ID: testApp, Shards: testShards, Formats: ourFormats()}
		change(&a)
		value, err := encodeApp(a)
		fatal(t, err)
		return value
	}
	for name, c := range map[string]struct {
		value []byte
		want  []string
	}{
		"shards":     {app(func(a *AppRecord) { a.Shards = 12 }), []string{"app test has 12 shards by test-control, and its internal topics have 4 partitions", "choose another app"}},
		"half done":  {app(func(a *AppRecord) { a.Shards = 3 }), []string{"app test has 3 shards by test-control, and its internal topics have 4 partitions", "run `accrue topics reshard --shards 4`"}},
		"app":        {app(func(a *AppRecord) { a.ID = "mall" }), []string{"test-control is of app mall, and this is app test", "correct the key app"}},
		"newer rows": {app(func(a *AppRecord) { a.Formats.Rows++ }), []string{"app test is at formats", "run the version that its other instances run"}},
	} {
		s := newShop(t, 1)
		s.appendControl(c.value)
		e := s.run(newMachine("a"))
		err := <-e.done
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
	}
}

// Records that were deleted from the control topic are missed, when an instance starts and while it runs.
func TestControlCutOff(t *testing.T) {
	s := newShop(t, 1)
	a := s.run(newMachine("a"))
	s.trade(5)
	s.check(s.read())
	a.end()
	_, err := s.admin().DeleteRecords(t.Context(), kadm.Offsets{s.topics.Control: {0: {Topic: s.topics.Control, Partition: 0, At: 1}}})
	fatal(t, err)
	b := s.run(newMachine("b"))
	if err := <-b.done; err == nil || !strings.Contains(err.Error(), "test-control was cut off") {
		t.Errorf("it starts over a topic that was cut off: %v", err)
	}
}

// While it is not certain that no version was published, nothing is decided; readiness says so. Then it goes on.
func TestNothingIsDecidedUnsure(t *testing.T) {
	b := newBench(t)
	known := &knownAt{always: always{testLedger(t), nil}, at: b.now}
	b.o.Programmes = known
	b.kafka.events = append(b.kafka.events, Opened{})
	b.step(0)
	b.producer = open
	effects := Partition{b.o.Topics.Effects, 1}
	b.tell(Assigned{Parts: []Partition{effects}})
	b.tell(Offsets{Parts: map[Partition]Committed{effects: {Offset: NoOffset}}})
	b.answers(1, 0, 0)
	if h := b.shards[1]; h == nil || h.state != serving {
		t.Fatal("shard 1 is not served")
	}
	send := func(offset int64) {
		b.tell(Records{{Partition: effects, Offset: offset, End: offset + 1, Timestamp: b.now, Value: []byte("rubbish")}})
	}
	b.step(ControlFresh + time.Millisecond)
	send(0)
	status := b.Status()
	if b.parts[effects].next != NoOffset || status.Waiting == nil || status.Waiting.For != UnreadyControl {
		t.Fatalf("next is %d, waiting for %v", b.parts[effects].next, status.Waiting)
	}
	if why := status.Unready(); why[0].Word != UnreadyControl || !strings.Contains(why[0].Text, "last read to its end 1m0s ago") {
		t.Errorf("%v", why)
	}
	known.at = b.now
	b.step(time.Second)
	if status := b.Status(); b.parts[effects].next != 1 || status.Waiting != nil {
		t.Errorf("next is %d, waiting for %v", b.parts[effects].next, status.Waiting)
	}
}

type knownAt struct {
	always
	at time.Time
}

func (k *knownAt) Known() (*rules.Ledger, time.Time) { return k.ledger, k.at }

// A shard that decides by another ledger opens its accounts anew: also those that a transaction which is open has changed.
func TestShardUsesAnotherLedger(t *testing.T) {
	begin := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	visit := func(id string, at time.Time) rules.Event {
		e, err := rules.NewEvent(&schemas.CheckIn{EventID: id, MemberID: "m", OccurredAt: at, Activity: "check-in"}, schemas.Source{Topic: schemas.TopicCheckIns}, time.Time{})
		fatal(t, err)
		return e
	}
	versions := programme.Versions{{Programme: programmeOf(t, testProgramme)}}
	later := versions.With(programme.Version{From: begin.Add(24 * time.Hour), Programme: programmeOf(t, string(testVersion("points: 5", "points: 9")))})
	first, err := rules.NewLedger(versions)
	fatal(t, err)
	both, err := rules.NewLedger(later)
	fatal(t, err)
	store := newBench(t).store
	shard := NewShard(first, store.Shard(0), NewPool(0))
	transaction := newTransaction(nil)
	shard.Begin(transaction.overlay(&held{id: 0, store: store.Shard(0), shard: shard}), 1)
	points := func(e rules.Event) int64 {
		out, err := shard.Handle(e)
		fatal(t, err)
		var sum int64
		for _, entry := range out.Entries {
			sum += entry.AvailableDelta
		}
		return sum
	}
	if got := points(visit("c1", begin)); got != 5 {
		t.Errorf("by the first version %d, want 5", got)
	}
	shard.Use(both)
	if got := points(visit("c1", begin)); got != 0 {
		t.Errorf("the same event again gives %d: the account forgot it", got)
	}
	if got := points(visit("c2", begin.Add(24*time.Hour))); got != 9 {
		t.Errorf("from its time on %d, want 9", got)
	}
	if got := points(visit("c3", begin.Add(-24*time.Hour))); got != 5 {
		t.Errorf("before it, and late, %d, want 5", got)
	}
}
