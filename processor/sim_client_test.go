package processor

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// simClient is Kafka as one lane has it. Orders become operations that the world carries out when it is their turn; what
// comes of them waits for the next Poll.
type simClient struct {
	w        *world
	b        *simBroker
	process  *simProcess
	lane     *simLane
	told     Event  // what the lane was told last
	name     string // transactional id and client id
	siblings []string
	off      bool // the power is gone: nothing is sent, nothing arrives
	left     bool // closed

	isolated int // step up to which the broker is not reached
	events   []Event
	ops      []*simOp
	producer *simSession

	// The consumer.
	state      consumerState
	member     string
	generation int32 // as of the last answer to a JoinGroup
	owned      []int32
	ownedIn    int32 // generation in which owned was given
	parts      map[Partition]*simFetch
	serial     int // counts assignments of partitions
	releases   []bool
	added      []int32 // to be taken once what was revoked is released
	kicked     bool    // it was out of the group when it had still to release
	epoch      int64
	beaten     time.Duration
	standbys   Standbys
	ready      []int32 // of them, as the lane said
	again      bool    // it is to join again once it is stable
}

// simFetch is a partition that is assigned.
type simFetch struct {
	serial int
	next   int64
	ready  bool // next is known
	paused bool
	going  bool // to be released: not fetched any more
}

// simOp is something that was ordered. run does a piece of it and says whether it is done; expired ends it after its time.
type simOp struct {
	name    string
	run     func() bool
	until   time.Duration
	expired func()
}

type consumerState int

const (
	apart     consumerState = iota // not asked to join yet
	joining                        // wants to join
	joined                         // waits for the others
	syncing                        // wants its assignment
	releasing                      // waits for Release of what was revoked
	stable                         // is a member
	losing                         // waits for Release of what was lost
)

func newSimClient(p *simProcess, name string, siblings []string) *simClient {
	return &simClient{
		w: p.w, b: p.w.broker, process: p, name: name, siblings: siblings, generation: -1, parts: make(map[Partition]*simFetch),
	}
}

// reaches says whether the broker hears the client.
func (c *simClient) reaches() bool {
	return !c.off && !c.left && !c.process.paused() && !c.b.down && c.w.step >= c.isolated
}

func (c *simClient) start(name string, timeout time.Duration, run func() bool, expired func()) {
	c.ops = append(c.ops, &simOp{name: name, run: run, until: c.w.ticks + timeout, expired: expired})
}

// work carries out a piece of the i-th operation.
func (c *simClient) work(i int) {
	op := c.ops[i]
	late := c.w.ticks > op.until && op.expired != nil
	if !c.reaches() && !late {
		return
	}
	c.ops = slices.Delete(c.ops, i, i+1)
	switch {
	case late:
		c.w.tracef("%s: %s timed out", c.name, op.name)
		c.w.seen("request timed out")
		op.expired()
	case !op.run():
		c.ops = append(c.ops, op)
	default:
		c.w.tracef("%s: %s done", c.name, op.name)
	}
}

func (c *simClient) post(e Event) { c.events = append(c.events, e) }

// called is one point at which the power can go.
func (c *simClient) called() {
	if !c.off {
		c.process.called()
	}
}

// Poll implements Kafka. Records come before what happened since they were fetched.
func (c *simClient) Poll(_ context.Context, _ time.Duration, most int) []Event {
	if c.off || c.left {
		return nil
	}
	var events []Event
	if records := c.fetch(most); len(records) > 0 {
		events = append(events, records)
	}
	if c.w.random.IntN(8) == 0 {
		c.w.happen()
	}
	events = append(events, c.events...)
	c.events = nil
	for i, e := range events {
		c.delivered(e)
		if c.called(); c.off {
			return events[:i]
		}
	}
	return events
}

// delivered takes note of what the lane is told. The power may go just then.
func (c *simClient) delivered(e Event) {
	c.told = e
	on := 0
	switch e := e.(type) {
	case Ended:
		if e.Outcome == OutcomeCommitted {
			on = 1
		}
	case Changelog:
		on = 2
	case Flushed:
		on = 3
	case Revoked:
		l := c.lane
		if l.ending != nil || (l.current != nil && !l.current.empty()) {
			c.w.seen("C8")
		}
	}
	if on > 0 && on == c.process.cutOn {
		c.process.cutOn = 0
		c.process.cut()
	}
}

