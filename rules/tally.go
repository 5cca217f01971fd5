package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about the other side of a question: what is counted under a key that many members share, such as "device:d1". It
// knows no programme: each question says what its event adds, from when on is counted, and until when the event may be counted
// for others. What it answers depends on the order in which questions arrive, and is remembered: a question that comes twice
// is answered as it was.
//
// Of each threshold the newest MostCounted events are kept. A count that could pass is exact, as no threshold may ask for
// more (`over` is checked); sums and shares are those of the newest MostCounted events within the window.

// MostCounted bounds how many events are counted under one key for one threshold. An event takes about 200 bytes of memory.
const MostCounted = programme.MostCounted

// Tally is what is counted under one key. Like an Account it belongs to one goroutine, and must be thrown away after a
// transaction that was not committed.
type Tally struct {
	key    string
	lists  []tallyList // ascending by threshold
	due    int64       // when to look for what has passed; 0: nothing is counted
	latest int64       // occurred_at of the newest event that has come

	changed []countedKey // rows to be written, or deleted where they are gone
	touched bool         // the head is to be written
}

// tallyList is what one threshold counts, ascending by place.
type tallyList struct {
	threshold string
	events    []counted
}

// countedKey is the place of an event among those of all thresholds.
type countedKey struct {
	threshold, member, event string
	at                       int64
}

// counted is an event of some member, and what was answered about it.
type counted struct {
	at            int64
	member, event string
	revision      int64
	adds          share
	value         string
	until         int64 // it is forgotten then
	said          totals
}

// totals are the numbers of an answer.
type totals struct{ events, points, refunds, distinct int64 }

func (c *counted) compare(o *counted) int {
	return cmp.Or(cmp.Compare(c.at, o.at), cmp.Compare(c.member, o.member), cmp.Compare(c.event, o.event))
}

