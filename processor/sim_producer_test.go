package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The producer of a simulated client, and what it asks beside the streams. It mirrors producer.go and reader.go: what those
// make of the broker's answers is made of them here.

// simSession is one life of a transactional producer.
type simSession struct {
	id     int64
	buffer []Output
	sent   bool // something of the open transaction reached the broker
	acked  map[int32]int64
	err    error
}

// Open implements Kafka.
func (c *simClient) Open() {
	if c.called(); c.off {
		return
	}
	c.producer = nil
	c.start("open", 2*simRequestTimeout, func() bool {
		if c.w.strikes("open") {
			c.post(Opened{kerr.CoordinatorNotAvailable})
			return true
		}
		session, settled := c.b.init(c.name)
		if !settled {
			return false
		}
		c.producer = &simSession{id: session, acked: make(map[int32]int64)}
		c.post(Opened{})
		return true
	}, func() { c.post(Opened{context.DeadlineExceeded}) })
}

// Produce implements Kafka.
func (c *simClient) Produce(records []Output) {
	c.called()
	p := c.producer
	if c.off || p == nil {
		return
	}
	idle := len(p.buffer) == 0
	p.buffer = append(p.buffer, records...)
	if idle && len(p.buffer) > 0 {
		c.start("produce", 0, func() bool { return c.send(p) }, nil)
	}
}

// send lets some of the buffered records reach the broker.
func (c *simClient) send(p *simSession) bool {
	if p != c.producer {
		return true
	}
	for n := 1 + c.w.random.IntN(12); n > 0 && len(p.buffer) > 0; n-- {
		o := &p.buffer[0]
		if c.w.random.IntN(2) == 0 && c.w.strikes("produce") { // it is not written
			p.buffer, p.err = p.buffer[1:], cmp.Or(p.err, fmt.Errorf("produce to %s: %w", o.Topic, error(kerr.MessageTooLarge)))
			continue
		}
		part, offset, err := c.b.produce(c.name, p.id, o)
		if errors.Is(err, kerr.ConcurrentTransactions) {
			return false
		}
		p.buffer = p.buffer[1:]
		p.sent = p.sent || err == nil
		if err == nil && c.w.strikes("produce") { // it is written, and nobody knows
			err = kerr.RequestTimedOut
		}
		if err != nil {
			p.err = cmp.Or(p.err, fmt.Errorf("produce to %s: %w", o.Topic, err))
			continue
		}
		if part != nil && part.Topic == c.w.topics.State {
			p.acked[part.Partition.Partition] = offset
		}
	}
	return len(p.buffer) == 0
}

// Flush implements Kafka.
func (c *simClient) Flush() {
	c.called()
	p := c.producer
	if c.off || p == nil {
		return
	}
	c.start("flush", simTransactionTimeout, func() bool {
		if len(p.buffer) > 0 {
			return false
		}
		c.post(Flushed{Acked: maps.Clone(p.acked), Err: p.err})
		return true
	}, func() { c.post(Flushed{Acked: maps.Clone(p.acked), Err: errors.Join(p.err, context.DeadlineExceeded)}) })
}

// Commit implements Kafka.
func (c *simClient) Commit(commit Commit) {
	c.called()
	p := c.producer
	if c.off || p == nil {
		return
	}
	if c.process.sleepy > 0 {
		c.process.sleep(c.process.sleepy)
	}
	deadline := c.w.ticks + simTransactionTimeout/2
	c.start("offsets in the transaction", simTransactionTimeout, func() bool {
		err := c.addOffsets(p, commit)
		again := err != nil && (classify(err) == RemedyRetry || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress))
		switch {
		case again && c.w.ticks < deadline:
			return false
		case err != nil:
			c.abort(p, fmt.Errorf("commit offsets in the transaction: %w", err))
		default:
			c.end(p)
		}
		return true
	}, func() { c.abort(p, context.DeadlineExceeded) })
}

// addOffsets is one attempt at the TxnOffsetCommit.
func (c *simClient) addOffsets(p *simSession, commit Commit) error {
	switch {
	case c.epoch != commit.Epoch:
		return errMoved
	case c.w.strikes("offsets: coordinator"):
		return kerr.CoordinatorLoadInProgress
	case c.w.strikes("offsets: abortable"):
		return kerr.TransactionAbortable
	case c.w.strikes("offsets: unknown member"):
		return kerr.UnknownMemberID
	case c.member == "" || c.generation < 0:
		return kerr.UnknownMemberID
	}
	return c.b.addOffsets(c.name, p.id, c.member, c.generation, commit.Offsets)
}

// end asks for the commit itself.
func (c *simClient) end(p *simSession) {
	unknown := func(err error) { c.ended(p, Ended{Outcome: OutcomeUnknown, Discard: true, Err: err}) }
	c.start("commit", simTransactionTimeout, func() bool {
		if !p.sent { // kgo sends nothing then
			c.ended(p, Ended{Outcome: OutcomeCommitted})
			return true
		}
		switch {
		case c.w.strikes("end: lost on its way"):
			unknown(errors.New("the connection broke"))
			return true
		case c.w.strikes("end: late"):
			c.w.late = append(c.w.late, func() { _ = c.b.endTxn(c.name, p.id, OutcomeCommitted) })
			unknown(errors.New("the connection broke"))
			return true
		case c.w.strikes("end: refused"):
			c.abort(p, fmt.Errorf("commit transaction: %w", kerr.TransactionAbortable))
			return true
		}
		err := c.b.endTxn(c.name, p.id, OutcomeCommitted)
		switch {
		case errors.Is(err, kerr.ConcurrentTransactions):
			return false
		case err == nil && c.w.strikes("end: answer lost"):
			err = errors.New("the answer was lost")
		}
		if err != nil {
			unknown(err)
			return true
		}
		c.ended(p, Ended{Outcome: OutcomeCommitted})
		return true
	}, func() { unknown(context.DeadlineExceeded) })
}

