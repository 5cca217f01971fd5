package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
)

// candidate is one rule that listens to the event of a pass, with what it has come to so far.
type candidate struct {
	rule    *programme.Rule
	index   int  // in Programme.Rules
	met     bool // it is in force and its condition holds
	why     because
	amount  exact // exact points of one part, before rounding and limits
	parts   int64 // how many grants of that amount; 1 but for `each`
	counted programme.Money
	points  int64 // granted in the end, over all parts
	cut     binding
	short   shortfall
	first   int     // in run.parts, of its grants
	atOnce  bool    // its hold was over before it began
	review  *ruling // which holds what is granted; nil: none does
	invited string  // of an award: the member who was invited
	asked   int64   // points asked for who invited; 0: none are
}

// pass decides one fact: what the rules say to it, what that makes of the standing, and the grants that it wants.
func (r *run) pass(f *fact) error {
	from := r.begin(f)
	r.cands, r.parts = r.cands[:0], r.parts[:0]
	err := r.passKind(f)
	if err == nil {
		err = r.keepRest(f, from)
	}
	if !r.account.superseded(f) {
		r.s.fraud.block(f)
	}
	f.want = r.wants[from:len(r.wants):len(r.wants)]
	if err == nil && r.explain == f && (r.passed.reason == "" || len(r.cands) > 0) {
		r.explained(r.cands, r.account.ledger.at(f.key.at))
		if r.passed.denied != "" {
			r.passed.summary = r.passed.denied
		}
	}
	return err
}

func (r *run) passKind(f *fact) error {
	switch {
	case f.checkIn != nil:
		return r.passCheckIn(f)
	case f.profile != nil:
		return r.passProfile(f)
	case f.command != nil:
		return r.passCommand(f)
	case f.redemption != nil:
		return r.passRedemption(f)
	case f.referral != nil:
		return r.passReferral(f)
	case f.award != nil:
		return r.passAward(f)
	case r.account.earns(f):
		return r.passOrder(f)
	default: // an event of another status; refunds and cancellations act through their order
		earnOn := r.account.ledger.at(f.key.at).programme.EarnOn
		if f.order.status == earnOn {
			r.unasked(f, "it has no lines, so there is nothing that could earn")
		} else {
			r.unasked(f, "orders earn when they are %s, this one is %s", earnOn, f.order.status)
		}
		return r.fulfil(f)
	}
}

// unasked notes why nothing was asked of the rules, if somebody reads it.
func (r *run) unasked(f *fact, format string, args ...any) {
	if r.explain == f {
		r.passed.reason = fmt.Sprintf(format, args...)
	}
}

func (r *run) passOrder(f *fact) error {
	v := r.account.ledger.at(f.key.at)
	p, s := v.programme, r.s
	if r.account.isSealed(f.order.id) {
		return nil // it stood at an earlier event, which is folded away
	}
	if stands := r.account.stands(f); stands != nil && stands != f {
		r.unasked(f, "order %s stands at its earlier event %s", f.order.id, stands.key.event)
		return nil
	}
	rest, err := r.account.left(f, p, r.lines)
	r.lines = rest.lines
	if err != nil {
		return err
	}
	if rest.gone != "" {
		r.unasked(f, "nothing is left: %s", rest.gone)
		return nil
	}
	now := s.local(f.key.at, p)
	if err := r.see(v, now); err != nil {
		return err
	}
	r.scope.Order = &r.order
	r.order = programme.OrderView{
		Total: rest.total, Number: s.orders + 1, Channel: f.order.channel, Store: f.order.store, Coupons: f.order.coupons,
		Currency: f.order.currency, Lines: rest.lines, Attributes: attributeMap(f.order.attributes),
	}
	if err := r.ask(v, r.firstOrder(v), f, now, rest); err != nil {
		return err
	}
	if err := r.request(f, p); err != nil {
		return err
	}
	s.orders++
	spend, err := addInt(int64(s.spend), int64(rest.total))
	if err != nil {
		return err
	}
	s.spend = programme.Money(spend)
	if err := r.count(p, f.key.at, programme.BySpend, int64(rest.total)); err != nil {
		return err
	}
	if err := r.count(p, f.key.at, programme.ByOrders, 1); err != nil {
		return err
	}
	return r.look(v, f.key.at, f.key)
}

func (r *run) passCheckIn(f *fact) error {
	v := r.account.ledger.at(f.key.at)
	p, s := v.programme, r.s
	now := s.local(f.key.at, p)
	if err := r.see(v, now); err != nil {
		return err
	}
	r.scope.CheckIn = &r.checkIn
	r.checkIn = programme.CheckInView{
		Activity: f.checkIn.activity, Channel: f.checkIn.channel, Store: f.checkIn.store, Attributes: attributeMap(f.checkIn.attributes),
	}
	if err := r.ask(v, v.checkIns, f, now, remains{}); err != nil {
		return err
	}
	switch day := programme.DayNumber(now, now.Location()); {
	case s.checkInStreak > 0 && day <= s.checkInDay: // in another zone the day may be one that has passed
	case s.checkInStreak > 0 && day == s.checkInDay+1:
		s.checkInDay, s.checkInStreak = day, s.checkInStreak+1
	default:
		s.checkInDay, s.checkInStreak = day, 1
	}
	return r.look(v, f.key.at, f.key)
}

