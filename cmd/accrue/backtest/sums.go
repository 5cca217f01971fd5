package backtest

import (
	"errors"
	"math"

	"accrue/schemas"
)

// ErrTooMany says that a sum of points passes 64 bits.
var ErrTooMany = errors.New("the sum of points passes 64 bits")

// Sums are what entries come to. All but Entries are points.
type Sums struct {
	Entries int64
	parts
	Available int64
	Pending   int64
	Tier      int64 // what they add to the metric of tiers
}

// parts are the points of an entry by what they mean.
type parts struct {
	Granted  int64 // held ones included
	Reversed int64 // taken back, rejected or deducted, as a positive number
	Expired  int64 // likewise; below 0 where fewer had
}

// Net is Granted less Reversed. Less Expired it is what `accrue simulate` sums up, Available and Pending.
func (p *parts) Net() int64 { return p.Granted - p.Reversed }

// adder adds up with a check. What passes 64 bits spoils all that follows, and is told once at the end.
type adder struct{ passed bool }

func (a *adder) add(to *int64, n int64) {
	sum := *to + n
	if n > 0 && sum < *to || n < 0 && sum > *to || sum == math.MinInt64 {
		a.passed = true
		return
	}
	*to = sum
}

// entry adds an entry to s.
func (a *adder) entry(s *Sums, e *schemas.PointGrant, p parts) {
	s.Entries++
	a.parts(&s.parts, p)
	a.add(&s.Available, e.AvailableDelta)
	a.add(&s.Pending, e.PendingDelta)
	a.add(&s.Tier, e.TierDelta)
}

func (a *adder) parts(s *parts, p parts) {
	a.add(&s.Granted, p.Granted)
	a.add(&s.Reversed, p.Reversed)
	a.add(&s.Expired, p.Expired)
}

// table is sums under names, numbered as they came.
type table struct {
	index map[string]int
	names []string
	rows  []Sums
}

func newTable() table { return table{index: map[string]int{}} }

// number is the row of a name.
func (t *table) number(name string) int {
	n, known := t.index[name]
	if !known {
		n = len(t.rows)
		t.index[name] = n
		t.names, t.rows = append(t.names, name), append(t.rows, Sums{})
	}
	return n
}

// get is the sums of a name; nothing where it never came.
func (t *table) get(name string) Sums {
	if n, known := t.index[name]; known {
		return t.rows[n]
	}
	return Sums{}
}
