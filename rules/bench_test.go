package rules_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

func ordersTopic() schemas.Source { return schemas.Source{Topic: schemas.TopicOrders} }

func paid(id string, at time.Time, amount int64) *schemas.Order {
	return &schemas.Order{
		EventID: "e" + id, OrderID: id, MemberID: "m", Status: schemas.Paid, OccurredAt: at, Currency: "CNY", Channel: "app",
		Lines: []schemas.Line{{LineID: "1", SKU: "4711", Category: "food/tea", Quantity: 1, Amount: amount}},
	}
}

// benchProgramme has 3 rules, or 20, with tiers. The window is long, so that the number of facts is what was sent.
func benchProgramme(b *testing.B, many bool) *rules.Ledger {
	b.Helper()
	return benchLedger(b, "", many)
}

// benchLedger is of benchProgramme with more keys at its head.
func benchLedger(b *testing.B, keys string, many bool) *rules.Ledger {
	b.Helper()
	var text strings.Builder
	text.WriteString(`programme: bench
currency: CNY
time_zone: Asia/Shanghai
return_window: 3 years
` + keys + `
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 100000000}]}
rules:
  - {id: spend, on: order, when: order.total >= 10.00, earn: {points: 1, per: 1.00}}
  - {id: full-100, on: order, earn: {points: 50, per: 100.00}, limit: {points: 500, per: day}}
  - {id: gold, on: order, when: member.tier == "gold", boost: {of: [spend], by: 20%}}
`)
	if many {
		for i := range 17 {
			fmt.Fprintf(&text, "  - {id: more-%d, on: order, when: 'order.channel == \"app\" && order.number > %d', earn: {points: 1}, counts: balance}\n", i, 1000000*(i%2))
		}
	}
	p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(text.String())})
	if p == nil {
		b.Fatal(problems)
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		b.Fatal(err)
	}
	return ledger
}

// benchAccount is a member with a number of orders, ten minutes apart, saved and opened anew.
func benchAccount(b *testing.B, ledger *rules.Ledger, facts int) (*rules.Account, rowStore) {
	b.Helper()
	rows := rowStore{}
	a, err := ledger.Open("m", rows)
	if err != nil {
		b.Fatal(err)
	}
	var out rules.Outcome
	for i := range facts {
		if err := a.Handle(rules.Event{Source: ordersTopic(), Order: paid("o"+strconv.Itoa(i), benchTime(i), 2500)}, &out); err != nil {
			b.Fatal(err)
		}
	}
	a.Save(new(rules.Buffer), rows.put)
	if a, err = ledger.Open("m", rows); err != nil {
		b.Fatal(err)
	}
	return a, rows
}

func benchTime(i int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 10 * time.Minute)
}

// One order at the head and the save of its rows. A condition is about 0.2 µs, encoding head and fact a few µs; the number
// of facts should show only in the head's lists of ids, which are bounded by pages: about 10 µs with 3 rules, whatever the
// number of facts.
func BenchmarkHandleAtHead(b *testing.B) {
	for _, facts := range []int{10, 1000, 10000} {
		for _, many := range []bool{false, true} {
			b.Run(fmt.Sprintf("facts=%d/rules=%d", facts, map[bool]int{false: 3, true: 20}[many]), func(b *testing.B) {
				a, rows := benchAccount(b, benchProgramme(b, many), facts)
				var out rules.Outcome
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if err := a.Handle(rules.Event{Source: ordersTopic(), Order: paid("n"+strconv.Itoa(i), benchTime(facts+i), 2500)}, &out); err != nil {
						b.Fatal(err)
					}
					a.Save(new(rules.Buffer), rows.put)
				}
			})
		}
	}
}

// An order at the head and a full refund of the order 10 facts back: decided again from the nearest
// snapshot, that is over some 20 to 40 facts, so within 100 µs.
func BenchmarkRedecideTenFactsBack(b *testing.B) {
	for _, facts := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("facts=%d", facts), func(b *testing.B) {
			a, rows := benchAccount(b, benchProgramme(b, false), facts)
			var out rules.Outcome
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				order := paid("o"+strconv.Itoa(facts+i), benchTime(facts+i), 2500)
				refund := paid("o"+strconv.Itoa(facts+i-10), benchTime(facts+i), 0)
				refund.EventID, refund.Status, refund.Lines = "r"+strconv.Itoa(i), schemas.Refunded, nil
				for _, o := range []*schemas.Order{order, refund} {
					if err := a.Handle(rules.Event{Source: ordersTopic(), Order: o}, &out); err != nil {
						b.Fatal(err)
					}
				}
				a.Save(new(rules.Buffer), rows.put)
			}
		})
	}
}

// Opening a member of whom 10,000 facts are stored, for an event at the head: only the head and its pages are read.
func BenchmarkOpen(b *testing.B) {
	for _, facts := range []int{10, 10000} {
		b.Run(fmt.Sprintf("facts=%d", facts), func(b *testing.B) {
			ledger := benchProgramme(b, false)
			_, rows := benchAccount(b, ledger, facts)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := ledger.Open("m", rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
