package processor

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Timeouts of the simulated cluster, on its own clock, which does not jump when the lanes' does.
const (
	simTransactionTimeout = 2 * time.Second
	simSessionTimeout     = time.Second
	simRebalanceTimeout   = 1500 * time.Millisecond
	simRequestTimeout     = 2 * time.Second
)

// simBroker is a cluster: partitions, the coordinator of transactions, and that of the group.
type simBroker struct {
	w          *world
	partitions map[Partition]*simPartition
	names      []Partition      // of partitions, in order
	counts     map[string]int32 // partitions by topic
	writers    map[string]*simWriter
	open       []*simTxn // not ended yet
	ending     []*simTxn // ended, with markers missing
	begun      int
	group      simGroup
	down       bool
	clusterID  string
	topicID    string // of the changelog
}

func newSimBroker(w *world) *simBroker {
	b := &simBroker{
		w: w, partitions: make(map[Partition]*simPartition), counts: make(map[string]int32), writers: make(map[string]*simWriter),
		clusterID: "cluster", topicID: "changelog",
	}
	b.group = simGroup{b: b, committed: make(map[Partition]Committed)}
	for _, topic := range append(w.topics.Consumed(), w.topics.State) {
		n := w.plan.shards
		if _, input := w.topics.Inputs[topic]; input {
			n = w.plan.inputs
		}
		b.counts[topic] = n
		for i := range n {
			p := Partition{topic, i}
			b.partitions[p] = &simPartition{Partition: p}
			b.names = append(b.names, p)
		}
	}
	return b
}

// of returns the partitions of a shard that lanes read.
func (b *simBroker) of(shard int32) (parts []Partition) {
	for _, p := range b.names {
		if p.Topic != b.w.topics.State && shardOf(p, b.w.plan.shards) == shard {
			parts = append(parts, p)
		}
	}
	return parts
}

func (b *simBroker) changelog(shard int32) *simPartition {
	return b.partitions[Partition{b.w.topics.State, shard}]
}

func (b *simBroker) writer(id string) *simWriter {
	if b.writers[id] == nil {
		b.writers[id] = &simWriter{id: id}
	}
	return b.writers[id]
}

// init is InitProducerId: a new session, once what the one before it had open is settled.
func (b *simBroker) init(id string) (session int64, settled bool) {
	wr := b.writer(id)
	if t := wr.txn; t != nil {
		if t.outcome == OutcomeUnknown {
			wr.session++
			b.end(t, OutcomeAborted)
		}
		if wr.txn != nil {
			return 0, false
		}
	}
	wr.session++
	return wr.session, true
}

// fence ends whatever a writer has open.
func (b *simBroker) fence(id string) {
	if _, settled := b.init(id); !settled {
		b.writer(id).session++
	}
}

// produce takes a record of a transaction. The first one begins it.
func (b *simBroker) produce(id string, session int64, o *Output) (p *simPartition, offset int64, err error) {
	wr := b.writer(id)
	switch {
	case wr.session != session:
		return nil, 0, kerr.InvalidProducerEpoch
	case wr.txn != nil && wr.txn.outcome != OutcomeUnknown:
		return nil, 0, kerr.ConcurrentTransactions
	}
	// As late as a client reads them: what they were made in may be used again only once the transaction has ended.
	sent := *o
	sent.Key, sent.Value = bytes.Clone(o.Key), bytes.Clone(o.Value)
	p, offset = b.transaction(wr).write(b, &sent, b.w.now)
	return p, offset, nil
}

func (b *simBroker) transaction(wr *simWriter) *simTxn {
	if wr.txn == nil {
		b.begun++
		wr.txn = &simTxn{
			number: b.begun, writer: wr, since: b.w.ticks, last: make(map[*simPartition]int64), marked: make(map[*simPartition]bool),
		}
		b.open = append(b.open, wr.txn)
	}
	return wr.txn
}

