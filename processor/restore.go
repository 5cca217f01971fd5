package processor

import (
	"errors"
	"fmt"
	"time"

	"accrue/state"
)

// catchUp is a shard's way to the position that its committed offsets name.
type catchUp struct {
	token   int64
	at      int64     // next changelog offset to read
	target  int64     // serve it once at is here; NoOffset: the high watermark of the first answer
	bounded bool      // the first answer was looked at
	retryAt time.Time // when to ask again after an error; zero: an answer is on its way

	// What the offset's metadata and the store say of the changelog, to be compared with what is found.
	committed *metadata
	stored    *state.Position

	begun time.Time // when the changelog was first asked for
	did   Restoration
}

// located learns where shards stand. Offsets and metadata of a shard come in one answer: taken apart, the offsets could be
// those after a transaction and the position the one before it.
func (l *Lane) located(e Offsets) error {
	if e.Token != 0 && e.Token != l.locating {
		return nil // asked again since
	}
	if e.Err != nil {
		if classify(e.Err) == RemedyStop {
			return fmt.Errorf("fetch committed offsets: %w", e.Err)
		}
		l.said.warn(l.log, l.o.Now(), "committed offsets cannot be told yet, asking again", "err", e.Err)
		if e.Token != 0 {
			l.locateAt = l.o.Now().Add(l.pause())
		}
		return nil
	}
	if e.Token != 0 {
		l.attempts = 0
	}
	for h := range l.inOrder() {
		if err := l.locatedShard(h, e.Parts); err != nil {
			return err
		}
	}
	return nil
}

// locatedShard takes the offsets of one shard, where they are among the answer.
func (l *Lane) locatedShard(h *held, parts map[Partition]Committed) error {
	if h.state != awaiting {
		// Served already: partitions that an input topic got on top need no catching up.
		var more []Partition
		for _, p := range h.parts {
			if c, ok := parts[p.Partition]; ok && h.state == serving && p.committed == NoOffset && p.next == NoOffset {
				p.committed, p.next = c.Offset, c.Offset
				more = append(more, p.Partition)
			}
		}
		if len(more) > 0 {
			l.kafka.Resume(more)
		}
		return nil
	}
	effects, ok := parts[Partition{l.o.Topics.Effects, h.id}]
	if !ok {
		return nil
	}
	for _, p := range h.parts {
		if c, ok := parts[p.Partition]; ok {
			p.committed, p.next = c.Offset, c.Offset
		}
	}
	return l.startRestore(h, effects.Metadata)
}

// startRestore asks for the changelog from where the store stands.
func (l *Lane) startRestore(h *held, text string) error {
	m, there, err := parseMetadata(text)
	if err != nil {
		l.refuse(h, &ShardRefused{
			Shard: h.id, Topic: l.o.Topics.Effects, Found: err.Error(), Expected: "what this version writes",
			Hint: "run the version that wrote it, or reset the metadata by committing the same offset with a tool",
		})
		return nil //nolint:nilerr // the shard is refused with it
	}
	stored, have, err := h.store.Position()
	if err != nil {
		return fmt.Errorf("restore shard %d: read its position: %w", h.id, err)
	}
	cause, why := CausedByRestart, "intact disk: since the last flush"
	switch {
	case h.shard != nil:
		cause, why = CausedByDoubt, "memory dropped: what was committed meanwhile"
	case h.copied && have:
		cause, why = CausedByTakeover, "followed so far: the tail"
	case !have:
		cause, why = CausedByNothing, "empty disk: all"
	}
	h.catchUp = catchUp{target: NoOffset, begun: l.o.Now(), did: Restoration{Lane: l.o.Number, Shard: h.id, Cause: cause, Why: why}}
	if there {
		h.committed, h.target = &m, m.Position
	}
	if have {
		h.stored, h.at = &stored, stored.Offset
	}
	h.did.From = h.at
	h.state = restoring
	l.read(h)
	return nil
}

// read asks for the next piece.
func (l *Lane) read(h *held) {
	l.token++
	h.token = l.token
	l.kafka.ReadChangelog(h.token, h.id, h.at)
}

