package rules_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// An account is a function of its rows: thrown away and opened anew between any two events it writes the same records and
// the same rows as a twin that stays in memory. Histories are long enough that old facts are folded away.
func TestAccountIsAFunctionOfItsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, events := long(t, 10, 60)
		compareTwins(t, w, events)
	})
}

func compareTwins(t *rapid.T, w *world, events []rules.Event) *replay {
	kept, opened := w.replay(t).stored(), w.replay(t).stored()
	for i := range events {
		member := events[i].Member()
		if rapid.Bool().Draw(t, "open anew") {
			opened.reopen(member)
		}
		kept.handle(events[i])
		opened.handle(events[i])
		if !bytes.Equal(kept.log.Bytes(), opened.log.Bytes()) {
			same("opened anew it wrote", opened, kept, kept.log.String(), opened.log.String())
		}
		same("opened anew it has the rows", opened, kept, kept.rows(member), opened.rows(member))
	}
	want, have := kept.finish(), opened.finish()
	same("opened anew it ends in", opened, kept, want, have)
	return kept
}

// rows are the rows of a member as text.
func (r *replay) rows(member string) string {
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(r.stores[member])) {
		fmt.Fprintf(&b, "%q: %x\n", key, r.stores[member][key])
	}
	return b.String()
}

// So it is where a member's lists are longer than several pages: hundreds of held grants, of instants of the tier metric,
// of unused orders and of ids, with late events and refunds among them that change pages written long before.
func TestLongListsSpanPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{days: 300, from: []time.Time{{}}}
		w.texts = []string{`programme: drawn
currency: CNY
time_zone: Europe/Berlin
return_window: 300 days
tiers: {by: points, over: ` + pick(t, "over", "12 months", "5 days") + `, levels: [{id: member, at: 0}, {id: gold, at: 300}]}
rules:
  - {id: held, on: order, earn: {points: 1, per: 10.00}, hold: ` + pick(t, "hold", "90 days", "3 days") + `}
  - {id: now, on: order, earn: {points: 2}, counts: tier}
  - {id: many, on: order, earn: {points: 50}, each: {orders: ` + pick(t, "orders", "200", "90") + `, within: 60 days}}
  - {id: much, on: order, lines: 'line.category == "tea"', earn: {points: 7}, each: {spend: ` + pick(t, "spend", "6000.00", "900.00") + `, within: 40 days}}
`}
		w.ready(t)
		n := rapid.IntRange(150, 330).Draw(t, "events")
		for i := range n {
			w.events = append(w.events, pagedEvent(t, i))
		}
		last := eventTime(&w.events[n-1])
		w.end = last.Add(100 * 24 * time.Hour)
		compareTwinsSeldom(t, w)
	})
}

// compareTwinsSeldom opens accounts anew only now and then, and looks at the rows when it does.
func compareTwinsSeldom(t *rapid.T, w *world) {
	kept, opened := w.replay(t).stored(), w.replay(t).stored()
	every := rapid.IntRange(1, 40).Draw(t, "open anew every")
	for i := range w.events {
		member := w.events[i].Member()
		if i%every == 0 {
			same("opened anew it has the rows", opened, kept, kept.rows(member), opened.rows(member))
			opened.reopen(member)
		}
		kept.handle(w.events[i])
		opened.handle(w.events[i])
	}
	same("opened anew it wrote", opened, kept, kept.log.String(), opened.log.String())
	want := kept.finish()
	same("opened anew it ends in", opened, kept, want, opened.finish())
	sorted := w.replay(t).all(inOrder(w.events))
	same("in order it ends in", sorted, kept, want, sorted.finish())
}

// pagedEvent draws the i-th event of a busy member: mostly an order a few hours after the one before; sometimes a late
// one, or one that takes back an order of long ago.
func pagedEvent(t *rapid.T, i int) rules.Event {
	at := time.Date(2026, 2, 20, 9, 0, 0, 0, time.UTC).Add(time.Duration(i) * 3 * time.Hour)
	o := &schemas.Order{
		EventID: "e" + strconv.Itoa(i), OrderID: "o" + strconv.Itoa(i), MemberID: "m", Status: schemas.Paid, OccurredAt: at, Currency: "CNY",
		Lines: []schemas.Line{{LineID: "1", Category: []string{"tea", "cup"}[i%2], Quantity: 1, Amount: int64(i%7) * 1234}},
	}
	switch rapid.IntRange(1, 25).Draw(t, "odd") {
	case 1:
		o.OccurredAt = at.Add(-time.Duration(rapid.IntRange(1, 3*i+1).Draw(t, "hours late")) * time.Hour)
	case 2:
		o.Status, o.Lines = schemas.Refunded, nil
		o.OrderID = "o" + strconv.Itoa(rapid.IntRange(0, i).Draw(t, "refunded order"))
	}
	return rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: int64(i)}}
}

