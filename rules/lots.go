package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// This file keeps what is left of each grant, where the programme follows what is spent: a lot for each grant whose points
// expire, in the order in which lots are spent. How rows hold them is in lot_rows.go, what events do to them in redemption.go.
//
// Points that never expire are one sum: of which grant they are nobody can see. What is taken without there being any is a
// debt. While there is a debt nothing else is left, so always: points = what is left of lots + lasting − debts.

// lot is what is left of one grant, and what has become of the rest.
type lot struct {
	number  int64 // lots are numbered as they come into being, from 1 on
	expires int64
	booked  int64 // when it was granted
	fact    factKey
	rule    string
	part    int32
	granted int64 // what could be spent of it once
	left    int64
	expired int64 // with what was taken it is granted − left

	taken int32 // elements of lots.taken of which some may come back to it. It is not stored
}

// before says that a lot is spent before another: what expires first, then what was granted first.
func (x *lot) before(y *lot) int {
	return cmp.Or(cmp.Compare(x.expires, y.expires), cmp.Compare(x.booked, y.booked), x.fact.compare(y.fact), cmp.Compare(x.number, y.number))
}

// lots are what a member can spend. It is part of a standing, and a value like it: clone makes one that changes on its own.
type lots struct {
	open    []lot           // of which something is left, in the order in which they are spent
	closed  []lot           // of which nothing is left and to which something may come back, by number
	made    int64           // how many lots there have been
	lasting int64           // points that never expire
	debts   series[debtAt]  // oldest first
	taken   series[takenAt] // by redemptions that may be returned, in the order in which it was taken
	dirty   []int64         // pages that are not as stored, ascending
	disk    *[]int64        // pages that exist as rows, ascending; shared by all versions of the same head or base
	shared  bool            // open and closed are another's as well: they are copied before they are changed
}

// debtAt is what was taken without there being any.
type debtAt struct {
	instant    int64
	redemption uint64 // by which; 0: by hand
	amount     int64
}

// takenAt is what a redemption took of a lot. One of no amount says no more than that the redemption is known.
type takenAt struct {
	instant    int64
	redemption uint64
	lot        int64 // by number; 0: of what never expires
	amount     int64
}

func (l *lots) clone() *lots {
	if l == nil {
		return nil
	}
	l.shared = true
	c := *l
	c.open, c.closed = slices.Clip(l.open), slices.Clip(l.closed)
	c.debts, c.taken = l.debts.clone(), l.taken.clone()
	c.dirty = slices.Clone(l.dirty)
	return &c
}

// own makes the lists its own before they are changed.
func (l *lots) own() {
	if l.shared {
		l.open, l.closed, l.shared = slices.Clone(l.open), slices.Clone(l.closed), false
	}
}

// adopt takes over the rows of another version of the same lots.
func (l *lots) adopt(from *lots) {
	if l == nil || from == nil {
		return
	}
	l.debts.adopt(&from.debts)
	l.taken.adopt(&from.taken)
	if from.disk == nil {
		from.disk = &[]int64{}
	}
	l.disk, l.dirty = from.disk, slices.Clone(from.dirty)
	for page := from.made / lotPage; page < l.made/lotPage; page++ { // full by now: the head has them no more
		l.touch(page*lotPage + 1)
	}
	was, is := from.byNumber(), l.byNumber()
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].number < is[0].number:
			l.touch(was[0].number)
			was = was[1:]
		case len(was) == 0 || is[0].number < was[0].number:
			l.touch(is[0].number)
			is = is[1:]
		default:
			if *was[0] != *is[0] {
				l.touch(is[0].number)
			}
			was, is = was[1:], is[1:]
		}
	}
}

// byNumber are all lots by their numbers.
func (l *lots) byNumber() []*lot {
	list := make([]*lot, 0, len(l.open)+len(l.closed))
	for i := range l.open {
		list = append(list, &l.open[i])
	}
	for i := range l.closed {
		list = append(list, &l.closed[i])
	}
	slices.SortFunc(list, func(x, y *lot) int { return cmp.Compare(x.number, y.number) })
	return list
}

