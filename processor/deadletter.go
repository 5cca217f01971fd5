package processor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accrue/schemas"
)

// The headers of a dead letter. The record's own headers follow behind them.
const (
	HeaderError     = "accrue.error"     // why, for people
	HeaderCause     = "accrue.cause"     // repeated: what led to it, from the outside in
	HeaderTopic     = headerTopic        // where the record was first read
	HeaderPartition = headerPartition    // its partition
	HeaderOffset    = headerOffset       // its offset
	HeaderTimestamp = "accrue.timestamp" // its own, ms
	HeaderBytes     = "accrue.bytes"     // only where the value is cut: its whole length
	HeaderSHA256    = "accrue.sha256"    // only where the value is cut: of the whole value, hex
	HeaderTombstone = "accrue.tombstone" // only where the record had no value at all, which is not the same as an empty one
	HeaderReason    = "accrue.reason"    // why, as one of the Buried words; the last of ours
)

// What a dead letter keeps of a record that does not fit as a whole, and how long its words may be.
const (
	deadLetterPrefix = 64 << 10
	deadLetterWords  = 4 << 10
	deadLetterCauses = 8
)

// deadLetter makes the record for the dead letters: raw value and key as they came, why, and from where. A record that
// would not fit into maxBytes keeps the beginning of its value, with length and hash of the whole, and the place where it
// can be read. The word is one of the Buried ones.
func deadLetter(topic string, r *Record, o *origin, word string, why error, maxBytes int64) Output {
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	headers := []Header{
		{HeaderError, cut(why.Error())},
		{HeaderTopic, []byte(o.source.Topic)},
		{HeaderPartition, number(int64(o.source.Partition))},
		{HeaderOffset, number(o.source.Offset)},
		{HeaderTimestamp, number(o.written.UnixMilli())},
	}
	for i, err := 0, errors.Unwrap(why); err != nil && i < deadLetterCauses; i, err = i+1, errors.Unwrap(err) {
		headers = append(headers, Header{HeaderCause, cut(err.Error())})
	}
	whole := Output{Topic: topic, Partition: ByKey, Key: r.Key, Value: r.Value}
	reason := Header{HeaderReason, []byte(word)}
	if whole.Value == nil {
		whole.Value = []byte{} // a dead letter is never a tombstone: the topic may be compacted by mistake
		headers = append(headers, Header{HeaderTombstone, []byte("true")})
	}
	whole.Headers = append(append(slices.Clip(headers), reason), o.headers...)
	if whole.bytes() <= maxBytes {
		return whole
	}
	// Key and headers of the producer's can be what is too large: they are only counted.
	sum := sha256.Sum256(r.Value)
	headers = append(headers, Header{HeaderBytes, number(int64(len(r.Value)))}, Header{HeaderSHA256, []byte(hex.EncodeToString(sum[:]))}, reason)
	return Output{
		Topic: topic, Partition: ByKey, Headers: headers,
		Key:   r.Key[:min(len(r.Key), deadLetterWords)],
		Value: r.Value[:min(len(r.Value), deadLetterPrefix)],
	}
}

// cut shortens a text to at most deadLetterWords bytes without breaking a character.
func cut(text string) []byte {
	if len(text) <= deadLetterWords {
		return []byte(text)
	}
	return []byte(strings.ToValidUTF8(text[:deadLetterWords-3], "") + "...")
}

// fitDecision makes sure that a decision can be written: one with more verdicts than a record holds keeps those that
// granted something, or none.
func fitDecision(d *schemas.Decision, encode func(any) ([]byte, error), maxBytes int) ([]byte, error) {
	value, err := encode(d)
	if err != nil || len(value) <= maxBytes {
		return value, err
	}
	short := *d
	short.Verdicts = slices.DeleteFunc(slices.Clone(d.Verdicts), func(v schemas.Verdict) bool { return v.Verdict == schemas.VerdictNothing })
	short.Reason = string(cut(d.Reason)) + fmt.Sprintf(" (%d of %d verdicts left out: too large)", len(d.Verdicts)-len(short.Verdicts), len(d.Verdicts))
	if value, err = encode(&short); err != nil || len(value) <= maxBytes {
		return value, err
	}
	short.Verdicts = nil
	short.Reason = string(cut(d.Reason)) + fmt.Sprintf(" (all %d verdicts left out: too large)", len(d.Verdicts))
	return encode(&short)
}
