package processor

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// Home returns the shard of a member among shards: the partition that Kafka's own clients give to a record with the member
// as its key, so that a topic written with the usual partitioner is at home already.
func Home(member string, shards int32) int32 {
	return int32(murmur2([]byte(member))&0x7fffffff) % shards
}

// murmur2 is the hash of Kafka's default partitioner (seed 0x9747b28c). librdkafka's default is another one (CRC32), which
// is why records can arrive away from home.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
	)
	h := uint32(seed) ^ uint32(len(data)) // the hash is defined on 32 bits
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Topics names the topics of an engine. The internal ones follow from the app: state, effects, control.
type Topics struct {
	// Inputs says what the records of each input topic are.
	Inputs map[string]schemas.Kind

	PointGrants, TierChanges, Decisions, FraudAlerts, Notices, DeadLetters string

	// State is the changelog and Effects what shards send each other. Both have one partition a shard. Control holds the versions
	// of the programme, in one partition.
	State, Effects, Control string
}

// DefaultTopics returns the default names for an app, with every kind of input.
func DefaultTopics(app string) Topics {
	t := Topics{
		Inputs:      map[string]schemas.Kind{},
		PointGrants: schemas.TopicPointGrants, TierChanges: schemas.TopicTierChanges, Decisions: schemas.TopicDecisions,
		FraudAlerts: schemas.TopicFraudAlerts, Notices: schemas.TopicNotices, DeadLetters: schemas.TopicDeadLetters,
		State: InternalTopic(app, "state"), Effects: InternalTopic(app, "effects"), Control: InternalTopic(app, "control"),
	}
	for _, k := range schemas.Kinds() {
		if k.IsInput() {
			t.Inputs[k.Topic()] = k
		}
	}
	return t
}

// Consumed lists the topics that lanes read: inputs and effects, in alphabetical order.
func (t Topics) Consumed() []string {
	names := []string{t.Effects}
	for name := range t.Inputs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Produced lists the topics that lanes write.
func (t Topics) Produced() []string {
	return []string{
		t.PointGrants, t.TierChanges, t.Decisions, t.FraudAlerts, t.Notices, t.DeadLetters, t.State, t.Effects,
	}
}

// shardOf returns the shard that reads a partition. Partitions beyond the number of shards are dealt out again from the
// first shard on, so that an input topic may have any number of them.
func shardOf(p Partition, shards int32) int32 { return p.Partition % shards }

// The headers of a forwarded record: where it was read, when the engine first saw it, and its own timestamp. What it had itself
// follows.
const (
	headerTopic     = "accrue.topic"
	headerPartition = "accrue.partition"
	headerOffset    = "accrue.offset"
	headerSeen      = "accrue.seen" // ms
	ownHeaders      = 4
	// headerWritten stands behind them (ms). Records that were forwarded before there was such a header do not have it.
	headerWritten = "accrue.written"
)

// origin is a consumed record as its producer wrote it, wherever it was read in the end.
type origin struct {
	source    schemas.Source // topic, partition and offset of the input topic
	kind      schemas.Kind
	seen      time.Time // when the engine first saw it
	written   time.Time // its timestamp: when a tombstone, which says nothing else, happened
	headers   []Header  // the producer's own
	forwarded bool
}

// originOf finds out where a record comes from. An error means that it is none that the engine can have written or been
// asked to read.
func (t *Topics) originOf(r *Record, now time.Time) (origin, error) {
	o := origin{source: schemas.Source{Topic: r.Topic, Partition: r.Partition.Partition, Offset: r.Offset}, seen: now, written: r.Timestamp, headers: r.Headers}
	if r.Topic == t.Effects {
		if err := o.unwrap(r.Headers); err != nil {
			return o, fmt.Errorf("reading where the forwarded record comes from: %w", err)
		}
	}
	kind, ok := t.Inputs[o.source.Topic]
	if !ok {
		return o, fmt.Errorf("topic %s is no input of this engine", o.source.Topic)
	}
	o.kind = kind
	return o, nil
}

// unwrap reads the headers that forward put in front.
func (o *origin) unwrap(headers []Header) error {
	names := [ownHeaders]string{headerTopic, headerPartition, headerOffset, headerSeen}
	if len(headers) < ownHeaders {
		return fmt.Errorf("it has %d headers, of %d", len(headers), ownHeaders)
	}
	var numbers [ownHeaders]int64
	for i, name := range names {
		if headers[i].Key != name {
			return fmt.Errorf("header %d is %q, not %q", i, headers[i].Key, name)
		}
		if i == 0 {
			continue
		}
		n, err := strconv.ParseInt(string(headers[i].Value), 10, 64)
		if err != nil {
			return fmt.Errorf("header %q is not a number: %w", name, err)
		}
		numbers[i] = n
	}
	o.source = schemas.Source{
		Topic:     string(headers[0].Value),
		Partition: int32(numbers[1]), // as forward wrote it
		Offset:    numbers[2],
	}
	o.seen = time.UnixMilli(numbers[3]).UTC()
	o.headers = headers[ownHeaders:]
	o.forwarded = true
	if len(o.headers) > 0 && o.headers[0].Key == headerWritten {
		ms, err := strconv.ParseInt(string(o.headers[0].Value), 10, 64)
		if err != nil {
			return fmt.Errorf("header %q is not a number: %w", headerWritten, err)
		}
		o.written, o.headers = time.UnixMilli(ms).UTC(), o.headers[1:]
	}
	return nil
}

// forward wraps a record for its home shard. Value and key stay as they are, so that the decision there is the one that
// would have been taken here.
func (t *Topics) forward(r *Record, o *origin, home int32) Output {
	headers := make([]Header, 0, ownHeaders+1+len(o.headers))
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	headers = append(headers,
		Header{headerTopic, []byte(o.source.Topic)},
		Header{headerPartition, number(int64(o.source.Partition))},
		Header{headerOffset, number(o.source.Offset)},
		Header{headerSeen, number(o.seen.UnixMilli())},
		Header{headerWritten, number(o.written.UnixMilli())},
	)
	return Output{Topic: t.Effects, Partition: home, Key: r.Key, Value: r.Value, Headers: append(headers, o.headers...)}
}

// endOfProfile is what a tombstone on the profiles topic means: from then on the programme's values hold. The member is in
// the key, the only thing that a tombstone has.
func endOfProfile(r *Record, o *origin) *rules.EndOfProfile {
	return &rules.EndOfProfile{
		EventID:    fmt.Sprintf("tombstone-%d-%d", o.source.Partition, o.source.Offset),
		MemberID:   string(r.Key),
		OccurredAt: o.written,
	}
}
