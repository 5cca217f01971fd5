package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accrue/schemas"
)

// Handle decides one event: exactly one decision, whatever the event, and the entries and tier changes that follow, all of
// it into out. Where answers are needed from elsewhere out.Requests asks for them, and there is no decision yet: it comes with
// the last answer (Take), or when that is given up (Advance). An error means that rows could not be read, or that the account contradicts itself (*Broken); nothing was
// decided then.
func (a *Account) Handle(e Event, out *Outcome) error {
	d := a.begin(&e, out)
	if a.erased != 0 {
		d.sayErased()
		return nil
	}
	if why := a.invalid(&e); why != "" {
		d.only(schemas.OutcomeInvalid, why)
		return nil
	}
	if e.Redemption != nil && !a.ledger.follows {
		d.only(schemas.OutcomeNothing, "the programme does not follow what is spent (`redemptions: true` would); the wallet does")
		return nil
	}
	if e.Command != nil && commandKindOf(e.Command.Kind) == commandErase {
		return a.erase(d)
	}
	f := newFact(&e)
	if f == nil {
		d.only(schemas.OutcomeNothing, "no rule of this programme listens to such events")
		return nil
	}
	return a.handle(d, f)
}

// begin starts to decide an event.
func (a *Account) begin(e *Event, out *Outcome) *deciding {
	out.reset()
	a.drawing.reset()
	_, _, occurredAt := e.head()
	d := &deciding{account: a, out: out, event: e, now: e.Now}
	if d.now.IsZero() {
		d.now = occurredAt
	}
	return d
}

// handle decides an event that is well formed.
func (a *Account) handle(d *deciding, f *fact) error {
	d.fact = f
	if answered, err := a.seen(d, f); err != nil || answered {
		return err
	}
	if a.count >= MaxFacts && (!f.refunds() || a.count >= MaxFacts+MaxRefunds) {
		d.only(schemas.OutcomeInvalid, fmt.Sprintf("the member has %d events within the window, the most that are kept", a.count))
		d.out.Full = true
		return nil
	}
	return a.accept(d, f)
}

// newFact turns an event into a fact; nil where no rule of this version can listen to it.
func newFact(e *Event) *fact {
	f := &fact{semantics: semantics, topic: e.Source.Topic, partition: e.Source.Partition, offset: e.Source.Offset, unruled: true}
	switch {
	case e.Order != nil:
		o := e.Order
		f.key, f.device = factKey{o.OccurredAt.UnixMilli(), orderFact, o.EventID}, o.DeviceID
		f.order = &orderEvent{
			id: o.OrderID, status: o.Status, currency: o.Currency, channel: o.Channel, store: o.Store, coupons: o.Coupons,
			lines: o.Lines, refunded: o.RefundedLines, attributes: attributesOf(o.Attributes),
		}
	case e.Profile != nil:
		f.key, f.profile = profileOf(e)
	case e.Command != nil:
		f.key, f.command = factKey{e.Command.OccurredAt.UnixMilli(), commandFact, e.Command.EventID}, commandOf(e.Command)
	case e.Redemption != nil:
		f.key, f.redemption = factKey{e.Redemption.OccurredAt.UnixMilli(), redemptionFact, e.Redemption.EventID}, redemptionOf(e.Redemption)
	case e.Referral != nil:
		ref := e.Referral
		f.key, f.device = factKey{ref.OccurredAt.UnixMilli(), referralFact, ref.EventID}, ref.DeviceID
		f.referral = &referralEvent{referrer: ref.ReferrerID, code: ref.Code}
	case e.CheckIn != nil:
		c := e.CheckIn
		f.key, f.device = factKey{c.OccurredAt.UnixMilli(), checkInFact, c.EventID}, c.DeviceID
		f.checkIn = &checkInEvent{c.Activity, c.Channel, c.Store, attributesOf(c.Attributes)}
	default:
		return nil
	}
	return f
}

// seen answers events that were there before, and those that come too late. Duplicates come first: what was decided once
// is answered so for as long as it is remembered.
func (a *Account) seen(d *deciding, f *fact) (bool, error) {
	if a.knows(eventHash(f.key.kind, f.key.event)) {
		known, err := a.hasEvent(f)
		if err != nil {
			return false, err
		}
		if known {
			return d.answer(schemas.OutcomeDuplicate, fmt.Sprintf("event %s was decided before", f.key.event)), nil
		}
	}
	if f.profile != nil {
		f.key.at = max(f.key.at, a.horizon()+1)
		return false, nil
	}
	if newest := a.lateFrom(); a.any && f.key.at < newest {
		p := a.ledger.at(newest).programme
		zone, err := a.zoneAt(newest, p)
		if err != nil {
			return false, err
		}
		if f.key.at <= max(p.ReturnWindow.SubFrom(time.UnixMilli(newest), zone).UnixMilli(), a.folded) {
			return d.answer(schemas.OutcomeLate, fmt.Sprintf("it happened more than %s before the member's newest event, of %s",
				p.ReturnWindow, time.UnixMilli(newest).UTC().Format(time.RFC3339))), nil
		}
	}
	if f.order == nil {
		return false, nil
	}
	if a.isSealed(f.order.id) && f.order.status == a.ledger.at(f.key.at).programme.EarnOn {
		return d.answer(schemas.OutcomeDuplicate, fmt.Sprintf("order %s was decided before", f.order.id)), nil
	}
	if f.order.status != schemas.Refunded && a.knows(orderHash(f.order.status, f.order.id)) {
		if err := a.loadOrder(f.order.id, f.key.at); err != nil {
			return false, err
		}
		// Of two events of one status the earlier stands, whichever arrives first; only the later one is the duplicate.
		for _, other := range a.ofOrder(f.order.id) {
			if other.order.status == schemas.Cancelled && f.order.status == schemas.Cancelled {
				d.again = fmt.Sprintf("order %s is %s by event %s already", f.order.id, f.order.status, other.key.event)
			}
			if other.order.status == f.order.status && a.earns(other) == a.earns(f) && other.key.compare(f.key) < 0 && a.inEffect(other) {
				return d.answer(schemas.OutcomeDuplicate, fmt.Sprintf("order %s is %s since event %s", f.order.id, f.order.status, other.key.event)), nil
			}
		}
	}
	return false, nil
}

