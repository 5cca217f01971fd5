package rules

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Account is all that the engine holds of one member. It belongs to one goroutine. After a transaction that was not
// committed it must be thrown away and opened anew.
type Account struct {
	ledger *Ledger
	member string
	rows   Rows
	leases Leases // nil: no rule has a budget

	head   *standing // after all facts, and after what fell due up to asOf
	base   *standing // after all facts that are folded away; nil: not read yet
	asOf   int64     // the latest instant up to which dues were decided, and the newest fact at least
	newest int64     // occurred_at of the newest fact that is no profile, folded ones among them; 0: there was none
	folded int64     // instant of the last fact that was folded away: what is not after it has no place any more; 0: none was
	any    bool      // whether there ever was a fact
	count  int       // facts in the window
	first  int64     // occurred_at of the earliest fact that was folded away; 0: none was. It is read with the base
	person *person   // what looks back; nil: no profile has come. It is replaced, never changed
	ids    series[idAt]
	sealed series[sealedAt]

	idIndex     *hashBag            // of ids; made when they are many
	sealedIndex map[uint64]struct{} // hashes of sealed; made when they are many, anew after each fold

	// facts are those of the window that are in memory, ascending: with gapless all from a place on, see window.go; else those
	// that are new or were read one by one.
	facts     []*fact
	gapless   bool
	from      int                  // facts of the window before facts[0]; 0 without gapless. There is a snapshot at this place
	outside   []*fact              // of those before, the ones that were read one by one, ascending; only while gapless
	orders    map[string]*siblings // by order the facts of it, of all orders that have one in facts; only while gapless
	profiles  []*fact              // the profiles among facts, ascending; only while gapless
	waits     []waiting            // facts that are not decided yet, ascending by when that is given up
	kept      []*fact              // facts beside the window, all of them with allKept
	allKept   bool
	past      []*fact    // awards whose place is folded away, those that were read
	factsRead int        // since the last FactsRead
	snapshots []snapshot // ascending
	keeps     *keeps     // of the facts; only while whole. nil: there are none

	drawing     drawing   // what the call in progress has taken out of budgets
	changed     []*fact   // to be written by the next Save, those whose mark still stands
	dropped     []factKey // to be deleted by the next Save
	keptDropped []factKey // those beside the window that are
	pastDropped []factKey // the awards that are
	touched     bool      // whether Save has anything to do
	rebased     bool      // whether Save has to write the base

	erased int64    // when the member was; 0: not
	gone   [][]byte // rows of a member who was erased, to be deleted by the next Save

	linked   map[string]bool // members with whose accounts this one is linked, and that Save has not written yet
	unlinked []string        // those with which it is no more
}

// Open reads the account of a member; one that has no rows yet is a new member's. The account keeps rows for later reads.
func (l *Ledger) Open(member string, rows Rows) (*Account, error) {
	a := &Account{ledger: l, member: member, rows: rows}
	row, err := rows.Get([]byte(headRow))
	if err != nil {
		return nil, fmt.Errorf("open account of member %q: %w", member, err)
	}
	if row == nil {
		a.head = l.beginning()
		return a, nil
	}
	r := &reader{rest: slices.Clone(row)}
	r.version()
	r.uint64() // the due time, for HeadDue
	if scale := int(r.byte()); r.err == nil && scale != l.scale {
		return nil, &Broken{member, fmt.Errorf("its amounts have %d decimals, the programme counts with %d: give the programme the currencies it had", scale, l.scale)}
	}
	a.asOf, a.newest, a.folded, a.any = r.varint(), r.varint(), r.varint(), true
	a.count = int(r.uvarint())
	a.ids = loadSeries(r, "ai", rows, getIDAt)
	a.sealed = loadSeries(r, "as", rows, getSealedAt)
	a.head = loadStanding(r, "h", rows)
	a.person = loadPerson(r)
	a.waits = a.head.loadMore(r, "h", rows)
	if err := r.end(); err != nil {
		return nil, &Broken{member, fmt.Errorf("read head: %w", err)}
	}
	if (a.head.lots != nil) != l.follows {
		return nil, &Broken{member, fmt.Errorf("`redemptions` is %t in the programme and was %t for it: give the programme the value it had", l.follows, !l.follows)}
	}
	return a, a.measureAnew()
}

// Borrow gives the account access to the leases of its shard, before its first call. It needs them where rules have budgets.
func (a *Account) Borrow(leases Leases) { a.leases = leases }

// Points are what the member can spend, below 0 a debt, and what is held.
func (a *Account) Points() (available, pending int64) { return a.head.points, a.head.pending }

// Due is the next instant, UTC, at which Advance would do something.
func (a *Account) Due() (time.Time, bool) {
	at, ok := a.next()
	return time.UnixMilli(at).UTC(), ok
}

// next is the instant of Due.
func (a *Account) next() (int64, bool) {
	at, ok := a.head.next()
	if len(a.waits) > 0 && (!ok || a.waits[0].due < at) {
		return a.waits[0].due, true
	}
	return at, ok
}