// The head is what every event writes, so it must not grow with what a member did: what grows lies in pages.
func TestHeadStaysSmall(t *testing.T) {
	w := &world{days: 90, texts: []string{`programme: shop
currency: CNY
time_zone: Asia/Shanghai
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 1000}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}, hold: 30 days, limit: [{points: 500, per: day}, {times: 900, per: year}]}
  - {id: pairs, on: order, earn: {points: 5}, each: {orders: 500, within: 6 months}}
`}, from: []time.Time{{}}}
	w.ready(t)
	r := w.replay(t).stored()
	for i := range 700 {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 2 * time.Hour)
		r.handle(rules.Event{Source: schemas.Source{Topic: schemas.TopicOrders}, Order: &schemas.Order{
			EventID: "event-with-a-long-identifier-" + strconv.Itoa(i), OrderID: "o" + strconv.Itoa(i), MemberID: "m", Status: schemas.Paid,
			OccurredAt: at, Currency: "CNY", Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 1000}},
		}})
		if size := len(r.stores["m"]["h"]); size > 5*1024 {
			r.fatalf("after %d events the head has %d bytes", i+1, size)
		}
	}
}

// Nor does it grow with what is left to be spent, taken by redemptions, and owed: a year of daily orders whose points expire, of which
// some are spent, leaves lots on pages of their own, and what is spent leaves none.
func TestHeadStaysSmallWithLots(t *testing.T) {
	w := &world{days: 30, texts: []string{`programme: shop
currency: CNY
time_zone: Asia/Shanghai
return_window: 30 days
redemptions: true
expiry: {after: 12 months}
rules:
  - {id: spend-on-anything, on: order, earn: {points: 1, per: 1.00}}
  - {id: quick, on: order, earn: {points: 3}, expiry: {after: 5 days}}
`}, from: []time.Time{{}}}
	w.ready(t)
	r := w.replay(t).stored()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 420 {
		at := begin.Add(time.Duration(i) * 24 * time.Hour)
		o := paid("event-with-a-long-identifier-"+strconv.Itoa(i), at, 1000)
		r.handle(rules.Event{Order: o, Source: ordersTopic()})
		if i%10 == 9 {
			r.handle(redeemed("SPENT", "r"+strconv.Itoa(i), at.Add(time.Hour), 30))
			r.reopen("m")
		}
		if i%50 == 49 {
			r.handle(redeemed("RETURNED", "r"+strconv.Itoa(i), at.Add(2*time.Hour), 20))
		}
		for key, row := range r.stores["m"] {
			if len(row) > 5*1024 {
				r.fatalf("after %d events row %q has %d bytes", i+1, key, len(row))
			}
		}
	}
	for key, row := range r.stores["m"] {
		if d, err := rules.DescribeRow([]byte(key), row); err != nil || d.Head != nil && (d.Head.Lots == nil || len(d.Head.Lots.Grants) == 0) {
			r.fatalf("row %q is described as %+v (%v)", key, d, err)
		}
	}
	r.handle(redeemed("SPENT", "all", begin.AddDate(1, 3, 0), 1e6))
	r.handle(redeemed("SPENT", "later", begin.AddDate(5, 0, 0), 1)) // by then no redemption of before can be returned
	r.finish()
	for key := range r.stores["m"] {
		if strings.HasPrefix(key, "phg") || strings.HasPrefix(key, "pht") {
			r.fatalf("nothing is left, and there is the row %q", key)
		}
	}
}

func redeemed(kind, id string, at time.Time, points int64) rules.Event {
	return rules.Event{Source: schemas.Source{Topic: schemas.TopicRedemptions}, Redemption: &schemas.Redemption{
		EventID: id + kind, MemberID: "m", OccurredAt: at, Kind: kind, RedemptionID: id, Points: points,
	}}
}
