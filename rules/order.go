package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// remains is what is left of an order after its refunds and cancellations.
type remains struct {
	lines []programme.LineView
	total programme.Money
	gone  string // why it is no order; empty: it is one
}

// standsFor is the fact at which an order stands: its earliest event with the status that earns, and with lines; nil where
// that is folded away or not known. It needs the facts of the window, unless nothing of the order is known before.
func (a *Account) standsFor(order string) *fact {
	return a.standsAmong(order, a.ofOrder(order))
}

// stands is standsFor the order of a fact that is in memory.
func (a *Account) stands(f *fact) *fact { return a.standsAmong(f.order.id, a.siblingsOf(f)) }

func (a *Account) standsAmong(order string, facts []*fact) *fact {
	if a.isSealed(order) {
		return nil
	}
	for _, f := range facts {
		if a.earns(f) {
			return f
		}
	}
	return nil
}

// superseded says that an event is a duplicate, though it came first: its order stands at an earlier one. What was said to it counts
// no more, as it would not have been said had they come in order.
func (a *Account) superseded(f *fact) bool {
	if !a.earns(f) {
		return false
	}
	stands := a.stands(f)
	return stands != nil && stands != f || stands == nil && a.isSealed(f.order.id)
}

// earns says whether an event can be the one at which its order stands.
func (a *Account) earns(f *fact) bool {
	return f.order != nil && len(f.order.lines) > 0 && f.order.status == a.ledger.at(f.key.at).programme.EarnOn
}

// honours says whether a refund or cancellation is near enough to its order. The order must be within return_window of it;
// one that lies before its order in time is held to the same distance, so that the answer does not depend on arrival. It needs the
// facts of the window.
func (a *Account) honours(p *programme.Programme, order, refund int64) bool {
	early, late := min(order, refund), max(order, refund)
	if late-early < int64(p.ReturnWindow.Days-1)*24*3600*1000 {
		return true // the usual case needs no calendar
	}
	return early > p.ReturnWindow.SubFrom(time.UnixMilli(late), a.zoneWithin(late, p)).UnixMilli()
}

// left works out what is left of the order that stands at f, into the given buffer.
func (a *Account) left(f *fact, p *programme.Programme, buffer []programme.LineView) (remains, error) {
	rest := remains{lines: buffer[:0]}
	rate := p.Rates[f.order.currency].UnitsPerMinor
	var back []returned
	for _, event := range a.siblingsOf(f) {
		status := event.order.status
		if status != schemas.Cancelled && status != schemas.Refunded || !a.honours(p, f.key.at, event.key.at) {
			continue
		}
		switch {
		case status == schemas.Cancelled:
			rest.gone = "the order was cancelled"
			return rest, nil
		case len(event.order.refunded) == 0:
			rest.gone = "the order was refunded in full"
			return rest, nil
		}
		for _, l := range event.order.refunded {
			back = append(back, returned{l.LineID, l.Quantity, l.Amount})
		}
	}
	back = summed(back)
	ordered := int64(0)
	for i := range f.order.lines {
		line := &f.order.lines[i]
		quantity, amount := line.Quantity, line.Amount
		ordered += amount
		if b := returnedOf(back, line.LineID); b != nil {
			quantity, amount = max(quantity-b.quantity, 0), max(amount-b.amount, 0)
			if quantity == 0 {
				continue
			}
		}
		units, err := mulInt(amount, rate)
		if err != nil {
			return rest, err
		}
		total, err := addInt(int64(rest.total), units)
		if err != nil {
			return rest, err
		}
		rest.total = programme.Money(total)
		rest.lines = append(rest.lines, programme.LineView{
			LineID: line.LineID, SKU: line.SKU, Category: line.Category, Brand: line.Brand,
			Quantity: quantity, Amount: programme.Money(units), Tags: line.Tags,
		})
	}
	switch {
	case len(rest.lines) == 0:
		rest.gone = "all of its lines were refunded"
	case ordered > 0 && rest.total == 0:
		rest.gone = "it was refunded down to nothing"
	}
	return rest, nil
}

// returned is what was refunded of a line, held at the largest number where it would pass it: it is cut to the line anyway.
type returned struct {
	line             string
	quantity, amount int64
}

// summed sorts by line, and adds up what was refunded of each.
func summed(list []returned) []returned {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(x, y returned) int { return strings.Compare(x.line, y.line) })
	add := func(x, y int64) int64 {
		if sum, err := addInt(x, y); err == nil {
			return sum
		}
		return math.MaxInt64
	}
	n := 0
	for _, b := range list[1:] {
		if last := &list[n]; last.line == b.line {
			last.quantity, last.amount = add(last.quantity, b.quantity), add(last.amount, b.amount)
			continue
		}
		n++
		list[n] = b
	}
	return list[:n+1]
}

// returnedOf finds what was refunded of a line; nil: nothing.
func returnedOf(list []returned, line string) *returned {
	if len(list) == 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(list, line, func(b returned, line string) int { return strings.Compare(b.line, line) })
	if !found {
		return nil
	}
	return &list[i]
}

// refundReason tells what a refund or cancellation did to its order, in words.
func refundReason(order, event *fact) string {
	o := event.order
	if o.status == schemas.Cancelled {
		return fmt.Sprintf("order %s is cancelled", o.id)
	}
	if len(o.refunded) == 0 {
		return fmt.Sprintf("order %s is refunded in full", o.id)
	}
	unknown, beyond := 0, 0
	for _, l := range o.refunded {
		line := lineOf(order, l.LineID)
		switch {
		case line == nil:
			unknown++
		case l.Quantity > line.Quantity || l.Amount > line.Amount:
			beyond++
		}
	}
	text := fmt.Sprintf("%d of %d refunded lines of order %s are honoured", len(o.refunded)-unknown, len(o.refunded), o.id)
	if unknown > 0 {
		text += fmt.Sprintf("; %d are lines that the order does not have", unknown)
	}
	if beyond > 0 {
		text += fmt.Sprintf("; %d ask for more than the line and are cut to it", beyond)
	}
	return text
}

func lineOf(order *fact, id string) *schemas.Line {
	for i := range order.order.lines {
		if order.order.lines[i].LineID == id {
			return &order.order.lines[i]
		}
	}
	return nil
}
