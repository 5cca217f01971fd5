package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// The headers of a record on the dead-letter topic that is no letter but says that one was sent again: a mark.
const (
	HeaderRetried   = "accrue.retried"    // the letter, as its LetterID; the first header
	HeaderRetriedTo = "accrue.retried-to" // where the record was written: topic/partition/offset
	HeaderTries     = "accrue.tries"      // how often the record was sent again by now
	HeaderBy        = "accrue.by"         // who did it, by their own word
)

// UnknownReason is the reason of letters that do not say theirs: they were written by a version of before, or by somebody else.
const UnknownReason = "unknown"

// Reasons are the words for why a record is among the dead letters.
func Reasons() []string {
	return []string{BuriedUnreadable, BuriedNoMember, BuriedAccount, BuriedTooLarge, BuriedRoute, UnknownReason}
}

// LetterID names a dead letter: its place on the dead-letter topic. Its text is "partition:offset".
type LetterID struct {
	Partition int32
	Offset    int64
}

func (id LetterID) String() string { return fmt.Sprintf("%d:%d", id.Partition, id.Offset) }

// ParseLetterID reads the text of an id.
func ParseLetterID(text string) (LetterID, error) {
	before, after, ok := strings.Cut(text, ":")
	partition, err := strconv.ParseUint(before, 10, 31)
	offset, err2 := strconv.ParseUint(after, 10, 63)
	if !ok || err != nil || err2 != nil {
		return LetterID{}, fmt.Errorf("%q is no dead letter's id, which is partition:offset, such as 3:812", text)
	}
	return LetterID{int32(partition), int64(offset)}, nil
}

// Letter is a dead letter: a record that could not be processed.
type Letter struct {
	ID        LetterID
	Written   time.Time // when it was put among the dead letters
	Reason    string    // one of Reasons
	Why       string    // the same for people
	Causes    []string  // what led to it, from the outside in
	Source    schemas.Source
	Timestamp time.Time // the record's own
	Key       []byte
	Value     []byte   // nil: a tombstone
	Headers   []Header // the record's own
	WholeSize int64    // of a value that is cut: how long it was; 0: it is whole
	Tries     int      // how often it was sent again before it became this letter
	Retried   *Retry   // nil: this letter was not sent again
}

// Retry says that a letter was sent again.
type Retry struct {
	At time.Time
	By string         // by their own word; empty: they did not say
	To schemas.Source // where the record was written
}

// LetterFilter chooses letters. What is empty chooses all.
type LetterFilter struct {
	IDs          []LetterID
	Reason       string    // one of Reasons
	Topic        string    // where the record was read
	Since, Until time.Time // of Written: [Since, Until)
}

func (f *LetterFilter) takes(l *Letter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) &&
		(f.Reason == "" || f.Reason == l.Reason) && (f.Topic == "" || f.Topic == l.Source.Topic) &&
		(f.Since.IsZero() || !l.Written.Before(f.Since)) && (f.Until.IsZero() || l.Written.Before(f.Until))
}

// Letters are the committed dead letters as they were at one moment. What is kept in memory is about 200 bytes for each
// letter that was ever retried; the letters themselves are read again whenever Each is called. Not safe for concurrent use.
type Letters struct {
	kafka   *kgo.Client
	topic   string
	id      [16]byte
	parts   map[int32]span
	retried map[LetterID]Retry
	tries   map[schemas.Source]int // by where a record was written again
}

// span is what is looked at of a partition: [start, end).
type span struct {
	leader     int32
	start, end int64
}

// OpenLetters looks at the dead-letter topic. It disturbs nobody, and belongs to no group.
func OpenLetters(ctx context.Context, kafka *kgo.Client, topic string) (*Letters, error) {
	return openLetters(ctx, kafka, topic, kadm.NewClient(kafka).ListCommittedOffsets)
}

