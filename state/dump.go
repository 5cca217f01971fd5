package state

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"
)

// DumpOptions say what Dump writes.
type DumpOptions struct {
	// Shards are the ones to write; nil: all that hold anything.
	Shards []int32
	// Positions also writes each shard's position, which Load needs. Two copies of one shard (active and
	// standby, disk and memory) are compared without.
	Positions bool
	// Row turns a row into JSON for people; nil: key and value in hex.
	Row func(key, value []byte) (json.RawMessage, error)
}

// dumpLine is one line of a dump. Which fields it has says what it is: the first line has Format and App;
// of each shard a line with Shard and Position comes first, then its rows with Shard, Member (or Key) and Row; the
// last line has Rows.
type dumpLine struct {
	Format    int             `json:"format,omitempty"`
	App       string          `json:"app,omitempty"`
	Shard     *int32          `json:"shard,omitempty"`
	Member    *string         `json:"member,omitempty"`
	MemberHex string          `json:"member_hex,omitempty"` // instead of Member, where that is no UTF-8
	Key       *string         `json:"key,omitempty"`        // instead of Member, where it is a row of a key
	Row       json.RawMessage `json:"row,omitempty"`
	Position  *dumpPosition   `json:"position,omitempty"`
	Rows      *int64          `json:"rows,omitempty"` // in the whole dump, so that a cut one is noticed
}

type dumpPosition struct {
	Cluster   string    `json:"cluster"`
	Topic     string    `json:"topic"`
	Offset    int64     `json:"offset"`
	AppliedAt time.Time `json:"applied_at"`
}

// hexRow is a row where nobody knows better.
type hexRow struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Dump writes all rows as JSON lines, ascending by shard, member and key: the same state gives the same
// text. Each shard is written as it is at one moment.
func (s *Store) Dump(w io.Writer, o DumpOptions) error {
	shards := o.Shards
	if shards == nil {
		var err error
		if shards, err = s.Shards(); err != nil {
			return err
		}
	}
	if o.Row == nil {
		o.Row = func(key, value []byte) (json.RawMessage, error) {
			return json.Marshal(hexRow{Key: hex.EncodeToString(key), Value: hex.EncodeToString(value)})
		}
	}
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(dumpLine{Format: layoutFormat, App: s.id.App}); err != nil {
		return fmt.Errorf("dump state: %w", err)
	}
	var rows int64
	for _, n := range shards {
		written, err := s.Shard(n).dump(lines, o)
		if err != nil {
			return fmt.Errorf("dump shard %d: %w", n, err)
		}
		rows += written
	}
	if err := errors.Join(lines.Encode(dumpLine{Rows: &rows}), out.Flush()); err != nil {
		return fmt.Errorf("dump state: %w", err)
	}
	return nil
}

// dump writes one shard: its position, then its rows, through one iterator, so that both are of one moment.
func (sh *Shard) dump(lines *json.Encoder, o DumpOptions) (rows int64, err error) {
	lower := appendShard(nil, sh.n)
	err = sh.iterate("dump", lower, append(appendShard(nil, sh.n), classDue), func(it *pebble.Iterator) error {
		if o.Positions && it.SeekGE(sh.positionKey()) {
			line := dumpLine{Shard: &sh.n}
			if err := line.setPosition(it); err != nil {
				return err
			}
			if err := lines.Encode(line); err != nil {
				return err
			}
		}
		for it.First(); it.Valid() && it.Key()[shardLen] <= classKey; it.Next() { // members, then keys
			line := dumpLine{Shard: &sh.n}
			if err := line.setRow(it, o); err != nil {
				return err
			}
			if err := lines.Encode(line); err != nil {
				return err
			}
			rows++
		}
		return nil
	})
	return rows, err
}

func (l *dumpLine) setRow(it *pebble.Iterator, o DumpOptions) error {
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	member, row, err := splitMember(it.Key()[shardLen:])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if name, is := KeyOf(member); is && utf8.ValidString(name) {
		l.Key = &name
	} else if utf8.ValidString(member) {
		l.Member = &member
	} else {
		l.MemberHex = hex.EncodeToString([]byte(member))
	}
	if l.Row, err = o.Row(row, value); err != nil {
		return fmt.Errorf("render row %x of member %q: %w", row, member, err)
	}
	return nil
}

func (l *dumpLine) setPosition(it *pebble.Iterator) error {
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	p, err := decodePosition(value)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	l.Position = &dumpPosition{Cluster: p.ClusterID, Topic: p.TopicID, Offset: p.Offset, AppliedAt: p.AppliedAt}
	return nil
}