// HeadDue reads the next due time out of the head row of an account or a tally; false for a head without one, and for every
// other row.
func HeadDue(key, value []byte) (time.Time, bool) {
	if !HasDue(key) || len(value) < 9 || value[0] != formatVersion {
		return time.Time{}, false
	}
	at := int64(binary.BigEndian.Uint64(value[1:]))
	return time.UnixMilli(at).UTC(), at != 0
}

// HasDue says of which rows HeadDue may read something: those that begin with when something is due.
func HasDue(key []byte) bool {
	switch string(key) {
	case headRow, tallyRow, leaseRow, budgetRow:
		return true
	}
	return false
}

// FactsRead is how many facts were read from the rows, to decide them again, since the call before.
func (a *Account) FactsRead() int {
	n := a.factsRead
	a.factsRead = 0
	return n
}

// OpenReads says of which rows Open reads one by one: heads, and the pages of what outgrew them. They are worth being kept at hand.
func OpenReads(key []byte) bool { return HasDue(key) || bytes.HasPrefix(key, []byte(pageRows)) }

// Size is about how many bytes the account takes in memory.
func (a *Account) Size() int {
	own := 400 // of a standing, beside what snapshots of it share
	for i := range a.head.rules {
		u := &a.head.rules[i]
		own += 150 + 16*u.orders.len() + 16*u.spend.len()
	}
	if l := a.head.lots; l != nil {
		own += 150*(len(l.open)+len(l.closed)) + 32*l.taken.len()
	}
	size := 200 + 100*len(a.linked) + 60*len(a.waits) + 24*len(a.ids.items) + 16*len(a.sealed.items) + 100*a.head.held.len() + 16*a.head.instants()
	return size + own*(1+len(a.snapshots)) + a.FactBytes()
}

// FactBytes is about how many bytes of Size are facts, which Rest lets go.
func (a *Account) FactBytes() int {
	return 900 * (len(a.facts) + len(a.outside) + len(a.past))
}

// Awake says that facts are in memory which refunds and late events have asked for.
func (a *Account) Awake() bool { return a.gapless }

// Rest lets go of the facts in memory. They are read again from the rows when they are asked for: so it is of use only where
// Save was called, and does nothing before.
func (a *Account) Rest() {
	if !a.touched && a.any {
		a.facts, a.gapless, a.from, a.outside, a.orders, a.profiles, a.keeps, a.past = nil, false, 0, nil, nil, nil, nil, nil
		a.base, a.kept, a.allKept = nil, nil, false
		if a.count < 2*a.ledger.spaced {
			a.snapshots = nil // few facts are read as quickly
		}
	}
}

// Buffer is the memory in which Save makes rows, to be used again by the next Save. The zero Buffer is ready. It belongs to one
// goroutine.
type Buffer struct {
	head writer
	rows rowWriter
}

// Save hands over the rows that changed since the last Save; a nil value deletes. Key and value are the buffer's: they are
// valid until its next use.
func (a *Account) Save(b *Buffer, put func(key, value []byte)) {
	b.rows.begin(put)
	rows, w := &b.rows, &b.head
	if a.linked != nil || a.unlinked != nil || a.gone != nil {
		for _, key := range a.gone {
			rows.delete(key)
		}
		a.gone = nil
		a.saveLinks(rows)
	}
	if !a.touched {
		rows.emit = nil
		return
	}
	w.bytes = w.bytes[:0]
	w.byte(formatVersion)
	due, _ := a.next()
	w.uint64(uint64(due))
	w.byte(byte(a.ledger.scale))
	w.varint(a.asOf)
	w.varint(a.newest)
	w.varint(a.folded)
	w.uvarint(uint64(a.count))
	a.ids.save(w, "ai", rows)
	a.sealed.save(w, "as", rows)
	a.head.save(w, "h", rows)
	a.person.save(w)
	a.head.saveMore(w, "h", rows)
	a.saveWaits(w)
	slices.SortFunc(a.changed, func(x, y *fact) int { return x.key.compare(y.key) })
	for _, f := range a.changed {
		if f.changed {
			f.changed = false
			rows.fact(f)
		}
	}
	for _, key := range a.dropped {
		rows.delete(rows.cut(func(w *writer) { w.factKey(key) }))
	}
	for _, key := range a.keptDropped {
		rows.delete(rows.cut(func(w *writer) { w.keyOf(keptRows, key) }))
	}
	for _, key := range a.pastDropped {
		rows.delete(rows.cut(func(w *writer) { w.keyOf(pastRows, key) }))
	}
	if a.rebased {
		base := &writer{} // the pages of its series are made meanwhile
		base.byte(formatVersion)
		base.varint(a.first)
		a.base.save(base, baseOwner, rows)
		a.base.saveMore(base, baseOwner, rows)
		rows.emit([]byte(baseRow), base.bytes)
	}
	rows.emit([]byte(headRow), w.bytes)
	rows.emit = nil
	clear(a.changed)
	a.changed, a.dropped, a.touched, a.rebased = a.changed[:0], nil, false, false
	a.keptDropped, a.pastDropped = nil, nil
}

func (a *Account) change(f *fact) {
	if !f.changed {
		f.changed = true
		a.changed = append(a.changed, f)
	}
	a.touched = true
}
