package processor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// Shard turns events of its members into outcomes: one decoded record in, outputs out. There is no Kafka in it and no
// clock; the engine and `accrue simulate` run the same one. It belongs to one goroutine.
//
// With a store, the changes of accounts go to the overlay of the transaction that is open (Begin), and reads go through
// the overlays that are not applied yet. Without one (NewMemoryShard) all accounts stay in memory for good.
type Shard struct {
	ledger   *rules.Ledger
	accounts *accounts

	store    *state.Shard         // nil: memory only
	overlays []*state.Overlay     // of transactions that are not applied yet, newest first
	number   uint64               // of the transaction that is open
	maxRow   int                  // bytes of a row, with its member and key; 0: no bound
	home     int32                // its number
	lent     []*cached            // leases that the account in use has borrowed
	budgets  map[string]time.Time // of a memory shard, those with something due
	starving map[string]bool      // leases for whose owner's answer somebody waits
	rows     []state.Record       // of the account that is being saved, in the buffer
	buffer   rules.Buffer
	out      rules.Outcome // of the last call
}

// rowTooLarge says that an account grew beyond what the changelog takes in one record. Nothing of the event was kept.
type rowTooLarge struct {
	member     string
	bytes, max int
}

func (e *rowTooLarge) Error() string {
	return fmt.Sprintf("the account of member %q would have a row of %d bytes, the changelog takes %d: raise max.message.bytes of the topics and the engine's limit", e.member, e.bytes, e.max)
}

// NewShard returns a shard over its part of the store. The pool bounds its accounts in memory, and perhaps those of other shards of
// the same goroutine.
func NewShard(ledger *rules.Ledger, store *state.Shard, pool *Pool) *Shard {
	return &Shard{ledger: ledger, store: store, home: store.Number(), accounts: newAccounts(pool)}
}

// NewMemoryShard returns a shard that keeps everything in memory and nothing else.
func NewMemoryShard(ledger *rules.Ledger) *Shard {
	return &Shard{ledger: ledger, accounts: newAccounts(NewPool(0))}
}

// Use decides by another ledger from now on. Accounts are opened anew: each is as its rows are, and what it worked out by the
// ledger before goes with it.
func (s *Shard) Use(ledger *rules.Ledger) {
	s.ledger = ledger
	s.accounts.clear()
}

// Begin makes o the overlay of the transaction with that number; numbers rise. Not for a memory shard.
func (s *Shard) Begin(o *state.Overlay, number uint64) {
	s.overlays = slices.Insert(s.overlays, 0, o)
	s.number = number
}

// Applied says that o has been applied to the store and need not be read any more.
func (s *Shard) Applied(o *state.Overlay) {
	s.overlays = slices.DeleteFunc(s.overlays, func(have *state.Overlay) bool { return have == o })
}

// Drop forgets all that happened in the transaction with that number and in later ones: they are not committed.
func (s *Shard) Drop(number uint64) {
	s.overlays = nil
	s.accounts.forgetSince(number)
	clear(s.starving) // it shows again with the next who waits
}

// Handle decides an event. The outcome holds exactly one decision, or asks elsewhere for what the event waits for, and is valid
// until the next call. The error is about this
// account only (oneAccount), after which the member's account is as it was before the event and others can go on, or says
// that the store could not be read.
func (s *Shard) Handle(e rules.Event) (*rules.Outcome, error) {
	c, err := s.open(e.Member())
	if err != nil {
		return nil, err
	}
	account, is := c.account.(*rules.Account)
	if !is {
		return nil, fmt.Errorf("decide an event of %q: that is a key, no member", e.Member())
	}
	_, before := account.Erased()
	if err := s.done(c, account.Handle(e, &s.out)); err != nil {
		return &s.out, err
	}
	if at, now := account.Erased(); now && !before {
		return &s.out, s.erased(&e, at)
	}
	return &s.out, nil
}

// erased keeps that an event has erased its member.
func (s *Shard) erased(by *rules.Event, at time.Time) error {
	c, err := s.open(erasuresName)
	if err != nil {
		return err
	}
	c.account.(*rules.Erasures).Add(by, at) //nolint:forcetypeassert // by its name
	return s.done(c, nil)
}

