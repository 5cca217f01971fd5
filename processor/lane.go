package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"accrue/rules"
	"accrue/state"
)

// Lane is one consumer and one transactional producer with the shards that are assigned to it. It is a state machine: Step
// does one round and returns, Run calls Step until told to stop. It has no goroutine and no clock of its own; all it knows
// of the world comes from Kafka.Poll, LaneOptions.Now and the store, so that the same orders and answers make the same run.
type Lane struct {
	o     LaneOptions
	kafka Kafka
	log   *slog.Logger
	said  quiet // what was said lately

	ledger *rules.Ledger // of the versions that were known at the last step

	// The assignment.
	epoch   int64
	parts   map[Partition]*position
	shards  map[int32]*held
	pool    *Pool     // the memory for accounts
	letting []letting // to be let go, oldest first

	// What is followed, and what was asked for last since it is wanted here.
	standbys  map[int32]*standby
	offered   []int32
	offeredAt time.Time
	sweepAt   time.Time       // when to look for old copies next; zero: no step was done yet
	turns     map[int32]int64 // by shard, whose turn it was to write when old copies were looked for last

	// The producer, and the two transactions in flight: while one ends, the next is filled, and nothing of it is produced
	// before the outcome of the first is known.
	producer producer
	reopenAt time.Time // when to try Open again; zero: not wanted
	current  *transaction
	ending   *transaction
	number   uint64       // of the last transaction begun
	limit    int          // records a transaction; halved by aborts, doubled by commits
	used     *transaction // committed and applied: its memory is used again
	aborts   int          // in a row, of transactions that cannot be made smaller
	fenced   []time.Time
	exposed  bool      // others may have fenced the producer that is open, and were right to; see counted
	twice    error     // the id is used twice: stop with this
	twiceAt  time.Time // when to, valid with twice

	condemned map[place]*condemned // records that go to the dead letters because what comes of them does not fit

	backlog backlog // polled and not decided yet
	joined  bool
	token   int64 // numbers requests, so that an answer to an older one is told apart

	locating int64     // token of the last FetchOffsets
	locateAt time.Time // when to try it again; zero: not wanted
	attempts int       // of Open or FetchOffsets, failed in a row
	trimAt   time.Time // when to trim the effects next

	member  bool      // in the group: an Assigned was seen, if of nothing, and no Lost after it
	since   time.Time // valid while member
	trouble error     // what the client said last of its own troubles; nil: it reads
	silence error     // the brokers do not answer the client; nil: they do

	waiting  *Wait     // why nothing can be decided for now
	waitSaid bool      // to the log
	retryAt  time.Time // when to try again; valid while waiting
	stopping bool

	mu      sync.Mutex // guards what others read
	status  LaneStatus
	roundAt time.Time // of the last publish
}

// producer is where the transactional producer is in its life.
type producer int

const (
	closed producer = iota
	opening
	open
)

// NewLane returns a lane over kafka. Nothing happens before the first Step.
func NewLane(kafka Kafka, o LaneOptions) *Lane {
	o = o.withDefaults()
	return &Lane{
		o: o, kafka: kafka, log: o.Log.With("lane", o.Number), limit: o.MaxRecords,
		parts: make(map[Partition]*position), shards: make(map[int32]*held), standbys: make(map[int32]*standby),
		turns: make(map[int32]int64), pool: NewPool(o.CacheBytes),
	}
}

// Run steps until ctx ends, then finishes and commits what was decided (within StopTimeout) and leaves the group. The error
// says why the lane cannot go on: classify tells whether a new lane on a new store could. Run closes kafka.
func (l *Lane) Run(ctx context.Context) error {
	work := context.WithoutCancel(ctx) // what is under way when ctx ends is still to be finished
	defer func() {
		closing, cancel := context.WithTimeout(work, l.o.StopTimeout)
		defer cancel()
		l.kafka.Close(closing)
		l.publish()
	}()
	for ctx.Err() == nil {
		if err := l.Step(ctx); err != nil {
			return fmt.Errorf("lane %d: %w", l.o.Number, err)
		}
	}
	deadline := l.o.Now().Add(l.o.StopTimeout)
	for l.Stop(); !l.Stopped(); {
		if l.o.Now().After(deadline) {
			// What is open is fenced by whoever comes next; it is decided again there.
			l.log.Warn("stop took too long, left open what was not committed", "timeout", l.o.StopTimeout)
			return nil
		}
		if err := l.Step(work); err != nil {
			return fmt.Errorf("lane %d: stop: %w", l.o.Number, err)
		}
	}
	l.log.Info("lane stopped", "txn", l.number)
	return nil
}

