package processor

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
)

// standby is a shard that this lane follows: it reads the changelog into the store all the time, so that whoever takes the
// shard over here reads the tail only. It serves nothing and commits nothing. What it has in common with a shard that is
// restored is its held, whose state is following or refused.
type standby struct {
	held
	wanted  bool // the leader waits for this lane to be near
	writing bool // it is the shard's writer: a sibling may have the shard, or follow it still
	failing bool // the changelog could not be read when it was tried last

	piece   *Changelog // what was read and is not in the store yet; nil: an answer is awaited
	known   bool       // lag is known
	lag     int64      // offsets that it lacks, as of the last answer
	heard   time.Time  // when the last answer came, or the store last took something in; zero: never
	caught  bool       // it was near before
	least   int64      // lag to come below, or the shard is taken as it is
	leastAt time.Time  // since when
}

const (
	// followPause is how often a changelog is looked at whose end is near: about what a takeover has to read.
	followPause = 500 * time.Millisecond
	// followSlice is how many changelog records go into the store between two batches.
	followSlice = 1000
	// patience is how long a shard that is wanted may be no tenth nearer.
	patience = time.Minute
	// offerAgain is how soon a lane may ask for the same shards again, should it not be given them.
	offerAgain = 10 * time.Second
)

// near says that a takeover would take no time to speak of.
func (s *standby) near() bool {
	return s.state == following && s.known && !s.failing && s.lag <= positionGrain
}

// ready says whether this lane should have the shard, if it is wanted: it is near, or not going to be.
func (s *standby) ready(now time.Time) bool {
	return s.near() || s.wanted && s.state == following && s.known && !s.failing && now.Sub(s.leastAt) >= patience
}

// stuck says that nobody should wait for it.
func (s *standby) stuck(now time.Time) bool {
	return s.state == refused || s.failing && now.Sub(s.leastAt) >= patience
}

// follow takes in which shards are to be followed from now on.
func (l *Lane) follow(e Standbys) {
	for s := range l.followed() {
		if !slices.Contains(e.Shards, s.id) {
			l.unfollow(s.id)
		}
	}
	for _, id := range e.Shards {
		s := l.standbys[id]
		if s == nil {
			s = &standby{held: held{id: id, state: following, store: l.o.Store.Shard(id)}}
			l.standbys[id] = s
		}
		if wanted := slices.Contains(e.Wanted, id); wanted != s.wanted {
			s.wanted, s.least, s.leastAt = wanted, math.MaxInt64, l.o.Now()
		}
	}
}

// unfollow stops following a shard. What is in the store stays there.
func (l *Lane) unfollow(id int32) {
	s := l.standbys[id]
	if s == nil {
		return
	}
	delete(l.standbys, id)
	if s.writing {
		l.log.Info("shard is followed no longer", "shard", id, "offset", s.at)
		l.o.Writers.leave(id, l.o.Number)
		l.o.Observer.Unfollowed(l.o.Number, id)
	}
}

// followed yields the shards that are followed, by number.
func (l *Lane) followed() iter.Seq[*standby] {
	return func(yield func(*standby) bool) {
		for id := range l.o.Shards {
			if s := l.standbys[id]; s != nil && !yield(s) {
				return
			}
		}
	}
}

// following says that there is something to take into the store, so that the next poll need not wait.
func (l *Lane) following() bool {
	for s := range l.followed() {
		if s.piece != nil && s.retryAt.IsZero() {
			return true
		}
	}
	return false
}

// followOn brings each shard that is followed a step on, and asks for those that are wanted here once they are near.
func (l *Lane) followOn(now time.Time) error {
	if l.stopping {
		return nil
	}
	for s := range l.followed() {
		if err := l.followShard(s, now); err != nil {
			return err
		}
	}
	l.offer(now)
	return nil
}

func (l *Lane) followShard(s *standby, now time.Time) error {
	due := !s.retryAt.IsZero() && !now.Before(s.retryAt)
	switch {
	case s.state == refused || l.shards[s.id] != nil:
		return nil // in the second case it is about to be let go here, and followed then
	case !s.writing:
		return l.beginFollowing(s)
	case s.piece != nil && (due || s.retryAt.IsZero()):
		s.retryAt = time.Time{}
		return l.followPiece(s, now)
	case due:
		s.retryAt = time.Time{}
		l.read(&s.held)
	}
	return nil
}

// beginFollowing reads on from where the store is.
func (l *Lane) beginFollowing(s *standby) error {
	if !l.o.Writers.follow(s.id, l.o.Number) {
		return nil // a sibling has it; later again
	}
	stored, have, err := s.store.Position()
	if err != nil {
		return fmt.Errorf("follow shard %d: read its position: %w", s.id, err)
	}
	s.writing = true
	s.catchUp, s.known = catchUp{target: NoOffset}, false
	if have {
		s.stored, s.at, s.heard = &stored, stored.Offset, stored.AppliedAt
	}
	l.log.Info("shard is followed", "shard", s.id, "offset", s.at, "wanted", s.wanted)
	l.read(&s.held)
	return nil
}

