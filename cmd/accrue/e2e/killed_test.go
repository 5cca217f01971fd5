package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Engines are killed with -9 at random moments while records arrive, out of order and many of them twice, and some lose their
// disk with it. Each is started again and nothing else is done for it. In the end each entry stands there once, each record has one answer, and the grants and
// tiers are those of simulate.
func TestKilledEngines(t *testing.T) {
	const copies, rounds = 10, 7
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 1))
	// Tiers that are never lost: else all members would stand at the first level by now.
	s := newStage(t, "killed", programme(t, "over: 12 months", "over: lifetime"))
	a, b := s.engine("a", 2, "state: {flush_every: 1s}\n"), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := shopEvents(t, copies)
	events = append(events, checkIns(events, 20)...)
	arriving := disorder(events, random)
	w := s.wallet()

	a.start()
	b.start()
	kills, wiped := 0, 0
	for round := range rounds {
		part := arriving[len(arriving)*round/rounds : len(arriving)*(round+1)/rounds]
		sending := make(chan error, 1)
		go func() { sending <- s.send(a.config, part) }()
		victims := [][]*engine{{a}, {b}, {a, b}}[random.IntN(3)]
		w.awaitMoment(random)
		for _, e := range victims {
			e.kill()
			kills++
			if round == rounds/2 || random.IntN(4) == 0 {
				e.wipe()
				wiped++
			}
		}
		w.awaitMoment(random)
		for _, e := range victims {
			e.start()
		}
		if err := <-sending; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d of them with the disk; %d of %d records answered by then", kills, wiped, len(w.answers), len(arriving))
	sent := w.awaitAnswers(2 * time.Minute)
	if len(sent) != len(arriving) {
		t.Errorf("%d records are in the topics, %d were sent", len(sent), len(arriving))
	}
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(a, b)
	a.stop()
	b.stop()
	w.finish(sent, want)
}

// awaitMoment goes on reading until some number of answers is reached, or some time has passed.
func (w *wallet) awaitMoment(random *rand.Rand) {
	w.stage.t.Helper()
	answers := len(w.answers) + random.IntN(1500)
	late := time.After(time.Duration(random.IntN(4000)) * time.Millisecond)
	for len(w.answers) < answers {
		select {
		case <-late:
			return
		default:
			w.read()
		}
	}
}
