package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about the owner of a budget: one key, in one shard, for each budget and period. What it has not given to a lease
// (lease.go) it has itself, so that never a point more is granted than there are, and what is granted, leased and left is the budget
// at every instant. It gives more than is asked for, the less the less is left, so that most grants ask nobody.
//
// When it has too little for somebody it calls all leases back. Only when each has answered it says that the budget is used up.
// What comes back afterwards goes to those who were refused, with `queue: true`, in the order in which the owner heard of them;
// else the budget is open again, though not more often than every few seconds.

// MostOwed bounds how many refused grants an owner remembers for `queue: true`. One takes about 250 bytes of memory. Whoever comes
// when there are as many is refused for good.
const MostOwed = 500_000

// reopenAfter is how long a budget that is used up stays so, whatever comes back meanwhile. To open it and to find that it is used up
// once more takes a few messages of each shard, and all who want points wait for them: where every second brings a refund, nobody
// would do anything else.
const reopenAfter = 10 * time.Second

// smallestShare is how small a part of what is left a lease gets at most, beyond what it asks for: one of so many, for each lease
// there is.
const smallestShare = 4

// Budget is what the owner of a budget knows. Like an Account it belongs to one goroutine, and must be thrown away after a transaction
// that was not committed.
type Budget struct {
	key    string
	ledger *Ledger
	budget BudgetKey

	size   int64
	since  int64 // from when on the version is in force that says so
	until  int64 // when all of it can be forgotten; 0: never
	usedUp bool
	closed int64 // when that was said
	calls  bool  // leases are called back
	warned int64 // the fraction of the size, in percent, that a notice has told of
	leases []leased
	asks   []string // leases that want more than they got, in the order in which they asked
	owed   []wish   // grants that were refused, in the order in which that was heard
	number int64    // of the newest of them

	changed []int64 // rows of owed
	touched bool
}

// leased is what the owner knows of a lease.
type leased struct {
	key      string
	given    int64 // ever
	lent     int64 // of that, what was not owed to somebody
	returned int64 // ever
	wanted   int64 // that it has not got
	free     int64 // that it has not granted, as far as is known
	revision int64 // of what it said last
	said     int64 // number of what was said to it last
	called   int64 // number of the last call; 0: none is open
}

// OpenKey reads what stands under a key that is no member: a Tally, the Budget of an owner, or a Lease.
func (l *Ledger) OpenKey(key string, rows Rows) (Key, error) {
	switch {
	case strings.HasPrefix(key, leaseKeys):
		return l.openLease(key, rows)
	case strings.HasPrefix(key, budgetKeys):
		return l.openBudget(key, rows)
	}
	return l.OpenTally(key, rows)
}

// Key is what many members share.
type Key interface {
	Take(e *schemas.Effect, now time.Time, out *Outcome) error
	Advance(to, now time.Time, out *Outcome) error
	Due() (time.Time, bool)
	Save(b *Buffer, put func(key, value []byte))
	Size() int
	FactBytes() int
	Awake() bool
	Rest()
}

func (l *Ledger) openBudget(key string, rows Rows) (*Budget, error) {
	name, err := budgetOf(strings.TrimPrefix(key, budgetKeys))
	if err != nil {
		return nil, &Broken{key, err}
	}
	b := &Budget{key: key, ledger: l, budget: name}
	head, err := rows.Get([]byte(budgetRow))
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", key, err)
	}
	if head == nil {
		return b, nil
	}
	r := &reader{rest: slices.Clone(head)}
	b.read(r)
	if err := r.end(); err != nil {
		return nil, &Broken{key, fmt.Errorf("read head: %w", err)}
	}
	b.owed, err = readWishes(rows, key)
	return b, err
}

// lease finds or makes what is known of a lease. The pointer holds until the next call.
func (b *Budget) lease(key string) *leased {
	i, found := slices.BinarySearchFunc(b.leases, key, func(l leased, key string) int { return strings.Compare(l.key, key) })
	if !found {
		b.leases = slices.Insert(b.leases, i, leased{key: key})
	}
	return &b.leases[i]
}