// restore takes a piece of a changelog in, and serves the shard once it is at its position. C6: it dies between two pieces.
// The store holds a prefix with its position in the same batch, and goes on from there.
func (l *Lane) restore(e Changelog) error {
	if s := l.standbys[e.Shard]; s != nil && s.state == following && s.token == e.Token {
		return l.followedOn(s, &e)
	}
	h := l.shards[e.Shard]
	if h == nil || h.state != restoring || h.token != e.Token {
		return nil
	}
	now := l.o.Now()
	if e.Err != nil {
		l.said.warn(l.log, now, "changelog cannot be read, trying again", "shard", h.id, "offset", h.at, "err", e.Err)
		h.retryAt = now.Add(retryPause)
		return nil //nolint:nilerr // it is tried again
	}
	if !h.bounded {
		h.bounded = true
		if again, err := l.checkChangelog(h, &e, now); again || err != nil {
			return err
		}
	}
	if err := l.replay(h, &e, now); err != nil || h.state != restoring || !h.retryAt.IsZero() {
		return err
	}
	if h.at < h.target {
		l.read(h)
		return nil
	}
	l.serve(h, now)
	return nil
}

// checkChangelog compares what is expected of the changelog with what is found, once, before anything of it is taken in.
// again says that this answer is of no use: the shard is refused, or starts anew from nothing.
func (l *Lane) checkChangelog(h *held, e *Changelog, now time.Time) (again bool, err error) {
	h.clusterID, h.topicID = e.ClusterID, e.TopicID
	if h.target == NoOffset {
		// The offsets were reset by a tool, or never committed: all that is there now is what to catch up to.
		h.target = e.HighWatermark
	}
	if why := l.mismatch(h, e); why != nil {
		l.refuse(h, why)
		return true, nil
	}
	if slept := l.slept(h, now); slept > l.o.StaleAfter && h.at < h.target {
		// Tombstones of what was deleted meanwhile may be gone from the changelog by now.
		is, err := l.write(h.id, h.store.Drop)
		if err != nil {
			err = fmt.Errorf("restore shard %d: drop a store that slept: %w", h.id, err)
			if classify(err) == RemedyReopen {
				return true, err
			}
			l.log.Warn("store takes nothing in, trying again", "shard", h.id, "err", err)
			h.bounded, h.retryAt = false, now.Add(time.Second)
			return true, nil
		}
		if !is {
			h.bounded, h.retryAt = false, now.Add(retryPauseMax)
			return true, nil
		}
		h.stored, h.at, h.did.From = nil, 0, 0
		h.did.Cause = CausedBySleep
		h.did.Why = fmt.Sprintf("store slept for %s, longer than %s: all", slept.Round(time.Minute), l.o.StaleAfter)
		h.bounded = false
		l.read(h)
		return true, nil
	}
	return false, nil
}

// slept is how long ago the store took something in.
func (l *Lane) slept(h *held, now time.Time) time.Duration {
	if h.stored == nil {
		return 0
	}
	return now.Sub(h.stored.AppliedAt)
}

// mismatch says why the changelog that is found is not the one that the shard was built from or committed with.
func (l *Lane) mismatch(h *held, e *Changelog) *ShardRefused {
	no := func(found, expected, hint string) *ShardRefused {
		return &ShardRefused{Shard: h.id, Topic: l.o.Topics.State, Found: found, Expected: expected, Hint: hint}
	}
	const recreated = "the topic was deleted and created again, or this is another cluster: point the engine at the cluster it belongs to; to start over from nothing, reset the group's offsets"
	found := fmt.Sprintf("it is topic id %s of cluster %s with offsets %d to %d", e.TopicID, e.ClusterID, e.LogStart, e.HighWatermark)
	if m := h.committed; m != nil && (m.ClusterID != e.ClusterID || m.TopicID != e.TopicID) {
		return no(found, fmt.Sprintf("topic id %s of cluster %s, of which position %d was committed", m.TopicID, m.ClusterID, m.Position), recreated)
	}
	if s := h.stored; s != nil && (s.ClusterID != e.ClusterID || s.TopicID != e.TopicID) {
		return no(found, fmt.Sprintf("topic id %s of cluster %s, which the local store was built from", s.TopicID, s.ClusterID),
			"the local store is of another changelog: move its folder away and start again, it is then restored from this one")
	}
	switch {
	case h.target > e.HighWatermark:
		return no(found, fmt.Sprintf("at least position %d, which was committed", h.target),
			"the changelog was cut off: restore the topic from a backup, or load one with `accrue state load` into an app of a new name")
	case h.at > e.HighWatermark:
		return no(found, fmt.Sprintf("at least position %d, up to which the local store holds it", h.at),
			"the changelog was cut off: restore the topic from a backup, or move the store's folder away to go on with what the changelog holds")
	case h.at < e.LogStart && h.stored != nil:
		return no(found, fmt.Sprintf("it to begin at or before position %d, up to which the local store holds it", h.at),
			"records were deleted from the changelog: set its cleanup.policy to compact, and copy the store's folder from an instance that holds the shard")
	case h.at < e.LogStart:
		return no(found, "it to begin at 0, since the local store holds nothing",
			"records were deleted from the changelog: set its cleanup.policy to compact, and copy the store's folder from an instance that holds the shard")
	}
	return nil
}

