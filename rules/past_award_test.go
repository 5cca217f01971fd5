package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// pastWorld is a referrer whose facts are folded away while a friend is slow: what the friend's account asks for then has no
// place any more.
func pastWorld(t *testing.T, header string) *world {
	w := &world{days: 3, from: []time.Time{{}}, texts: []string{`programme: past
currency: CNY
time_zone: UTC
return_window: 3 days
` + header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 100, referee: 5}, limit: {times: 1, per: ever}}
`}}
	w.ready(t)
	w.end = pastDay(500)
	return w
}

func pastDay(day int) time.Time {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, day)
}

func referralEvent(id, referee, referrer string, at time.Time) rules.Event {
	return rules.Event{Source: schemas.Source{Topic: schemas.TopicReferrals}, Referral: &schemas.Referral{
		EventID: id, ReferrerID: referrer, RefereeID: referee, OccurredAt: at,
	}}
}

func orderOf(member, id string, status schemas.OrderStatus, at time.Time) rules.Event {
	e := orderEvent(id, at, 100)
	e.Order.MemberID, e.Order.EventID, e.Order.Status = member, id, status
	if status != schemas.Paid {
		e.Order.EventID, e.Order.Lines = id+" back", nil
	}
	return e
}

// passes lets days pass for the referrer, an order each, so that all that is old is folded away.
func (r *replay) passes(from, to int) {
	for day := from; day < to; day++ {
		r.handle(orderOf("anna", fmt.Sprintf("a%d", day), schemas.Paid, pastDay(day)))
		r.reopen("anna")
	}
}

// entriesOf are the entries that were written for who invited, in words, and the list begins anew.
func (r *replay) entriesOf(member string) (list []string) {
	for _, e := range r.written {
		if e.MemberID == member && e.RuleID == "invite" {
			list = append(list, fmt.Sprintf("%s %d %d by %s", e.Entry, e.AvailableDelta, e.TierDelta, e.Cause))
		}
	}
	r.written = nil
	return list
}

func (r *replay) expectEntries(what string, want ...string) {
	r.t.Helper()
	if got := r.entriesOf("anna"); !slices.Equal(got, want) {
		r.fatalf("%s: the entries are %q, expected %q", what, got, want)
	}
}

// An award whose place is folded away is corrected by the plain difference at the head, an ADJUSTED with its cause, as often as
// its source changes; what comes only then is booked so as well. Deciding again changes nothing of that.
func TestAwardWhosePlaceIsFoldedAway(t *testing.T) {
	w := pastWorld(t, "tiers: {by: points, over: lifetime, levels: [{id: member, at: 0}, {id: gold, at: 100}]}\n")
	r := w.replay(t).stored()
	r.handle(referralEvent("i1", "bert", "anna", pastDay(0)))
	r.handle(referralEvent("i2", "cleo", "anna", pastDay(0)))
	r.handle(orderOf("bert", "b1", schemas.Paid, pastDay(1)))
	r.expectEntries("at once", "GRANTED 100 100 by b1")
	r.passes(2, 60)
	r.expectEntries("meanwhile")
	if m := r.members["anna"]; m.balance != 158 || m.tier != "gold" {
		r.fatalf("anna: %+v", m)
	}

	r.handle(orderOf("bert", "b1", schemas.Refunded, pastDay(2)))
	r.expectEntries("bert's order goes back", "ADJUSTED -100 -100 by b1 back")
	if m := r.members["anna"]; m.balance != 58 || m.tier != "gold" { // the rise is settled
		r.fatalf("anna: %+v", m)
	}
	r.reopen("anna")
	r.handle(orderOf("bert", "b2", schemas.Paid, pastDay(3)))
	r.expectEntries("bert's next order", "ADJUSTED 100 100 by b2")
	r.handle(orderOf("cleo", "c1", schemas.Paid, pastDay(4)))
	r.expectEntries("bound by no limit", "ADJUSTED 100 100 by c1")
	r.handle(orderOf("cleo", "c1", schemas.Refunded, pastDay(5)))
	r.expectEntries("cleo's order goes back", "ADJUSTED -100 -100 by c1 back")

	// What lies before the corrections comes late, so that they are decided again; then they are folded away, too.
	r.handle(orderOf("anna", "late", schemas.Paid, pastDay(58)))
	r.expectEntries("a late order")
	r.passes(60, 120)
	r.expectEntries("meanwhile")
	r.handle(orderOf("bert", "b2", schemas.Refunded, pastDay(4)))
	r.expectEntries("bert's next order goes back", "ADJUSTED -100 -100 by b2 back")
	r.passes(120, 125)
	r.finish()
	if m := r.members["anna"]; m.balance != 58+60+5+1 || m.tier != "gold" {
		r.fatalf("anna: %+v", m)
	}
	for member, store := range r.stores {
		for key, row := range store {
			if _, err := rules.DescribeRow([]byte(key), row); err != nil {
				r.fatalf("row %q of %s: %v", key, member, err)
			}
		}
		d, err := r.open(member).Describe()
		if err != nil || d.Balance != r.members[member].balance {
			r.fatalf("%s is described as %+v (%v)", member, d, err)
		}
	}
	for id, g := range r.grants {
		if g.rule == "invite" && g.points() != 0 {
			r.fatalf("grant %s has %d points left", id, g.points())
		}
	}
}

// Awards are remembered as long as orders are. Who takes an order back later than that takes nothing back from others.
func TestOldAwardsAreForgotten(t *testing.T) {
	w := pastWorld(t, "remember_orders: 20 days\n")
	r := w.replay(t).stored()
	r.handle(referralEvent("i1", "bert", "anna", pastDay(0)))
	r.handle(orderOf("bert", "b1", schemas.Paid, pastDay(1)))
	kept := func() (n int) {
		for key := range r.stores["anna"] {
			if key[0] == 'w' {
				n++
			}
		}
		return n
	}
	r.passes(2, 24)
	if n := kept(); n != 1 {
		r.fatalf("%d awards are kept, 1 was folded away", n)
	}
	r.passes(24, 80)
	if n := kept(); n != 0 {
		r.fatalf("%d awards of long ago are still kept", n)
	}
	r.written = nil
	r.handle(orderOf("bert", "b1", schemas.Refunded, pastDay(2)))
	r.expectEntries("long after")
}

// Where an award does not fit into 64 bits, nothing of it is taken in, and the account goes on as it was.
func TestAwardThatDoesNotFit(t *testing.T) {
	w := pastWorld(t, "")
	r := w.replay(t).stored()
	r.handle(orderOf("anna", "a1", schemas.Paid, pastDay(1)))
	before := r.text(func(*grantSum) bool { return true })
	effect := schemas.Effect{
		MemberID: "anna", FromMember: "bert", RuleID: "invite", Source: schemas.Source{Topic: schemas.TopicOrders, EventID: "b1", OrderID: "b1"},
		OccurredAt: pastDay(0), Revision: 1, Points: 1<<63 - 1, Cause: "b1", CausedAt: pastDay(0), Reason: "too much", DecidedAt: pastDay(0),
	}
	var out rules.Outcome
	for _, day := range []int{0, 2} { // in the past, and at the head
		effect.OccurredAt = pastDay(day)
		if err := r.open("anna").Take(&effect, time.Time{}, &out); err != nil || !out.Full || len(out.Entries) > 0 {
			r.fatalf("taken in: %+v %v", out, err)
		}
		r.take("anna", &out)
		r.reopen("anna")
	}
	same("afterwards it is", r, r, before, r.text(func(*grantSum) bool { return true }))
	r.handle(orderOf("anna", "a2", schemas.Paid, pastDay(3)))
	if m := r.members["anna"]; m.balance != 2 {
		r.fatalf("anna: %+v", m)
	}
}

// So it is whatever happens, where friends are slow: sums stay in their bounds, and an account that is thrown away between any
// two events writes what its twin in memory writes.
func TestAwardsOfSlowFriends(t *testing.T) {
	past := 0
	rapid.Check(t, func(t *rapid.T) {
		header := pick(t, "tiers", "", "tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 90}]}\n",
			"tiers: {by: points, over: 6 days, levels: [{id: member, at: 0}, {id: gold, at: 90}]}\n",
			"tiers: {by: points, over: calendar_year, levels: [{id: member, at: 0}, {id: gold, at: 90}]}\n") + pick(t, "expiry", "", "expiry: {after: 9 days}\n")
		if oneIn(t, 2, "redemptions") {
			header += "redemptions: true\n" + pick(t, "clawback", "", "clawback: within_balance\n", "clawback: pending_only\n")
		}
		header += "limits: [{times: 100000, per: ever}]\n" // never reached: what it counts is looked at
		w := &world{days: 3, from: []time.Time{{}}, texts: []string{"programme: slow\ncurrency: CNY\ntime_zone: UTC\nreturn_window: 3 days\n" + header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: hello, on: referral, after: joined, earn: {referrer: 7, referee: 5}, limit: {times: 100000, per: ever}, ` + pick(t, "hello", "counts: balance", "counts: tier", "hold: 2 days", "hold: review", "hold: review, counts: tier") + `}
  - {id: invite, on: referral, after: first_order, when: member.points < 30, earn: {referrer: 40}, limit: ` + drawLimits(t, 90) + pick(t, "invite", "", ", hold: review", ", hold: 2 days") + `}
` + pick(t, "fraud", "", "fraud:\n  - {id: large, on: order, when: order.total >= 150.00, action: hold}\n")}}
		w.ready(t)
		w.end = pastDay(200)
		friends := []string{"bert", "cleo", "dora"}
		begin := rapid.IntRange(-10, 60).Draw(t, "begin")
		var events []rules.Event
		for day := range rapid.IntRange(20, 70).Draw(t, "days") {
			events = append(events, orderOf("anna", fmt.Sprintf("a%d", day), schemas.Paid, pastDay(day)))
		}
		for n := range rapid.IntRange(5, 30).Draw(t, "of friends") {
			friend, at := rapid.SampledFrom(friends).Draw(t, "friend"), pastDay(begin).Add(time.Duration(7*n)*time.Hour)
			e := referralEvent(fmt.Sprintf("i%d", n), friend, "anna", at)
			if kind := pick(t, "kind", "invitation", "order", "refund"); kind != "invitation" {
				status := map[string]schemas.OrderStatus{"order": schemas.Paid, "refund": schemas.Refunded}[kind]
				e = orderOf(friend, fmt.Sprintf("%s's %d", friend, rapid.IntRange(1, 4).Draw(t, "order")), status, at)
				if status == schemas.Paid && oneIn(t, 3, "large") {
					e.Order.Lines[0].Amount *= 2
				}
				e.Order.EventID += fmt.Sprint(" event ", n)
			}
			at2 := rapid.IntRange(0, len(events)).Draw(t, "arrives")
			for at2 < len(events) && slices.ContainsFunc(events[at2:], func(x rules.Event) bool { return x.Member() == friend }) {
				at2++ // nothing of a friend comes late to that friend
			}
			events = slices.Insert(events, at2, e)
		}
		events = w.drawAnswers(t, events)
		for i := range events {
			if i > 0 && events[i].Member() == "anna" && events[i-1].Member() == "anna" && oneIn(t, 3, "late") {
				events[i], events[i-1] = events[i-1], events[i] // so that what is corrected is decided again
			}
			events[i].Source.Offset = int64(i)
			events[max(i-1, 0)].Source.Offset = int64(max(i-1, 0))
		}
		r := compareTwins(t, w, events)
		past += r.past
		// Of what has expired, and of what is held for the tier alone, entries do not say how much of it was granted in the end.
		if !w.parsed[0].Programme.Redemptions && !strings.Contains(w.texts[0], "hold: review, counts: tier") {
			r.checkCounted("anna", "hello")
		}
	})
	if past == 0 {
		t.Error("no award came after its place was folded away: the law says nothing")
	}
}

