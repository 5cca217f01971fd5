package rules

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about awards whose place is folded away. They stay revisable: their rows are kept for remember_orders, as the
// ids of orders are, and are read one by one. What a newer revision changes, or an award that comes only then, is the plain
// difference: a fact at the head adds it or takes it, bound by no limit and held for no time, and the entry is an ADJUSTED.
// It changes the tier metric from where the award stands, and what limits count of that period; a tier that was given before stays until
// its validity ends.
//
// What an operator is to decide about waits for that all the same: the rule's `hold: review`, or a threshold that holds the event
// that earned it. As an operator may answer late, whether a grant was still held at the correction's place may come out anew
// whenever the past is decided again (fate).

// correction is such a difference, as it was worked out once.
type correction struct {
	of        factKey // the past award
	available int64   // added to what can be spent
	tier      int64   // added to the tier metric at the instant of the award
	points    int64   // that the award's grant has then
	tierOf    int64   // tier points that it has then
	expires   int64   // its end then; 0: none
	counted   int64   // points that limits have counted of it before
	counts    int64   // and that they count of it then
	fate      fate    // of the grant before it, where an operator is to decide
}

// fate is how a correction finds the grant of its award.
type fate byte

const (
	settled  fate = iota // nobody is to decide about it, or somebody has before the correction was worked out
	reviewed             // nothing was granted before, and what is granted now an operator is to decide about
	held                 // it is held for an operator
	released             // it was released, as an answer says that has come later
	rejected             // or rejected
)

// corrected stands in the place of a correction between that of its award and the revision.
const corrected = "\x01"

// pastRow is the key of an award whose place is folded away.
func (k factKey) pastRow() []byte {
	w := &writer{bytes: make([]byte, 0, 10+len(k.event))}
	w.keyOf(pastRows, k)
	return w.bytes
}

// pastAt finds an award whose place is folded away; nil: none is known.
func (a *Account) pastAt(key factKey) (*fact, error) {
	if a.folded == 0 || key.at > a.folded {
		return nil, nil
	}
	for _, f := range a.past {
		if f.key == key {
			return f, nil
		}
	}
	f, err := a.read(key, key.pastRow())
	if f != nil {
		f.past = true
		a.past = append(a.past, f)
	}
	return f, err
}

// retire keeps an award that is being folded away. What corrects one has done its work.
func (a *Account) retire(f *fact) {
	if f.award.corrects != nil {
		return
	}
	f.past = true
	a.past = append(a.past, f)
	a.change(f)
}

