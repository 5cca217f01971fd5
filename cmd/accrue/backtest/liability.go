package backtest

import (
	"maps"
	"slices"
	"time"

	"accrue/rules/programme"
)

// monthsFilled bounds the months that are told although nothing happened in them: a wrong date is no reason for a table of
// thousands.
const monthsFilled = 600

// monthRows are the months from the first to the last in which anything changed.
func (in *Input) monthRows(c *Collector) []MonthRow {
	months := slices.Sorted(maps.Keys(c.months))
	if n := len(months); n > 1 && months[n-1]-months[0] < monthsFilled {
		first, last := months[0], months[n-1]
		months = months[:0]
		for m := first; m <= last; m++ {
			months = append(months, m)
		}
	}
	lapsed, passed := c.lapsed(), int64(0)
	ending := slices.Sorted(maps.Keys(lapsed))
	rows := make([]MonthRow, 0, len(months))
	outstanding, pending := int64(0), int64(0)
	for _, m := range months {
		f := c.months[m]
		if f == nil {
			f = &flow{}
		}
		c.add(&outstanding, f.available-f.spent)
		c.add(&pending, f.pending)
		for len(ending) > 0 && ending[0] <= m {
			c.add(&passed, lapsed[ending[0]])
			ending = ending[1:]
		}
		rows = append(rows, MonthRow{
			Month: monthBegin(m).Format("2006-01"), End: monthDay(m), Granted: f.Granted, Reversed: f.Reversed, Expired: f.Expired, Spent: f.spent,
			Outstanding: outstanding, Pending: pending, Lapsed: passed, Liability: in.cost(c, outstanding),
		})
	}
	return rows
}

func (in *Input) balances(c *Collector) Balances {
	b := Balances{ToExpire: []Expiry{}}
	for _, m := range c.members {
		c.add(&b.Outstanding, m.balance)
		c.add(&b.Pending, m.pending)
		if m.balance < 0 {
			c.add(&b.Debt, -m.balance)
		}
	}
	for _, f := range c.months {
		c.add(&b.Granted, f.Granted)
		c.add(&b.Reversed, f.Reversed)
		c.add(&b.Expired, f.Expired)
		c.add(&b.Spent, f.spent)
	}
	if c.follows {
		share := permille(b.Expired, b.Granted-b.Reversed)
		b.BreakagePermille = &share
	}
	lapsed := c.lapsed()
	for _, m := range slices.Sorted(maps.Keys(lapsed)) {
		b.ToExpire = append(b.ToExpire, Expiry{monthBegin(m).Format("2006-01"), lapsed[m]})
	}
	b.Liability = in.cost(c, b.Outstanding)
	return b
}

// paceDays is how many days of the end of the history say how fast a budget goes.
const paceDays = 30

// budgetRows are the budgets of the rules, in the order of the last version, then of those before it.
func (c *Collector) budgetRows() []BudgetRow {
	rows := []BudgetRow{}
	var ids []string
	for _, rule := range c.last.Rules {
		if _, limited := c.drawn[rule.ID]; limited {
			ids = append(ids, rule.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.drawn)) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		rows = append(rows, c.budgetRow(id))
	}
	return rows
}

func (c *Collector) budgetRow(id string) BudgetRow {
	rule := c.budgeted(id)
	row := BudgetRow{Rule: id, Size: rule.Budget.Points, Granted: c.drawn[id], RanOut: []RunOut{}}
	if rule.Title != id {
		row.Title = rule.Title
	}
	switch rule.Budget.Per {
	case programme.PerDay:
		row.Per = "day"
	case programme.PerMonth:
		row.Per = "month"
	case programme.PerWeek, programme.PerYear, programme.PerEver:
		left, used := row.Size-row.Granted, permille(row.Granted, row.Size)
		row.Left, row.UsedPermille = &left, &used
		row.RunsOut = c.runsOut(id, left)
	}
	var keys []budgetKey
	for key, b := range c.budgets {
		if key.rule == id && !b.ranOut.IsZero() {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b budgetKey) int { return int(a.period - b.period) })
	for _, key := range keys {
		at := c.budgets[key].ranOut
		row.RanOut = append(row.RanOut, RunOut{periodText(rule.Budget.Per, key.period), at.In(c.o.Zone).Format(time.DateOnly), instant(at)})
	}
	return row
}

// runsOut is the day on which a budget would be used up at its pace of the last days; empty where it is used up, or gives nothing.
func (c *Collector) runsOut(id string, left int64) string {
	pace := c.paces[id]
	if left <= 0 || pace == nil || c.newest.IsZero() {
		return ""
	}
	first, last := programme.DayNumber(c.first, c.o.Zone), programme.DayNumber(c.newest, c.o.Zone)
	first = max(first, last-paceDays+1)
	points, days := int64(0), int64(last-first)+1
	for day := first; day <= last; day++ {
		c.add(&points, pace[day])
	}
	if points <= 0 || left/points > farAhead {
		return ""
	}
	more := left/points*days + (left%points*days+points-1)/points // left · days / points, rounded up
	return dayText(last + int32(more))
}

// farAhead is how many times of what was used in the last days may be left before the day of the end says nothing any more.
const farAhead = 1200
