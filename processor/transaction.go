package processor

import (
	"time"

	"accrue/state"
)

// stage is how far a transaction has come.
type stage int

const (
	filling    stage = iota // records are decided into it
	flushing                // all is produced and must be acknowledged
	committing              // its offsets and its end are on their way
	aborting                // it is being dropped
	committed               // it is committed and not yet in the store
)

func (s stage) String() string {
	return [...]string{"filling", "flushing", "committing", "aborting", "committed"}[s]
}

// transaction is what a lane decided since the last one: outputs, changes of state, and up to where the inputs were read.
// All of it becomes true together or not at all.
type transaction struct {
	number uint64 // counts this lane's transactions
	epoch  int64  // assignment epoch in which it was begun
	begun  time.Time
	stage  stage

	outputs  []Output
	produced int       // outputs given to Kafka already
	bytes    int64     // of outputs; those of the changelog are in overlays
	records  int       // input records in it
	last     place     // of them; valid where there are any
	oldest   time.Time // timestamp of the oldest of them; zero: none

	overlays map[int32]*state.Overlay // by shard, for each that was worked on
	next     map[*position]int64      // offsets that the inputs are read up to

	// offsets are the changelog positions that it leaves the shards at; known after the flush.
	offsets map[int32]int64

	why    error // why it is being dropped, while aborting
	report Report

	wire  state.Arena      // the bytes of outputs
	spare []*state.Overlay // of the committed transaction whose memory it has
}

// newTransaction returns an empty one, in the memory of `used` if that is given: a transaction that is committed and applied.
// Then nobody holds its outputs any more, as all were acknowledged, nor reads its overlays.
func newTransaction(used *transaction) *transaction {
	t := &transaction{overlays: make(map[int32]*state.Overlay), next: make(map[*position]int64)}
	if used == nil {
		return t
	}
	clear(used.outputs)
	t.outputs, t.wire, t.spare = used.outputs[:0], used.wire, used.spare
	t.wire.Reset()
	return t
}

// overlay returns the changes of a shard, and opens the shard for changes if it is not yet.
func (t *transaction) overlay(h *held) *state.Overlay {
	o := t.overlays[h.id]
	if o == nil {
		if n := len(t.spare); n > 0 {
			o, t.spare = t.spare[n-1], t.spare[:n-1]
		} else {
			o = state.NewOverlay()
		}
		t.overlays[h.id] = o
		h.shard.Begin(o, t.number)
	}
	return o
}

// applied says that the store has the changes of a shard.
func (t *transaction) applied(shard int32) {
	o := t.overlays[shard]
	delete(t.overlays, shard)
	o.Reset()
	t.spare = append(t.spare, o)
}

// add takes an output in.
func (t *transaction) add(o Output) {
	t.outputs = append(t.outputs, o)
	t.bytes += o.bytes()
}

// size is the bytes that it produces, changelog included.
func (t *transaction) size() int64 {
	n := t.bytes
	for _, o := range t.overlays {
		n += int64(o.Bytes() + o.Len()*recordOverhead)
	}
	return n
}

// empty says that there is nothing to write. Then there is nothing to commit: what was read were markers. (A transaction in
// which nothing was produced is not known to the broker; to commit offsets in one leaves them pending for good.)
func (t *transaction) empty() bool {
	if len(t.outputs) > 0 {
		return false
	}
	for _, o := range t.overlays {
		if o.Len() > 0 {
			return false
		}
	}
	return true
}
