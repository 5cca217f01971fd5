package rules

import (
	"slices"

	"accrue/rules/programme"
)

// This file is about what a refund may take, where the programme does not let it take all: `clawback: within_balance`, no more
// than can be spent when it arrives; `pending_only`, nothing that can be spent already. What stays is a ruling of the refund: so
// many points of such a grant are kept, whatever the rules say to what is left of the order. It is made when the refund arrives, is
// stored with it, and is given again whenever the past is decided again. The tier and what counters have counted know no such
// ruling: for them the order is as far gone as it is.

// keep is how many points of a grant a refund was not allowed to take.
type keep struct {
	order   string  // whose grant it is, by id: an order may come to stand at another event; empty: of fact
	fact    factKey // with order it says no more than where the grant was then
	rule    string
	part    int32
	points  int64
	booked  int64 // when it was granted, if that was a release that raised the tier; 0: with its event
	at      int64 // from when on it can be spent
	expires int64
}

// keeps are the rulings of all refunds in the window, by what they are about. It is made of the facts, and never changes.
type keeps struct {
	orders map[string][]keep
	facts  map[factKey][]keep
	rises  []keep // those of rises by time, in the order of the refunds
}

// keepsOf gathers the rulings of all facts; nil: there are none.
func keepsOf(facts []*fact) *keeps {
	var k *keeps
	for _, f := range facts {
		for _, kept := range f.keeps {
			if k == nil {
				k = &keeps{orders: map[string][]keep{}, facts: map[factKey][]keep{}}
			}
			switch {
			case kept.booked != 0:
				k.rises = append(k.rises, kept)
			case kept.order != "":
				k.orders[kept.order] = append(k.orders[kept.order], kept)
			default:
				k.facts[kept.fact] = append(k.facts[kept.fact], kept)
			}
		}
	}
	return k
}

// of are the rulings about grants of a fact; of an order's they are about the fact at which it stands.
func (k *keeps) of(a *Account, f *fact) []keep {
	switch {
	case k == nil:
		return nil
	case f.order == nil:
		return k.facts[f.key]
	case len(k.orders[f.order.id]) == 0 || a.stands(f) != f:
		return nil
	}
	return k.orders[f.order.id]
}

// kept is how many points of a grant are kept, beside those that the rules give.
func (r *run) kept(f *fact, rule string, part int32, booked int64) int64 {
	k := r.account.keeps
	if k == nil {
		return 0
	}
	list := k.of(r.account, f)
	if booked != f.at() {
		list = k.rises
	}
	points := int64(0) // there were as many once, so no sum passes 64 bits
	for i := range list {
		if x := &list[i]; x.rule == rule && x.part == part && (x.booked == 0 || x.booked == booked && x.fact == f.key) {
			points += x.points
		}
	}
	return points
}

// keepRest enters what is kept of grants that the rules no longer give. What the rules do give has it already.
func (r *run) keepRest(f *fact, from int) error {
	if r.account.keeps == nil {
		return nil
	}
	for _, x := range r.account.keeps.of(r.account, f) {
		if hasWanted(r.wants[from:], x.rule, x.part) {
			continue
		}
		w := wanted{rule: x.rule, part: x.part, available: r.kept(f, x.rule, x.part, f.at()), booked: f.at(), at: x.at, expires: x.expires}
		if err := r.earn(f.key, &w, f.at(), nil); err != nil {
			return err
		}
		r.wants = append(r.wants, w)
	}
	return nil
}

// keptRise is the next instant at which something is kept of what a release brought. The release itself may have gone since.
func (r *run) keptRise() (at int64, ok bool) {
	if r.account.keeps == nil {
		return 0, false
	}
	for i := range r.account.keeps.rises {
		if x := &r.account.keeps.rises[i]; x.booked > r.s.due && (!ok || x.booked < at) {
			at, ok = x.booked, true
		}
	}
	return at, ok
}

// keepRises does so with grants for rises that releases at an instant have brought once. The rise at that instant belongs to the
// fact source, and gives what is given.
func (r *run) keepRises(at int64, source factKey, given []wanted) error {
	if r.account.keeps == nil {
		return nil
	}
	for i, x := range r.account.keeps.rises {
		same := func(y keep) bool { return y.booked == at && y.fact == x.fact && y.rule == x.rule && y.part == x.part }
		if x.booked != at || slices.ContainsFunc(r.account.keeps.rises[:i], same) || x.fact == source && hasWanted(given, x.rule, x.part) {
			continue
		}
		f, err := r.account.holder(x.fact)
		if err != nil {
			return err
		}
		if f == nil { // folded away, and all is settled
			continue
		}
		w := wanted{rule: x.rule, part: x.part, available: r.kept(f, x.rule, x.part, at), booked: at, at: x.at, expires: x.expires}
		if err := r.earn(f.key, &w, at, nil); err != nil {
			return err
		}
		if r.silent {
			continue
		}
		r.touch(f)
		f.want = slices.DeleteFunc(slices.Clone(f.want), func(y wanted) bool { return y.rule == x.rule && y.part == x.part })
		f.want = append(f.want, w)
	}
	return nil
}

func hasWanted(list []wanted, rule string, part int32) bool {
	return slices.ContainsFunc(list, func(w wanted) bool { return w.rule == rule && w.part == part })
}

// decideRefund decides from facts[from] on once more, as a refund that has just arrived asks for, and rules what it may take. What is
// kept may change what else is given; so it is looked at until nothing more is to be kept.
func (a *Account) decideRefund(r *run, f *fact, from int, asOf int64) error {
	return a.decideTaking(r, f, a.clawback(f), from, asOf)
}

