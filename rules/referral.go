package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about invitations as the account of the member sees it who was invited. What the referrer gets is the
// referrer's account's to grant (award.go): it is asked for, and asked for anew whenever deciding again comes to something
// else. What was asked last is stored with the fact that earns it, as what was written for its grants is.

// referralEvent is what decisions need of a Referral.
type referralEvent struct{ referrer, code string }

// invitation is the referral that counts for a member, the earliest.
type invitation struct {
	event    string
	referrer string
	code     string

	sameDevice bool   // of the two members
	waits      bool   // thresholds have not all answered
	denied     string // by them, and why; empty: it is not
	heldBy     string // the threshold that holds what it earns; empty: none does
	heldWhy    string
}

func invalidReferral(e *schemas.Referral) string {
	switch {
	case e.ReferrerID == "":
		return "referrer_id is missing: nobody has invited"
	case len(e.ReferrerID) > maxID:
		return fmt.Sprintf("referrer_id has %d bytes, more than %d", len(e.ReferrerID), maxID)
	}
	return ""
}

// invite works out which rules listen to the first order of somebody who was invited: those on orders, and with them in the
// order of the file those on referrals that wait for it.
func (v *version) invite() {
	for _, i := range v.referrals {
		if v.programme.Rules[i].After == programme.AfterFirstOrder {
			v.firstOrders = append(v.firstOrders, i)
		}
	}
	if len(v.firstOrders) > 0 {
		v.firstOrders = append(v.firstOrders, v.orders...)
		slices.Sort(v.firstOrders)
	}
}

// passReferral takes in the earliest referral, and asks the rules that earn at it.
func (r *run) passReferral(f *fact) error {
	v, s := r.account.ledger.at(f.key.at), r.s
	switch {
	case f.referral.referrer == r.account.member:
		r.unasked(f, "nobody can invite themselves")
		return nil
	case s.invited != nil:
		r.unasked(f, "the earliest invitation counts, which is event %s by %s", s.invited.event, shown(s.invited.referrer))
		return nil
	}
	s.invited = &invitation{event: f.key.event, referrer: f.referral.referrer, code: f.referral.code}
	now := s.local(f.key.at, v.programme)
	if err := r.see(v, now); err != nil {
		return err
	}
	r.s.invited.sameDevice = f.sameDevice()
	r.seeReferral()
	if err := r.ask(v, v.referrals, f, now, remains{}); err != nil {
		return err
	}
	r.check(f)
	if err := r.request(f, v.programme); err != nil {
		return err
	}
	return r.look(v, f.key.at, f.key)
}

// check notes with the invitation what thresholds said to it, as it may earn later.
func (r *run) check(f *fact) {
	by := r.s.invited
	if by.waits = f.waits(); f.review() != nil {
		by.heldBy, by.heldWhy = f.review().threshold, f.review().measured
	}
	for i := range f.rulings {
		if u := &f.rulings[i]; u.action == programme.ActionDeny || u.action == programme.ActionBlock {
			by.denied = "the invitation is denied by " + u.why()
			return
		}
	}
}

// mayEarn says whether the invitation may earn at the order of the pass; where not the candidate has the reason.
func (by *invitation) mayEarn(c *candidate) bool {
	switch {
	case by.waits:
		c.why.kind = invitationWaits
	case by.denied != "":
		c.why = because{kind: deniedEvent, failed: errors.New(by.denied)}
	default:
		if c.review == nil && by.heldBy != "" {
			c.review = &ruling{threshold: by.heldBy, action: programme.ActionHold, measured: by.heldWhy}
		}
		return true
	}
	return false
}

func (by *invitation) saveChecked(w *writer) {
	if !by.sameDevice && !by.waits && by.denied == "" && by.heldBy == "" {
		return
	}
	w.byte(tagChecked)
	w.bool(by.sameDevice)
	w.bool(by.waits)
	w.string(by.denied)
	w.string(by.heldBy)
	w.string(by.heldWhy)
}

func (s *standing) loadChecked(r *reader) {
	if s.invited == nil {
		r.fail("invitation")
		return
	}
	by := s.invited
	by.sameDevice, by.waits, by.denied, by.heldBy, by.heldWhy = r.bool(), r.bool(), r.string(), r.string(), r.string()
}

func (r *run) seeReferral() {
	r.referral = programme.ReferralView{Code: r.s.invited.code, SameDevice: r.s.invited.sameDevice}
	r.scope.Referral = &r.referral
}

// waitsForOrder says why a rule that earns at the first order does not earn at the referral.
func (r *run) waitsForOrder() reasonKind {
	if r.s.orders > 0 {
		return noNewCustomer
	}
	return firstOrderAwaited
}

// firstOrder is which rules listen to the order of the pass: to order number 1 of somebody who was invited before it also those
// on referrals.
func (r *run) firstOrder(v *version) []int {
	if r.s.invited == nil || r.s.orders > 0 || len(v.firstOrders) == 0 {
		return v.orders
	}
	r.seeReferral()
	return v.firstOrders
}

// requested is what a fact of the run asks of another account.
type requested struct {
	fact     *fact
	rule, to string
	points   int64
	review   *ruling // which holds them until an operator decides; nil: none does
}

// request notes what the referrer is to have by the rules that were just asked. Chance and thresholds have their say here, for
// both sides, and groups and boosts for this side by its own points; limits have it there.
func (r *run) request(f *fact, p *programme.Programme) error {
	if r.scope.Referral == nil || r.silent || r.waiting {
		return nil
	}
	side := referrersSide(r.cands)
	bestOfGroups(side, false)
	boost(side, p)
	for i := range side {
		c := &r.cands[i]
		if side[i].amount.isZero() {
			continue
		}
		points, err := side[i].amount.round(p.Rounding)
		if err != nil {
			return err
		}
		switch {
		case points == 0:
		case !r.lucky(c, f):
			c.why.kind = notDrawn // said already where the member's own side was drawn
		default:
			c.asked = points
			r.requests = append(r.requests, requested{f, c.rule.ID, r.s.invited.referrer, points, c.review})
		}
	}
	return nil
}