// OpenTally reads what is counted under a key; nothing where it has no rows yet.
func (l *Ledger) OpenTally(key string, rows Rows) (*Tally, error) {
	t := &Tally{key: key}
	head, err := rows.Get([]byte(tallyRow))
	if err != nil {
		return nil, fmt.Errorf("open tally of %q: %w", key, err)
	}
	if head == nil {
		return t, nil
	}
	r := &reader{rest: head}
	r.version()
	t.due, t.latest = int64(r.uint64()), r.varint()
	if err := r.end(); err != nil {
		return nil, &Broken{key, fmt.Errorf("read head of tally: %w", err)}
	}
	var broken error
	err = rows.Scan([]byte(countedRows), func(key, value []byte) bool {
		k, c, failed := decodeCounted(key, value)
		if failed != nil {
			broken = failed
			return false
		}
		list := t.list(k.threshold)
		list.events = append(list.events, c)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read tally of %q: %w", key, err)
	}
	if broken != nil {
		return nil, &Broken{key, broken}
	}
	for i := range t.lists {
		slices.SortFunc(t.lists[i].events, func(a, b counted) int { return a.compare(&b) })
	}
	return t, nil
}

// list finds or makes what a threshold counts. The pointer holds until the next call.
func (t *Tally) list(threshold string) *tallyList {
	i, found := slices.BinarySearchFunc(t.lists, threshold, func(l tallyList, id string) int { return strings.Compare(l.threshold, id) })
	if !found {
		t.lists = slices.Insert(t.lists, i, tallyList{threshold: threshold})
	}
	return &t.lists[i]
}

// Take counts an event, or what has become of it, and answers the first time and whenever that is asked again, into out. now is
// the engine's clock; zero: as Event.Now.
func (t *Tally) Take(e *schemas.Effect, now time.Time, out *Outcome) error {
	out.reset()
	if now.IsZero() {
		now = e.DecidedAt
	}
	if e.Kind == schemas.EffectUncount {
		t.uncount(e.FromMember)
		return nil
	}
	list := t.list(e.RuleID)
	c := counted{
		at: e.OccurredAt.UnixMilli(), member: e.FromMember, event: e.Source.EventID, revision: e.Revision,
		adds: share{e.Events, e.Points, e.Refunds}, value: e.Value, until: e.KeepUntil.UnixMilli(),
	}
	i, known := slices.BinarySearchFunc(list.events, &c, func(x counted, c *counted) int { return x.compare(c) })
	switch {
	case known && e.Revision > list.events[i].revision:
		list.events[i].revision, list.events[i].adds = e.Revision, c.adds
		t.change(list, &list.events[i])
		return nil
	case known && e.Revision == 1: // asked once more
		t.answer(list, i, e, now, out)
		return nil
	case known, e.Revision > 1: // it is counted so already, or is forgotten
		return nil
	}
	list.events = slices.Insert(list.events, i, c)
	list.events[i].said = list.measure(i, e.Since.UnixMilli())
	t.change(list, &list.events[i])
	t.answer(list, i, e, now, out)
	t.latest = max(t.latest, c.at)
	if due := tidyAt(c.until); t.due == 0 || due < t.due {
		t.due, t.touched = due, true
	}
	t.forget(list, t.latest)
	for len(list.events) > MostCounted {
		t.drop(list, 1)
	}
	return nil
}

// uncount forgets the events of a member who was erased; all, where the key has the member's name.
func (t *Tally) uncount(member string) {
	left := 0
	for i := range t.lists {
		list := &t.lists[i]
		list.events = slices.DeleteFunc(list.events, func(c counted) bool {
			if c.member != member && t.key != programme.ByReferrer.String()+":"+member {
				return false
			}
			t.change(list, &c)
			return true
		})
		left += len(list.events)
	}
	if left == 0 && t.due != 0 {
		t.due, t.touched = 0, true
	}
}

// measure counts the events in the window up to one, that included.
func (l *tallyList) measure(i int, since int64) totals {
	var said totals
	var values map[string]bool
	for _, c := range l.window(l.events[i].at, since) {
		said.events++
		said.points = saturated(said.points, c.adds.points)
		said.refunds += c.adds.refunds
		if c.value != "" && !values[c.value] {
			if values == nil {
				values = make(map[string]bool)
			}
			values[c.value] = true
			said.distinct++
		}
	}
	return said
}

// window are the events that count in (since, at], ascending.
func (l *tallyList) window(at, since int64) []*counted {
	var list []*counted
	from, _ := slices.BinarySearchFunc(l.events, since+1, func(c counted, at int64) int { return cmp.Compare(c.at, at) })
	for j := from; j < len(l.events) && l.events[j].at <= at; j++ {
		if l.events[j].adds.events > 0 {
			list = append(list, &l.events[j])
		}
	}
	return list
}

// saturated adds, and stays at the largest number where that is passed: a threshold is passed by then.
func saturated(a, b int64) int64 {
	sum, err := addInt(a, b)
	if err != nil {
		return a
	}
	return sum
}

// answer tells what was measured when an event was counted.
func (t *Tally) answer(list *tallyList, i int, e *schemas.Effect, now time.Time, out *Outcome) {
	said := list.events[i].said
	answer := answerTo(e, now)
	answer.Events, answer.Points, answer.Refunds, answer.Distinct = said.events, said.points, said.refunds, said.distinct
	if max(said.events, said.points, said.distinct) > e.Limit {
		answer.Evidence = evidenceOf(list.window(list.events[i].at, e.Since.UnixMilli()), e.Measure)
	}
	out.Requests = append(out.Requests, answer)
}

// evidenceOf names what was counted, the newest of it.
func evidenceOf(events []*counted, measure string) []schemas.Number {
	name := "event"
	if measure == programme.MeasureRefunds.String() {
		name = "refunded order's event"
		events = slices.DeleteFunc(events, func(c *counted) bool { return c.adds.refunds == 0 })
	}
	list := []schemas.Number{{Name: "events", Value: strconv.Itoa(len(events))}}
	for _, c := range events[max(len(events)-mostEvidence, 0):] {
		list = append(list, schemas.Number{Name: name, Value: c.event}, schemas.Number{Name: "of member", Value: c.member})
	}
	if measure != programme.MeasureDevices.String() {
		return list
	}
	var devices []string
	for _, c := range slices.Backward(events) {
		if c.value != "" && !slices.Contains(devices, c.value) && len(devices) < mostEvidence {
			devices = append(devices, c.value)
			list = append(list, schemas.Number{Name: "device", Value: c.value})
		}
	}
	return list
}

// Advance forgets what has passed by an instant. There is nothing in the outcome.
func (t *Tally) Advance(to, _ time.Time, out *Outcome) error {
	out.reset()
	if t.due == 0 || t.due > to.UnixMilli() {
		return nil
	}
	t.due, t.touched = 0, true
	for i := range t.lists {
		t.forget(&t.lists[i], to.UnixMilli())
		for j := range t.lists[i].events {
			if due := tidyAt(t.lists[i].events[j].until); t.due == 0 || due < t.due {
				t.due = due
			}
		}
	}
	t.lists = slices.DeleteFunc(t.lists, func(l tallyList) bool { return len(l.events) == 0 })
	return nil
}

// tidyAt is when an event whose time is over is dropped at the latest, if nothing is counted under the key any more: at the next full
// hour, so that a busy key is looked at once an hour.
func tidyAt(until int64) int64 {
	const hour = 3600 * 1000
	return (until + hour - 1) / hour * hour
}

// forget drops the oldest events whose time is over.
func (t *Tally) forget(list *tallyList, now int64) {
	n := 0
	for n < len(list.events) && list.events[n].until <= now {
		n++
	}
	t.drop(list, n)
}

// drop drops the oldest n.
func (t *Tally) drop(list *tallyList, n int) {
	for i := range list.events[:n] {
		t.change(list, &list.events[i])
	}
	list.events = slices.Delete(list.events, 0, n)
}

func (t *Tally) change(list *tallyList, c *counted) {
	t.changed = append(t.changed, countedKey{list.threshold, c.member, c.event, c.at})
}

// Due is when Advance would forget something.
func (t *Tally) Due() (time.Time, bool) { return instantUTC(t.due), t.due != 0 }

// Size is about how many bytes the tally takes in memory.
func (t *Tally) Size() int {
	size := 200
	for i := range t.lists {
		size += 100 + 200*len(t.lists[i].events)
	}
	return size
}

// FactBytes is 0: a tally is whole or not in memory.
func (t *Tally) FactBytes() int { return 0 }

// Awake is false: there is nothing that Rest could let go.
func (t *Tally) Awake() bool { return false }

// Rest does nothing.
func (t *Tally) Rest() {}

// Save hands over the rows that changed since the last Save; a nil value deletes. Key and value are the buffer's: they are
// valid until its next use.
func (t *Tally) Save(b *Buffer, put func(key, value []byte)) {
	rows := &b.rows
	rows.begin(put)
	for _, k := range t.changed {
		list := t.list(k.threshold)
		c := counted{at: k.at, member: k.member, event: k.event}
		key := rows.cut(k.write)
		if i, found := slices.BinarySearchFunc(list.events, &c, func(x counted, c *counted) int { return x.compare(c) }); found {
			rows.emit(key, rows.cut(list.events[i].write))
		} else {
			rows.delete(key)
		}
	}
	switch {
	case t.touched && t.due == 0:
		rows.delete([]byte(tallyRow))
	case t.touched:
		rows.emit([]byte(tallyRow), rows.cut(func(w *writer) {
			w.byte(formatVersion)
			w.uint64(uint64(t.due))
			w.varint(t.latest)
		}))
	}
	rows.emit = nil
	t.changed, t.touched = t.changed[:0], false
}

func (k countedKey) write(w *writer) {
	w.bytes = append(w.bytes, countedRows...)
	w.string(k.threshold)
	w.uint64(uint64(k.at) ^ 1<<63)
	w.string(k.member)
	w.bytes = append(w.bytes, k.event...)
}

func (c *counted) write(w *writer) {
	w.byte(formatVersion)
	w.varint(c.revision)
	w.varint(c.adds.events)
	w.varint(c.adds.points)
	w.varint(c.adds.refunds)
	w.string(c.value)
	w.varint(c.until)
	w.varint(c.said.events)
	w.varint(c.said.points)
	w.varint(c.said.refunds)
	w.varint(c.said.distinct)
}

func decodeCounted(key, value []byte) (countedKey, counted, error) {
	r := &reader{rest: slices.Clone(key[len(countedRows):])}
	k := countedKey{threshold: r.string(), at: int64(r.uint64() ^ 1<<63), member: r.string()}
	k.event = string(r.rest)
	if r.err != nil {
		return k, counted{}, fmt.Errorf("read key of a counted event: %w", r.err)
	}
	r = &reader{rest: slices.Clone(value)}
	r.version()
	c := counted{
		at: k.at, member: k.member, event: k.event, revision: r.varint(), adds: share{r.varint(), r.varint(), r.varint()}, value: r.string(), until: r.varint(),
		said: totals{r.varint(), r.varint(), r.varint(), r.varint()},
	}
	if err := r.end(); err != nil {
		return k, c, fmt.Errorf("read counted event %q of member %q: %w", k.event, k.member, err)
	}
	return k, c, nil
}

// TallyRow is the head of what is counted under a key.
type TallyRow struct {
	NextDue     time.Time `json:"next_due"`
	NewestEvent time.Time `json:"newest_event"`
}

// CountedRow is an event that is counted under a key, with what was answered about it.
type CountedRow struct {
	Threshold  string    `json:"threshold"`
	OccurredAt time.Time `json:"occurred_at"`
	Member     string    `json:"member"`
	EventID    string    `json:"event_id"`
	Counted    bool      `json:"counted"` // false: not any more
	Sum        int64     `json:"sum,omitempty"`
	Refunded   bool      `json:"refunded,omitempty"`
	Value      string    `json:"value,omitempty"`
	KeptUntil  time.Time `json:"kept_until"`
	Answered   int64     `json:"answered_events"`
}

func describeTally(r *reader) *TallyRow {
	r.version()
	return &TallyRow{instantUTC(int64(r.uint64())), instantUTC(r.varint())}
}

func describeCounted(key, value []byte) (*CountedRow, error) {
	k, c, err := decodeCounted(key, value)
	if err != nil {
		return nil, err
	}
	return &CountedRow{k.threshold, instantUTC(c.at), c.member, c.event, c.adds.events > 0, c.adds.points, c.adds.refunds > 0, c.value, instantUTC(c.until), c.said.events}, nil
}
