package rules

import (
	"slices"

	"accrue/rules/programme"
)

// pageSize is the number of elements of a stored page. The last, unfilled page of a series lies in the head, so it bounds
// how much of a series an event rewrites; a full page is written once.
const pageSize = 64

// element is one entry of a series.
type element interface {
	comparable
	at() int64                     // ms since 1970 UTC; the order of the series
	put(w *writer, previous int64) // previous: at() of the element before it in the page, 0 for the first
}

// series is a list of elements ascending by their instant, taken from at the front and mostly added to at the back. Each
// element has an absolute number, which it keeps while others are taken from the front; page k holds the elements
// 64k to 64k+63. A series is a value: a copy made by clone stays as it is whatever is done to the original.
//
// What changes a copy copies items. Where a series may be long and is cloned often, freeze keeps items short (frozen.go).
type series[T element] struct {
	old   frozen[T] // the elements before items; none but after freeze
	items []T
	first int64 // absolute number of the first element
	dirty int64 // the elements below this number are as stored
	disk  *stored

	unread int64 // elements in pages that were not read; 0 but in a description of a row
}

// stored is what the rows of a series hold, shared by all standings that are versions of the same head or base.
type stored struct {
	low, high int64 // pages low..high-1 exist as rows
}

func (s *series[T]) len() int { return s.old.len() + len(s.items) }

func (s *series[T]) end() int64 { return s.first + int64(s.len()) }

// at is the element at a place, from 0 on.
func (s *series[T]) at(i int) T {
	n := s.old.len()
	if i < n {
		return s.old.at(i)
	}
	return s.items[i-n]
}

// clone returns a copy that shares the elements but never writes where the original might.
func (s *series[T]) clone() series[T] {
	c := *s
	c.items = slices.Clip(s.items)
	return c
}

// adopt takes over the rows of another version of the same series: the elements in front that the two have in common are as
// stored, the others are written by the next save.
func (s *series[T]) adopt(from *series[T]) {
	if from.disk == nil {
		from.disk = &stored{}
	}
	same := s.old.common(&from.old)
	for same < s.len() && same < from.len() && s.at(same) == from.at(same) {
		same++
	}
	s.disk, s.first = from.disk, from.first
	s.dirty = min(from.dirty, s.first+int64(same))
}

func (s *series[T]) hasPages() bool { return s.disk != nil && s.disk.high > s.disk.low }

// add puts v behind all elements that are not later than it.
func (s *series[T]) add(v T) {
	n := s.len()
	if n == 0 || s.at(n-1).at() <= v.at() {
		s.dirty = min(s.dirty, s.end())
		s.items = append(s.items, v)
		return
	}
	i := s.notAfter(v.at())
	s.dirty = min(s.dirty, s.first+int64(i))
	i = s.thaw(i)
	s.items = slices.Insert(slices.Clip(s.items), i, v)
}

// addAlone is add for a series that was never cloned: what comes a little late moves the few elements behind it, and copies none of
// those before it.
func (s *series[T]) addAlone(v T) {
	i := s.notAfter(v.at())
	s.dirty = min(s.dirty, s.first+int64(i))
	i = s.thaw(i)
	s.items = slices.Insert(s.items, i, v)
}

// takeFront removes the first n elements.
func (s *series[T]) takeFront(n int) {
	s.items = s.items[s.old.takeFront(n):]
	s.first += int64(n)
	s.dirty = max(s.dirty, s.first)
}

// reaches says whether the first element may lie as far back from an instant as a span; false is certain, and needs no calendar.
func (s *series[T]) reaches(span programme.Duration, at int64) bool {
	return s.len() > 0 && s.at(0).at() <= at-span.Least().Milliseconds()
}

