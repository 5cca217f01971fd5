package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// positionFormat is the first byte of a position row.
const positionFormat = 1

// Position is where a shard's changelog stands: everything below Offset is in the store.
type Position struct {
	// ClusterID and TopicID say of which log Offset is: a topic that was deleted and created again has
	// another id under the same name.
	ClusterID string
	TopicID   string
	// Offset is the next one to read.
	Offset int64
	// AppliedAt says when the store last took something in, in ms. Zero in Apply and Replay: now.
	// A copy that slept longer than the changelog keeps its tombstones is of no use.
	AppliedAt time.Time
}

// sameLog says whether both positions are of one changelog.
func (p Position) sameLog(q Position) bool {
	return p.ClusterID == q.ClusterID && p.TopicID == q.TopicID
}

func (p Position) encode() []byte {
	dst := []byte{positionFormat}
	dst = binary.AppendUvarint(dst, uint64(len(p.ClusterID)))
	dst = append(dst, p.ClusterID...)
	dst = binary.AppendUvarint(dst, uint64(len(p.TopicID)))
	dst = append(dst, p.TopicID...)
	dst = binary.AppendVarint(dst, p.Offset)
	return binary.AppendVarint(dst, p.AppliedAt.UnixMilli())
}

// decodePosition is the inverse of encode. Trailing bytes are an error: a later format has another first byte.
func decodePosition(row []byte) (Position, error) {
	if len(row) == 0 {
		return Position{}, errors.New("position row is empty")
	}
	if row[0] != positionFormat {
		return Position{}, fmt.Errorf("position row has format %d, this program knows %d", row[0], positionFormat)
	}
	d := positionDecoder{rest: row[1:]}
	p := Position{ClusterID: d.text(), TopicID: d.text(), Offset: d.number()}
	p.AppliedAt = time.UnixMilli(d.number()).UTC()
	if d.broken || len(d.rest) != 0 || p.Offset < 0 {
		return Position{}, fmt.Errorf("position row %x is malformed", row)
	}
	return p, nil
}

// positionDecoder reads fields in order; after the first that does not fit, all are zero.
type positionDecoder struct {
	rest   []byte
	broken bool
}

func (d *positionDecoder) text() string {
	n, size := binary.Uvarint(d.rest)
	if d.broken || size <= 0 || n > uint64(len(d.rest)-size) {
		d.broken = true
		return ""
	}
	end := size + int(n) // n is at most len(d.rest)
	s := string(d.rest[size:end])
	d.rest = d.rest[end:]
	return s
}

func (d *positionDecoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if d.broken || size <= 0 {
		d.broken = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}