// left is what the owner has; below 0 where a new version has made the budget smaller than what is out.
func (b *Budget) left() int64 {
	left := b.size
	for i := range b.leases {
		left -= b.leases[i].given - b.leases[i].returned
	}
	return left
}

// ungranted is what nobody has been granted, as far as the owner knows: leases go on to grant without saying so.
func (b *Budget) ungranted() int64 {
	points := max(b.left(), 0)
	for i := range b.leases {
		points += b.leases[i].free
	}
	return min(points, b.size)
}

// Take takes in what a lease says, into out.
func (b *Budget) Take(e *schemas.Effect, now time.Time, out *Outcome) error {
	out.reset()
	if now.IsZero() {
		now = e.DecidedAt
	}
	if e.Kind == schemas.EffectUncount {
		b.forget(e.FromMember)
		return nil
	}
	l := b.lease(e.FromMember)
	if e.Revision <= l.revision {
		return nil
	}
	b.touched = true
	l.revision = e.Revision
	l.returned = max(l.returned, e.Returned)
	if e.Source.EventID == "" {
		l.free = max(e.Points+(l.lent-e.Given)-e.Wanted, 0)
	}
	if l.called != 0 && e.Epoch >= l.called {
		l.called = 0
	}
	if since := e.Since.UnixMilli(); e.Size > 0 && (b.size == 0 || since > b.since) { // who has only given back knows of none
		b.size, b.since, b.closed = e.Size, since, 0
	}
	b.until = max(b.until, e.KeepUntil.UnixMilli())
	if e.Source.EventID != "" {
		b.remember(e)
	} else if l.wanted = max(e.Wanted-(l.lent-e.Given), 0); l.wanted > 0 && !slices.Contains(b.asks, l.key) {
		b.asks = append(b.asks, l.key)
	}
	if left := b.left(); e.Ahead == 1 && l.wanted == 0 && !b.usedUp && !b.calls && len(b.asks) == 0 {
		if more := b.share(left); more > 0 {
			l.free += more
			b.say(l, more, schemas.BudgetOpen, now, out)
		}
	}
	b.settle(now, out)
	b.warn(now, out)
	out.Budget = &BudgetLevel{Rule: b.budget.Rule, Period: b.budget.Period, Size: b.size, Left: b.ungranted(), Owed: len(b.owed)}
	return nil
}

// remember puts a refused grant among those that are owed.
func (b *Budget) remember(e *schemas.Effect) {
	if len(b.owed) >= MostOwed {
		return
	}
	b.number++
	b.owed = append(b.owed, wish{
		number: b.number, member: e.Value, fact: factKey{e.FactAt, factKind(e.FactKind), e.Source.EventID}, lease: e.FromMember, part: e.Part, revision: e.Wish,
		points: e.Wanted, missing: e.Wanted,
	})
	b.changed = append(b.changed, b.number)
}

// forget drops what is owed to a member who was erased.
func (b *Budget) forget(member string) {
	b.owed = slices.DeleteFunc(b.owed, func(w wish) bool {
		if w.member == member {
			b.changed, b.touched = append(b.changed, w.number), true
		}
		return w.member == member
	})
}

// share is how much a lease gets beyond what it wants, of what is left then.
func (b *Budget) share(left int64) int64 {
	return max(left, 0) / (smallestShare * int64(max(len(b.leases), smallestShare)))
}

