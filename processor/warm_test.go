package processor

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/state"
)

// tally keeps what an engine restores and aborts.
type tally struct {
	watcher
	restorations
}

func (w *tally) Restored(r Restoration) { w.restorations.Restored(r) }
func (w *tally) Aborted(lane int, outcome Outcome, why error) {
	w.watcher.Aborted(lane, outcome, why)
}
func (w *tally) Committed(r Report)          { w.watcher.Committed(r) }
func (w *tally) Refused(int, int32, error)   {}
func (w *tally) Released(int, int32)         {}
func (w *tally) Followed(int, int32, int64)  {}
func (w *tally) Unfollowed(int, int32)       {}
func (w *tally) Waiting(lane int, why error) { w.watcher.Waiting(lane, why) }

// following counts the shards that an engine follows and lacks nothing of.
func (r *running) following() int {
	n := 0
	for _, lane := range r.Status() {
		for _, shard := range lane.Shards {
			if shard.Standby && shard.Lag == 0 {
				n++
			}
		}
	}
	return n
}

// Shards of an instance that is killed are taken over by the one that follows them, which reads what it had not read yet and
// no more.
func TestTakeoverReadsTheTail(t *testing.T) {
	s := newShop(t, 4)
	s.trade(300)
	ma, mb := newMachine("a"), newMachine("b")
	w := &tally{}
	a := s.run(ma, func(o *Options) { o.Observer = w })
	b := s.run(mb)
	s.check(s.read())
	eventually(t, "two shards each, and copies of the others", func() bool {
		return a.serving() == 2 && b.serving() == 2 && a.following() == 2 && b.following() == 2
	})
	joins := s.count(kmsg.JoinGroup)
	s.trade(300)
	s.check(s.read())
	if n := joins.Load(); n > 0 {
		t.Errorf("%d joins in a group at rest", n)
	}
	all := s.changelog()
	eventually(t, "all is in the copies", func() bool { return sorted(dump(t, a.Store())) == all })
	before := len(w.restorations.list())
	b.kill(mb)
	eventually(t, "all shards at a", func() bool { return a.serving() == testShards })
	for _, r := range w.restorations.list()[before:] {
		if r.Cause != CausedByTakeover || r.Records > 0 {
			t.Errorf("shard %d: %d changelog records were read: %s", r.Shard, r.Records, r.Why)
		}
	}
	s.trade(50)
	s.check(s.read())
	if outcomes, why := w.watcher.list(); len(outcomes) > 0 {
		t.Errorf("the living one's transactions were aborted: %v", why)
	}
	a.end()
}

// count counts requests of a kind from now on.
func (s *shop) count(key kmsg.Key) *atomic.Int64 {
	n := new(atomic.Int64)
	s.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		n.Add(1)
		s.cluster.KeepControl()
		return nil, nil, false
	})
	return n
}

