package processor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"accrue/schemas"
	"accrue/state"
)

// checker looks at everything that becomes true, at the moment it does. Each failure carries the name of what it breaks:
//
//	offsets    each transaction commits offsets, of all that it answers and of nothing else (L3)
//	position   beside the effects offset of each shard stands its changelog's position (L3)
//	answers    one answer for each input record, of the right kind (L5); at once, or once all that it asked is answered
//	entries    an entry is written once, and a grant's sums stay within their bounds
//	timers     time decides for nobody before it has come, and before what was there by then is read
//	state      a store is the fold of the committed changelog up to its position (L2, L4)
//	sums       all that was written comes to what the rules alone make of the same events
//	requests   of what accounts ask of each other each revision follows the one before, and is asked once
//	budget     never a point more than a budget has, in the end as many as the rules alone give, and none is lost
//	erased     nothing is decided or kept of a member who was erased, nowhere, and their balance is 0
//	counts     a key answers what comes of all that it was asked before
//	trim       nothing is deleted that somebody still has to read
//
// Beside it stand liveness, stopped, refused, store and panic: a lane, a shard or a disk that does not go on.
type checker struct {
	w         *world
	next      map[Partition]int64 // committed offsets
	positions map[int32]int64     // of changelogs, as committed
	answers   map[schemas.Source]int
	entries   map[string]bool
	sums      map[string][3]int64 // by grant: available, pending, tier
	owners    map[string]string   // of grants: their members
	tiers     map[string]string   // by member: the last one
	requests  map[string]int64    // by rule, event and members: the newest revision
	pool      int64               // points of the rule simPool, over all members
	pools     map[string]bool     // its grants
	given     map[string]int64    // by rule with a budget: points, over all members

	waiting map[schemas.Source]bool // that have asked and are not decided
	counts  simCounts
	erased  simErased
}

func newChecker(w *world) *checker {
	return &checker{
		w: w, next: make(map[Partition]int64), positions: make(map[int32]int64), answers: make(map[schemas.Source]int),
		entries: make(map[string]bool), sums: make(map[string][3]int64), tiers: make(map[string]string),
		requests: make(map[string]int64), pools: make(map[string]bool), given: make(map[string]int64), owners: make(map[string]string), waiting: make(map[schemas.Source]bool), counts: newSimCounts(),
		erased: newSimErased(),
	}
}

// committed looks at a transaction whose commit has just become true.
func (c *checker) committed(t *simTxn) {
	if len(t.offsets) == 0 {
		c.w.fail("offsets", "transaction %d of %s commits no offsets", t.number, t.writer.id)
		return
	}
	answered, asked := c.outputs(t)
	for _, p := range c.w.broker.names {
		at, there := t.offsets[p]
		if !there {
			continue
		}
		before := max(c.next[p], c.w.broker.partitions[p].start)
		if at.Offset < c.next[p] {
			c.w.fail("offsets", "transaction %d takes %s/%d back from %d to %d", t.number, p.Topic, p.Partition, c.next[p], at.Offset)
		}
		for _, source := range c.read(p, before, at.Offset) {
			if answered[source] == 0 && (asked[source] || c.w.pooled()) {
				c.w.seen("an event waits")
				c.waiting[source] = true
				continue
			}
			if answered[source]--; answered[source] < 0 {
				c.w.fail("offsets", "transaction %d passes %v of %s/%d without an answer", t.number, source, p.Topic, p.Partition)
			}
		}
		c.next[p] = at.Offset
		if p.Topic == c.w.topics.Effects {
			c.position(t, p.Partition, at)
		}
	}
	c.counts.compare(c.w)
	for source, n := range answered {
		if n == 1 && c.waiting[source] {
			delete(c.waiting, source)
			continue
		}
		if n > 0 {
			c.w.fail("offsets", "transaction %d answers %v without committing its offset", t.number, source)
		}
	}
	for _, p := range t.parts {
		if _, there := t.offsets[Partition{c.w.topics.Effects, p.Partition.Partition}]; p.Topic == c.w.topics.State && !there {
			c.w.fail("position", "transaction %d changes shard %d and commits no position", t.number, p.Partition.Partition)
		}
	}
}