// referrersSide is what rules have come to for who invited, before groups and boosts.
func referrersSide(cands []candidate) []candidate {
	side := make([]candidate, len(cands))
	for i := range cands {
		c := &cands[i]
		side[i] = candidate{rule: c.rule, index: c.index, met: c.met && c.rule.On == programme.OnReferral, parts: 1}
		if side[i].met && c.rule.Earn != nil {
			side[i].amount = exactInt(c.rule.Earn.Referrer)
		}
	}
	return side
}

// asked is what a fact has asked of another account by a rule.
type asked struct {
	rule, to string
	points   int64
	revision int64
	heldBy   string // the threshold that holds them; empty: none does
}

// askedList is what a fact has asked for, in the order in which it first was.
type askedList []asked

func (l *askedList) all() []asked {
	if l == nil {
		return nil
	}
	return *l
}

// askedOf finds or makes what a fact has asked of an account by a rule. The pointer holds until the next call.
func (f *fact) askedOf(rule, to string) *asked {
	if f.asked == nil {
		f.asked = &askedList{}
	}
	list := *f.asked
	for i := range list {
		if list[i].rule == rule && list[i].to == to {
			return &list[i]
		}
	}
	*f.asked = append(list, asked{rule: rule, to: to})
	return &(*f.asked)[len(list)]
}

// requests asks other accounts for what has changed. What is taken back comes first: it makes room in limits. But where a refund may
// not take all, what is given in its place comes first: that is what it can take.
func (d *deciding) requests(r *run) {
	givesFirst := d.account.ledger.claws && d.fact != nil && d.fact.refunds()
	if givesFirst {
		d.giveRequests(r)
	}
	d.takeRequests(r)
	if !givesFirst {
		d.giveRequests(r)
	}
}

func (d *deciding) takeRequests(r *run) {
	for _, f := range r.asked {
		for i := range *f.asked {
			a := &(*f.asked)[i]
			still := func(q requested) bool { return q.fact == f && q.rule == a.rule && q.to == a.to }
			if a.points != 0 && !slices.ContainsFunc(r.requests, still) {
				d.request(f, a, requested{})
			}
		}
	}
}

func (d *deciding) giveRequests(r *run) {
	for _, q := range r.requests {
		a := q.fact.askedOf(q.rule, q.to)
		if a.points != q.points || a.heldBy != q.heldBy() {
			d.request(q.fact, a, q)
		}
	}
}

func (q *requested) heldBy() string {
	if q.review == nil {
		return ""
	}
	return q.review.threshold
}

// request asks another account once more, with the next revision.
func (d *deciding) request(f *fact, a *asked, q requested) {
	a.points, a.heldBy = q.points, q.heldBy()
	a.revision++
	d.account.change(f)
	if a.to == erasedMember { // nobody is there to be asked
		return
	}
	e := schemas.Effect{
		MemberID: a.to, FromMember: d.account.member, RuleID: a.rule, OccurredAt: instantUTC(f.key.at), Revision: a.revision, Points: a.points,
		Source:           f.source(),
		HeldBy:           a.heldBy,
		Cause:            d.fact.cause(),
		CausedAt:         instantUTC(d.fact.causedAt()),
		Reason:           d.causeText(),
		ProgrammeVersion: d.account.ledger.at(f.key.at).programme.Version, DecidedAt: d.now,
	}
	if q.review != nil {
		e.HeldWhy = q.review.measured
	}
	if d.fact.refunds() {
		e.Refunds = 1
	}
	d.out.Requests = append(d.out.Requests, e)
}

// cause is the event that a fact is, or that made what another account asked for.
func (f *fact) cause() string {
	if f.award != nil {
		return f.award.cause
	}
	return f.key.event
}

// causedAt is when that happened, in the order of facts.
func (f *fact) causedAt() int64 {
	if f.award != nil {
		return max(f.key.at, f.award.causedAt)
	}
	return f.key.at
}

func (f *fact) encodeAsked(w *writer) {
	w.uvarint(uint64(len(*f.asked)))
	for _, a := range *f.asked {
		w.string(a.rule)
		w.string(a.to)
		w.varint(a.points)
		w.varint(a.revision)
		w.string(a.heldBy)
	}
}

func (f *fact) decodeAsked(r *reader) {
	list := make(askedList, r.count())
	f.asked = &list
	for i := range list {
		list[i] = asked{rule: r.string(), to: r.string(), points: r.varint(), revision: r.varint(), heldBy: r.string()}
	}
}

// ReferralRow is an invitation.
type ReferralRow struct {
	Referrer string `json:"referrer"`
	Code     string `json:"code,omitempty"`
}

// AskedRow is what an event has asked of another member's account.
type AskedRow struct {
	Member   string `json:"member"`
	Rule     string `json:"rule"`
	Points   int64  `json:"points"`
	Revision int64  `json:"revision"`
}

// AwardRow is what another member's account has asked for.
type AwardRow struct {
	From     string    `json:"from"`
	Rule     string    `json:"rule"`
	Points   int64     `json:"points"`
	Revision int64     `json:"revision"`
	Cause    string    `json:"cause"`
	CausedAt time.Time `json:"caused_at"`
}

func (d *FactRow) describeAward(a *award) {
	d.EventID, d.OrderID = a.source, a.order
	d.Award = &AwardRow{shown(a.from), a.rule, a.points, a.revision, a.cause, instantUTC(a.causedAt)}
}
