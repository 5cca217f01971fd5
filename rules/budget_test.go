package rules_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// An event waits a day for its budget and is decided then. What the budget says later goes back to it, or with `queue: true` to
// the grant after all.
func TestBudgetsThatDoNotAnswer(t *testing.T) {
	for _, queue := range []string{"false", "true"} {
		t.Run("queue "+queue, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { silentBudget(t, queue) })
		})
	}
}

func silentBudget(t *rapid.T, queue string) {
	f := newFleet(t, `programme: shop
currency: CNY
time_zone: UTC
rules:
  - {id: own, on: order, earn: {points: 3}}
  - {id: shared, on: order, earn: {points: 1, per: 1.00}, budget: {points: 100, queue: `+queue+`}}
`)
	f.send(rules.Event{Order: &schemas.Order{
		EventID: "o", OrderID: "o", MemberID: "m2", Status: schemas.Paid, OccurredAt: f.at, Currency: "CNY",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 6000}},
	}, Source: schemas.Source{Topic: schemas.TopicOrders}})
	a := f.account("m2")
	due, ok := a.Due()
	if want := f.at.Add(24 * time.Hour); !ok || !due.Equal(want) {
		t.Fatalf("it waits until %s (%t), want %s", due, ok, want)
	}
	var out rules.Outcome
	if err := a.Advance(due, due, &out); err != nil {
		t.Fatal(err)
	}
	if d := out.Decision; d == nil || d.AvailablePoints != 3 || !strings.Contains(d.Verdicts[1].Reason, "has not answered") {
		t.Fatalf("given up, the decision is %+v", d)
	}
	f.done(f.shards[f.home("m2")], "m2", &out)
	for ways := f.ways(); len(ways) > 0; ways = f.ways() {
		f.deliver(rapid.SampledFrom(ways).Draw(t, "way"))
		f.check(100)
	}
	if got, want := f.sums["m2"], map[string]int64{"false": 0, "true": 60}[queue]; got != want {
		t.Fatalf("%d points in the end, want %d", got, want)
	}
}

// A budget that is used up is opened again for what a refund gives back, but not within ten seconds of its end; a timer does it where
// nothing else happens.
func TestUsedUpBudgetsAreOpenedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, `programme: shop
currency: CNY
time_zone: UTC
return_window: 30 days
rules:
  - {id: shared, on: order, earn: {points: 1, per: 1.00}, budget: 100}
`)
		settle := func() {
			for ways := f.ways(); len(ways) > 0; ways = f.ways() {
				f.deliver(rapid.SampledFrom(ways).Draw(t, "way"))
				f.check(100)
			}
		}
		order := func(id, member string, seconds, points, want int64) {
			f.send(rules.Event{Order: &schemas.Order{
				EventID: id, OrderID: id, MemberID: member, Status: schemas.Paid, OccurredAt: f.at.Add(time.Duration(seconds) * time.Second),
				Currency: "CNY", Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 100 * points}},
			}, Source: schemas.Source{Topic: schemas.TopicOrders}})
			settle()
			if got := f.sums[member]; got != want {
				t.Fatalf("%s has %d points after order %s, want %d", member, got, id, want)
			}
		}
		order("o1", "m1", 0, 100, 100)
		order("o2", "m2", 1, 30, 0) // it is used up
		f.send(rules.Event{Order: &schemas.Order{
			EventID: "r1", OrderID: "o1", MemberID: "m1", Status: schemas.Refunded, OccurredAt: f.at.Add(2 * time.Second), Currency: "CNY",
			RefundedLines: []schemas.RefundedLine{{LineID: "1", Amount: 6000}},
		}, Source: schemas.Source{Topic: schemas.TopicOrders}})
		settle()
		order("o3", "m3", 3, 30, 0) // it is not open yet
		s := f.shards[budgetOwner]
		owner := f.key(s, "budget:0:shared")
		due, ok := owner.Due()
		if want := f.at.Add(11 * time.Second); !ok || !due.Equal(want) {
			t.Fatalf("it is to be opened at %s (%t), want %s", due, ok, want)
		}
		var out rules.Outcome
		f.now = s
		if err := owner.Advance(due, due, &out); err != nil {
			t.Fatal(err)
		}
		owner.Save(&f.buffer, s.store("key budget:0:shared").put)
		f.done(s, "", &out)
		settle()
		if _, ok := owner.Due(); ok {
			t.Fatal("it is to be opened once more")
		}
		order("o4", "m4", 12, 30, 30)
	})
}
