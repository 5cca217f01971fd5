package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"accrue/deploy/kafka/kafkatest"
)

// Three engines on three brokers, while everything happens to them that happens to machines: an engine is killed with -9, with
// or without its disk; it is stopped for longer than its session lasts, and wakes when its shards are others'; a broker is killed
// or restarted. Two of these at a time, at random moments, while records arrive out of order and many of them twice. In the end
// each record has one answer, each entry stands there once, grants and tiers are those of simulate, and what each engine holds is
// the fold of its changelog.
//
//	go test ./cmd/accrue/e2e -run TestFaults -faults 10m -timeout 30m
func TestFaults(t *testing.T) {
	t.Setenv("ACCRUE_KAFKA_SESSION_TIMEOUT", "6s")
	t.Logf("seed %d, for %s", shared.seed, shared.faults)
	random := rand.New(rand.NewPCG(shared.seed, 2))
	cluster := kafkatest.Start(t, 3)
	s := newStageOn(t, cluster, 3, "faults", programme(t, "over: 12 months", "over: lifetime"))
	a, b, c := s.engine("a", 1, "state: {flush_every: 2s}\n"), s.engine("b", 2, ""), s.engine("c", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	const every = 16 * time.Second
	rounds := max(1, int(shared.faults/every))
	events := shopEvents(t, 4+2*rounds)
	events = append(events, checkIns(events, 20)...)
	arriving := disorder(events, random)
	w := s.wallet()
	f := &faults{stage: s, random: random, engines: []*engine{a, b, c}, struck: map[string]int{}}
	for _, e := range f.engines {
		e.start()
	}

	for round := range rounds {
		part := arriving[len(arriving)*round/rounds : len(arriving)*(round+1)/rounds]
		sending := make(chan error, 1)
		go func() { sending <- s.send(a.config, part) }()
		w.awaitMoment(random)
		first := f.strike()
		w.awaitMoment(random)
		second := f.strike()
		w.awaitMoment(random)
		first()
		w.awaitMoment(random)
		second()
		if err := <-sending; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%v; %d of %d records answered by then", f.struck, len(w.answers), len(arriving))
	sent := w.awaitAnswers(3 * time.Minute)
	if len(sent) != len(arriving) {
		t.Errorf("%d records are in the topics, %d were sent", len(sent), len(arriving))
	}
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(f.engines...)
	for _, e := range f.engines {
		e.stop()
	}
	w.finish(sent, want)
	for _, e := range f.engines {
		s.accrue("", "state", "verify", "--config", e.config) // ends with 1 where it finds a difference
	}
}

// faults strikes engines and brokers at random.
type faults struct {
	stage   *stage
	random  *rand.Rand
	engines []*engine
	broken  []*engine      // at the moment
	broker  int            // that is away at the moment, counted from 1; 0: all are there
	struck  map[string]int // by kind
}

// strike does one thing to one that is well, and returns what ends it.
func (f *faults) strike() (end func()) {
	if f.broker == 0 && f.random.IntN(3) == 0 {
		return f.strikeBroker()
	}
	well := slices.DeleteFunc(slices.Clone(f.engines), func(e *engine) bool { return slices.Contains(f.broken, e) })
	e := well[f.random.IntN(len(well))]
	f.broken = append(f.broken, e)
	healed := func() { f.broken = slices.DeleteFunc(f.broken, func(x *engine) bool { return x == e }) }
	switch f.random.IntN(3) {
	case 0:
		f.struck["engine killed"]++
		e.kill()
	case 1:
		f.struck["engine killed, disk wiped"]++
		e.kill()
		e.wipe()
	default:
		f.struck["engine stopped"]++
		f.signal(e, syscall.SIGSTOP)
		asleep := time.Now()
		return func() {
			healed()
			// Longer than a session: it wakes as one that does not know yet that its shards are others'.
			<-time.After(time.Until(asleep.Add(time.Duration(5+f.random.IntN(6)) * time.Second)))
			f.signal(e, syscall.SIGCONT)
		}
	}
	return func() {
		healed()
		e.start()
	}
}

func (f *faults) strikeBroker() (end func()) {
	f.broker = 1 + f.random.IntN(len(f.stage.kafka.Bootstrap()))
	what, away := "broker killed", f.stage.kafka.Kill
	if f.random.IntN(2) == 0 {
		what, away = "broker restarted", f.stage.kafka.Stop
	}
	f.struck[what]++
	f.must(away(f.broker))
	return func() {
		f.must(f.stage.kafka.Start(f.broker))
		f.broker = 0
	}
}

func (f *faults) signal(e *engine, s syscall.Signal) {
	f.stage.t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		f.stage.t.Fatalf("sending %s to instance %s: %v", s, e.name, err)
	}
}

func (f *faults) must(err error) {
	f.stage.t.Helper()
	if err != nil {
		f.stage.t.Fatal(fmt.Errorf("striking broker %d: %w", f.broker, err))
	}
}