// openLetters looks up to the ends that are listed. Where those are high watermarks, it waits for transactions that are open.
func openLetters(
	ctx context.Context, kafka *kgo.Client, topic string, list func(context.Context, ...string) (kadm.ListedOffsets, error),
) (*Letters, error) {
	l := &Letters{
		kafka: kafka, topic: topic, parts: map[int32]span{}, retried: map[LetterID]Retry{}, tries: map[schemas.Source]int{},
	}
	adm := kadm.NewClient(kafka)
	meta, err := adm.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("look for topic %s: %w", topic, err)
	}
	about := meta.Topics[topic]
	if about.Err != nil || len(about.Partitions) == 0 {
		return nil, fmt.Errorf("look for topic %s: %w; accrue topics apply makes the topics", topic, errors.Join(about.Err, kerr.UnknownTopicOrPartition))
	}
	l.id = about.ID
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("look for the beginning of %s: %w", topic, err)
	}
	ends, err := list(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("look for the end of %s: %w", topic, err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		l.parts[end.Partition] = span{about.Partitions[end.Partition].Leader, start.Offset, end.Offset}
	})
	return l, l.read(ctx, l.parts, func(r *Record) error {
		l.mark(r)
		return nil
	})
}

// Each hands over the letters that a filter chooses, partition by partition, in their order there. The letter is the callee's.
func (l *Letters) Each(ctx context.Context, filter *LetterFilter, take func(*Letter) error) error {
	return l.read(ctx, l.spans(filter), func(r *Record) error {
		if isMark(r) {
			return nil
		}
		letter := readLetter(r)
		if letter.Tries = l.tries[letter.Source]; !filter.takes(letter) {
			return nil
		}
		if retry, ok := l.retried[letter.ID]; ok {
			letter.Retried = &retry
		}
		return take(letter)
	})
}

// spans is what has to be read for a filter: of ids, what lies between the first and the last of a partition.
func (l *Letters) spans(filter *LetterFilter) map[int32]span {
	if len(filter.IDs) == 0 {
		return l.parts
	}
	parts := map[int32]span{}
	for _, id := range filter.IDs {
		all, ok := l.parts[id.Partition]
		if !ok || id.Offset < all.start || id.Offset >= all.end {
			continue
		}
		part, ok := parts[id.Partition]
		if !ok {
			part = span{all.leader, id.Offset, id.Offset + 1}
		}
		part.start, part.end = min(part.start, id.Offset), max(part.end, id.Offset+1)
		parts[id.Partition] = part
	}
	return parts
}

// stuckAfter is how long a transaction that is open is waited for.
const stuckAfter = 90 * time.Second

// read hands over what is committed.
func (l *Letters) read(ctx context.Context, parts map[int32]span, take func(*Record) error) error {
	for _, number := range slices.Sorted(maps.Keys(parts)) {
		part, moved := parts[number], time.Now()
		for at := part.start; at < part.end; {
			got, err := fetchPiece(ctx, l.kafka, place{Partition{l.topic, number}, at}, l.id, part.leader, changelogWait, kgo.ReadCommitted())
			if err != nil {
				return fmt.Errorf("read dead letters of %s/%d from offset %d: %w", l.topic, number, at, err)
			}
			for i := range got.records {
				if r := &got.records[i]; !r.Control && r.Offset >= at && r.Offset < part.end {
					if err := take(r); err != nil {
						return err
					}
				}
			}
			next := got.next
			if got.empty && got.stable > at { // nothing is left of what lay here
				next = got.stable
			}
			switch {
			case next > at:
				at, moved = next, time.Now()
			case time.Since(moved) > stuckAfter:
				return fmt.Errorf("read dead letters of %s/%d: a transaction is open at offset %d and holds everybody up: accrue txn list shows whose", l.topic, number, at)
			}
		}
	}
	return nil
}

func placeText(s schemas.Source) string {
	return fmt.Sprintf("%s/%d/%d", s.Topic, s.Partition, s.Offset)
}