// fetch takes some of what can be read.
func (c *simClient) fetch(most int) Records {
	if most <= 0 || !c.reaches() {
		return nil
	}
	var from []Partition
	for p, f := range c.parts {
		if f.ready && !f.paused && !f.going {
			from = append(from, p)
		}
	}
	slices.SortFunc(from, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	c.w.random.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	var records Records
	for _, p := range from {
		f := c.parts[p]
		some, next := c.b.partitions[p].read(f.next, 1+c.w.random.IntN(c.w.plan.fetch), true, c.w.defect.dirty)
		records, f.next = append(records, some...), next
		if len(records) >= most {
			break
		}
	}
	return records
}

// Join implements Kafka.
func (c *simClient) Join() {
	if c.called(); !c.off {
		c.state = joining
	}
}

// group takes the consumer one step further, if there is one to take.
func (c *simClient) group() bool {
	if !c.reaches() {
		return false
	}
	switch c.state {
	case joining:
		if c.member != "" && c.b.group.member(c.member) == nil {
			c.lose()
			break
		}
		c.again = false
		c.member = c.b.group.join(c.member, c.name, slices.Clone(c.owned), c.ownedIn, c.about())
		c.state = joined
	case joined:
		m := c.b.group.member(c.member)
		if m != nil && m.joined {
			return false
		}
		if m == nil {
			c.lose()
			break
		}
		c.generation, c.state = m.generation, syncing
	case syncing:
		c.sync()
	default:
		return false
	}
	return true
}

// sync learns the assignment. What is to be given up is released first, then the member joins again (KIP-429).
func (c *simClient) sync() {
	m := c.b.group.member(c.member)
	switch {
	case m == nil:
		c.lose()
		return
	case c.b.group.joining || m.generation != c.generation:
		c.state = joining
		return
	}
	lost := without(c.owned, m.assigned.active)
	c.added, c.ownedIn = without(m.assigned.active, c.owned), c.generation
	c.standbys = Standbys{Shards: m.assigned.standbys, Wanted: m.assigned.wanted}
	c.w.tracef("%s: %s has %v of generation %d, loses %v", c.name, c.member, m.assigned, c.generation, lost)
	if len(lost) == 0 {
		c.take()
		c.state = stable
		return
	}
	c.post(Revoked{c.leave(lost)})
	c.releases = append(c.releases, false)
	c.state = releasing
}

// about is what the member says of itself, in finer grains than the real one: the logs are short.
func (c *simClient) about() memberData {
	about := memberData{instance: c.process.name, grains: make(map[int32]int64), follows: make(map[int32]bool)}
	for s, at := range positions(c.process.store, c.w.plan.shards, time.Time{}) {
		about.grains[s] = at / c.w.plan.grain
	}
	for _, s := range c.standbys.Shards {
		about.follows[s] = slices.Contains(c.ready, s)
	}
	return about
}

// Rejoin implements Kafka.
func (c *simClient) Rejoin(ready []int32) {
	if c.called(); c.off {
		return
	}
	c.w.seen("rejoin")
	c.ready, c.again = ready, true
}

// leave stops to fetch shards and returns their partitions.
func (c *simClient) leave(shards []int32) (parts []Partition) {
	for _, s := range shards {
		for _, p := range c.b.of(s) {
			c.parts[p].going = true
			parts = append(parts, p)
		}
	}
	return parts
}

// take takes in what was added, and asks where it stands.
func (c *simClient) take() {
	var parts []Partition
	serials := make(map[Partition]int)
	for _, s := range c.added {
		for _, p := range c.b.of(s) {
			c.serial++
			c.parts[p] = &simFetch{serial: c.serial, paused: true}
			serials[p] = c.serial
			parts = append(parts, p)
		}
	}
	c.owned = append(c.owned, c.added...)
	c.added = nil
	c.post(Assigned{parts})
	c.post(c.standbys)
	if len(parts) == 0 {
		return
	}
	c.start("offsets of the assigned", 0, func() bool {
		found, err := c.b.fetchOffsets(parts, true)
		if err != nil {
			return false
		}
		for _, p := range parts {
			if f := c.parts[p]; f == nil || f.serial != serials[p] || f.going {
				delete(found, p)
				continue
			}
			c.parts[p].next, c.parts[p].ready = max(0, found[p].Offset), true
		}
		c.post(Offsets{Parts: found})
		return true
	}, nil)
}

// lose learns that the group went on without this member.
func (c *simClient) lose() {
	if c.state == releasing {
		c.kicked = true
		return
	}
	c.member, c.generation, c.state = "", -1, joining
	if len(c.owned) == 0 {
		return
	}
	c.epoch++
	c.post(Lost{c.leave(c.owned)})
	c.releases = append(c.releases, true)
	c.state = losing
}

// Release implements Kafka.
func (c *simClient) Release() int64 {
	if c.called(); c.off || len(c.releases) == 0 {
		return c.epoch
	}
	if !c.releases[0] {
		c.epoch++
	}
	c.releases = c.releases[1:]
	for p, f := range c.parts {
		if f.going {
			delete(c.parts, p)
		}
	}
	c.owned = slices.DeleteFunc(c.owned, func(s int32) bool { return c.parts[c.b.of(s)[0]] == nil })
	if c.state == releasing {
		c.take()
	}
	c.state = joining
	if c.kicked {
		c.kicked = false
		c.lose()
	}
	return c.epoch
}

// beat sends a heartbeat if it is time to. The client does it by itself, however slow its lane is.
func (c *simClient) beat() {
	if !c.reaches() || c.member == "" || c.w.ticks-c.beaten < simSessionTimeout/5 || c.w.random.IntN(4) > 0 {
		return
	}
	c.beaten = c.w.ticks
	known, again := c.b.group.heartbeat(c.member)
	again = again || c.again
	switch {
	case !known && (c.state == stable || c.state == releasing):
		c.lose()
	case again && c.state == stable:
		c.state = joining
	}
}

// Pause implements Kafka.
func (c *simClient) Pause(parts []Partition) { c.setPaused(parts, true) }

// Resume implements Kafka.
func (c *simClient) Resume(parts []Partition) { c.setPaused(parts, false) }

func (c *simClient) setPaused(parts []Partition, paused bool) {
	if c.called(); c.off {
		return
	}
	for _, p := range parts {
		if f := c.parts[p]; f != nil {
			f.paused = paused
		}
	}
}

// Seek implements Kafka.
func (c *simClient) Seek(next map[Partition]int64) {
	if c.called(); c.off {
		return
	}
	for p, at := range next {
		if f := c.parts[p]; f != nil {
			f.next, f.ready = at, true
		}
	}
}

// Close implements Kafka.
func (c *simClient) Close(context.Context) {
	if c.off || c.left {
		return
	}
	if c.reaches() && c.member != "" {
		c.b.group.leave(c.member)
	}
	c.left, c.ops, c.events = true, nil, nil
}

// without returns what of a is not in b.
func without(a, b []int32) (rest []int32) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			rest = append(rest, x)
		}
	}
	return rest
}
