package processor

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	simSeed  = flag.Uint64("seed", 0, "the one seed that TestSimulator replays, step for step; 0: a sweep")   //nolint:gochecknoglobals // flags
	simSeeds = flag.Uint64("seeds", 0, "how many seeds TestSimulator sweeps over; 0: as many as time allows") //nolint:gochecknoglobals // flags
)

// simulate runs one seed. A panic is a failure like others, so that its seed is told.
func simulate(seed uint64, p plan, ledgers []simLedger, defect *simDefect, verbose bool) (w *world) {
	w = newWorld(seed, p, &ledgers[p.programme], defect, verbose)
	defer func() {
		if why := recover(); why != nil {
			w.fail("panic", "%v\n%s", why, debug.Stack())
		}
	}()
	w.run()
	return w
}

// sweep runs seeds on all processors until one fails, and returns the worlds' points together.
func sweep(seeds uint64, ledgers []simLedger, defect *simDefect) (points map[string]int, failed *world) {
	points = make(map[string]int)
	var mu sync.Mutex
	var work sync.WaitGroup
	next := uint64(0)
	for range 3 * runtime.GOMAXPROCS(0) { // a store that waits for its disk needs no processor
		work.Go(func() {
			for {
				mu.Lock()
				next++
				seed, stop := next, failed != nil || next > seeds
				mu.Unlock()
				if stop {
					return
				}
				w := simulate(seed, drawPlan(seed), ledgers, defect, false)
				mu.Lock()
				for what, n := range w.points {
					points[what] += n
				}
				if w.failure != nil && (failed == nil || w.seed < failed.seed) {
					failed = w
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	return points, failed
}

// TestSimulator runs lanes in simulated worlds, in which everything goes wrong that can, in ever new ways. What they write
// must be right at every moment, and when nothing goes wrong any more they must get to the end. To see one seed again, step
// for step, at the same commit:
//
//	go test ./processor -run TestSimulator -seed N -v
func TestSimulator(t *testing.T) {
	ledgers, err := simLedgers()
	if err != nil {
		t.Fatal(err)
	}
	if *simSeed != 0 {
		w := simulate(*simSeed, drawPlan(*simSeed), ledgers, &simDefect{}, true)
		t.Logf("seed %d, hash %x: %s\n%s\n%v", w.seed, w.hash, &w.plan, strings.Join(w.lines, "\n"), w.points)
		if w.failure != nil {
			report(t, w, ledgers)
		}
		return
	}
	seeds := uint64(1000)
	if raceEnabled {
		seeds = 120
	}
	if *simSeeds != 0 {
		seeds = *simSeeds
	}
	points, failed := sweep(seeds, ledgers, &simDefect{})
	if failed != nil {
		report(t, failed, ledgers)
		return
	}
	for _, point := range slices.Sorted(maps.Keys(points)) {
		t.Logf("%6d %s", points[point], point)
	}
	if seeds < 1000 {
		return // too few to come by everything
	}
	for i := 1; i <= 13; i++ {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(points)), func(p string) bool { return strings.Fields(p)[0] == fmt.Sprintf("C%d", i) }) {
			t.Errorf("C%d was never hit in %d seeds", i, seeds)
		}
	}
	for _, kind := range simFaultKinds() {
		if strings.Contains(kind, ": ") && points["struck "+kind] == 0 {
			t.Errorf("%q never struck in %d seeds", kind, seeds)
		}
	}
}

// report tells all that is needed to find out what went wrong.
func report(t *testing.T, w *world, ledgers []simLedger) {
	t.Helper()
	short := shorten(w, ledgers)
	t.Errorf("%v\nseed %d, hash %x, step %d\n\nthe trace's end:\n%s\n\nplan: %s\n\nof its faults these are enough:\n%s\n%v\n\nto see it again: go test ./processor -run TestSimulator -seed %d -v",
		w.failure, w.seed, w.hash, w.step, w.tail(), &w.plan, short.faultLines(), short.failure, w.seed)
}

// checker names who found the failure.
func (w *world) checker() string {
	name, _, _ := strings.Cut(w.failure.Error(), ":")
	return name
}

func (w *world) faultLines() string {
	var b strings.Builder
	for _, f := range w.plan.faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return b.String()
}

// shorten leaves faults out as long as the seed goes on failing, first many at a time, then one by one.
func shorten(w *world, ledgers []simLedger) *world {
	runs := 0
	for size := max(1, len(w.plan.faults)/2); size > 0; size /= 2 {
		for from := 0; from < len(w.plan.faults) && runs < 80; {
			p := w.plan
			p.faults = slices.Delete(slices.Clone(p.faults), from, min(from+size, len(p.faults)))
			runs++
			if less := simulate(w.seed, p, ledgers, w.defect, false); less.failure != nil && less.checker() == w.checker() {
				w = less
			} else {
				from += size
			}
		}
	}
	return w
}

// A seed is a whole run: twice the same, to the last line of the trace.
func TestSimulatorIsDeterministic(t *testing.T) {
	ledgers, err := simLedgers()
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(1); seed <= max(12, *simSeeds); seed++ {
		once := simulate(seed, drawPlan(seed), ledgers, &simDefect{}, false)
		again := simulate(seed, drawPlan(seed), ledgers, &simDefect{}, false)
		if once.hash != again.hash || once.step != again.step {
			t.Errorf("seed %d: %x after %d steps, then %x after %d", seed, once.hash, once.step, again.hash, again.step)
		}
	}
}
