package rules

import (
	"slices"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file grants what members get for a rise to a higher level. Such a grant belongs to the fact that raised, or, where time
// raised by releasing held points, to the fact of the last grant that was released then.

// tierUp asks the rules that listen to rises, once for a rise. They see the new tier, and else the member before the
// event; at a release, as the release left the member.
// nth counts the rises of this event.
func (r *run) tierUp(v *version, at int64, source factKey, nth int) error {
	f, err := r.account.factAt(source)
	if err != nil || f == nil { // a fact is not folded before all of it is released
		return err
	}
	r.scope.Member.Tier = r.s.tierID(v.programme)
	r.scope.Order, r.scope.CheckIn, r.scope.Referral = nil, nil, nil
	r.part = risePart(f, at, nth)
	from := len(r.wants)
	if now := r.s.local(at, v.programme); at == f.at() {
		err = r.ask(v, v.tierUps, f, now, remains{})
	} else { // what a threshold said to the fact was about its own grants
		r.review, r.waiting = nil, false
		err = r.askRules(v, v.tierUps, f, now, remains{})
	}
	r.part = 0
	if at != f.at() && !r.silent {
		r.touch(f)
		f.want = append(slices.Clip(f.want), r.wants[from:]...)
	}
	return err
}

const risesPerInstant = 128

// risePart tells the grants of one rule for several rises by the same fact apart: by how many minutes after the fact the rise
// came, and which of that instant it was. Holds are counted in minutes.
func risePart(f *fact, at int64, nth int) int32 {
	const mostMinutes = 1<<24 - 1
	return int32(min((at-f.at())/60_000, mostMinutes)*risesPerInstant) + int32(nth)
}

// nthRise is which rise of its instant a part of risePart is of.
func nthRise(part int32) int { return int(part) % risesPerInstant }

// verdictOf is what the rules said where a grant was made; nil: nothing was said. Of a rule that listens to rises there is one for each.
func (p *passResult) verdictOf(rule *programme.Rule, part int32) (v *schemas.Verdict) {
	nth := 0
	if rule.On == programme.OnTierUp {
		nth = nthRise(part)
	}
	for i := range p.verdicts {
		if p.verdicts[i].RuleID == rule.ID {
			if v = &p.verdicts[i]; nth == 0 {
				break
			}
			nth--
		}
	}
	return v
}

// withoutRises takes the grants for rises at an instant out of what is wanted: they are decided again.
func withoutRises(f *fact, at int64) {
	f.want = slices.DeleteFunc(f.want, func(w wanted) bool { return w.booked == at && at != f.at() })
}

// raises says whether any version grants something for rises.
func (l *Ledger) raises() bool {
	return slices.ContainsFunc(l.versions, func(v version) bool { return len(v.tierUps) > 0 })
}

// onlyReleased is how many of the first n facts can be folded so that all that they hold is released by then, in the base as
// well: a release may raise, and what the rise grants belongs to the fact.
func (a *Account) onlyReleased(n int) int {
	if !a.ledger.raises() {
		return n
	}
	for i := 0; i < n; i++ {
		held := func(g grant) bool { return g.at != noDue && g.at > a.facts[n-1].key.at } // what an operator releases raises by the command
		if slices.ContainsFunc(a.facts[i].grants, held) {
			n, i = i, -1 // fewer facts: those before are looked at again
		}
	}
	return n
}
