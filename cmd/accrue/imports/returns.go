package imports

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"accrue/schemas"
)

// maxOpen bounds how many lines of a member's orders are remembered, of which something may come back.
const maxOpen = 200_000

// openOrder is an order of which something may come back.
type openOrder struct {
	id       string
	at       time.Time
	currency string
	lines    []openLine
}

// openLine is what is left of a line.
type openLine struct {
	id, sku          string
	quantity, amount int64
}

// matcher finds what cancellations and returns take back. Documents come by member and time.
type matcher struct {
	mapping *Mapping
	refuse  func(Refusal)
	emit    func(d *document, event *schemas.Order, n int) error
	members int64
	forgot  int64 // orders that were forgotten for maxOpen
	// Money in minor units, by currency.
	ordered, returned map[string]int64

	member string
	orders []*openOrder            // in the order of time
	byID   map[string]*openOrder   // of orders
	bySKU  map[string][]*openOrder // those of orders that hold it, in their order
	lines  int                     // in orders
}

// take decides one document, and emits its events.
func (m *matcher) take(d *document) error {
	if d.order.MemberID != m.member || m.byID == nil {
		m.member = d.order.MemberID
		m.members++
		m.orders, m.byID, m.bySKU, m.lines = nil, map[string]*openOrder{}, map[string][]*openOrder{}, 0
	}
	for len(m.orders) > 0 && m.orders[0].at.AddDate(0, 0, m.mapping.Within).Before(d.order.OccurredAt) {
		m.forget()
	}
	switch {
	case !d.returns:
		m.open(d)
		return m.emit(d, &d.order, 0)
	case d.cancels, d.whole:
		return m.takeWhole(d)
	}
	return m.takeLines(d)
}

// open remembers an order. One that is said again, with a later status, is the same order.
func (m *matcher) open(d *document) {
	if m.byID[d.order.OrderID] != nil {
		return
	}
	o := &openOrder{id: d.order.OrderID, at: d.order.OccurredAt, currency: d.order.Currency}
	for i := range d.order.Lines {
		l := &d.order.Lines[i]
		o.lines = append(o.lines, openLine{l.LineID, l.SKU, l.Quantity, l.Amount})
		m.ordered[o.currency] += l.Amount
		if l.SKU == "" {
			continue
		}
		if holders := m.bySKU[l.SKU]; len(holders) == 0 || holders[len(holders)-1] != o {
			m.bySKU[l.SKU] = append(holders, o)
		}
	}
	m.orders, m.byID[o.id], m.lines = append(m.orders, o), o, m.lines+len(o.lines)
	for m.lines > maxOpen {
		m.forgot++
		m.forget()
	}
}

// forget forgets the oldest order. It is the first of all lists that it is in.
func (m *matcher) forget() {
	o := m.orders[0]
	m.orders, m.lines = m.orders[1:], m.lines-len(o.lines)
	delete(m.byID, o.id)
	for i := range o.lines {
		sku := o.lines[i].sku
		if holders := m.bySKU[sku]; len(holders) > 0 && holders[0] == o {
			if len(holders) == 1 {
				delete(m.bySKU, sku)
				continue
			}
			m.bySKU[sku] = holders[1:]
		}
	}
}

// named is the order that a document says, or that has its own id; nil: there is none.
func (m *matcher) named(d *document) (o *openOrder, why string) {
	if d.refers == "" {
		return m.byID[d.order.OrderID], ""
	}
	if o = m.byID[d.refers]; o == nil {
		why = fmt.Sprintf("%s takes back from order %s, which is none of the orders of member %s before it and within %d days", d.order.OrderID, d.refers, d.order.MemberID, m.mapping.Within)
	}
	return o, why
}

// event is the event by which a document takes from an order.
func (m *matcher) event(d *document, o *openOrder) *schemas.Order {
	event := d.order
	event.OrderID, event.Currency, event.Lines = o.id, o.currency, nil
	event.EventID = m.mapping.eventID(d.order.OrderID, string(d.order.Status), instant(d.order.OccurredAt), o.id)
	return &event
}

const unmatched = "matches no earlier order"

func (m *matcher) refuseRows(d *document, rows []int64, kind, why string) {
	for _, row := range rows {
		m.refuse(Refusal{Line: row, Order: d.order.OrderID, Kind: kind, Why: why})
	}
}

// takeWhole cancels or refunds an order as a whole.
func (m *matcher) takeWhole(d *document) error {
	o, why := m.named(d)
	if o == nil {
		if why == "" {
			why = fmt.Sprintf("%s names neither goods nor an order that it takes back: no order %s of member %s is before it", d.order.OrderID, d.order.OrderID, d.order.MemberID)
		}
		m.refuseRows(d, d.rows, unmatched, why)
		return nil
	}
	left := int64(0)
	for i := range o.lines {
		left += o.lines[i].amount
	}
	said, isSaid := int64(0), false
	for i := range d.order.Lines {
		if l := &d.order.Lines[i]; !d.cancels && l.Amount > 0 {
			said, isSaid = said+l.Amount, true
		}
	}
	if isSaid && said != left {
		m.refuseRows(d, d.rows, "part of an order without its lines", fmt.Sprintf("%s takes %d of the %d minor units of order %s and does not say of which lines: map line.sku or line.line_id", d.order.OrderID, said, left, o.id))
		return nil
	}
	for i := range o.lines {
		o.lines[i].quantity, o.lines[i].amount = 0, 0
	}
	m.returned[o.currency] += left
	return m.emit(d, m.event(d, o), 0)
}

