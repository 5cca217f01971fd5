package rules

import (
	"fmt"

	"accrue/rules/programme"
	"accrue/schemas"
)

// Rulings are what was said to an event when it first arrived: by thresholds, of devices, and what of a refund was kept.
type Rulings struct {
	guards []ruling
	asked  *questions
	keeps  []keep
}

// RulingsOf returns the rulings of an event that the account has decided and not folded away.
func (a *Account) RulingsOf(e Event) Rulings {
	f, err := a.factAt(newFact(&e).key)
	if f == nil || err != nil {
		return Rulings{}
	}
	given := Rulings{guards: f.rulings, keeps: f.keeps}
	for _, q := range f.asks() {
		if q.threshold == sameDevice {
			given.asked = &questions{list: []question{q}}
		}
	}
	return given
}

// HandleRuled is Handle for an event about which no threshold is asked: it has the rulings already.
func (a *Account) HandleRuled(e Event, given Rulings, out *Outcome) error {
	d := a.begin(&e, out)
	if a.invalid(&e) != "" || e.Redemption != nil && !a.ledger.follows {
		return a.Handle(e, out)
	}
	f := newFact(&e)
	f.unruled, f.rulings, f.questions, f.keeps = false, given.guards, given.asked, given.keeps
	if a.ledger.claws { // what is kept may be of an event that has not arrived
		if err := a.load(); err != nil {
			return err
		}
	}
	return a.handle(d, f)
}

// GrantIDOf is the id of the first grant of a rule for an event.
func GrantIDOf(e Event, rule string) string { return grantID(e.Member(), rule, newFact(&e).key, 0) }

// GrantIDOfAward is the id of what a member gets for an event of somebody who was invited.
func (l *Ledger) GrantIDOfAward(e Event, member, rule string) string {
	f := newFact(&e)
	return grantID(member, rule, l.awardKey(&schemas.Effect{FromMember: e.Member(), RuleID: rule, OccurredAt: instantUTC(f.key.at), Source: f.source()}), 0)
}

// CheckLots says what of the lots contradicts itself, or what was written: what is left of them is what can be spent, and of each
// grant what was written is what was granted less what has expired.
func (a *Account) CheckLots() error {
	l := a.head.lots
	if l == nil {
		return nil
	}
	owed := int64(0)
	for _, d := range l.debts.items {
		owed += d.amount
	}
	switch {
	case l.left() != a.head.points:
		return fmt.Errorf("%d are left, %d can be spent: %s", l.left(), a.head.points, l.text())
	case owed > 0 && (len(l.open) > 0 || l.lasting > 0):
		return fmt.Errorf("there is a debt though something is left: %s", l.text())
	}
	for _, x := range l.byNumber() {
		taken := int64(0)
		for _, t := range l.taken.items {
			if t.lot == x.number {
				taken += t.amount
			}
		}
		if x.left < 0 || x.expired < 0 || x.left+x.expired+taken > x.granted {
			return fmt.Errorf("lot %d is wrong: %s", x.number, l.text())
		}
		f, err := a.holder(x.fact)
		if err != nil || f == nil {
			return fmt.Errorf("the fact of lot %d is gone (%v): %s", x.number, err, l.text())
		}
		if g := f.grantOf(x.rule, x.part); g == nil || g.available != x.granted-x.expired || g.expired != x.expired {
			return fmt.Errorf("for lot %d was written %+v: %s", x.number, g, l.text())
		}
	}
	return nil
}

// Spaced takes a snapshot every so many facts, so that short histories have some.
func Spaced(facts int) Option { return func(l *Ledger) { l.spaced = facts } }

// Crowded has awards alone fold old facts away from so many facts on.
func Crowded(facts int) Option { return func(l *Ledger) { l.crowded = facts } }

// Folding looks after so many facts whether old ones can be folded away.
func Folding(facts int) Option { return func(l *Ledger) { l.folding = facts } }

// Free is what a lease can give at once, and Wanted what it has to ask for.
func (x *Lease) Free() (free, wanted int64) {
	for i := range x.queue {
		wanted += x.queue[i].missing
		free += x.queue[i].points - x.queue[i].missing // reserved, as nobody has heard of it
	}
	return free + x.free, wanted
}

// Left is what the owner of a budget has, and whether it has said that there is none anywhere.
func (b *Budget) Left() (left int64, usedUp bool) { return b.left(), b.usedUp }

// Returned is how many points went back to the owner, ever.
func (x *Lease) Returned() int64 { return x.returned }

// Returned is how many points have come back, ever.
func (b *Budget) Returned() (points int64) {
	for i := range b.leases {
		points += b.leases[i].returned
	}
	return points
}

// Drawn is what the grants of an account have taken out of budgets, how much of it was granted, and how many wishes are open.
func (a *Account) Drawn() (points, granted int64, open int, err error) {
	if err := a.load(); err != nil {
		return 0, 0, 0, err
	}
	if err := a.loadKept(); err != nil {
		return 0, 0, 0, err
	}
	for _, list := range [...][]*fact{a.facts, a.kept} {
		for _, f := range list {
			for i := range f.draws {
				x := &f.draws[i]
				points += x.points
				if x.waits() {
					open++
				}
				if g := f.grantOf(x.rule, x.part); g != nil {
					granted += grantPoints(g.available+g.expired, g.pending, g.tier)
				}
			}
		}
	}
	return points, granted, open, nil
}

// EverCounted is what a limit `per: ever` has counted of a member: one of a rule, or, where that is empty, one over all rules.
func (a *Account) EverCounted(rule string) (times, points int64) {
	counters := a.head.limits
	if rule != "" {
		counters = a.head.use(rule).counters
	}
	for _, c := range counters {
		if c.per == programme.PerEver {
			return c.times, c.points
		}
	}
	return 0, 0
}