// checkCounted says that what limits have counted of a member, over all rules and of one, is what was granted in the end: what was
// taken back or rejected is counted no more, and nothing that never was.
func (r *replay) checkCounted(member, rule string) {
	r.t.Helper()
	var times, points, ofRule int64
	for _, g := range r.grants {
		n := g.points()
		if g.member != member || n == 0 {
			continue
		}
		times, points = times+1, points+n
		if g.rule == rule {
			ofRule++
		}
	}
	if t, p := r.open(member).EverCounted(""); t != times || p != points {
		r.fatalf("limits have counted %d grants and %d points of %s, there are %d and %d", t, p, member, times, points)
	}
	if t, _ := r.open(member).EverCounted(rule); t != ofRule {
		r.fatalf("the limit of %s has counted %d grants of %s, there are %d", rule, t, member, ofRule)
	}
}

// drawAnswers draws what operators say to what friends have earned anna, and what she spends: around the time at which her newest
// event of then was.
func (w *world) drawAnswers(t *rapid.T, events []rules.Event) []rules.Event {
	for n := range rapid.IntRange(0, 20).Draw(t, "answers") {
		of := rapid.IntRange(0, len(events)-1).Draw(t, "about")
		place, at := rapid.IntRange(of+1, len(events)).Draw(t, "answered"), pastDay(0)
		for _, e := range events[:place] {
			if e.Member() == "anna" {
				at = eventTime(&e)
			}
		}
		at = at.Add(time.Duration(rapid.IntRange(-40, 20).Draw(t, "hours")) * time.Hour)
		e := rules.Event{Source: schemas.Source{Topic: schemas.TopicCommands}, Command: &schemas.Command{
			EventID: fmt.Sprint("c", n), MemberID: "anna", OccurredAt: at, Operator: "lin", Kind: pick(t, "answer", "RELEASE", "REJECT"),
			GrantID: w.ledger.GrantIDOfAward(events[of], "anna", pick(t, "of rule", "hello", "invite", "invite")),
		}}
		if oneIn(t, 3, "spent") {
			e = rules.Event{Source: schemas.Source{Topic: schemas.TopicRedemptions}, Redemption: &schemas.Redemption{
				EventID: fmt.Sprint("s", n), MemberID: "anna", OccurredAt: at, Kind: "SPENT", Points: int64(rapid.IntRange(1, 90).Draw(t, "points")), RedemptionID: fmt.Sprint("s", n),
			}}
		}
		events = slices.Insert(events, place, e)
	}
	return events
}
