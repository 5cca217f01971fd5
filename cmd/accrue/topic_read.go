package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
)

// topicReader reads topics from their beginning up to what was their end when it was opened, as a read_committed reader sees them.
type topicReader struct {
	client *kgo.Client
	// stretches are what there is to read, by topic as given, then by partition; those without a record are not there.
	stretches []*stretch
	of        map[string]map[int32]*stretch
	gone      map[string]int64 // offsets before the beginning of a topic, of all its partitions: what retention took
	holes     map[string]int64 // offsets of a topic where no record came: compacted away, or of a transaction that was aborted
	read      int64            // offsets passed
	total     int64
	idle      int // polls in a row that brought nothing
}

// stretch is what is read of one partition.
type stretch struct {
	topic     string
	partition int32
	next, end int64 // offsets: the next to come, and where it stops
	paused    bool
}

func (s *stretch) finished() bool { return s.next >= s.end }

// Where nothing comes although the end was not seen, the last records may have been compacted away: after so many polls of
// this length in a row, with brokers that answer, what is left is taken for gone.
const (
	topicIdle      = 5 * time.Second
	topicIdlePolls = 3
)

// openTopics finds the ends of topics and gets ready to read them.
func openTopics(ctx context.Context, topics []string, c processor.Config) (*topicReader, error) {
	r := &topicReader{of: map[string]map[int32]*stretch{}, gone: map[string]int64{}, holes: map[string]int64{}}
	begin, err := r.bounds(ctx, c, topics)
	if err != nil {
		return nil, err
	}
	r.client, err = connect(ctx, c, kgo.ConsumePartitions(begin), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	return r, err
}

// bounds finds what there is to read, as offsets to begin at.
func (r *topicReader) bounds(ctx context.Context, c processor.Config, topics []string) (map[string]map[int32]kgo.Offset, error) {
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
		return nil, fmt.Errorf("looking for the beginning of %s: %w; accrue topics apply makes the topics", strings.Join(topics, ", "), err)
	}
	// What is below the last stable offset is all that a read_committed reader can get.
	ends, err := admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the end of %s: %w", strings.Join(topics, ", "), err)
	}
	begin := map[string]map[int32]kgo.Offset{}
	for _, topic := range topics {
		begin[topic], r.of[topic] = map[int32]kgo.Offset{}, map[int32]*stretch{}
		for _, end := range ends.Offsets().Sorted() {
			start, known := starts.Lookup(topic, end.Partition)
			if end.Topic != topic || !known {
				continue
			}
			r.gone[topic] += start.Offset
			if start.Offset >= end.At {
				continue
			}
			s := &stretch{topic: topic, partition: end.Partition, next: start.Offset, end: end.At}
			r.stretches, r.of[topic][s.partition] = append(r.stretches, s), s
			r.total += s.end - s.next
			begin[topic][s.partition] = kgo.NewOffset().At(s.next)
		}
	}
	return begin, nil
}

// finished says that all is read.
func (r *topicReader) finished() bool {
	for _, s := range r.stretches {
		if !s.finished() {
			return false
		}
	}
	return true
}

// poll reads on and hands over what came, those of a partition in its order. Records that only mark transactions are passed over.
func (r *topicReader) poll(ctx context.Context, take func(s *stretch, record *kgo.Record) error) error {
	patient, cancel := context.WithTimeout(ctx, topicIdle)
	defer cancel()
	fetches := r.client.PollFetches(patient)
	if err := ctx.Err(); err != nil {
		return err
	}
	if errors.Is(fetches.Err(), context.DeadlineExceeded) {
		return r.nothing(ctx)
	}
	r.idle = 0
	for _, failed := range fetches.Errors() {
		return fmt.Errorf("reading %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
	}
	for records := fetches.RecordIter(); !records.Done(); {
		record := records.Next()
		s := r.of[record.Topic][record.Partition]
		if s == nil || record.Offset < s.next || record.Offset >= s.end {
			continue
		}
		r.read += record.Offset + 1 - s.next
		r.holes[record.Topic] += record.Offset - s.next
		s.next = record.Offset + 1
		if record.Attrs.IsControl() {
			continue
		}
		if err := take(s, record); err != nil {
			return err
		}
	}
	return nil
}

// nothing has come for a while.
func (r *topicReader) nothing(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := r.client.Ping(patient); err != nil {
		return fmt.Errorf("waiting for records: the brokers do not answer: %w", err)
	}
	if r.idle++; r.idle < topicIdlePolls {
		return nil
	}
	for _, s := range r.stretches {
		if !s.finished() && !s.paused {
			r.read += s.end - s.next
			r.holes[s.topic] += s.end - s.next
			s.next = s.end
		}
	}
	return nil
}

// all reads everything, and counts it.
func (r *topicReader) all(ctx context.Context, progress *progress, take func(record *kgo.Record) error) error {
	for !r.finished() {
		n := int64(0)
		err := r.poll(ctx, func(_ *stretch, record *kgo.Record) error {
			n++
			return take(record)
		})
		if err != nil {
			return err
		}
		progress.position, progress.total = r.read, r.total
		progress.add(n)
	}
	return nil
}

// pause stops reading a partition that has run ahead, and resume goes on.
func (r *topicReader) pause(s *stretch) {
	s.paused = true
	r.client.PauseFetchPartitions(map[string][]int32{s.topic: {s.partition}})
}

func (r *topicReader) resume(s *stretch) {
	s.paused = false
	r.client.ResumeFetchPartitions(map[string][]int32{s.topic: {s.partition}})
}

func (r *topicReader) close() { r.client.Close() }