// decideTaking is decideRefund for a fact that takes no more than it may: a refund, or an award that one has taken back.
func (a *Account) decideTaking(r *run, f *fact, how programme.Clawback, from int, asOf int64) error {
	const most = 5
	balance := a.head.points
	for range most {
		if err := a.decideAgain(r, from, asOf); err != nil {
			return err
		}
		if how == programme.ClawbackFull || !a.rule(r, f, how, balance) {
			return nil
		}
		r.startAgain()
	}
	return a.decideAgain(r, from, asOf)
}

// clawback is what a refund may take, by the programme of its order; full where it is none that has just arrived and counts.
func (a *Account) clawback(f *fact) programme.Clawback {
	if !a.ledger.claws || !f.unruled || !f.refunds() {
		return programme.ClawbackFull
	}
	order := a.standsFor(f.order.id)
	if order == nil {
		return programme.ClawbackFull
	}
	p := a.ledger.at(order.key.at).programme
	if !a.honours(p, order.key.at, f.key.at) {
		return programme.ClawbackFull
	}
	return p.Clawback
}

// rule adds to a refund's rulings what it would take and may not; false: there is nothing.
func (a *Account) rule(r *run, f *fact, how programme.Clawback, balance int64) bool {
	over := int64(0) // how many points more it would take than it may
	switch how {
	case programme.ClawbackWithinBalance:
		over = balance - a.head.points - max(balance, 0)
	case programme.ClawbackPendingOnly:
		for _, x := range r.touched {
			for i := range x.grants {
				over += x.takes(&x.grants[i])
			}
		}
	case programme.ClawbackFull:
	}
	if over <= 0 {
		return false
	}
	ruled := false
	for _, x := range r.touched {
		for i := range x.grants {
			g := &x.grants[i]
			n := f.keep(x, g, min(x.takes(g), over))
			over -= n
			ruled = ruled || n > 0
		}
	}
	a.keeps = keepsOf(a.facts)
	return ruled
}

// takes is how many points that could be spent the run in progress takes of a written grant.
func (f *fact) takes(g *grant) int64 {
	is := int64(0)
	for i := range f.want {
		if w := &f.want[i]; w.rule == g.rule && w.part == g.part {
			is = w.available
		}
	}
	return max(g.available-is, 0)
}

// keep rules that points of another fact's grant are kept, and says how many more they are: no more than there were.
func (f *fact) keep(of *fact, g *grant, points int64) int64 {
	if points <= 0 {
		return 0
	}
	k := keep{fact: of.key, rule: g.rule, part: g.part, points: points, at: g.at, expires: g.expires}
	if g.booked != of.at() {
		k.booked = g.booked
	}
	if of.order != nil {
		k.order = of.order.id
	}
	for i := range f.keeps {
		x := &f.keeps[i]
		if x.fact == k.fact && x.rule == k.rule && x.part == k.part && x.booked == k.booked {
			points = min(points, g.available-x.points)
			x.points += points
			return points
		}
	}
	f.keeps = append(f.keeps, k)
	return points
}

// startAgain forgets what the run has decided.
func (r *run) startAgain() {
	for _, f := range r.touched {
		if f.byTime() && f.due < 0 && f.decided {
			f.due = -f.due // it is taken back once more
		}
		f.decided, f.want = false, nil
	}
	clear(r.touched)
	r.touched, r.wants, r.others, r.tiers, r.passed = r.touched[:0], r.wants[:0], r.others[:0], r.tiers[:0], passResult{}
}

// keptPoints is how many points the rulings of a refund keep.
func (f *fact) keptPoints() int64 {
	points := int64(0)
	for _, k := range f.keeps {
		points += k.points
	}
	return points
}

// keptText says in words what a refund was not allowed to take; empty: it could take all.
func (f *fact) keptText(how programme.Clawback) string {
	points := f.keptPoints()
	switch {
	case points == 0:
		return ""
	case how == programme.ClawbackPendingOnly:
		return "; " + pointsText(points) + " that could be spent already stay: a refund takes only what is held"
	default:
		return "; " + pointsText(points) + " more stay: a refund takes no more than could be spent"
	}
}

// withTheirKeeps is how many of the first n facts can be folded so that no ruling goes before what it is about.
func (a *Account) withTheirKeeps(n int) int {
	if a.keeps == nil {
		return n
	}
	for i := 0; i < n; i++ {
		for _, k := range a.facts[i].keeps {
			if a.place(k.fact) >= n {
				n, i = i, -1 // fewer facts: those before are looked at again
				break
			}
		}
	}
	return n
}

func encodeKeeps(w *writer, list []keep) {
	w.uvarint(uint64(len(list)))
	for _, k := range list {
		w.string(k.order)
		w.varint(k.fact.at)
		w.byte(byte(k.fact.kind))
		w.string(k.fact.event)
		w.string(k.rule)
		w.varint(int64(k.part))
		w.varint(k.points)
		w.varint(k.booked)
		w.varint(k.at)
		w.varint(k.expires)
	}
}

func decodeKeeps(r *reader) []keep {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]keep, n)
	for i := range list {
		list[i] = keep{
			order: r.string(), fact: factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()}, rule: r.string(), part: int32(r.varint()),
			points: r.varint(), booked: r.varint(), at: r.varint(), expires: r.varint(),
		}
	}
	return list
}