// fill writes records to the changelog as if members whom nobody trades with had been there for long.
func (s *shop) fill(each int) {
	s.t.Helper()
	for shard := range int32(testShards) {
		for i := range each {
			key := state.EncodeKey(fmt.Sprintf("old-%d-%d", shard, i%1000), []byte("row"))
			s.writer.Produce(s.t.Context(), &kgo.Record{Topic: s.topics.State, Partition: shard, Key: key, Value: []byte("value")}, nil)
		}
	}
	if err := s.writer.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// An instance that joins with an empty disk follows its part first and takes it over when it is near, while records arrive. No
// transaction is aborted, when it comes and when it goes.
func TestJoinerFollowsFirst(t *testing.T) {
	s := newShop(t, 4)
	s.fill(3 * positionGrain)
	s.trade(100)
	w := &tally{}
	observed := func(o *Options) { o.Observer = w }
	a := s.run(newMachine("a"), observed)
	eventually(t, "all shards at a", func() bool { return a.serving() == testShards })
	began := len(w.restorations.list())

	b := s.run(newMachine("b"), observed)
	s.tradeUntil(func() bool { return a.serving() == 2 && b.serving() == 2 && a.following() == 2 })
	moved := w.restorations.list()[began:]
	for _, r := range moved {
		if r.Cause != CausedByTakeover || r.Records > positionGrain {
			t.Errorf("shard %d: %d changelog records were read: %s", r.Shard, r.Records, r.Why)
		}
	}
	if len(moved) != 2 {
		t.Errorf("%d shards moved: %v", len(moved), moved)
	}
	s.check(s.read())
	b.end()
	s.tradeUntil(func() bool { return a.serving() == testShards })
	s.check(s.read())
	if outcomes, why := w.watcher.list(); len(outcomes) > 0 {
		t.Errorf("joining and leaving aborted transactions: %v", why)
	}
	a.end()
}

// The lanes of a process share a store, and shards come to them, leave them and are followed by them in any order.
func TestStandbysOfManyLanes(t *testing.T) {
	s := newShop(t, 5)
	s.trade(100)
	lanes := func(o *Options) { o.Lanes = 2 }
	ma, mb, mc := newMachine("a"), newMachine("b"), newMachine("c")
	a, b := s.run(ma, lanes), s.run(mb, lanes)
	even := func(engines ...*running) func() bool {
		return func() bool {
			served, followed := 0, 0
			for _, e := range engines {
				served, followed = served+e.serving(), followed+e.following()
			}
			return served == testShards && followed == testShards
		}
	}
	s.tradeUntil(func() bool { return a.serving() == 2 && b.serving() == 2 })
	c := s.run(mc, lanes)
	s.tradeUntil(func() bool { return a.serving() >= 1 && b.serving() >= 1 && c.serving() >= 1 })
	a.kill(ma)
	s.tradeUntil(func() bool { return b.serving()+c.serving() == testShards })
	b.end()
	s.tradeUntil(func() bool { return c.serving() == testShards })
	b = s.run(mb.restarted(), lanes)
	s.tradeUntil(func() bool { return b.serving() == 2 && c.serving() == 2 })
	s.check(s.read())
	all := s.changelog()
	eventually(t, "copies of all shards, which hold what the changelog says", func() bool {
		return even(b, c)() && sorted(dump(t, b.Store())) == all && sorted(dump(t, c.Store())) == all
	})
	b.end()
	c.end()
}

// How long a shard is served by nobody when it moves from a living instance to another one, and when its owner dies.
func TestPauseOfAShard(t *testing.T) {
	s := newShop(t, 4)
	s.trade(100)
	a := s.run(newMachine("a"))
	eventually(t, "all shards at a", func() bool { return a.serving() == testShards })
	mb := newMachine("b")
	b := s.run(mb)
	since, longest := time.Now(), time.Duration(0)
	look := func() int {
		n := a.serving() + b.serving()
		if n == testShards {
			since = time.Now()
		}
		longest = max(longest, time.Since(since))
		return n
	}
	eventually(t, "two shards each", func() bool { look(); return a.serving() == 2 && b.serving() == 2 })
	t.Logf("moving: served by nobody for %s at most", longest)
	if longest > 800*time.Millisecond {
		t.Errorf("shards that moved were served by nobody for %s", longest)
	}
	s.read()
	eventually(t, "copies", func() bool { return a.following() == 2 })
	b.kill(mb)
	began := time.Now()
	eventually(t, "all shards at a", func() bool { return a.serving() == testShards })
	took := time.Since(began)
	t.Logf("killed: served again after %s, with a session timeout of 1 s", took)
	if took > 2*time.Second {
		t.Errorf("shards of the dead were served again after %s", took)
	}
	a.end()
}

// Offsets that a member leaves pending when it dies hold its heirs up for no second, be it in its first transaction: that is
// ended before the client asks for them. (After a no, the client asks again a second later; the transaction's own timeout is far
// away.)
func TestDeadWriterHoldsNobodyUp(t *testing.T) {
	for name, commits := range map[string]int{"in its first transaction": 0, "in a later one": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, 4)
			s.trade(100)
			patient := func(o *Options) { o.TransactionTimeout = 50 * time.Second }
			b := s.run(newMachine("b"), patient)
			s.read()
			ma := newMachine("a")
			a := s.run(ma, patient)
			eventually(t, "two shards each", func() bool { return a.serving() == 2 && b.serving() == 2 })
			died := s.cutAtEnd("test-a-0", commits, ma)
			var at time.Time
			for at.IsZero() {
				// Orders only: a transaction that wrote to no changelog is left to its timeout.
				s.buy(fmt.Sprintf("m%d", s.orders%25), s.started.Add(time.Duration(len(s.sent))*5*time.Second))
				select {
				case at = <-died:
				default:
				}
			}
			eventually(t, "all shards at b", func() bool { return b.serving() == testShards })
			took := time.Since(at)
			t.Logf("served again after %s, with a session timeout of 1 s", took)
			if took > 1900*time.Millisecond {
				t.Errorf("it took %s", took)
			}
			a.stop()
			<-a.done //nolint:errcheck // it was told to stop
			s.check(s.read())
			b.end()
		})
	}
}

// cutAtEnd takes a machine's power when it asks for the end of a transaction, after it has ended some: the offsets are in the
// transaction, and nobody hears of its end. It returns when.
func (s *shop) cutAtEnd(id string, after int, m *machine) <-chan time.Time {
	died := make(chan time.Time, 1)
	s.cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if end, ok := r.(*kmsg.EndTxnRequest); !ok || end.TransactionalID != id || after > 0 {
			if ok && end.TransactionalID == id {
				after--
			}
			s.cluster.KeepControl()
			return nil, nil, false
		}
		m.crash()
		died <- time.Now()
		return nil, errors.New("the cable is cut"), true
	})
	return died
}
