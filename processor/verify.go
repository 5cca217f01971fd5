package processor

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/state"
)

// StoreDifference is one row, or one shard, in which a store is not what its changelog says.
type StoreDifference struct {
	Shard  int32
	Member string // empty: it is about the whole shard
	Row    []byte // key; nil: it is about the member's due time
	// Store and Changelog are the row as each has it; nil: not at all.
	Store, Changelog []byte
	Why              string // in words
}

// StoreCheck compares a store with its changelog.
type StoreCheck struct {
	Kafka *kgo.Client
	App   string
	Store *state.Store // of an instance that is stopped
	Empty *state.Store // takes in one shard after the other; in memory, for example
	// DueOf is as in state.Options.
	DueOf func(key, value []byte) (time.Time, bool)
	// Found is told of each difference. An error of it ends the check.
	Found func(StoreDifference) error
	// Read is told how many changelog records were read; nil: nobody is.
	Read func(records int)
}

// Shard compares one shard: the store, brought up to the changelog's end, must be the fold of the whole changelog. (The fold
// up to the store's own position would not do: compaction takes away what later records replace.) It returns how many rows
// were compared.
func (c *StoreCheck) Shard(ctx context.Context, n int32) (rows int, err error) {
	mine, folded := c.Store.Shard(n), c.Empty.Shard(n)
	at, have, err := mine.Position()
	if err != nil || !have {
		return 0, err
	}
	defer func() {
		if dropErr := folded.Drop(); err == nil {
			err = dropErr
		}
	}()
	if err := c.fold(ctx, n, 0, folded.Replay); err != nil {
		return 0, err
	}
	end, _, err := folded.Position()
	if err != nil {
		return 0, err
	}
	if why := strange(at, end); why != "" {
		return 0, c.Found(StoreDifference{Shard: n, Why: why})
	}
	// Rows that were written after the store's position are the same in both once it has caught up.
	later := make(map[string]bool)
	err = c.fold(ctx, n, at.Offset, func(records []state.Record, _ state.Position) error {
		for _, r := range records {
			later[string(r.Key)] = true
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return c.compare(mine, folded, later)
}

func (c *StoreCheck) fold(ctx context.Context, n int32, from int64, take func([]state.Record, state.Position) error) error {
	return foldChangelog(ctx, c.Kafka, c.App, n, from, func(records []state.Record, p state.Position) error {
		if c.Read != nil {
			c.Read(len(records))
		}
		return take(records, p)
	})
}

// strange says why a store's position cannot be one of this changelog.
func strange(at, end state.Position) string {
	switch {
	case at.ClusterID != end.ClusterID || at.TopicID != end.TopicID:
		return fmt.Sprintf("the store was built from topic id %s of cluster %s, the changelog is topic id %s of cluster %s",
			at.TopicID, at.ClusterID, end.TopicID, end.ClusterID)
	case at.Offset > end.Offset:
		return fmt.Sprintf("the store is at changelog offset %d, the changelog ends at %d: it was cut off, or the store holds what was never committed", at.Offset, end.Offset)
	}
	return ""
}

// compare compares row by row, both ways.
func (c *StoreCheck) compare(mine, folded *state.Shard, later map[string]bool) (rows int, err error) {
	due, err := c.dueRows(mine)
	if err != nil {
		return 0, err
	}
	err = c.each(mine, folded, later, func(member string, key, value, other []byte) error {
		rows++
		if at, ok := c.DueOf(key, value); ok && !due[state.DueMember{At: at, Member: member}] {
			if err := c.Found(StoreDifference{Shard: mine.Number(), Member: member, Why: "its due time " + at.Format(time.RFC3339) + " is not among those that time looks for"}); err != nil {
				return err
			}
		}
		if other == nil {
			return c.Found(StoreDifference{mine.Number(), member, key, value, nil, "only the store has it"})
		}
		if !bytes.Equal(value, other) {
			return c.Found(StoreDifference{mine.Number(), member, key, value, other, "the store has another"})
		}
		return nil
	})
	if err != nil {
		return rows, err
	}
	return rows, c.each(folded, mine, later, func(member string, key, value, other []byte) error {
		if other != nil {
			return nil
		}
		rows++
		return c.Found(StoreDifference{mine.Number(), member, key, nil, value, "the store lacks it"})
	})
}

// each calls visit with all rows of a that were not written later, and what b has in their place (nil: nothing).
func (c *StoreCheck) each(a, b *state.Shard, later map[string]bool, visit func(member string, key, value, other []byte) error) error {
	var failed error
	err := a.All(func(member string, key, value []byte) bool {
		if later[string(state.EncodeKey(member, key))] {
			return true
		}
		var other []byte
		if other, failed = b.View(member, nil).Get(key); failed == nil {
			failed = visit(member, key, value, other)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (c *StoreCheck) dueRows(sh *state.Shard) (map[state.DueMember]bool, error) {
	const all = 1 << 31
	farOff := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	list, err := sh.Due(farOff, all)
	if err != nil {
		return nil, err
	}
	due := make(map[state.DueMember]bool, len(list))
	for _, d := range list {
		due[d] = true
	}
	return due, nil
}
