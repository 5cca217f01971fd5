package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// fleet is a few shards whose members share budgets. What is said between keys and accounts travels, for each pair of shards in
// its order, and arrives at any time.
type fleet struct {
	t       *rapid.T
	ledger  *rules.Ledger
	shards  []*fleetShard
	mail    map[[2]int][]schemas.Effect
	sums    map[string]int64 // granted, of the rule with the budget, by member
	waiting map[string]bool  // events that are not decided
	notices int
	refused int
	buffer  rules.Buffer
	lent    []string
	now     *fleetShard // whose call is in progress
	owner   int         // the shard of all owners
	at      time.Time
}

type fleetShard struct {
	number   int
	stores   map[string]rowStore
	accounts map[string]*rules.Account
	keys     map[string]rules.Key
}

const budgetOwner = 1 // the shard of all owners at first

func newFleet(t *rapid.T, text string) *fleet {
	p, problems := programme.Parse(map[string][]byte{"programme.yaml": []byte(text)})
	if p == nil {
		t.Fatalf("%s: %v", text, problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}}, rules.Spaced(2))
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{
		t: t, ledger: ledger, mail: map[[2]int][]schemas.Effect{}, sums: map[string]int64{}, waiting: map[string]bool{}, owner: budgetOwner,
		at: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
	}
	f.add(3)
	return f
}

// add adds shards up to a number.
func (f *fleet) add(shards int) {
	for n := len(f.shards); n < shards; n++ {
		f.shards = append(f.shards, &fleetShard{n, map[string]rowStore{}, map[string]*rules.Account{}, map[string]rules.Key{}})
	}
}

// grow is what a change of the number of shards does: members and owners go where they are at home then, leases stay, and what is on its
// way to those who have moved goes there.
func (f *fleet) grow(shards int) {
	old := slices.Clone(f.shards)
	f.add(shards)
	f.owner = shards - 1
	for _, s := range old {
		for name, rows := range s.stores {
			bare := strings.TrimPrefix(name, "key ")
			if home := f.shards[f.home(bare)]; home != s {
				home.stores[name] = rows
				delete(s.stores, name)
				delete(s.accounts, bare)
				delete(s.keys, bare)
			}
		}
	}
	ways, mail := f.ways(), f.mail
	f.mail = map[[2]int][]schemas.Effect{}
	for _, way := range ways {
		for _, e := range mail[way] {
			now := [2]int{f.home(e.FromMember), f.home(e.MemberID)}
			f.mail[now] = append(f.mail[now], e)
		}
	}
}

func (f *fleet) home(name string) int {
	if n, is := rules.LeaseHome(name); is {
		return int(n)
	}
	if strings.HasPrefix(name, "budget:") {
		return f.owner
	}
	return int(name[1]-'0') % len(f.shards)
}

// store is where the rows of a member or key lie.
func (s *fleetShard) store(name string) rowStore {
	if s.stores[name] == nil {
		s.stores[name] = rowStore{}
	}
	return s.stores[name]
}

func (f *fleet) account(member string) *rules.Account {
	s := f.shards[f.home(member)]
	f.now = s
	a := s.accounts[member]
	if a == nil {
		var err error
		if a, err = f.ledger.Open(member, s.store(member)); err != nil {
			f.t.Fatal(err)
		}
		a.Borrow(f)
		s.accounts[member] = a
	}
	return a
}

func (f *fleet) key(s *fleetShard, name string) rules.Key {
	key := s.keys[name]
	if key == nil {
		var err error
		if key, err = f.ledger.OpenKey(name, s.store("key "+name)); err != nil {
			f.t.Fatal(err)
		}
		s.keys[name] = key
	}
	return key
}

// Lease returns the lease of the shard whose account is in use.
func (f *fleet) Lease(of rules.BudgetKey) (*rules.Lease, error) {
	name := of.Lease(int32(f.now.number))
	f.lent = append(f.lent, name)
	return f.key(f.now, name).(*rules.Lease), nil
}

// done saves what was used in a call, sometimes opens it anew, and posts what was said.
func (f *fleet) done(s *fleetShard, member string, out *rules.Outcome) {
	for _, name := range f.lent {
		f.key(s, name).Save(&f.buffer, s.store("key "+name).put)
		if oneIn(f.t, 4, "open a lease anew") {
			delete(s.keys, name)
		}
	}
	f.lent = nil
	if member != "" {
		s.accounts[member].Save(&f.buffer, s.store(member).put)
		if oneIn(f.t, 4, "open an account anew") {
			delete(s.accounts, member)
		}
	}
	for i := range out.Entries {
		if e := &out.Entries[i]; e.RuleID == "shared" {
			f.sums[e.MemberID] += e.AvailableDelta + e.PendingDelta
		}
	}
	if d := out.Decision; d != nil {
		if !f.waiting[d.EventID] {
			f.t.Fatalf("event %s is decided twice", d.EventID)
		}
		delete(f.waiting, d.EventID)
		for i := range d.Verdicts {
			if why := d.Verdicts[i].Reason; strings.Contains(why, "is used up") || strings.Contains(why, "no more left") {
				f.refused++
			}
		}
	}
	f.notices += len(out.Notices)
	for _, e := range out.Requests {
		way := [2]int{s.number, f.home(e.MemberID)}
		f.mail[way] = append(f.mail[way], e)
	}
}