// settle gives what there is to those who want it, and calls leases back where that is too little.
func (b *Budget) settle(now time.Time, out *Outcome) {
	b.payOwed(now, out)
	if b.usedUp {
		if b.left() <= 0 || now.UnixMilli() < b.reopens() {
			for _, key := range b.asks { // who asks has not heard of it
				b.say(b.lease(key), 0, schemas.BudgetUsedUp, now, out)
			}
			b.nobodyAsks()
			return
		}
		b.usedUp = false
		b.sayToAll(schemas.BudgetOpen, now, out)
	}
	for len(b.owed)+len(b.asks) > 0 || b.left() < 0 {
		if len(b.owed) == 0 && len(b.asks) > 0 && b.serve(b.lease(b.asks[0]), now, out) {
			continue
		}
		if !b.calls {
			b.call(now, out)
		}
		if slices.ContainsFunc(b.leases, func(l leased) bool { return l.called != 0 }) {
			return
		}
		// All have answered: this is all there is.
		if left := b.left(); left > 0 && len(b.asks) > 0 {
			b.say(b.lease(b.asks[0]), left, schemas.BudgetCalled, now, out)
		}
		b.usedUp, b.closed = true, now.UnixMilli()
		b.sayToAll(schemas.BudgetUsedUp, now, out)
		b.nobodyAsks()
		break
	}
	b.calls = false
}

// reopens is when a budget that is used up can be open again, if something has come back.
func (b *Budget) reopens() int64 { return b.closed + reopenAfter.Milliseconds() }

// serve gives the lease that asked first what it wants, if there is as much. More than that it gets only while nobody is called
// back: else it would lie there while somebody is refused.
func (b *Budget) serve(l *leased, now time.Time, out *Outcome) bool {
	left := b.left()
	if left < l.wanted {
		return false
	}
	points, state := l.wanted, schemas.BudgetCalled
	if !b.calls {
		points, state = points+b.share(left-points), schemas.BudgetOpen
	}
	l.free += points - l.wanted
	l.wanted = 0
	b.asks = b.asks[1:]
	b.say(l, points, state, now, out)
	return true
}

func (b *Budget) nobodyAsks() {
	for i := range b.leases {
		b.leases[i].wanted = 0
	}
	b.asks = nil
}

// call calls back all leases. Also one that has returned all that it was given may have something: of members who came from another
// shard with what that one's lease had given them.
func (b *Budget) call(now time.Time, out *Outcome) {
	b.calls = true
	for i := range b.leases {
		l := &b.leases[i]
		b.say(l, 0, schemas.BudgetCalled, now, out)
		l.called = l.said
	}
}

// payOwed gives what there is to those who were refused, the oldest first.
func (b *Budget) payOwed(now time.Time, out *Outcome) {
	n := 0
	for n < len(b.owed) && b.left() > 0 {
		w := &b.owed[n]
		l := b.lease(w.lease)
		points := min(b.left(), w.missing)
		w.missing -= points
		b.changed = append(b.changed, w.number)
		e := b.message(l, points, schemas.BudgetUsedUp, now)
		e.Value, e.Source.EventID, e.FactAt, e.FactKind, e.Part, e.Wish = w.member, w.fact.event, w.fact.at, int32(w.fact.kind), w.part, w.revision
		e.Wanted = w.missing
		out.Requests = append(out.Requests, e)
		if w.missing > 0 {
			break
		}
		n++
	}
	b.owed = slices.Delete(b.owed, 0, n)
}

func (b *Budget) sayToAll(state string, now time.Time, out *Outcome) {
	for i := range b.leases {
		b.say(&b.leases[i], 0, state, now, out)
	}
}

// say tells a lease how the budget stands, and gives it points, perhaps none.
func (b *Budget) say(l *leased, points int64, state string, now time.Time, out *Outcome) {
	l.lent += points
	out.Requests = append(out.Requests, b.message(l, points, state, now))
}

func (b *Budget) message(l *leased, points int64, state string, now time.Time) schemas.Effect {
	l.given += points
	l.said++
	return schemas.Effect{
		Kind: schemas.EffectLease, MemberID: l.key, FromMember: b.key, RuleID: b.budget.Rule, Revision: l.said, Points: points, State: state,
		OccurredAt: now, CausedAt: now, DecidedAt: now,
	}
}

