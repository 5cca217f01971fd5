package processor

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"accrue/state"
)

// power is Kafka as a lane sees it, until the power goes: after that nothing is sent and nothing arrives, and whatever was
// open stays open.
type power struct {
	Kafka
	m       *machine
	at      string // the crash point
	skip    int    // how often the point is passed before
	off     bool
	crashed *machine
}

// point is passed at each crash point.
func (p *power) point(name string) {
	if p.off || name != p.at {
		return
	}
	if p.skip--; p.skip < 0 {
		p.off = true
		p.crashed = p.m.crash()
	}
}

func (p *power) Poll(ctx context.Context, wait time.Duration, most int) []Event {
	if p.off {
		return nil
	}
	events := p.Kafka.Poll(ctx, wait, most)
	for i, e := range events {
		switch e := e.(type) {
		case Flushed:
			p.point("C2 flushed")
		case Ended:
			if e.Outcome == OutcomeCommitted {
				p.point("C4 committed")
			}
		case Changelog:
			if len(e.Records) > 0 {
				p.point("C6 restoring")
			}
		case Records:
			p.point("C1 polled")
		}
		if p.off {
			return events[:i]
		}
	}
	return events
}

func (p *power) Produce(records []Output) {
	if !p.off {
		p.Kafka.Produce(records)
	}
	p.point("C1 produced")
}

func (p *power) Flush() {
	if !p.off {
		p.Kafka.Flush()
	}
	p.point("C2 flushing")
}

func (p *power) Commit(c Commit) {
	p.point("C2 before commit")
	if !p.off {
		p.Kafka.Commit(c)
	}
	p.point("C3 commit sent")
}

// stepUntil runs a lane on a machine until a condition holds or its power goes. It returns the store, which stays open.
func (s *shop) stepUntil(m *machine, at string, skip int, holds func(*Lane) bool) (*power, *state.Store) {
	s.t.Helper()
	return s.stepUntilWith(m, at, skip, holds, func(*Options) {})
}

func (s *shop) stepUntilWith(m *machine, at string, skip int, holds func(*Lane) bool, change func(*Options)) (*power, *state.Store) {
	s.t.Helper()
	o := s.options(m)
	change(&o)
	e, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(e.admin.Close)
	store, err := e.openStore()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := e.prepare(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	l := e.lane(0, store, NewWriters())
	p := &power{Kafka: l.kafka, m: m, at: at, skip: skip}
	kafka := l.kafka
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		kafka.Close(ctx)
	})
	l.kafka = p
	eventually(s.t, "the lane's end at "+at, func() bool {
		if err := l.Step(s.t.Context()); err != nil {
			if !p.off {
				s.t.Fatal(err)
			}
			return true
		}
		if l.ending == nil && l.number > 0 {
			p.point("C5 applied")
		}
		return p.off || holds(l)
	})
	return p, store
}

// Wherever it dies, the next start decides what was not committed, and nothing else, and its store is what the changelog
// says. Each point of the table in doc.go is cut at several moments.
func TestLaneDiesAnywhere(t *testing.T) {
	points := []string{
		"C1 polled", "C1 produced", "C2 flushing", "C2 flushed", "C2 before commit", "C3 commit sent", "C4 committed", "C5 applied",
	}
	for _, at := range points {
		for _, skip := range []int{0, 2} {
			t.Run(at, func(t *testing.T) {
				t.Parallel()
				s := newShop(t, 3)
				s.trade(150)
				p, _ := s.stepUntil(newMachine("a"), at, skip, func(l *Lane) bool {
					if l.ending == nil && l.current == nil && len(s.sent) < 600 {
						s.trade(20) // there is always something more
					}
					return false
				})
				if !p.off {
					t.Fatalf("%s was never reached", at)
				}
				e := s.run(p.crashed)
				s.check(s.read())
				if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
					t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
				}
				e.end()
			})
		}
	}
}

// A restore that is cut (C6) goes on from where it was; from an empty (C9) disk it comes to the same rows as the disk that was lost.
func TestRestore(t *testing.T) {
	s := newShop(t, 4)
	s.trade(300)
	m := newMachine("a")
	e := s.run(m)
	s.check(s.read())
	before := dump(t, e.Store())
	e.end()

	cut, _ := s.stepUntil(m.wiped(), "C6 restoring", 1, func(*Lane) bool { return false })
	restored := &restorations{}
	e = s.run(cut.crashed, func(o *Options) { o.Observer = restored })
	eventually(t, "ready", func() bool { return len(e.NotReady()) == 0 })
	if after := dump(t, e.Store()); after != before {
		t.Errorf("restored:\n%s\nbefore:\n%s", after, before)
	}
	s.trade(20)
	s.check(s.read())
	e.end()

	e = s.run(m.restarted(), func(o *Options) { o.Observer = restored })
	eventually(t, "ready again", func() bool { return len(e.NotReady()) == 0 })
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("caught up:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
	why := map[string]int{}
	for _, r := range restored.list() {
		why[r.Why] += r.Records
	}
	if why["empty disk: all"] == 0 || why["intact disk: since the last flush"] == 0 {
		t.Errorf("changelog records by reason: %v", why)
	}
}

// restorations keeps what it observes.
type restorations struct {
	nobody
	mu  sync.Mutex
	all []Restoration
}

func (r *restorations) Restored(got Restoration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, got)
}

func (r *restorations) list() []Restoration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}
