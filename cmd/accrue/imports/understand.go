package imports

import (
	"fmt"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// maxName bounds ids, in bytes: an event id holds two of them, and the engine takes 1000.
const maxName = 300

// understand reads what a row says. The order id is there also with an error, as far as it is known.
func (m *Mapping) understand(r row) (entry, error) {
	e := entry{row: r.line}
	o := &e.order
	var err error
	if o.OrderID, err = m.Order.OrderID.name(r.values, "order_id"); err != nil {
		return e, err
	}
	if o.MemberID, err = m.Order.MemberID.name(r.values, "member_id"); err != nil {
		return e, err
	}
	at, err := m.Order.OccurredAt.text(r.values)
	if err == nil && at == "" {
		err = refuse("time is empty", "occurred_at (column %s) is empty", m.Order.OccurredAt.Column)
	}
	if err == nil {
		o.OccurredAt, err = m.time(at)
	}
	if err == nil && (o.OccurredAt.UnixMilli() < 0 || o.OccurredAt.Year() > 9999) {
		err = refuse("time is out of bounds", "occurred_at is %s, which lies outside of 1970 to 9999", o.OccurredAt.Format(time.RFC3339))
	}
	if err != nil {
		return e, err
	}
	status, err := m.Order.Status.text(r.values)
	if err != nil {
		return e, err
	}
	if o.Status = schemas.OrderStatus(status); !isStatus(status) {
		return e, refuse("status is unknown", "status is %q, which is none of %s: give `status` a table of `values`", status, strings.Join(statuses(), ", "))
	}
	if err := m.rest(o, r.values); err != nil {
		return e, err
	}
	e.cancels = o.Status == schemas.Cancelled
	e.returns = e.cancels || o.Status == schemas.Refunded || anyHolds(m.Returns, r.values)
	if e.cancels {
		e.refers, err = m.Order.Reference.text(r.values)
		return e, err
	}
	if err := m.lineOf(&e, r.values); err != nil {
		return e, err
	}
	if e.returns {
		o.Status = schemas.Refunded
		e.refers, err = m.Order.Reference.text(r.values)
	}
	return e, err
}

func isStatus(text string) bool {
	for _, s := range statuses() {
		if s == text {
			return true
		}
	}
	return false
}

// name is the text of a field that becomes an id.
func (f *Field) name(values []string, key string) (string, error) {
	text, err := f.text(values)
	switch {
	case err != nil:
		return "", err
	case text == "":
		return "", refuse(key+" is empty", "%s (%s) is empty", key, f.origin())
	case len(escaped(text)) > maxName:
		return "", refuse(key+" is too long", "%s has %d bytes, more than %d", key, len(text), maxName)
	case strings.ContainsAny(text, "\x00"+listSeparator):
		return "", refuse(key+" is no plain text", "%s holds a control character or a list", key)
	}
	return text, nil
}

func (f *Field) origin() string {
	if f.Column == "" {
		return "a constant"
	}
	return "column " + f.Column
}

// rest reads the fields of an order that may be left out, and its currency.
func (m *Mapping) rest(o *schemas.Order, values []string) (err error) {
	f := &m.Order
	for _, field := range []struct {
		from *Field
		to   *string
	}{
		{f.Currency, &o.Currency},
		{f.Channel, &o.Channel},
		{f.Store, &o.Store},
		{f.PaymentHash, &o.PaymentHash},
		{f.DeviceID, &o.DeviceID},
		{f.IP, &o.IP},
	} {
		if *field.to, err = field.from.text(values); err != nil {
			return err
		}
	}
	if _, ok := programme.CurrencyOf(o.Currency); !ok {
		return refuse("currency is unknown", "currency %q is none of ISO 4217", o.Currency)
	}
	if o.Coupons, err = f.Coupons.listed(values); err != nil {
		return err
	}
	for _, a := range m.Attributes {
		text, err := a.Value.text(values)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if o.Attributes == nil {
			o.Attributes = map[string]string{}
		}
		o.Attributes[a.Name] = text
	}
	return nil
}

func (f *Field) listed(values []string) ([]string, error) {
	if f == nil {
		return nil, nil
	}
	return f.list(values)
}

// notSaid is the amount of a return that says none: what the pieces cost goes back.
const notSaid = -1

// lineOf reads the line of a row. What is below 0 makes the row one that takes something back.
func (m *Mapping) lineOf(e *entry, values []string) (err error) {
	l, f := &e.line, &m.Line
	for _, field := range []struct {
		from *Field
		to   *string
	}{
		{f.LineID, &l.LineID},
		{f.SKU, &l.SKU},
		{f.Category, &l.Category},
		{f.Brand, &l.Brand},
	} {
		if *field.to, err = field.from.text(values); err != nil {
			return err
		}
		if len(*field.to) > maxName {
			return refuse("text is too long", "%s has %d bytes, more than %d", field.from.origin(), len(*field.to), maxName)
		}
	}
	if l.Tags, err = f.Tags.listed(values); err != nil {
		return err
	}
	quantityText, err := f.Quantity.text(values)
	if err != nil {
		return err
	}
	l.Quantity = 1
	switch {
	case quantityText != "":
		if l.Quantity, err = m.pieces(quantityText); err != nil {
			return err
		}
	case f.Quantity != nil:
		l.Quantity = 0
	}
	if err := m.amountOf(e, values); err != nil {
		return err
	}
	if l.Quantity < 0 {
		e.returns = true
	}
	e.hasLine = l.SKU != "" || l.LineID != ""
	if e.returns {
		l.Quantity = max(l.Quantity, -l.Quantity)
		if f.Quantity == nil && !e.hasLine {
			l.Quantity = 0 // nobody said that it is one
		}
		if e.hasLine && l.Quantity == 0 && l.Amount <= 0 {
			return refuse("return says nothing", "it takes back neither pieces nor money of %s%s", l.SKU, l.LineID)
		}
		return nil
	}
	switch {
	case l.Quantity == 0:
		return refuse("quantity is 0", "quantity is %q; an order's line has at least one piece", quantityText)
	case l.Amount == notSaid:
		return refuse("price is empty", "%s is empty", m.priceField().origin())
	}
	return nil
}

func (m *Mapping) priceField() *Field {
	if m.Line.Amount != nil {
		return m.Line.Amount
	}
	return m.Line.UnitPrice
}

// amountOf reads the amount of the line, never below 0: whether it was goes to e.returns.
func (m *Mapping) amountOf(e *entry, values []string) error {
	l := &e.line
	text, err := m.priceField().text(values)
	if err != nil {
		return err
	}
	if text == "" {
		l.Amount = notSaid
		return nil
	}
	price, err := m.number(text)
	if err != nil {
		return err
	}
	currency, _ := programme.CurrencyOf(e.order.Currency)
	pieces := int64(1)
	if m.Line.UnitPrice != nil && l.Quantity != 0 {
		pieces = max(l.Quantity, -l.Quantity)
	}
	if l.Amount, err = m.minor(price, pieces, currency.Digits, text, currency.Code); err != nil {
		return err
	}
	if l.Amount < 0 {
		e.returns, l.Amount = true, -l.Amount
	}
	return nil
}

// eventID names an event by what the file says.
func (m *Mapping) eventID(parts ...string) string {
	id := escaped(m.Source)
	for _, part := range parts {
		id += "/" + escaped(part)
	}
	return id
}

// escaped keeps the parts of an event id apart.
func escaped(part string) string {
	if !strings.ContainsAny(part, "%/") {
		return part
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "%", "%25"), "/", "%2F")
}

// instant is a time as a part of an event id.
func instant(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