// Step does one round: take what has happened, decide what was read, let time decide, give the outputs to Kafka, end the
// transaction when it is time to, and let go of shards that are wanted elsewhere. An error is final.
func (l *Lane) Step(ctx context.Context) error {
	wait, most := l.appetite(l.o.Now())
	for _, e := range l.kafka.Poll(ctx, wait, most) {
		if err := l.take(e); err != nil {
			return err
		}
	}
	now := l.o.Now()
	if l.twice != nil && !now.Before(l.twiceAt) {
		return l.twice
	}
	if err := l.decide(ctx, now); err != nil {
		return err
	}
	if err := l.advance(now); err != nil {
		return err
	}
	if err := l.applyAgain(now); err != nil {
		return err
	}
	// C1: it dies here or above. Nothing of the current transaction is committed; what was produced of it is aborted when
	// the producer is fenced or times out. The next start decides the same records again.
	l.produce()
	l.end(now)
	l.letGo()
	if err := l.followOn(now); err != nil {
		return err
	}
	l.sweep(now)
	l.ask(now)
	l.publish()
	return nil
}

// take learns of one event. All of the lane's reactions to the outside begin here.
func (l *Lane) take(e Event) error {
	switch e := e.(type) {
	case Records:
		l.trouble = nil
		l.keep(e)
		l.begun(e)
	case Assigned:
		l.assigned(e.Parts)
	case Standbys:
		l.follow(e)
	case Revoked:
		l.revoked(e.Parts)
	case Lost:
		l.lost(e.Parts)
	case Offsets:
		return l.located(e)
	case Changelog:
		return l.restore(e)
	case Ends:
		l.extents(e)
	case Opened:
		return l.opened(e.Err)
	case Flushed:
		return l.flushed(e)
	case Ended:
		return l.ended(e)
	case Silence:
		l.silent(e.Err)
	case Trouble:
		if l.trouble == nil || l.trouble.Error() != e.Err.Error() {
			l.said.warn(l.log, l.o.Now(), "kafka client in trouble, it goes on by itself", "err", e.Err)
		}
		l.trouble = e.Err
		l.exposed = true // the session may have ended: a Lost is only heard of where there was something to lose
	}
	return nil
}

// silent learns that the brokers do not answer, or that they do again (nil).
func (l *Lane) silent(err error) {
	switch {
	case err != nil:
		l.log.Warn("brokers do not answer", "err", err)
		l.exposed = true
	case l.silence != nil:
		l.log.Info("brokers answer again")
		l.trouble = nil // what is not over is said again
	}
	l.silence = err
}

// appetite says how long the next poll may wait, and how many records it may bring.
func (l *Lane) appetite(now time.Time) (wait time.Duration, records int) {
	wait = l.o.CommitInterval
	sooner := func(at time.Time) { wait = max(0, min(wait, at.Sub(now))) }
	if l.deciding() {
		next, until := l.oldest(now)
		switch {
		case next != nil && l.backlog.records >= backlogPolls*l.o.PollRecords:
			return 0, 0
		case next != nil: // of other partitions something may be there that comes first
			return 0, l.o.PollRecords
		}
		if records = l.o.PollRecords; !until.IsZero() {
			records *= backlogPolls
			sooner(until)
		}
	}
	if l.current != nil && l.ending == nil && !l.current.empty() {
		sooner(l.current.begun.Add(l.o.CommitInterval))
	}
	if l.waiting != nil {
		sooner(l.retryAt)
	}
	if l.following() {
		wait = 0
	}
	return wait, records
}

// deciding says whether records can be decided now.
func (l *Lane) deciding() bool {
	return l.producer == open && len(l.letting) == 0 && !l.stopping && l.waiting == nil && !l.full()
}

// full says that the current transaction takes no more.
func (l *Lane) full() bool {
	return l.current != nil && (l.current.records >= l.limit || l.current.size() >= l.o.MaxBytes)
}

// begin returns the transaction being filled, a new one if there is none.
func (l *Lane) begin(now time.Time) *transaction {
	if l.current == nil {
		l.number++
		l.current, l.used = newTransaction(l.used), nil
		l.current.number, l.current.epoch, l.current.begun = l.number, l.epoch, now
		l.current.report = Report{Lane: l.o.Number, Transaction: l.number, ByTopic: make(map[string]Counts), DeadLetters: make(map[string]int)}
	}
	return l.current
}

