package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

// topicHistory reads topics up to what was their end when it began, as a read_committed reader sees them. Records of a partition
// come in its order; of the records that come next in their partitions the one that happened first is next, at one instant by the
// order of the topics as given, then by partition. So the same topics give the same history, however fast which broker answers.
type topicHistory struct {
	client    *kgo.Client
	decoder   *schemas.Decoder
	kinds     schemas.Topics
	stretches []*stretch // by topic as given, then by partition
	of        map[string]map[int32]*stretch
	read      int64 // offsets passed
	total     int64
	idle      int // polls in a row that brought nothing
}

// stretch is what is read of one partition and not replayed yet.
type stretch struct {
	topic     string
	partition int32
	next, end int64 // offsets: the next to come, and where it stops
	waiting   []waitingInput
	paused    bool
}

// waitingInput is a record with the place that it takes.
type waitingInput struct {
	input
	at time.Time
}

// stretchMost bounds the records of a partition that wait for those of others; reading it goes on when a quarter is left.
const stretchMost = 4_000

// Where nothing comes although the end was not seen, the last records may have been compacted away: after so many polls of
// this length in a row, with brokers that answer, what is left is taken for gone.
const (
	topicIdle      = 5 * time.Second
	topicIdlePolls = 3
)

func newTopicHistory(ctx context.Context, topics []string, c processor.Config) (*topicHistory, error) {
	registry, err := c.Registry.Open()
	if err != nil {
		return nil, err
	}
	h := &topicHistory{decoder: schemas.NewDecoder(registry), kinds: c.Topics.Kinds(), of: map[string]map[int32]*stretch{}}
	ends, err := h.bounds(ctx, c, topics)
	if err != nil {
		return nil, err
	}
	h.client, err = connect(ctx, c, kgo.ConsumePartitions(ends), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	return h, err
}

// bounds finds what there is to read, as offsets to begin at.
func (h *topicHistory) bounds(ctx context.Context, c processor.Config, topics []string) (map[string]map[int32]kgo.Offset, error) {
	client, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the beginning of %v: %w; accrue topics apply makes the topics", topics, err)
	}
	// What is below the last stable offset is all that a read_committed reader can get.
	ends, err := admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the end of %v: %w", topics, err)
	}
	begin := map[string]map[int32]kgo.Offset{}
	for _, topic := range topics {
		begin[topic], h.of[topic] = map[int32]kgo.Offset{}, map[int32]*stretch{}
		for _, end := range ends.Offsets().Sorted() {
			start, known := starts.Lookup(topic, end.Partition)
			if end.Topic != topic || !known || start.Offset >= end.At {
				continue
			}
			l := &stretch{topic: topic, partition: end.Partition, next: start.Offset, end: end.At}
			h.stretches, h.of[topic][l.partition] = append(h.stretches, l), l
			h.total += l.end - l.next
			begin[topic][l.partition] = kgo.NewOffset().At(l.next)
		}
	}
	return begin, nil
}

func (h *topicHistory) next(ctx context.Context) ([]input, error) {
	batch := make([]input, 0, historyBatch)
	for len(batch) < historyBatch {
		l, missing := h.first()
		switch {
		case missing && len(batch) > 0:
			return batch, nil
		case missing:
			if err := h.poll(ctx); err != nil {
				return nil, err
			}
		case l == nil && len(batch) == 0:
			return nil, io.EOF
		case l == nil:
			return batch, nil
		default:
			batch = append(batch, l.waiting[0].input)
			l.waiting = l.waiting[1:]
			h.resume(l)
		}
	}
	return batch, nil
}

// first is the partition with the record that is next; missing says that one must be read on before that is known, and no
// partition that there are no more.
func (h *topicHistory) first() (l *stretch, missing bool) {
	for _, other := range h.stretches {
		switch {
		case len(other.waiting) == 0 && other.next < other.end:
			return nil, true
		case len(other.waiting) == 0:
		case l == nil || other.waiting[0].at.Before(l.waiting[0].at):
			l = other
		}
	}
	return l, false
}

// poll reads on.
func (h *topicHistory) poll(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, topicIdle)
	defer cancel()
	fetches := h.client.PollFetches(patient)
	if err := ctx.Err(); err != nil {
		return err
	}
	if errors.Is(fetches.Err(), context.DeadlineExceeded) {
		return h.nothing(ctx)
	}
	h.idle = 0
	for _, failed := range fetches.Errors() {
		return fmt.Errorf("reading %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
	}
	for records := fetches.RecordIter(); !records.Done(); {
		if err := h.take(ctx, records.Next()); err != nil {
			return err
		}
	}
	return nil
}

// nothing has come for a while.
func (h *topicHistory) nothing(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := h.client.Ping(patient); err != nil {
		return fmt.Errorf("waiting for records: the brokers do not answer: %w", err)
	}
	if h.idle++; h.idle < topicIdlePolls {
		return nil
	}
	for _, l := range h.stretches {
		if len(l.waiting) == 0 && l.next < l.end {
			h.read += l.end - l.next
			l.next = l.end
		}
	}
	return nil
}

// take puts a record into its partition's line, unless it is beyond the end or only marks a transaction.
func (h *topicHistory) take(ctx context.Context, r *kgo.Record) error {
	l := h.of[r.Topic][r.Partition]
	if l == nil || r.Offset < l.next || r.Offset >= l.end {
		return nil
	}
	h.read += r.Offset + 1 - l.next
	l.next = r.Offset + 1
	if r.Attrs.IsControl() {
		return nil
	}
	w := waitingInput{input: input{
		source:  schemas.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
		message: schemas.Message{Topic: r.Topic, Kind: h.kinds[r.Topic], Key: string(r.Key)},
		written: r.Timestamp.UTC(), place: fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset),
	}}
	if r.Value != nil {
		value, err := h.decoder.Decode(ctx, w.message.Kind, r.Value)
		var bad *schemas.BadRecord
		switch {
		case errors.As(err, &bad):
			w.bad = bad.Error()
		case err != nil:
			return fmt.Errorf("reading %s: %w", w.place, err)
		default:
			event, err := rules.NewEvent(value, w.source, time.Time{})
			if err != nil {
				return fmt.Errorf("reading %s: %w", w.place, err)
			}
			w.message.Value, w.at = value, event.OccurredAt()
		}
	} else {
		w.at = w.written
	}
	l.waiting = append(l.waiting, w)
	if len(l.waiting) >= stretchMost && !l.paused {
		l.paused = true
		h.client.PauseFetchPartitions(map[string][]int32{l.topic: {l.partition}})
	}
	return nil
}

// resume reads a partition on that had run ahead.
func (h *topicHistory) resume(l *stretch) {
	if l.paused && len(l.waiting) <= stretchMost/4 {
		l.paused = false
		h.client.ResumeFetchPartitions(map[string][]int32{l.topic: {l.partition}})
	}
}

func (h *topicHistory) reach() (position, total int64) { return h.read, h.total }

func (h *topicHistory) close() { h.client.Close() }
