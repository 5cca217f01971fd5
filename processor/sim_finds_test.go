//go:build !race

package processor

import (
	"slices"
	"testing"
)

// TestSimulatorFindsDefects switches defects on, one at a time: each must be found, and by the checker of what it breaks.
func TestSimulatorFindsDefects(t *testing.T) {
	ledgers, err := simLedgers()
	if err != nil {
		t.Fatal(err)
	}
	const seeds = 1000 // as many as a sweep has
	for _, defect := range simDefects() {
		t.Run(defect.name, func(t *testing.T) {
			_, failed := sweep(seeds, ledgers, &defect)
			if failed == nil {
				t.Fatalf("not found with %d seeds", seeds)
			}
			if !slices.Contains(defect.checkers, failed.checker()) {
				t.Fatalf("found by another checker than %v: %v\n%s", defect.checkers, failed.failure, failed.tail())
			}
			t.Logf("seed %d, step %d: %v", failed.seed, failed.step, failed.failure)
		})
	}
}