// len is how many lots there are.
func (l *lots) len() int {
	if l == nil {
		return 0
	}
	return len(l.open) + len(l.closed)
}

// numbered finds a lot in a list by numbers; nil: it is not there.
func numbered(list []*lot, number int64) *lot {
	i, found := slices.BinarySearchFunc(list, number, func(x *lot, number int64) int { return cmp.Compare(x.number, number) })
	if !found {
		return nil
	}
	return list[i]
}

// isAs says that a lot is of the same grant as another, and that as much of it was granted and has expired.
func (x *lot) isAs(y *lot) bool {
	return x.fact == y.fact && x.rule == y.rule && x.part == y.part && x.granted == y.granted && x.expired == y.expired
}

// touch notes that the page of a lot is not as stored.
func (l *lots) touch(number int64) {
	page := pageOf(number)
	if i, found := slices.BinarySearch(l.dirty, page); !found {
		l.dirty = slices.Insert(l.dirty, i, page)
	}
}

// left is what can be spent; below 0 is a debt.
func (l *lots) left() int64 {
	sum := l.lasting
	for i := range l.open {
		sum += l.open[i].left
	}
	for _, d := range l.debts.items {
		sum -= d.amount
	}
	return sum
}

// leftUntil is what is left of all that expires at an instant.
func (l *lots) leftUntil(expires int64) int64 {
	sum := int64(0) // no more than all that is left
	for i := range l.open {
		if l.open[i].expires == expires {
			sum += l.open[i].left
		}
	}
	return sum
}

// due is when the next lot expires; 0: none does.
func (l *lots) due() int64 {
	if l == nil || len(l.open) == 0 {
		return 0
	}
	return l.open[0].expires
}

// add enters what a grant has made available. First it pays off what is owed.
func (l *lots) add(x lot, at int64) {
	l.own()
	if x.expires != 0 {
		x.number = l.next()
	}
	l.put(x, x.granted, at)
}

// next is the number of a new lot. Its page is to be written even where nothing is left of the lot: it may be the last of the page,
// and then the head has the others no more.
func (l *lots) next() int64 {
	l.made++
	l.touch(l.made)
	return l.made
}

// put gives points to a lot that is in no list. First they pay off what is owed.
func (l *lots) put(x lot, points, at int64) {
	x.left += points
	for x.left > 0 && l.debts.len() > 0 {
		owed := l.debts.items[0]
		n := min(owed.amount, x.left)
		x.left -= n
		l.payOff(n)
		if owed.redemption != 0 {
			l.take(owed.redemption, &x, n, at)
		}
	}
	switch {
	case x.expires == 0:
		l.lasting += x.left
	case x.left > 0:
		l.insert(x)
	case x.taken > 0:
		l.close(x)
	}
}

// correct changes what a grant of the past has made available, from `before` to `is`. What was spent of points that are taken
// away is taken from others, or owed.
func (l *lots) correct(x lot, before, is, at int64) {
	l.own()
	change := is - before
	if x.expires == 0 {
		if change > 0 {
			l.put(x, change, at)
			return
		}
		n := min(l.lasting, -change)
		l.lasting -= n
		l.owe(-change-n, at)
		return
	}
	if number := l.numberOf(&x); number != 0 {
		x, _ = l.remove(number)
	} else {
		x.number, x.granted = l.next(), before
	}
	x.granted += change
	n := min(x.left, max(-change, 0))
	x.left -= n
	again := l.untake(&x, max(-change, 0)-n)
	l.put(x, max(change, 0), at)
	for _, t := range again {
		n += t.amount
		l.spend(t.redemption, t.amount, at)
	}
	l.owe(max(-change, 0)-n, at)
}

// untake lets redemptions have taken fewer points of a lot that is in no list, last taken first: nothing can come back to it that
// it does not have any more. They have to take them elsewhere.
func (l *lots) untake(x *lot, points int64) (again []takenAt) {
	for i := l.taken.len() - 1; i >= 0 && points > 0; i-- {
		t := l.taken.items[i]
		if t.lot != x.number || t.amount == 0 {
			continue
		}
		n := min(t.amount, points)
		points -= n
		again = append(again, takenAt{redemption: t.redemption, amount: n})
		if t.amount -= n; t.amount == 0 { // it stays, so that the redemption is known
			x.taken--
		}
		l.taken.set(i, t)
	}
	return again
}

