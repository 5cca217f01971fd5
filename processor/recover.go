package processor

import (
	"fmt"
	"time"
)

// This file is about what did not go well: a transaction that is aborted, and a producer that is of no use any more.

// Pauses between attempts at what must succeed in the end.
const (
	retryPause    = 250 * time.Millisecond
	retryPauseMax = 5 * time.Second
)

// failed drops the transaction that is ending, in the way that the error asks for.
func (l *Lane) failed(err error) error {
	t := l.ending
	l.counted(err, t)
	switch classify(err) {
	case RemedyStop:
		return err
	case RemedyRetry, RemedyAbort, RemedyDeadLetter:
		// The client has tried again already: a record of it has failed for good.
		l.said.warn(l.log, l.o.Now(), "transaction is aborted", "txn", t.number, "err", err)
		t.stage, t.why = aborting, err
		l.kafka.Abort()
		return nil
	case RemedyDiscard, RemedyReopen:
	}
	return l.recover(OutcomeAborted, err)
}

const (
	// exposure is for how long after a member has joined others may still act on having seen it outside: fenceTimeout, and
	// what a request takes.
	exposure = 2 * fenceTimeout
	// parting is for how long two processes of one id go on once one of them has noticed.
	parting = exposure + time.Second
)

// counted stops a lane whose transactional id is taken away again and again: two processes have it. Not everyone who takes
// it is another process of that id. The coordinator gives the epoch away when a transaction times out. And whoever takes
// shards over fences their last writer if the group does not know it (FenceGone): rightly so, but what is fenced can also be
// the producer of a process that was started again and has not joined yet. So what counts is a producer that was opened by a
// member that others have known for a while, and that has been one ever since.
func (l *Lane) counted(err error, t *transaction) {
	now := l.o.Now()
	if !isFenced(err) || l.exposed || now.Sub(t.begun) >= l.o.TransactionTimeout {
		return
	}
	recent := l.fenced[:0]
	for _, at := range l.fenced {
		if now.Sub(at) < time.Minute {
			recent = append(recent, at)
		}
	}
	l.fenced = append(recent, now)
	if len(l.fenced) < 2 {
		return
	}
	if l.twice == nil {
		// C11: it stops, but not at once. Until then each takes the id back from the other, so that both learn of it. Else the
		// second would go on alone until somebody starts this one again, and nobody would look for it.
		l.twiceAt = now.Add(parting)
		l.log.Error("the instance id is used twice, stopping in a moment", "id", l.o.TransactionalID, "err", err)
	}
	l.twice = fmt.Errorf("%w: transactional id %s was fenced %d times within a minute: another process runs with the same app and instance id, give each its own: %w",
		errUsedTwice, l.o.TransactionalID, len(l.fenced), err)
}

// drop forgets both transactions in flight, and all that was read and not committed.
func (l *Lane) drop() {
	first := l.number + 1
	for _, t := range []*transaction{l.current, l.ending} {
		if t != nil {
			first = min(first, t.number)
		}
	}
	for _, h := range l.shards {
		// What was decided up to the horizon is not any more: time waits until it is again.
		h.timers = timers{}
		if h.shard != nil {
			h.shard.Drop(first)
		}
	}
	l.current, l.ending = nil, nil
	l.forgetAll()
}

// halve makes the next transactions smaller: the records that made one fail may be fewer than all, and a batch that never
// gets through comes down to one of them.
func (l *Lane) halve() { l.limit = max(1, l.limit/2) }

// rewind drops what is in flight after an abort and reads it again. The transaction's end is known and the shards are still
// ours, so memory is as true as the broker.
func (l *Lane) rewind(why error) {
	l.said.warn(l.log, l.o.Now(), "transaction aborted, deciding again", "txn", l.ending.number, "records", l.ending.records, "err", why)
	l.o.Observer.Aborted(l.o.Number, OutcomeAborted, why)
	l.condemn(l.ending, why)
	l.calm(l.ending, why)
	l.halve()
	l.drop()
	l.seekServed()
}

// seekServed reads on from what is committed in all shards that are served.
func (l *Lane) seekServed() {
	var served []*position
	for h := range l.inOrder() {
		if h.state == serving {
			served = append(served, h.parts...)
		}
	}
	l.seek(served)
}

// seek sets what is polled next to what is committed.
func (l *Lane) seek(parts []*position) {
	next := make(map[Partition]int64, len(parts))
	for _, p := range parts {
		p.next = p.committed
		if p.next == NoOffset {
			p.next = p.first // nothing is committed yet: where the group began
		}
		if p.next != NoOffset {
			next[p.Partition] = p.next
		}
	}
	if len(next) > 0 {
		l.kafka.Seek(next)
	}
}