// erasuresName is the name under which a shard keeps which of its members were erased. Unlike other keys it is at home in every shard.
var erasuresName = state.KeyName(rules.ErasuresKey) //nolint:gochecknoglobals // never changed

// Advance decides what falls due for a member or key up to a time. The outcome is as rules.Account.Advance says, and valid until
// the next call. Errors are as Handle's.
func (s *Shard) Advance(member string, to, now time.Time) (*rules.Outcome, error) {
	c, err := s.open(member)
	if err != nil {
		return nil, err
	}
	return &s.out, s.done(c, c.account.Advance(to, now, &s.out))
}

// Take has a member's account, or a key, take in what another account asks for or answers. The outcome is as rules.Account.Take
// says, and valid until the next call. Errors are as Handle's.
func (s *Shard) Take(e *schemas.Effect, now time.Time) (*rules.Outcome, error) {
	name := e.MemberID
	if e.ForKey() {
		name = state.KeyName(name)
	}
	c, err := s.open(name)
	if err != nil {
		return nil, err
	}
	return &s.out, s.done(c, c.account.Take(e, now, &s.out))
}

// Lease returns the shard's lease of a budget, for the account in use: rules.Leases.
func (s *Shard) Lease(of rules.BudgetKey) (*rules.Lease, error) {
	c, err := s.open(state.KeyName(of.Lease(s.home)))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.lent, c) {
		s.lent = append(s.lent, c)
	}
	return c.account.(*rules.Lease), nil //nolint:forcetypeassert // by its name
}

// Due returns the next instant at which Advance would do something for the member.
func (s *Shard) Due(member string) (time.Time, bool, error) {
	c, err := s.open(member)
	if err != nil {
		return time.Time{}, false, err
	}
	at, ok := c.account.Due()
	return at, ok, nil
}

// Points are what a member can spend, and what is held, by the account as it is.
func (s *Shard) Points(member string) (available, pending int64, err error) {
	c, err := s.open(member)
	if err != nil {
		return 0, 0, err
	}
	account, is := c.account.(*rules.Account)
	if !is {
		return 0, 0, fmt.Errorf("look at the points of %q: that is a key, no member", member)
	}
	available, pending = account.Points()
	return available, pending, nil
}

// Members lists the accounts in memory in alphabetical order: all members of a memory shard.
func (s *Shard) Members() []string {
	members := make([]string, 0, len(s.accounts.byMember))
	for m := range s.accounts.byMember {
		if _, key := state.KeyOf(m); !key {
			members = append(members, m)
		}
	}
	slices.Sort(members)
	return members
}

func (s *Shard) open(member string) (*cached, error) {
	if c := s.accounts.get(member); c != nil {
		return c, nil
	}
	var rows rules.Rows = noRows{}
	if s.store != nil {
		rows = s.store.View(member, func() []*state.Overlay { return s.overlays })
	}
	a, err := s.opened(member, rows)
	if err != nil {
		return nil, err
	}
	c := s.accounts.add(member, a)
	if len(s.overlays) > 0 { // it is as it was left by what is not committed, perhaps
		c.changedIn = s.number
	}
	c.due()
	return c, nil
}

// opened opens what is kept under a name. A member of whom nothing is held may be one who was erased.
func (s *Shard) opened(name string, rows rules.Rows) (owner, error) {
	switch key, is := state.KeyOf(name); {
	case name == erasuresName:
		return s.ledger.OpenErasures(rows)
	case is:
		return s.ledger.OpenKey(key, rows)
	}
	a, err := s.ledger.Open(name, rows)
	if err != nil {
		return nil, err
	}
	if a.Borrow(s); !a.New() {
		return a, nil
	}
	c, err := s.open(erasuresName)
	if err != nil {
		return nil, err
	}
	at, erased, err := c.account.(*rules.Erasures).Find(name) //nolint:forcetypeassert // by its name
	if erased {
		a.BeErased(at)
	}
	return a, err
}

