package rules_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// Folding changes nothing that anybody can see: who never folds ends in the same. A version with a longer window reaches no further
// back than the one before it has kept.
func TestFoldingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, events := long(t, 20, 60)
		if of := w.parsed; of[0].Programme.ReturnWindow == of[len(of)-1].Programme.ReturnWindow {
			w.foldingChangesNothing(t, events)
		}
	})
}

// So it is with who does little else than to invite, and with grants about which an operator decides long after, or never.
func TestFoldingOfAwardsChangesNothing(t *testing.T) {
	alone, waited := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := friendly(t)
		r := w.foldingChangesNothing(t, w.drawFriends(t))
		if head, err := rules.DescribeRow([]byte("h"), r.stores["anna"]["h"]); err == nil && head.Head.FoldedBefore.After(pastDay(0)) {
			alone++
		}
		waited += len(r.kept("anna"))
	})
	if alone == 0 || waited == 0 {
		t.Errorf("%d accounts were folded, %d facts of what waits for an operator: the law says nothing", alone, waited)
	}
}

// foldingChangesNothing compares a replay that never folds with one that does whenever it may.
func (w *world) foldingChangesNothing(t *rapid.T, events []rules.Event) *replay {
	ledger := func(folding int) *rules.Ledger {
		l, err := rules.NewLedger(w.parsed, rules.Secret([]byte("drawn")), rules.Spaced(2), rules.Crowded(2), rules.Folding(folding))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	whole, folded := w.replay(t), w.replay(t)
	whole.ledger, folded.ledger = ledger(math.MaxInt), ledger(3)
	folded.stores = map[string]rowStore{}
	for i := range events {
		whole.handle(events[i])
		if oneIn(t, 2, "open anew") {
			folded.reopen(events[i].Member())
		}
		folded.handle(events[i])
	}
	want, have := whole.finish(), folded.finish()
	same("folded it ends in", folded, whole, want, have)
	if whole.late+folded.late > 0 {
		whole.fatalf("the law is about histories in which nothing is late")
	}
	return folded
}

// kept are the rows beside the window of a member: of what was folded away and still waits.
func (r *replay) kept(member string) (keys []string) {
	for key := range r.stores[member] {
		if key[0] == 'k' {
			keys = append(keys, key)
		}
	}
	return keys
}

// friendly is a programme in which all is about friends, and much waits for an operator.
func friendly(t *rapid.T) *world {
	header := pick(t, "tiers", "", "tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 60}]}\n",
		"tiers: {by: points, over: 6 days, levels: [{id: member, at: 0}, {id: gold, at: 60}]}\n") + pick(t, "expiry", "", "expiry: {after: 9 days}\n")
	header += pick(t, "redemptions", "", "redemptions: true\n")
	if oneIn(t, 2, "limits") {
		header += "limits: " + drawLimits(t, 200) + "\n"
	}
	rise := ""
	if strings.HasPrefix(header, "tiers") {
		rise = "  - {id: rise, on: tier_up, earn: {points: 3}}\n"
	}
	w := &world{days: 3, from: []time.Time{{}}, texts: []string{"programme: friendly\ncurrency: CNY\ntime_zone: UTC\nreturn_window: 3 days\n" + header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}` + pick(t, "spend", "", ", hold: review", ", hold: 1 day") + `}
  - {id: hello, on: referral, after: joined, earn: {referrer: 7, referee: 5}, ` + pick(t, "hello", "counts: balance", "hold: 2 days", "hold: review") + `}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 40}, limit: ` + drawLimits(t, 90) + pick(t, "invite", "", ", hold: review", ", hold: 2 days") + `}
