package processor

import (
	"fmt"
	"time"
)

// sweepEvery is how often a lane looks for copies that are of no use any more, and how long it waits for its shards before the first
// time: after the whole fleet was stopped for days all copies are old, and most of them are needed.
const sweepEvery = time.Hour

// sweep drops the copies of shards that no lane of this process has served or followed for so long that they would not be
// trusted any more: members stand in them who may have been erased meanwhile. A shard between two lanes, which one has just given
// up and the other is about to take, is let alone until the next time: its copy may be old for want of writes, and is needed.
func (l *Lane) sweep(now time.Time) {
	if l.sweepAt.IsZero() {
		l.sweepAt = now.Add(sweepEvery)
	}
	if now.Before(l.sweepAt) {
		return
	}
	l.sweepAt = now.Add(sweepEvery)
	shards, err := l.o.Store.Shards()
	for _, shard := range shards {
		if err == nil {
			l.turns[shard], err = l.o.Writers.unheld(shard, l.turns[shard], func() error { return l.dropOld(shard, now) })
		}
	}
	if err != nil {
		l.log.Warn("old copies of shards cannot be dropped, trying again in an hour", "err", err)
	}
}

// dropOld drops what the store has of a shard, if it is too old.
func (l *Lane) dropOld(shard int32, now time.Time) error {
	copied := l.o.Store.Shard(shard)
	p, have, err := copied.Position()
	if err != nil {
		return fmt.Errorf("read the position of a copy of shard %d: %w", shard, err)
	}
	age := now.Sub(p.AppliedAt)
	if !have || age <= l.o.StaleAfter {
		return nil
	}
	if err := copied.Drop(); err != nil {
		return fmt.Errorf("drop an old copy of shard %d: %w", shard, err)
	}
	l.log.Info("an old copy of a shard is dropped, which is neither served nor followed here", "shard", shard, "age", age.Round(time.Minute))
	return nil
}
