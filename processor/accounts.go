package processor

import (
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// accounts keeps the accounts of a shard that were used last, within a bound of bytes. An account in it is as its member's
// rows are through the overlays: whoever changes it saves it at once, so any may be let go at any time.
//
// Facts are most of an account and are seldom asked for, by refunds and by what comes late. So only those accounts keep theirs
// that were used very last, and those whose facts were asked for again after they had been let go: a busy member's many
// facts would else be read from the store at each refund.
type accounts struct {
	maxBytes int64 // 0: all are kept, with their facts
	bytes    int64
	byMember map[string]*cached
	small    useList // an account is here or in large
	large    useList
	once     useList // those with facts in memory, and few bytes of them
	often    useList // those with facts in memory that were asked for again

	hits, misses int // since somebody set them back
}

// largeBytes is the size from which on an account is large: it took its facts to make it, and not just its head, which is at hand.
const largeBytes = 8 << 10

// mostSmall bounds the small accounts where there are large ones.
func (c *accounts) mostSmall() int64 { return c.maxBytes / 4 }

// mostOnce bounds the facts of once: never many, as the collector looks at all of them again and again.
func (c *accounts) mostOnce() int64 { return min(c.maxBytes/4, 4<<20) }

// mostOften bounds the facts of often: they need not be many, as a busy member's are read from the nearest snapshot on.
func (c *accounts) mostOften() int64 { return min(c.maxBytes/4, 32<<20) }

// owner is what the shard keeps under a name: the account of a member, or what is counted under a key.
type owner interface {
	Take(e *schemas.Effect, now time.Time, out *rules.Outcome) error
	Advance(to, now time.Time, out *rules.Outcome) error
	Due() (time.Time, bool)
	Save(b *rules.Buffer, put func(key, value []byte))
	Size() int
	FactBytes() int
	Awake() bool
	Rest()
}

// cached is one account, or tally.
type cached struct {
	member  string // or the name of the key (state.KeyName)
	account owner
	bytes   int64
	facts   int64 // of bytes
	// changedIn is the number of the last transaction that changed it. If that one is not committed, the account holds
	// what never happened.
	changedIn uint64
	dueAt     int64 // the due time that the store knows of it, ms; valid if hasDue
	hasDue    bool

	rested bool     // all its facts were in memory once, and were let go
	all    *useList // small or large
	awake  *useList // once, often, or nil
	links  [2]struct{ newer, older *cached }
}

func newAccounts(maxBytes int64) *accounts {
	return &accounts{maxBytes: maxBytes, byMember: make(map[string]*cached), once: useList{link: 1}, often: useList{link: 1}}
}

// get returns the account of a member if it is here, as the one used last.
func (c *accounts) get(member string) *cached {
	e := c.byMember[member]
	if e == nil {
		c.misses++
		return nil
	}
	c.hits++
	e.all.touch(e)
	if e.awake != nil {
		e.awake.touch(e)
	}
	return e
}

// add takes an account in.
func (c *accounts) add(member string, a owner) *cached {
	e := &cached{member: member, account: a, all: &c.small}
	c.byMember[member] = e
	e.all.push(e)
	return e
}

// weigh takes note of how large the account is now, and lets go of those not used for longest until all fit. The account
// itself stays: its caller is not done with it.
func (c *accounts) weigh(e *cached) {
	c.measure(e)
	if c.maxBytes == 0 {
		return
	}
	c.keepAwake(e)
	c.rest(&c.once, c.mostOnce(), e)
	c.rest(&c.often, c.mostOften(), e)
	for c.bytes > c.maxBytes {
		from := &c.large
		if from.oldest == nil || from.oldest == e || c.small.bytes > c.mostSmall() && c.small.oldest != e {
			from = &c.small
		}
		if from.oldest == nil || from.oldest == e {
			return
		}
		c.remove(from.oldest)
	}
}

// keepAwake enters an account where it belongs by its facts.
func (c *accounts) keepAwake(e *cached) {
	belongs := &c.once
	switch {
	case e.facts == 0:
		belongs = nil
	case e.awake == &c.often || e.rested && e.account.Awake():
		belongs = &c.often
	}
	if e.awake == belongs {
		return
	}
	c.sleep(e)
	if e.awake = belongs; belongs != nil {
		belongs.push(e)
		belongs.bytes += e.facts
	}
}

// rest lets go of the facts of those not used for longest until the others' fit.
func (c *accounts) rest(list *useList, most int64, but *cached) {
	for list.bytes > most && list.oldest != but {
		e := list.oldest
		e.rested = e.rested || e.account.Awake()
		e.account.Rest()
		c.sleep(e)
		c.measure(e)
	}
}

// sleep takes an account out of those with facts.
func (c *accounts) sleep(e *cached) {
	if e.awake != nil {
		e.awake.unlink(e)
		e.awake.bytes -= e.facts
		e.awake = nil
	}
}

func (c *accounts) measure(e *cached) {
	size, facts := int64(e.account.Size()+len(e.member)), int64(e.account.FactBytes())
	if large := size-facts >= largeBytes; large != (e.all == &c.large) {
		c.move(e, large)
	}
	c.bytes += size - e.bytes
	e.all.bytes += size - e.bytes
	if e.awake != nil {
		e.awake.bytes += facts - e.facts
	}
	e.bytes, e.facts = size, facts
}

// move takes an account from one of small and large to the other.
func (c *accounts) move(e *cached, large bool) {
	e.all.unlink(e)
	e.all.bytes -= e.bytes
	if e.all = &c.small; large {
		e.all = &c.large
	}
	e.all.push(e)
	e.all.bytes += e.bytes
}

// remove lets go of one.
func (c *accounts) remove(e *cached) {
	c.sleep(e)
	e.all.unlink(e)
	e.all.bytes -= e.bytes
	c.bytes -= e.bytes
	delete(c.byMember, e.member)
}

// forgetSince lets go of all that the transaction number or a later one changed.
func (c *accounts) forgetSince(number uint64) {
	for _, list := range []*useList{&c.small, &c.large} {
		for e := list.oldest; e != nil; {
			next := e.links[list.link].newer
			if e.changedIn >= number {
				c.remove(e)
			}
			e = next
		}
	}
}

// clear lets go of all.
func (c *accounts) clear() { *c = *newAccounts(c.maxBytes) }

// useList is a list of accounts by their last use. An account is in one list of each link.
type useList struct {
	link           int
	newest, oldest *cached
	bytes          int64 // of them, or of their facts where it is these that the list is about
}

func (l *useList) touch(e *cached) {
	if l.newest != e {
		l.unlink(e)
		l.push(e)
	}
}

func (l *useList) push(e *cached) {
	at := &e.links[l.link]
	at.older, at.newer = l.newest, nil
	if l.newest != nil {
		l.newest.links[l.link].newer = e
	}
	l.newest = e
	if l.oldest == nil {
		l.oldest = e
	}
}

func (l *useList) unlink(e *cached) {
	at := &e.links[l.link]
	if at.newer != nil {
		at.newer.links[l.link].older = at.older
	} else {
		l.newest = at.older
	}
	if at.older != nil {
		at.older.links[l.link].newer = at.newer
	} else {
		l.oldest = at.newer
	}
	at.newer, at.older = nil, nil
}
