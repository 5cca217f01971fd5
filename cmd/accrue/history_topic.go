package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

// topicHistory replays topics. Records of a partition come in its order; of the records that come next in their partitions the one
// that happened first is next, at one instant by the order of the topics as given, then by partition. So the same topics give the
// same history, however fast which broker answers.
type topicHistory struct {
	*topicReader
	decoder *schemas.Decoder
	kinds   schemas.Topics
	queues  []*inputQueue // in the order of stretches
	by      map[*stretch]*inputQueue
}

// inputQueue is what is read of one partition and not replayed yet.
type inputQueue struct {
	from    *stretch
	waiting []waitingInput
}

// waitingInput is a record with the place that it takes.
type waitingInput struct {
	input
	at time.Time
}

// queueMost bounds the records of a partition that wait for those of others; reading it goes on when a quarter is left.
const queueMost = 4_000

func newTopicHistory(ctx context.Context, topics []string, c processor.Config) (*topicHistory, error) {
	registry, err := c.Registry.Open()
	if err != nil {
		return nil, err
	}
	reader, err := openTopics(ctx, topics, c)
	if err != nil {
		return nil, err
	}
	h := &topicHistory{topicReader: reader, decoder: schemas.NewDecoder(registry), kinds: c.Topics.Kinds(), by: map[*stretch]*inputQueue{}}
	for _, s := range reader.stretches {
		q := &inputQueue{from: s}
		h.queues, h.by[s] = append(h.queues, q), q
	}
	return h, nil
}

func (h *topicHistory) next(ctx context.Context) ([]input, error) {
	batch := make([]input, 0, historyBatch)
	for len(batch) < historyBatch {
		q, missing := h.first()
		switch {
		case missing && len(batch) > 0:
			return batch, nil
		case missing:
			if err := h.poll(ctx, func(s *stretch, r *kgo.Record) error { return h.take(ctx, s, r) }); err != nil {
				return nil, err
			}
		case q == nil && len(batch) == 0:
			return nil, io.EOF
		case q == nil:
			return batch, nil
		default:
			batch = append(batch, q.waiting[0].input)
			q.waiting = q.waiting[1:]
			if q.from.paused && len(q.waiting) <= queueMost/4 {
				h.resume(q.from)
			}
		}
	}
	return batch, nil
}

// first is the partition with the record that is next; missing says that one must be read on before that is known, and no
// partition that there are no more.
func (h *topicHistory) first() (q *inputQueue, missing bool) {
	for _, other := range h.queues {
		switch {
		case len(other.waiting) == 0 && !other.from.finished():
			return nil, true
		case len(other.waiting) == 0:
		case q == nil || other.waiting[0].at.Before(q.waiting[0].at):
			q = other
		}
	}
	return q, false
}

// take puts a record into its partition's queue.
func (h *topicHistory) take(ctx context.Context, s *stretch, r *kgo.Record) error {
	in, err := decodeInput(ctx, h.decoder, h.kinds, r)
	if err != nil {
		return err
	}
	w := waitingInput{input: in}
	switch {
	case in.bad != "":
	case in.message.Value == nil:
		w.at = in.written
	default:
		event, err := rules.NewEvent(in.message.Value, in.source, time.Time{})
		if err != nil {
			return fmt.Errorf("reading %s: %w", in.place, err)
		}
		w.at = event.OccurredAt()
	}
	q := h.by[s]
	if q.waiting = append(q.waiting, w); len(q.waiting) >= queueMost && !s.paused {
		h.pause(s)
	}
	return nil
}

// decodeInput reads a record of an input topic. One that is broken is an input that says why.
func decodeInput(ctx context.Context, decoder *schemas.Decoder, kinds schemas.Topics, r *kgo.Record) (input, error) {
	in := input{
		source:  schemas.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
		message: schemas.Message{Topic: r.Topic, Kind: kinds[r.Topic], Key: string(r.Key)},
		written: r.Timestamp.UTC(), place: fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset),
	}
	if r.Value == nil {
		return in, nil
	}
	value, err := decoder.Decode(ctx, in.message.Kind, r.Value)
	var bad *schemas.BadRecord
	switch {
	case errors.As(err, &bad):
		in.bad = bad.Error()
	case err != nil:
		return in, fmt.Errorf("reading %s: %w", in.place, err)
	default:
		in.message.Value = value
	}
	return in, nil
}

func (h *topicHistory) reach() (position, total int64) { return h.read, h.total }
