package rules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// Every row that an account writes can be shown, pages of long lists included, and what it says is what was put in.
func TestEveryRowIsDescribed(t *testing.T) {
	account := newAccount(t, `programme: shop
currency: CNY
time_zone: Asia/Shanghai
earn_on: PAID
return_window: 30 days
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: later, on: order, earn: {points: 7}, hold: 200 days, limit: {times: 500, per: day}}
`)
	at := time.Date(2026, 8, 1, 10, 0, 0, 0, time.UTC)
	for n := range 150 {
		order := &schemas.Order{
			EventID: fmt.Sprintf("e%d", n), OrderID: fmt.Sprintf("o%d", n), MemberID: "m1", Status: schemas.Paid, OccurredAt: at.Add(time.Duration(n) * 12 * time.Hour),
			Currency: "CNY", Lines: []schemas.Line{{LineID: "1", SKU: "tea", Quantity: 1, Amount: 1050}}, Attributes: map[string]string{"gift": "yes"},
		}
		if err := account.Handle(rules.Event{Order: order, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: int64(n)}}, new(rules.Outcome)); err != nil {
			t.Fatal(err)
		}
	}
	checkIn := &schemas.CheckIn{EventID: "c", MemberID: "m1", OccurredAt: at.AddDate(0, 3, 0), Activity: "study"}
	if err := account.Handle(rules.Event{CheckIn: checkIn, Source: schemas.Source{Topic: schemas.TopicCheckIns}}, new(rules.Outcome)); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	var all strings.Builder
	account.Save(new(rules.Buffer), func(key, value []byte) {
		if value == nil {
			return
		}
		d, err := rules.DescribeRow(key, value)
		if err != nil {
			t.Errorf("row %q: %v", key, err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		kinds[string(key[:1])]++
		all.WriteString(string(text) + "\n")
		if d.Head != nil {
			if d.Head.Points != 1500 || d.Head.Pending != 7*150 || d.Head.Orders != 150 || d.Head.Spend != 157500 || len(d.Head.Held) != 150%64 {
				t.Errorf("head: %s", text)
			}
		}
	})
	for _, kind := range []string{"h", "f", "p"} {
		if kinds[kind] == 0 {
			t.Errorf("no row of kind %q among %v", kind, kinds)
		}
	}
	for _, part := range []string{
		`"kind":"order","event_id":"e149"`, `"lines":[{"line_id":"1","sku":"tea","quantity":1,"amount":1050}]`, `"attributes":{"gift":"yes"}`,
		`"rule":"spend","available":10,`, `"activity":"study"`, `{"page":{"series":"hd","page":0}}`,
	} {
		if !strings.Contains(all.String(), part) {
			t.Errorf("no row says %s:\n%s", part, all.String())
		}
	}
	if _, err := rules.DescribeRow([]byte("x"), []byte{1}); err == nil {
		t.Error("a row of no known kind is described")
	}
	if _, err := rules.DescribeRow([]byte("h"), []byte{99}); err == nil {
		t.Error("a row of another format is described")
	}
}