// inEffect says whether an event makes a later one of its order and status a duplicate. A cancellation that is too far from
// its order does not, as a later one may be near enough.
func (a *Account) inEffect(f *fact) bool {
	if f.order.status != schemas.Cancelled {
		return true
	}
	order := a.standsFor(f.order.id)
	return order != nil && a.honours(a.ledger.at(order.key.at).programme, order.key.at, f.key.at)
}

// hasEvent confirms a hit among the short hashes: by the place that a redelivered event has, else in all facts.
func (a *Account) hasEvent(f *fact) (bool, error) {
	known, err := a.factAt(f.key)
	if err != nil {
		return false, fmt.Errorf("look up event %q of member %q: %w", f.key.event, a.member, err)
	}
	if known != nil {
		return true, nil
	}
	if err := a.load(); err != nil {
		return false, err
	}
	return slices.ContainsFunc(a.facts, func(x *fact) bool { return x.key.kind == f.key.kind && x.key.event == f.key.event }), nil
}

// accept puts a new fact in its place and decides what changes by it.
func (a *Account) accept(d *deciding, f *fact) error {
	// What falls due up to the event comes before it, and is not the event's doing.
	if err := a.fallDue(d.out, f.dueBefore(), d.now); err != nil {
		return err
	}
	person := a.person
	d.undo = func() { a.person = person }
	another, err := a.learn(f)
	if err != nil {
		return err
	}
	from, err := a.changesFrom(f)
	if err != nil {
		return err
	}
	if another {
		from = 0
	}
	if err := a.completeOrder(f); err != nil {
		return err
	}
	a.insert(f)
	r := a.newRun()
	defer r.free()
	r.explain, r.out, r.event = f, d.out, d.event
	before := a.head.tier
	if another {
		was := a.base.profile.coming
		d.tooLate = a.reschedule()
		d.undo = func() { a.person, a.base.profile.coming = person, was }
	}
	if from == atHead {
		r.s = a.head
		err = r.through([]*fact{f}, max(a.asOf, f.key.at))
	} else {
		err = a.decideRefund(r, f, from, max(a.asOf, f.key.at))
	}
	if err != nil {
		return a.refuse(d, f, from == atHead, err)
	}
	a.settled(f)
	if err := d.finish(r, before, from == atHead); err != nil {
		return err
	}
	if err := d.tellReferrer(f); err != nil {
		return err
	}
	if from == atHead {
		a.takeSnapshot(f)
	}
	return a.fold()
}

// settled enters an accepted fact in what is remembered.
func (a *Account) settled(f *fact) {
	f.unruled = false                       // where nothing was asked of the rules, nothing was measured, and never will be
	if f.profile == nil && f.award == nil { // nothing becomes late by what others do
		a.newest = max(a.newest, f.key.at)
	}
	a.asOf = max(a.asOf, f.key.at)
	a.any = true
	a.remember(eventHash(f.key.kind, f.key.event), f.key.at)
	if f.order != nil {
		a.remember(orderHash(f.order.status, f.order.id), f.key.at)
	}
	a.touched = true
}

// refuse takes a fact back that cannot be decided because an amount passes 64 bits. The account is as it was.
func (a *Account) refuse(d *deciding, f *fact, headSpoiled bool, cause error) error {
	a.remove(f)
	a.forgetSnapshots(0)
	if d.undo != nil {
		d.undo()
	}
	a.undecided()
	if !isOverflow(cause) {
		return cause
	}
	d.out.Alerts = d.out.Alerts[:0]
	if headSpoiled {
		if err := a.rebuild(); err != nil {
			return err
		}
	}
	if d.event == nil {
		d.out.Full = true
		return nil
	}
	d.only(schemas.OutcomeInvalid, cause.Error())
	return nil
}

// Advance lets happen what falls due up to an instant, which is included, into out. There is no decision in it, but where an event
// has waited too long for an answer: of such events one is decided at a time, so that Due may still be due.
func (a *Account) Advance(to, now time.Time, out *Outcome) error {
	out.reset()
	a.drawing.reset()
	if err := a.fallDue(out, to.UnixMilli(), now); err != nil {
		return err
	}
	return a.giveUp(&deciding{account: a, out: out, now: now}, to.UnixMilli())
}

func (a *Account) fallDue(out *Outcome, to int64, now time.Time) error {
	due, ok := a.head.next()
	if !ok || due > to {
		return nil
	}
	r := a.newRun()
	defer r.free()
	r.s = a.head
	before := a.head.tier
	if err := r.advance(to); err != nil {
		return &Broken{a.member, fmt.Errorf("let happen what fell due up to %s: %w", time.UnixMilli(to).UTC().Format(time.RFC3339), err)}
	}
	a.asOf = max(a.asOf, a.head.due)
	a.touched = true
	d := &deciding{account: a, out: out, now: now}
	return d.finish(r, before, true)
}

func isOverflow(err error) bool { return errors.Is(err, errOverflow) }