// parsePlace reads placeText. A topic's name has no slash.
func parsePlace(text string) (s schemas.Source) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return s
	}
	partition, err := strconv.ParseInt(parts[1], 10, 32)
	offset, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || err2 != nil {
		return s
	}
	return schemas.Source{Topic: parts[0], Partition: int32(partition), Offset: offset}
}

// IsRetryMark says that a record of the dead-letter topic is no letter but the mark that one was sent again, by its headers.
func IsRetryMark(headers []kgo.RecordHeader) bool {
	return len(headers) > 0 && headers[0].Key == HeaderRetried
}

func isMark(r *Record) bool { return len(r.Headers) > 0 && r.Headers[0].Key == HeaderRetried }

// mark takes note of a record that says that a letter was sent again.
func (l *Letters) mark(r *Record) {
	if !isMark(r) {
		return
	}
	id, err := ParseLetterID(string(r.Headers[0].Value))
	if err != nil {
		return // not ours: nothing that we write looks so
	}
	retry, tries := Retry{At: r.Timestamp}, 1
	for _, h := range r.Headers[1:] {
		switch h.Key {
		case HeaderTries:
			tries = int(headerNumber(h))
		case HeaderBy:
			retry.By = string(h.Value)
		case HeaderRetriedTo:
			retry.To = parsePlace(string(h.Value))
		}
	}
	l.retried[id], l.tries[retry.To] = retry, tries
}

// ParseLetter takes a record of the dead-letter topic apart: it is a letter, or the mark that one was sent again, which lies behind the
// letter in its partition. The letter's Tries and Retried are not known from it alone.
func ParseLetter(record *kgo.Record) (letter *Letter, id LetterID, retry *Retry) {
	r := fromKgo(record)
	if !isMark(&r) {
		letter = readLetter(&r)
		return letter, letter.ID, nil
	}
	l := Letters{retried: map[LetterID]Retry{}, tries: map[schemas.Source]int{}}
	l.mark(&r)
	for id, retry := range l.retried { // one at most
		return nil, id, &retry
	}
	return nil, LetterID{}, nil
}

// readLetter takes a dead letter apart. One that is not ours has no Source.
func readLetter(r *Record) *Letter {
	l := &Letter{
		ID: LetterID{r.Partition.Partition, r.Offset}, Written: r.Timestamp.UTC(), Reason: UnknownReason, Key: r.Key, Value: r.Value, Headers: r.Headers,
	}
	fixed := [...]string{HeaderError, HeaderTopic, HeaderPartition, HeaderOffset, HeaderTimestamp}
	if len(r.Headers) < len(fixed) {
		return l
	}
	for i, name := range fixed {
		if r.Headers[i].Key != name {
			return l
		}
		readSource(&l.Source, r.Headers[i])
	}
	l.Why, l.Timestamp = string(r.Headers[0].Value), time.UnixMilli(headerNumber(r.Headers[len(fixed)-1])).UTC()
	for l.Headers = r.Headers[len(fixed):]; len(l.Headers) > 0; l.Headers = l.Headers[1:] {
		switch h := l.Headers[0]; h.Key {
		case HeaderCause:
			l.Causes = append(l.Causes, string(h.Value))
		case HeaderBytes:
			l.WholeSize = headerNumber(h)
		case HeaderSHA256:
		case HeaderTombstone:
			l.Value = nil
		case HeaderReason:
			l.Reason, l.Headers = string(h.Value), l.Headers[1:]
			return l
		default: // written by a version that had no reason: here the record's own begin
			return l
		}
	}
	return l
}

// readSource reads one of the headers that say where a record is.
func readSource(s *schemas.Source, h Header) {
	switch h.Key {
	case HeaderTopic:
		s.Topic = string(h.Value)
	case HeaderPartition:
		s.Partition = int32(headerNumber(h)) // as we wrote it
	case HeaderOffset:
		s.Offset = headerNumber(h)
	}
}

// headerNumber is 0 where there is none.
func headerNumber(h Header) int64 {
	n, err := strconv.ParseInt(string(h.Value), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
