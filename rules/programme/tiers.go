package programme

import (
	"time"

	"accrue/schemas"
)

// tiers reads the levels of the programme.
func (p *programmeParser) tiers(n *node) {
	f, ok := p.mapping(n, "`tiers`", []string{"by", "over", "then", "grace", "levels"}, []string{"notice", "becomes", "expiry"})
	if !ok {
		return
	}
	t := &Tiers{}
	p.out.Tiers = t
	if by := f.get("by"); by != nil {
		if i, ok := p.choice(by, "`by`", []string{"points", "spend", "orders"}, nil); ok {
			t.By = []Metric{ByPoints, BySpend, ByOrders}[i]
		}
	}
	if over := f.get("over"); over != nil {
		p.over(over, t)
	}
	if then := f.get("then"); then != nil {
		if i, ok := p.choice(then, "`then`", []string{"requalify", "one_down", "keep"}, nil); ok {
			t.Then = Then(i)
		}
		if t.Span == Lifetime {
			p.warn(f.at("then"), "`then` has no effect: with `over: lifetime` nobody falls")
		}
	}
	if grace := f.get("grace"); grace != nil {
		p.grace(grace, t)
	}
	for _, key := range []string{"by", "over", "levels"} {
		if !f.has(key) {
			p.fail(n.pos, "`tiers` needs `%s`", key)
		}
	}
	if levels := f.get("levels"); levels != nil {
		p.levels(levels, t)
	}
}

func (p *programmeParser) over(n *node, t *Tiers) {
	if n.kind == scalarNode {
		switch n.text {
		case "lifetime":
			t.Span = Lifetime
			return
		case "calendar_year":
			t.Span = CalendarYear
			return
		}
		if near := schemas.Nearest(n.text, []string{"lifetime", "calendar_year"}); near != "" {
			p.suggest(n.pos, near, "`over` must be months or days (12 months), calendar_year or lifetime, not %q", n.text)
			return
		}
	}
	d, ok := p.duration(n, "`over`")
	if !ok {
		return
	}
	if d.Elapsed != 0 {
		p.fail(n.pos, "`over` is counted in months or days, not %s", d)
		return
	}
	t.Span, t.Over = Rolling, d
}

// grace must be shorter than over, whatever the lengths of the months.
func (p *programmeParser) grace(n *node, t *Tiers) {
	d, ok := p.duration(n, "`grace`")
	if !ok {
		return
	}
	over := t.Over
	switch t.Span {
	case Lifetime:
		p.fail(n.pos, "`grace` contradicts `over: lifetime`: nobody falls")
		return
	case CalendarYear:
		over = Duration{Months: 12}
	case Rolling:
	default:
		t.Grace = d
		return // `over` failed
	}
	sameUnit := d.Months != 0 && over.Months != 0
	if sameUnit && d.Months >= over.Months || !sameUnit && longestDays(d) >= shortestDays(over) {
		p.fail(n.pos, "`grace` of %s is not shorter than `over`", d)
		return
	}
	t.Grace = d
}

// longestDays is the most days that d can take; a part of a day counts as one.
func longestDays(d Duration) int {
	const day = 24 * time.Hour
	return d.Months/12*366 + d.Months%12*31 + d.Days + int((d.Elapsed+day-1)/day)
}

// shortestDays is the least days that months or days can take.
func shortestDays(d Duration) int { return d.Months/12*365 + d.Months%12*28 + d.Days }

func (p *programmeParser) levels(n *node, t *Tiers) {
	const most = 100
	items := p.list(n, "`levels`", brokenNode)
	if len(items) == 0 && n.kind == listNode {
		p.fail(n.pos, "`levels` is empty")
	}
	if len(items) > most {
		p.fail(n.pos, "`levels` has %d levels; at most %d are read", len(items), most)
		return
	}
	seen := map[string]Position{}
	before := int64(-1)
	for i, item := range items {
		f, ok := p.mapping(item, "a level", []string{"id", "at", "falls"}, []string{"expiry", "becomes", "notice"})
		if !ok {
			continue
		}
		level := Level{}
		for _, key := range []string{"id", "at"} {
			if !f.has(key) {
				p.fail(item.pos, "a level needs `%s`", key)
			}
		}
		if id := f.get("id"); id != nil {
			level.ID = p.name(id, "`id`")
			if first, twice := seen[level.ID]; twice && level.ID != "" {
				p.fail(id.pos, "duplicate level id %q, first in line %d", level.ID, first.Line)
			}
			seen[level.ID] = id.pos
		}
		if falls := f.get("falls"); falls != nil {
			_, level.FallsNever = p.choice(falls, "`falls`", []string{"never"}, nil)
		}
		if at := f.get("at"); at != nil {
			if level.At, ok = p.threshold(at, t.By); ok {
				p.ascending(at, i, before, level.At)
				before = level.At
			}
		}
		t.Levels = append(t.Levels, level)
	}
}

func (p *programmeParser) threshold(n *node, by Metric) (int64, bool) {
	if by != BySpend {
		return p.wholeOrZero(n, "`at`")
	}
	value, ok := p.amountOrZero(n, "`at`")
	return int64(value), ok && p.currencyKnown
}

func (p *programmeParser) ascending(n *node, index int, before, at int64) {
	switch {
	case index == 0 && at != 0:
		p.fail(n.pos, "the first level is everybody's: its `at` must be 0, not %s", n.text)
	case index > 0 && at <= before:
		p.fail(n.pos, "levels must ascend: `at: %s` is not above the level before", n.text)
	}
}

// levelIDs are the ids of the levels, for conditions on member.tier.
func (p *programmeParser) levelIDs() []string {
	if p.out.Tiers == nil {
		return nil
	}
	ids := make([]string, 0, len(p.out.Tiers.Levels))
	for _, level := range p.out.Tiers.Levels {
		ids = append(ids, level.ID)
	}
	return ids
}
