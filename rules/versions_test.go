package rules_test

import (
	"strconv"
	"testing"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// twoVersions is a world with a programme that changes on 1 March 2026.
func twoVersions(t *testing.T, first, second string) *world {
	w := &world{
		from: []time.Time{{}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}, texts: []string{first, second},
		end: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	w.ready(t)
	return w
}

// With `return_window: 10 days` old facts are folded away; a version with a wider window, published later, does not bring
// them back. What lies among them can no longer be put in its place and must be LATE: decided after them it would count in
// periods, and find tiers, of a later time.
func TestWiderWindowDoesNotUnfold(t *testing.T) {
	const header, body = "programme: shop\ncurrency: CNY\ntime_zone: UTC\n", "rules: [{id: daily, on: order, earn: {points: 5}, limit: {times: 1, per: day}}]\n"
	w := twoVersions(t, header+"return_window: 10 days\n"+body, header+"return_window: 300 days\n"+body)
	first, err := rules.NewLedger(w.parsed[:1])
	if err != nil {
		t.Fatal(err)
	}
	r := w.replay(t).stored()
	r.ledger = first
	for i := range 32 {
		r.handle(orderEvent("o"+strconv.Itoa(i), time.Date(2026, 1, 1+i, 12, 0, 0, 0, time.UTC), 100))
	}
	r.ledger = w.ledger // the second version is published
	r.reopen("m")
	r.handle(orderEvent("newest", time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), 100))
	before := r.finish()
	r.handle(orderEvent("late", time.Date(2026, 1, 3, 13, 0, 0, 0, time.UTC), 100)) // 3 January has had its order
	same("after an event among what is folded away it is", r, r, before, r.finish())
	if r.late != 1 {
		r.fatalf("the event was not decided LATE")
	}
}

// An order that stands at its PAID event does not stand a second time at its COMPLETED event because another status earns
// since, and a refund finds it, also where the account was opened anew in between.
func TestOrderIsKnownAfterTheEarningStatusChanged(t *testing.T) {
	const header, body = "programme: shop\ncurrency: CNY\ntime_zone: UTC\n", "rules: [{id: spend, on: order, earn: {points: 1, per: 1.00}}]\n"
	w := twoVersions(t, header+"earn_on: PAID\n"+body, header+"earn_on: COMPLETED\n"+body)
	o1 := orderEvent("o1", time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC), 3000)
	completed := orderEvent("o1", time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), 3000)
	completed.Order.EventID, completed.Order.Status = "completed", schemas.Completed
	refund := takeBack(o1.Order, "refund", time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC))
	for _, events := range [][]rules.Event{{o1, completed}, {o1, completed, refund}, {o1, refund}} {
		kept, opened := w.replay(t).stored(), w.replay(t).stored()
		for _, e := range events {
			kept.handle(e)
			opened.handle(e)
			opened.reopen("m")
		}
		same("opened anew it ends in", opened, kept, kept.finish(), opened.finish())
		want := int64(30)
		if len(events) != 2 || events[1].Order == refund.Order {
			want = 0
		}
		if got := kept.members["m"].balance; got != want {
			kept.fatalf("it ends with %d points, not %d", got, want)
		}
	}
}
