package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// A data folder is one process's, and so is an instance id. A second process on the folder says so and ends. Two of one id would
// fence each other for ever: both stop and say why. No record is lost or decided twice.
func TestInstanceUsedTwice(t *testing.T) {
	s := newStage(t, "twice", programme(t))
	first, second := s.engine("same", 1, ""), s.engine("same", 1, "")
	s.accrue("", "topics", "apply", "--config", first.config)
	events := shopEvents(t, 1)
	w := s.wallet()
	first.start()
	s.awaitReady(first)
	s.refusesFolder(first)

	second.start()
	// They only meet while there is something to write, so the events are sent until they did; a second time they change nothing.
	over := func(e *engine) bool {
		select {
		case <-e.ended:
			return true
		default:
			return false
		}
	}
	for deadline := time.Now().Add(time.Minute); !over(first) || !over(second); {
		if err := s.send(first.config, events); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute the first has ended: %t, the second: %t; the second says: %s\nthe first says: %s",
				over(first), over(second), second.logTail(20), first.logTail(20))
		}
	}
	for _, e := range []*engine{first, second} {
		e.asked = true // not by us, but it is what is wanted
		said := e.logTail(3)
		if code := e.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, "instance") || !strings.Contains(said, "give each its own") {
			t.Errorf("it ended with exit code %d and said %s", code, said)
		}
	}
	other := first
	other.start()
	sent := w.awaitAnswers(time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(other)
	other.stop()
	w.finish(sent, want)
}

// refusesFolder starts a process on the folder of another, which is not disturbed.
func (s *stage) refusesFolder(first *engine) {
	s.t.Helper()
	e := s.engineIn("other", first.data, 1, "")
	e.start()
	select {
	case <-e.ended:
		e.asked = true // not by us, but it is what is wanted
	case <-time.After(time.Minute):
		s.t.Fatal("two processes run on one folder")
	}
	said := e.logTail(3)
	if code := e.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, first.data) || !strings.Contains(said, "in use") {
		s.t.Errorf("on the folder of another, it ended with exit code %d and said %s", code, said)
	}
	if why := first.notReady(); why != "" {
		s.t.Errorf("a process that wants the same folder disturbs: %s", why)
	}
}
