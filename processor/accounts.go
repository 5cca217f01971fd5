package processor

import "accrue/rules"

// accounts keeps the accounts of a shard that were used last, within a bound of bytes. An account in it is as its member's
// rows are through the overlays: whoever changes it saves it at once, so any may be let go at any time.
type accounts struct {
	maxBytes int64 // 0: all are kept
	bytes    int64
	byMember map[string]*cached
	newest   *cached // list of use
	oldest   *cached

	hits, misses int // since somebody set them back
}

// cached is one account in the list of use.
type cached struct {
	member  string
	account *rules.Account
	bytes   int64
	// changedIn is the number of the last transaction that changed it. If that one is not committed, the account holds
	// what never happened.
	changedIn    uint64
	newer, older *cached
	dueAt        int64 // the due time that the store knows of it, ms; valid if hasDue
	hasDue       bool
}

func newAccounts(maxBytes int64) *accounts {
	return &accounts{maxBytes: maxBytes, byMember: make(map[string]*cached)}
}

// get returns the account of a member if it is here, as the one used last.
func (c *accounts) get(member string) *cached {
	e := c.byMember[member]
	if e == nil {
		c.misses++
		return nil
	}
	c.hits++
	if c.newest != e {
		c.unlink(e)
		c.link(e)
	}
	return e
}

// add takes an account in.
func (c *accounts) add(member string, a *rules.Account) *cached {
	e := &cached{member: member, account: a}
	c.byMember[member] = e
	c.link(e)
	return e
}

// weigh takes note of how large the account is now, and lets go of those not used for longest until all fit. The account
// itself stays: its caller is not done with it.
func (c *accounts) weigh(e *cached) {
	size := int64(e.account.Size() + len(e.member))
	c.bytes += size - e.bytes
	e.bytes = size
	for c.maxBytes > 0 && c.bytes > c.maxBytes && c.oldest != e {
		c.remove(c.oldest)
	}
}

// remove lets go of one.
func (c *accounts) remove(e *cached) {
	c.unlink(e)
	c.bytes -= e.bytes
	delete(c.byMember, e.member)
}

// forgetSince lets go of all that the transaction number or a later one changed.
func (c *accounts) forgetSince(number uint64) {
	for e := c.oldest; e != nil; {
		next := e.newer
		if e.changedIn >= number {
			c.remove(e)
		}
		e = next
	}
}

// clear lets go of all.
func (c *accounts) clear() {
	clear(c.byMember)
	c.bytes, c.newest, c.oldest = 0, nil, nil
}

func (c *accounts) link(e *cached) {
	e.older, e.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = e
	}
	c.newest = e
	if c.oldest == nil {
		c.oldest = e
	}
}

func (c *accounts) unlink(e *cached) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
	e.newer, e.older = nil, nil
}
