package backtest

import (
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// budgetKey is one budget: of a rule, and the number of a day or month; 0 for one without periods.
type budgetKey struct {
	rule   string
	period int32
}

// budget is what the replay said of one.
type budget struct {
	size   int64
	left   int64     // that nobody had been granted when the budget was asked last
	ranOut time.Time // when somebody first got less than was wanted; zero: nobody did
}

// budget takes note of what the owner of a budget answered. Leases do not ask while they have enough, so a budget that never came
// near its end is not heard of here.
func (c *Collector) budget(o *rules.Outcome) {
	level := o.Budget
	if level == nil {
		return
	}
	key := budgetKey{level.Rule, level.Period}
	b := c.budgets[key]
	if b == nil {
		key.rule = strings.Clone(key.rule)
		b = &budget{}
		c.budgets[key] = b
	}
	b.size, b.left = level.Size, level.Left
	for i := range o.Requests {
		if o.Requests[i].State == schemas.BudgetUsedUp {
			if b.ranOut.IsZero() {
				b.ranOut = c.at
			}
			return
		}
	}
}

// draw adds an entry of a rule with a budget to what was drawn out of it. What expires gives nothing back.
func (c *Collector) draw(e *schemas.PointGrant, p parts) {
	points := p.Net()
	all := c.drawn[e.RuleID]
	c.add(&all, points)
	c.drawn[e.RuleID] = all
	pace := c.paces[e.RuleID]
	if pace == nil {
		pace = map[int32]int64{}
		c.paces[strings.Clone(e.RuleID)] = pace
	}
	day := programme.DayNumber(e.OccurredAt, c.o.Zone)
	ofDay := pace[day]
	c.add(&ofDay, points)
	pace[day] = ofDay
}

// budgeted is the newest rule of an id that has a budget; nil: none has.
func (c *Collector) budgeted(id string) *programme.Rule {
	for i := len(c.versions) - 1; i >= 0; i-- {
		for _, rule := range c.versions[i].Programme.Rules {
			if rule.ID == id && rule.Budget != nil {
				return rule
			}
		}
	}
	return nil
}

// periodText names the period of a budget: a day, a month, or nothing.
func periodText(per programme.Period, n int32) string {
	switch per {
	case programme.PerDay:
		return dayText(n)
	case programme.PerMonth:
		return monthBegin(n).Format("2006-01")
	case programme.PerWeek, programme.PerYear, programme.PerEver:
	}
	return ""
}

// dayText is a day by its number, as a date.
func dayText(n int32) string { return programme.Midnight(n, time.UTC).Format(time.DateOnly) }
