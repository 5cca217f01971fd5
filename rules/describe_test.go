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

// newAccount is the account of m1, of whom nothing is held yet, under a programme.
func newAccount(t *testing.T, text string) *rules.Account {
	t.Helper()
	p, problems := programme.Parse(map[string][]byte{"shop.yaml": []byte(text)})
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
	return account
}

// A description tells what was decided, and why, and changes nothing: told twice it is the same, and what comes after it is
// decided as if nobody had asked.
func TestDescribe(t *testing.T) {
	account := newAccount(t, `programme: shop
currency: CNY
time_zone: Asia/Shanghai
earn_on: PAID
return_window: 30 days
tiers: {by: points, over: lifetime, levels: [{id: member, at: 0}, {id: gold, at: 100}]}
rules:
  - {id: spend, title: a point a yuan, on: order, earn: {points: 1, per: 1.00}}
  - {id: later, on: order, earn: {points: 7}, hold: 2 days, limit: {times: 5, per: day}}
`)
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
	if len(got.Held) != 1 || got.Held[0].GrantID != got.Events[0].Grants[1].GrantID {
		t.Fatalf("the held grant is not named as among the events: %+v", got.Held)
	}
	got.Held[0].GrantID = ""
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

// A description tells who is blocked, by whom and until when, what is missing to the next level, and what expires at which moment.
func TestDescribeBlockedMember(t *testing.T) {
	account := newAccount(t, `programme: shop
currency: CNY
time_zone: Asia/Shanghai
redemptions: true
expiry: {after: 1 months, at: month_end}
tiers: {by: spend, over: lifetime, levels: [{id: member, at: 0.00}, {id: gold, at: 100.00}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: extra, on: order, earn: {points: 5}}
fraud:
  - {id: burst, on: order, measure: count, by: member, within: 1h, over: 2, action: block, for: 3 days}
`)
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	describe := func() rules.Description {
		t.Helper()
		d, err := account.Describe()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for i, id := range []string{"e1", "e2", "e3"} {
		if i == 2 {
			if d := describe(); d.Blocked != nil || d.NextTier != "gold" || d.NextTierMissing != "59.50" {
				t.Errorf("before the block: %+v, %s is %s short", d.Blocked, d.NextTier, d.NextTierMissing)
			}
		}
		order := &schemas.Order{
			EventID: id, OrderID: "o" + id, MemberID: "m1", Status: schemas.Paid, OccurredAt: at.Add(time.Duration(i) * time.Minute), Currency: "CNY",
			Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 2025}},
		}
		if err := account.Handle(rules.Event{Order: order, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: int64(i)}}, new(rules.Outcome)); err != nil {
			t.Fatal(err)
		}
	}
	d := describe()
	want := &rules.BlockDescription{By: "burst", EventID: "e3", Until: at.Add(2*time.Minute).AddDate(0, 0, 3)}
	if diff := cmp.Diff(want, d.Blocked); diff != "" {
		t.Errorf("the block differs (-want +got):\n%s", diff)
	}
	// A month after 1 November is in December; the end of that month is in Shanghai's time.
	expires := []rules.Expiring{{At: time.Date(2026, 12, 31, 16, 0, 0, 0, time.UTC), Points: 50, Grants: 4, Rules: []string{"spend", "extra"}}}
	if diff := cmp.Diff(expires, d.Expiring()); diff != "" {
		t.Errorf("what expires differs (-want +got):\n%s", diff)
	}
}
