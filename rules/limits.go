package rules

import (
	"time"

	"accrue/rules/programme"
)

// size takes a candidate through its own limits, the programme's limits and its budget: how many points each of its grants has.
func (r *run) size(c *candidate, f *fact, p *programme.Programme, now time.Time) error {
	c.first = len(r.parts)
	if !c.met || c.amount.isZero() || c.parts == 0 {
		return nil
	}
	whole, err := c.amount.round(p.Rounding)
	if err != nil {
		return err
	}
	if whole == 0 {
		c.why.kind = roundedAway
		return nil
	}
	if f.award == nil && !r.lucky(c, f) { // whether an award is given was drawn where it was asked for
		c.why.kind = notDrawn
		return nil
	}
	shadow := c.rule.Mode == programme.Shadow
	counting := &r.account.ledger.counting
	counted := counting.of(c.rule)
	var use *ruleUse                                                           // what the rule's own limits have counted
	if counted != 0 && (c.rule.On != programme.OnReferral || f.award != nil) { // those of a referral are the referrer's
		use = r.s.use(c.rule.ID)
	}
	for part := range c.parts {
		points := whole
		if use != nil {
			points = use.limit(c, points, &r.periods)
		}
		if !shadow {
			points = r.limitAll(c, points, p, &r.periods)
			if points, err = r.draw(c, f, p, now, r.part+int32(part), points); err != nil {
				return err
			}
		}
		r.parts = append(r.parts, points)
		if points == 0 {
			continue
		}
		if use != nil {
			if use.counters, err = countGrant(use.counters, counted, points, &r.periods); err != nil {
				return err
			}
		}
		if c.points, err = addInt(c.points, points); err != nil {
			return err
		}
		if shadow {
			continue
		}
		if r.s.limits, err = countGrant(r.s.limits, counting.all, points, &r.periods); err != nil {
			return err
		}
	}
	return nil
}

// grant enters what a candidate gives in the standing and in what the fact wants.
func (r *run) grant(c *candidate, f *fact, p *programme.Programme, now time.Time) error {
	if c.points == 0 || c.rule.Mode == programme.Shadow {
		return nil
	}
	for part := range c.parts {
		points := r.parts[c.first+int(part)]
		if points == 0 {
			continue
		}
		if err := r.book(c, f, p, now, r.part+int32(part), points); err != nil {
			return err
		}
	}
	return nil
}

// limit cuts points to what the rule's own limits leave.
func (u *ruleUse) limit(c *candidate, points int64, in *periods) int64 {
	for i := range c.rule.Limits {
		points = c.bind(&c.rule.Limits[i], u.counters, points, in, false)
	}
	return points
}

// limitAll cuts points to what the limits over all rules leave.
func (r *run) limitAll(c *candidate, points int64, p *programme.Programme, in *periods) int64 {
	for i := range p.Limits {
		points = c.bind(&p.Limits[i], r.s.limits, points, in, true)
	}
	return points
}

// bind applies one limit to a grant by its edge.
func (c *candidate) bind(l *programme.Limit, counters []counter, points int64, in *periods, ofProgramme bool) int64 {
	if points == 0 {
		return 0
	}
	used, number := counter{}, in.number(l.Per)
	for i := range counters {
		if k := &counters[i]; k.per == l.Per && k.number >= number { // in another zone it may be one that has passed
			used = *k
		}
	}
	granted := points
	switch {
	case l.Times > 0 && used.times >= l.Times:
		granted = 0
		c.cut = binding{limit: l, programme: ofProgramme, times: true}
	case l.Points > 0 && used.points+points > l.Points:
		left := max(l.Points-used.points, 0)
		switch l.Edge {
		case programme.Cut:
			granted = left
		case programme.Drop:
			granted = 0
		case programme.Finish:
			if left == 0 {
				granted = 0
			}
		}
		if granted != points {
			c.cut = binding{limit: l, programme: ofProgramme, left: left, given: granted}
		}
	}
	return granted
}

// book enters a grant, unless the event still waits for an answer: its points are held or can be spent at once, and count for the tier when they can be.
func (r *run) book(c *candidate, f *fact, p *programme.Programme, now time.Time, part int32, points int64) error {
	if r.waiting {
		return nil
	}
	at := now.UnixMilli()
	w := wanted{rule: c.rule.ID, part: part, booked: at, at: at}
	available, tier := points, points
	switch c.rule.Counts {
	case programme.CountsBoth:
	case programme.CountsBalance:
		tier = 0
	case programme.CountsTier:
		available = 0
	}
	available += r.kept(f, c.rule.ID, part, at)
	expires := expiryOf(c.rule, p, r.level)
	h, err := r.holdOf(c, f, p, now)
	if err != nil {
		return err
	}
	if h.due == 0 {
		w.available, w.tier, w.expires = available, tier, endOf(expires, now)
		if err := r.earn(f.key, &w, at, expires); err != nil {
			return err
		}
		if err := r.count(p, at, programme.ByPoints, tier); err != nil {
			return err
		}
	} else {
		w.pending, w.due, w.at = available, h.due, h.due
		if h.due != noDue {
			w.expires = endOf(expires, time.UnixMilli(h.due).In(now.Location()))
		}
		if r.s.pending, err = addInt(r.s.pending, available); err != nil {
			return err
		}
		if r.s.heldTier, err = addInt(r.s.heldTier, tier); err != nil {
			return err
		}
		h.fact, h.rule, h.part, h.available, h.tier, h.booked = f.key, c.rule.ID, part, available, tier, at
		if r.account.ledger.expires { // else of no use
			h.level = int32(r.level) // few
		}
		r.s.held.add(h)
	}
	if err := r.s.releasable(); err != nil {
		return err
	}
	r.wants = append(r.wants, w)
	return nil
}

// periods are the local periods in which an event lies, each worked out when it is first asked for.
type periods struct {
	local  time.Time
	known  [programme.PerEver + 1]bool
	values [programme.PerEver + 1]int32
}

func (in *periods) number(per programme.Period) int32 {
	if !in.known[per] {
		in.known[per], in.values[per] = true, per.Number(in.local, in.local.Location())
	}
	return in.values[per]
}
