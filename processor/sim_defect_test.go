package processor

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"accrue/schemas"
	"accrue/state"
)

// simDefect is a deliberate defect. None of them is in the lane: each makes the lane see, or its orders do, what they would if
// the lane, or the cluster, had that defect.
type simDefect struct {
	name     string
	checkers []string // one of them must find it
	kafka    func(l *simLane) Kafka

	anyGeneration bool          // the coordinator takes offsets from whoever has a member's name
	unstable      bool          // committed offsets are told while transactions that change them are open
	dirty         bool          // what was aborted is read, too
	skew          time.Duration // the lanes' clock is wrong
	sure          bool          // lanes are sure to know of all versions, whenever they looked
}

// simDefects are the defects that the simulator must find.
func simDefects() []simDefect {
	over := func(change func(l *simLane, o *order)) func(l *simLane) Kafka {
		return func(l *simLane) Kafka {
			o := &order{Kafka: l.client, lane: l}
			change(l, o)
			return o
		}
	}
	return []simDefect{
		{
			name: "apply before commit", checkers: []string{"state", "position", "entries"},
			kafka: over(func(l *simLane, o *order) {
				o.commit = func(c *Commit) { o.applyStaged(positionsIn(l, c)) }
			}),
		},
		{
			// Its rows are found by whoever decides the same records again.
			name: "what was decided in an aborted transaction stays", checkers: []string{"state", "sums", "entries", "requests", "answers", "erased"},
			kafka: over(func(_ *simLane, o *order) {
				o.event = func(e Event) Event {
					if ended, ok := e.(Ended); ok && ended.Outcome == OutcomeAborted {
						o.applyStaged(nil)
					}
					return e
				}
			}),
		},
		{name: "what was published is not looked at before it is decided", checkers: []string{"sums"}, sure: true},
		{
			name: "restore to the last stable offset", checkers: []string{"position", "state"},
			kafka: over(func(l *simLane, o *order) {
				o.event = func(e Event) Event {
					if found, ok := e.(Offsets); ok {
						return Offsets{Token: found.Token, Err: found.Err, Parts: l.rewritten(found.Parts, func(shard int32, m *metadata) {
							m.Position = min(m.Position, l.client.b.changelog(shard).stable)
						})}
					}
					return e
				}
			}),
		},
		{
			name: "offsets committed outside the transaction", checkers: []string{"offsets", "position", "answers", "liveness"},
			kafka: over(func(l *simLane, o *order) {
				o.commit = func(c *Commit) { maps.Copy(l.client.b.group.committed, c.Offsets) }
			}),
		},
		{
			name: "a timer's transaction without offsets", checkers: []string{"offsets"},
			kafka: over(func(l *simLane, o *order) {
				o.commit = func(c *Commit) {
					for p, at := range c.Offsets {
						if before, there := l.client.b.group.committed[p]; !there || before.Offset != at.Offset {
							return
						}
					}
					c.Offsets = nil
				}
			}),
		},
		{
			name: "the position is taken before the flush", checkers: []string{"position"},
			kafka: over(func(l *simLane, o *order) {
				var acked map[int32]int64
				o.flush = func() { acked = maps.Clone(l.client.producer.acked) }
				o.commit = func(c *Commit) {
					c.Offsets = l.rewritten(c.Offsets, func(shard int32, m *metadata) {
						m.Position = l.shards[shard].position
						if last, there := acked[shard]; there {
							m.Position = last + 1
						}
					})
				}
			}),
		},
		{
			name: "failed records are not counted", checkers: []string{"position", "offsets", "answers", "sums", "state", "liveness"},
			kafka: over(func(_ *simLane, o *order) {
				o.event = func(e Event) Event {
					if f, ok := e.(Flushed); ok {
						return Flushed{Acked: f.Acked}
					}
					return e
				}
			}),
		},
		{
			name: "a marker counted as a record", checkers: []string{"answers"},
			kafka: over(func(_ *simLane, o *order) {
				o.event = func(e Event) Event {
					if records, ok := e.(Records); ok {
						for i := range records {
							records[i].Control = false
						}
					}
					return e
				}
			}),
		},
		{
			// Markers and aborted records are not delivered, and who counts what is delivered falls behind.
			name: "progress in the changelog counted in records", checkers: []string{"position", "state", "liveness"},
			kafka: over(func(_ *simLane, o *order) {
				o.event = func(e Event) Event {
					if piece, ok := e.(Changelog); ok && piece.Err == nil {
						piece.Next = o.readFrom[piece.Shard] + int64(len(piece.Records))
						return piece
					}
					return e
				}
			}),
		},
		{name: "a stale generation accepted", checkers: []string{"answers", "position", "offsets", "state", "entries"}, anyGeneration: true},
		{
			// Given up before what was decided for them is committed, which then happens in the name of the next generation.
			name: "shards released while a transaction is open", checkers: []string{"answers", "position", "offsets", "entries", "liveness"},
			kafka: over(func(l *simLane, o *order) {
				o.event = func(e Event) Event {
					if _, ok := e.(Revoked); ok {
						l.client.Release()
					}
					return e
				}
				o.commit = func(c *Commit) { c.Epoch = l.client.epoch }
			}),
		},
		{
			// What it writes is what an account would whose row was not changed with its due time.
			name: "a timer fired twice", checkers: []string{"entries"},
			kafka: over(func(l *simLane, o *order) {
				o.produce = func(records []Output) []Output {
					for _, r := range slices.Clone(records) {
						e, ok := l.process.w.check.decode(&r).(*schemas.PointGrant)
						if ok && e.Entry == schemas.EntryReleased {
							records = append(slices.Clip(records), r)
						}
					}
					return records
				}
			}),
		},
		{
			name: "a timer fired before the backlog is read", checkers: []string{"timers"},
			kafka: over(func(_ *simLane, o *order) {
				o.event = func(e Event) Event {
					if ends, ok := e.(Ends); ok {
						for p := range ends.Parts {
							ends.Parts[p] = Extent{}
						}
					}
					return e
				}
			}),
		},
		{name: "a timer fired before its time", checkers: []string{"timers"}, skew: 20 * time.Hour},
		{
			// A copy that was taken with one record more than its position says.
			name: "a snapshot one fact too new", checkers: []string{"state"},
			kafka: over(func(l *simLane, o *order) {
				o.event = func(e Event) Event {
					piece, ok := e.(Changelog)
					if log := l.client.b.changelog(piece.Shard); ok && piece.Err == nil && piece.Next > o.readFrom[piece.Shard] && piece.Next < log.end() {
						if r := log.record(piece.Next); !r.Control {
							piece.Records = append(slices.Clip(piece.Records), r)
						}
						return piece
					}
					return e
				}
			}),
		},
		{
			name: "a copy that is followed holds what was aborted", checkers: []string{"state"},
			kafka: over(func(l *simLane, o *order) {
				o.event = func(e Event) Event {
					piece, ok := e.(Changelog)
					if ok && piece.Err == nil && l.standbys[piece.Shard] != nil {
						from := o.readFrom[piece.Shard]
						piece.Records, piece.Next = l.client.b.changelog(piece.Shard).read(from, 100, false, true)
						return piece
					}
					return e
				}
			}),
		},
		{
			// What an aborted transaction had read of the effects is not read again.
			name: "the offset of a request committed outside the transaction", checkers: []string{"sums", "offsets", "answers"},
			kafka: over(func(l *simLane, o *order) {
				o.commit = func(c *Commit) {
					committed := l.client.b.group.committed
					for p, at := range c.Offsets {
						if p.Topic == l.o.Topics.Effects {
							committed[p] = Committed{Offset: at.Offset, Metadata: committed[p].Metadata}
						}
					}
				}
			}),
		},
		{
			// The account remembers, from before an abort, that it has asked.
			name: "a request that was aborted is not made again", checkers: []string{"sums", "requests", "answers"},
			kafka: over(lostAfterAborts(func(l *simLane, r *Output) bool {
				return l.o.Topics.isEffect(&Record{Partition: Partition{Topic: r.Topic}, Headers: r.Headers})
			})),
		},
		{
			// Whoever takes over counts on from nothing.
			name: "what keys count is not in the changelog", checkers: []string{"counts", "state", "requests"},
			kafka: over(func(l *simLane, o *order) {
				o.produce = l.without(func(name string, _ []byte) bool {
					_, key := state.KeyOf(name)
					return key && name != erasuresName
				})
			}),
		},
		{
			// The fact waits, and the key has never heard of it.
			name: "a question that was aborted is not asked again", checkers: []string{"offsets", "counts", "requests", "answers", "sums"},
			kafka: over(lostAfterAborts(func(_ *simLane, r *Output) bool { return isSimEffect(r, schemas.EffectCount) })),
		},
		{
			name: "an answer is given twice", checkers: []string{"requests"},
			kafka: over(func(_ *simLane, o *order) {
				o.produce = func(records []Output) []Output {
					for _, r := range slices.Clone(records) {
						if isSimEffect(&r, schemas.EffectAnswer) {
							records = append(slices.Clip(records), r)
						}
					}
					return records
				}
			}),
		},
		{
			// The account remembers nothing of those whom it had to tell, and they go on naming who is gone.
			name: "an erasure that was aborted is not told elsewhere again", checkers: []string{"erased"},
			kafka: over(lostAfterAborts(func(_ *simLane, r *Output) bool {
				return isSimEffect(r, schemas.EffectErased) || isSimEffect(r, schemas.EffectUncount)
			})),
		},
		{
			// Whoever takes over takes late events for those of a new member.
			name: "who was erased is not in the changelog", checkers: []string{"erased", "state"},
			kafka: over(func(l *simLane, o *order) {
				o.produce = l.without(func(name string, _ []byte) bool { return name == erasuresName })
			}),
		},
		{
			name: "an erasure leaves rows in the changelog", checkers: []string{"erased", "state"},
			kafka: over(func(l *simLane, o *order) {
				o.produce = l.without(func(_ string, value []byte) bool { return value == nil })
			}),
		},
		{name: "aborted records are read", checkers: []string{"answers", "offsets", "state", "sums"}, dirty: true},
		{name: "offsets told while they are pending", checkers: []string{"position", "answers", "offsets"}, unstable: true},
		{
			name: "records of an aborted transaction are not read again", checkers: []string{"offsets", "answers", "liveness"},
			kafka: func(l *simLane) Kafka { return &unsought{l.client} },
		},
	}
}

