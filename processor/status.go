package processor

import (
	"fmt"
	"slices"
)

// LaneStatus is what a lane is doing, for readiness and for people.
type LaneStatus struct {
	Lane    int
	Member  bool          // it is in the group
	Trouble error         // what its Kafka client said last of troubles that are not over; nil: none
	Waiting error         // nil: it decides
	Shards  []ShardStatus // assigned ones, by number, then those that are followed
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

// NotReady returns why the lane is not ready, a reason each; none: all its shards are served and nothing is waited for.
func (s *LaneStatus) NotReady() []string {
	var why []string
	if s.Waiting != nil {
		why = append(why, s.Waiting.Error())
	}
	switch {
	case s.Trouble != nil:
		why = append(why, s.Trouble.Error())
	case !s.Member:
		why = append(why, fmt.Sprintf("lane %d is not in the group yet", s.Lane))
	}
	for _, shard := range s.Shards {
		switch {
		case shard.Standby: // nobody waits for it here
		case shard.Why != nil:
			why = append(why, shard.Why.Error())
		case shard.State != serving.String():
			why = append(why, fmt.Sprintf("shard %d is %s", shard.Shard, shard.State))
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
	return s
}

// publish makes the status of now the one that others see.
func (l *Lane) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Lane, l.status.Member, l.status.Trouble, l.status.Waiting = l.o.Number, l.member, l.trouble, l.waiting
	l.status.Shards = l.status.Shards[:0]
	for h := range l.inOrder() {
		position := h.position
		if h.state == restoring {
			position = h.at
		}
		l.status.Shards = append(l.status.Shards, ShardStatus{Shard: h.id, State: h.state.String(), Position: position, Why: h.why})
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
