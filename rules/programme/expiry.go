package programme

import (
	"slices"
	"time"

	"accrue/schemas"
)

// expiry reads the `expiry` of the programme, a level or a rule; nil: none was written, or it is wrong.
func (p *programmeParser) expiry(in fields) *Expiry {
	n := in.get("expiry")
	if n == nil {
		return nil
	}
	if p.isWord(in, "expiry", neverWord) {
		return &Expiry{}
	}
	if n.kind == scalarNode {
		p.suggest(n.pos, schemas.Nearest(n.text, []string{neverWord}), "`expiry` is a mapping, {after: 12 months}, or never, not %q", shorten(n.text))
		return nil
	}
	f, ok := p.mapping(n, &expiryShape)
	if !ok {
		return nil
	}
	e := &Expiry{}
	if !f.has("after") {
		p.fail(n.pos, "`expiry` needs `after`: a time such as 12 months")
	}
	e.After = p.calendarSpan(f, "after")
	_, e.MonthEnd = p.word(f, "at")
	e.Notice = p.notice(f, e.After, "points expire `after` %s")
	return e
}

// End is the instant, UTC, from which points are gone that can be spent from `at` on: the midnight after the local day that lies
// After later, or after the last day of its month. It must not be asked of an Expiry that is Never.
func (e *Expiry) End(at time.Time, loc *time.Location) time.Time {
	day := int64(DayNumber(at, loc))
	if e.After.Months != 0 {
		day = addMonths(day, e.After.Months)
	}
	day += int64(e.After.Days) + 1
	if e.MonthEnd {
		year, month, _ := time.Unix((day-1)*secondsPerDay, 0).UTC().Date()
		day = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
	}
	return Midnight(int32(day), loc) // days of four-digit years fit by far
}

// calendarSpan reads a span in months or days.
func (p *programmeParser) calendarSpan(f fields, key string) Duration {
	d, ok := p.duration(f, key)
	if ok && d.Elapsed != 0 {
		p.fail(f.found[key].value.pos, "`%s` is counted in months or days, not %s", key, d)
		return Duration{}
	}
	return d
}

// notice reads how long ahead something is told that happens after a span; why says what, with the span.
func (p *programmeParser) notice(f fields, span Duration, why string) []Duration {
	const most = 10
	n := f.get("notice")
	if n == nil {
		return nil
	}
	items := p.list(n, "`notice`", scalarNode)
	if len(items) == 0 && n.kind == listNode {
		p.fail(n.pos, "`notice` is empty: leave it out where nothing is told ahead")
	}
	if len(items) > most {
		p.fail(n.pos, "`notice` has %d times; at most %d are read", len(items), most)
		return nil
	}
	var all []Duration
	for _, item := range items {
		d, ok := p.durationOf(item, "`notice`")
		if !ok {
			continue
		}
		switch {
		case !span.IsZero() && !shorter(d, span):
			p.fail(item.pos, "`notice` of %s is too long: "+why, d, span)
		case slices.Contains(all, d):
			p.warn(item.pos, "the same notice twice: %s", d)
		default:
			all = append(all, d)
		}
	}
	return all
}
