package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
)

// each counts a qualifying event towards a repeated grant, and says how many grants it makes. What is counted is used up
// when it makes a grant, also where a limit then cuts it.
func (r *run) each(c *candidate, f *fact, now time.Time) error {
	each, use := c.rule.Each, r.s.use(c.rule.ID)
	c.amount, c.parts = exactInt(c.rule.Earn.Points), 0
	switch {
	case each.Orders > 0:
		out := 0 // how many lie too far back for this event; a later one may look further back, see slack
		if !each.Within.IsZero() {
			cut := within(each.Within, now)
			use.orders.takeFront(use.orders.notAfter(cut - slack))
			out = use.orders.notAfter(cut)
		}
		use.orders.add(amountAt{f.at(), 1})
		if n := int64(use.orders.len() - out); n < each.Orders {
			c.why = because{kind: ordersShort, number: n}
			break
		}
		use.orders.replaceTail(out, nil)
		c.parts = 1
	case each.Spend > 0:
		return r.eachSpend(c, use, f, now)
	default:
		day := programme.DayNumber(now, now.Location())
		switch {
		case use.day >= day && use.counted(): // in another zone the day may be one that has passed
			c.why.kind = dayCounted
			return nil
		case use.day == day-1 && use.counted():
			use.run++
		default:
			use.run = 1
		}
		use.day = day
		if int64(use.run) < each.Streak {
			c.why = because{kind: daysShort, number: int64(use.run)}
			break
		}
		use.run = 0
		c.parts = 1
	}
	return nil
}

// counted says whether the streak ever counted a day: day 0 is a real day, but not one of any programme.
func (u *ruleUse) counted() bool { return u.day != 0 }

// eachSpend adds the lines that count to the unused spend, and uses it up oldest first while it reaches what is asked.
func (r *run) eachSpend(c *candidate, use *ruleUse, f *fact, now time.Time) error {
	each := c.rule.Each
	unused, out := &use.total, 0 // without within a sum is enough
	var inSpan int64
	if !each.Within.IsZero() {
		cut := within(each.Within, now)
		use.spend.takeFront(use.spend.notAfter(cut - slack))
		out = use.spend.notAfter(cut)
		for _, e := range use.spend.items[out:] {
			inSpan += e.amount // bounded by what it takes for a grant
		}
		unused = &inSpan
		if c.counted > 0 {
			use.spend.add(amountAt{f.at(), int64(c.counted)})
		}
	}
	total, err := addInt(*unused, int64(c.counted))
	if err != nil {
		return err
	}
	c.parts = total / int64(each.Spend)
	if c.parts > maxParts {
		return fmt.Errorf("rule %s would make %d grants of one order, more than %d: %w", c.rule.ID, c.parts, maxParts, errOverflow)
	}
	taken := c.parts * int64(each.Spend)
	*unused = total - taken
	if !each.Within.IsZero() && taken > 0 {
		use.spend.replaceTail(out, usedUp(use.spend.items[out:], taken))
	}
	if c.parts == 0 {
		c.why = because{kind: spendShort, number: *unused}
	}
	return nil
}

// usedUp is what is left of amounts when a sum of them is used, the oldest first.
func usedUp(amounts []amountAt, sum int64) []amountAt {
	for i, e := range amounts {
		if e.amount > sum {
			left := append([]amountAt{{e.instant, e.amount - sum}}, amounts[i+1:]...)
			return left
		}
		sum -= e.amount
	}
	return nil
}

// maxParts bounds how many grants one rule may make of one event.
const maxParts = 10_000

// within is the instant that is no more within a span of an event: (t − W, t] is counted.
func within(span programme.Duration, now time.Time) int64 {
	return span.SubFrom(now, now.Location()).UnixMilli()
}

// slack is how much longer than its span an instant is kept, in ms: a month before 30 March 12:00 is 28 February 12:00, a month
// before 31 March 10:00 is 28 February 10:00, so that a later event may look further back than an earlier one. What is four
// days outside is outside for good.
const slack = 4 * 24 * 3600 * 1000
