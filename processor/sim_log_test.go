package processor

import (
	"slices"
	"time"
)

// The simulated log: partitions of records, some of which belong to transactions that are not ended yet. It is what a broker
// keeps, as far as somebody who reads committed records can tell.

// simEntry is what lies at one offset.
type simEntry struct {
	key, value []byte
	headers    []Header
	at         time.Time // timestamp
	txn        *simTxn   // nil: written outside of transactions
	marker     bool      // the end of txn
	gone       bool      // compaction took it
	stable     time.Time // the lanes' clock when it could first be read
}

// data says that it is a record that was committed, whether or not it can be read yet.
func (e *simEntry) data() bool {
	return !e.marker && (e.txn == nil || e.txn.outcome == OutcomeCommitted)
}

// simPartition is one partition. All offsets below stable can be read; from there on some transaction has no marker yet.
type simPartition struct {
	Partition
	entries []simEntry
	start   int64 // what is below was deleted
	stable  int64
}

func (p *simPartition) end() int64 { return int64(len(p.entries)) }

func (p *simPartition) append(e simEntry, now time.Time) int64 {
	p.entries = append(p.entries, e)
	p.settle(now)
	return p.end() - 1
}

// settle moves the last stable offset.
func (p *simPartition) settle(now time.Time) {
	for ; p.stable < p.end(); p.stable++ {
		e := &p.entries[p.stable]
		if e.txn != nil && !e.txn.marked[p] {
			return
		}
		e.stable = now
	}
}

// record is an entry as a consumer gets it.
func (p *simPartition) record(offset int64) Record {
	e := &p.entries[offset]
	return Record{
		Partition: p.Partition, Offset: offset, Timestamp: e.at, Key: e.key, Value: e.value, Headers: e.headers, Control: e.marker,
	}
}

// read returns committed records from an offset on, at most so many entries further, and where to go on. Dirty reads what
// was aborted, too.
func (p *simPartition) read(from int64, most int, markers, dirty bool) (records []Record, next int64) {
	for next = max(from, p.start); next < p.stable && most > 0; next++ {
		e := &p.entries[next]
		most--
		if e.gone || (e.marker && !markers) || (!e.marker && !e.data() && !dirty) {
			continue
		}
		records = append(records, p.record(next))
	}
	return records, next
}

// compact takes away what later committed records of the same key replace, and all that was aborted.
func (p *simPartition) compact() {
	later := make(map[string]bool)
	for i := p.stable - 1; i >= p.start; i-- {
		e := &p.entries[i]
		switch {
		case e.marker:
		case !e.data(), later[string(e.key)]:
			e.gone = true
		default:
			later[string(e.key)] = true
		}
	}
}

// simTxn is one transaction, as its coordinator knows it.
type simTxn struct {
	number  int
	writer  *simWriter
	since   time.Duration // the broker's clock
	parts   []*simPartition
	last    map[*simPartition]int64 // its last record there
	outputs []Output                // to topics that no lane reads
	offsets map[Partition]Committed // nil: none were added to it
	outcome Outcome                 // unknown while it is open
	marked  map[*simPartition]bool
	waiting []*simPartition       // still without its marker; nil stands for the group's offsets
	notYet  map[*simPartition]int // steps before which their markers are not written
}

// simWriter is a transactional id. A session begins with InitProducerId and ends with the next one, or when the coordinator
// aborts what timed out; with transaction.version 2 each transaction has an epoch of its own, which comes to the same here.
type simWriter struct {
	id      string
	session int64
	txn     *simTxn // open or ending
}

// write adds a record to the transaction.
func (t *simTxn) write(b *simBroker, o *Output, now time.Time) (p *simPartition, offset int64) {
	n, log := b.counts[o.Topic]
	partition := o.Partition
	if partition == ByKey && log {
		partition = int32(murmur2(o.Key)&0x7fffffff) % n
	}
	p = b.partitions[Partition{o.Topic, partition}]
	if p == nil {
		t.outputs = append(t.outputs, *o)
		return nil, 0
	}
	if !slices.Contains(t.parts, p) {
		t.parts = append(t.parts, p)
	}
	offset = p.append(simEntry{key: o.Key, value: o.Value, headers: o.Headers, at: now, txn: t}, now)
	t.last[p] = offset
	return p, offset
}