// done saves what became of an account, or throws it away where it failed: half a change must not be built upon. Nothing
// of it was saved, so that it will be opened as it was before.
func (s *Shard) done(c *cached, err error) error {
	lent := s.lent
	s.lent = s.lent[:0]
	if err == nil {
		err = s.keep(c)
	}
	for _, lease := range lent { // what it gave stands in the account, so both are kept or neither
		if err == nil {
			err = s.keep(lease)
		}
	}
	if err != nil {
		s.accounts.remove(c)
		for _, lease := range lent {
			s.accounts.remove(lease)
		}
	}
	return err
}

// keep saves what became of an account or key.
func (s *Shard) keep(c *cached) error {
	c.changedIn = s.number
	if s.store != nil {
		o := s.overlays[0]
		if err := s.save(c, o); err != nil {
			return err
		}
		before, had := c.dueAt, c.hasDue
		if c.due(); had != c.hasDue || before != c.dueAt {
			if had {
				o.DropDue(c.member, time.UnixMilli(before).UTC())
			}
			if c.hasDue {
				o.SetDue(c.member, time.UnixMilli(c.dueAt).UTC())
			}
		}
	}
	s.accounts.weigh(c)
	s.noteHunger(c)
	if s.store == nil {
		s.noteDue(c)
	}
	return nil
}

// noteDue keeps account of when a memory shard's budgets are to be advanced. There are no timers there.
func (s *Shard) noteDue(c *cached) {
	if _, is := c.account.(*rules.Budget); !is {
		return
	}
	if s.budgets == nil {
		s.budgets = make(map[string]time.Time)
	}
	if at, due := c.account.Due(); due {
		s.budgets[c.member] = at
	} else {
		delete(s.budgets, c.member)
	}
}

// DueBudgets lists the budgets of a memory shard for which something falls due up to a time, in alphabetical order.
func (s *Shard) DueBudgets(to time.Time) (names []string) {
	for name, at := range s.budgets {
		if !at.After(to) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// noteHunger keeps account of the leases for which somebody waits.
func (s *Shard) noteHunger(c *cached) {
	lease, is := c.account.(*rules.Lease)
	switch {
	case !is:
	case !lease.Starving():
		delete(s.starving, c.member)
	case s.starving == nil:
		s.starving = map[string]bool{c.member: true}
	default:
		s.starving[c.member] = true
	}
}

// Starving says that grants wait for a budget whose owner is about to answer.
func (s *Shard) Starving() bool { return len(s.starving) > 0 }

// save puts the account's changed rows into the overlay: all, or none if one of them is too large.
func (s *Shard) save(c *cached, o *state.Overlay) error {
	s.rows = s.rows[:0]
	largest := 0
	c.account.Save(&s.buffer, func(key, value []byte) {
		largest = max(largest, len(c.member)+len(key)+len(value))
		s.rows = append(s.rows, state.Record{Key: key, Value: value})
	})
	if s.maxRow > 0 && largest > s.maxRow {
		return &rowTooLarge{c.member, largest, s.maxRow}
	}
	for _, r := range s.rows {
		o.Put(c.member, r.Key, r.Value)
	}
	return nil
}

// due takes note of the account's next due time.
func (c *cached) due() {
	at, ok := c.account.Due()
	c.dueAt, c.hasDue = at.UnixMilli(), ok
}

// noRows are the stored rows of an account that is not stored.
type noRows struct{}

func (noRows) Get([]byte) ([]byte, error)                                 { return nil, nil }
func (noRows) Scan([]byte, func(key, value []byte) bool) error            { return nil }
func (noRows) ScanFrom(_, _ []byte, _ func(key, value []byte) bool) error { return nil }

// oneAccount says whether an error is about one account only, so that others can go on, and gives it words.
func oneAccount(member string, err error) (one bool, why error) {
	var broken *rules.Broken
	var large *rowTooLarge
	switch {
	case errors.As(err, &broken):
		return true, fmt.Errorf("the account of member %q cannot go on: %w", member, broken)
	case errors.As(err, &large):
		return true, large
	}
	return false, nil
}
