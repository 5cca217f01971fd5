package programme

import (
	"slices"
	"time"

	"accrue/schemas"
)

// tiers reads the levels of the programme.
func (p *programmeParser) tiers(n *node) {
	f, ok := p.mapping(n, &tiersShape)
	if !ok {
		return
	}
	t := &Tiers{}
	p.out.Tiers = t
	if i, ok := p.word(f, "by"); ok {
		t.By = ByPoints + Metric(i)
	}
	if over := f.get("over"); over != nil {
		p.over(over, t)
	}
	if i, ok := p.word(f, "then"); ok {
		t.Then = Then(i)
	}
	p.grace(f, t)
	p.endless(f, t)
	t.Notice = p.notice(f, p.validity(t), "a level is valid for %s")
	for _, key := range []string{"by", "over", "levels"} {
		if !f.has(key) {
			p.fail(n.pos, "`tiers` needs `%s`", key)
		}
	}
	if levels := f.get("levels"); levels != nil {
		p.levels(levels, t)
	}
	p.becomes(f, t)
}

// endless reports what has no meaning where nobody falls.
func (p *programmeParser) endless(f fields, t *Tiers) {
	why, pointless := "over: lifetime", []string{"then", "notice"} // a `grace` is an error there
	if t.Span != Lifetime {
		if t.Then != Keep {
			return
		}
		why, pointless = "then: keep", []string{"grace", "notice"}
	}
	for _, key := range pointless {
		if f.has(key) {
			p.warn(f.at(key), "`%s` has no effect: with `%s` nobody falls", key, why)
		}
	}
}

// validity is how long a level is valid at least; zero: for ever, or not known.
func (p *programmeParser) validity(t *Tiers) Duration {
	if t.Span == CalendarYear {
		return Duration{Months: 12}
	}
	return t.Over
}

// becomes reads what has become of the levels of earlier versions.
func (p *programmeParser) becomes(f fields, t *Tiers) {
	n := f.get("becomes")
	if n == nil {
		return
	}
	if n.kind != mapNode {
		p.fail(n.pos, "`becomes` must be a mapping of removed levels to levels ({silver: gold}), not %s", n.describe())
		return
	}
	ids := p.levelIDs()
	t.Becomes = map[string]string{}
	for _, e := range n.entries {
		removed, now := p.name(e.key, "a removed level"), p.name(e.value, "`becomes`")
		_, twice := t.Becomes[removed]
		switch {
		case removed == "" || now == "":
		case twice:
			p.fail(e.key.pos, "key `%s` twice", removed)
		case slices.Contains(ids, removed):
			p.fail(e.key.pos, "`becomes`: level %q is not removed, it is one of `levels`", removed)
		case !slices.Contains(ids, now):
			p.suggest(e.value.pos, schemas.Nearest(now, ids), "`becomes`: there is no level %q", now)
		default:
			t.Becomes[removed] = now
		}
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
		if near := schemas.Nearest(n.text, spanWords); near != "" {
			p.suggest(n.pos, near, "`over` must be months or days (12 months), calendar_year or lifetime, not %q", n.text)
			return
		}
	}
	d, ok := p.durationOf(n, "`over`")
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
func (p *programmeParser) grace(f fields, t *Tiers) {
	d, ok := p.duration(f, "grace")
	if !ok {
		return
	}
	at := f.found["grace"].value.pos
	over := p.validity(t)
	switch {
	case t.Span == Lifetime:
		p.fail(at, "`grace` contradicts `over: lifetime`: nobody falls")
		return
	case !over.IsZero() && !shorter(d, over): // zero: `over` failed
		p.fail(at, "`grace` of %s is not shorter than `over`", d)
		return
	}
	t.Grace = d
}

// shorter says that a span is shorter than one of months or days, whatever the lengths of the months.
func shorter(d, than Duration) bool {
	if d.Months != 0 && than.Months != 0 {
		return d.Months < than.Months
	}
	return longestDays(d) < shortestDays(than)
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
		f, ok := p.mapping(item, &levelShape)
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
		if _, level.FallsNever = p.word(f, "falls"); level.FallsNever && i == 0 {
			p.warn(f.at("falls"), "`falls: never` says nothing of the first level: nobody falls below it")
		}
		level.Expiry = p.expiry(f)
		if at := f.get("at"); at != nil {
			if level.At, ok = p.levelAt(at, t.By); ok {
				p.ascending(at, i, before, level.At)
				before = level.At
			}
		}
		t.Levels = append(t.Levels, level)
	}
}

func (p *programmeParser) levelAt(n *node, by Metric) (int64, bool) {
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
