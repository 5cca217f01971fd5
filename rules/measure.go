package rules

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file measures what fraud thresholds count. They count the facts of the window themselves, in (t − W, t]: these are kept
// at least as long as any threshold looks back, so folding takes nothing away that is counted, and there is no memory beside
// them, whose bound (MaxFacts) is theirs. Most events are answered from the instants of the ids in the head, which bound what
// could be counted, without reading a fact.

// measurement is what a threshold found.
type measurement struct {
	value, limit string
	text         string // in words
	events       []*fact
	devices      []string         // ascending; with distinct(device)
	told         []schemas.Number // the evidence, where it was counted elsewhere
}

// measure asks each threshold that listens about an event that has just arrived.
func (r *run) measure(v *version, listening []int, f *fact, now time.Time, rest remains) error {
	f.unruled = false
	if wait, err := r.askDevices(v, f); wait || err != nil {
		return err // the thresholds are asked once that is answered, as their conditions may ask for it
	}
	for _, i := range v.guards[f.trigger()] {
		t := v.programme.Fraud[i]
		if t.When != nil {
			met, err := t.When.Met(&r.scope)
			if err != nil || !met {
				continue // a condition that fails counts as not met
			}
			if t.Measure != 0 && t.By == programme.ByMember {
				f.met = append(f.met, t.ID)
			}
		}
		if t.Measure == 0 {
			r.account.alert(r.out, v, t, f, now, measurement{text: "its condition is met: " + t.When.Source})
			continue
		}
		if t.By != programme.ByMember {
			if err := r.askKey(v, t, listening, f, now, rest); err != nil {
				return err
			}
			continue
		}
		from := t.Within.SubFrom(now, now.Location()).UnixMilli()
		if r.account.fewIDs(t, from, f.key.at) {
			continue
		}
		if err := r.account.loadSince(from + 1); err != nil {
			return err
		}
		m, over, err := r.measured(v, t, listening, f, from, now, rest)
		if err != nil {
			return err
		}
		if over {
			r.account.alert(r.out, v, t, f, now, m)
		}
	}
	return nil
}

// trigger is what thresholds call the event; 0: none listens to such events.
func (f *fact) trigger() programme.Trigger {
	switch {
	case f.checkIn != nil:
		return programme.OnCheckIn
	case f.order != nil:
		return programme.OnOrder
	case f.referral != nil:
		return programme.OnReferral
	}
	return 0
}

// fewIDs says that the threshold cannot be passed, because there are too few events of any kind in its window, the new one
// counted: each has at least one id.
func (a *Account) fewIDs(t *programme.Threshold, from, to int64) bool {
	least := t.Over
	switch t.Measure {
	case programme.MeasureCount, programme.MeasureDevices, programme.MeasureMembers:
	case programme.MeasureRefunds:
		least = t.AtLeast - 1
	case programme.MeasurePoints, programme.MeasureAmount:
		return false
	}
	items := a.ids.items
	later := func(e idAt, at int64) int { // no two are equal, so that the search ends behind all that are not later
		if e.at() <= at {
			return -1
		}
		return 1
	}
	first, _ := slices.BinarySearchFunc(items, from, later)
	end, _ := slices.BinarySearchFunc(items, to, later)
	return int64(end-first)+1 <= least
}

// measured measures one threshold, the event counted, and says whether it is passed.
func (r *run) measured(v *version, t *programme.Threshold, listening []int, f *fact, from int64, now time.Time, rest remains) (measurement, bool, error) {
	m, err := r.counted(t, f, from)
	if err != nil {
		return m, false, err
	}
	p, n, what := v.programme, int64(len(m.events)), eventsName(t.On)
	switch t.Measure {
	case programme.MeasureCount, programme.MeasureMembers:
	case programme.MeasureDevices:
		for _, x := range m.events {
			if i, known := slices.BinarySearch(m.devices, x.device); !known && x.device != "" {
				m.devices = slices.Insert(m.devices, i, x.device)
			}
		}
		n, what = int64(len(m.devices)), "devices"
	case programme.MeasurePoints:
		what = "points"
		if n, err = r.earned(v, m.events, listening, f, now, rest); err != nil {
			return m, false, err
		}
	case programme.MeasureAmount:
		n = 0
		for _, x := range m.events {
			left, err := r.account.left(x, p, nil)
			if err == nil {
				n, err = addInt(n, int64(left.total))
			}
			if err != nil {
				return m, false, err
			}
		}
		m.value, m.limit = moneyText(programme.Money(n), p), moneyText(programme.Money(t.Over), p)
		m.text = fmt.Sprintf("%s within %s, more than %s", m.value, t.Within, m.limit)
		return m, n > t.Over, nil
	case programme.MeasureRefunds:
		orders := int64(len(m.events))
		m.events = slices.DeleteFunc(m.events, func(x *fact) bool { return !r.account.tookBack(x) })
		over, err := m.refundShare(t, int64(len(m.events)), orders, "")
		return m, over, err
	}
	m.value, m.limit = strconv.FormatInt(n, 10), strconv.FormatInt(t.Over, 10)
	m.text = fmt.Sprintf("%s %s within %s, more than %s", m.value, what, t.Within, m.limit)
	return m, n > t.Over, nil
}