func (f *fleet) send(e rules.Event) {
	var out rules.Outcome
	_, id, _ := headOf(&e)
	f.waiting[id] = true
	a := f.account(e.Member())
	if err := a.Handle(e, &out); err != nil {
		f.t.Fatal(err)
	}
	f.done(f.now, e.Member(), &out)
}

// deliver lets the oldest of one way arrive. A budget that says that there is nothing anywhere must be right.
func (f *fleet) deliver(way [2]int) {
	e := f.mail[way][0]
	f.mail[way] = f.mail[way][1:]
	s := f.shards[way[1]]
	f.now = s
	var out rules.Outcome
	if !e.ForKey() {
		if err := f.account(e.MemberID).Take(&e, time.Time{}, &out); err != nil {
			f.t.Fatal(err)
		}
		f.done(s, e.MemberID, &out)
		return
	}
	key := f.key(s, e.MemberID)
	owner, is := key.(*rules.Budget)
	was := true
	if is {
		_, was = owner.Left()
	}
	if err := key.Take(&e, time.Time{}, &out); err != nil {
		f.t.Fatal(err)
	}
	key.Save(&f.buffer, s.store("key "+e.MemberID).put)
	if oneIn(f.t, 4, "open a key anew") {
		delete(s.keys, e.MemberID)
	}
	f.done(s, "", &out)
	if is {
		if left, now := owner.Left(); now && !was && left != 0 {
			f.t.Fatalf("it is used up, and %d are left", left)
		} else if now && !was {
			f.nobodyHasAny(e.MemberID)
		}
	}
}

// nobodyHasAny demands that no lease can give anything when a budget says so: but what has come back after it was asked is on its way.
func (f *fleet) nobodyHasAny(budget string) {
	for _, s := range f.shards {
		for name := range s.stores {
			lease, is := strings.CutPrefix(name, "key lease:")
			if !is || !strings.HasSuffix(budget, lease[strings.Index(lease, ":"):]) {
				continue
			}
			if free, wanted := f.key(s, "lease:"+lease).(*rules.Lease).Free(); free > 0 && wanted == 0 {
				f.t.Fatalf("%s is used up while lease %s has %d", budget, lease, free)
			}
		}
	}
}

func (f *fleet) ways() [][2]int {
	var list [][2]int
	for way, mail := range f.mail {
		if len(mail) > 0 {
			list = append(list, way)
		}
	}
	slices.SortFunc(list, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return list
}

func headOf(e *rules.Event) (topic, id string, at time.Time) {
	switch {
	case e.Order != nil:
		return schemas.TopicOrders, e.Order.EventID, e.Order.OccurredAt
	case e.Referral != nil:
		return schemas.TopicReferrals, e.Referral.EventID, e.Referral.OccurredAt
	}
	return schemas.TopicProfiles, e.Profile.EventID, e.Profile.OccurredAt
}

// A budget is never passed, however members lie in shards and whatever arrives when; every event is decided once; with `queue` all of
// it is given while somebody is owed; and nobody is refused while points are left anywhere.
func TestBudgetsAreGivenToTheLastPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int64{1, 17, 100, 1000}).Draw(t, "size")
		queue := rapid.Bool().Draw(t, "queue")
		hold := pick(t, "hold", "", ", hold: 2 days")
		on := pick(t, "on", "order, earn: {points: 1, per: 1.00}", "order, earn: {points: 1, per: 1.00}", "order, boost: {of: [own], by: 50%}", "tier_up, earn: {points: 30}",
			"joined, earn: {points: 12}", "referral, after: joined, earn: {referrer: 20, referee: 5}", "referral, after: first_order, earn: {referrer: 7, referee: 15}",
			"order, earn: {points: 10}, each: {spend: 20.00}")
		plain := strings.HasPrefix(on, "order, earn: {points: 1,")
		f := newFleet(t, fmt.Sprintf(`programme: drawn
currency: CNY
time_zone: UTC
return_window: 30 days
limits: [{points: %d, per: day}]
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: silver, at: 20}, {id: gold, at: 60}]}
rules:
  - {id: own, on: order, earn: {points: 1, per: 1.00}, limit: {points: 50, per: day}}
  - {id: shared, on: %s, budget: {points: %d, queue: %t}%s}
`, map[bool]int{true: 100000, false: 70}[plain], on, size, queue, hold))
		var orders []*schemas.Order
		wanted := map[string]int64{}
		n := rapid.IntRange(5, 60).Draw(t, "events")
		grows := rapid.IntRange(0, 90).Draw(t, "grows at event")
		for i := 0; i < n; {
			if i == grows && len(f.shards) == 3 {
				f.grow(5)
			}
			if ways := f.ways(); len(ways) > 0 && !oneIn(t, 3, "send") {
				f.deliver(rapid.SampledFrom(ways).Draw(t, "way"))
				continue
			}
			f.at = f.at.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "minutes")) * time.Minute)
			if !plain && oneIn(t, 4, "no order") {
				f.send(f.drawOther(i))
				i++
				f.check(size)
				continue
			}
			var o *schemas.Order
			if len(orders) > 0 && oneIn(t, 3, "refund") {
				of := rapid.SampledFrom(orders).Draw(t, "of")
				back := of.Lines[0].Amount
				if oneIn(t, 2, "in part") {
					back = rapid.Int64Range(1, back).Draw(t, "back")
				}
				o = &schemas.Order{
					EventID: fmt.Sprint("r", i), OrderID: of.OrderID, MemberID: of.MemberID, Status: schemas.Refunded, OccurredAt: f.at, Currency: "CNY",
					RefundedLines: []schemas.RefundedLine{{LineID: "1", Amount: back}},
				}
				wanted[of.OrderID] = max(wanted[of.OrderID]-back, 0)
			} else {
				o = &schemas.Order{
					EventID: fmt.Sprint("o", i), OrderID: fmt.Sprint("o", i), MemberID: fmt.Sprint("m", rapid.IntRange(0, 5).Draw(t, "member")), Status: schemas.Paid,
					OccurredAt: f.at, Currency: "CNY", Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: rapid.Int64Range(100, 6000).Draw(t, "amount")}},
				}
				wanted[o.OrderID] = o.Lines[0].Amount
				orders = append(orders, o)
			}
			f.send(rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: int64(i)}})
			i++
			f.check(size)
		}
		for ways := f.ways(); len(ways) > 0; ways = f.ways() {
			f.deliver(rapid.SampledFrom(ways).Draw(t, "way"))
			f.check(size)
		}
		if len(f.waiting) > 0 {
			t.Fatalf("never decided: %v", f.waiting)
		}
		all, sum := int64(0), int64(0)
		for _, amount := range wanted {
			all += amount / 100
		}
		for _, points := range f.sums {
			sum += points
		}
		if open := f.open(); open > 0 {
			t.Fatalf("%d wishes were never answered", open)
		}
		if !plain {
			return
		}
		if queue && sum != min(all, size) || !queue && f.refused == 0 && sum != all {
			t.Fatalf("%d granted of %d, %d are wanted, %d were refused", sum, size, all, f.refused)
		}
	})
}