` + rise}}
	w.ready(t)
	w.end = pastDay(200)
	return w
}

// drawFriends draws a friend or two a day, who were invited by anna, with an order each and what becomes of it, and answers of
// operators. Nobody hears of anything three days late.
func (w *world) drawFriends(t *rapid.T) []rules.Event {
	type arrival struct {
		at    time.Time
		event rules.Event
	}
	var list []arrival
	var grants []string
	add := func(e rules.Event) {
		list = append(list, arrival{eventTime(&e).Add(time.Duration(rapid.IntRange(0, 69).Draw(t, "delay")) * time.Hour), e})
	}
	for n := range rapid.IntRange(10, 40).Draw(t, "friends") {
		friend := fmt.Sprint("friend", n)
		at := pastDay(0).Add(time.Duration(13*n) * time.Hour)
		invitation, order := referralEvent(fmt.Sprint("i", n), friend, "anna", at), orderOf(friend, fmt.Sprint("o", n), schemas.Paid, at.Add(time.Hour))
		add(invitation)
		add(order)
		grants = append(grants, w.ledger.GrantIDOfAward(invitation, "anna", "hello"), w.ledger.GrantIDOfAward(order, "anna", "invite"))
		if oneIn(t, 4, "refund") {
			add(orderOf(friend, fmt.Sprint("o", n), schemas.Refunded, at.Add(time.Duration(rapid.IntRange(2, 60).Draw(t, "refunded after"))*time.Hour)))
		}
		if oneIn(t, 8, "own order") {
			own := orderOf("anna", fmt.Sprint("a", n), schemas.Paid, at)
			grants = append(grants, rules.GrantIDOf(own, "spend"))
			add(own)
		}
		if oneIn(t, 3, "answer") {
			add(rules.Event{Source: schemas.Source{Topic: schemas.TopicCommands}, Command: &schemas.Command{
				EventID: fmt.Sprint("c", n), MemberID: "anna", OccurredAt: at.Add(2 * time.Hour), Operator: "lin", Kind: pick(t, "answer", "RELEASE", "REJECT"),
				GrantID: rapid.SampledFrom(grants).Draw(t, "of"),
			}})
		}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return a.at.Compare(b.at) })
	events := make([]rules.Event, 0, len(list))
	for i, a := range list {
		a.event.Source.Offset = int64(i)
		events = append(events, a.event)
	}
	return events
}

// Who invites thousands and does nothing else is folded as others are, by the newest award. Own events are late then by that; till
// then they are not, however far the friends are ahead.
func TestAwardsAloneAreFolded(t *testing.T) {
	w := pastWorld(t, "")
	r := w.replay(t).stored()
	var err error
	if r.ledger, err = rules.NewLedger(w.parsed, rules.Secret([]byte("drawn"))); err != nil { // as engines do
		t.Fatal(err)
	}
	invite := func(n int) {
		at := pastDay(0).Add(time.Duration(n) * time.Hour)
		r.effects([]schemas.Effect{{
			MemberID: "anna", FromMember: fmt.Sprint("friend", n), RuleID: "invite", Source: schemas.Source{Topic: schemas.TopicOrders, EventID: fmt.Sprint("o", n), OrderID: fmt.Sprint("o", n)},
			OccurredAt: at, Revision: 1, Points: 100, Cause: fmt.Sprint("o", n), CausedAt: at, Reason: "a friend", DecidedAt: at,
		}})
	}
	window := func() (rows int) {
		for key := range r.stores["anna"] {
			if key[0] == 'f' {
				rows++
			}
		}
		return rows
	}
	for n := range 1000 {
		invite(n)
	}
	if n := window(); n != 1000 {
		r.fatalf("%d of 1000 awards are in the window", n)
	}
	r.handle(orderOf("anna", "before", schemas.Paid, pastDay(-50))) // own events may come long after those of friends
	if r.outcome != schemas.OutcomeGranted {
		r.fatalf("an order of before all awards is decided %s", r.outcome)
	}
	most := 0
	for n := range 4000 {
		invite(1000 + n)
		most = max(most, window())
	}
	if n := window(); most > 1024 || n < 3*24 {
		r.fatalf("%d facts were in the window at most, %d are at last", most, n)
	}
	newest := pastDay(0).Add(4999 * time.Hour)
	for hours := 71; hours <= 73; hours += 2 {
		want := schemas.OutcomeGranted
		if hours > 72 {
			want = schemas.OutcomeLate
		}
		r.handle(orderOf("anna", fmt.Sprint("own ", hours), schemas.Paid, newest.Add(-time.Duration(hours)*time.Hour)))
		if r.outcome != want {
			r.fatalf("an own order of %d hours before the newest award is decided %s, expected %s", hours, r.outcome, want)
		}
	}
}
