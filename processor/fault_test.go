package processor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/schemas"
)

// watcher keeps what it observes of transactions that came to nothing.
type watcher struct {
	nobody
	mu        sync.Mutex
	aborted   []Outcome
	why       []error
	waiting   []error
	advanced  int
	committed int
}

func (w *watcher) Aborted(_ int, outcome Outcome, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aborted, w.why = append(w.aborted, outcome), append(w.why, why)
}

func (w *watcher) Committed(r Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advanced += r.Advanced
	w.committed++
}

func (w *watcher) Waiting(_ int, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, why)
}

func (w *watcher) list() ([]Outcome, []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Outcome{}, w.aborted...), append([]error{}, w.why...)
}

// C12: whatever a broker answers, no record is lost or decided twice, and the lane goes on by itself. Each fault was really hit.
func TestLaneGoesOnAfterFaults(t *testing.T) {
	cases := []struct {
		name    string
		fault   kfake.Fault
		outcome Outcome // of the transaction that was hit; OutcomeCommitted: it got through
	}{
		{"a generation that moved on", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: 3}, OutcomeCommitted},
		{"a coordinator that loads", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 2}, OutcomeCommitted},
		{"a member that is unknown", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.UnknownMemberID}, OutcomeAborted},
		{"a transaction that must go", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.TransactionAbortable}, OutcomeAborted},
		{"offsets of one who is fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.ProducerFenced}, OutcomeAborted},
		{"an end of one who is fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced}, OutcomeUnknown},
		{"an end that nobody knows", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError}, OutcomeUnknown},
		{"an end in the wrong state", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidTxnState}, OutcomeUnknown},
		{"an end that must be an abort", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.TransactionAbortable}, OutcomeAborted},
		{"a batch that is too large", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "test-state", Err: kerr.MessageTooLarge}, OutcomeAborted},
		{"a producer whose epoch is gone", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "test-state", Err: kerr.InvalidProducerEpoch}, OutcomeAborted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, 4)
			s.trade(40)
			w := &watcher{}
			e := s.run(newMachine("a"), func(o *Options) { o.Observer = w })
			s.check(s.read())
			hit := s.cluster.Fault(c.fault)
			s.trade(60)
			s.check(s.read())
			if hit.Hits() == 0 {
				t.Error("the fault was never hit")
			}
			outcomes, why := w.list()
			switch {
			case c.outcome == OutcomeCommitted && len(outcomes) > 0:
				t.Errorf("a transaction came to nothing: %v", why)
			case c.outcome != OutcomeCommitted && (len(outcomes) == 0 || outcomes[0] != c.outcome):
				t.Errorf("outcomes %v because of %v, want %v", outcomes, why, c.outcome)
			}
			eventually(t, "ready", func() bool { return len(e.NotReady()) == 0 })
			if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
				t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
			}
			e.end()
		})
	}
}

// forgetful loses the answers to some commits.
type forgetful struct {
	Kafka
	lose int
}

func (f *forgetful) Poll(ctx context.Context, wait time.Duration, most int) []Event {
	events := f.Kafka.Poll(ctx, wait, most)
	for i, e := range events {
		if e, ok := e.(Ended); ok && e.Outcome == OutcomeCommitted && f.lose > 0 {
			f.lose--
			events[i] = Ended{Outcome: OutcomeUnknown, Discard: true, Err: errors.New("the answer was lost")}
		}
	}
	return events
}

// A commit that got through without anybody knowing is found to be true: its records are not decided again.
func TestCommitWithoutAnswer(t *testing.T) {
	s := newShop(t, 4)
	s.trade(200)
	var f *forgetful
	done := false
	_, store := s.stepUntil(newMachine("a"), "", 0, func(l *Lane) bool {
		if f == nil {
			f = &forgetful{Kafka: l.kafka, lose: 3}
			l.kafka = f
			return false
		}
		if l.ending == nil && l.current == nil && !done && s.allRead(l) {
			s.trade(20)
			done = f.lose == 0
		}
		return done && l.ending == nil && l.current == nil && l.backlog.records == 0 && s.allRead(l)
	})
	s.check(s.read())
	if got, want := sorted(dump(t, store)), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
}