// see sets what conditions see of the member: the state before the event.
func (r *run) see(v *version, now time.Time) error {
	s, p := r.s, v.programme
	r.periods = periods{local: now}
	if r.level = 0; p.Tiers != nil {
		r.level = r.s.tier.level(p.Tiers)
	}
	streak := int64(0)
	if s.checkInStreak > 0 && programme.DayNumber(now, now.Location())-s.checkInDay <= 1 {
		streak = int64(s.checkInStreak)
	}
	r.scope = programme.Scope{Now: now, Member: programme.MemberView{
		Tier: s.tierID(p), Points: s.points, Pending: s.pending, Orders: s.orders, Spend: s.spend, Streak: streak,
	}}
	return r.seeProfile(v)
}

// ask asks the thresholds about an event that has just arrived, and then the rules, unless the event is denied.
func (r *run) ask(v *version, listening []int, f *fact, now time.Time, rest remains) error {
	if f.unruled {
		if err := r.measure(v, listening, f, now, rest); err != nil {
			return err
		}
	}
	r.waiting = f.waits()
	if why := r.s.fraud.denies(f, now.Location()); why != "" {
		r.deny(v, listening, f, why)
		return nil
	}
	r.review = f.review()
	return r.askRules(v, listening, f, now, rest)
}

// askRules takes the rules in file order: condition and amount; then, where all amounts are known, groups and boosts; then
// limits and hold of each.
func (r *run) askRules(v *version, listening []int, f *fact, now time.Time, rest remains) error {
	p, from := v.programme, len(r.cands)
	for _, index := range listening {
		r.cands = append(r.cands, candidate{rule: p.Rules[index], index: index, parts: 1, review: r.review})
		c := &r.cands[len(r.cands)-1]
		r.meet(c, f, v, now, rest)
		if c.met && c.rule.Earn != nil {
			if err := r.amount(c, f, p, now); err != nil {
				return err
			}
		}
	}
	cands := r.cands[from:]
	bestOfGroups(cands, false)
	boost(cands, p)
	for i := range cands {
		if err := r.size(&cands[i], f, p, now); err != nil {
			return err
		}
	}
	for i := range cands { // only now, as the event may have to wait for the budget of any of them
		if err := r.grant(&cands[i], f, p, now); err != nil {
			return err
		}
	}
	return nil
}

// meet decides whether the rule is in force and its condition holds.
func (r *run) meet(c *candidate, f *fact, v *version, now time.Time, rest remains) {
	rule := c.rule
	if f.referral != nil && rule.After == programme.AfterFirstOrder {
		c.why.kind = r.waitsForOrder()
		return
	}
	if f.order != nil && rule.On == programme.OnReferral && !r.s.invited.mayEarn(c) {
		return
	}
	if !rule.From.IsZero() && now.Before(rule.From) || !rule.To.IsZero() && !now.Before(rule.To) {
		c.why.kind = notInForce
		return
	}
	if rule.When != nil {
		ok, err := r.holds(c, f, v)
		switch {
		case err != nil:
			c.why = because{kind: failedWhen, failed: err}
			return
		case !ok:
			c.why.kind = notMet
			return
		}
	}
	if f.order != nil && !r.countLines(c, f, v, rest) {
		return
	}
	c.met = true
}

// amount works out the exact points of an earning rule whose condition is met.
func (r *run) amount(c *candidate, f *fact, p *programme.Programme, now time.Time) error {
	earn := c.rule.Earn
	switch {
	case c.rule.Each != nil:
		return r.each(c, f, now)
	case c.rule.On == programme.OnReferral:
		c.amount = exactInt(earn.Referee)
	case earn.Rate.Den != 0:
		c.amount = exactInt(int64(c.counted)).times(earn.Rate.Num, earn.Rate.Den).times(1, majorUnit(p))
	case earn.Per != 0:
		steps := int64(c.counted) / int64(earn.Per)
		points, err := mulInt(steps, earn.Points)
		if err != nil {
			return err
		}
		c.amount = exactInt(points)
		if steps == 0 {
			c.why.kind = tooShort
		}
	case earn.Random.To != 0:
		c.amount = r.randomPoints(c, f)
	default:
		c.amount = exactInt(earn.Points)
	}
	return nil
}

// majorUnit is how many units of money one major unit is.
func majorUnit(p *programme.Programme) int64 {
	unit := int64(1)
	for range p.Scale {
		unit *= 10
	}
	return unit
}