// notAfter says how many elements have an instant that is not after at.
func (s *series[T]) notAfter(at int64) int {
	low, high := 0, s.len()
	for step := 1; low+step < high; step *= 2 { // mostly there are few
		if s.at(low+step-1).at() > at {
			high = low + step
		} else {
			low += step
		}
	}
	for low < high {
		if middle := (low + high) / 2; s.at(middle).at() <= at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// replaceTail puts tail in the place of the elements from i on.
func (s *series[T]) replaceTail(i int, tail []T) {
	s.dirty = min(s.dirty, s.first+int64(i))
	i = s.thaw(i)
	s.items = append(slices.Clip(s.items[:i]), tail...)
}

// set puts v, of the same instant, in the place of an element.
func (s *series[T]) set(i int, v T) {
	s.dirty = min(s.dirty, s.first+int64(i))
	i = s.thaw(i)
	s.items = slices.Clone(s.items)
	s.items[i] = v
}

// removeAt takes one element out, keeping the order. At the front it costs no page.
func (s *series[T]) removeAt(i int) {
	if i == 0 {
		s.takeFront(1)
		return
	}
	s.dirty = min(s.dirty, s.first+int64(i))
	i = s.thaw(i)
	s.items = slices.Delete(slices.Clone(s.items), i, i+1)
}

// save writes the full pages that changed as rows, deletes those that are no more, and appends the rest to w.
func (s *series[T]) save(w *writer, name string, rows *rowWriter) {
	if s.disk == nil {
		s.disk = &stored{}
	}
	low, high := s.first/pageSize, s.end()/pageSize
	if s.len() == 0 { // nothing to keep: start anew at a page border, so that no row is needed
		low, high = 0, 0
		s.first, s.dirty = 0, 0
	}
	for page := s.disk.low; page < s.disk.high; page++ {
		if page < low || page >= high {
			rows.delete(rows.cut(func(w *writer) { w.pageKey(name, page) }))
		}
	}
	for page := max(low, s.dirty/pageSize); page < high; page++ {
		key := rows.cut(func(w *writer) { w.pageKey(name, page) })
		rows.emit(key, rows.cut(func(w *writer) { s.page(w, page*pageSize, (page+1)*pageSize) }))
	}
	*s.disk = stored{low, max(high, low)}
	s.dirty = s.end()
	w.uvarint(uint64(s.first))
	w.uvarint(uint64(s.len()))
	if from := max(s.first, high*pageSize); from < s.end() {
		s.putItems(w, from, s.end())
	}
}

// page encodes the elements from..to-1; those already taken from the front are not in it.
func (s *series[T]) page(w *writer, from, to int64) {
	w.byte(formatVersion)
	from = max(from, s.first)
	w.uvarint(uint64(from))
	s.putItems(w, from, to)
}

func (s *series[T]) putItems(w *writer, from, to int64) {
	previous := int64(0)
	for n := from; n < to; n++ {
		item := s.at(int(n - s.first))
		item.put(w, previous)
		previous = item.at()
	}
}

// loadSeries reads what save wrote. It reads all pages: a page is small, and a standing is used as a whole. Without rows it
// reads what is in this row alone: that is of use for looking at it, and for nothing else.
func loadSeries[T element](r *reader, name string, rows Rows, get func(r *reader, previous int64) T) series[T] {
	s := series[T]{first: int64(r.uvarint()), disk: &stored{}}
	count := int64(r.uvarint())
	if r.err != nil || count < 0 || s.first < 0 || s.first+count < s.first {
		r.fail("length of series " + name)
		return s
	}
	end := s.first + count
	if count == 0 {
		return s
	}
	*s.disk = stored{s.first / pageSize, max(end/pageSize, s.first/pageSize)}
	if rows == nil {
		s.unread = max(0, s.disk.high*pageSize-s.first)
		count -= s.unread
	}
	s.items = make([]T, 0, min(max(count, 0), 1<<16)+1)
	for page := s.disk.low; page < s.disk.high && rows != nil; page++ {
		value, err := rows.Get(pageKey(name, page))
		if err != nil || value == nil {
			r.missing(pageKey(name, page), err)
			return s
		}
		p := reader{rest: value}
		p.version()
		from := int64(p.uvarint())
		previous := int64(0)
		for n := from; n < (page+1)*pageSize && p.err == nil; n++ {
			v := get(&p, previous)
			previous = v.at()
			if n >= s.first {
				s.items = append(s.items, v)
			}
		}
		if p.err != nil {
			r.err = p.err
			return s
		}
	}
	previous := int64(0)
	for int64(len(s.items)) < count && r.err == nil {
		v := get(r, previous)
		previous = v.at()
		s.items = append(s.items, v)
	}
	s.dirty = s.end()
	return s
}

// amountAt is an amount (points, units of money, or 1 for an order) at an instant.
type amountAt struct{ instant, amount int64 }

func (e amountAt) at() int64 { return e.instant }

func (e amountAt) put(w *writer, previous int64) {
	w.varint(e.instant - previous)
	w.varint(e.amount)
}

func getAmountAt(r *reader, previous int64) amountAt {
	return amountAt{previous + r.varint(), r.varint()}
}

// idAt is the short hash of an id that a fact of the window carries. A hit is confirmed in the facts. A busy member has tens of
// thousands, so its instant is in two halves: it takes 12 bytes, and not 16.
type idAt struct {
	high, low uint32 // of the instant
	hash      uint32
}

func newIDAt(at int64, hash uint32) idAt {
	return idAt{uint32(uint64(at) >> 32), uint32(uint64(at)), hash} // both halves are kept
}

func (e idAt) at() int64 { return int64(uint64(e.high)<<32 | uint64(e.low)) } // the inverse of newIDAt

func (e idAt) put(w *writer, previous int64) {
	w.varint(e.at() - previous)
	w.uint32(e.hash)
}

func getIDAt(r *reader, previous int64) idAt {
	at := previous + r.varint()
	return newIDAt(at, r.uint32())
}

// sealedAt is the hash of an order id whose facts are folded away. It is 64 bits wide because nothing is left to confirm
// a hit with.
type sealedAt struct {
	instant int64
	hash    uint64
}

func (e sealedAt) at() int64 { return e.instant }

func (e sealedAt) put(w *writer, previous int64) {
	w.varint(e.instant - previous)
	w.uint64(e.hash)
}

func getSealedAt(r *reader, previous int64) sealedAt {
	return sealedAt{previous + r.varint(), r.uint64()}
}

// heldAt is a grant that is pending until its due time.
type heldAt struct {
	due       int64
	fact      factKey
	rule      string
	part      int32
	available int64 // points that can be spent once released
	tier      int64 // points that count for the tier once released
	booked    int64 // when it was granted
	level     int32 // held before the event, as an index

	status  uint64 // what it waits for (see awaited); 0: for its time only
	rejects bool   // when its time comes it is rejected
}

func (e heldAt) at() int64 { return e.due }

func (e heldAt) put(w *writer, previous int64) {
	w.varint(e.due - previous)
	w.varint(e.fact.at)
	w.byte(byte(e.fact.kind))
	w.string(e.fact.event)
	w.string(e.rule)
	flags, plain := int64(0), e.booked == e.fact.at && e.level == 0
	if e.status != 0 {
		flags |= heldForStatus
	}
	if e.rejects {
		flags |= heldOrRejected
	}
	if !plain {
		flags |= heldLater
	}
	w.varint(int64(e.part)<<heldFlags | flags)
	w.varint(e.available)
	w.varint(e.tier)
	if e.status != 0 {
		w.uint64(e.status)
	}
	if !plain {
		w.varint(e.booked - e.fact.at)
		w.varint(int64(e.level))
	}
}

// What a stored heldAt has, as the low bits of its part.
const (
	heldForStatus = 1 << iota
	heldOrRejected
	heldLater
	heldFlags = iota
)

func getHeldAt(r *reader, previous int64) heldAt {
	e := heldAt{
		due:  previous + r.varint(),
		fact: factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()},
		rule: r.string(),
	}
	part := r.varint()
	e.part, e.rejects = int32(part>>heldFlags), part&heldOrRejected != 0
	e.available, e.tier = r.varint(), r.varint()
	if part&heldForStatus != 0 {
		e.status = r.uint64()
	}
	e.booked = e.fact.at
	if part&heldLater != 0 {
		e.booked, e.level = e.booked+r.varint(), int32(r.varint())
	}
	return e
}