// read lists which input records lie between two offsets of a partition.
func (c *checker) read(p Partition, from, to int64) (sources []schemas.Source) {
	log := c.w.broker.partitions[p]
	for offset := from; offset < min(to, log.end()); offset++ {
		if !log.entries[offset].data() {
			continue
		}
		r := log.record(offset)
		if c.w.topics.isEffect(&r) {
			c.w.seen("a request was taken in")
			if v, err := c.w.shop.decoder.Decode(context.Background(), schemas.KindEffect, r.Value); err == nil {
				if e, is := v.(*schemas.Effect); is {
					c.counts.taken(e)
				}
			}
			continue
		}
		o, err := c.w.topics.originOf(&r, c.w.now)
		if err != nil {
			c.w.fail("answers", "a record of %s/%d at %d comes from nowhere: %v", p.Topic, p.Partition, offset, err)
		}
		sources = append(sources, o.source)
	}
	return sources
}

// position looks at what stands beside an effects offset.
func (c *checker) position(t *simTxn, shard int32, at Committed) {
	m, there, err := parseMetadata(at.Metadata)
	if err != nil || !there {
		c.w.fail("position", "transaction %d commits an offset for shard %d without a position: %q %v", t.number, shard, at.Metadata, err)
		return
	}
	log := c.w.broker.changelog(shard)
	want := c.positions[shard]
	if last, wrote := t.last[log]; wrote {
		want = last + 1
		if m.Position != want {
			c.w.fail("position", "transaction %d commits position %d for shard %d, its last record is at %d", t.number, m.Position, shard, last)
		}
	}
	if m.Position < want || m.Position > log.end() {
		c.w.fail("position", "transaction %d commits position %d for shard %d, which was at %d, of %d", t.number, m.Position, shard, want, log.end())
	}
	c.positions[shard] = m.Position
}

// outputs looks at what a transaction wrote, and counts the input records that it answers, and those about which it asks.
func (c *checker) outputs(t *simTxn) (answered map[schemas.Source]int, asked map[schemas.Source]bool) {
	answered, asked = make(map[schemas.Source]int), make(map[schemas.Source]bool)
	for i := range t.outputs {
		o := &t.outputs[i]
		if o.Topic == c.w.topics.DeadLetters {
			source := c.buried(o)
			answered[source]++
			c.answer(t, source, true)
			continue
		}
		switch v := c.decode(o).(type) {
		case *schemas.Decision:
			source := schemas.Source{Topic: v.Source.Topic, Partition: v.Source.Partition, Offset: v.Source.Offset}
			answered[source]++
			c.answer(t, source, false)
			c.erased.decision(c.w, t, source, v)
		case *schemas.PointGrant:
			c.entry(t, v)
			c.erased.entry(c.w, t, v)
		case *schemas.TierChange:
			c.tiers[v.MemberID] = v.To
			c.erased.over(c.w, t, v.MemberID, "tier change")
		case *schemas.FraudAlert:
			c.counts.alert(c.w, v)
			c.erased.over(c.w, t, v.MemberID, "alert")
		}
	}
	for _, p := range t.parts {
		if p.Topic != c.w.topics.Effects {
			continue
		}
		for offset := range p.end() {
			if p.entries[offset].txn == t && !p.entries[offset].marker {
				r := p.record(offset)
				if c.w.topics.isEffect(&r) {
					if e := c.request(t, p, &r); e != nil && (e.Kind == schemas.EffectCount || e.Kind == schemas.EffectDevices) {
						asked[schemas.Source{Topic: e.Source.Topic, Partition: e.Source.Partition, Offset: e.Source.Offset}] = true
					}
					continue
				}
				o, err := c.w.topics.originOf(&r, c.w.now)
				if err != nil {
					c.w.fail("answers", "transaction %d forwards what comes from nowhere: %v", t.number, err)
				}
				answered[o.source]++
			}
		}
	}
	return answered, asked
}

// request looks at what an account asks of another or of a key, or what that answers.
func (c *checker) request(t *simTxn, p *simPartition, r *Record) *schemas.Effect {
	v, err := c.w.shop.decoder.Decode(context.Background(), schemas.KindEffect, r.Value)
	e, ok := v.(*schemas.Effect)
	if err != nil || !ok {
		c.w.fail("requests", "transaction %d asks for what cannot be read: %v", t.number, err)
		return nil
	}
	if home := homeOf(e, c.w.plan.shards); home != p.Partition.Partition {
		c.w.fail("requests", "transaction %d asks %s of shard %d, who is at home in %d", t.number, e.MemberID, p.Partition.Partition, home)
	}
	what := fmt.Sprint(e.Kind, e.MemberID, e.FromMember, e.RuleID, e.Source.Topic, e.Source.EventID)
	switch e.Kind {
	case schemas.EffectDrawn: // the account numbers its wishes itself
		c.w.seen("a budget has answered")
		return e
	case schemas.EffectLease, schemas.EffectDraw: // all that one says to another is numbered
		what = fmt.Sprint(e.Kind, e.MemberID, e.FromMember)
		c.w.seen("a budget was " + cmp.Or(e.State, "asked"))
	}
	if c.erased.request(c.w, t, e) {
		c.requests[what] = e.Revision - 1
	}
	if c.requests[what]++; c.requests[what] != e.Revision {
		c.w.fail("requests", "transaction %d asks %s for revision %d, revision %d is next", t.number, e.MemberID, e.Revision, c.requests[what])
	}
	switch {
	case e.Kind == schemas.EffectAnswer:
		c.counts.answered(e)
	case e.Kind == schemas.EffectAward && e.Points == 0:
		c.w.seen("a request was taken back")
	}
	return e
}

