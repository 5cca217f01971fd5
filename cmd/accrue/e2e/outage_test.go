package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Whoever is asked to stop is gone within 10 seconds, with 0, and nothing of it has to be aborted, there or elsewhere. When it
// comes back nothing is missing.
func TestGracefulStop(t *testing.T) {
	s := newStage(t, "stopped", programme(t))
	a, b := s.engine("a", 1, ""), s.engine("b", 2, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := shopEvents(t, 2)
	w := s.wallet()
	a.start()
	b.start()
	s.awaitReady(a, b)
	sending := make(chan error, 1)
	go func() { sending <- s.send(a.config, events) }()
	for _, e := range []*engine{a, b, a} {
		answered := len(w.answers)
		s.await("something is decided", time.Minute, func() string {
			w.read()
			return problem(nil, len(w.answers) == answered && answered < len(events), "%d answers", answered)
		})
		e.stop()
		s.calm(e)
		e.start()
		s.awaitReady(e)
	}
	if err := <-sending; err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	a.stop()
	b.stop()
	s.calm(a)
	s.calm(b)
	w.finish(sent, want)
}

var aborted = regexp.MustCompile(`.*(aborted|discarded|left open|fenced).*`)

// calm demands that the log of an instance's last process tells of no transaction that came to nothing.
func (s *stage) calm(e *engine) {
	s.t.Helper()
	if lines := aborted.FindAllString(e.logText(), -1); len(lines) > 0 {
		s.t.Errorf("instance %s aborted something:\n%s", e.name, strings.Join(lines, "\n"))
	}
}

// A broker that goes away and comes back is waited for: no engine ends, readiness tells, and they go on by themselves.
func TestBrokerRestart(t *testing.T) {
	s := newStage(t, "outage", programme(t))
	a, b := s.engine("a", 2, ""), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := shopEvents(t, 4)
	w := s.wallet()
	a.start()
	b.start()
	s.awaitReady(a, b)
	sending := make(chan error, 1)
	go func() { sending <- s.send(a.config, events) }()
	s.await("something is decided", time.Minute, func() string {
		w.read()
		return problem(nil, len(w.answers) == 0, "nothing is")
	})
	if err := shared.kafka.Stop(1); err != nil {
		t.Fatal(err)
	}
	s.await("readiness tells of the outage", time.Minute, func() string {
		return problem(nil, a.answers(http.StatusOK) && b.answers(http.StatusOK), "both are ready")
	})
	if err := shared.kafka.Start(1); err != nil {
		t.Fatal(err)
	}
	if err := <-sending; err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(2 * time.Minute)
	if len(sent) < len(events) {
		t.Errorf("%d records are in the topics, %d were sent", len(sent), len(events))
	}
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(a, b)
	a.stop()
	b.stop()
	w.finish(sent, want)
}

// answers says whether the process's readiness has this status.
func (e *engine) answers(status int) bool {
	got, _, err := e.get("/readyz")
	return err == nil && got == status
}
