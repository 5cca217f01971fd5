package imports

import (
	"encoding/binary"
	"slices"
	"strconv"

	"accrue/schemas"
)

// maxLines bounds the rows of an order.
const maxLines = 10_000

// The kinds of rows of one order id, in the order in which they are grouped.
const (
	groupBad   = iota // rows that were refused: so is all of the order
	groupSale         // by status
	groupTakes        // cancellations and returns, by status and time
)

// groupKey sorts rows by order, and of an order by what they make up. Its last 8 bytes are the row.
func (e *entry) groupKey() []byte {
	kind, status, at := byte(groupSale), string(e.order.Status), int64(0)
	switch {
	case e.bad:
		kind, status = groupBad, ""
	case e.returns:
		kind, at = groupTakes, e.order.OccurredAt.UnixMilli()
	}
	key := append([]byte(e.order.OrderID), 0, kind)
	key = append(append(key, status...), 0)
	key = binary.BigEndian.AppendUint64(key, uint64(at))
	return binary.BigEndian.AppendUint64(key, uint64(e.sequence))
}

// grouper makes documents of rows that come sorted by groupKey.
type grouper struct {
	mapping *Mapping
	refuse  func(Refusal)
	emit    func(*document) error

	order   string // whose rows come
	badRow  int64  // a row of the order that was refused; 0: none
	group   []byte // key of the rows that come
	entries []entry
	more    int64      // rows beyond maxLines, which are refused
	sales   []document // of the order: it as it was sold, once for each status
}

func (g *grouper) take(it item) error {
	e, err := unpackEntry(it.value)
	if err != nil {
		return err
	}
	if group := it.key[:len(it.key)-8]; !slices.Equal(group, g.group) {
		if err := g.end(); err != nil {
			return err
		}
		g.group = slices.Clone(group)
	}
	if e.order.OrderID != g.order {
		if err := g.sold(); err != nil {
			return err
		}
		g.order, g.badRow = e.order.OrderID, 0
	}
	if e.bad {
		g.badRow = e.row
		return nil
	}
	if len(g.entries) == maxLines {
		g.more++
		g.refuseRow(&e, "order has too many rows", "order "+g.order+" has more than "+strconv.Itoa(maxLines)+" rows")
		return nil
	}
	g.entries = append(g.entries, e)
	return nil
}

func (g *grouper) refuseRow(e *entry, kind, why string) {
	g.refuse(Refusal{Line: e.row, Order: e.order.OrderID, Kind: kind, Why: why})
}

// end makes the document of the rows so far.
func (g *grouper) end() error {
	entries, more := g.entries, g.more
	g.entries, g.more = g.entries[:0], 0
	if len(entries) == 0 {
		return nil
	}
	kind, why := "", ""
	if g.badRow > 0 {
		kind, why = "another row of the order is refused", "order "+g.order+" is left out as a whole: its row in line "+strconv.FormatInt(g.badRow, 10)+" is refused"
	} else if more > 0 {
		kind, why = "order has too many rows", "order "+g.order+" has more than "+strconv.Itoa(maxLines)+" rows"
	} else {
		kind, why = disagreement(entries)
	}
	if kind != "" {
		for i := range entries {
			g.refuseRow(&entries[i], kind, why)
		}
		return nil
	}
	d := g.document(entries)
	if d.returns {
		return g.emit(&d)
	}
	g.sales = append(g.sales, d)
	return nil
}

// finish makes the last documents.
func (g *grouper) finish() error {
	if err := g.end(); err != nil {
		return err
	}
	return g.sold()
}

// sold hands over an order as it was sold, in all its statuses. Where it has several at one time, with other goods in each, the
// status is one of the rows and not of the order: then it cannot be told what was sold.
func (g *grouper) sold() error {
	sales := g.sales
	g.sales = nil
	for i := 1; i < len(sales); i++ {
		a, b := &sales[0].order, &sales[i].order
		if !a.OccurredAt.Equal(b.OccurredAt) || slices.EqualFunc(a.Lines, b.Lines, func(x, y schemas.Line) bool {
			return x.SKU == y.SKU && x.Quantity == y.Quantity && x.Amount == y.Amount
		}) {
			continue
		}
		for _, d := range sales {
			for _, row := range d.rows {
				g.refuse(Refusal{Line: row, Order: a.OrderID, Kind: "rows of an order disagree", Why: "order " + a.OrderID + " is " + string(a.Status) + " and " +
					string(b.Status) + " at the same time, with other goods in each: `status` has to be one of the whole order"})
			}
		}
		return nil
	}
	for i := range sales {
		sales[i].rows = nil // only of returns are they needed from here on
		if err := g.emit(&sales[i]); err != nil {
			return err
		}
	}
	return nil
}

// disagreement says why rows cannot be of one order; empty: they can.
func disagreement(entries []entry) (kind, why string) {
	first := &entries[0]
	lines := map[string]int64{}
	for i := range entries {
		e := &entries[i]
		at := "line " + strconv.FormatInt(first.row, 10) + " and line " + strconv.FormatInt(e.row, 10)
		switch {
		case e.order.MemberID != first.order.MemberID:
			return "rows of an order disagree", "order " + first.order.OrderID + " has member " + first.order.MemberID + " and " + e.order.MemberID + " in " + at
		case e.order.Currency != first.order.Currency:
			return "rows of an order disagree", "order " + first.order.OrderID + " is in " + first.order.Currency + " and " + e.order.Currency + " in " + at
		case e.refers != first.refers:
			return "rows of an order disagree", first.order.OrderID + " takes back from " + first.refers + " and " + e.refers + " in " + at
		}
		id := e.line.LineID
		if id == "" || e.returns {
			continue
		}
		if _, twice := lines[id]; twice {
			return "line_id stands twice", "order " + first.order.OrderID + " has line_id " + id + " twice, in line " + strconv.FormatInt(lines[id], 10) + " and line " + strconv.FormatInt(e.row, 10)
		}
		lines[id] = e.row
	}
	return "", ""
}

// document puts rows together. What is said of the whole order is taken from its first row; it happened at the earliest time.
func (g *grouper) document(entries []entry) document {
	first := &entries[0]
	d := document{row: first.row, returns: first.returns, cancels: first.cancels, order: first.order, refers: first.refers}
	d.order.Lines = make([]schemas.Line, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.order.OccurredAt.Before(d.order.OccurredAt) {
			d.order.OccurredAt = e.order.OccurredAt
		}
		d.whole = d.whole || e.returns && !e.hasLine
		if e.line.LineID == "" && !e.returns {
			e.line.LineID = strconv.Itoa(i + 1)
		}
		d.order.Lines, d.rows = append(d.order.Lines, e.line), append(d.rows, e.row)
	}
	if !d.returns {
		d.order.EventID = g.mapping.eventID(d.order.OrderID, string(d.order.Status))
	}
	return d
}

// memberKey sorts documents by member and time; at one time, orders come before what takes from them.
func (d *document) memberKey() []byte {
	key := append([]byte(d.order.MemberID), 0)
	return append(key, d.timeKey(0)...)
}

// timeKey sorts events by time; n tells those of one document apart.
func (d *document) timeKey(n int) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(d.order.OccurredAt.UnixMilli()))
	rank := byte(0)
	if d.returns {
		rank = 1
	}
	key = append(key, rank)
	key = binary.BigEndian.AppendUint64(key, uint64(d.row))
	key = append(key, d.order.OrderID...) // rows of JSON lines may share a line
	key = append(append(key, 0), d.order.Status...)
	return binary.BigEndian.AppendUint64(append(key, 0), uint64(n))
}
