package processor

import (
	"fmt"
	"time"
)

// timers decide when time may decide for a shard's members. A due time may fire when it has passed, and all that the shard's
// inputs held at that moment is decided, and none of them brings what happened long ago: else an outage, or an import of two
// years, would make tiers fall that the next records correct.
type timers struct {
	lookAt  time.Time            // when to look for due members again
	asked   time.Time            // when the inputs' ends were asked for; zero: they are not
	token   int64                // of that request
	ends    map[Partition]Extent // the answer; nil: not yet
	horizon time.Time            // due times up to here may fire; zero: none
	late    time.Duration        // how long ago the oldest due time passed; 0: none is due
}

const (
	// timerSlice is how many members time decides for between two batches of records.
	timerSlice = 64
	// timerEvery is how often due members are looked for.
	timerEvery = 100 * time.Millisecond
	// timerFresh is for how long ends count: no input may lag by more.
	timerFresh = time.Minute
)

// advance lets time decide for due members, the oldest first, a slice a shard.
func (l *Lane) advance(now time.Time) error {
	if l.producer != open || len(l.letting) > 0 || l.stopping || l.waiting != nil {
		return nil
	}
	for h := range l.inOrder() {
		if h.state != serving || now.Before(h.timers.lookAt) || l.full() {
			continue
		}
		if err := l.advanceShard(h, now); err != nil {
			return err
		}
	}
	return nil
}

// advanceShard looks for due members and, if the inputs are read far enough, advances a slice of them.
func (l *Lane) advanceShard(h *held, now time.Time) error {
	t := &h.timers
	due, err := h.store.Due(now, timerSlice, h.shard.overlays...)
	if err != nil {
		return fmt.Errorf("look for due members of shard %d: %w", h.id, err)
	}
	t.lookAt = now.Add(timerEvery)
	if t.late = 0; len(due) > 0 {
		t.late = max(0, now.Sub(due[0].At))
	}
	if len(due) == 0 {
		t.asked, t.ends = time.Time{}, nil
		return nil
	}
	if h.bygone(now, l.o.TimersQuiet) {
		return nil
	}
	l.raiseHorizon(h, due[0].At, now)
	for i, d := range due {
		if d.At.After(t.horizon) {
			return nil
		}
		if err := l.advanceMember(h, d.Member, d.At, now); err != nil {
			return err
		}
		if i == timerSlice-1 {
			t.lookAt = now // there may be more
		}
	}
	return nil
}

// happened takes note of when an event happened.
func (p *position) happened(at, now time.Time, quiet time.Duration) {
	if now.Sub(at) > quiet {
		p.stale = now
	} else {
		p.fresh = now
	}
}

// bygone says that an input brings what happened long ago, and nothing else: somebody imports history, or catches up after
// an outage of the producers. All that is there may be read, and still more of that time is to come. A single late event
// holds nothing up where others are on time. Whether it is so is not known when a shard has just been taken over, so it counts as
// history then until an event says otherwise.
func (h *held) bygone(now time.Time, quiet time.Duration) bool {
	for _, p := range h.parts {
		if !p.stale.IsZero() && now.Sub(p.stale) <= quiet && now.Sub(p.fresh) > quiet {
			return true
		}
	}
	return false
}

// raiseHorizon sets up to when due times may fire. A horizon holds for a minute, then the ends are captured anew; so they are
// for a due time beyond it, and after a takeover.
func (l *Lane) raiseHorizon(h *held, first, now time.Time) {
	t := &h.timers
	if now.Sub(t.horizon) > timerFresh {
		t.horizon = time.Time{}
	}
	if !first.After(t.horizon) {
		return
	}
	if !t.asked.IsZero() && now.Sub(t.asked) > timerFresh {
		t.asked, t.ends = time.Time{}, nil
	}
	switch {
	case t.asked.IsZero():
		l.token++
		t.asked, t.token, t.ends = now, l.token, nil
		parts := make([]Partition, len(h.parts))
		for i, p := range h.parts {
			parts[i] = p.Partition
		}
		l.kafka.FetchEnds(t.token, parts)
	case t.ends != nil && l.isRead(h):
		t.horizon, t.asked, t.ends = t.asked, time.Time{}, nil
	}
}

// isRead says whether all partitions of the shard are decided up to their captured ends.
func (l *Lane) isRead(h *held) bool {
	for _, p := range h.parts {
		extent, ok := h.timers.ends[p.Partition]
		// What retention deleted is as good as read.
		if !ok || max(p.next, extent.Start) < extent.End {
			return false
		}
	}
	return true
}

// extents learns how far the inputs of a shard could be read.
func (l *Lane) extents(e Ends) {
	for h := range l.inOrder() {
		if h.ends == e.Token {
			h.expect(e)
		}
		t := &h.timers
		if t.token != e.Token || t.asked.IsZero() {
			continue
		}
		if e.Err != nil {
			t.asked = time.Time{} // asked again at the next look
			return
		}
		t.ends = e.Parts
		t.lookAt = time.Time{}
		return
	}
}

// advanceMember lets time decide for one member. A due row that the account does not know (any more) is dropped.
func (l *Lane) advanceMember(h *held, member string, at, now time.Time) error {
	tx := l.begin(now)
	o := tx.overlay(h)
	out, err := h.shard.Advance(member, h.timers.horizon, now)
	if one, why := oneAccount(member, err); one {
		// Its records go to the dead letters from now on. The due row is dropped, or it would be found again and again; the
		// next record that the account survives sets it anew.
		l.stopped(h, member, why)
		l.log.Error("time passes an account by that cannot go on", "shard", h.id, "err", why)
		o.DropDue(member, at)
		return nil
	}
	if err != nil {
		return fmt.Errorf("advance a member of shard %d: %w", h.id, err)
	}
	due, ok, err := h.shard.Due(member)
	if err != nil {
		return fmt.Errorf("advance a member of shard %d: %w", h.id, err)
	}
	if !ok || !due.Equal(at) {
		o.DropDue(member, at)
	}
	tx.report.Advanced++
	tx.report.fired(out)
	return l.stageOutcome(tx, out)
}