// produce gives outputs to Kafka, unless another transaction is still ending: they would become a part of it.
func (l *Lane) produce() {
	t := l.current
	if t == nil || l.ending != nil || l.producer != open || l.losing() || t.produced == len(t.outputs) {
		return
	}
	l.kafka.Produce(t.outputs[t.produced:])
	t.produced = len(t.outputs)
}

// end begins to end the current transaction if it is time to.
func (l *Lane) end(now time.Time) {
	t := l.current
	if t == nil || l.ending != nil || l.producer != open || l.losing() || t.empty() {
		return
	}
	due := l.full() || l.stopping || len(l.letting) > 0 || !now.Before(t.begun.Add(l.o.CommitInterval))
	if !due {
		return
	}
	l.stageChangelog(t)
	l.produce()
	l.current, l.ending = nil, t
	t.stage = flushing
	l.kafka.Flush()
	// C2: it dies here, or anywhere until the commit is sent. All is produced and nothing is committed: as C1.
}

// stageChangelog adds what the changelog must say about the transaction. Rows changed several times are in it once.
func (l *Lane) stageChangelog(t *transaction) {
	for h := range l.inOrder() {
		o := t.overlays[h.id]
		if o == nil {
			continue
		}
		for _, r := range o.Records() {
			t.outputs = append(t.outputs, Output{Topic: l.o.Topics.State, Partition: h.id, Key: r.Key, Value: r.Value})
		}
		t.report.Rows += o.Len()
	}
	t.report.Bytes = t.size()
}

// flushed learns that all is acknowledged, and commits: offsets of the inputs, and beside the effects offset of each shard
// that was worked on the position of its changelog.
func (l *Lane) flushed(e Flushed) error {
	t := l.ending
	if t == nil || t.stage != flushing {
		return nil // of a producer that was discarded since
	}
	if e.Err != nil {
		return l.failed(fmt.Errorf("produce transaction %d: %w", t.number, e.Err))
	}
	if l.losing() {
		t.stage, t.why = aborting, errMoved
		l.kafka.Abort()
		return nil
	}
	t.offsets = make(map[int32]int64, len(t.overlays))
	for id, o := range t.overlays {
		t.offsets[id] = l.shards[id].position
		if o.Len() == 0 {
			continue
		}
		last, ok := e.Acked[id]
		if !ok || last < l.shards[id].position {
			return l.failed(fmt.Errorf("produce transaction %d: %d changelog records of shard %d were acknowledged without an offset above %d",
				t.number, o.Len(), id, l.shards[id].position))
		}
		t.offsets[id] = last + 1
	}
	t.stage = committing
	l.kafka.Commit(Commit{Epoch: t.epoch, Offsets: l.commitOffsets(t)})
	// C3: it dies here, or anywhere until the answer is taken. The transaction is open, committed or aborted. The next start
	// fences its producer, which settles it, and reads offsets and positions of one truth.
	return nil
}

// commitOffsets are the offsets that a transaction commits. Each shard that was worked on has its effects offset among them,
// moved or not, because the position stands beside it. So it does where only markers of the effects were passed: an offset
// committed without its position would take away the one that stands there.
func (l *Lane) commitOffsets(t *transaction) map[Partition]Committed {
	offsets := make(map[Partition]Committed, len(t.next)+len(t.overlays))
	for p, next := range t.next {
		c := Committed{Offset: next}
		if h := l.shards[p.shard]; p.Topic == l.o.Topics.Effects {
			c.Metadata = l.metadata(h, h.position)
		}
		offsets[p.Partition] = c
	}
	for id := range t.overlays {
		effects := Partition{l.o.Topics.Effects, id}
		c, moved := offsets[effects]
		if !moved {
			c.Offset = max(0, l.parts[effects].committed)
		}
		c.Metadata = l.metadata(l.shards[id], t.offsets[id])
		offsets[effects] = c
	}
	return offsets
}

// metadata is what stands beside the committed effects offset of a shard whose changelog is at position.
func (l *Lane) metadata(h *held, position int64) string {
	return metadata{Position: position, Writer: l.o.TransactionalID, ClusterID: h.clusterID, TopicID: h.topicID}.String()
}

