package processor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/state"
)

// move is one way through all shards.
type move struct {
	*Reshard
	client *client
	put    func(*kgo.Record) error
	counts Resharded
	sent   int // records

	effects map[int32]Committed      // what is committed of them, by shard
	ends    map[int32]state.Position // of the changelogs
	carried map[int32]bool           // shards whose waiting requests were sent anew
}

func (r *Reshard) newMove(kafka *kgo.Client, put func(*kgo.Record) error) *move {
	return &move{
		Reshard: r, put: put, ends: map[int32]state.Position{}, carried: map[int32]bool{},
		client: newClient(clientOptions{admin: kafka, group: r.App, name: ReshardID(r.App), topics: Topics{State: r.Topics.State, Effects: r.Topics.Effects}}),
	}
}

// all moves what lies in the shards below a number.
func (m *move) all(ctx context.Context, shards int32) error {
	parts := make([]Partition, shards)
	for i := range parts {
		parts[i] = Partition{m.Topics.Effects, int32(i)}
	}
	err := m.committed(ctx, parts)
	for shard := int32(0); shard < shards && err == nil; shard++ {
		if err = m.rows(ctx, shard); err == nil {
			err = m.requests(ctx, shard)
		}
	}
	return err
}

// committed fetches where the effects are read on.
func (m *move) committed(ctx context.Context, parts []Partition) error {
	ctx, cancel := context.WithTimeout(ctx, growTimeout)
	defer cancel()
	for {
		found, err := m.client.fetchOffsets(ctx, parts, true)
		if err == nil {
			m.effects = make(map[int32]Committed, len(found))
			for p, at := range found {
				m.effects[p.Partition] = at
			}
			return nil
		}
		if classify(err) != RemedyRetry || !sleep(ctx, retryPause) {
			return fmt.Errorf("fetch the committed offsets of %s: %w", m.Topics.Effects, err)
		}
	}
}

// rows moves the rows of a shard that are not at home in it.
func (m *move) rows(ctx context.Context, shard int32) error {
	kept := m.Empty.Shard(shard)
	err := FoldChangelog(ctx, m.client.admin, m.App, shard, func(records []state.Record, at state.Position) error {
		if m.Read != nil {
			m.Read(len(records))
		}
		m.ends[shard] = at
		return kept.Replay(records, at)
	})
	if err != nil {
		return err
	}
	var failed error
	err = kept.All(func(member string, key, value []byte) bool {
		failed = m.row(shard, member, key, value)
		return failed == nil
	})
	return errors.Join(failed, err, kept.Drop())
}

func (m *move) row(shard int32, member string, key, value []byte) error {
	m.counts.Rows++
	homes, err := homesOf(member, m.Shards)
	if err != nil {
		return err
	}
	moved := false
	encoded := state.EncodeKey(member, key)
	row := append(make([]byte, 0, len(value)), value...) // not nil, which would be a tombstone
	for _, home := range homes {
		if home == shard {
			continue
		}
		moved = true
		if err := m.send(&kgo.Record{Topic: m.Topics.State, Partition: home, Key: encoded, Value: row}); err != nil {
			return err
		}
	}
	if moved {
		m.counts.RowsMoved++
	}
	if slices.Contains(homes, shard) {
		return nil
	}
	return m.send(&kgo.Record{Topic: m.Topics.State, Partition: shard, Key: encoded})
}

func (m *move) send(r *kgo.Record) error {
	m.sent++
	return m.put(r)
}