// addOffsets is TxnOffsetCommit.
func (b *simBroker) addOffsets(id string, session int64, member string, generation int32, offsets map[Partition]Committed) error {
	wr := b.writer(id)
	switch {
	case wr.session != session:
		return kerr.InvalidProducerEpoch
	case wr.txn != nil && wr.txn.outcome != OutcomeUnknown:
		return kerr.ConcurrentTransactions
	}
	if err := b.group.check(member, generation); err != nil && !b.w.defect.anyGeneration {
		return err
	}
	t := b.transaction(wr)
	if t.offsets == nil {
		t.offsets = make(map[Partition]Committed)
		b.group.pending = append(b.group.pending, t)
	}
	for p, c := range offsets {
		t.offsets[p] = c
	}
	return nil
}

// endTxn is EndTxn.
func (b *simBroker) endTxn(id string, session int64, outcome Outcome) error {
	wr := b.writer(id)
	switch {
	case wr.session != session:
		return kerr.ProducerFenced
	case wr.txn == nil:
		return kerr.InvalidTxnState
	case wr.txn.outcome != OutcomeUnknown:
		return kerr.ConcurrentTransactions
	}
	b.end(wr.txn, outcome)
	return nil
}

// end settles the outcome. From now on it is true; who reads learns it with the markers.
func (b *simBroker) end(t *simTxn, outcome Outcome) {
	t.outcome = outcome
	b.open = slices.DeleteFunc(b.open, func(have *simTxn) bool { return have == t })
	t.waiting = slices.Clone(t.parts)
	if t.offsets != nil {
		t.waiting = append(t.waiting, nil)
	}
	b.w.tracef("txn %d of %s %s", t.number, t.writer.id, outcome)
	if outcome == OutcomeCommitted {
		b.w.check.committed(t)
	}
	t.notYet = make(map[*simPartition]int)
	for _, p := range t.waiting {
		if late := b.w.plan.lateMarkers; late > 0 && b.w.random.IntN(4) == 0 {
			t.notYet[p] = b.w.step + b.w.random.IntN(late)
		}
	}
	b.ending = append(b.ending, t)
	b.mark(t, -1)
}

// mark writes one marker of a transaction; with -1 none, and only looks whether it was the last.
func (b *simBroker) mark(t *simTxn, i int) {
	if i >= 0 {
		p := t.waiting[i]
		t.waiting = slices.Delete(t.waiting, i, i+1)
		if p == nil {
			b.group.settle(t)
		} else {
			t.marked[p] = true
			p.append(simEntry{at: b.w.now, txn: t, marker: true}, b.w.now)
		}
	}
	if len(t.waiting) == 0 {
		b.ending = slices.DeleteFunc(b.ending, func(have *simTxn) bool { return have == t })
		t.writer.txn = nil
	}
}

// markSome writes a marker of some transaction, unless it is one that comes late.
func (b *simBroker) markSome() {
	if len(b.ending) == 0 {
		return
	}
	t := b.ending[b.w.random.IntN(len(b.ending))]
	i := b.w.random.IntN(len(t.waiting))
	where := "the offsets"
	if t.notYet[t.waiting[i]] > b.w.step {
		return
	}
	if p := t.waiting[i]; p != nil {
		where = fmt.Sprintf("%s/%d", p.Topic, p.Partition.Partition)
	}
	b.w.tracef("marker of txn %d in %s", t.number, where)
	b.mark(t, i)
}

// pass lets the broker's time pass: what is overdue is ended.
func (b *simBroker) pass() {
	for _, t := range slices.Clone(b.open) {
		if b.w.ticks-t.since > simTransactionTimeout {
			b.w.tracef("txn %d of %s timed out", t.number, t.writer.id)
			b.w.seen("transaction timed out")
			t.writer.session++
			b.end(t, OutcomeAborted)
		}
	}
	b.group.pass()
}

// fetchOffsets is OffsetFetch: stable offsets wait for the transactions that will change them.
func (b *simBroker) fetchOffsets(parts []Partition, stable bool) (map[Partition]Committed, error) {
	found := make(map[Partition]Committed, len(parts))
	for _, p := range parts {
		for _, t := range b.group.pending {
			if _, there := t.offsets[p]; there && stable && !b.w.defect.unstable {
				return nil, kerr.UnstableOffsetCommit
			}
		}
		c, ok := b.group.committed[p]
		if !ok {
			c = Committed{Offset: NoOffset}
		}
		found[p] = c
	}
	return found, nil
}
