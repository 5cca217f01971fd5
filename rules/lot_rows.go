package rules

import (
	"cmp"
	"slices"
)

// lotPage is how many lots a page has. The last, unfilled page lies in the head, and a lot is larger than what series hold.
const lotPage = 16

// pageOf is the page on which a lot stands by its number.
func pageOf(number int64) int64 { return (number - 1) / lotPage }

func lotsName(owner string) string { return owner + "g" }

// save writes the full pages that changed as rows, deletes those on which nothing is left, and appends the rest to w.
func (l *lots) save(w *writer, owner string, rows *rowWriter) {
	if l.disk == nil {
		l.disk = &[]int64{}
	}
	w.varint(l.made)
	w.varint(l.lasting)
	l.debts.save(w, owner+"e", rows)
	l.taken.save(w, owner+"t", rows)
	full := l.made / lotPage // pages below it are full
	pages := l.pages(full)
	for _, page := range l.dirty {
		if page >= full {
			continue
		}
		i, found := slices.BinarySearchFunc(pages, page, func(x *lot, page int64) int { return cmp.Compare(pageOf(x.number), page) })
		on := pages[i:]
		for n := range on {
			if pageOf(on[n].number) != page {
				on = on[:n]
				break
			}
		}
		key := rows.cut(func(w *writer) { w.pageKey(lotsName(owner), page) })
		at, stored := slices.BinarySearch(*l.disk, page)
		switch {
		case found:
			rows.emit(key, rows.cut(func(w *writer) { w.byte(formatVersion); putLots(w, on) }))
			if !stored {
				*l.disk = slices.Insert(*l.disk, at, page)
			}
		case stored:
			rows.delete(key)
			*l.disk = slices.Delete(*l.disk, at, at+1)
		}
	}
	for n := len(*l.disk); n > 0 && (*l.disk)[n-1] >= full; n = len(*l.disk) { // there were more lots when they were written
		rows.delete(rows.cut(func(w *writer) { w.pageKey(lotsName(owner), (*l.disk)[n-1]) }))
		*l.disk = (*l.disk)[:n-1]
	}
	l.dirty = l.dirty[:0]
	w.uvarint(uint64(len(*l.disk)))
	i, _ := slices.BinarySearchFunc(pages, full, func(x *lot, page int64) int { return cmp.Compare(pageOf(x.number), page) })
	putLots(w, pages[i:])
}

// pages are the lots on pages that are to be written, those of the last page among them, by number.
func (l *lots) pages(full int64) []*lot {
	var list []*lot
	first := full
	if len(l.dirty) > 0 {
		first = min(first, l.dirty[0])
	}
	for _, from := range [...][]lot{l.open, l.closed} {
		for i := range from {
			page := pageOf(from[i].number)
			if page < first { // nearly all of many
				continue
			}
			if _, dirty := slices.BinarySearch(l.dirty, page); dirty || page >= full {
				list = append(list, &from[i])
			}
		}
	}
	slices.SortFunc(list, func(x, y *lot) int { return cmp.Compare(x.number, y.number) })
	return list
}

func putLots(w *writer, list []*lot) {
	w.uvarint(uint64(len(list)))
	for _, x := range list {
		w.varint(x.number)
		w.varint(x.expires)
		w.varint(x.fact.at)
		w.byte(byte(x.fact.kind))
		w.string(x.fact.event)
		w.varint(x.booked - x.fact.at)
		w.string(x.rule)
		w.varint(int64(x.part))
		w.varint(x.granted)
		w.varint(x.left)
		w.varint(x.expired)
	}
}

func getLots(r *reader) []lot {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]lot, 0, min(n, lotPage))
	for range n {
		x := lot{number: r.varint(), expires: r.varint(), fact: factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()}}
		x.booked = x.fact.at + r.varint()
		x.rule, x.part = r.string(), int32(r.varint())
		x.granted, x.left, x.expired = r.varint(), r.varint(), r.varint()
		if r.err != nil {
			return nil
		}
		list = append(list, x)
	}
	return list
}

// loadLots reads what save wrote. Without rows it reads what is in this row alone.
func loadLots(r *reader, owner string, rows Rows) *lots {
	l := &lots{made: r.varint(), lasting: r.varint(), disk: &[]int64{}}
	l.debts = loadSeries(r, owner+"e", rows, getDebtAt)
	l.taken = loadSeries(r, owner+"t", rows, getTakenAt)
	pages := int(r.uvarint())
	all := getLots(r)
	if rows != nil && pages > 0 && r.err == nil {
		prefix := pageKey(lotsName(owner), 0)
		prefix = prefix[:len(prefix)-4]
		err := rows.Scan(prefix, func(_, value []byte) bool {
			p := &reader{rest: slices.Clone(value)}
			p.version()
			on := getLots(p)
			if p.end() != nil || len(on) == 0 {
				r.err = p.err
				return false
			}
			*l.disk = append(*l.disk, pageOf(on[0].number))
			all = append(all, on...)
			return true
		})
		if r.err == nil && (err != nil || len(*l.disk) != pages) {
			r.missing(prefix, err)
		}
	}
	l.enter(all)
	return l
}

// enter puts stored lots in their places.
func (l *lots) enter(all []lot) {
	uses := make(map[int64]int32, l.taken.len())
	for _, t := range l.taken.items {
		if t.amount > 0 {
			uses[t.lot]++
		}
	}
	for i := range all {
		x := &all[i]
		if x.taken = uses[x.number]; x.left > 0 {
			l.open = append(l.open, *x)
		} else {
			l.closed = append(l.closed, *x)
		}
	}
	slices.SortFunc(l.open, func(x, y lot) int { return x.before(&y) })
	slices.SortFunc(l.closed, func(x, y lot) int { return cmp.Compare(x.number, y.number) })
}

func (e debtAt) at() int64 { return e.instant }

func (e debtAt) put(w *writer, previous int64) {
	w.varint(e.instant - previous)
	w.uint64(e.redemption)
	w.varint(e.amount)
}

func getDebtAt(r *reader, previous int64) debtAt {
	return debtAt{previous + r.varint(), r.uint64(), r.varint()}
}

func (e takenAt) at() int64 { return e.instant }

func (e takenAt) put(w *writer, previous int64) {
	w.varint(e.instant - previous)
	w.uint64(e.redemption)
	w.varint(e.lot)
	w.varint(e.amount)
}

func getTakenAt(r *reader, previous int64) takenAt {
	return takenAt{previous + r.varint(), r.uint64(), r.varint(), r.varint()}
}
