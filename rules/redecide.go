package rules

import (
	"fmt"
	"math/bits"
	"slices"

	"accrue/schemas"
)

// atHead says that nothing before a new fact changes and that nothing lies behind it.
const atHead = -1

// changesFrom finds the earliest fact that a new one changes, as an index into the facts as they are without it; atHead
// where it only adds to the head. A refund or cancellation changes its order, and everything from there on.
func (a *Account) changesFrom(f *fact) (int, error) {
	head := a.head.last.compare(f.key) < 0 && f.dueBefore() >= a.head.due
	if f.profile != nil {
		return a.profileFrom(f, head)
	}
	if f.order != nil && a.touchesOrder(f) {
		if err := a.load(); err != nil {
			return 0, err
		}
		if stands := a.standsFor(f.order.id); stands != nil && (f.refunds() || a.earns(f) && f.key.compare(stands.key) < 0) {
			if f.refunds() && !a.honours(a.ledger.at(stands.key.at).programme, stands.key.at, f.key.at) {
				return a.orHead(f, head)
			}
			return min(a.place(stands.key), a.place(f.key)), nil
		}
	}
	return a.orHead(f, head)
}

func (a *Account) orHead(f *fact, head bool) (int, error) {
	if head {
		return atHead, nil
	}
	if err := a.load(); err != nil {
		return 0, err
	}
	return a.place(f.key), nil
}

// touchesOrder says whether other events of the order may be known that matter to this one.
func (a *Account) touchesOrder(f *fact) bool {
	id := f.order.id
	if f.refunds() || a.earns(f) {
		for _, status := range a.ledger.earnOn { // its order may have earned under another version
			if a.knows(orderHash(status, id)) {
				return true
			}
		}
	}
	if f.refunds() {
		return false
	}
	return a.knows(orderHash(f.order.status, id)) || a.knows(orderHash(schemas.Refunded, id)) || a.knows(orderHash(schemas.Cancelled, id))
}

// refunds says whether the event takes back of an order.
func (f *fact) refunds() bool {
	return f.order != nil && (f.order.status == schemas.Refunded || f.order.status == schemas.Cancelled)
}

// place is where a fact stands, or would stand.
func (a *Account) place(key factKey) int {
	i, _ := slices.BinarySearchFunc(a.facts, key, func(x *fact, k factKey) int { return x.key.compare(k) })
	return i
}

// decideAgain decides everything from facts[from] on once more, from the nearest snapshot before it, and makes the result
// the head. Where it fails the head is as it was.
func (a *Account) decideAgain(r *run, from int, asOf int64) error {
	a.forgetSnapshots(from + 1)
	start := snapshot{0, a.base}
	if n := len(a.snapshots); n > 0 {
		start = a.snapshots[n-1]
	}
	r.s, r.again = start.standing.clone(), true
	undone := a.undone(r.s)
	if err := r.unexpire(); err != nil {
		return err
	}
	spaced := a.spacing(start.next)
	for i := start.next; i < len(a.facts); i++ {
		if len(spaced) > 0 && spaced[0] == i {
			spaced = spaced[1:]
			a.snapshots = append(a.snapshots, snapshot{i, r.s.clone()})
		}
		if err := r.through(a.facts[i:i+1], a.facts[i].dueBefore()); err != nil {
			a.forgetSnapshots(start.next + 1)
			return err
		}
	}
	if err := r.advance(asOf); err != nil {
		return err
	}
	r.undo(undone)
	r.s.adopt(a.head)
	a.head = r.s
	a.thinSnapshots()
	return nil
}

// spacing says before which facts behind `start` a snapshot is taken: at distances from the end that double, so that the
// recent past, which changes most, is near one, and the number of snapshots grows with the logarithm.
func (a *Account) spacing(start int) []int {
	var list []int
	for distance := 4; len(a.facts)-distance > start; distance *= 2 {
		list = append(list, len(a.facts)-distance)
	}
	slices.Reverse(list)
	return list
}

// thinSnapshots keeps one snapshot of each doubling of the distance to the end, the farthest.
func (a *Account) thinSnapshots() {
	kept := a.snapshots[:0]
	last := 0
	for _, s := range a.snapshots {
		if size := bits.Len(uint(len(a.facts) - s.next)); size != last {
			kept, last = append(kept, s), size
		}
	}
	clear(a.snapshots[len(kept):])
	a.snapshots = kept
}

// rebuild derives the head from the base and the facts once more.
func (a *Account) rebuild() error {
	if err := a.load(); err != nil {
		return err
	}
	a.snapshots = nil
	r := &run{account: a, silent: true}
	if err := a.decideAgain(r, 0, a.asOf); err != nil {
		return &Broken{a.member, fmt.Errorf("decide again from the base: %w", err)}
	}
	for _, f := range r.touched {
		f.decided, f.want = false, nil
	}
	return nil
}

// remove takes a fact out that was just put in.
func (a *Account) remove(f *fact) {
	i := a.place(f.key)
	if i >= len(a.facts) || a.facts[i] != f {
		return
	}
	a.facts = slices.Delete(a.facts, i, i+1)
	a.count--
	a.forgetSnapshots(i + 1)
	f.changed = false
	if f.keeps != nil {
		a.keeps = keepsOf(a.facts)
	}
	if a.whole && f.profile != nil {
		a.profiles = profilesOf(a.facts)
	}
	if a.whole && f.order != nil {
		list := a.orders[f.order.id]
		a.orders[f.order.id] = slices.DeleteFunc(list, func(x *fact) bool { return x == f })
		for _, other := range a.orders[f.order.id] {
			other.memo = nil
		}
	}
}
