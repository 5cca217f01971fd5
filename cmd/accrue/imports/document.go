package imports

import (
	"encoding/binary"
	"errors"
	"time"

	"accrue/schemas"
)

// entry is a row that was understood: one line of an order, or one that takes something back.
type entry struct {
	row      int64 // line in the file
	bad      bool  // the row was refused: so is its order
	returns  bool
	order    schemas.Order // without lines; for returns, the document that takes back
	refers   string        // the order that it takes back from; empty: not said
	line     schemas.Line  // for returns: what comes back, both numbers from 0 up
	hasLine  bool          // for returns: it says what comes back; else all does
	cancels  bool
	sequence int64 // of rows, in the order of the file
}

// document is an order, or a cancellation or return, with all its rows.
type document struct {
	row     int64 // the first
	returns bool
	cancels bool
	order   schemas.Order
	refers  string
	whole   bool    // of returns: the whole order goes back
	rows    []int64 // of returns: by line
}

// packer writes fields one behind the other, and unpacker reads them again. They are for temporary files of one run.
type packer struct{ b []byte }

func (p *packer) text(s string) {
	p.b = binary.AppendUvarint(p.b, uint64(len(s)))
	p.b = append(p.b, s...)
}

func (p *packer) number(n int64) { p.b = binary.AppendVarint(p.b, n) }

func (p *packer) truth(t bool) {
	if t {
		p.number(1)
		return
	}
	p.number(0)
}

func (p *packer) texts(list []string) {
	p.number(int64(len(list)))
	for _, s := range list {
		p.text(s)
	}
}

// errDamaged says that a temporary file is not as it was written.
var errDamaged = errors.New("a temporary file is damaged")

type unpacker struct {
	b   []byte
	err error
}

func (u *unpacker) number() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.b, u.err = nil, errDamaged
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) text() string {
	n, size := binary.Uvarint(u.b)
	if size <= 0 || n > uint64(len(u.b)-size) {
		u.b, u.err = nil, errDamaged
		return ""
	}
	s := string(u.b[size : size+int(n)])
	u.b = u.b[size+int(n):]
	return s
}

func (u *unpacker) truth() bool { return u.number() == 1 }

func (u *unpacker) texts() []string {
	n := u.number()
	if n <= 0 || n > int64(len(u.b)) {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = u.text()
	}
	return list
}

func (p *packer) order(o *schemas.Order) {
	for _, s := range []string{o.EventID, o.OrderID, o.MemberID, string(o.Status), o.Currency, o.Channel, o.Store, o.PaymentHash, o.DeviceID, o.IP} {
		p.text(s)
	}
	p.number(o.OccurredAt.UnixMilli())
	p.texts(o.Coupons)
	var attributes []string
	for _, name := range sortedKeys(o.Attributes) {
		attributes = append(attributes, name, o.Attributes[name])
	}
	p.texts(attributes)
	p.number(int64(len(o.Lines)))
	for i := range o.Lines {
		p.line(&o.Lines[i])
	}
	p.number(int64(len(o.RefundedLines)))
	for _, l := range o.RefundedLines {
		p.text(l.LineID)
		p.number(l.Quantity)
		p.number(l.Amount)
	}
}

func (p *packer) line(l *schemas.Line) {
	for _, s := range []string{l.LineID, l.SKU, l.Category, l.Brand} {
		p.text(s)
	}
	p.number(l.Quantity)
	p.number(l.Amount)
	p.texts(l.Tags)
}

func (u *unpacker) order() (o schemas.Order) {
	status := ""
	for _, s := range []*string{&o.EventID, &o.OrderID, &o.MemberID, &status, &o.Currency, &o.Channel, &o.Store, &o.PaymentHash, &o.DeviceID, &o.IP} {
		*s = u.text()
	}
	o.Status, o.OccurredAt = schemas.OrderStatus(status), time.UnixMilli(u.number()).UTC()
	o.Coupons = u.texts()
	if attributes := u.texts(); attributes != nil {
		o.Attributes = map[string]string{}
		for i := 0; i+1 < len(attributes); i += 2 {
			o.Attributes[attributes[i]] = attributes[i+1]
		}
	}
	for range u.number() {
		o.Lines = append(o.Lines, u.line())
		if u.err != nil {
			return o
		}
	}
	for range u.number() {
		o.RefundedLines = append(o.RefundedLines, schemas.RefundedLine{LineID: u.text(), Quantity: u.number(), Amount: u.number()})
		if u.err != nil {
			return o
		}
	}
	return o
}

func (u *unpacker) line() (l schemas.Line) {
	for _, s := range []*string{&l.LineID, &l.SKU, &l.Category, &l.Brand} {
		*s = u.text()
	}
	l.Quantity, l.Amount, l.Tags = u.number(), u.number(), u.texts()
	return l
}

func (e *entry) pack() []byte {
	var p packer
	p.number(e.row)
	p.number(e.sequence)
	for _, t := range []bool{e.bad, e.returns, e.hasLine, e.cancels} {
		p.truth(t)
	}
	p.text(e.refers)
	p.order(&e.order)
	p.line(&e.line)
	return p.b
}

func unpackEntry(b []byte) (e entry, err error) {
	u := unpacker{b: b}
	e.row, e.sequence = u.number(), u.number()
	for _, t := range []*bool{&e.bad, &e.returns, &e.hasLine, &e.cancels} {
		*t = u.truth()
	}
	e.refers, e.order, e.line = u.text(), u.order(), u.line()
	return e, u.err
}

func (d *document) pack() []byte {
	var p packer
	p.number(d.row)
	for _, t := range []bool{d.returns, d.cancels, d.whole} {
		p.truth(t)
	}
	p.text(d.refers)
	p.order(&d.order)
	p.number(int64(len(d.rows)))
	for _, r := range d.rows {
		p.number(r)
	}
	return p.b
}

func unpackDocument(b []byte) (d document, err error) {
	u := unpacker{b: b}
	d.row = u.number()
	for _, t := range []*bool{&d.returns, &d.cancels, &d.whole} {
		*t = u.truth()
	}
	d.refers, d.order = u.text(), u.order()
	for range u.number() {
		d.rows = append(d.rows, u.number())
		if u.err != nil {
			break
		}
	}
	return d, u.err
}
