package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what is spent, given back and expires, where the programme follows it. The wallet has written down itself
// what it spent: that is no entry. Expiry is one. A redemption has its place among the facts, so that a late order whose points
// would have been spent first is spent first.

// redemptionEvent is what decisions need of a Redemption.
type redemptionEvent struct {
	returned bool // else it was spent
	points   int64
	id       string // what a RETURNED names; a SPENT without one is found by its event_id
}

func redemptionOf(r *schemas.Redemption) *redemptionEvent {
	e := &redemptionEvent{returned: r.Kind == redemptionWords[1], points: r.Points, id: r.RedemptionID}
	if e.id == "" {
		e.id = r.EventID
	}
	return e
}

//nolint:gochecknoglobals // never changed
var redemptionWords = [...]string{"SPENT", "RETURNED"}

func (e *redemptionEvent) word() string {
	if e.returned {
		return redemptionWords[1]
	}
	return redemptionWords[0]
}

// hash is what a redemption is found by.
func (e *redemptionEvent) hash() uint64 { return max(hashID(redemptionID, 0, e.id), 1) }

func invalidRedemption(r *schemas.Redemption) string {
	switch {
	case !slices.Contains(redemptionWords[:], r.Kind):
		return fmt.Sprintf("kind is %q, which is neither SPENT nor RETURNED", r.Kind)
	case r.Points <= 0:
		return fmt.Sprintf("points are %d; a %s needs at least 1", r.Points, r.Kind)
	case len(r.RedemptionID) > maxID:
		return fmt.Sprintf("redemption_id has %d bytes, more than %d", len(r.RedemptionID), maxID)
	case r.Kind == redemptionWords[1] && r.RedemptionID == "":
		return "redemption_id is missing: a RETURNED names what it returns"
	}
	return ""
}

// passRedemption takes what was spent, or puts back what was returned. A redemption can be returned for as long as orders are
// remembered (remember_orders).
func (r *run) passRedemption(f *fact) error {
	e, at, v := f.redemption, f.key.at, r.account.ledger.at(f.key.at)
	zone := r.s.zone(v.programme)
	if err := r.see(v, time.UnixMilli(at).In(zone)); err != nil {
		return err
	}
	r.s.lots.forget(v.programme.RememberOrders.SubFrom(time.UnixMilli(at), zone).UnixMilli())
	var err error
	if e.returned {
		err = r.giveBack(f)
	} else {
		err = r.spend(f)
	}
	if err != nil {
		return err
	}
	return r.look(v, at, f.key)
}

func (r *run) spend(f *fact) error {
	e, s := f.redemption, r.s
	points, err := addInt(s.points, -e.points)
	if err != nil {
		return err
	}
	s.points = points
	owed := s.lots.spend(e.hash(), e.points, f.key.at)
	if owed == e.points {
		s.lots.taken.add(takenAt{f.key.at, e.hash(), 0, 0}) // so that it stays known when the debt is paid off
	}
	if owed > 0 {
		r.unasked(f, "%s spent, %d more than there were: later points pay them off, %d are owed in all", pointsText(e.points), owed, -points)
	} else {
		r.unasked(f, "%s spent, %d are left", pointsText(e.points), points)
	}
	return nil
}

func (r *run) giveBack(f *fact) error {
	e, s := f.redemption, r.s
	if !s.lots.knows(e.hash()) {
		r.unasked(f, "redemption %s is not known by then; if it comes, this will count", e.id)
		return nil
	}
	expired := int64(0)
	back, err := s.lots.giveBack(e.hash(), e.points, f.key.at, func(x *lot, n int64) error {
		expired += n
		return r.gone(x)
	})
	if err != nil {
		return err
	}
	if s.points, err = addInt(s.points, back-expired); err != nil {
		return err
	}
	switch text := pointsText(back) + " of redemption " + e.id + " given back"; {
	case back == 0:
		r.unasked(f, "all points of redemption %s were given back before", e.id)
	case back < e.points:
		r.unasked(f, "%s: no more was left of it than that, %d were asked for%s", text, e.points, expiredText(expired))
	default:
		r.unasked(f, "%s%s", text, expiredText(expired))
	}
	return s.releasable()
}

func expiredText(points int64) string {
	if points == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of them have expired meanwhile", points)
}

