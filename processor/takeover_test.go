package processor

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// serving counts the shards that an engine serves.
func (r *running) serving() int {
	n := 0
	for _, lane := range r.Status() {
		for _, shard := range lane.Shards {
			if shard.State == serving.String() {
				n++
			}
		}
	}
	return n
}

// Engines come and go, politely (C8) and not (C7), while records arrive: each record is answered once all the same.
func TestEnginesComeAndGo(t *testing.T) {
	s := newShop(t, 5)
	s.trade(50)
	w := &watcher{}
	observed := func(o *Options) { o.Observer = w }
	a := s.run(newMachine("a"), observed)
	eventually(t, "all shards at a", func() bool { return a.serving() == testShards })

	m := newMachine("b")
	b := s.run(m, observed)
	s.tradeUntil(func() bool { return a.serving() == 2 && b.serving() == 2 })
	s.check(s.read())

	b.end() // politely: a has them back
	s.tradeUntil(func() bool { return a.serving() == testShards })
	if outcomes, why := w.list(); len(outcomes) > 0 {
		t.Errorf("joining and leaving aborted transactions: %v", why)
	}

	b = s.run(m.restarted(), observed)
	s.tradeUntil(func() bool { return b.serving() == 2 })
	m = b.kill(m) // -9
	s.tradeUntil(func() bool { return a.serving() == testShards })
	s.check(s.read())
	b = s.run(m)
	s.tradeUntil(func() bool { return a.serving() == 2 && b.serving() == 2 })
	s.check(s.read())
	a.end()
	b.end()
}

// tradeUntil goes on trading until a condition holds.
func (s *shop) tradeUntil(holds func() bool) {
	s.t.Helper()
	eventually(s.t, "shards are where they should be", func() bool {
		s.trade(5)
		return holds()
	})
}

// kill takes an engine's power and returns its machine as it comes up again.
func (r *running) kill(m *machine) *machine {
	up := m.crash()
	r.stop()
	<-r.done //nolint:errcheck // it could not commit any more; what it says does not matter
	return up
}

// A process that is killed and started again does not wait for its own session to time out.
func TestRestartIsQuick(t *testing.T) {
	s := newShop(t, 4)
	s.trade(50)
	m := newMachine("a")
	slow := func(o *Options) { o.SessionTimeout, o.Heartbeat = 30*time.Second, 100*time.Millisecond }
	e := s.run(m, slow)
	s.check(s.read())
	m = e.kill(m)
	began := time.Now()
	e = s.run(m, slow)
	s.trade(10)
	s.check(s.read())
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	e.end()
}

// The transaction that a member left open when it died is ended as soon as its shards are taken over, not by its timeout.
func TestTransactionOfTheDeadIsFenced(t *testing.T) {
	s := newShop(t, 4)
	s.trade(50)
	patient := func(o *Options) { o.TransactionTimeout = 50 * time.Second }
	p, _ := s.stepUntilWith(newMachine("a"), "C3 commit sent", 2, func(l *Lane) bool {
		if l.ending == nil && l.current == nil {
			s.trade(20)
		}
		return false
	}, patient)
	if !p.off {
		t.Fatal("nothing was left open")
	}
	began := time.Now()
	b := s.run(newMachine("b"), patient)
	s.check(s.read())
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	b.end()
}

// C10: a changelog that is not the one that was committed with is not served from, and the error says what to do.
func TestChangelogOfAnother(t *testing.T) {
	s := newShop(t, 4)
	s.trade(80)
	m := newMachine("a")
	e := s.run(m)
	s.check(s.read())
	e.end()
	recreate(t, s.admin(), s.topics.State)
	for _, m := range []*machine{m.restarted(), m.wiped()} {
		e = s.run(m)
		eventually(t, "refused shards", func() bool {
			why := strings.Join(e.NotReady(), "\n")
			return strings.Contains(why, "expected topic id") && strings.Contains(why, "deleted and created again")
		})
		e.end()
	}
}

func recreate(t *testing.T, admin *kadm.Client, topic string) {
	t.Helper()
	if _, err := admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), testShards, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// Offsets that a tool has set carry no position: the shard catches up with all that is there, and what is read again are
// duplicates.
func TestOffsetsReset(t *testing.T) {
	s := newShop(t, 4)
	s.trade(80)
	m := newMachine("a")
	e := s.run(m)
	first := s.read()
	s.check(first)
	e.end()
	if _, err := s.admin().DeleteGroup(t.Context(), testApp); err != nil {
		t.Fatal(err)
	}
	e = s.run(m.wiped())
	eventually(t, "all is answered again", func() bool {
		for _, n := range s.read().decisions {
			if n < 2 { // those that were forwarded are also read again where they were forwarded to
				return false
			}
		}
		return true
	})
	again := s.read()
	for id, n := range again.entries {
		if n != 1 {
			t.Errorf("entry %s was written %d times", id, n)
		}
	}
	e.end()
}

// Topics that are missing are an error that says which, and what to do.
func TestTopicsMissing(t *testing.T) {
	s := newShop(t, 4)
	e := s.run(newMachine("a"), func(o *Options) { o.Topics.Notices = "no.such.topic" })
	err := <-e.done
	if err == nil || !strings.Contains(err.Error(), "no.such.topic") || !strings.Contains(err.Error(), "accrue topics apply") {
		t.Errorf("error: %v", err)
	}
}

// A record that is forwarded keeps its place: the decision names the input record, and its bytes are its producer's.
func TestForwardedRecordsKeepTheirPlace(t *testing.T) {
	s := newShop(t, 7) // more partitions than shards
	for range 40 {
		s.trade(1)
	}
	e := s.run(newMachine("a"))
	w := s.read()
	s.check(w)
	effects := 0
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.ConsumeTopics(s.topics.Effects))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	decoder := schemas.NewDecoder(s.registry)
	reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
		effects++
		value, err := decoder.Decode(t.Context(), schemas.KindOrder, r.Value)
		if o, ok := value.(*schemas.Order); err == nil && ok && Home(o.MemberID, testShards) != r.Partition {
			t.Errorf("%s was forwarded to %d", o.MemberID, r.Partition)
		}
	})
	if effects == 0 {
		t.Error("nothing was forwarded")
	}
	e.end()
}
