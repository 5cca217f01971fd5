package rules

import (
	"fmt"
	"slices"
)

// This file is about what is taken out of lots, and what is put back.

// spend takes points, first what expires first, and says how many of them there were not. What a redemption takes is noted;
// 0 is nobody's, who returns nothing.
func (l *lots) spend(redemption uint64, points, at int64) (owed int64) {
	points -= l.spendLots(redemption, points, at)
	if n := min(points, l.lasting); n > 0 {
		l.lasting -= n
		points -= n
		if redemption != 0 {
			l.taken.add(takenAt{at, redemption, 0, n})
		}
	}
	if points > 0 {
		l.debts.add(debtAt{at, redemption, points})
	}
	return points
}

// spendLots takes what there is of points that expire.
func (l *lots) spendLots(redemption uint64, points, at int64) (spent int64) {
	l.own()
	for spent < points && len(l.open) > 0 {
		x := &l.open[0]
		n := min(points-spent, x.left)
		x.left -= n
		spent += n
		l.touch(x.number)
		if redemption != 0 {
			l.take(redemption, x, n, at)
		}
		if x.left == 0 {
			done := *x
			l.open = l.open[1:]
			l.close(done)
		}
	}
	return spent
}

// settle pays debts off with what has come back to lots.
func (l *lots) settle(at int64) {
	for l.debts.len() > 0 {
		owed := l.debts.items[0]
		n := l.spendLots(owed.redemption, owed.amount, at)
		if m := min(owed.amount-n, l.lasting); m > 0 {
			l.lasting -= m
			n += m
			if owed.redemption != 0 {
				l.taken.add(takenAt{at, owed.redemption, 0, m})
			}
		}
		if n == 0 {
			return
		}
		l.payOff(n)
	}
}

// giveBack puts points of a redemption back to where they came from, last taken first; what it still owes counts as taken last.
// It returns how many came back, and calls `gone` for each lot that has expired meanwhile, with how many points of it.
func (l *lots) giveBack(redemption uint64, points, at int64, gone func(x *lot, n int64) error) (back int64, err error) {
	l.own()
	for i := l.debts.len() - 1; i >= 0 && back < points; i-- {
		if d := l.debts.items[i]; d.redemption == redemption {
			n := min(d.amount, points-back)
			back += n
			l.lowerDebt(i, n)
		}
	}
	taken, from := slices.Clone(l.taken.items), l.taken.len()
	for i := from - 1; i >= 0 && back < points; i-- {
		t := taken[i]
		if t.redemption != redemption || t.amount == 0 {
			continue
		}
		n := min(t.amount, points-back)
		back += n
		t.amount -= n // one of which nothing is left stays, so that the redemption is known
		taken[i], from = t, i
		if t.lot == 0 {
			l.lasting += n
			continue
		}
		x, found := l.remove(t.lot)
		if !found {
			return back, fmt.Errorf("give %d points back to lot %d: there is none", n, t.lot)
		}
		if t.amount == 0 {
			x.taken--
		}
		if x.expires > at {
			x.left += n
		} else {
			x.expired += n
			if err := gone(&x, n); err != nil {
				return back, err
			}
		}
		if x.left > 0 {
			l.insert(x)
		} else {
			l.close(x)
		}
	}
	if from < len(taken) {
		l.taken.replaceTail(from, taken[from:])
	}
	l.settle(at)
	return back, nil
}

// knows says whether a redemption is remembered.
func (l *lots) knows(redemption uint64) bool {
	return slices.ContainsFunc(l.taken.items, func(t takenAt) bool { return t.redemption == redemption }) ||
		slices.ContainsFunc(l.debts.items, func(d debtAt) bool { return d.redemption == redemption })
}

// forget lets go of what redemptions took up to an instant: they cannot be returned any more.
func (l *lots) forget(upTo int64) {
	n := l.taken.notAfter(upTo)
	if n == 0 {
		return
	}
	l.own()
	for _, t := range l.taken.items[:n] {
		if t.lot == 0 || t.amount == 0 {
			continue
		}
		x, found := l.remove(t.lot)
		if !found {
			continue // its row is damaged; giveBack says so
		}
		x.taken--
		if x.left > 0 {
			l.insert(x)
		} else {
			l.close(x)
		}
	}
	l.taken.takeFront(n)
}