// drawOther draws a profile or an invitation.
func (f *fleet) drawOther(i int) rules.Event {
	member := fmt.Sprint("m", rapid.IntRange(0, 5).Draw(f.t, "member"))
	if oneIn(f.t, 2, "invited") {
		return rules.Event{Referral: &schemas.Referral{
			EventID: fmt.Sprint("i", i), RefereeID: member, ReferrerID: fmt.Sprint("m", rapid.IntRange(0, 5).Draw(f.t, "referrer")), OccurredAt: f.at,
		}, Source: schemas.Source{Topic: schemas.TopicReferrals, Offset: int64(i)}}
	}
	joined := f.at.Add(-time.Duration(rapid.IntRange(0, 48).Draw(f.t, "hours ago")) * time.Hour)
	return rules.Event{
		Profile: &schemas.Member{EventID: fmt.Sprint("p", i), MemberID: member, OccurredAt: f.at, JoinedAt: joined},
		Source:  schemas.Source{Topic: schemas.TopicProfiles, Offset: int64(i)},
	}
}

// open is how many wishes wait.
func (f *fleet) open() (open int) {
	for _, s := range f.shards {
		for name := range s.stores {
			if !strings.HasPrefix(name, "key ") {
				_, _, n, err := f.account(name).Drawn()
				if err != nil {
					f.t.Fatal(err)
				}
				open += n
			}
		}
	}
	return open
}

// check demands that no point is in two places, and none is lost.
func (f *fleet) check(size int64) {
	granted, places := int64(0), int64(0)
	known := false
	for _, s := range f.shards {
		for name := range s.stores {
			key, is := strings.CutPrefix(name, "key ")
			if !is {
				points, used, _, err := f.account(name).Drawn()
				if err != nil {
					f.t.Fatal(err)
				}
				if used > points {
					f.t.Fatalf("member %s was granted %d of %d that were drawn", name, used, points)
				}
				granted, places = granted+used, places+points
				continue
			}
			switch k := f.key(s, key).(type) {
			case *rules.Budget:
				left, _ := k.Left()
				places += left - k.Returned()
				known = true
			case *rules.Lease:
				free, _ := k.Free()
				places += free + k.Returned()
			}
		}
	}
	for _, mail := range f.mail {
		for i := range mail {
			if e := &mail[i]; e.Kind == schemas.EffectDrawn || e.Kind == schemas.EffectLease {
				places += e.Points
			}
		}
	}
	sum := int64(0)
	for _, points := range f.sums {
		sum += points
	}
	if sum != granted || sum > size {
		f.t.Fatalf("%d were granted of %d, accounts know of %d", sum, size, granted)
	}
	if known && places != size {
		f.t.Fatalf("%d points are somewhere, the budget has %d", places, size)
	}
}
