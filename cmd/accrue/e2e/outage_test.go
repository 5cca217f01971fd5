package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"accrue/deploy/kafka/kafkatest"
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

// Brokers are stopped in order and started again one after the other, as for an upgrade, while records arrive; then two of three are
// killed, so that nothing can be written or agreed on. No engine ends, readiness tells of the outage, and they go on by themselves.
//
// There are three because a transaction is not safe on one: where no replica of a partition is alive, Kafka (seen with 4.3.1, stopped
// in order as well as killed) takes the partition for deleted and forgets the marker of a transaction that was just committed.
func TestBrokersAway(t *testing.T) {
	cluster := kafkatest.Start(t, 3)
	s := newStageOn(t, cluster, 3, "outage", programme(t))
	a, b := s.engine("a", 2, ""), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := shopEvents(t, 8)
	w := s.wallet()
	a.start()
	b.start()
	s.awaitReady(a, b)
	const parts = 4
	during := func(part int, happens func()) {
		t.Helper()
		sending := make(chan error, 1)
		go func() { sending <- s.send(a.config, events[len(events)*part/parts:len(events)*(part+1)/parts]) }()
		answered := len(w.answers)
		s.await("something of the next part is decided", time.Minute, func() string {
			w.read()
			return problem(nil, len(w.answers) == answered, "%d answers", answered)
		})
		happens()
		if err := <-sending; err != nil {
			t.Fatal(err)
		}
		s.awaitReady(a, b)
	}
	do := func(what func(int) error, node int) {
		t.Helper()
		if err := what(node); err != nil {
			t.Fatal(err)
		}
	}
	for node := 1; node <= 3; node++ {
		during(node-1, func() {
			do(cluster.Stop, node)
			do(cluster.Start, node)
		})
	}
	during(3, func() {
		do(cluster.Kill, 1)
		do(cluster.Kill, 2)
		s.await("readiness tells of the outage", time.Minute, func() string {
			return problem(nil, a.answers(http.StatusOK) && b.answers(http.StatusOK), "both are ready")
		})
		do(cluster.Start, 1)
		do(cluster.Start, 2)
	})
	sent := w.awaitAnswers(2 * time.Minute)
	if len(sent) < len(events) {
		t.Errorf("%d records are in the topics, %d were sent", len(sent), len(events))
	}
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	a.stop()
	b.stop()
	w.finish(sent, want)
}

// answers says whether the process's readiness has this status.
func (e *engine) answers(status int) bool {
	got, _, err := e.get("/readyz")
	return err == nil && got == status
}
