package processor

import "accrue/rules"

// accounts keeps the accounts of a shard that were used last, within a bound of bytes. An account in it is as its member's
// rows are through the overlays: whoever changes it saves it at once, so any may be let go at any time. Facts are most of an
// account and are seldom asked for: only those used very last keep theirs.
type accounts struct {
	maxBytes  int64 // 0: all are kept, with their facts
	bytes     int64
	factBytes int64 // of bytes
	byMember  map[string]*cached
	newest    *cached // list of use
	oldest    *cached
	awake     *cached // the oldest that may have facts in memory; all before it rest

	hits, misses int // since somebody set them back
}

// mostFactBytes bounds the facts in memory: a part of the bound, and never much, as the collector looks at all of them again
// and again.
func (c *accounts) mostFactBytes() int64 { return min(c.maxBytes/2, 4<<20) }

// largestShare is how much of it one account counts for, whatever it has: else a member with more facts than all may take
// together, who is the busiest of all, would be read from the store at each refund.
const largestShare = 4

// cached is one account in the list of use.
type cached struct {
	member  string
	account *rules.Account
	bytes   int64
	facts   int64 // of bytes
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
	c.measure(e)
	for c.maxBytes > 0 && c.factBytes > c.mostFactBytes() && c.awake != e {
		c.awake.account.Rest()
		c.measure(c.awake)
		c.awake = c.awake.newer
	}
	for c.maxBytes > 0 && c.bytes > c.maxBytes && c.oldest != e {
		c.remove(c.oldest)
	}
}

func (c *accounts) measure(e *cached) {
	size, facts := int64(e.account.Size()+len(e.member)), int64(e.account.FactBytes())
	if c.maxBytes > 0 {
		facts = min(facts, c.mostFactBytes()/largestShare)
	}
	c.bytes += size - e.bytes
	c.factBytes += facts - e.facts
	e.bytes, e.facts = size, facts
}

// remove lets go of one.
func (c *accounts) remove(e *cached) {
	c.unlink(e)
	c.bytes -= e.bytes
	c.factBytes -= e.facts
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
	c.bytes, c.factBytes, c.newest, c.oldest, c.awake = 0, 0, nil, nil, nil
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
	if c.awake == nil {
		c.awake = e
	}
}

func (c *accounts) unlink(e *cached) {
	if c.awake == e {
		c.awake = e.newer
	}
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
