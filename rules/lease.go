package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/schemas"
)

// This file is about what a shard holds of a budget. The points of a budget lie in three places, and each point in one of them: with
// the budget's owner (budget.go), in the lease of a shard, or with a grant (draw.go). A lease gives without asking for as long as it
// has enough. What it has not it asks the owner for, and whoever wanted it waits meanwhile. It gives all back when the
// owner calls, and what refunds give back at once while the budget is called back or used up. It never lapses.

// BudgetKey names a budget: that of a rule, in one of its periods.
type BudgetKey struct {
	Rule   string
	Period int32 // its number; 0 where there is one budget for ever
}

// owner is the key of who owns the budget.
func (k BudgetKey) owner() string { return budgetKeys + strconv.Itoa(int(k.Period)) + ":" + k.Rule }

// Lease is the key of the budget's lease in a shard.
func (k BudgetKey) Lease(shard int32) string {
	return leaseKeys + strconv.Itoa(int(shard)) + ":" + strconv.Itoa(int(k.Period)) + ":" + k.Rule
}

const (
	budgetKeys = "budget:" // period:rule
	leaseKeys  = "lease:"  // shard:period:rule
)

// LeaseHome is the shard in which a key is at home that has its home in its name; false: it has not.
func LeaseHome(key string) (shard int32, is bool) {
	rest, is := strings.CutPrefix(key, leaseKeys)
	if !is {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil //nolint:gosec // of 32 bits
}

// leaseOf is the budget that a lease is of, by its key.
func leaseOf(key string) (BudgetKey, error) {
	_, rest, _ := strings.Cut(strings.TrimPrefix(key, leaseKeys), ":")
	return budgetOf(rest)
}

// budgetOf reads a name behind its first word: period:rule.
func budgetOf(text string) (BudgetKey, error) {
	number, rule, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || rule == "" {
		return BudgetKey{}, fmt.Errorf("%q names no budget", text)
	}
	return BudgetKey{rule, int32(n)}, nil //nolint:gosec // of 32 bits
}

// Lease is what a shard holds of a budget. Like an Account it belongs to one goroutine, and must be thrown away after a transaction
// that was not committed.
type Lease struct {
	key    string
	budget BudgetKey

	free     int64 // points that can be given at once
	got      int64 // from the owner, ever, but for what is owed to somebody
	returned int64 // to the owner, ever
	usedUp   bool  // the owner has nothing left, and nobody else has
	called   bool  // back: what is free is not kept
	epoch    int64 // of the owner's last word
	last     int64 // how many points the owner gave last: with a quarter of them more are asked for
	size     int64 // of the budget, by the newest version that an event belonged to
	since    int64 // from when on that version is in force
	until    int64 // when all of it can be forgotten; 0: never
	revision int64 // of what was told to the owner
	told     int64 // how many points the owner knows to be wanted
	ahead    bool  // the owner knows that little is left
	queue    []wish
	wanted   int64 // points that are missing to all in the queue
	number   int64 // of the newest wish

	tell    bool // the owner is to hear of a change
	owed    []wish
	answers []schemas.Effect
	changed []int64 // numbers of wishes whose rows are to be written, or deleted
	touched bool
}

// wish is what a grant wants of a budget.
type wish struct {
	number   int64
	member   string
	fact     factKey
	rule     string
	part     int32
	revision int64 // of the wish among those of the grant
	points   int64
	missing  int64  // of points
	lease    string // that told of it, with an owner
}

// openLease reads a lease; one without rows is new.
func (l *Ledger) openLease(key string, rows Rows) (*Lease, error) {
	budget, err := leaseOf(key)
	if err != nil {
		return nil, &Broken{key, err}
	}
	x := &Lease{key: key, budget: budget}
	head, err := rows.Get([]byte(leaseRow))
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", key, err)
	}
	if head == nil {
		return x, nil
	}
	r := &reader{rest: slices.Clone(head)}
	x.read(r)
	if err := r.end(); err != nil {
		return nil, &Broken{key, fmt.Errorf("read head: %w", err)}
	}
	x.queue, err = readWishes(rows, key)
	x.sum()
	return x, err
}