func (c *checker) decode(o *Output) any {
	kinds := map[string]schemas.Kind{
		c.w.topics.Decisions: schemas.KindDecision, c.w.topics.PointGrants: schemas.KindPointGrant, c.w.topics.TierChanges: schemas.KindTierChange,
		c.w.topics.FraudAlerts: schemas.KindFraudAlert,
	}
	kind, known := kinds[o.Topic]
	if !known {
		return nil
	}
	v, err := c.w.shop.decoder.Decode(context.Background(), kind, o.Value)
	if err != nil {
		c.w.fail("answers", "a record of %s cannot be read: %v", o.Topic, err)
	}
	return v
}

// buried tells which record a dead letter is about.
func (c *checker) buried(o *Output) schemas.Source {
	var from origin
	var headers []Header
	for _, h := range o.Headers {
		if h.Key == HeaderTopic || h.Key == HeaderPartition || h.Key == HeaderOffset {
			headers = append(headers, h)
		}
	}
	if err := from.unwrap(append(headers, Header{headerSeen, []byte("0")})); err != nil {
		c.w.fail("answers", "a dead letter comes from nowhere: %v", err)
	}
	return from.source
}

func (c *checker) answer(t *simTxn, source schemas.Source, buried bool) {
	c.answers[source]++
	wanted, sent := c.w.shop.sent[source]
	switch {
	case !sent:
		c.w.fail("answers", "transaction %d answers %v, which nobody sent", t.number, source)
	case c.answers[source] > 1:
		c.w.fail("answers", "transaction %d answers %v for the %d. time", t.number, source, c.answers[source])
	case wanted != buried:
		c.w.fail("answers", "%v among the dead letters: %t, it should be %t", source, buried, wanted)
	}
}

func (c *checker) entry(t *simTxn, e *schemas.PointGrant) {
	if c.entries[e.EntryID] {
		c.w.fail("entries", "transaction %d writes entry %s (%s of %s) again", t.number, e.EntryID, e.Entry, e.MemberID)
	}
	c.entries[e.EntryID] = true
	c.owners[e.GrantID] = e.MemberID
	c.given[e.RuleID] += e.AvailableDelta + e.PendingDelta
	if e.RuleID == simPool {
		c.pools[e.GrantID] = true
		if c.pool += e.AvailableDelta + e.PendingDelta; c.pool > simPoolPoints {
			c.w.fail("budget", "transaction %d takes what all have got out of a budget of %d to %d", t.number, simPoolPoints, c.pool)
		}
	}
	sum := c.sums[e.GrantID]
	sum = [3]int64{sum[0] + e.AvailableDelta, sum[1] + e.PendingDelta, sum[2] + e.TierDelta}
	c.sums[e.GrantID] = sum
	if e.RuleID == simByHand { // what an erasure takes, or forgives; that it comes to 0 with all else is looked at in the end
		return
	}
	if slices.Min(sum[:]) < 0 || sum[0]+sum[1] > simPointsMax {
		c.w.fail("entries", "transaction %d takes grant %s to %v", t.number, e.GrantID, sum)
	}
}

// timers looks at what time decided in a transaction that a lane has just learned to be committed.
func (c *checker) timers(l *simLane, r *Report) {
	for _, f := range r.Fired {
		if f.Tier {
			c.w.seen("time changed a tier")
		} else {
			c.w.seen("time released")
		}
		c.timely(l, f.Member, f.Due.UnixMilli())
	}
}

