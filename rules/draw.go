package rules

import (
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what grants take out of budgets that all members share. How many points a grant got is a ruling: it stays
// with the grant, and whenever the past is decided again so many are granted at most. What a grant does not need any more goes back;
// what it needs more is asked for.
//
// Mostly the lease of the shard (lease.go) has what is wanted, and gives it while the rules are asked. Else the grant has to
// wait for the owner. A new event waits as a whole, as for a threshold (question.go): its decision is written with the
// answer. What is decided already, and what time or another member has brought, is granted without; the points follow.

// shortfall is what a budget did not give.
type shortfall struct {
	budget        *programme.Budget // nil: it gave all
	wanted, given int64             // points
	waits         bool              // the rest may still come
	silent        bool              // it has not answered in time
}

// short says what a budget had for a grant.
func (t *pieces) short(s *shortfall) {
	if s.budget == nil {
		return
	}
	t.add("; its budget of ")
	t.addPoints(s.budget.Points)
	switch s.budget.Per {
	case programme.PerDay:
		t.add(" a day")
	case programme.PerMonth:
		t.add(" a month")
	case programme.PerWeek, programme.PerYear, programme.PerEver:
	}
	t.add(" over all members ")
	switch {
	case s.silent && s.budget.Queue:
		t.add("has not answered in time, the rest comes when it does: ")
	case s.silent:
		t.add("has not answered in time: ")
	case s.waits:
		t.add("has not answered yet, the rest comes when it does: ")
	case s.given == 0:
		t.add("is used up: ")
	default:
		t.add("had no more left: ")
	}
	t.addInt(s.given)
	t.add(" of ")
	t.addInt(s.wanted)
	t.add(" given")
	if s.budget.Queue && !s.waits && !s.silent {
		t.add("; what refunds give back goes to those refused first")
	}
}

// Leases gives access to what the shard of an account holds of budgets.
type Leases interface {
	// Lease returns the shard's lease of a budget. It is the same one until the account's call has ended.
	Lease(of BudgetKey) (*Lease, error)
}

// drawing is what has to be undone of draws where a run comes to nothing.
type drawing struct {
	facts  []drawn
	leases []lent
}

type drawn struct {
	fact   *fact
	before []allotment
}

type lent struct {
	lease  *Lease
	points int64 // taken out of it by the run
}

func (d *drawing) reset() {
	clear(d.facts)
	clear(d.leases)
	d.facts, d.leases = d.facts[:0], d.leases[:0]
}

// borrow is the lease of a budget, which the call in progress has used from now on.
func (a *Account) borrow(of BudgetKey) (*Lease, error) {
	for i := range a.drawing.leases {
		if x := a.drawing.leases[i].lease; x.budget == of {
			return x, nil
		}
	}
	if a.leases == nil {
		return nil, fmt.Errorf("the account of member %q has no access to the budget of rule %s", a.member, of.Rule)
	}
	x, err := a.leases.Lease(of)
	if err == nil {
		a.drawing.leases = append(a.drawing.leases, lent{lease: x})
	}
	return x, err
}

// take takes points out of a lease for the run in progress.
func (a *Account) take(x *Lease, points int64, t terms) taken {
	said := x.take(points, t)
	if said == hasGiven {
		for i := range a.drawing.leases {
			if a.drawing.leases[i].lease == x {
				a.drawing.leases[i].points += points
			}
		}
	}
	return said
}

// rememberDraws keeps what the draws of a fact were before the run in progress.
func (a *Account) rememberDraws(f *fact) {
	if slices.ContainsFunc(a.drawing.facts, func(d drawn) bool { return d.fact == f }) {
		return
	}
	before := slices.Clone(f.draws)
	for i := range before {
		before[i].wishes = slices.Clone(before[i].wishes)
	}
	a.drawing.facts = append(a.drawing.facts, drawn{f, before})
}

// undraw undoes what the run in progress has drawn.
func (a *Account) undraw() {
	for i := range a.drawing.facts {
		a.drawing.facts[i].fact.draws = a.drawing.facts[i].before
	}
	for i := range a.drawing.leases {
		l := &a.drawing.leases[i]
		l.lease.free += l.points
		l.points = 0
	}
	a.drawing.facts = a.drawing.facts[:0]
}

// draw takes what a grant wants out of the budget of its rule, and says how much of it may be granted. What must wait is granted
// later; an event that has just arrived waits with all of its grants.
func (r *run) draw(c *candidate, f *fact, p *programme.Programme, now time.Time, part int32, points int64) (int64, error) {
	b := c.rule.Budget
	if b == nil || c.rule.Mode == programme.Shadow {
		return points, nil
	}
	d := f.drawOf(c.rule.ID, part)
	switch {
	case r.silent:
		return d.allowed(points), nil
	case d == nil && points == 0:
		return 0, nil
	}
	a := r.account
	a.rememberDraws(f)
	if d == nil {
		f.draws = append(f.draws, allotment{rule: c.rule.ID, part: part, period: b.Per.Number(now, p.Zone)})
		d = &f.draws[len(f.draws)-1]
	}
	missing := points - d.asked()
	if missing > 0 && !d.refused {
		x, err := a.borrow(BudgetKey{d.rule, d.period})
		if err != nil {
			return 0, err
		}
		switch a.take(x, missing, a.ledger.terms(b, f.at(), d.period)) {
		case hasGiven:
			d.points += missing
		case hasToAsk:
			d.hard = d.hard || r.event != nil && r.explain == f && f.command == nil && c.rule.On != programme.OnTierUp
			d.wish(missing, wishNew)
		case hasNone:
			if d.refused = !b.Queue; b.Queue {
				d.wish(missing, wishLeft)
			}
		}
	}
	granted := d.allows(points)
	d.granted = min(points, d.points)
	if d.hard && d.waits() {
		r.waiting = true
	} else if granted < points {
		c.short = shortfall{budget: b, wanted: c.short.wanted + points, given: c.short.given + granted, waits: d.waits(), silent: d.silent()}
	}
	return granted, nil
}

// drawPast is how many of the points that a past award is to have by now its rule's budget allows. Such an award cannot wait: its place is
// settled, so it gets what the shard has.
func (a *Account) drawPast(f *fact, rule *programme.Rule, p *programme.Programme, points int64) (int64, error) {
	b := rule.Budget
	if b == nil {
		return points, nil
	}
	a.rememberDraws(f)
	d := f.drawOf(rule.ID, 0)
	if d == nil {
		now := instantUTC(f.key.at)
		f.draws = append(f.draws, allotment{rule: rule.ID, period: b.Per.Number(now, p.Zone)})
		d = &f.draws[len(f.draws)-1]
	}
	if missing := points - d.points; missing > 0 {
		x, err := a.borrow(BudgetKey{d.rule, d.period})
		if err != nil {
			return 0, err
		}
		if a.take(x, missing, a.ledger.terms(b, f.key.at, d.period)) == hasGiven {
			d.points += missing
		}
	}
	return min(points, d.points), nil
}

// terms is what a version says of a budget.
func (l *Ledger) terms(b *programme.Budget, at int64, period int32) terms {
	v := l.at(at)
	t := terms{size: b.Points, since: v.from}
	var end time.Time
	switch b.Per {
	case programme.PerDay:
		end = programme.Midnight(period+1, v.programme.Zone)
	case programme.PerMonth:
		end = programme.Instant(int(period+1)/12, time.Month((period+1)%12+1), 1, 0, 0, 0, 0, v.programme.Zone)
	case programme.PerWeek, programme.PerYear, programme.PerEver:
		return t
	}
	// A refund that is not late may be of an order two return windows before it; held points and what is forgotten late have as long again.
	for range budgetKept {
		end = v.longest.AddTo(end, v.programme.Zone)
	}
	t.until = end.UnixMilli()
	return t
}

const budgetKept = 4

// draws settles what the facts that a run has touched have drawn: what they do not need goes back, what is wanted is said. Then
// the leases that were used say what they have to.
func (d *deciding) draws(r *run) error {
	a := d.account
	for _, f := range r.touched {
		if len(f.draws) == 0 {
			continue
		}
		if err := a.settleDraws(d, f); err != nil {
			return err
		}
	}
	d.settleLeases()
	return nil
}

func (d *deciding) settleLeases() {
	a := d.account
	for i := range a.drawing.leases {
		a.drawing.leases[i].lease.settle(d.now, d.out)
	}
	a.drawing.reset()
}

func (a *Account) settleDraws(d *deciding, f *fact) error {
	for i := range f.draws {
		x := &f.draws[i]
		lease, err := a.borrow(BudgetKey{x.rule, x.period})
		if err != nil {
			return err
		}
		for j := range x.wishes {
			w := &x.wishes[j]
			wish := wish{member: a.member, fact: f.key, rule: x.rule, part: x.part, revision: w.revision, points: w.points}
			switch w.state {
			case wishNew:
				w.state, x.due = wishWaits, max(d.now.UnixMilli(), f.at())+answerWithin.Milliseconds()
				lease.want(wish)
			case wishLeft:
				w.state = wishOwed
				lease.owe(wish)
			case wishWaits, wishOwed, wishGivenUp, wishLate:
			}
		}
		if f.waits() {
			continue // nothing is granted yet, and all is reserved
		}
		if used := f.used(x); used < x.points {
			lease.give(x.points - used)
			x.points = used
		}
	}
	f.draws = slices.DeleteFunc(f.draws, func(x allotment) bool { return x.isDone() })
	a.change(f)
	a.await(f)
	return nil
}

// used is how many points of an allotment are granted.
func (f *fact) used(x *allotment) int64 {
	g := f.grantOf(x.rule, x.part)
	if g == nil {
		return 0
	}
	used := grantPoints(g.available+g.expired, g.pending, g.tier)
	if used == 0 && g.due != 0 {
		used = x.granted // points that count for the tier alone have no sum before their release
	}
	return min(used, x.points)
}

// takeDrawn takes in what a lease says to a wish. What nobody wants any more goes back.
func (a *Account) takeDrawn(d *deciding, e *schemas.Effect) error {
	lease, err := a.borrowFrom(e.FromMember)
	if err != nil {
		return err
	}
	f, err := a.factAt(factKey{e.FactAt, factKind(e.FactKind), e.Source.EventID})
	if err != nil {
		return err
	}
	if f == nil || f.past {
		lease.give(e.Points)
		d.settleLeases()
		return nil
	}
	x := f.drawOf(e.RuleID, e.Part)
	i := -1
	if x != nil {
		i = slices.IndexFunc(x.wishes, func(w asking) bool { return w.revision == e.Wish })
	}
	if i < 0 { // it was answered
		return nil
	}
	w := &x.wishes[i]
	if w.points-e.Wanted != e.Points { // this part of it was
		return nil
	}
	if w.state == wishGivenUp {
		x.wishes = slices.Delete(x.wishes, i, i+1)
		lease.give(e.Points)
		a.change(f)
		d.settleLeases()
		return nil
	}
	waited := f.waits()
	d.drawn = x.rule
	x.points += e.Points
	if w.points -= e.Points; w.points <= 0 {
		x.wishes = slices.Delete(x.wishes, i, i+1)
	} else if e.State == schemas.BudgetUsedUp {
		a.refuseWish(x, w, i, f)
	}
	return a.drawAgain(d, f, x, waited)
}

// refuseWish says what becomes of a wish for which there is nothing: the owner remembers it, or it stays refused.
func (a *Account) refuseWish(x *allotment, w *asking, i int, f *fact) {
	b := ruleOf(a.ledger.at(f.at()).programme, x.rule).Budget
	if b != nil && b.Queue {
		w.state = wishLeft
		return
	}
	x.refused = true
	x.wishes = slices.Delete(x.wishes, i, i+1)
}

// drawAgain decides again what has got points, or has been refused them.
func (a *Account) drawAgain(d *deciding, f *fact, x *allotment, waited bool) error {
	if !x.waits() {
		x.due = 0
	}
	a.change(f)
	if err := a.load(); err != nil {
		return err
	}
	if f.waits() {
		a.await(f)
		d.stamp()
		d.settleLeases()
		return nil
	}
	if !x.waits() {
		x.hard = false
	}
	return a.decideAnswered(d, f, waited)
}

// giveUpDraws stops waiting for leases that have not answered by an instant. What comes later goes back, or, with `queue: true`, to
// the grant after all.
func (a *Account) giveUpDraws(d *deciding, f *fact, to int64) (bool, error) {
	for i := range f.draws {
		x := &f.draws[i]
		if x.due == 0 || x.due > to {
			continue
		}
		waited := f.waits()
		state := wishGivenUp
		if b := ruleOf(a.ledger.at(f.at()).programme, x.rule).Budget; b != nil && b.Queue {
			state = wishLate
		}
		for j := range x.wishes {
			if x.wishes[j].state <= wishWaits {
				x.wishes[j].state = state
			}
		}
		x.refused = state == wishGivenUp
		return true, a.drawAgain(d, f, x, waited)
	}
	return false, nil
}

// borrowFrom is borrow by the key of a lease.
func (a *Account) borrowFrom(key string) (*Lease, error) {
	of, err := leaseOf(key)
	if err != nil {
		return nil, &Broken{a.member, err}
	}
	return a.borrow(of)
}
