package rules_test

import (
	"testing"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
)

// A version whose tiers go by another measure finds it counted over what is kept: where all is, the members stand as if the
// version had been known from the beginning.
func TestAnotherMeasureIsCountedAnew(t *testing.T) {
	others := 0
	for tries := 0; tries < 20 && others == 0; tries++ { // histories are drawn, and a few may have nothing of it
		rapid.Check(t, func(t *rapid.T) {
			w := short(t, 2, 20)
			known := w.knownLater(t)
			if a, b := w.parsed[0].Programme.Tiers, w.parsed[1].Programme.Tiers; known > 0 && a != nil && a.By != b.By && a.Span != programme.Lifetime {
				others++
			}
		})
	}
	if others == 0 {
		t.Error("no version had another measure")
	}
}

// knownLater draws how many events come before the second version is known, and demands that this makes no difference.
func (w *world) knownLater(t *rapid.T) (known int) {
	events := inOrder(w.events)
	before := 0
	for before < len(events) && eventTime(&events[before]).Before(w.from[1]) {
		before++
	}
	known = rapid.IntRange(0, before).Draw(t, "known after")
	first, err := rules.NewLedger(w.parsed[:1], rules.Secret([]byte("drawn")))
	if err != nil {
		t.Fatal(err)
	}
	whole := w.replay(t).stored().all(events)
	want := whole.finish()
	r := w.replay(t).stored()
	r.ledger = first
	r.all(events[:known])
	r.ledger = w.ledger
	clear(r.accounts) // all are opened anew by another ledger, also those that others only told of something
	same("where the second version became known later it ends in", r.all(events[known:]), whole, want, r.finish())
	return known
}
