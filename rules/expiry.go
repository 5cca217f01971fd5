package rules

import (
	"time"

	"accrue/rules/programme"
)

// This file says until when points can be spent. Where the programme follows what is spent, what is left then is taken back
// (lots.go); else the wallet does that.

// expiryOf is the expiry of what a rule gives a member of a level, given by its index: the rule's own, else the level's, else the
// programme's. nil: the points never expire.
func expiryOf(rule *programme.Rule, p *programme.Programme, level int) *programme.Expiry {
	e := p.Expiry
	switch {
	case rule.Expiry != nil:
		e = rule.Expiry
	case p.Tiers != nil && level < len(p.Tiers.Levels) && p.Tiers.Levels[level].Expiry != nil:
		e = p.Tiers.Levels[level].Expiry
	}
	if e.Never() {
		return nil
	}
	return e
}

// endOf is the instant from which points are gone that can be spent from `at` on, in the zone of which the days are; 0: never.
func endOf(e *programme.Expiry, at time.Time) int64 {
	if e == nil {
		return 0
	}
	return e.End(at, at.Location()).UnixMilli()
}

// expiry is the expiry of a held grant, as it was when the grant was made.
func (h *heldAt) expiry(l *Ledger) *programme.Expiry {
	if !l.expires {
		return nil
	}
	p := l.at(h.booked).programme
	return expiryOf(ruleOf(p, h.rule), p, int(h.level))
}

// mayExpire says whether any points of a programme ever expire.
func mayExpire(p *programme.Programme) bool {
	if !p.Expiry.Never() {
		return true
	}
	for _, rule := range p.Rules {
		if !rule.Expiry.Never() {
			return true
		}
	}
	if p.Tiers != nil {
		for i := range p.Tiers.Levels {
			if !p.Tiers.Levels[i].Expiry.Never() {
				return true
			}
		}
	}
	return false
}
