package rules

import (
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about held grants: how long they are held, and how they are released or rejected: by time, by a status of their
// order, or by somebody's command.

// answer is what becomes of a held grant.
type answer struct {
	at       int64
	released bool   // else it is rejected
	event    string // whose doing it is; empty: time's
	why      string // empty: the hold is over
}

// holdOf says until when a grant is held, and by what it may be answered before; a zero due time: it is not held.
func (r *run) holdOf(c *candidate, f *fact, p *programme.Programme, now time.Time) (heldAt, error) {
	hold, zone := c.rule.Hold, now.Location()
	switch {
	case c.review != nil || hold.Review:
		return heldAt{due: noDue}, nil
	case hold.Until != "" && f.order != nil:
		reached, err := r.account.reachedBefore(f, hold.Until, p)
		if err != nil || reached {
			c.atOnce = reached
			return heldAt{}, err
		}
		return heldAt{due: hold.Within.AddTo(now, zone).UnixMilli(), status: awaited(hold.Until, f.order.id), rejects: !hold.Release}, nil
	case !hold.For.IsZero():
		return heldAt{due: hold.For.AddTo(now, zone).UnixMilli()}, nil
	}
	return heldAt{}, nil
}

// awaited is what a grant that waits for a status of an order is found by.
func awaited(status schemas.OrderStatus, order string) uint64 {
	return hashID(orderID, statusNumber(status), order)
}

// reachedBefore says whether an order had a status before it earned. As with refunds, what lies further from the order than
// return_window does not count: it may be folded away.
func (a *Account) reachedBefore(f *fact, status schemas.OrderStatus, p *programme.Programme) (bool, error) {
	if !a.gapless && !a.knows(orderHash(status, f.order.id)) { // in memory there may be an event that is being decided just now
		return false, nil
	}
	if err := a.loadSince(f.key.at); err != nil {
		return false, err
	}
	return slices.ContainsFunc(a.siblingsOf(f), func(x *fact) bool {
		return x.order.status == status && x.key.compare(f.key) < 0 && a.honours(p, f.key.at, x.key.at)
	}), nil
}

// release answers all grants whose hold ends at an instant. It returns the fact of the last of them.
func (r *run) release(at int64) (last factKey, err error) {
	n := r.s.held.notAfter(at)
	released, rejected := &answer{at: at, released: true}, (*answer)(nil)
	for _, h := range r.s.held.items[:n] {
		last = h.fact
		because := released
		if h.rejects {
			if rejected == nil {
				rejected = &answer{at: at}
			}
			because = rejected
		}
		if err := r.answer(h, because); err != nil {
			return last, err
		}
	}
	r.s.held.takeFront(n)
	return last, nil
}

// fulfil releases what waits for the status that an order has now.
func (r *run) fulfil(f *fact) error {
	if f.order == nil || f.refunds() {
		return nil
	}
	waits := awaited(f.order.status, f.order.id)
	if !slices.ContainsFunc(r.s.held.items, func(h heldAt) bool { return h.status == waits }) {
		return nil
	}
	because := &answer{at: f.key.at, released: true, event: f.key.event, why: fmt.Sprintf("order %s is %s", f.order.id, f.order.status)}
	return r.answerSome(f, because, func(h *heldAt) bool { return h.status == waits })
}

// answerSome answers the held grants that an event is about, and looks at the tier.
func (r *run) answerSome(f *fact, because *answer, which func(*heldAt) bool) error {
	held, total := &r.s.held, int64(0)
	v := r.account.ledger.at(f.key.at)
	for i := 0; i < held.len(); {
		h := held.items[i]
		if !which(&h) {
			i++
			continue
		}
		if total == 0 {
			if err := r.see(v, r.s.local(f.key.at, v.programme)); err != nil { // rises see the member before the event
				return err
			}
		}
		if err := r.answer(h, because); err != nil {
			return err
		}
		held.removeAt(i)
		total += max(h.available, h.tier)
	}
	if total == 0 {
		return nil
	}
	if r.explain == f {
		r.passed.granted = because.released
		r.passed.reason = because.why + ": " + pointsText(total) + " " + map[bool]string{true: "released", false: "rejected"}[because.released]
	}
	return r.look(v, f.key.at, f.key)
}

// answer enters in the standing, and in what its fact wants, what becomes of a held grant. The caller takes it out of the list.
func (r *run) answer(h heldAt, a *answer) error {
	s, p := r.s, r.account.ledger.at(a.at).programme
	s.pending -= h.available
	s.heldTier -= h.tier
	if a.released {
		expiry := h.expiry(r.account.ledger)
		w := wanted{rule: h.rule, part: h.part, available: h.available, booked: h.booked, expires: endOf(expiry, s.local(a.at, p))}
		if err := r.earn(h.fact, &w, a.at, expiry); err != nil {
			return err
		}
		if err := r.count(p, a.at, programme.ByPoints, h.tier); err != nil {
			return err
		}
	} else if err := s.recount(&r.account.ledger.counting, h.rule, h.booked, p, max(h.available, h.tier), 0); err != nil {
		return err
	}
	if r.silent {
		return nil
	}
	f, err := r.account.holder(h.fact)
	if err != nil || f == nil { // folded away: it was answered by time before that (R4)
		return err
	}
	r.touch(f)
	if a.event == "" {
		withoutRises(f, a.at)
	} else if h.due != noDue { // nor is what its own time would have brought
		withoutRises(f, h.due)
	}
	i := slices.IndexFunc(f.want, func(w wanted) bool { return w.rule == h.rule && w.part == h.part })
	if i < 0 { // nothing was written for it: when it was first decided its hold had run out already
		i = len(f.want)
		f.want = append(slices.Clip(f.want), wanted{rule: h.rule, part: h.part, booked: h.booked, at: h.booked})
	}
	w := &f.want[i]
	w.available, w.pending, w.tier, w.due, w.expires, w.expired, w.answered = 0, 0, 0, 0, 0, 0, a
	if a.released {
		w.available, w.tier, w.at = h.available, h.tier, a.at
		w.expires = endOf(h.expiry(r.account.ledger), s.local(a.at, p))
	}
	return nil
}

// holdText says how long a rule's grants are held.
func holdText(hold programme.Hold) string {
	switch {
	case hold.Review:
		return "until an operator releases it"
	case hold.Until != "":
		otherwise := "rejected"
		if hold.Release {
			otherwise = "released"
		}
		return fmt.Sprintf("until the order is %s, within %s, else %s", hold.Until, hold.Within, otherwise)
	default:
		return "for " + hold.For.String()
	}
}

// answerText says why a held grant was released or rejected.
func answerText(a *answer, hold programme.Hold) string {
	switch {
	case a.why != "":
		return a.why
	case hold.Until != "":
		return fmt.Sprintf("the order was not %s within %s", hold.Until, hold.Within)
	default:
		return fmt.Sprintf("the hold of %s is over", hold.For)
	}
}
