package demo

import (
	"fmt"
	"slices"
	"time"

	"accrue/schemas"
)

// product is something that the shop sells. The price is in minor units.
type product struct {
	sku, category, brand string
	price                int64
}

func products() []product {
	return []product{
		{"longjing-100g", "food/tea/green", "xihu", 12800},
		{"puer-cake", "food/tea/dark", "menghai", 8800},
		{"tieguanyin-50g", "food/tea/oolong", "anxi", 4550},
		{"mooncake-box", "food/bakery", "daoxiangcun", 16800},
		{"rice-5kg", "food/staple", "wuchang", 6990},
		{"noodles", "food/staple", "", 1250},
		{"teapot", "home/kitchen", "yixing", 23900},
		{"cup", "home/kitchen", "", 2999},
		{"umbrella", "home/rain", "", 4900},
		{"silk-scarf", "fashion/silk", "suzhou", 19900},
		{"book", "media/book", "", 3580},
		{"gift-card-100", "gift-card", "", 10000},
	}
}

// newOrder makes up an order of 1 to 5 lines.
func (s *Shop) newOrder(at time.Time) *schemas.Order {
	channels := [...]string{"app", "store", "web"}
	all := products()
	o := &schemas.Order{
		EventID: s.id("e"), OrderID: s.id("A"), MemberID: s.member(), Status: schemas.Paid, OccurredAt: at, Currency: "CNY",
		Channel: channels[s.random.IntN(len(channels))], Store: "hangzhou-1",
	}
	if o.Channel != "store" {
		o.Store = ""
	}
	if s.random.IntN(25) == 0 {
		o.Currency = "USD"
	}
	for i := range 1 + s.random.IntN(5)*s.random.IntN(2) {
		p := all[s.random.IntN(len(all))]
		quantity := int64(1 + s.random.IntN(2)*s.random.IntN(3))
		amount := quantity * p.price
		if o.Currency == "USD" {
			amount /= 7
		}
		o.Lines = append(o.Lines, schemas.Line{
			LineID: fmt.Sprint(i + 1), SKU: p.sku, Category: p.category, Brand: p.brand, Quantity: quantity, Amount: amount,
		})
	}
	return o
}

// order is an order that is paid, sometimes after it was placed.
func (s *Shop) order(now time.Time) (Delivery, error) {
	o := s.newOrder(now)
	if s.random.IntN(10) == 0 {
		placed := *o
		placed.Status = schemas.Placed
		s.next = append(s.next, func(now time.Time) (Delivery, error) {
			o.EventID, o.OccurredAt = s.id("e"), now
			s.keep(o)
			return s.deliver(s.orders, o.MemberID, o)
		})
		return s.deliver(s.orders, o.MemberID, &placed)
	}
	s.keep(o)
	return s.deliver(s.orders, o.MemberID, o)
}

// late is an order that arrives after others that came later; one in ten so late that it cannot count any more.
func (s *Shop) late(now time.Time) (Delivery, error) {
	o := s.newOrder(now.Add(-time.Duration(1+s.random.IntN(72*60)) * time.Minute))
	if s.random.IntN(10) == 0 {
		o.OccurredAt = now.AddDate(0, 0, -60)
	}
	return s.deliver(s.orders, o.MemberID, o)
}

func (s *Shop) checkIn(now time.Time) (Delivery, error) { return s.action(now, "check-in") }

func (s *Shop) bindPhone(now time.Time) (Delivery, error) { return s.action(now, "bind-phone") }

func (s *Shop) action(now time.Time, activity string) (Delivery, error) {
	c := &schemas.CheckIn{EventID: s.id("c"), MemberID: s.member(), OccurredAt: now, Activity: activity, Channel: "app"}
	return s.deliver(s.checks, c.MemberID, c)
}

// partBack returns one line of an order, or a piece of it.
func (s *Shop) partBack(now time.Time) (Delivery, error) {
	o, ok := s.take()
	if !ok {
		return s.order(now)
	}
	l := o.Lines[s.random.IntN(len(o.Lines))]
	back := schemas.RefundedLine{LineID: l.LineID, Quantity: 1, Amount: l.Amount / max(l.Quantity, 1)}
	return s.deliver(s.orders, o.Member, &schemas.Order{
		EventID: s.id("r"), OrderID: o.ID, MemberID: o.Member, Status: schemas.Refunded, OccurredAt: now, Currency: o.Currency,
		RefundedLines: []schemas.RefundedLine{back},
	})
}

// allBack refunds an order in full, or cancels it.
func (s *Shop) allBack(now time.Time) (Delivery, error) {
	o, ok := s.take()
	if !ok {
		return s.order(now)
	}
	status := schemas.Refunded
	if s.random.IntN(3) == 0 {
		status = schemas.Cancelled
	}
	return s.deliver(s.orders, o.Member, &schemas.Order{
		EventID: s.id("r"), OrderID: o.ID, MemberID: o.Member, Status: status, OccurredAt: now, Currency: o.Currency,
	})
}

// again sends a record that was sent before, to the byte, as a producer does that got no answer.
func (s *Shop) again(now time.Time) (Delivery, error) {
	if len(s.recent) == 0 {
		return s.order(now)
	}
	return s.recent[s.random.IntN(len(s.recent))], nil
}

// rubbish is what producers send on a bad day. Each kind is answered by a dead letter or by a decision that says why.
func (s *Shop) rubbish(now time.Time) (Delivery, error) {
	o := s.newOrder(now)
	switch s.random.IntN(9) {
	case 0:
		return Delivery{Topic: s.orders, Key: o.MemberID, Value: []byte(`{"order": "` + o.OrderID + `", "note": "JSON instead of Avro"}`)}, nil
	case 1:
		return Delivery{Topic: s.orders, Key: o.MemberID, Value: append(schemas.AppendHeader(nil, 999_999), "whatever"...)}, nil
	case 2:
		d, err := s.deliver(s.orders, o.MemberID, o)
		d.Value = slices.Clone(d.Value[:len(d.Value)/2])
		return d, err
	case 3:
		o.MemberID = ""
	case 4:
		o.Lines[0].Amount = -o.Lines[0].Amount
	case 5:
		o.Currency = "XTS" // ISO 4217 keeps it for tests: no programme has it
	case 6:
		o.OccurredAt = now.AddDate(3, 0, 0)
	case 7:
		o.Lines = append(o.Lines, o.Lines[0])
	default:
		o.Status, o.Lines, o.OrderID = schemas.Refunded, nil, "unknown-"+o.OrderID
	}
	return s.deliver(s.orders, o.MemberID, o)
}