// ended tells the lane, and is ready for the next transaction.
func (c *simClient) ended(p *simSession, e Ended) {
	p.sent, p.acked, p.err, p.buffer = false, make(map[int32]int64), nil, nil
	c.post(e)
}

// Abort implements Kafka.
func (c *simClient) Abort() {
	c.called()
	if p := c.producer; !c.off && p != nil {
		c.abort(p, nil)
	}
}

// abort drops what is open. Of what never reached the broker it need not hear.
func (c *simClient) abort(p *simSession, why error) {
	p.buffer = nil
	c.start("abort", simTransactionTimeout, func() bool {
		var err error
		if p.sent {
			err = c.b.endTxn(c.name, p.id, OutcomeAborted)
		}
		switch {
		case errors.Is(err, kerr.ConcurrentTransactions):
			return false
		case err != nil:
			c.ended(p, Ended{Outcome: OutcomeAborted, Discard: true, Err: errors.Join(why, err)})
		default:
			c.ended(p, Ended{Outcome: OutcomeAborted, Discard: why != nil && classify(why) == RemedyDiscard, Err: why})
		}
		return true
	}, func() {
		c.ended(p, Ended{Outcome: OutcomeAborted, Discard: true, Err: errors.Join(why, context.DeadlineExceeded)})
	})
}

// answer posts what the broker answered, some time after it was true.
func (c *simClient) answer(e Event) {
	at := c.w.step + c.w.random.IntN(5)
	if c.w.strikes("answers: late") {
		at += c.w.random.IntN(300)
	}
	c.start("answer", 0, func() bool {
		if c.w.step < at && !c.w.calm {
			return false
		}
		c.post(e)
		return true
	}, nil)
}

// FetchOffsets implements Kafka.
func (c *simClient) FetchOffsets(token int64, parts []Partition) {
	if c.called(); c.off {
		return
	}
	var err error
	c.start("committed offsets", simRequestTimeout, func() bool {
		if c.w.strikes("fetch offsets") {
			c.post(Offsets{Token: token, Err: kerr.NotCoordinator})
			return true
		}
		var found map[Partition]Committed
		if found, err = c.b.fetchOffsets(parts, true); err != nil {
			return false
		}
		c.answer(Offsets{Token: token, Parts: found})
		return true
	}, func() { c.post(Offsets{Token: token, Err: errors.Join(err, context.DeadlineExceeded)}) })
}

// FetchEnds implements Kafka.
func (c *simClient) FetchEnds(token int64, parts []Partition) {
	if c.called(); c.off {
		return
	}
	c.start("ends", simRequestTimeout, func() bool {
		if c.w.strikes("ends") {
			c.post(Ends{Token: token, Err: kerr.NotLeaderForPartition})
			return true
		}
		found := make(map[Partition]Extent)
		for _, p := range parts {
			found[p] = Extent{Start: c.b.partitions[p].start, End: c.b.partitions[p].stable}
		}
		c.answer(Ends{Token: token, Parts: found})
		return true
	}, func() { c.post(Ends{Token: token, Err: context.DeadlineExceeded}) })
}

// ReadChangelog implements Kafka.
func (c *simClient) ReadChangelog(token int64, shard int32, from int64) {
	if c.called(); c.off {
		return
	}
	c.start("changelog", 4*simRequestTimeout, func() bool {
		piece := c.b.piece(shard, from)
		if piece.Token = token; c.w.strikes("changelog") {
			piece.Err = kerr.LeaderNotAvailable
		}
		c.answer(piece)
		return true
	}, func() { c.post(Changelog{Token: token, Shard: shard, Err: context.DeadlineExceeded}) })
}

// piece reads some of a changelog.
func (b *simBroker) piece(shard int32, from int64) Changelog {
	log := b.changelog(shard)
	e := Changelog{
		Shard: shard, Next: from, LogStart: log.start, HighWatermark: log.end(), ClusterID: b.clusterID, TopicID: b.topicID,
	}
	if from < log.end() && from >= log.start {
		most := 1 + b.w.random.IntN(b.w.plan.piece)
		if b.w.calm {
			most += 100 // who follows reads on now and then only, and should get to the end
		}
		e.Records, e.Next = log.read(from, most, false, false)
	}
	return e
}

// FenceGone implements Kafka.
func (c *simClient) FenceGone(shards []int32) {
	if c.called(); c.off || !c.w.plan.fences {
		return
	}
	var writers []string
	c.start("fence who is gone", simRequestTimeout, func() bool {
		if writers != nil {
			c.w.tracef("%s fences %v", c.name, writers)
			for _, writer := range writers {
				c.b.fence(writer)
			}
			return true
		}
		for _, s := range shards {
			at := c.b.group.committed[Partition{c.w.topics.Effects, s}]
			m, there, err := parseMetadata(at.Metadata)
			if err == nil && there && !slices.Contains(c.siblings, m.Writer) && !slices.Contains(writers, m.Writer) && !c.b.group.live(m.Writer) {
				writers = append(writers, m.Writer)
			}
		}
		return len(writers) == 0
	}, func() {})
}

// Trim implements Kafka.
func (c *simClient) Trim(below map[int32]int64) {
	if c.called(); c.off {
		return
	}
	c.start("trim", simRequestTimeout, func() bool {
		for shard, at := range below {
			c.w.check.trimmed(shard, at)
			log := c.b.partitions[Partition{c.w.topics.Effects, shard}]
			log.start = max(log.start, min(at, log.end()))
		}
		return true
	}, func() {})
}

var _ Kafka = (*simClient)(nil)