// recover takes a new producer, which settles whatever the old one had open, and then believes nothing but the broker: the
// committed offsets and positions are fetched, and every shard catches up to its position as after a takeover. Whatever the
// outcome was, it is then true here.
func (l *Lane) recover(outcome Outcome, why error) error {
	number := l.number
	if l.ending != nil {
		number = l.ending.number
	}
	l.said.warn(l.log, l.o.Now(), "producer is discarded, catching up with what is committed", "txn", number, "outcome", outcome.String(), "err", why)
	if outcome != OutcomeCommitted {
		l.o.Observer.Aborted(l.o.Number, outcome, why)
	}
	if classify(why) == RemedyStop && why != nil {
		return why
	}
	l.halve()
	l.drop()
	var parts []Partition
	for h := range l.inOrder() {
		if h.state == refused {
			continue
		}
		if h.state == serving {
			for _, p := range h.parts {
				parts = append(parts, p.Partition)
			}
		}
		if h.shard != nil {
			h.shard.accounts.clear()
		}
		h.state, h.token, h.seek = awaiting, 0, true
	}
	if len(parts) > 0 {
		l.kafka.Pause(parts)
	}
	l.producer, l.reopenAt = opening, time.Time{}
	l.kafka.Open()
	return nil
}

// opened learns that there is a producer, or why not.
func (l *Lane) opened(err error) error {
	if l.producer != opening {
		return nil
	}
	if err != nil {
		if classify(err) == RemedyStop {
			return fmt.Errorf("open producer %s: %w", l.o.TransactionalID, err)
		}
		l.producer = closed
		l.reopenAt = l.o.Now().Add(l.pause())
		l.wait(UnreadyBrokers, fmt.Errorf("open producer %s: %w", l.o.TransactionalID, err), l.reopenAt)
		return nil
	}
	l.producer, l.attempts = open, 0
	l.exposed = !l.member || l.o.Now().Sub(l.since) < exposure
	l.goOn()
	if !l.joined {
		// Not before there is a producer: opening it settled what the process before this one left open.
		l.joined = true
		l.kafka.Join()
	}
	l.locate()
	return nil
}

// pause grows with each attempt.
func (l *Lane) pause() time.Duration {
	p := min(retryPause<<min(l.attempts, 10), retryPauseMax)
	l.attempts++
	return p
}

// locate asks where the shards stand whose positions were forgotten. Those just assigned are answered without asking.
func (l *Lane) locate() {
	var parts []Partition
	for h := range l.inOrder() {
		if h.state == awaiting && h.seek {
			for _, p := range h.parts {
				parts = append(parts, p.Partition)
			}
		}
	}
	if len(parts) == 0 {
		return
	}
	l.token++
	l.locating = l.token
	l.kafka.FetchOffsets(l.token, parts)
}

// ask repeats what has no answer yet and is due to be asked again.
func (l *Lane) ask(now time.Time) {
	if l.producer == closed && !now.Before(l.reopenAt) {
		l.producer = opening
		l.kafka.Open()
	}
	if l.producer == open && !l.locateAt.IsZero() && !now.Before(l.locateAt) {
		l.locateAt = time.Time{}
		l.locate()
	}
	var foreign []int32
	for h := range l.inOrder() {
		l.tellHeldUp(h, now)
		switch {
		case h.state == awaiting && !now.Before(h.fenceAt):
			h.fenceAt = now.Add(time.Second)
			foreign = append(foreign, h.id)
		case h.state == restoring && !h.retryAt.IsZero() && !now.Before(h.retryAt):
			h.retryAt = time.Time{}
			l.kafka.ReadChangelog(h.token, h.id, h.at)
		}
	}
	if len(foreign) > 0 {
		l.kafka.FenceGone(foreign)
	}
	l.trim(now)
}

// heldUpAfter is how long a shard may come no further on its way to be served before the log tells why: about the timeout of a
// transaction, which is what most often is in the way.
const heldUpAfter = 15 * time.Second

// tellHeldUp tells of a shard that is not served and comes no further. What ends it is not known here; who waits should know
// where to look.
func (l *Lane) tellHeldUp(h *held, now time.Time) {
	at := progress{h.state, h.at}
	switch {
	case h.state == serving || h.state == refused:
		return
	case at != h.came || h.cameAt.IsZero():
		h.came, h.cameAt = at, now
		return
	case now.Sub(h.cameAt) < heldUpAfter:
		return
	}
	what := "its committed offsets are not told: a transaction on them is open"
	if h.state == restoring {
		what = fmt.Sprintf("its changelog cannot be read from offset %d to %d: a transaction on it is open, or its broker does not answer", h.at, h.target)
	}
	l.said.warn(l.log, now, "shard is held up, `accrue txn list` shows open transactions and how to end them", "shard", h.id, "why", what,
		"since", now.Sub(h.cameAt).Round(time.Second))
}
