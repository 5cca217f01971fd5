package rules

import (
	"math/bits"
	"slices"
)

// spaced is how many facts a member has more before another snapshot is taken.
const spaced = 16

// lotsPerFact is how many lots are copied in the time in which a fact is decided, or more. What goes on from a standing of which
// there is a snapshot copies all its lots first, so snapshots are farther apart where there are many.
const lotsPerFact = 64

// snapshot is the standing before a fact of the window, by how many others lie before it.
type snapshot struct {
	next     int
	standing *standing
}

// before says that all facts from an instant on lie behind the snapshot, and nothing fell due from then on.
func (s snapshot) before(at int64) bool { return s.standing.last.at < at && s.standing.due < at }

// snapshotAt is the one before which so many facts lie; there must be one.
func (a *Account) snapshotAt(next int) snapshot {
	i, _ := slices.BinarySearchFunc(a.snapshots, next, func(s snapshot, n int) int { return s.next - n })
	return a.snapshots[i]
}

// start is the standing before facts[0]; nil: it is not in memory.
func (a *Account) start() *standing {
	if a.from > 0 {
		return a.snapshotAt(a.from).standing
	}
	return a.base
}

// takeSnapshot notes where the member stands behind a new fact at the head, once there are enough since the last snapshot.
func (a *Account) takeSnapshot(f *fact) {
	last := 0
	if n := len(a.snapshots); n > 0 {
		last = a.snapshots[n-1].next
	}
	if a.count-last < max(a.ledger.spaced, a.head.lots.len()/lotsPerFact) || a.head.due > f.dueBefore() || a.ledger.claws {
		return
	}
	a.snapshots = append(a.snapshots, snapshot{a.count, a.head.clone()})
	a.thinSnapshots()
}

// forgetSnapshots drops those that have more than `from`-1 facts before them, but never the one before facts[0].
func (a *Account) forgetSnapshots(from int) {
	n := len(a.snapshots)
	for n > 0 && a.snapshots[n-1].next >= max(from, a.from+1) {
		n--
	}
	clear(a.snapshots[n:])
	a.snapshots = a.snapshots[:n]
}

// spacing says before which facts behind `start` a snapshot is taken: at distances from the end that double, so that the
// recent past, which changes most, is near one, and the number of snapshots grows with the logarithm.
func (a *Account) spacing(start int) []int {
	var list []int
	for distance := max(4, a.head.lots.len()/lotsPerFact); a.count-distance > start; distance *= 2 {
		list = append(list, a.count-distance)
	}
	slices.Reverse(list)
	return list
}

// thinSnapshots keeps one snapshot of each doubling of the distance to the end, the farthest, and the one before facts[0].
func (a *Account) thinSnapshots() {
	kept := a.snapshots[:0]
	last := -1
	for _, s := range a.snapshots {
		if size := bits.Len(uint(a.count - s.next)); size != last || s.next == a.from && a.from > 0 {
			kept, last = append(kept, s), size
		}
	}
	clear(a.snapshots[len(kept):])
	a.snapshots = kept
}
