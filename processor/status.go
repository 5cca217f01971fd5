package processor

import (
	"fmt"
	"slices"
	"time"
)

// LaneStatus is what a lane is doing, for readiness, metrics and people.
type LaneStatus struct {
	Lane    int
	Member  bool          // it is in the group
	Silence error         // the brokers do not answer its client; nil: they do
	Trouble error         // what its Kafka client said last of troubles that are not over; nil: none
	Waiting *Wait         // nil: it decides
	Stalled time.Duration // for how long it has not come round, if that is too long: something holds its loop up
	Shards  []ShardStatus // assigned ones, by number, then those that are followed

	Accounts        int           // in memory
	AccountBytes    int64         // what they take
	StoppedAccounts int           // of members whose account went no further when it was last needed
	TimersLate      time.Duration // how long ago the oldest due time passed that has not fired; 0: none is due
}

// ShardStatus is one shard of a lane.
type ShardStatus struct {
	Shard    int32
	State    string // awaiting, restoring, serving, refused; following
	Standby  bool   // another instance serves it, this one keeps a copy
	Position int64  // in its changelog
	Lag      int64  // changelog offsets that a copy lacks, as of the last look; -1: not known yet
	Why      error  // of a refused one
}

// Wait is why a lane decides nothing for now.
type Wait struct {
	For string // one of the Unready words: what is waited for
	Err error
}

func (w *Wait) Error() string { return w.Err.Error() }
func (w *Wait) Unwrap() error { return w.Err }

// The words for why a process is not ready.
const (
	UnreadyStarting  = "starting"  // it opens its store, or has not begun
	UnreadyBrokers   = "brokers"   // they do not answer, or not as they should
	UnreadyRegistry  = "registry"  // the schema registry does not answer
	UnreadyDisk      = "disk"      // the store takes nothing in
	UnreadyControl   = "control"   // it cannot be told whether a version of the programme was published
	UnreadyStalled   = "stalled"   // a lane does not come round: its disk is slow, or an account very large
	UnreadyGroup     = "group"     // a lane is not in the group
	UnreadyRestoring = "restoring" // a shard is on its way to its committed position
	UnreadyRefused   = "refused"   // a shard cannot be served, see the log
)

// UnreadyWords lists all of them.
func UnreadyWords() []string {
	return []string{UnreadyStarting, UnreadyBrokers, UnreadyRegistry, UnreadyDisk, UnreadyControl, UnreadyStalled, UnreadyGroup, UnreadyRestoring, UnreadyRefused}
}

// Unready is one reason why a process is not ready.
type Unready struct {
	Word string // one of the Unready words
	Text string // for people
}

// Unready returns why the lane is not ready, a reason each; none: all its shards are served and nothing is waited for.
func (s *LaneStatus) Unready() []Unready {
	var why []Unready
	add := func(word, text string) { why = append(why, Unready{word, text}) }
	if s.Waiting != nil {
		add(s.Waiting.For, s.Waiting.Error())
	}
	if s.Stalled > 0 {
		add(UnreadyStalled, fmt.Sprintf("lane %d has not come round for %s: the store's disk is slow, or an account very large", s.Lane, s.Stalled.Round(time.Second)))
	}
	switch {
	case s.Silence != nil:
		add(UnreadyBrokers, fmt.Sprintf("lane %d: %s", s.Lane, s.Silence))
	case s.Trouble != nil:
		add(UnreadyBrokers, s.Trouble.Error())
	case !s.Member:
		add(UnreadyGroup, fmt.Sprintf("lane %d is not in the group yet", s.Lane))
	}
	for _, shard := range s.Shards {
		switch {
		case shard.Standby: // nobody waits for it here
		case shard.Why != nil:
			add(UnreadyRefused, shard.Why.Error())
		case shard.State != serving.String():
			add(UnreadyRestoring, fmt.Sprintf("shard %d is %s", shard.Shard, shard.State))
		}
	}
	return why
}

// Status returns what the lane was doing after its last step. Safe for any goroutine.
func (l *Lane) Status() LaneStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Shards = slices.Clone(s.Shards)
	if since := l.o.Now().Sub(l.roundAt); !l.roundAt.IsZero() && since > stalledAfter {
		s.Stalled = since
	}
	return s
}

// stalledAfter is how long a lane may take for a round. What it waits for itself is bounded by less.
const stalledAfter = 5 * time.Second

// publish makes the status of now the one that others see.
func (l *Lane) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roundAt = l.o.Now()
	l.status = LaneStatus{
		Lane: l.o.Number, Member: l.member, Silence: l.silence, Trouble: l.trouble, Waiting: l.waiting, Shards: l.status.Shards[:0],
	}
	for h := range l.inOrder() {
		position := h.position
		if h.state == restoring {
			position = h.at
		}
		l.status.Shards = append(l.status.Shards, ShardStatus{Shard: h.id, State: h.state.String(), Position: position, Why: h.why})
		l.status.StoppedAccounts += len(h.stopped)
		if h.state == serving {
			l.status.Accounts += len(h.shard.accounts.byMember)
			l.status.AccountBytes += h.shard.accounts.bytes
			l.status.TimersLate = max(l.status.TimersLate, h.timers.late)
		}
	}
	for s := range l.followed() {
		lag := int64(-1)
		if s.known {
			lag = s.lag
		}
		l.status.Shards = append(l.status.Shards, ShardStatus{
			Shard: s.id, State: s.state.String(), Standby: true, Position: s.at, Lag: lag, Why: s.why,
		})
	}
}
