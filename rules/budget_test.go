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
