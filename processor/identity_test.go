package processor

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What an instance id is good for, and what happens where two have one.

// C11: two processes with one name both stop, and say so. What they were at is decided once all the same, by whoever runs next.
func TestInstanceUsedTwice(t *testing.T) {
	s := newShop(t, 4)
	s.trade(20)
	m := newMachine("a")
	a := s.run(m)
	s.read()
	b := s.run(newMachine("a"))
	said := func(r *running) bool {
		select {
		case err := <-r.done:
			r.done <- err
			return errors.Is(err, errUsedTwice) && strings.Contains(err.Error(), "give each its own")
		default:
			return false
		}
	}
	eventually(t, "both stop", func() bool {
		s.trade(3)
		return said(a) && said(b)
	})
	a = s.run(m.restarted())
	s.check(s.read())
	a.end()
}

// A process that is started again and again beside a living neighbour is fenced by it while it is outside the group. That is no
// second process, however often it happens.
func TestRestartsBesideANeighbour(t *testing.T) {
	s := newShop(t, 4)
	s.trade(30)
	b := s.run(newMachine("b"))
	m := newMachine("a")
	for i := range 6 {
		a := s.run(m)
		s.tradeUntil(func() bool { return a.serving() > 0 })
		select {
		case err := <-a.done:
			t.Fatalf("start %d: %v", i, err)
		default:
		}
		up := m.crash()
		a.stop()
		if err := <-a.done; errors.Is(err, errUsedTwice) {
			t.Fatalf("start %d: %v", i, err)
		}
		m = up
	}
	s.check(s.read())
	b.end()
}

// outsider is fenced as a neighbour does it that takes over what it wrote: before it has joined, and when it fell out of the
// group.
type outsider struct {
	Kafka
	fence func()
}

func (o *outsider) Join() {
	o.fence()
	o.Kafka.Join()
}

// A lane that is fenced while the group does not know it goes on, also where that happens several times within a minute.
func TestFencedOutsideTheGroup(t *testing.T) {
	s := newShop(t, 4)
	s.trade(50)
	name := transactionalID(testApp, "a", 0)
	fence := func() {
		if err := fenceWriter(t.Context(), s.writer, name, time.Second); err != nil {
			t.Error(err)
		}
	}
	w := &watcher{}
	wrapped := false
	fenced := func() (n int) {
		_, why := w.list()
		for _, err := range why {
			if isFenced(err) {
				n++
			}
		}
		return n
	}
	_, store := s.stepUntilWith(newMachine("a"), "", 0, func(l *Lane) bool {
		if !wrapped {
			wrapped = true
			l.kafka = &outsider{l.kafka, fence}
			return false
		}
		if l.twice != nil {
			t.Fatalf("it is about to stop: %v", l.twice)
		}
		idle := l.ending == nil && l.current == nil && l.backlog.records == 0 && l.member && s.allRead(l)
		if !idle || fenced() >= 3 {
			return idle
		}
		members, err := groupMembers(t.Context(), s.admin(), testApp)
		if err == nil {
			err = leave(t.Context(), s.writer, testApp, members[name])
		}
		if err != nil {
			t.Error(err)
		}
		fence()
		s.trade(20)
		return false
	}, func(o *Options) { o.Observer = w })
	s.check(s.read())
	if got, want := sorted(dump(t, store)), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
}