// BudgetLevel is how full a budget is, for metrics.
type BudgetLevel struct {
	Rule   string
	Period int32
	Size   int64 // points
	Left   int64 // points that nobody has been granted, as far as the owner knows
	Owed   int   // grants that were refused and are remembered
}

// warn tells ahead, once for each fraction and size, that a budget runs out.
func (b *Budget) warn(now time.Time, out *Outcome) {
	p := b.ledger.at(b.since).programme
	i := slices.IndexFunc(p.Rules, func(r *programme.Rule) bool { return r.ID == b.budget.Rule && r.Budget != nil })
	if i < 0 || b.size <= 0 {
		return
	}
	left := b.ungranted()
	reached, out100 := int64(0), exactInt(b.size-left)
	for _, at := range p.Rules[i].Budget.Notices {
		if points := at.Num * hundredths / at.Den; points > reached && out100.compare(exactInt(b.size).times(at.Num, at.Den)) >= 0 {
			reached = points
		}
	}
	if reached <= b.warned {
		return
	}
	b.warned = reached
	text := fmt.Sprintf("rule %s has given out %s%% of its budget of %s%s: %s are left", b.budget.Rule, percentText(reached), pointsText(b.size),
		b.periodText(p.Rules[i].Budget.Per), pointsText(left))
	out.Notices = append(out.Notices, schemas.Notice{
		NoticeID: fmt.Sprintf("%s:%d:%d", b.key, b.size, reached), Kind: schemas.NoticeBudgetLow, DueAt: now, Points: left,
		Reason: text, OccurredAt: now, DecidedAt: now,
	})
}

// hundredths is how many hundredths of a percent a whole has.
const hundredths = 100 * 100

func percentText(n int64) string {
	if n%100 == 0 {
		return strconv.FormatInt(n/100, 10)
	}
	return fmt.Sprintf("%d.%02d", n/100, n%100)
}

// periodText says which period the budget is for; empty: for ever.
func (b *Budget) periodText(per programme.Period) string {
	n := b.budget.Period
	switch per {
	case programme.PerDay:
		return " for " + programme.Midnight(n, time.UTC).Format(time.DateOnly)
	case programme.PerMonth:
		return fmt.Sprintf(" for %04d-%02d", n/12, n%12+1)
	case programme.PerWeek, programme.PerYear, programme.PerEver:
	}
	return ""
}

// Advance opens a budget again of which something has come back, and forgets one whose period is long over.
func (b *Budget) Advance(to, now time.Time, out *Outcome) error {
	out.reset()
	if b.until == 0 || b.until > to.UnixMilli() {
		if at, due := b.reopening(); due && at <= to.UnixMilli() {
			if now.UnixMilli() < at { // there is no clock
				now = instantUTC(at)
			}
			b.touched = true
			b.settle(now, out)
		}
		return nil
	}
	gone := Budget{key: b.key, ledger: b.ledger, budget: b.budget, touched: true, changed: b.changed}
	for i := range b.owed {
		gone.changed = append(gone.changed, b.owed[i].number)
	}
	*b = gone
	return nil
}

// Due is when Advance would open it again, or forget it.
func (b *Budget) Due() (time.Time, bool) {
	if at, due := b.reopening(); due && (b.until == 0 || at < b.until) {
		return instantUTC(at), true
	}
	return instantUTC(b.until), b.until != 0
}

// reopening is when the budget is to be opened again; false: nothing has come back.
func (b *Budget) reopening() (int64, bool) { return b.reopens(), b.usedUp && b.left() > 0 }

// Size is about how many bytes it takes in memory.
func (b *Budget) Size() int { return 400 + 150*len(b.leases) + 250*len(b.owed) }

// FactBytes is 0.
func (b *Budget) FactBytes() int { return 0 }

// Awake is false.
func (b *Budget) Awake() bool { return false }

// Rest does nothing.
func (b *Budget) Rest() {}