// owe takes points that nobody will give back.
func (l *lots) owe(points, at int64) {
	if points > 0 {
		l.spend(0, points, at)
	}
}

// numberOf is the number of the lot of a grant; 0: nothing is left of it, and nothing may come back.
func (l *lots) numberOf(x *lot) int64 {
	if y := l.of(x.fact, x.rule, x.part); y != nil {
		return y.number
	}
	return 0
}

// of is the lot of a grant; nil: there is none any more, or never was.
func (l *lots) of(fact factKey, rule string, part int32) *lot {
	if l == nil {
		return nil
	}
	for _, list := range [...][]lot{l.open, l.closed} {
		for i := range list {
			if x := &list[i]; x.fact == fact && x.rule == rule && x.part == part {
				return x
			}
		}
	}
	return nil
}

// payOff lowers the oldest debt.
func (l *lots) payOff(n int64) { l.lowerDebt(0, n) }

func (l *lots) lowerDebt(i int, n int64) {
	d := l.debts.items[i]
	if d.amount -= n; d.amount == 0 {
		l.debts.removeAt(i)
	} else {
		l.debts.set(i, d)
	}
}

// take notes that a redemption has taken n points of a lot.
func (l *lots) take(redemption uint64, x *lot, n, at int64) {
	l.taken.add(takenAt{at, redemption, x.number, n})
	x.taken++
}

// insert puts a lot among those of which something is left.
func (l *lots) insert(x lot) {
	l.touch(x.number)
	i, _ := slices.BinarySearchFunc(l.open, x, func(a, b lot) int { return a.before(&b) })
	l.open = slices.Insert(l.open, i, x)
}

// close puts a lot among those of which nothing is left; where nothing can come back to it, it is forgotten.
func (l *lots) close(x lot) {
	l.touch(x.number)
	if x.taken == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(l.closed, x.number, func(a lot, number int64) int { return cmp.Compare(a.number, number) })
	l.closed = slices.Insert(l.closed, i, x)
}

// remove takes a lot out, wherever it is; false: there is none of that number.
func (l *lots) remove(number int64) (lot, bool) {
	l.touch(number)
	if i, found := slices.BinarySearchFunc(l.closed, number, func(a lot, n int64) int { return cmp.Compare(a.number, n) }); found {
		x := l.closed[i]
		l.closed = slices.Delete(l.closed, i, i+1)
		return x, true
	}
	if i := slices.IndexFunc(l.open, func(a lot) bool { return a.number == number }); i >= 0 {
		x := l.open[i]
		l.open = slices.Delete(l.open, i, i+1)
		return x, true
	}
	return lot{}, false
}

// facts are those of which something is left after the standing, or comes to be, or may come back. Where nobody follows what is
// spent only what an operator may still release comes to be after the fact is folded away.
func (s *standing) facts() map[factKey]bool {
	l := s.lots
	if l == nil {
		var keys map[factKey]bool
		for i := s.held.len() - 1; i >= 0 && s.held.items[i].due == noDue; i-- {
			if keys == nil {
				keys = map[factKey]bool{}
			}
			keys[s.held.items[i].fact] = true
		}
		return keys
	}
	keys := make(map[factKey]bool, len(l.open))
	for _, list := range [...][]lot{l.open, l.closed} {
		for i := range list {
			keys[list[i].fact] = true
		}
	}
	for i := range s.held.items {
		keys[s.held.items[i].fact] = true
	}
	return keys
}

// text shows lots for people who look for a defect.
func (l *lots) text() string {
	var b strings.Builder
	for _, x := range l.byNumber() {
		fmt.Fprintf(&b, "%d: %s of %s: %d of %d left, %d expired, until %d; ", x.number, x.rule, x.fact.event, x.left, x.granted, x.expired, x.expires)
	}
	fmt.Fprintf(&b, "lasting %d, debts %v, taken %v", l.lasting, l.debts.items, l.taken.items)
	return b.String()
}
