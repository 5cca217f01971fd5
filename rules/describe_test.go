package rules_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

type noRows struct{}

func (noRows) Get([]byte) ([]byte, error)                                 { return nil, nil }
func (noRows) Scan([]byte, func(_, _ []byte) bool) error                  { return nil }
func (noRows) ScanFrom(_, _ []byte, _ func(key, value []byte) bool) error { return nil }

// A description tells what was decided, and why, and changes nothing: told twice it is the same, and what comes after it is
// decided as if nobody had asked.
func TestDescribe(t *testing.T) {
	p, problems := programme.Parse(map[string][]byte{"shop.yaml": []byte(`programme: shop
currency: CNY
time_zone: Asia/Shanghai
earn_on: PAID
return_window: 30 days
tiers: {by: points, over: lifetime, levels: [{id: member, at: 0}, {id: gold, at: 100}]}
rules:
  - {id: spend, title: a point a yuan, on: order, earn: {points: 1, per: 1.00}}
  - {id: later, on: order, earn: {points: 7}, hold: 2 days, limit: {times: 5, per: day}}
`)})
	if p == nil {
		t.Fatal(problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		t.Fatal(err)
	}
	account, err := ledger.Open("m1", noRows{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	order := &schemas.Order{
		EventID: "e1", OrderID: "o1", MemberID: "m1", Status: schemas.Paid, OccurredAt: at, Currency: "CNY",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 12050}, {LineID: "2", Quantity: 1, Amount: 1000}},
	}
	back := &schemas.Order{
		EventID: "e2", OrderID: "o1", MemberID: "m1", Status: schemas.Refunded, OccurredAt: at.Add(time.Hour), Currency: "CNY",
		RefundedLines: []schemas.RefundedLine{{LineID: "2", Quantity: 1, Amount: 1000}},
	}
	for _, o := range []*schemas.Order{order, back} {
		if err := account.Handle(rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: 3}}, new(rules.Outcome)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := account.Describe()
	if err != nil {
		t.Fatal(err)
	}
	until := at.AddDate(0, 0, 2)
	for i := range got.Events {
		for j := range got.Events[i].Grants {
			got.Events[i].Grants[j].GrantID = "" // a hash
		}
	}
	want := rules.Description{
		Member: "m1", Balance: 120, Pending: 7, Tier: "gold", TierMetric: "points", TierValue: "120", Orders: 1, Spend: "120.50", Currency: "CNY",
		NewestEvent: at.Add(time.Hour), DecidedTo: at.Add(time.Hour), NextDue: until,
		Held:   []rules.HeldGrant{{Rule: "later", EventID: "e1", Points: 7, TierPoints: 7, Until: until}},
		Limits: []rules.Count{},
		Rules:  []rules.RuleDescription{{Rule: "later", Limits: []rules.Count{{Per: "day", Times: 1, Points: 7}}}},
		Events: []rules.FactDescription{
			{
				OccurredAt: at, Kind: "order PAID", EventID: "e1", OrderID: "o1", Left: "120.50", Source: "commerce.orders/0@3",
				Grants: []rules.GrantDescription{
					{Rule: "spend", Title: "a point a yuan", Available: 120, Tier: 120, Entries: 2, Why: "120 points: 120.50 counts, 1 for each full 1.00"},
					{Rule: "later", Title: "later", Pending: 7, Entries: 1, HeldUntil: until, Why: "7 points, held for 2 days: a fixed amount"},
				},
			},
			{OccurredAt: at.Add(time.Hour), Kind: "order REFUNDED", EventID: "e2", OrderID: "o1", Source: "commerce.orders/0@3", Note: "acts through its order"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the description differs (-want +got):\n%s", diff)
	}
	var outcome rules.Outcome
	if err := account.Advance(until, until, &outcome); err != nil || len(outcome.Entries) != 1 || outcome.Entries[0].Entry != schemas.EntryReleased || outcome.Entries[0].AvailableDelta != 7 {
		t.Errorf("after the description the hold ended with %+v, %v", outcome.Entries, err)
	}
}
