package processor

import (
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// accounts are those of a shard that are in memory: of all the shards of a lane those that were used last, as its Pool bounds
// them. An account in it is as its member's rows are through the overlays: whoever changes it saves it at once, so any may be let
// go at any time.
type accounts struct {
	pool     *Pool
	bytes    int64
	byMember map[string]*cached

	hits, misses, facts int // since somebody set them back; facts are those that were read from the store
}

// Pool bounds the bytes of the accounts that shards keep in memory. It belongs to one goroutine, as they do.
//
// What an account is made from differs. A small one is made from its head, which is at hand in the store. A large one is that of a busy
// member: where it is let go, so are the snapshots of its past, and the next refund decides thousands of facts again. So small
// ones give way first, and shards have no part of their own: the busiest member of all must fit.
//
// Facts are most of an account and are seldom asked for, by refunds and by what comes late. So only those accounts keep theirs
// that were used very last, and those whose facts were asked for again after they had been let go: a busy member's many
// facts would else be read from the store at each refund.
type Pool struct {
	maxBytes int64   // 0: all are kept, with their facts
	small    useList // an account is here or in large
	large    useList
	once     useList // those with facts in memory, and few bytes of them
	often    useList // those with facts in memory that were asked for again
}

// NewPool returns a pool for about so many bytes; 0: no bound.
func NewPool(maxBytes int64) *Pool {
	return &Pool{maxBytes: maxBytes, once: useList{link: 1}, often: useList{link: 1}}
}

// largeBytes is the size from which on an account is large, its facts aside.
const largeBytes = 8 << 10

// mostSmall bounds the small accounts where there are large ones.
func (p *Pool) mostSmall() int64 { return p.maxBytes / 4 }

// mostOnce bounds the facts of once: never many, as the collector looks at all of them again and again.
func (p *Pool) mostOnce() int64 { return min(p.maxBytes/4, 4<<20) }

// mostOften bounds the facts of often: they need not be many, as a busy member's are read from the nearest snapshot on.
func (p *Pool) mostOften() int64 { return min(p.maxBytes/4, 32<<20) }

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
	of      *accounts
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

func newAccounts(pool *Pool) *accounts {
	return &accounts{pool: pool, byMember: make(map[string]*cached)}
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
	e := &cached{of: c, member: member, account: a, all: &c.pool.small}
	c.byMember[member] = e
	e.all.push(e)
	return e
}

// weigh takes note of how large the account is now, and lets go of those not used for longest until all fit. The account
// itself stays: its caller is not done with it.
func (c *accounts) weigh(e *cached) {
	if c.byMember[e.member] != e {
		return // others have pushed it out while its caller was at it
	}
	if a, is := e.account.(*rules.Account); is {
		c.facts += a.FactsRead()
	}
	p := c.pool
	p.measure(e)
	if p.maxBytes == 0 {
		return
	}
	p.keepAwake(e)
	p.rest(&p.once, p.mostOnce(), e)
	p.rest(&p.often, p.mostOften(), e)
	for p.small.bytes+p.large.bytes > p.maxBytes {
		victim := p.large.oldest
		if p.small.oldest != nil && p.small.oldest != e && (victim == nil || victim == e || p.small.bytes > p.mostSmall()) {
			victim = p.small.oldest
		}
		if victim == nil || victim == e {
			return
		}
		victim.of.remove(victim)
	}
}

// keepAwake enters an account where it belongs by its facts.
func (p *Pool) keepAwake(e *cached) {
	belongs := &p.once
	switch {
	case e.facts == 0:
		belongs = nil
	case e.awake == &p.often || e.rested && e.account.Awake():
		belongs = &p.often
	}
	if e.awake == belongs {
		return
	}
	e.sleep()
	if e.awake = belongs; belongs != nil {
		belongs.push(e)
		belongs.bytes += e.facts
	}
}

// rest lets go of the facts of those not used for longest until the others' fit.
func (p *Pool) rest(list *useList, most int64, but *cached) {
	for list.bytes > most && list.oldest != but {
		e := list.oldest
		e.rested = e.rested || e.account.Awake()
		e.account.Rest()
		e.sleep()
		p.measure(e)
	}
}

// sleep takes an account out of those with facts.
func (e *cached) sleep() {
	if e.awake != nil {
		e.awake.unlink(e)
		e.awake.bytes -= e.facts
		e.awake = nil
	}
}

// measure takes note of how large an account is, and whether that is large.
func (p *Pool) measure(e *cached) {
	size, facts := int64(e.account.Size()+len(e.member)), int64(e.account.FactBytes())
	if belongs := p.listOf(size - facts); e.all != belongs {
		e.all.unlink(e)
		e.all.bytes -= e.bytes
		e.all = belongs
		e.all.push(e)
		e.all.bytes += e.bytes
	}
	e.of.bytes += size - e.bytes
	e.all.bytes += size - e.bytes
	if e.awake != nil {
		e.awake.bytes += facts - e.facts
	}
	e.bytes, e.facts = size, facts
}

// listOf is the list for accounts of a size.
func (p *Pool) listOf(bytes int64) *useList {
	if bytes >= largeBytes {
		return &p.large
	}
	return &p.small
}

// remove lets go of one.
func (c *accounts) remove(e *cached) {
	e.sleep()
	e.all.unlink(e)
	e.all.bytes -= e.bytes
	c.bytes -= e.bytes
	delete(c.byMember, e.member)
}

// forgetSince lets go of all that the transaction number or a later one changed.
func (c *accounts) forgetSince(number uint64) {
	for _, e := range c.byMember {
		if e.changedIn >= number {
			c.remove(e)
		}
	}
}

// clear lets go of all.
func (c *accounts) clear() {
	for _, e := range c.byMember {
		c.remove(e)
	}
}

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
