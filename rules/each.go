package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
)

// each counts a qualifying event towards a repeated grant, and says how many grants it makes. What is counted is used up
// when it makes a grant, also where a limit then cuts it.
func (r *run) each(c *candidate, f *fact, p *programme.Programme, now time.Time) error {
	each, use := c.rule.Each, r.s.use(c.rule.ID)
	c.amount, c.parts = exactInt(c.rule.Earn.Points), 0
	switch {
	case each.Orders > 0:
		use.expireOrders(each.Within, now, p)
		use.orders.add(amountAt{f.key.at, 1})
		if n := int64(use.orders.len()); n < each.Orders {
			if c.explained {
				c.why = fmt.Sprintf("this is order %d of the %d that it takes%s", n, each.Orders, withinText(each.Within))
			}
			break
		}
		use.orders.takeFront(use.orders.len())
		c.parts = 1
	case each.Spend > 0:
		return r.eachSpend(c, use, f, p, now)
	default:
		day := programme.DayNumber(now, p.Zone)
		switch {
		case use.day == day && use.counted():
			c.why = "a day counts once"
			return nil
		case use.day == day-1 && use.counted():
			use.run++
		default:
			use.run = 1
		}
		use.day = day
		if int64(use.run) < each.Streak {
			if c.explained {
				c.why = fmt.Sprintf("this is day %d of the %d in a row that it takes", use.run, each.Streak)
			}
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
func (r *run) eachSpend(c *candidate, use *ruleUse, f *fact, p *programme.Programme, now time.Time) error {
	each := c.rule.Each
	total, err := addInt(use.total, int64(c.counted))
	if err != nil {
		return err
	}
	use.total = total
	if !each.Within.IsZero() {
		use.expireSpend(each.Within, now, p)
		if c.counted > 0 {
			use.spend.add(amountAt{f.key.at, int64(c.counted)})
		}
	}
	c.parts = use.total / int64(each.Spend)
	if c.parts > maxParts {
		return fmt.Errorf("rule %s would make %d grants of one order, more than %d: %w", c.rule.ID, c.parts, maxParts, errOverflow)
	}
	taken := c.parts * int64(each.Spend)
	use.total -= taken
	for taken > 0 && use.spend.len() > 0 {
		first := use.spend.items[0].amount - use.used
		if first > taken {
			use.used += taken
			break
		}
		taken -= first
		use.used = 0
		use.spend.takeFront(1)
	}
	if c.parts == 0 && c.explained {
		c.why = fmt.Sprintf("the unused spend is %s of the %s that it takes%s",
			moneyText(programme.Money(use.total), p), moneyText(each.Spend, p), withinText(each.Within))
	}
	return nil
}

// maxParts bounds how many grants one rule may make of one event.
const maxParts = 10_000

func (u *ruleUse) expireOrders(within programme.Duration, now time.Time, p *programme.Programme) {
	if within.IsZero() || u.orders.len() == 0 {
		return
	}
	u.orders.takeFront(u.orders.notAfter(within.SubFrom(now, p.Zone).UnixMilli()))
}

func (u *ruleUse) expireSpend(within programme.Duration, now time.Time, p *programme.Programme) {
	if u.spend.len() == 0 {
		return
	}
	n := u.spend.notAfter(within.SubFrom(now, p.Zone).UnixMilli())
	for _, e := range u.spend.items[:n] {
		u.total -= e.amount - u.used
		u.used = 0
	}
	u.spend.takeFront(n)
}

func withinText(within programme.Duration) string {
	if within.IsZero() {
		return ""
	}
	return " within " + within.String()
}
