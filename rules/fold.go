package rules

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
)

// Folding reads all facts, so it is looked whether old ones can be folded away only after foldEvery facts, and done only
// where they are at least one of foldPart.
const (
	foldEvery = 16
	foldPart  = 8
)

// crowded is how many facts a member has at least before awards alone have old facts folded away. Nothing becomes late by what others
// do: while history is brought in, the events of who invited may be read long after those of friends. But who invites thousands and
// does nothing else must not hold all of it for ever. So far and no further: then a member's own event is late, too, that is not within
// the window of the newest award.
const crowded = 1024

// windowStart is the instant up to which facts may be folded: a refund that is not late may be of an order return_window
// before itself, and what spans orders or holds points may reach further. A month or a day may be longer in the zone that the
// member has then.
func windowStart(v *version, newest int64) int64 {
	p := v.programme
	at := p.ReturnWindow.SubFrom(time.UnixMilli(newest), p.Zone)
	return min(v.longest.SubFrom(at, p.Zone).UnixMilli(), p.ReturnWindow.SubFrom(at, p.Zone).UnixMilli()) - slack
}

// foldable is windowStart with each version, as an order is refunded by the rules that it was decided by.
func (a *Account) foldable(newest int64) int64 {
	start := windowStart(a.ledger.at(newest), newest)
	for i := range a.ledger.versions {
		// A version to come holds no facts yet. What is kept must not depend on when it became known.
		if v := &a.ledger.versions[i]; v.from <= newest {
			start = min(start, windowStart(v, newest))
		}
	}
	return start
}

// lateFrom is the instant from which back it is counted whether an event is late: the member's newest, or the newest award where
// that has had facts folded away.
func (a *Account) lateFrom() int64 {
	if a.folded != 0 && a.folded > a.foldable(a.newest) {
		return max(a.newest, a.head.last.at)
	}
	return a.newest
}

// fold moves the facts that lie before the window into the base. It changes nothing that anybody can see.
func (a *Account) fold() error {
	if every := a.ledger.folding; a.count < every || a.count%every != 0 {
		return nil
	}
	newest := a.newest
	if a.count >= a.ledger.crowded {
		newest = max(newest, a.head.last.at)
	}
	v, start := a.ledger.at(newest), a.foldable(newest)
	if old := a.ids.notAfter(start); old == 0 || old < a.ids.len()/foldPart {
		return nil
	}
	if err := a.load(); err != nil {
		return err
	}
	n := 0
	if at, waits := a.keptWaits(); waits {
		start = min(start, at-1)
	}
	for n < len(a.facts) && a.facts[n].key.at <= start && !a.facts[n].open() {
		n++
	}
	for before := -1; n != before; { // what one of them takes away may be another's
		before = n
		n = a.withTheirKeeps(a.withTheirOrders(a.onlyReleased(n)))
	}
	if n == 0 {
		return nil
	}
	r := &run{account: a, s: a.base, silent: true}
	for _, f := range a.facts[:n] {
		if err := r.through([]*fact{f}, f.dueBefore()); err != nil {
			return &Broken{a.member, fmt.Errorf("fold event %s: %w", f.key.event, err)}
		}
		f.decided, f.want = false, nil
	}
	for _, f := range r.touched {
		f.decided, f.want = false, nil
	}
	return a.forget(n, v.programme)
}

// withTheirOrders is how many of the first n facts can be folded so that no refund or cancellation, and no status that a hold waits
// for, goes without an order that lies behind it and that it still acts upon.
func (a *Account) withTheirOrders(n int) int {
	for i := 0; i < n; i++ {
		if f := a.facts[i]; f.refunds() || f.order != nil && a.ledger.waits {
			if order := a.standsFor(f.order.id); order != nil && a.place(order.key) >= n {
				n, i = i, -1 // fewer facts: those before are looked at again
			}
		}
	}
	return n
}

// forget takes the first n facts out of the window; of orders the ids stay known for remember_orders longer.
func (a *Account) forget(n int, p *programme.Programme) error {
	last := a.facts[n-1].key.at
	a.folded = last
	held := a.base.facts()
	for _, f := range a.facts[:n] {
		f.changed = false
		a.dropped = append(a.dropped, f.key)
		a.forgetID(eventHash(f.key.kind, f.key.event), f.key.at)
		if f.award != nil {
			a.retire(f)
			continue
		}
		if a.first == 0 || f.occurredAt() < a.first {
			a.first = f.occurredAt()
		}
		if f.order == nil {
			continue
		}
		a.forgetID(orderHash(f.order.status, f.order.id), f.key.at)
		if a.earns(f) && !a.isSealed(f.order.id) {
			a.sealed.addAlone(sealedAt{f.key.at, sealedHash(f.order.id)})
		}
		a.unindex(f)
	}
	for _, f := range a.facts[:n] {
		if held[f.key] && !f.past {
			a.keep(f.remnant())
			a.change(f)
		}
	}
	until := p.RememberOrders.SubFrom(time.UnixMilli(last), p.Zone).UnixMilli()
	a.sealed.takeFront(a.sealed.notAfter(until))
	if err := a.forgetAwards(until, held); err != nil {
		return err
	}
	a.sealedIndex = nil
	a.facts = append([]*fact(nil), a.facts[n:]...)
	a.profiles = profilesOf(a.facts)
	if a.keeps != nil {
		a.keeps = keepsOf(a.facts)
	}
	a.count -= n
	a.forgetKept()
	kept := a.snapshots[:0]
	for _, s := range a.snapshots {
		if s.next > n {
			kept = append(kept, snapshot{s.next - n, s.standing})
		}
	}
	clear(a.snapshots[len(kept):])
	a.snapshots = kept
	a.rebased, a.touched = true, true
	return nil
}

// forgetID takes one id out. Ids lie in the order of their facts' instants.
func (a *Account) forgetID(hash uint32, at int64) {
	i, _ := slices.BinarySearchFunc(a.ids.items, at, func(e idAt, at int64) int { return cmp.Compare(e.at(), at) })
	for ; i < len(a.ids.items) && a.ids.items[i].at() == at; i++ {
		if a.ids.items[i].hash != hash {
			continue
		}
		a.ids.removeAt(i)
		if a.idIndex != nil {
			a.idIndex.remove(hash)
		}
		return
	}
}