// readWishes reads those who wait, in the order in which they came.
func readWishes(rows Rows, key string) (list []wish, err error) {
	var broken error
	err = rows.Scan([]byte(wishRows), func(row, value []byte) bool {
		r := &reader{rest: slices.Clone(row[len(wishRows):])}
		number := int64(r.uint64())
		r = &reader{rest: slices.Clone(value)}
		r.version()
		w := wish{number: number}
		w.read(r)
		broken = r.end()
		list = append(list, w)
		return broken == nil
	})
	if err != nil {
		return nil, fmt.Errorf("read who waits for %q: %w", key, err)
	}
	if broken != nil {
		return nil, &Broken{key, fmt.Errorf("read who waits: %w", broken)}
	}
	return list, nil
}

// terms is what a version says of a budget.
type terms struct {
	size  int64
	since int64 // from when on the version is in force
	until int64 // when the period can be forgotten; 0: never
}

// taken is what a lease says to somebody who wants points.
type taken uint8

const (
	hasGiven taken = iota // they are taken out of it
	hasToAsk              // it has too few, and others may have more
	hasNone               // the budget is used up
)

// take takes points out, all or none. It changes nothing else: what has to be told is, by settle.
func (x *Lease) take(points int64, t terms) taken {
	if t.since > x.since || x.size == 0 {
		if x.size != 0 && x.size != t.size {
			x.usedUp, x.tell = false, true // the owner knows whether there is more now
		}
		x.size, x.since = t.size, t.since
	}
	x.until = max(x.until, t.until)
	switch {
	case x.free >= points:
		x.free -= points
		x.touched = true
		return hasGiven
	case x.usedUp:
		return hasNone
	default:
		return hasToAsk
	}
}

// give puts points back that were taken, perhaps out of another shard's lease, before there were more shards and the member came
// here. The owner calls back only leases that it has heard of, so what is given to another goes back at once.
func (x *Lease) give(points int64, t terms) {
	x.called = x.called || x.epoch == 0
	x.free += points
	x.until = max(x.until, t.until)
	x.touched = true
}

// want enters somebody who waits.
func (x *Lease) want(w wish) {
	x.number++
	w.number, w.missing = x.number, w.points
	x.queue, x.wanted = append(x.queue, w), saturated(x.wanted, w.missing)
	x.changed, x.touched = append(x.changed, w.number), true
}

// forget drops what a member waits for, who was erased. What was put aside for that is free again.
func (x *Lease) forget(member string) {
	x.queue = slices.DeleteFunc(x.queue, func(w wish) bool {
		if w.member == member {
			x.free += w.points - w.missing
			x.changed, x.touched = append(x.changed, w.number), true
		}
		return w.member == member
	})
	x.sum()
}

// owe has the owner remember somebody who got less than was wanted.
func (x *Lease) owe(w wish) {
	x.owed, x.touched = append(x.owed, w), true
}

// Take takes in what the owner gives or says, into out.
func (x *Lease) Take(e *schemas.Effect, now time.Time, out *Outcome) error {
	out.reset()
	if now.IsZero() {
		now = e.DecidedAt
	}
	if e.Revision <= x.epoch { // the owner numbers what it says to each
		return nil
	}
	x.epoch, x.touched = e.Revision, true
	if e.Source.EventID != "" { // for one who was refused
		x.called = true // others are owed as well, perhaps: what comes back is not kept
		x.answer(&wish{
			member: e.Value, fact: factKey{e.FactAt, factKind(e.FactKind), e.Source.EventID}, rule: e.RuleID, part: e.Part, revision: e.Wish,
			points: e.Points + e.Wanted, missing: e.Wanted,
		}, "")
		x.settle(now, out)
		return nil
	}
	x.got += e.Points
	if x.free += e.Points; e.Points > 0 {
		x.last, x.ahead = e.Points, false
	}
	switch e.State {
	case schemas.BudgetOpen:
		x.usedUp, x.called = false, false
	case schemas.BudgetCalled:
		x.called, x.tell = true, true
	case schemas.BudgetUsedUp:
		x.serve()
		x.usedUp, x.called = true, true
		for i := range x.queue {
			x.answer(&x.queue[i], schemas.BudgetUsedUp)
			x.changed = append(x.changed, x.queue[i].number)
		}
		x.queue, x.wanted, x.told = nil, 0, 0
	}
	x.settle(now, out)
	return nil
}

