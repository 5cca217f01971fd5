package processor

import (
	"strings"
	"sync"
	"testing"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// What a wallet spends goes the way of every input, and what is left expires by time, once, for exactly what was not spent.
func TestTimeLetsExpireWhatWasNotSpent(t *testing.T) {
	s := newShop(t, 4)
	text := strings.Replace(testProgramme, "earn_on: PAID", "redemptions: true\nexpiry: {after: 3 days}\nearn_on: PAID", 1)
	p, problems := programme.Parse(map[string][]byte{"test.yaml": []byte(text)})
	if p == nil {
		t.Fatal(problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		t.Fatal(err)
	}
	s.ledger = ledger
	s.send(schemas.TopicOrders, "m1", &schemas.Order{
		EventID: "e1", OrderID: "o1", MemberID: "m1", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 4000}},
	})
	s.send(schemas.TopicRedemptions, "m1", &schemas.Redemption{
		EventID: "r1", MemberID: "m1", OccurredAt: s.started.Add(time.Minute), Points: 15, Kind: "SPENT", RedemptionID: "basket",
	})
	var clock sync.Mutex
	now := s.started.Add(time.Hour)
	e := s.run(newMachine("a"), func(o *Options) {
		o.Programme = map[string][]byte{"test.yaml": []byte(text)}
		o.Now = func() time.Time { clock.Lock(); defer clock.Unlock(); now = now.Add(time.Millisecond); return now }
	})
	if found := s.read(); len(found.entries) != 1 {
		t.Fatalf("entries before the points expire: %v", found.entries)
	}
	clock.Lock()
	now = now.AddDate(0, 0, 5)
	clock.Unlock()
	eventually(t, "an expiry", func() bool { return len(s.read().entries) == 2 })
	for grant, sum := range s.read().sums {
		if sum != [3]int64{15, 0, 40} {
			t.Errorf("grant %s: available, pending, tier: %v; 15 of 40 were spent", grant, sum)
		}
	}
	e.end()
}
