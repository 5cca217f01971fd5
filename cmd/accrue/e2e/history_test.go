package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"accrue/schemas"
)

// Two years of orders are brought in, in the order of time, while timers are on and engines are killed with -9. Nearly all
// that falls due lies in the past then: tiers end all the time, and orders that were still to come would have kept many of them. Each
// member's tier goes up and down exactly as in a programme that knew all from the beginning, and is never corrected.
func TestImportedHistoryCorrectsNoTier(t *testing.T) {
	const copies = 2
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 1))
	s := newStage(t, "two-years", programme(t, "over: 12 months", "over: 2 months"))
	s.quiet = 10 * time.Second // longer than the pauses of whoever imports
	a, b := s.engine("a", 2, ""), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := twoYears(shopEvents(t, copies))
	w := s.wallet()

	a.start()
	b.start()
	sending := make(chan error, 1)
	go func() { sending <- s.send(a.config, events) }()
	kills := 0
	for len(w.answers) < len(events) {
		more := min(len(w.answers)+300+random.IntN(900), len(events))
		s.await("more is decided", 2*time.Minute, func() string {
			w.read()
			return problem(nil, len(w.answers) < more, "%d of %d records are", len(w.answers), len(events))
		})
		for _, e := range [][]*engine{{a}, {b}, {a, b}}[random.IntN(3)] {
			e.kill()
			e.start()
			kills++
		}
	}
	if err := <-sending; err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(2 * time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute) // with what falls due after the last order
	s.awaitReady(a, b)
	a.stop()
	b.stop()
	w.finish(sent, want)
	s.accrue("", "verify", "--config", a.config)

	corrected, falls := 0, 0
	for member := range union(w.changes, want.changes) {
		if got, expected := w.changes[member], want.changes[member]; !slices.Equal(got, expected) {
			t.Errorf("the tier of %s went\n%s\nand not\n%s", member, strings.Join(got, "\n"), strings.Join(expected, "\n"))
		}
		for _, change := range w.changes[member] {
			switch direction, _, _ := strings.Cut(change, " "); schemas.Direction(direction) {
			case schemas.DirectionCorrected:
				corrected++
			case schemas.DirectionDown:
				falls++
			case schemas.DirectionUp, schemas.DirectionRenewed:
			}
		}
	}
	if corrected > 0 || falls < len(w.changes) {
		t.Errorf("%d tier changes are corrections, %d of %d members' are falls", corrected, falls, len(w.changes))
	}
	t.Logf("%d kills, %d members, %d falls", kills, len(w.changes), falls)
}

var (
	happenedAt = regexp.MustCompile(`"occurred_at":"([^"]+)"`)
	idsOf      = regexp.MustCompile(`"(event_id|order_id)":"`)
)

// twoYears returns the orders among the events of a year, without what takes them back, and before them the same orders a year earlier.
func twoYears(events []string) []string {
	var before, orders []string
	for _, line := range events {
		if !strings.Contains(line, `"status":"PAID"`) {
			continue
		}
		earlier := happenedAt.ReplaceAllStringFunc(line, func(text string) string {
			at, err := time.Parse(time.RFC3339, happenedAt.FindStringSubmatch(text)[1])
			if err != nil {
				panic(fmt.Sprintf("the shop's %s: %v", text, err))
			}
			return fmt.Sprintf(`"occurred_at":%q`, at.AddDate(-1, 0, -9).Format(time.RFC3339)) // so that the two do not overlap
		})
		before = append(before, idsOf.ReplaceAllString(earlier, `"$1":"before-`))
		orders = append(orders, line)
	}
	return append(before, orders...)
}