// serve gives what is free to those who wait, in the order in which they came.
func (x *Lease) serve() {
	if x.free == 0 || len(x.queue) == 0 {
		return
	}
	n := 0
	for n < len(x.queue) && x.free > 0 {
		w := &x.queue[n]
		points := min(x.free, w.missing)
		x.free -= points
		w.missing -= points
		x.changed, x.touched = append(x.changed, w.number), true
		if w.missing > 0 {
			break
		}
		x.answer(w, "")
		n++
	}
	x.queue = slices.Delete(x.queue, 0, n)
	x.sum()
}

// sum adds up what those who wait are missing.
func (x *Lease) sum() {
	x.wanted = 0
	for i := range x.queue {
		x.wanted = saturated(x.wanted, x.queue[i].missing)
	}
}

// Starving says that somebody waits for what the owner has been asked for.
func (x *Lease) Starving() bool { return len(x.queue) > 0 }

// answer tells an account what a grant gets.
func (x *Lease) answer(w *wish, state string) {
	x.answers = append(x.answers, schemas.Effect{
		Kind: schemas.EffectDrawn, MemberID: w.member, FromMember: x.key, RuleID: w.rule, Source: schemas.Source{EventID: w.fact.event},
		FactAt: w.fact.at, FactKind: int32(w.fact.kind), Part: w.part, Wish: w.revision, Points: w.points - w.missing, Wanted: w.missing, State: state,
	})
}

// settle serves those who wait, and says what has to be said: answers to accounts, and to the owner what is wanted and what goes
// back. It is called once all of an event is taken and given.
func (x *Lease) settle(now time.Time, out *Outcome) {
	x.serve()
	if (x.called || x.usedUp) && x.free > 0 && len(x.queue) == 0 {
		x.returned += x.free
		x.free, x.tell = 0, true
	}
	low := x.free < x.last/4 && !x.ahead && !x.called && !x.usedUp
	if x.tell || x.wanted > x.told || low {
		x.ahead = x.ahead || low
		e := x.message(now)
		e.Wanted, e.Given, e.Returned, e.Points = x.wanted, x.got, x.returned, x.free
		if low {
			e.Ahead = 1
		}
		out.Requests = append(out.Requests, e)
		x.tell = false
	}
	x.told = x.wanted
	for i := range x.owed {
		w := &x.owed[i]
		e := x.message(now)
		e.Value, e.Source.EventID, e.FactAt, e.FactKind, e.Part, e.Wish = w.member, w.fact.event, w.fact.at, int32(w.fact.kind), w.part, w.revision
		e.Wanted, e.Given, e.Returned = w.points, x.got, x.returned
		out.Requests = append(out.Requests, e)
	}
	for i := range x.answers {
		x.answers[i].OccurredAt, x.answers[i].CausedAt, x.answers[i].DecidedAt = now, now, now
	}
	out.Requests = append(out.Requests, x.answers...)
	x.owed, x.answers = x.owed[:0], x.answers[:0]
}

// message begins what is said to the owner.
func (x *Lease) message(now time.Time) schemas.Effect {
	x.revision++
	x.touched = true
	return schemas.Effect{
		Kind: schemas.EffectDraw, MemberID: x.budget.owner(), FromMember: x.key, RuleID: x.budget.Rule, Revision: x.revision, Epoch: x.epoch,
		Size: x.size, Since: instantUTC(x.since), KeepUntil: momentOf(x.until), OccurredAt: now, CausedAt: now, DecidedAt: now,
	}
}

