package rules

import (
	"fmt"

	"accrue/schemas"
)

// atHead says that nothing before a new fact changes and that nothing lies behind it.
const atHead = -1

// changesFrom finds the earliest fact that a new one changes, by how many facts of the window lie before it; atHead
// where it only adds to the head. A refund or cancellation changes its order, and everything from there on.
func (a *Account) changesFrom(f *fact) (int, error) {
	head := a.head.last.compare(f.key) < 0 && f.dueBefore() >= a.head.due
	if f.profile != nil {
		return a.profileFrom(f, head)
	}
	if f.order != nil && a.touchesOrder(f) {
		if err := a.loadOrder(f.order.id, f.key.at); err != nil {
			return 0, err
		}
		if stands := a.standsFor(f.order.id); stands != nil && (f.refunds() || a.earns(f) && f.key.compare(stands.key) < 0) {
			if f.refunds() && !a.honours(a.ledger.at(stands.key.at).programme, stands.key.at, f.key.at) {
				return a.orHead(f, head)
			}
			return a.from + min(a.place(stands.key), a.place(f.key)), nil
		}
	}
	return a.orHead(f, head)
}

func (a *Account) orHead(f *fact, head bool) (int, error) {
	if head {
		return atHead, nil
	}
	if err := a.loadSince(f.key.at); err != nil {
		return 0, err
	}
	return a.from + a.place(f.key), nil
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

// decideAgain decides everything from a fact on once more, before which so many of the window lie, from the nearest snapshot before it,
// and makes the result the head. Where it fails the head is as it was.
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
	for n := start.next; n < a.from+len(a.facts); n++ { // a.from may become 0 meanwhile
		if len(spaced) > 0 && spaced[0] == n {
			spaced = spaced[1:]
			a.snapshots = append(a.snapshots, snapshot{n, r.s.clone()})
		}
		i := n - a.from
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
