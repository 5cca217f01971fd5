package programme

import "fmt"

// lint reports what can be read but can hardly be meant: what never fires is an error, what says nothing or probably
// something else a warning. Only what has no error of its own is looked at, and rules that are off are not.
func (p *programmeParser) lint() {
	listeners := map[Trigger]bool{}
	for _, read := range p.read {
		if read.complete && read.rule.Mode != Off {
			p.lintRule(read)
		}
		listeners[read.rule.On] = true
		if read.rule.After == AfterFirstOrder {
			listeners[OnOrder] = true
		}
	}
	p.overlaps()
	p.copies()
	for _, read := range p.guards {
		if read.complete {
			p.lintThreshold(read, listeners)
		}
	}
}

func (p *programmeParser) lintRule(read *ruleRead) {
	rule, f := read.rule, read.fields
	if rule.On == OnTierUp && p.soundTiers && (p.out.Tiers == nil || len(p.out.Tiers.Levels) == 1) {
		p.fail(f.at("on"), "`on: tier_up` never happens: the programme has no second level")
	}
	if rule.Chance.Den == 1 {
		p.warn(f.at("chance"), "`chance: 100%%` says nothing: leave it out")
	}
	if rule.Counts == CountsTier {
		if p.out.Tiers == nil || p.out.Tiers.By != ByPoints {
			p.warn(f.at("counts"), "`counts: tier` makes the points worth nothing: no tier is reached by points")
		}
		if rule.Expiry != nil {
			p.warn(f.at("expiry"), "`expiry` has no effect: with `counts: tier` there is nothing to be spent")
		}
	}
	if rule.Boost != nil && rule.Mode == Live {
		p.boostInTime(read)
	}
	p.lintBounds(read)
}

// boostInTime refuses a boost that is never in force together with a rule that it is of.
func (p *programmeParser) boostInTime(read *ruleRead) {
	for _, i := range read.rule.Boost.Of {
		if !p.read[i].complete || overlap(read.rule, p.out.Rules[i]) {
			return
		}
	}
	if len(read.rule.Boost.Of) > 0 {
		p.fail(read.fields.at("boost"), "the boost never holds while a rule that it is of does: see their `from` and `to`")
	}
}

func (p *programmeParser) lintThreshold(read thresholdRead, listeners map[Trigger]bool) {
	t, f := read.threshold, read.fields
	switch {
	case t.Measure == MeasureRefunds && t.Share.Den == 1: // 100%, the most that is read
		p.fail(f.found["over"].value.pos, "the threshold never triggers: the share is never above 100%%")
	case t.Over == 0 && (t.Measure == MeasureCount || t.Measure == MeasureMembers || t.Measure == MeasureDevices):
		p.warn(f.found["over"].value.pos, "every event passes `over: 0`: the event itself is counted")
	}
	if (t.Action == ActionHold || t.Action == ActionDeny) && !listeners[t.On] {
		p.warn(f.at("action"), "no rule is `on: %s`: there is nothing to %s", t.On, t.Action)
	}
}

// placeOf says in words where something stands, for a message at another place.
func placeOf(at, from Position) string {
	if at.File != from.File {
		return fmt.Sprintf("%s:%d", at.File, at.Line)
	}
	return fmt.Sprintf("line %d", at.Line)
}
