package console

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"accrue/processor"
	"accrue/rules"
	"accrue/state"
)

// memberRows are a member's rows at one moment. They are rules.Rows.
type memberRows struct {
	rows map[string][]byte
	keys []string // ascending
}

var _ rules.Rows = (*memberRows)(nil)

// Get implements rules.Rows.
func (m *memberRows) Get(key []byte) ([]byte, error) { return m.rows[string(key)], nil }

// Scan implements rules.Rows.
func (m *memberRows) Scan(prefix []byte, yield func(key, value []byte) bool) error {
	return m.ScanFrom(prefix, prefix, yield)
}

// ScanFrom implements rules.Rows.
func (m *memberRows) ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	first, _ := slices.BinarySearch(m.keys, string(from))
	for _, key := range m.keys[first:] {
		if !bytes.HasPrefix([]byte(key), prefix) || !yield([]byte(key), m.rows[key]) {
			return nil
		}
	}
	return nil
}

func (m *memberRows) sorted() *memberRows {
	m.keys = slices.Sorted(maps.Keys(m.rows))
	return m
}

// rowsHere reads the rows of a key that lives with a member (the member's own, or its shard's erasures) from the store of this process. None:
// another serves the shard, or nobody does now.
func (c *Console) rowsHere(member, key string) *memberRows {
	e := c.o.Engine()
	if e == nil || e.Shards() == 0 || !serves(e, processor.Home(member, e.Shards())) {
		return nil
	}
	m, err := fromStore(e.Store(), processor.Home(member, e.Shards()), key)
	if err != nil { // the store is being closed: the changelog has all that it had
		return nil
	}
	return m
}

// shards is how many there are; 0: nothing has been served yet.
func (c *Console) shards(ctx context.Context) (int32, error) {
	if e := c.o.Engine(); e != nil && e.Shards() > 0 {
		return e.Shards(), nil
	}
	client, err := c.kafka()
	if err != nil {
		return 0, err
	}
	topic := processor.InternalTopic(c.o.Config.App, "state")
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("look for the changelog: %w", err)
	}
	n := int32(len(topics[topic].Partitions))
	if n == 0 {
		return 0, fmt.Errorf("there is no changelog %s", topic)
	}
	return n, nil
}

// serves says whether a shard is served in this process, so that its store has all that is committed.
func serves(e *processor.Engine, shard int32) bool {
	for _, lane := range e.Status() {
		for _, s := range lane.Shards {
			if s.Shard == shard && !s.Standby && s.State == "serving" {
				return true
			}
		}
	}
	return false
}

// fromStore copies the rows in one pass, so that they are of one moment whatever the lane applies meanwhile.
func fromStore(store *state.Store, shard int32, key string) (*memberRows, error) {
	if store == nil {
		return nil, state.ErrClosed
	}
	m := &memberRows{rows: map[string][]byte{}}
	err := store.Shard(shard).Rows(key, func(row, value []byte) bool {
		m.rows[string(row)] = bytes.Clone(value)
		return true
	})
	return m.sorted(), err
}

// fromChangelog folds one key's records out of the changelog of a shard. It reads all of it, so one is read at a time.
func (c *Console) fromChangelog(ctx context.Context, shard int32, key string) (*memberRows, error) {
	select {
	case c.folding <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.folding }()
	client, err := c.kafka()
	if err != nil {
		return nil, err
	}
	m := &memberRows{rows: map[string][]byte{}}
	err = processor.FoldChangelog(ctx, client, c.o.Config.App, shard, func(records []state.Record, _ state.Position) error {
		for _, r := range records {
			whose, row, err := state.DecodeKey(r.Key)
			switch {
			case err != nil:
				return err
			case whose != key:
			case r.Value == nil:
				delete(m.rows, string(row))
			default:
				m.rows[string(row)] = bytes.Clone(r.Value)
			}
		}
		return nil
	})
	return m.sorted(), err
}