// without leaves rows out of the changelog.
func (l *simLane) without(which func(name string, value []byte) bool) func(records []Output) []Output {
	return func(records []Output) []Output {
		return slices.DeleteFunc(slices.Clone(records), func(r Output) bool {
			name, _, err := state.DecodeKey(r.Key)
			return r.Topic == l.o.Topics.State && err == nil && which(name, r.Value)
		})
	}
}

// isSimEffect says whether an output is an effect of a kind.
func isSimEffect(r *Output, kind string) bool {
	return len(r.Headers) > 0 && r.Headers[0].Key == headerEffect && string(r.Headers[0].Value) == kind
}

// lostAfterAborts loses some of what is produced in the transaction after one that was aborted: whoever has asked before believes that it
// was heard.
func lostAfterAborts(lost func(l *simLane, r *Output) bool) func(l *simLane, o *order) {
	return func(l *simLane, o *order) {
		aborted := false
		o.event = func(e Event) Event {
			if ended, ok := e.(Ended); ok {
				aborted = ended.Outcome == OutcomeAborted
			}
			return e
		}
		o.produce = func(records []Output) []Output {
			return slices.DeleteFunc(slices.Clone(records), func(r Output) bool { return aborted && lost(l, &r) })
		}
	}
}

// order stands between a lane and its Kafka and changes orders and events on their way.
type order struct {
	Kafka
	lane *simLane

	produce func(records []Output) []Output
	flush   func()
	commit  func(c *Commit)
	event   func(e Event) Event

	staged   map[int32][]state.Record // changelog records of the open transaction
	readFrom map[int32]int64          // where the changelogs were asked for last
}