// Advance forgets a lease whose period is long over.
func (x *Lease) Advance(to, _ time.Time, out *Outcome) error {
	out.reset()
	if x.until != 0 && x.until <= to.UnixMilli() && len(x.queue) == 0 {
		*x = Lease{key: x.key, budget: x.budget, touched: true}
	}
	return nil
}

// Due is when Advance would forget it.
func (x *Lease) Due() (time.Time, bool) { return instantUTC(x.until), x.until != 0 }

// Size is about how many bytes it takes in memory.
func (x *Lease) Size() int { return 400 + 200*len(x.queue) }

// FactBytes is 0.
func (x *Lease) FactBytes() int { return 0 }

// Awake is false.
func (x *Lease) Awake() bool { return false }

// Rest does nothing.
func (x *Lease) Rest() {}

// Save hands over the rows that changed since the last Save, as Account.Save does.
func (x *Lease) Save(b *Buffer, put func(key, value []byte)) {
	if !x.touched {
		return
	}
	rows := &b.rows
	rows.begin(put)
	for _, n := range x.changed {
		saveWish(rows, n, x.queue)
	}
	if x.size == 0 && x.free == 0 && x.revision == 0 { // nothing is known of it
		rows.delete([]byte(leaseRow))
	} else {
		rows.emit([]byte(leaseRow), rows.cut(x.write))
	}
	rows.emit = nil
	x.changed, x.touched = x.changed[:0], false
}

// saveWish writes the row of a wish, or deletes it where it is not in the list any more.
func saveWish(rows *rowWriter, number int64, list []wish) {
	key := rows.cut(func(w *writer) {
		w.bytes = append(w.bytes, wishRows...)
		w.uint64(uint64(number))
	})
	i, found := slices.BinarySearchFunc(list, number, func(w wish, n int64) int { return int(w.number - n) })
	if !found {
		rows.delete(key)
		return
	}
	rows.emit(key, rows.cut(func(w *writer) {
		w.byte(formatVersion)
		list[i].write(w)
	}))
}

// LeaseRow is what a shard holds of a budget.
type LeaseRow struct {
	Free     int64 `json:"free"` // points
	Got      int64 `json:"got"`
	Returned int64 `json:"returned"`
	UsedUp   bool  `json:"used_up,omitempty"`
	Called   bool  `json:"called,omitempty"`
}

func (x *Lease) row() *LeaseRow { return &LeaseRow{x.free, x.got, x.returned, x.usedUp, x.called} }

// WishRow is a grant that waits for points of a budget, or was refused them and is remembered.
type WishRow struct {
	Member  string `json:"member"`
	EventID string `json:"event_id"`
	Rule    string `json:"rule"`
	Points  int64  `json:"points"`
	Missing int64  `json:"missing"`
}

func (x *Lease) write(w *writer) {
	w.byte(formatVersion)
	w.uint64(uint64(x.until))
	for _, n := range x.numbers() {
		w.varint(*n)
	}
	w.bool(x.usedUp)
	w.bool(x.called)
	w.bool(x.ahead)
}

func (x *Lease) read(r *reader) {
	r.version()
	x.until = int64(r.uint64())
	for _, n := range x.numbers() {
		*n = r.varint()
	}
	x.usedUp, x.called, x.ahead = r.bool(), r.bool(), r.bool()
}

func (x *Lease) numbers() [10]*int64 {
	return [...]*int64{&x.free, &x.got, &x.returned, &x.epoch, &x.last, &x.size, &x.since, &x.revision, &x.told, &x.number}
}

func (w *wish) write(out *writer) {
	out.string(w.member)
	out.varint(w.fact.at)
	out.byte(byte(w.fact.kind))
	out.string(w.fact.event)
	out.string(w.rule)
	out.varint(int64(w.part))
	out.varint(w.revision)
	out.varint(w.points)
	out.varint(w.missing)
	out.string(w.lease)
}

func (w *wish) read(r *reader) {
	w.member = r.string()
	w.fact = factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()}
	w.rule, w.part, w.revision, w.points, w.missing = r.string(), int32(r.varint()), r.varint(), r.varint(), r.varint() //nolint:gosec // as written
	w.lease = r.string()
}
