package processor

import (
	"slices"
	"time"
)

// backlog is what was polled and is not decided yet, by partition.
//
// The inputs do not know of each other. While all is read as it comes, it is decided as it comes. After an outage, or in an
// import, one topic would be read to its end before another's first records; then each event of the other would lie in its
// member's past and be decided again with all behind it. So old records of a shard are decided in the order of their
// timestamps, and wait for partitions of which more is known to come, or a little for those of which nothing is known. No
// promise rests on it: what arrives in another order ends the same, it only costs more.
type backlog struct {
	waiting []*position // those with records
	records int
}

const (
	// alignOlder is how old a record must be to wait for others: one that is read as it comes never does.
	alignOlder = 10 * time.Second
	// backlogPolls is up to how many polls wait while there is something to decide.
	backlogPolls = 4
	// alignWait is how long it waits for a partition that nothing is known of.
	alignWait = 300 * time.Millisecond
	// alignMost is how long it waits for a partition that has more and does not bring it: it may be in trouble.
	alignMost = 5 * time.Second
	// starveMost is how long old records wait for the answer of a budget's owner. Each that is decided meanwhile waits with its
	// grants, and is decided once more with all of its member's behind it.
	starveMost = 2 * time.Second
	// A partition with more than pauseAbove bytes waiting is not polled until they are below resumeBelow, which is twice what a fetch
	// brings of it: the client lets go of what it has of a paused partition, and fetches it once more.
	pauseAbove  = 256 << 10
	resumeBelow = 2 * fetchPartitionBytes
)

// queue is what waits of one partition.
type queue struct {
	records []Record // those that wait, in the memory of all
	all     []Record // used again once few wait
	bytes   int64
	empty   time.Time // since when nothing waits, if nothing does
	next    int64     // behind the last record that was polled
	end     int64     // up to where the partition could be read when that was fetched; 0: not known
	paused  bool      // because much waits
}

// keep takes polled records in. Those of partitions that were let go since are nobody's any more, and those of shards that are
// not served will be polled again.
func (l *Lane) keep(records []Record) {
	var pause []Partition
	for i := range records {
		p := l.parts[records[i].Partition]
		if p == nil {
			continue
		}
		if h := l.shards[p.shard]; h.state != serving {
			h.seek = true
			continue
		}
		if len(p.queue.records) == 0 {
			l.backlog.waiting = append(l.backlog.waiting, p)
		}
		p.queue.add(records[i])
		p.queue.bytes += int64(len(records[i].Value) + recordOverhead)
		p.queue.next, p.queue.end = records[i].Offset+1, records[i].End
		l.backlog.records++
		if p.queue.bytes > pauseAbove && !p.queue.paused {
			p.queue.paused = true
			pause = append(pause, p.Partition)
		}
	}
	if len(pause) > 0 {
		l.kafka.Pause(pause)
	}
}

// add takes a record in. Where more than half of the memory lies before those that wait, they are moved to its beginning.
func (q *queue) add(r Record) {
	if passed := len(q.all) - len(q.records); len(q.all) == cap(q.all) && passed > len(q.records) {
		n := copy(q.all, q.records)
		clear(q.all[n:])
		q.all = q.all[:n]
		q.records = q.all
	}
	n := len(q.records)
	q.all = append(q.all, r)
	q.records = q.all[len(q.all)-n-1:]
}

// behind says that more is to be decided than what is in transactions, by what is known of the partitions that are served.
func (l *Lane) behind() bool {
	if l.backlog.records > 0 {
		return true
	}
	for h := range l.inOrder() {
		for _, p := range h.parts {
			if h.state == serving && p.queue.next < p.queue.end {
				return true
			}
		}
	}
	return false
}

// oldest is the partition whose first record is to be decided next; nil: all that there is waits for others, until the time
// given. What accounts ask of each other, and the answers, come first: events that were decided long ago wait for them, and in a
// backlog all events behind those would have to wait as well.
func (l *Lane) oldest(now time.Time) (next *position, until time.Time) {
	for _, p := range l.backlog.waiting {
		at := p.queue.records[0].Timestamp
		if l.o.Topics.isEffect(&p.queue.records[0]) {
			return p, until
		}
		if next != nil && !at.Before(next.queue.records[0].Timestamp) {
			continue
		}
		if held := l.aligned(p, at, now); held.After(now) {
			if until.IsZero() || held.Before(until) {
				until = held
			}
			continue
		}
		next = p
	}
	return next, until
}

// aligned is until when a record waits for other partitions of its shard.
func (l *Lane) aligned(p *position, at, now time.Time) (until time.Time) {
	if now.Sub(at) < alignOlder {
		return until
	}
	h := l.shards[p.shard]
	if h.state == serving {
		until = h.hungry(now)
	}
	for _, other := range h.parts {
		if other == p || len(other.queue.records) > 0 {
			continue
		}
		if end := other.queue.quiet(); end.After(until) {
			until = end
		}
	}
	return until
}

// hungry is until when the old records of a shard wait for a budget.
func (h *held) hungry(now time.Time) time.Time {
	if !h.shard.Starving() {
		h.starved = time.Time{}
		return h.starved
	}
	if h.starved.IsZero() {
		h.starved = now
	}
	return h.starved.Add(starveMost)
}

// expect takes note of how much there is in partitions of which nothing was polled yet.
func (h *held) expect(e Ends) {
	h.ends = 0
	for _, p := range h.parts {
		if extent, ok := e.Parts[p.Partition]; ok && e.Err == nil && p.queue.end == 0 {
			p.queue.next, p.queue.end = max(p.next, extent.Start), extent.End
		}
	}
}

// quiet is from when on nothing more is waited for.
func (q *queue) quiet() time.Time {
	switch {
	case q.next < q.end:
		return q.empty.Add(alignMost)
	case q.end > 0:
		return q.empty // it was read to its end
	default:
		return q.empty.Add(alignWait)
	}
}

// done takes the first record of a partition out.
func (b *backlog) done(p *position, now time.Time) {
	q := &p.queue
	b.records--
	q.bytes -= int64(len(q.records[0].Value) + recordOverhead)
	q.records[0] = Record{} // its bytes are the client's
	q.records = q.records[1:]
	if len(q.records) == 0 {
		q.all, q.records, q.empty = q.all[:0], nil, now
		b.waiting = slices.DeleteFunc(b.waiting, func(have *position) bool { return have == p })
	}
}

// forget drops what waits of a partition.
func (b *backlog) forget(p *position) {
	if len(p.queue.records) > 0 {
		b.records -= len(p.queue.records)
		b.waiting = slices.DeleteFunc(b.waiting, func(have *position) bool { return have == p })
	}
	p.queue = queue{}
}

// forgetAll drops all that waits. Partitions that were paused for it are polled again.
func (l *Lane) forgetAll() {
	l.backlog = backlog{}
	for h := range l.inOrder() {
		for _, p := range h.parts {
			p.queue.all, p.queue.records, p.queue.bytes = nil, nil, 0
		}
	}
	l.resumeDrained()
}

// resumeDrained lets partitions be polled again of which little waits any more. Those of shards that are not served are
// paused for another reason, and are resumed when they are.
func (l *Lane) resumeDrained() {
	var resume []Partition
	for h := range l.inOrder() {
		for _, p := range h.parts {
			if p.queue.paused && p.queue.bytes < resumeBelow && h.state == serving {
				p.queue.paused = false
				resume = append(resume, p.Partition)
			}
		}
	}
	if len(resume) > 0 {
		l.kafka.Resume(resume)
	}
}