// replay takes a piece into the store.
func (l *Lane) replay(h *held, e *Changelog, now time.Time) error {
	if e.Next <= h.at {
		return nil // nothing yet: an open transaction of somebody's is in the way
	}
	records := make([]state.Record, len(e.Records))
	for i, r := range e.Records {
		records[i] = state.Record{Key: r.Key, Value: r.Value}
		h.did.Bytes += int64(len(r.Key) + len(r.Value))
	}
	return l.replayRecords(h, records, e.Next, now)
}

// replayRecords takes records into the store, which then holds all below next. Where it could not, retryAt is set, the shard
// is refused, or another lane of the process has it by now.
func (l *Lane) replayRecords(h *held, records []state.Record, next int64, now time.Time) error {
	p := state.Position{ClusterID: h.clusterID, TopicID: h.topicID, Offset: next, AppliedAt: now}
	is, err := l.write(h.id, func() error { return h.store.Replay(records, p) })
	if err != nil {
		err = fmt.Errorf("restore shard %d to changelog offset %d: %w", h.id, next, err)
		switch {
		case errors.Is(err, state.ErrKey):
			l.refuse(h, err)
			return nil
		case classify(err) == RemedyReopen, errors.Is(err, state.ErrPosition):
			return err
		}
		l.said.warn(l.log, now, "store takes nothing in, trying again", "shard", h.id, "err", err)
		h.retryAt = now.Add(time.Second)
		return nil
	}
	if !is {
		return l.regain(h, now)
	}
	h.did.Records += len(records)
	h.at, h.stored = next, &p
	return nil
}

// regain is for a shard that another lane of the process has taken, so that nothing could be written here. It is lost here, which
// the group will say; or that lane was late, and had lost the shard before it took it. Once that one has let go of it the
// store is ours again, and holds what is committed: it is gone on from there.
func (l *Lane) regain(h *held, now time.Time) error {
	h.retryAt = now.Add(retryPauseMax)
	if !l.o.Writers.follow(h.id, l.o.Number) {
		return nil
	}
	stored, have, err := h.store.Position()
	if err != nil {
		return fmt.Errorf("restore shard %d: read its position: %w", h.id, err)
	}
	if h.stored, h.at = nil, 0; have {
		h.stored, h.at = &stored, stored.Offset
	}
	h.retryAt = now
	return nil
}

// serve begins to decide the records of a shard.
func (l *Lane) serve(h *held, now time.Time) {
	h.state, h.position = serving, h.at
	h.timers = timers{}
	if h.shard == nil {
		h.shard = NewShard(l.ledger, h.store, l.pool)
		h.shard.maxRow = int(l.o.MaxRecordBytes) - recordOverhead
	}
	h.did.To = h.at
	h.did.Took = now.Sub(h.begun)
	l.log.Info("shard restored", "shard", h.id, "why", h.did.Why, "changelog_records", h.did.Records, "bytes", h.did.Bytes,
		"from_offset", h.did.From, "offset", h.did.To, "took", h.did.Took)
	l.o.Observer.Restored(h.did)
	if h.seek {
		h.seek = false
		l.seek(h.parts)
	}
	parts := make([]Partition, len(h.parts))
	for i, p := range h.parts {
		parts[i] = p.Partition
		p.queue = queue{empty: now}
		p.stale, p.fresh = now, time.Time{} // whoever served it before may have been bringing history in
	}
	l.token++
	h.ends = l.token
	l.kafka.FetchEnds(l.token, parts)
	l.kafka.Resume(parts)
}

// refuse leaves a shard unserved or, where it is followed, without a copy, and says so. Others go on.
func (l *Lane) refuse(h *held, why error) {
	if h.state == following {
		l.log.Error("shard is not followed", "shard", h.id, "err", why)
	} else {
		l.log.Error("shard is not served", "shard", h.id, "err", why)
	}
	h.state, h.why = refused, why
	l.o.Observer.Refused(l.o.Number, h.id, why)
}
