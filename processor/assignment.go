package processor

import (
	"slices"
	"time"

	"accrue/state"
)

// position is how far a partition is read.
type position struct {
	Partition
	shard     int32
	committed int64 // next offset, as committed; NoOffset: nothing is
	next      int64 // next offset to decide; NoOffset: wherever the group begins
	first     int64 // the first offset that was seen while nothing was committed; NoOffset: none yet
	queue     queue // polled and not decided yet
	// When an event was decided that had happened more than TimersQuiet before, and when another; see bygone.
	stale, fresh time.Time
}

// heldState is how far a shard has come on its way to be served.
type heldState int

const (
	awaiting  heldState = iota // its committed offsets are not known yet
	restoring                  // it catches up with its changelog
	serving                    // its records are decided
	refused                    // it cannot be served; see held.why
	following                  // it is another's, and its changelog is read all the time (standby.go)
)

func (s heldState) String() string {
	return [...]string{"awaiting", "restoring", "serving", "refused", "following"}[s]
}

// held is a shard that is assigned to this lane.
type held struct {
	id    int32
	state heldState
	parts []*position
	store *state.Shard
	shard *Shard // while serving, and from then on

	// position is where its changelog stands after all that is committed; of which changelog the ids say.
	position           int64
	clusterID, topicID string

	copied  bool            // it was followed here until it was assigned
	seek    bool            // its partitions were polled before, and must be set back before they are polled again
	trimmed int64           // effects below are let go
	fenceAt time.Time       // when to look again for the one who holds its offsets up
	catchUp                 // while restoring
	timers  timers          // while serving
	ends    int64           // token of the request for its inputs' ends, for the backlog; 0: none
	why     error           // while refused
	starved time.Time       // since when its inputs may wait for a budget; zero: they need not
	stopped map[string]bool // members whose account went no further when it was last needed

	// How far it had come when it was last seen to come further, and when that was; see tellHeldUp.
	came   progress
	cameAt time.Time
}

// progress is how far a shard is on its way to be served.
type progress struct {
	state heldState
	at    int64 // of the changelog
}

// letting is a set of partitions that must be let go.
type letting struct {
	parts []Partition
	lost  bool // they are gone already, and nothing can be committed for them
}

// assigned takes partitions in. They are paused; their committed offsets follow.
func (l *Lane) assigned(parts []Partition) {
	if !l.member {
		l.since = l.o.Now()
	}
	l.member, l.trouble = true, nil
	for _, part := range parts {
		p := &position{Partition: part, shard: shardOf(part, l.o.Shards), committed: NoOffset, next: NoOffset, first: NoOffset}
		l.parts[part] = p
		h := l.shards[p.shard]
		if h == nil {
			h = &held{id: p.shard, store: l.o.Store.Shard(p.shard), copied: l.standbys[p.shard] != nil}
			l.unfollow(p.shard)
			l.o.Writers.take(p.shard, l.o.Number)
			l.shards[p.shard] = h
			l.log.Info("shard assigned", "shard", h.id)
		}
		h.parts = append(h.parts, p)
	}
}

// revoked is told that partitions are wanted elsewhere. Until they are let go, they are still ours: what was decided for them
// is committed first (end, letGo).
func (l *Lane) revoked(parts []Partition) { l.letting = append(l.letting, letting{parts: parts}) }

// lost is told that the group went on without this member.
func (l *Lane) lost(parts []Partition) {
	l.member, l.exposed = false, true
	l.letting = append(l.letting, letting{parts: parts, lost: true})
}

// losing says that partitions are lost and not let go yet: nothing that is open may be committed.
func (l *Lane) losing() bool {
	return slices.ContainsFunc(l.letting, func(g letting) bool { return g.lost })
}

// letGo lets partitions go as soon as no transaction is open: after the commit of what was decided for them or, where they
// are lost already, after everything is dropped. The store keeps the shard, as a copy that is soon old.
func (l *Lane) letGo() {
	for len(l.letting) > 0 && l.ending == nil {
		t := l.current
		switch {
		case t == nil:
		case l.losing() && t.produced > 0 && l.producer == open:
			l.current, l.ending = nil, t
			t.stage, t.why = aborting, errMoved
			l.kafka.Abort()
			return
		case l.losing():
			l.drop()
			l.seekServed()
		case !t.empty():
			return // end has it
		}
		for _, part := range l.letting[0].parts {
			l.forget(part)
		}
		l.letting = l.letting[1:]
		l.epoch = l.kafka.Release()
		if l.current != nil {
			l.current.epoch = l.epoch // it is empty: only markers were read
		}
		// An answer on its way may be of before others had what is assigned here again by then: it is not for them.
		l.locating = 0
		if l.producer == open {
			l.locate()
		}
	}
}

// forget takes a partition out, and its shard with the last one.
func (l *Lane) forget(part Partition) {
	p := l.parts[part]
	if p == nil {
		return
	}
	delete(l.parts, part)
	l.backlog.forget(p)
	if l.current != nil {
		delete(l.current.next, p)
		delete(l.current.overlays, p.shard) // without rows, or the transaction would not be empty
	}
	h := l.shards[p.shard]
	h.parts = slices.DeleteFunc(h.parts, func(have *position) bool { return have == p })
	if len(h.parts) > 0 {
		return
	}
	delete(l.shards, h.id)
	if h.shard != nil {
		h.shard.accounts.clear() // the others have their memory
	}
	l.o.Writers.leave(h.id, l.o.Number)
	l.log.Info("shard released", "shard", h.id, "offset", h.position)
	l.o.Observer.Released(l.o.Number, h.id)
}