// earn enters in the standing what a grant makes available at an instant; below 0 it is what somebody takes by hand.
// expiry is that of the points; of interest is when they are told to end.
func (r *run) earn(f factKey, w *wanted, at int64, expiry *programme.Expiry) error {
	s := r.s
	points, err := addInt(s.points, w.available)
	if err != nil {
		return err
	}
	s.points = points
	if w.available > 0 && w.expires != 0 && expiry != nil && len(expiry.Notice) > 0 {
		if err := s.announce(expiry, w, at, r.account.ledger.at(at).programme); err != nil {
			return err
		}
	}
	switch {
	case s.lots == nil || w.available == 0:
	case w.available < 0:
		s.lots.spend(0, -w.available, at)
	default:
		s.lots.add(lot{expires: w.expires, booked: w.booked, fact: f, rule: w.rule, part: w.part, granted: w.available}, at)
	}
	return nil
}

// expire lets all points go that expire at an instant.
func (r *run) expire(at int64) error {
	l := r.s.lots
	l.own()
	for len(l.open) > 0 && l.open[0].expires <= at {
		x := l.open[0]
		l.open = l.open[1:]
		r.s.points -= x.left // there are as many: while lots are open there is no debt
		x.left, x.expired = 0, x.expired+x.left
		if err := r.gone(&x); err != nil {
			return err
		}
		l.close(x)
	}
	return nil
}

// gone enters in what its fact wants how much of a grant has expired.
func (r *run) gone(x *lot) error {
	if r.silent {
		return nil
	}
	f, err := r.account.holder(x.fact)
	if err != nil {
		return err
	}
	if f == nil {
		return fmt.Errorf("expire what rule %s granted for event %s: %w", x.rule, x.fact.event, errNoHolder)
	}
	r.touch(f)
	i := slices.IndexFunc(f.want, func(w wanted) bool { return w.rule == x.rule && w.part == x.part })
	if i < 0 {
		return fmt.Errorf("expire what rule %s granted for event %s: %w", x.rule, x.fact.event, errNoHolder)
	}
	w := &f.want[i]
	w.available, w.expired = x.granted-x.expired, x.expired
	return nil
}

var errNoHolder = errors.New("nothing is known of the grant")

// unexpire makes of all grants that the standing knows what they were then: what has expired behind it may not do so this time.
func (r *run) unexpire() error {
	if r.s.lots == nil || r.silent {
		return nil
	}
	var written []*lot
	if !r.account.ledger.claws { // else the head may be what a refund would have come to that may not take so much
		written = r.account.head.lots.byNumber()
	}
	for _, list := range [...][]lot{r.s.lots.open, r.s.lots.closed} {
		for i := range list {
			x := &list[i]
			if y := numbered(written, x.number); y != nil && x.isAs(y) {
				continue // as nearly all: their facts need not be read
			}
			f, err := r.account.holder(x.fact)
			if err != nil {
				return err
			}
			if f == nil {
				return fmt.Errorf("decide again what rule %s granted for event %s: %w", x.rule, x.fact.event, errNoHolder)
			}
			if g := f.grantOf(x.rule, x.part); g != nil && (g.expired != x.expired || g.available != x.granted-x.expired) {
				if err := r.gone(x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// remnant is what is kept of a fact that is folded away while something of its grants is left: what entries need.
func (f *fact) remnant() *fact {
	f.rulings, f.met, f.device, f.memo = nil, nil, "", nil
	switch {
	case f.order != nil:
		f.order = &orderEvent{id: f.order.id, status: f.order.status}
	case f.checkIn != nil:
		f.checkIn = &checkInEvent{activity: f.checkIn.activity}
	}
	return f
}

// unexpired is what was wanted before some points expired.
func (w *wanted) unexpired(points int64) *wanted {
	before := *w
	before.available += points
	before.expired -= points
	return &before
}

// expiryReason says in words why points have expired.
func (d *deciding) expiryReason(f *fact, g *grant, points int64) string {
	end := time.UnixMilli(g.expires).In(d.account.head.zone(d.account.ledger.at(f.at()).programme)).Format("2006-01-02 15:04")
	if e := d.fact; e != nil && e.redemption != nil && e.redemption.returned && e.key.at >= g.expires {
		return fmt.Sprintf("%s of redemption %s came back after they had expired, at %s", pointsText(points), e.redemption.id, end)
	}
	return fmt.Sprintf("%s expired at %s, not spent by then", pointsText(points), end)
}

func (e *redemptionEvent) encode(w *writer) {
	flags := byte(0)
	if e.returned {
		flags = 1
	}
	w.byte(flags)
	w.varint(e.points)
	w.string(e.id)
}

func decodeRedemption(r *reader) *redemptionEvent {
	e := &redemptionEvent{}
	switch r.byte() {
	case 0:
	case 1:
		e.returned = true
	default:
		r.fail("kind of redemption")
	}
	e.points, e.id = r.varint(), r.string()
	return e
}
