package rules

// This file is about how the owner of a budget is kept.

// Save hands over the rows that changed since the last Save, as Account.Save does.
func (b *Budget) Save(buffer *Buffer, put func(key, value []byte)) {
	if !b.touched {
		return
	}
	rows := &buffer.rows
	rows.begin(put)
	for _, n := range b.changed {
		saveWish(rows, n, b.owed)
	}
	if b.size == 0 && len(b.leases) == 0 {
		rows.delete([]byte(budgetRow))
	} else {
		rows.emit([]byte(budgetRow), rows.cut(b.write))
	}
	rows.emit = nil
	b.changed, b.touched = b.changed[:0], false
}

// BudgetRow is what the owner of a budget knows.
type BudgetRow struct {
	Size   int64       `json:"size"` // points
	Left   int64       `json:"left"` // with nobody
	UsedUp bool        `json:"used_up,omitempty"`
	Leases []LeasedRow `json:"leases"`
}

// LeasedRow is what it has given to a shard, and got back.
type LeasedRow struct {
	Lease    string `json:"lease"`
	Given    int64  `json:"given"`
	Returned int64  `json:"returned"`
}

func (b *Budget) row() *BudgetRow {
	d := &BudgetRow{Size: b.size, Left: b.left(), UsedUp: b.usedUp}
	for i := range b.leases {
		l := &b.leases[i]
		d.Leases = append(d.Leases, LeasedRow{l.key, l.given, l.returned})
	}
	return d
}

func (b *Budget) write(w *writer) {
	w.byte(formatVersion)
	w.uint64(uint64(b.until))
	w.varint(b.size)
	w.varint(b.since)
	w.bool(b.usedUp)
	w.bool(b.calls)
	w.varint(b.warned)
	w.varint(b.number)
	w.uvarint(uint64(len(b.leases)))
	for i := range b.leases {
		l := &b.leases[i]
		w.string(l.key)
		for _, n := range l.numbers() {
			w.varint(*n)
		}
	}
	w.strings(b.asks)
	w.varint(b.closed)
}

func (b *Budget) read(r *reader) {
	r.version()
	b.until = int64(r.uint64())
	b.size, b.since, b.usedUp, b.calls, b.warned, b.number = r.varint(), r.varint(), r.bool(), r.bool(), r.varint(), r.varint()
	b.leases = make([]leased, r.count())
	for i := range b.leases {
		l := &b.leases[i]
		l.key = r.string()
		for _, n := range l.numbers() {
			*n = r.varint()
		}
	}
	b.asks = r.strings()
	if len(r.rest) > 0 { // rows of before have none
		b.closed = r.varint()
	}
}

func (l *leased) numbers() [8]*int64 {
	return [...]*int64{&l.free, &l.given, &l.lent, &l.returned, &l.wanted, &l.revision, &l.said, &l.called}
}