// ended learns the outcome of a transaction.
func (l *Lane) ended(e Ended) error {
	t := l.ending
	if t == nil || (t.stage != committing && t.stage != aborting) {
		return nil // of a producer that was discarded since
	}
	switch {
	case e.Outcome == OutcomeCommitted:
		// C4: it dies here, before the store has it. The changelog is ahead of the store, which catches up.
		t.stage = committed
		if err := l.apply(t, l.o.Now()); err != nil {
			return err
		}
		if e.Discard {
			return l.recover(e.Outcome, e.Err)
		}
		return nil
	case e.Outcome == OutcomeAborted && !e.Discard:
		l.rewind(cmp.Or(t.why, e.Err))
		return nil
	}
	l.counted(e.Err, t)
	return l.recover(e.Outcome, cmp.Or(t.why, e.Err))
}

// apply takes a committed transaction into the store, one batch a shard, and learns that its inputs are done with. A disk
// that is full or slow is waited for: the transaction is committed, and its overlays go on being read.
func (l *Lane) apply(t *transaction, now time.Time) error {
	for h := range l.inOrder() {
		id, o := h.id, t.overlays[h.id]
		if o == nil {
			continue
		}
		p := state.Position{ClusterID: h.clusterID, TopicID: h.topicID, Offset: t.offsets[id], AppliedAt: now}
		// Where a sibling has the shard by now, it has read this in the changelog.
		if _, err := l.write(id, func() error { return h.store.Apply(o, p) }); err != nil {
			err = fmt.Errorf("apply transaction %d to shard %d at changelog offset %d: %w", t.number, id, p.Offset, err)
			if classify(err) == RemedyReopen || errors.Is(err, state.ErrPosition) {
				return err
			}
			l.wait(UnreadyDisk, err, now.Add(time.Second))
			return nil
		}
		h.position = p.Offset
		h.shard.Applied(o)
		t.applied(id)
	}
	// C5: it dies here. The store may lose what it did not flush: it falls back to a batch boundary, and catches up.
	for p, next := range t.next {
		p.committed = next
	}
	l.ending, l.used = nil, t
	l.limit, l.aborts = min(2*l.limit, l.o.MaxRecords), 0
	l.pardon()
	t.report.Took = now.Sub(t.begun)
	for h := range l.inOrder() {
		if h.shard != nil {
			t.report.CacheHits += h.shard.accounts.hits
			t.report.CacheMisses += h.shard.accounts.misses
			t.report.FactsRead += h.shard.accounts.facts
			h.shard.accounts.hits, h.shard.accounts.misses, h.shard.accounts.facts = 0, 0, 0
		}
	}
	if !t.oldest.IsZero() && l.behind() {
		t.report.Lag = max(0, now.Sub(t.oldest))
	}
	l.o.Observer.Committed(t.report)
	return nil
}

// applyAgain tries once more to apply what is committed.
func (l *Lane) applyAgain(now time.Time) error {
	if l.ending == nil || l.ending.stage != committed || now.Before(l.retryAt) {
		return nil
	}
	l.goOn()
	return l.apply(l.ending, now)
}

// wait stops deciding until at; what is one of the Unready words. Membership, heartbeats and what is ending go on.
func (l *Lane) wait(what string, why error, at time.Time) {
	w := &Wait{what, why}
	if l.waiting == nil || l.waiting.For != what {
		if _, ok := l.said.due("waiting for "+what, l.o.Now()); ok {
			l.log.Warn("waiting, nothing is decided", "for", what, "err", why)
			l.waitSaid = true
		}
		l.o.Observer.Waiting(l.o.Number, w)
	}
	l.waiting, l.retryAt = w, at
}

// goOn ends wait.
func (l *Lane) goOn() {
	if l.waiting != nil {
		if l.waitSaid {
			l.log.Info("going on", "waited_for", l.waiting.For)
			l.waitSaid = false
		}
		l.o.Observer.Waiting(l.o.Number, nil)
	}
	l.waiting, l.retryAt = nil, time.Time{}
}

// inOrder yields the shards by number, so that what is done with each is done in the same order in every run.
func (l *Lane) inOrder() iter.Seq[*held] {
	return func(yield func(*held) bool) {
		for id := range l.o.Shards {
			if h := l.shards[id]; h != nil && !yield(h) {
				return
			}
		}
	}
}

// Stop makes the following steps decide nothing more and end what is open.
func (l *Lane) Stop() { l.stopping = true }

// Stopped says that after Stop nothing is open any more. What cannot be committed for want of a producer is not waited for.
func (l *Lane) Stopped() bool {
	return l.stopping && l.ending == nil && (l.current == nil || l.current.empty() || l.producer != open)
}