// counted are the events in the window (from, the event's instant] that the threshold counts, ascending.
func (r *run) counted(t *programme.Threshold, f *fact, from int64) (measurement, error) {
	var m measurement
	a := r.account
	first := a.place(factKey{at: from + 1})
	for _, x := range a.facts[first:] {
		if x.key.at > f.key.at {
			break
		}
		if x.trigger() != t.On || t.When != nil && !x.metCondition(t.ID) {
			continue
		}
		if x != f && x.order != nil {
			if a.stands(x) != x {
				continue
			}
			if t.Measure != programme.MeasureRefunds {
				rest, err := a.left(x, a.ledger.at(x.key.at).programme, nil)
				if err != nil {
					return m, err
				}
				if rest.gone != "" {
					continue
				}
			}
		}
		m.events = append(m.events, x)
	}
	return m, nil
}

// earned sums what the events earned, held points among it. What the new one will earn is found out by asking the rules on
// trial.
func (r *run) earned(v *version, events []*fact, listening []int, f *fact, now time.Time, rest remains) (int64, error) {
	total, overflow := int64(0), error(nil)
	add := func(available, pending, tier int64) {
		if overflow == nil {
			total, overflow = addInt(total, grantPoints(available, pending, tier))
		}
	}
	before, explain, wants, cands := r.s.clone(), r.explain, len(r.wants), len(r.cands)
	r.explain, r.review = nil, nil
	err := r.askRules(v, listening, f, now, rest)
	r.earnedBy(f.key, r.wants[wants:], nil, add)
	r.explain, r.wants, r.cands, *r.s = explain, r.wants[:wants], r.cands[:cands], *before
	if err != nil {
		return 0, err
	}
	for _, x := range events {
		switch {
		case x == f:
		case x.decided:
			r.earnedBy(x.key, x.want, nil, add)
		default:
			r.earnedBy(x.key, nil, x.grants, add)
		}
	}
	return total, overflow
}

// earnedBy adds up what an event has earned by now, held points among it: what becomes of these later is of no interest, nor
// whether it is written already. Its grants are as the run wants them, or as they were written.
func (r *run) earnedBy(event factKey, wants []wanted, grants []grant, add func(available, pending, tier int64)) {
	held := r.s.held.items
	isHeld := func(rule string, part int32) bool {
		return slices.ContainsFunc(held, func(h heldAt) bool { return h.fact == event && h.rule == rule && h.part == part })
	}
	for i := range held {
		if h := &held[i]; h.fact == event {
			add(h.available, 0, h.tier)
		}
	}
	for i := range wants {
		if w := &wants[i]; !isHeld(w.rule, w.part) {
			add(w.available+w.expired, w.pending, w.tier)
		}
	}
	for i := range grants {
		if g := &grants[i]; !isHeld(g.rule, g.part) {
			add(g.available+g.expired, g.pending, g.tier)
		}
	}
}

// refundShare measures the share of the orders of which something was taken back. of says whose they are, where that needs
// to be said.
func (m *measurement) refundShare(t *programme.Threshold, back, orders int64, of string) (bool, error) {
	part, err := mulInt(back, t.Share.Den)
	if err != nil {
		return false, err
	}
	most, err := mulInt(orders, t.Share.Num)
	if err != nil {
		return false, err
	}
	m.value, m.limit = fmt.Sprintf("%d of %d", back, orders), exactInt(100).times(t.Share.Num, t.Share.Den).text()+"%"
	m.text = fmt.Sprintf("of %s orders%s within %s something was refunded, more than %s", m.value, of, t.Within, m.limit)
	return orders >= t.AtLeast && part > most, nil
}

// tookBack says whether something of an order was refunded, or it was cancelled, near enough to it.
func (a *Account) tookBack(order *fact) bool {
	p := a.ledger.at(order.key.at).programme
	return slices.ContainsFunc(a.siblingsOf(order), func(x *fact) bool {
		return x.refunds() && a.honours(p, order.key.at, x.key.at)
	})
}

func eventsName(on programme.Trigger) string {
	switch on {
	case programme.OnOrder:
		return "orders"
	case programme.OnCheckIn:
		return "check-ins"
	default:
		return "referrals"
	}
}

// mostEvidence bounds the events that an alert names; those nearest to its own are the last.
const mostEvidence = 20

// evidence names what was counted.
func (m *measurement) evidence(t *programme.Threshold) []schemas.Number {
	if t.Measure == 0 || m.told != nil {
		return m.told
	}
	shown, name := m.events, "event"
	if t.Measure == programme.MeasureRefunds {
		name = "refunded order's event"
	}
	list := []schemas.Number{{Name: "events", Value: strconv.Itoa(len(shown))}}
	if len(shown) > mostEvidence {
		shown = shown[len(shown)-mostEvidence:]
	}
	for _, x := range shown {
		list = append(list, schemas.Number{Name: name, Value: x.key.event})
	}
	for i, device := range m.devices {
		if i < mostEvidence {
			list = append(list, schemas.Number{Name: "device", Value: device})
		}
	}
	return list
}
