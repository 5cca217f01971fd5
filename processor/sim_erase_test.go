package processor

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// simErased knows who was erased in committed transactions, and what may be left of them: the hash by which they are known, and
// what others were granted.
type simErased struct {
	by      map[string]*simTxn // by member: the transaction in which the erasure was decided
	balance map[string]int64   // by member, also of those who are not erased: what could be spent
	pending map[string]int64
	awards  []schemas.Effect // what members asked others for, in the order in which it was committed
}

func newSimErased() simErased {
	return simErased{by: make(map[string]*simTxn), balance: make(map[string]int64), pending: make(map[string]int64)}
}

func (e *simErased) any() bool { return len(e.by) > 0 }

func (e *simErased) is(member string) bool { return e.by[member] != nil }

// decision looks at what was decided: of a member who is erased nothing but that.
func (e *simErased) decision(w *world, t *simTxn, source schemas.Source, d *schemas.Decision) {
	switch {
	case e.is(d.MemberID) && (d.Outcome != schemas.OutcomeNothing || !strings.HasPrefix(d.Reason, "the member was erased at ")):
		w.fail("erased", "transaction %d decides %v of %s, who is erased, %s: %s", t.number, source, d.MemberID, d.Outcome, d.Reason)
	case e.is(d.MemberID):
		w.seen("an event of who was erased")
	case strings.HasPrefix(d.Reason, "the member was erased at "):
		w.fail("erased", "transaction %d decides %v of %s, whom nobody has erased: %s", t.number, source, d.MemberID, d.Reason)
	case strings.HasPrefix(d.Reason, "the member was erased before"):
		w.seen("erased while an event waits")
	case w.shop.erasing[source]:
		e.by[d.MemberID] = t
		w.seen("a member was erased")
	}
}

// entry keeps account of balances.
func (e *simErased) entry(w *world, t *simTxn, g *schemas.PointGrant) {
	e.over(w, t, g.MemberID, "entry")
	e.balance[g.MemberID] += g.AvailableDelta
	e.pending[g.MemberID] += g.PendingDelta
}

// over says that nothing more is to be written about a member who is erased.
func (e *simErased) over(w *world, t *simTxn, member, what string) {
	if e.is(member) {
		w.fail("erased", "transaction %d writes %s, who is erased, a %s", t.number, member, what)
	}
}

// request looks at what is asked, and says whether its revision may be any: whoever was erased does not know what was asked before,
// and who has forgotten them begins anew.
func (e *simErased) request(w *world, t *simTxn, x *schemas.Effect) bool {
	from := e.by[x.FromMember]
	if x.Kind == schemas.EffectAward {
		e.awards = append(e.awards, *x)
		if from != nil && from != t {
			w.fail("erased", "transaction %d asks %s for %d points for %s, who is erased", t.number, x.MemberID, x.Points, x.FromMember)
		}
	}
	switch x.Kind {
	case schemas.EffectErased, schemas.EffectUncount:
		w.seen("asked to forget: " + x.Kind)
		return true
	}
	key := func(name string) bool { return e.is(strings.TrimPrefix(name, "referrer:")) }
	return from != nil || key(x.MemberID) || key(x.FromMember)
}

// end looks whether anything is left.
func (e *simErased) end(w *world) {
	for _, member := range slices.Sorted(maps.Keys(e.by)) {
		if e.balance[member] != 0 || e.pending[member] != 0 {
			w.fail("erased", "%s is erased, has %d points by the entries, and %d are held", member, e.balance[member], e.pending[member])
		}
		if tier := w.check.tiers[member]; tier != "" && tier != "member" {
			w.fail("erased", "%s is erased, and has tier %s", member, tier)
		}
	}
	if !e.any() {
		return
	}
	names := e.names(w)
	look := func(where string, shard int32, name string, row, value []byte) {
		for _, what := range slices.Sorted(maps.Keys(names)) {
			if strings.Contains(name, what) || strings.Contains(string(row), what) || strings.Contains(string(value), what) {
				w.fail("erased", "%s of %s, who is erased, stands in shard %d of %s, under %q in row %q: %q", what, names[what], shard, where, name, row, value)
			}
		}
	}
	for _, p := range w.processes {
		for _, l := range p.lanes {
			for h := range l.inOrder() {
				e.endOf(w, p.name, h.store, look)
			}
			for s := range l.followed() {
				e.endOf(w, p.name, s.store, look)
			}
		}
	}
	for shard := range w.plan.shards {
		rows, unsure := w.check.fold(shard, w.broker.changelog(shard).end())
		for key, value := range rows {
			name, row, err := state.DecodeKey([]byte(key))
			if err != nil {
				w.fail("erased", "changelog of shard %d: %v", shard, err)
			}
			if !unsure[key] {
				look("the changelog", shard, name, row, value)
			}
		}
	}
}

// endOf looks at what a store holds of a shard.
func (e *simErased) endOf(w *world, where string, store *state.Shard, look func(where string, shard int32, name string, row, value []byte)) {
	err := store.All(func(name string, row, value []byte) bool {
		look(where, store.Number(), name, row, value)
		return w.failure == nil
	})
	if err != nil {
		w.fail("store", "read shard %d of %s: %v", store.Number(), where, err)
		return
	}
	due, err := store.Due(w.now.AddDate(100, 0, 0), math.MaxInt32)
	if err != nil {
		w.fail("store", "read what falls due in shard %d of %s: %v", store.Number(), where, err)
	}
	for _, d := range due {
		look(where, store.Number(), d.Member, nil, nil)
	}
}

// names are what is to be found nowhere, and of whom it is: the names of members, of their events and their orders.
func (e *simErased) names(w *world) map[string]string {
	names := make(map[string]string)
	for member := range e.by {
		names[member] = member
	}
	for i := range w.shop.events {
		x := &w.shop.events[i]
		member := x.Member()
		if !e.is(member) {
			continue
		}
		names[eventIDOf(x)] = member
		if x.Order != nil {
			names[x.Order.OrderID] = member
		}
	}
	return names
}

func eventIDOf(e *rules.Event) string {
	switch {
	case e.Order != nil:
		return e.Order.EventID
	case e.CheckIn != nil:
		return e.CheckIn.EventID
	case e.Referral != nil:
		return e.Referral.EventID
	case e.Command != nil:
		return e.Command.EventID
	}
	return e.Profile.EventID
}

// erase has a member erased.
func (s *simShop) erase(member string) {
	s.later(schemas.TopicCommands, member, &schemas.Command{
		EventID: s.id("e"), MemberID: member, OccurredAt: s.before(), Operator: "lin", Reason: "asked for it", Kind: "ERASE",
	})
}

// comeBack has events of members come in who were erased, new ones and late ones, and of others that name them.
func (s *simShop) comeBack() {
	erased := s.w.check.erased.by
	for _, member := range slices.Sorted(maps.Keys(erased)) {
		s.order(member)
		for _, o := range s.orders {
			if o.MemberID == member {
				back := *o
				back.EventID, back.Status, back.OccurredAt, back.Lines = s.id("r"), schemas.Refunded, s.w.now.Truncate(time.Millisecond), nil
				s.later(schemas.TopicOrders, member, &back)
				break
			}
		}
		for i := range s.w.plan.members {
			other := fmt.Sprintf("member m%d;", i)
			if erased[other] == nil {
				s.invite(member, other)
				s.order(other)
				s.invite(other, member)
				break
			}
		}
	}
}
