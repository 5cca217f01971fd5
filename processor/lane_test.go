package processor

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"accrue/rules"
	"accrue/state"
)

// What the simulator found in the lane, each as a test of its own. The seeds are those of the plans of their day.

// laneOf is a lane with shard 0, over a store.
func laneOf(kafka Kafka, store *state.Store) (*Lane, *held) {
	l := NewLane(kafka, LaneOptions{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Shards: 1, Topics: DefaultTopics(testApp), TransactionalID: "test-a-0",
	})
	h := &held{id: 0, state: serving, clusterID: "c", topicID: "t"}
	if store != nil {
		h.store = store.Shard(0)
		h.shard = NewShard(nil, h.store, NewPool(0))
	}
	l.shards[0] = h
	l.o.Writers.take(0, l.o.Number)
	return l, h
}

// Seed 12: a transaction that passed nothing but markers of a shard's effects committed their offset without the position that
// had stood beside it. Whoever took the shard over knew neither where its changelog was nor who had written it last.
func TestPositionStaysBesideTheOffset(t *testing.T) {
	l, h := laneOf(&seeker{}, nil)
	h.position = 42
	p := &position{Partition: Partition{l.o.Topics.Effects, 0}}
	offsets := l.commitOffsets(&transaction{next: map[*position]int64{p: 8}})
	at := offsets[p.Partition]
	if m, there, err := parseMetadata(at.Metadata); at.Offset != 8 || !there || err != nil || m.Position != 42 || m.Writer != "test-a-0" {
		t.Errorf("committed: %+v", at)
	}
}

// Seed 321: the horizon of a shard's timers outlived the abort of the transaction in which its backlog had been decided, so that
// time decided before the backlog was decided again.
func TestTimeWaitsAgainAfterAnAbort(t *testing.T) {
	l, h := laneOf(&seeker{}, nil)
	h.timers = timers{horizon: time.Now(), ends: map[Partition]Extent{}}
	l.drop()
	if !h.timers.horizon.IsZero() || h.timers.ends != nil {
		t.Errorf("timers after an abort: %+v", h.timers)
	}
}

// Seed 77: a lane that was out of the group for a while without knowing learned that a transaction of its was committed, after
// another lane of its process had taken the shard over and gone on. The store refused to go back, and the process stopped.
func TestAnotherLaneIsFurther(t *testing.T) {
	for _, c := range []struct {
		name      string
		overtaken bool
	}{
		{"another lane took the shard over", true},
		{"nobody else has it, which is a bug", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, h := laneOf(&seeker{}, testStore(t))
			l.o.Store = nil
			other := state.NewOverlay()
			other.Put("m", []byte("h"), []byte("newer"))
			if err := h.store.Apply(other, state.Position{ClusterID: "c", TopicID: "t", Offset: 19}); err != nil {
				t.Fatal(err)
			}
			if c.overtaken {
				l.o.Writers.take(0, 7)
			}
			o := state.NewOverlay()
			o.Put("m", []byte("h"), []byte("older"))
			h.shard.Begin(o, 1)
			l.ending = &transaction{number: 1, overlays: map[int32]*state.Overlay{0: o}, offsets: map[int32]int64{0: 15}}
			err := l.apply(l.ending, time.Now())
			if c.overtaken != (err == nil) || c.overtaken == errors.Is(err, state.ErrPosition) {
				t.Fatalf("error: %v", err)
			}
			if value, err := h.store.View("m", nil).Get([]byte("h")); err != nil || string(value) != "newer" {
				t.Errorf("row: %q, %v", value, err)
			}
		})
	}
}

// Seed 329: a store that had slept for too long could not be dropped because the disk was full, and the process stopped instead
// of waiting for room.
func TestFullDiskUnderAStoreThatSlept(t *testing.T) {
	ails := &simAilment{}
	store, err := state.Open("data", state.Identity{App: testApp}, state.Options{
		FS: errorfs.Wrap(vfs.NewMem(), ails), DueOf: rules.HeadDue, FlushEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	l, h := laneOf(&reading{}, store)
	now := time.Now()
	old := state.Position{ClusterID: "c", TopicID: "t", Offset: 5, AppliedAt: now.Add(-1000 * time.Hour)}
	o := state.NewOverlay()
	o.Put("m", []byte("h"), []byte("x"))
	if err := h.store.Apply(o, old); err != nil {
		t.Fatal(err)
	}
	kind := ".sst"
	ails.kind.Store(&kind)
	if err := store.Flush(); err == nil {
		t.Fatal("the disk is not full")
	}
	h.state, h.catchUp = restoring, catchUp{token: 1, at: 5, target: 9, stored: &old}
	piece := Changelog{Token: 1, Next: 9, HighWatermark: 9, ClusterID: "c", TopicID: "t"}
	if err := l.restore(piece); err != nil || h.retryAt.IsZero() {
		t.Fatalf("error %v, again at %s", err, h.retryAt)
	}
	ails.kind.Store(nil)
	eventually(t, "room on the disk", func() bool { return store.Err() == nil })
	h.retryAt = time.Time{}
	if err := l.restore(piece); err != nil || h.at != 0 || !h.retryAt.IsZero() {
		t.Errorf("error %v, at %d, again at %s", err, h.at, h.retryAt)
	}
}

// reading is a Kafka that is only asked to read changelogs.
type reading struct{ Kafka }

func (reading) ReadChangelog(int64, int32, int64) {}

// A shard that comes no further on its way to be served is told of once a while, with what it waits for and where to look; one
// that comes further or is served is not.
func TestHeldUpShardIsToldOf(t *testing.T) {
	var log lines
	l, h := laneOf(&seeker{}, nil)
	now := time.Now()
	l.log = log.logger()
	tell := func(after time.Duration) int {
		now = now.Add(after)
		l.tellHeldUp(h, now)
		return strings.Count(log.String(), "shard is held up")
	}
	if tell(0)+tell(time.Hour) != 0 {
		t.Errorf("told of a shard that is served:\n%s", log.String())
	}
	h.state, h.at, h.target = restoring, 7, 90
	if tell(0)+tell(heldUpAfter-time.Second) != 0 {
		t.Errorf("told too soon:\n%s", log.String())
	}
	h.at = 8
	if tell(time.Second)+tell(heldUpAfter-time.Second) != 0 {
		t.Errorf("told of a shard that came further:\n%s", log.String())
	}
	first, second := tell(time.Second), tell(time.Second) // the second look finds it told already
	if first != 1 || second != 1 || tell(quietFor) != 2 || !strings.Contains(log.String(), "from offset 8 to 90") {
		t.Errorf("what was told:\n%s", log.String())
	}
	h.state = awaiting
	if tell(time.Second); tell(heldUpAfter) != 2 || tell(quietFor) != 3 || !strings.Contains(log.String(), "committed offsets are not told") {
		t.Errorf("what was told:\n%s", log.String())
	}
}