// followedOn takes an answer in.
func (l *Lane) followedOn(s *standby, e *Changelog) error {
	now := l.o.Now()
	if e.Err != nil {
		if !s.failing {
			l.log.Warn("changelog of a shard that is followed cannot be read, trying again", "shard", s.id, "offset", s.at, "err", e.Err)
		}
		s.failing, s.retryAt = true, now.Add(retryPauseMax)
		return nil
	}
	s.failing = false
	s.clusterID, s.topicID = e.ClusterID, e.TopicID
	if why := l.mismatch(&s.held, e); why != nil {
		l.refuse(&s.held, why)
		return nil
	}
	if !s.heard.IsZero() && now.Sub(s.heard) > l.o.StaleAfter && e.HighWatermark > s.at {
		return l.followAnew(s, now)
	}
	s.piece = e // the first slice with this step
	return nil
}

// followAnew drops a copy that slept: tombstones of what was deleted meanwhile may be gone from the changelog by now.
func (l *Lane) followAnew(s *standby, now time.Time) error {
	l.log.Warn("store slept for too long, following from the beginning", "shard", s.id, "slept", now.Sub(s.heard).Round(time.Minute))
	is, err := l.write(s.id, s.store.Drop)
	switch {
	case err != nil && classify(err) == RemedyReopen:
		return fmt.Errorf("follow shard %d: drop a store that slept: %w", s.id, err)
	case err != nil:
		l.log.Warn("store takes nothing in, trying again", "shard", s.id, "err", err)
		s.retryAt = now.Add(time.Second)
		return nil
	case !is:
		return nil
	}
	s.stored, s.at, s.heard, s.known = nil, 0, now, false
	l.read(&s.held)
	return nil
}

// followPiece takes a slice of what was read into the store. After the last slice it is known how far behind the copy is.
func (l *Lane) followPiece(s *standby, now time.Time) error {
	slice := *s.piece
	if len(slice.Records) > followSlice {
		slice.Next = slice.Records[followSlice].Offset // everything below is in the slice, or was never delivered
		slice.Records = slice.Records[:followSlice]
	}
	if err := l.replay(&s.held, &slice, now); err != nil || s.state == refused || !s.writing || !s.retryAt.IsZero() {
		return err
	}
	s.piece.Records = s.piece.Records[len(slice.Records):]
	if s.at < s.piece.Next {
		return nil // the next slice with the next step
	}
	s.lag, s.piece, s.heard = max(0, s.piece.HighWatermark-s.at), nil, now
	l.learnLag(s, now)
	if s.stored != nil && now.Sub(s.stored.AppliedAt) > l.o.StaleAfter/8 {
		// Nothing was new for long, which the store should know: else the copy would look like one that slept.
		if err := l.replayRecords(&s.held, nil, s.at, now); err != nil {
			return err
		}
	}
	if s.near() || len(slice.Records) == 0 {
		s.retryAt = now.Add(followPause)
		return nil
	}
	l.read(&s.held)
	return nil
}

// learnLag says how far behind a copy is.
func (l *Lane) learnLag(s *standby, now time.Time) {
	s.known = true
	l.o.Observer.Followed(l.o.Number, s.id, s.lag)
	if s.lag <= s.least-s.least/10 {
		s.least, s.leastAt = s.lag, now
	}
	if s.near() && !s.caught {
		s.caught = true
		l.log.Info("copy of a shard is near its end", "shard", s.id, "offset", s.at, "lag", s.lag)
	}
}

// offer asks for the shards that are wanted here once each of them is ready, if it was not done lately.
func (l *Lane) offer(now time.Time) {
	var wanted, ready []int32
	waits := false
	for s := range l.followed() {
		is := s.ready(now)
		if is {
			ready = append(ready, s.id)
		}
		if s.wanted && (is || !s.stuck(now)) {
			wanted = append(wanted, s.id)
			waits = waits || !is
		}
	}
	if len(wanted) == 0 || waits || slices.Equal(wanted, l.offered) && now.Sub(l.offeredAt) < offerAgain {
		return
	}
	l.offered, l.offeredAt = wanted, now
	l.log.Info("asking for shards whose copies are near their ends", "shards", fmt.Sprint(wanted))
	l.kafka.Rejoin(ready)
}

// write does a write to the store on behalf of a shard that is assigned or followed here, if nobody else is its writer by now.
func (l *Lane) write(id int32, f func() error) (is bool, err error) {
	is, err = l.o.Writers.write(id, l.o.Number, f)
	if is {
		return true, err
	}
	if s := l.standbys[id]; s != nil {
		s.writing, s.piece = false, nil // it begins again once it may
	} else {
		l.log.Warn("shard is another lane's by now, which the group has still to say", "shard", id)
	}
	return false, nil
}