// requests sends the requests that wait in a shard anew, each to its home from now on. All of them, where any is not at home: so they keep
// their order, and the offset that is committed passes over those that were read here.
func (m *move) requests(ctx context.Context, shard int32) error {
	committed := m.effects[shard]
	waiting, from, end, err := m.waiting(ctx, shard, committed.Offset)
	if err != nil {
		return err
	}
	m.effects[shard] = Committed{Offset: from, Metadata: committed.Metadata}
	m.counts.Requests += len(waiting)
	homes := make([]int32, len(waiting))
	away := 0
	for i := range waiting {
		if homes[i], err = m.homeOfRequest(ctx, shard, &waiting[i]); err != nil {
			return err
		}
		if homes[i] != shard {
			away++
		}
	}
	if away == 0 {
		return nil
	}
	m.effects[shard] = Committed{Offset: end, Metadata: committed.Metadata}
	m.counts.RequestsMoved += away
	m.carried[shard] = true
	for i := range waiting {
		w := &waiting[i]
		record := &kgo.Record{Topic: m.Topics.Effects, Partition: homes[i], Key: w.Key, Value: w.Value, Timestamp: w.Timestamp}
		for _, h := range w.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if err := m.send(record); err != nil {
			return err
		}
	}
	return nil
}

// waiting reads the requests of a shard that nobody has taken in, and tells where they begin and the offset behind them.
func (m *move) waiting(ctx context.Context, shard int32, committed int64) (list []Record, from, end int64, err error) {
	topic := m.Topics.Effects
	meta, err := m.client.adm.Metadata(ctx, topic)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("look at %s: %w", topic, err)
	}
	starts, err := m.client.adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("look for the start of %s/%d: %w", topic, shard, err)
	}
	ends, err := m.client.adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("look for the end of %s/%d: %w", topic, shard, err)
	}
	start, ok := starts.Lookup(topic, shard)
	last, also := ends.Lookup(topic, shard)
	if !ok || !also || start.Err != nil || last.Err != nil {
		return nil, 0, 0, fmt.Errorf("look for the bounds of %s/%d: %w", topic, shard, errors.Join(start.Err, orUnknown(last)))
	}
	from = max(committed, start.Offset)
	for at := from; ; {
		if at >= last.Offset {
			return list, from, at, nil
		}
		got, err := fetchPiece(ctx, m.client.admin, place{Partition{topic, shard}, at}, [16]byte(meta.Topics[topic].ID),
			meta.Topics[topic].Partitions[shard].Leader, changelogWait, kgo.ReadCommitted())
		if err != nil {
			return nil, 0, 0, fmt.Errorf("read %s/%d from offset %d: %w", topic, shard, at, err)
		}
		for _, r := range got.records {
			if !r.Control {
				list = append(list, r)
			}
		}
		if at = got.next; got.empty {
			at = max(at, got.stable)
		}
	}
}

// homeOfRequest is where a record of the effects belongs. What cannot be read stays where it is, for the engine to bury.
func (m *move) homeOfRequest(ctx context.Context, shard int32, r *Record) (int32, error) {
	if home, is := waitingHome(r.Headers, r.Key, m.Shards); is {
		return home, nil
	}
	o, err := m.Topics.originOf(r, r.Timestamp)
	if err != nil {
		return shard, nil //nolint:nilerr // no input of this engine's
	}
	value, err := decodeInput(ctx, m.Decoder, r, &o)
	if err != nil {
		if classify(err) == RemedyDeadLetter || errors.Is(err, errTombstone) {
			return shard, nil
		}
		return 0, fmt.Errorf("read the record that waits in %s/%d at offset %d: %w", r.Topic, shard, r.Offset, err)
	}
	e, err := rules.NewEvent(value, o.source, o.seen)
	if err != nil || e.Member() == "" {
		return shard, nil //nolint:nilerr // it is buried
	}
	return Home(e.Member(), m.Shards), nil
}

// offsets are those that go with the transaction: of each shard whose changelog was written to, with its position, and of each whose
// requests were sent anew.
func (m *move) offsets(written map[int32]int64) map[Partition]Committed {
	all := map[Partition]Committed{}
	for shard, at := range m.effects {
		highest, wrote := written[shard]
		if wrote {
			end := m.ends[shard]
			at.Metadata = metadata{Position: min(highest, math.MaxInt64-1) + 1, Writer: ReshardID(m.App), ClusterID: end.ClusterID, TopicID: end.TopicID}.String()
		}
		if wrote || m.carried[shard] {
			all[Partition{m.Topics.Effects, shard}] = at
		}
	}
	return all
}