// allRead says that a lane is past all that was sent.
func (s *shop) allRead(l *Lane) bool {
	for _, source := range s.sent {
		p := l.parts[Partition{source.Topic, source.Partition}]
		if p == nil || p.committed <= source.Offset {
			return false
		}
	}
	for n := range int32(testShards) {
		p := l.parts[Partition{s.topics.Effects, n}]
		ends, err := s.admin().ListCommittedOffsets(s.t.Context(), s.topics.Effects)
		if err != nil {
			s.t.Fatal(err)
		}
		if end, _ := ends.Lookup(s.topics.Effects, n); p == nil || p.next != NoOffset && p.next < end.Offset || p.next == NoOffset && end.Offset > 0 {
			return false
		}
	}
	return true
}

// C12: while the registry is away nothing is decided and nothing is lost; the member stays in the group.
func TestRegistryAway(t *testing.T) {
	s := newShop(t, 4)
	s.registry.set(errors.New("connection refused"))
	s.trade(30)
	e := s.run(newMachine("a"))
	eventually(t, "not ready because of the registry", func() bool {
		return strings.Contains(strings.Join(e.NotReady(), "\n"), "connection refused")
	})
	s.registry.set(nil)
	s.check(s.read())
	eventually(t, "ready", func() bool { return len(e.NotReady()) == 0 })
	e.end()
}

// What cannot be processed is among the dead letters, whole, with why and from where.
func TestDeadLetters(t *testing.T) {
	s := newShop(t, 4)
	s.sendRaw(schemas.TopicOrders, 1, "m1", []byte("not avro at all"))
	s.sendRaw(schemas.TopicOrders, 1, "m1", []byte{0, 0, 0, 9, 9, 1})
	s.sendRaw(schemas.TopicOrders, 1, "m1", nil)
	s.send(schemas.TopicOrders, "m1", &schemas.Order{EventID: "e1", OrderID: "o1", MemberID: "m1", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR"})
	nobodys := &schemas.Order{EventID: "e2", OrderID: "o2", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR"}
	s.send(schemas.TopicOrders, "m1", nobodys)
	s.events = s.events[:1] // the last one names no member
	e := s.run(newMachine("a"))
	w := s.read()
	s.check(w)
	if len(w.letters) != 4 || len(w.decisions) != 1 {
		t.Fatalf("%d dead letters, %d decisions", len(w.letters), len(w.decisions))
	}
	for _, letter := range w.letters {
		headers := map[string]string{}
		for _, h := range letter.Headers {
			headers[h.Key] = string(h.Value)
		}
		if headers[HeaderError] == "" || headers["from"] != "shop" {
			t.Errorf("headers of a dead letter: %v", headers)
		}
	}
	e.end()
}

// A hold that runs out is released by time, once, and not before the backlog is read.
func TestTimeReleasesHolds(t *testing.T) {
	s := newShop(t, 4)
	order := func(id string, at time.Time) *schemas.Order {
		return &schemas.Order{
			EventID: "e" + id, OrderID: id, MemberID: "m1", Status: schemas.Paid, OccurredAt: at, Currency: "EUR",
			Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 6000}},
		}
	}
	var clock sync.Mutex
	now := s.started
	s.send(schemas.TopicOrders, "m1", order("o1", now))
	w := &watcher{}
	m := newMachine("a")
	e := s.run(m, func(o *Options) {
		o.Observer = w
		o.Now = func() time.Time { clock.Lock(); defer clock.Unlock(); now = now.Add(time.Millisecond); return now }
	})
	found := s.read()
	if len(found.entries) != 2 {
		t.Fatalf("entries before the hold ran out: %v", found.entries)
	}
	clock.Lock()
	now = now.Add(49 * time.Hour)
	clock.Unlock()
	eventually(t, "a release", func() bool { return len(s.read().entries) == 3 })
	total := [3]int64{}
	for _, sum := range s.read().sums {
		total[0], total[1], total[2] = total[0]+sum[0], total[1]+sum[1], total[2]+sum[2]
	}
	if total != [3]int64{70, 0, 70} {
		t.Errorf("available, pending, tier: %v", total)
	}
	if w.advanced == 0 {
		t.Error("time decided for nobody")
	}
	e.end()
}