func (c *checker) timely(l *simLane, member string, due int64) {
	if due > c.w.now.UnixMilli() {
		c.w.fail("timers", "%s: due at %d, decided at %d", member, due, c.w.now.UnixMilli())
	}
	for _, p := range c.w.broker.of(Home(member, c.w.plan.shards)) {
		log := c.w.broker.partitions[p]
		at := int64(0)
		if mine := l.parts[p]; mine != nil {
			at = mine.committed
		}
		for offset := max(at, log.start); offset < log.stable; offset++ {
			if e := &log.entries[offset]; e.data() && e.stable.UnixMilli() <= due {
				c.w.fail("timers", "%s: due at %d, decided while %s/%d was read up to %d, and %d could be read before", member, due, p.Topic, p.Partition, at, offset)
			}
		}
	}
}

// trimmed looks at what is about to be deleted.
func (c *checker) trimmed(shard int32, below int64) {
	c.w.seen("trimmed")
	if p := (Partition{c.w.topics.Effects, shard}); below > c.next[p] {
		c.w.fail("trim", "%s/%d is deleted below %d, it is read up to %d", p.Topic, shard, below, c.next[p])
	}
}

// restored looks at a shard that begins to be served. One who is no member any more, and has not heard of it, may be behind:
// what it decides will not be committed.
func (c *checker) restored(l *simLane, r Restoration) {
	m := c.w.broker.group.member(l.client.member)
	if m != nil && slices.Contains(m.assigned.active, r.Shard) && r.To < c.positions[r.Shard] {
		c.w.fail("position", "%s serves shard %d at %d, %d was committed", l.client.name, r.Shard, r.To, c.positions[r.Shard])
	}
	c.shard(l.process, r.Shard)
}

// store compares all shards of a process.
func (c *checker) store(p *simProcess) {
	if p.looked || p.store == nil {
		return
	}
	p.looked = true
	for s := range c.w.plan.shards {
		c.shard(p, s)
	}
}

// shard compares a shard with the fold of its changelog up to where it says it is.
func (c *checker) shard(p *simProcess, shard int32) {
	part := p.store.Shard(shard)
	at, there, err := part.Position()
	if errors.Is(err, state.ErrFailed) {
		return
	}
	if err != nil {
		c.w.fail("store", "read the position of shard %d of %s: %v", shard, p.name, err)
		return
	}
	want, unsure := c.fold(shard, at.Offset)
	if !there {
		clear(want)
	}
	have := make(map[string]bool)
	err = part.All(func(member string, key, value []byte) bool {
		row := string(state.EncodeKey(member, key))
		have[row] = true
		if w, ok := want[row]; !unsure[row] && (!ok || !bytes.Equal(w, value)) {
			c.w.fail("state", "%s has row %q of %s in shard %d at %d as %x, the changelog says %x", p.name, key, member, shard, at.Offset, value, w)
		}
		return c.w.failure == nil
	})
	if err != nil && !errors.Is(err, state.ErrFailed) {
		c.w.fail("store", "read shard %d of %s: %v", shard, p.name, err)
	}
	for row := range want {
		if !have[row] && err == nil && !unsure[row] {
			c.w.fail("state", "%s lacks row %q in shard %d at %d", p.name, row, shard, at.Offset)
		}
	}
}

// fold is what the committed changelog comes to. Of rows whose last record compaction took nobody can be sure.
func (c *checker) fold(shard int32, below int64) (rows map[string][]byte, unsure map[string]bool) {
	rows, unsure = make(map[string][]byte), make(map[string]bool)
	for i := range c.w.broker.changelog(shard).entries[:below] {
		e := &c.w.broker.changelog(shard).entries[i]
		if !e.data() {
			continue
		}
		key := string(e.key)
		unsure[key] = e.gone
		rows[key] = e.value
		if e.value == nil {
			delete(rows, key)
		}
	}
	maps.DeleteFunc(unsure, func(_ string, is bool) bool { return !is })
	return rows, unsure
}

// end looks at the whole, once all is quiet.
func (c *checker) end() {
	for _, source := range c.w.shop.sources {
		if n := c.answers[source]; n != 1 {
			c.w.fail("answers", "%d answers to %v", n, source)
		}
	}
	for _, p := range c.w.processes {
		c.store(p)
		for _, l := range p.lanes {
			for h := range l.inOrder() {
				log := c.w.broker.changelog(h.id)
				if last := slices.IndexFunc(log.entries[h.position:], func(e simEntry) bool { return e.data() }); last >= 0 {
					c.w.fail("state", "%s serves shard %d at %d, and a later record is committed", l.client.name, h.id, h.position)
				}
			}
		}
	}
	if err := c.compare(); err != nil {
		c.w.fail("sums", "%v", err)
	}
	c.erased.end(c.w)
	c.budgets()
}