func (o *order) Produce(records []Output) {
	if o.produce != nil {
		records = o.produce(records)
	}
	if o.staged == nil {
		o.staged = make(map[int32][]state.Record)
	}
	for _, r := range records {
		if r.Topic == o.lane.o.Topics.State {
			o.staged[r.Partition] = append(o.staged[r.Partition], state.Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
		}
	}
	o.Kafka.Produce(records)
}

func (o *order) Flush() {
	if o.flush != nil && o.lane.client.producer != nil {
		o.flush()
	}
	o.Kafka.Flush()
}

func (o *order) Commit(c Commit) {
	if o.commit != nil && !o.lane.client.off {
		c.Offsets = maps.Clone(c.Offsets)
		o.commit(&c)
	}
	o.Kafka.Commit(c)
}

func (o *order) ReadChangelog(token int64, shard int32, from int64) {
	if o.readFrom == nil {
		o.readFrom = make(map[int32]int64)
	}
	o.readFrom[shard] = from
	o.Kafka.ReadChangelog(token, shard, from)
}

func (o *order) Poll(ctx context.Context, wait time.Duration, most int) []Event {
	events := o.Kafka.Poll(ctx, wait, most)
	for i, e := range events {
		if o.event != nil {
			events[i] = o.event(e)
		}
		if _, ended := e.(Ended); ended {
			o.staged = nil
		}
	}
	return events
}

// applyStaged puts the rows of the open transaction into the store, at these positions or where the shards stand.
func (o *order) applyStaged(positions map[int32]int64) {
	for shard, records := range o.staged {
		part := o.lane.process.store.Shard(shard)
		at, there, err := part.Position()
		if err != nil || !there {
			continue
		}
		if to, known := positions[shard]; known {
			at.Offset = to
		}
		_ = part.Replay(records, at) // where the disk is full nothing happens
	}
}

// positionsIn are the changelog positions that a commit names.
func positionsIn(l *simLane, c *Commit) map[int32]int64 {
	positions := make(map[int32]int64)
	l.rewritten(c.Offsets, func(shard int32, m *metadata) { positions[shard] = m.Position })
	return positions
}

// rewritten returns offsets with other metadata.
func (l *simLane) rewritten(offsets map[Partition]Committed, change func(shard int32, m *metadata)) map[Partition]Committed {
	changed := maps.Clone(offsets)
	for p, at := range changed {
		m, there, err := parseMetadata(at.Metadata)
		if p.Topic != l.o.Topics.Effects || !there || err != nil {
			continue
		}
		change(p.Partition, &m)
		at.Metadata = m.String()
		changed[p] = at
	}
	return changed
}

// unsought is a Kafka that is not set back.
type unsought struct{ *simClient }

func (u *unsought) Seek(map[Partition]int64) {}