// forgetAwards drops those up to an instant of which nothing is left.
func (a *Account) forgetAwards(until int64, held map[factKey]bool) error {
	if !a.ledger.refers() {
		return nil
	}
	var failed error
	err := a.rows.Scan([]byte(pastRows), func(key, _ []byte) bool {
		place, err := factKeyOf(key)
		if err != nil || place.at > until {
			failed = err
			return false
		}
		if !held[place] {
			a.pastDropped = append(a.pastDropped, place)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("forget old awards of member %q: %w", a.member, err)
	}
	a.past = slices.DeleteFunc(a.past, func(f *fact) bool {
		if f.key.at > until || held[f.key] {
			return false
		}
		f.changed = false
		return true
	})
	return nil
}

// refers says whether any version has rules on referrals.
func (l *Ledger) refers() bool {
	return slices.ContainsFunc(l.versions, func(v version) bool { return len(v.referrals) > 0 })
}

// takePast takes in a revision of an award whose place is folded away; f is nil where it is the first.
func (a *Account) takePast(d *deciding, f *fact, key factKey, e *schemas.Effect) error {
	if a.count >= MaxFacts+MaxRefunds {
		d.out.Full = true
		return nil
	}
	isNew := f == nil
	if isNew {
		f = newAward(key, e)
		f.award, f.past = &award{rule: e.RuleID}, true
		a.past = append(a.past, f)
	}
	was, head := f.award, factKey{max(a.asOf, a.newest, a.folded+1), awardFact, key.event + corrected + strconv.FormatInt(e.Revision, 10)}
	by := newAward(head, e)
	if err := a.fallDue(d.out, by.dueBefore(), d.now); err != nil { // before anything is drawn for it
		return err
	}
	corrects, err := a.correctionOf(f, by, e.Refunds > 0)
	if err != nil {
		return err
	}
	by.award.corrects = corrects
	f.award = awardOf(e)
	a.change(f)
	d.fact = by
	err = a.accept(d, by)
	if err == nil && !d.out.Full {
		return nil
	}
	f.award = was
	if isNew {
		f.changed = false
		a.past = slices.DeleteFunc(a.past, func(x *fact) bool { return x == f })
	}
	return err
}

// correctionOf works out the difference that a new revision makes to a past award, which a refund may have asked for. What limits
// had cut of it stays cut.
func (a *Account) correctionOf(f, by *fact, refund bool) (*correction, error) {
	c := &correction{of: f.key}
	g := f.grantOf(f.award.rule, 0)
	if g == nil {
		g = &grant{}
	}
	had, hadTier := grantPoints(g.available, g.pending, g.tier), g.tier
	if i := a.head.heldOf(f.key, f.award.rule); i >= 0 {
		h := &a.head.held.items[i]
		c.fate, had, hadTier = held, max(h.available, h.tier), h.tier
	}
	v := a.ledger.at(f.key.at)
	i := v.ruleNamed(by.award.rule)
	if i < 0 || v.programme.Rules[i].Mode == programme.Shadow {
		c.points, c.tierOf, c.expires, c.fate = g.available, g.tier, g.expires, settled
		return c, nil
	}
	rule := v.programme.Rules[i]
	c.counted = min(had, f.award.points) // what a refund left to a member is not counted
	points := had + by.award.points - f.award.points
	points, err := a.drawPast(f, rule, v.programme, min(max(points, 0), by.award.points))
	if err != nil {
		return nil, err
	}
	if c.fate == settled && g.untouched() && points > 0 && (rule.Hold.Review || by.award.heldBy != "") {
		c.fate = reviewed
	}
	c.counts, c.points, c.tierOf, c.expires = points, points, points, g.expires
	switch rule.Counts {
	case programme.CountsBoth:
	case programme.CountsBalance:
		c.tierOf = 0
	case programme.CountsTier:
		c.points = 0
	}
	if g.untouched() {
		now := a.head.local(by.key.at, v.programme)
		level := 0
		if v.programme.Tiers != nil {
			level = a.head.tier.level(v.programme.Tiers)
		}
		c.expires = endOf(expiryOf(rule, v.programme, level), now)
	}
	if c.fate != settled {
		c.expires = 0 // it begins with the release
		c.available, c.tier = c.points-g.pending, c.tierOf-hadTier
		return c, nil
	}
	if refund {
		c.points += a.mayStay(v.programme.Clawback, g.available-c.points)
	}
	c.available, c.tier = c.points-g.available, c.tierOf-g.tier
	return c, nil
}

// mayStay is how many of the points that a refund would take of a past award stay with the member, as it may not take more. It is
// a ruling, as it is where the award has its place still (clawback.go).
func (a *Account) mayStay(how programme.Clawback, takes int64) int64 {
	switch how {
	case programme.ClawbackWithinBalance:
		return max(takes-max(a.head.points, 0), 0)
	case programme.ClawbackPendingOnly:
		return max(takes, 0)
	case programme.ClawbackFull:
	}
	return 0
}

// passCorrection enters the difference in the standing, and in what the past award wants.
func (r *run) passCorrection(f *fact, v *version) error {
	c, s, p := f.award.corrects, r.s, v.programme
	r.unasked(f, "the award's place is settled, so the plain difference is booked: %s", f.award.reason)
	if err := r.see(v, s.local(f.key.at, p)); err != nil {
		return err
	}
	if c.fate != settled {
		if done, err := r.correctHeld(f, p); err != nil {
			return err
		} else if done {
			return r.look(v, f.key.at, f.key)
		}
	}
	var err error
	if s.points, err = addInt(s.points, c.available); err != nil {
		return err
	}
	if s.lots != nil && c.available != 0 {
		s.lots.correct(lot{expires: c.expires, booked: c.of.at, fact: c.of, rule: f.award.rule}, c.points-c.available, c.points, f.key.at)
	}
	if err := r.countAt(p, f.key.at, c.of.at, c.tier); err != nil {
		return err
	}
	if err := s.recount(&r.account.ledger.counting, f.award.rule, c.of.at, p, c.counted, c.counts); err != nil {
		return err
	}
	if err := s.releasable(); err != nil {
		return err
	}
	if !r.silent {
		if err := r.correct(f); err != nil {
			return err
		}
	}
	return r.look(v, f.key.at, f.key)
}

// correct says what the grant of a past award is to be.
func (r *run) correct(f *fact) error {
	c := f.award.corrects
	past, err := r.account.factAt(c.of)
	if err != nil || past == nil { // forgotten by now
		return err
	}
	r.touch(past)
	w := wanted{rule: f.award.rule, available: c.points, tier: c.tierOf, booked: c.of.at, at: c.of.at, expires: c.expires}
	if isHeld := c.fate == held || c.fate == reviewed; isHeld {
		w.available, w.pending, w.tier = 0, c.points, 0
		if c.points != 0 || c.tierOf != 0 {
			w.due = noDue
		}
	}
	for i := range past.want {
		if past.want[i].rule == w.rule && past.want[i].part == 0 {
			w.booked, w.at, w.answered = past.want[i].booked, past.want[i].at, past.want[i].answered
			past.want[i] = w
			return nil
		}
	}
	w.at = f.key.at
	if w.due != 0 {
		w.at = w.due
	}
	past.want = append(slices.Clip(past.want), w)
	return nil
}

// heldOf finds the held grant of an award; below 0: it has none.
func (s *standing) heldOf(of factKey, rule string) int {
	return slices.IndexFunc(s.held.items, func(h heldAt) bool { return h.fact == of && h.rule == rule && h.part == 0 })
}

// correctHeld corrects a grant about which an operator is to decide. Where that was done by then nothing is done, or, if it was
// released, the rest is as with any other.
func (r *run) correctHeld(f *fact, p *programme.Programme) (done bool, err error) {
	c, s := f.award.corrects, r.s
	i := s.heldOf(c.of, f.award.rule)
	if err := r.settleFate(f, i >= 0); err != nil {
		return true, err
	}
	h := heldAt{due: noDue, fact: c.of, rule: f.award.rule, booked: c.of.at}
	switch c.fate {
	case settled, released:
		return false, nil
	case rejected:
		return true, nil
	case held:
		h = s.held.items[i]
		s.held.removeAt(i)
		s.pending -= h.available
		s.heldTier -= h.tier
	case reviewed:
		if r.account.ledger.expires {
			h.level = int32(r.level) // few
		}
	}
	if h.available, h.tier = c.points, c.tierOf; c.points != 0 || c.tierOf != 0 {
		s.held.add(h)
	}
	if err := s.recount(&r.account.ledger.counting, f.award.rule, c.of.at, p, c.counted, c.counts); err != nil {
		return true, err
	}
	if s.pending, err = addInt(s.pending, h.available); err != nil {
		return true, err
	}
	if s.heldTier, err = addInt(s.heldTier, h.tier); err != nil {
		return true, err
	}
	if err := s.releasable(); err != nil || r.silent {
		return true, err
	}
	return true, r.correct(f)
}

// settleFate notes whether somebody has decided meanwhile, by an answer of before the correction. Where that lies before what is
// decided again it was noted then.
func (r *run) settleFate(f *fact, isHeld bool) error {
	c := f.award.corrects
	if r.silent || isHeld || c.fate == reviewed {
		return nil
	}
	past, err := r.account.factAt(c.of)
	if err != nil || past == nil || !past.decided {
		return err
	}
	for i := range past.want {
		w := &past.want[i]
		if w.rule != f.award.rule || w.part != 0 || w.answered == nil {
			continue
		}
		is, expires := rejected, int64(0)
		if w.answered.released {
			is, expires = released, w.expires
		}
		if c.fate != is || c.expires != expires {
			c.fate, c.expires = is, expires
			r.account.change(f)
		}
	}
	return nil
}

// countAt adds points to all metrics that go by them, at an instant of the past, as far as they still reach there.
func (r *run) countAt(p *programme.Programme, now, at, amount int64) error {
	zone := r.s.zone(p)
	for i := range r.s.metrics {
		m := &r.s.metrics[i]
		if m.kind.by() != programme.ByPoints || amount == 0 {
			continue
		}
		if m.kind.span() != programme.CalendarYear {
			if err := m.count(at, amount, zone); err != nil {
				return err
			}
			m.settle()
			m.forget(r.account.ledger.measured, now, zone)
			continue
		}
		var err error
		if m.total, err = addInt(m.total, amount); err != nil {
			return err
		}
		m.turn(programme.PerYear.Number(time.UnixMilli(now), zone))
		switch programme.PerYear.Number(time.UnixMilli(at), zone) {
		case m.year:
			m.current += amount
		case m.year - 1:
			m.before += amount
		}
	}
	return nil
}

// What the first byte of a stored correction says.
const (
	corrects  = 1 << iota // there is one
	isNamed               // the ids of the award's grants follow
	hasFate               // an operator is to decide about it: its fate follows
	isCounted             // limits count something else of it: what they did and what they do follows
)

func (c *correction) encode(w *writer, named bool) {
	var says byte
	if c != nil {
		says = corrects
	}
	if named {
		says |= isNamed
	}
	if c != nil && c.fate != settled {
		says |= hasFate
	}
	if c != nil && c.counted != c.counts {
		says |= isCounted
	}
	if w.byte(says); c == nil {
		return
	}
	w.varint(c.of.at)
	w.string(c.of.event)
	w.varint(c.available)
	w.varint(c.tier)
	w.varint(c.points)
	w.varint(c.tierOf)
	w.varint(c.expires)
	if c.fate != settled {
		w.byte(byte(c.fate))
	}
	if c.counted != c.counts {
		w.varint(c.counted)
		w.varint(c.counts)
	}
}

func decodeCorrection(r *reader) (c *correction, named bool) {
	says := r.byte()
	if named = says&isNamed != 0; says&corrects == 0 {
		return nil, named
	}
	c = &correction{
		of: factKey{at: r.varint(), kind: awardFact, event: r.string()}, available: r.varint(), tier: r.varint(), points: r.varint(), tierOf: r.varint(),
		expires: r.varint(),
	}
	if says&hasFate != 0 {
		if c.fate = fate(r.byte()); c.fate > rejected {
			r.fail("fate of a correction")
		}
	}
	if says&isCounted != 0 {
		c.counted, c.counts = r.varint(), r.varint()
	}
	return c, named
}
