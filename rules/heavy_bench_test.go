package rules_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// sortedRows are rows that are read again and again and not written: their keys are sorted once.
type sortedRows struct {
	rowStore
	keys []string
}

func (s *sortedRows) Scan(prefix []byte, yield func(key, value []byte) bool) error {
	return s.ScanFrom(prefix, prefix, yield)
}

func (s *sortedRows) ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	i, _ := slices.BinarySearch(s.keys, string(from))
	for _, key := range s.keys[i:] {
		if !strings.HasPrefix(key, string(prefix)) || !yield([]byte(key), s.rowStore[key]) {
			return nil
		}
	}
	return nil
}

// heavyCase is what comes to a member with a number of orders; n counts the events.
type heavyCase struct {
	name  string
	event func(facts, n int) *schemas.Order
}

// refundOf sends a full order back.
func refundOf(facts, n, order int) *schemas.Order {
	o := paid("o"+strconv.Itoa(order), benchTime(facts+n), 0)
	o.EventID, o.Status, o.Lines = "r"+strconv.Itoa(n), schemas.Refunded, nil
	return o
}

func heavyCases() []heavyCase {
	return []heavyCase{
		{"event-at-head", func(facts, n int) *schemas.Order { return paid("n"+strconv.Itoa(n), benchTime(facts+n), 2500) }},
		{"refund-near-head", func(facts, n int) *schemas.Order { return refundOf(facts, n, facts-1-n) }},
		{"refund-in-middle", func(facts, n int) *schemas.Order { return refundOf(facts, n, facts/2-n) }},
		{"late-in-middle", func(facts, n int) *schemas.Order {
			return paid("n"+strconv.Itoa(n), benchTime(facts/2-n).Add(time.Minute), 2500)
		}},
	}
}

// heavyPrograms are how a member's points are kept: one sum, or, where it is followed what is spent, a lot for each grant.
func heavyPrograms() map[string]string {
	return map[string]string{"sum": "", "lots": "redemptions: true\nexpiry: {after: 12 months, at: month_end}\n"}
}

// heavyRows are a member with so many orders, as stored.
func heavyRows(b *testing.B, keys string, facts int) (*rules.Ledger, *sortedRows) {
	b.Helper()
	ledger := benchLedger(b, keys, false)
	_, rows := benchAccount(b, ledger, facts)
	return ledger, &sortedRows{rows, slices.Sorted(maps.Keys(rows))}
}

// What an event costs a member by how many facts there are: few, many, and nearly as many as are kept. An event at the head must
// not show them. A refund or a late event decides again what lies behind its place, a microsecond or two each, and about half as
// much once more for the way from the nearest snapshot: so near the head it must show little of them, too.
func BenchmarkHeavyMember(b *testing.B) {
	for name, keys := range heavyPrograms() {
		for _, facts := range []int{10, 1_000, 40_000} {
			ledger, stored := heavyRows(b, keys, facts)
			for _, c := range heavyCases() {
				b.Run(fmt.Sprintf("%s/facts=%d/%s", name, facts, c.name), func(b *testing.B) {
					most := min(max(facts/10, 1), 200) // before the member is another
					var a *rules.Account
					var out rules.Outcome
					buffer := new(rules.Buffer)
					discard := func(_, _ []byte) {}
					b.ReportAllocs()
					for n := range b.N {
						if n%most == 0 {
							b.StopTimer()
							a = heavyAccount(b, ledger, stored)
							b.StartTimer()
						}
						if err := a.Handle(rules.Event{Source: ordersTopic(), Order: c.event(facts, n%most)}, &out); err != nil {
							b.Fatal(err)
						}
						a.Save(buffer, discard)
					}
				})
			}
		}
	}
}

// heavyAccount opens a member whose facts and snapshots are in memory, as they are after a first refund.
func heavyAccount(b *testing.B, ledger *rules.Ledger, rows rules.Rows) *rules.Account {
	b.Helper()
	a, err := ledger.Open("m", rows)
	if err != nil {
		b.Fatal(err)
	}
	var out rules.Outcome
	late := paid("first", benchTime(0).Add(-time.Minute), 2500)
	if err := a.Handle(rules.Event{Source: ordersTopic(), Order: late}, &out); err != nil {
		b.Fatal(err)
	}
	a.Save(new(rules.Buffer), func(_, _ []byte) {})
	return a
}

// The first event of a member that was not in memory. At the head only the head and its pages are read; for a refund its facts are
// read, too, and all of them decided again, as there is no snapshot yet.
func BenchmarkHeavyMemberOpened(b *testing.B) {
	for _, facts := range []int{10, 1_000, 40_000} {
		ledger, stored := heavyRows(b, "", facts)
		for _, c := range heavyCases()[:2] {
			b.Run(fmt.Sprintf("facts=%d/%s", facts, c.name), func(b *testing.B) {
				var out rules.Outcome
				b.ReportAllocs()
				for range b.N {
					a, err := ledger.Open("m", stored)
					if err != nil {
						b.Fatal(err)
					}
					if err := a.Handle(rules.Event{Source: ordersTopic(), Order: c.event(facts, 1)}, &out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
