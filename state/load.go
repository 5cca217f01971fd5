package state

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// loadBatch is how many rows Load takes in at once.
const loadBatch = 1000

// dumpLineMax bounds a line of a dump, so that a file of another kind is not read into memory whole.
const dumpLineMax = 64 << 20

// DumpRow is one row of a dump.
type DumpRow struct {
	Shard  int32
	Member string
	Row    json.RawMessage
}

// Record is the row as a changelog record, where it has key and value in hex.
func (r *DumpRow) Record() (Record, error) {
	key, value, err := parseHexRow(r.Row)
	if err != nil {
		return Record{}, fmt.Errorf("row of member %q: %w", r.Member, err)
	}
	if value == nil {
		value = []byte{} // nil would be a tombstone
	}
	return Record{Key: EncodeKey(r.Member, key), Value: value}, nil
}

// DumpVisitor is told what a dump holds, in its order. An error ends the reading.
type DumpVisitor struct {
	Header   func(Identity) error
	Position func(shard int32, p Position) error // before the rows of its shard; only where the dump has positions
	Row      func(DumpRow) error
}

// ReadDump reads a dump. One that was cut short is an error at its end, when all its rows have been seen.
func ReadDump(r io.Reader, v DumpVisitor) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, dumpLineMax)
	d := dumpReader{DumpVisitor: v}
	n := 0
	for lines.Scan() {
		n++
		if err := d.line(lines.Bytes()); err != nil {
			return fmt.Errorf("read dump, line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read dump, line %d: %w", n+1, err)
	}
	if !d.ended {
		return fmt.Errorf("read dump: it ends after line %d without the last line that counts the rows", n)
	}
	return nil
}

type dumpReader struct {
	DumpVisitor
	begun bool
	rows  int64
	ended bool
}

func (d *dumpReader) line(text []byte) error {
	var l dumpLine
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch {
	case d.ended:
		return errors.New("there is more after the last line")
	case !d.begun:
		if l.Format != layoutFormat {
			return fmt.Errorf("%w: the dump has format %d, this program knows %d", ErrFormat, l.Format, layoutFormat)
		}
		d.begun = true
		return d.Header(Identity{App: l.App})
	case l.Rows != nil:
		d.ended = true
		if *l.Rows != d.rows {
			return fmt.Errorf("%d rows were read, it says %d", d.rows, *l.Rows)
		}
		return nil
	case l.Shard == nil:
		return errors.New("it is neither a row nor a position")
	case l.Position != nil:
		p := Position{ClusterID: l.Position.Cluster, TopicID: l.Position.Topic, Offset: l.Position.Offset, AppliedAt: l.Position.AppliedAt}
		return d.Position(*l.Shard, p)
	case l.Row == nil:
		return errors.New("it has no row")
	}
	member, err := l.member()
	if err != nil {
		return err
	}
	d.rows++
	return d.Row(DumpRow{Shard: *l.Shard, Member: member, Row: l.Row})
}

func (l *dumpLine) member() (string, error) {
	if l.Member != nil {
		return *l.Member, nil
	}
	if l.Key != nil {
		return KeyName(*l.Key), nil
	}
	b, err := hex.DecodeString(l.MemberHex)
	if err != nil {
		return "", fmt.Errorf("member_hex: %w", err)
	}
	return string(b), nil
}

// Load takes in a dump of this app that was written with positions. Each shard in it is dropped and built
// anew, and has its position only with its last rows: a Load that fails, or a crash on the way, leaves a
// shard that is restored from the beginning of its changelog. Nobody else may write to these shards
// meanwhile. parse is the inverse of DumpOptions.Row; nil: hex.
func (s *Store) Load(r io.Reader, parse func(json.RawMessage) (key, value []byte, err error)) error {
	if parse == nil {
		parse = parseHexRow
	}
	l := loader{store: s, parse: parse}
	err := ReadDump(r, DumpVisitor{Header: l.header, Position: l.begin, Row: l.row})
	if err == nil {
		err = l.finish()
	}
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	return s.Flush()
}

// loader takes in one shard after the other.
type loader struct {
	store    *Store
	parse    func(json.RawMessage) (key, value []byte, err error)
	shard    *Shard // nil: none begun
	position Position
	rows     []Record
}

func (l *loader) header(id Identity) error {
	if id != l.store.id {
		return fmt.Errorf("%w: the dump is of app %q, the store of app %q", ErrForeign, id.App, l.store.id.App)
	}
	return nil
}

func (l *loader) begin(shard int32, p Position) error {
	if err := l.finish(); err != nil {
		return err
	}
	l.shard, l.position = l.store.Shard(shard), p
	return l.shard.Drop()
}

func (l *loader) row(r DumpRow) error {
	if l.shard == nil || r.Shard != l.shard.n {
		return fmt.Errorf("shard %d has no position before its rows", r.Shard)
	}
	key, value, err := l.parse(r.Row)
	if err != nil {
		return fmt.Errorf("row of member %q: %w", r.Member, err)
	}
	if value == nil {
		value = []byte{} // nil would be a tombstone
	}
	l.rows = append(l.rows, Record{Key: EncodeKey(r.Member, key), Value: value})
	if len(l.rows) < loadBatch {
		return nil
	}
	unfinished := l.position
	unfinished.Offset = 0
	err = l.shard.Replay(l.rows, unfinished)
	l.rows = l.rows[:0]
	return err
}

// finish gives the current shard its last rows and its position.
func (l *loader) finish() error {
	if l.shard == nil {
		return nil
	}
	err := l.shard.Replay(l.rows, l.position)
	l.shard, l.rows = nil, l.rows[:0]
	return err
}

func parseHexRow(text json.RawMessage) (key, value []byte, err error) {
	var row hexRow
	if err := json.Unmarshal(text, &row); err != nil {
		return nil, nil, err
	}
	if key, err = hex.DecodeString(row.Key); err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	if value, err = hex.DecodeString(row.Value); err != nil {
		return nil, nil, fmt.Errorf("value: %w", err)
	}
	return key, value, nil
}