// takeLines takes lines back, each from the order that is named, or else from the newest that has as many pieces left.
func (m *matcher) takeLines(d *document) error {
	var touched []*openOrder
	var events []*schemas.Order
	for i := range d.order.Lines {
		parts, why := m.holders(d, &d.order.Lines[i])
		if parts == nil {
			m.refuseRows(d, d.rows[i:i+1], unmatched, why)
		}
		for _, p := range parts {
			at := slices.Index(touched, p.order)
			if at < 0 {
				at = len(touched)
				touched, events = append(touched, p.order), append(events, m.event(d, p.order))
			}
			m.returned[p.order.currency] += p.order.takeBack(events[at], &p.line)
		}
	}
	for n, event := range events {
		if err := m.emit(d, event, n); err != nil {
			return err
		}
	}
	return nil
}

// part is what comes back from one order.
type part struct {
	order *openOrder
	line  schemas.Line
}

// holders finds the order that a line comes back from or, where the mapping says `spread`, the orders; none: why not.
func (m *matcher) holders(d *document, line *schemas.Line) ([]part, string) {
	o, why := m.holder(d, line)
	if o != nil {
		return []part{{o, *line}}, ""
	}
	if !m.mapping.Spread || d.refers != "" || line.SKU == "" {
		return nil, why
	}
	var parts []part
	rest := *line
	for _, o := range slices.Backward(m.bySKU[line.SKU]) {
		pieces := min(rest.Quantity, o.left(line))
		if pieces == 0 || o.currency != d.order.Currency {
			continue
		}
		p := part{o, *line}
		p.line.Quantity = pieces
		if line.Amount != notSaid {
			p.line.Amount = partOf(rest.Amount, pieces, rest.Quantity)
			rest.Amount -= p.line.Amount
		}
		parts = append(parts, p)
		if rest.Quantity -= pieces; rest.Quantity == 0 {
			return parts, ""
		}
	}
	return nil, why + ", nor have all of them together"
}

// holder finds the order that a line comes back from: the one that is named, or the newest that holds all of it.
func (m *matcher) holder(d *document, line *schemas.Line) (*openOrder, string) {
	o, why := m.named(d)
	if why != "" {
		return nil, why
	}
	what := strconv.FormatInt(line.Quantity, 10) + " of " + line.SKU
	if line.SKU == "" {
		what = "line " + line.LineID
	}
	if o != nil && o.holds(d, line) {
		return o, ""
	}
	if d.refers != "" {
		return nil, fmt.Sprintf("order %s, which %s takes back from, has not %s left", d.refers, d.order.OrderID, what)
	}
	if line.SKU == "" {
		return nil, fmt.Sprintf("%s takes back %s and does not say of which order: map returns.reference or line.sku", d.order.OrderID, what)
	}
	most := int64(0)
	for _, o := range slices.Backward(m.bySKU[line.SKU]) {
		if o.holds(d, line) {
			return o, ""
		}
		most = max(most, o.left(line))
	}
	return nil, fmt.Sprintf("no order of member %s before %s and within %d days has %s left (at most %d)", d.order.MemberID, d.order.OrderID, m.mapping.Within, what, most)
}

// is says whether something that comes back is of a line of an order.
func (l *openLine) is(back *schemas.Line) bool {
	return (back.LineID == "" || back.LineID == l.id) && (back.SKU == "" || back.SKU == l.sku)
}

// left is how many pieces are left of what comes back.
func (o *openOrder) left(back *schemas.Line) (n int64) {
	for i := range o.lines {
		if l := &o.lines[i]; l.is(back) {
			n += l.quantity
		}
	}
	return n
}

// holds says whether all of it can come back from the order.
func (o *openOrder) holds(d *document, back *schemas.Line) bool {
	return o.currency == d.order.Currency && o.left(back) >= max(back.Quantity, 1)
}

// takeBack takes pieces from the lines of an order, and enters them in the event. The money is what is said, held at what is
// left of the line; where nothing is said, the part of it that the pieces cost. It returns the money.
func (o *openOrder) takeBack(event *schemas.Order, back *schemas.Line) (sum int64) {
	pieces, money := back.Quantity, back.Amount
	for i := range o.lines {
		l := &o.lines[i]
		if !l.is(back) || l.quantity == 0 {
			continue
		}
		taken := min(pieces, l.quantity)
		amount := partOf(l.amount, taken, l.quantity)
		if back.Amount != notSaid {
			if amount = money; taken < pieces {
				amount = partOf(money, taken, pieces)
			}
			money -= amount
			amount = min(amount, l.amount)
		}
		l.quantity, l.amount, pieces = l.quantity-taken, l.amount-amount, pieces-taken
		sum += amount
		event.RefundedLines = addRefunded(event.RefundedLines, schemas.RefundedLine{LineID: l.id, Quantity: taken, Amount: amount})
		if pieces == 0 {
			break
		}
	}
	return sum
}

func addRefunded(list []schemas.RefundedLine, r schemas.RefundedLine) []schemas.RefundedLine {
	for i := range list {
		if list[i].LineID == r.LineID {
			list[i].Quantity, list[i].Amount = list[i].Quantity+r.Quantity, list[i].Amount+r.Amount
			return list
		}
	}
	return append(list, r)
}

// partOf is amount × pieces / of, rounded down; pieces are at most of, so that it fits.
func partOf(amount, pieces, of int64) int64 {
	if pieces == of {
		return amount
	}
	high, low := bits.Mul64(uint64(amount), uint64(pieces)) // neither is below 0
	part, _ := bits.Div64(high, low, uint64(of))
	return int64(part)
}
