package processor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// What one transaction of a retry holds, and for how long it may be open.
const (
	retryLetters = 200
	retryBytes   = 8 << 20
	retryTimeout = time.Minute
)

// ErrRetryFenced says that somebody else began to retry dead letters of the app. What was committed before stands.
var ErrRetryFenced = errors.New("somebody else began to retry dead letters of this app at the same time: run it again, what was sent is not sent twice")

// RetryOptions are the options of a client for RetryLetters, beside how to reach the brokers. It must be a new client each time:
// its first transaction waits for one that a process before it left open, and ends it.
func RetryOptions(app string) []kgo.Opt {
	return []kgo.Opt{
		kgo.TransactionalID(RetryID(app)), kgo.TransactionTimeout(retryTimeout), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(MaxRecordBytes), kgo.ProducerLinger(0),
	}
}

// Retryable says why a letter cannot be sent again; nil: it can. Topics are those of the engine.
func (l *Letter) Retryable(topics Topics) error {
	_, isInput := topics.Inputs[l.Source.Topic]
	switch {
	case l.Source.Topic == "":
		return errors.New("it does not say where it came from: Accrue did not write it")
	case !isInput && l.Source.Topic != topics.Effects:
		return fmt.Errorf("it came from %s, which the engine does not read", l.Source.Topic)
	case l.WholeSize > 0:
		return fmt.Errorf("only %d of its %d bytes are kept: its producer has to send it again, as it stands in %s/%d at offset %d",
			len(l.Value), l.WholeSize, l.Source.Topic, l.Source.Partition, l.Source.Offset)
	}
	return nil
}

// Retried is what became of one letter in RetryLetters.
type Retried struct {
	Letter *Letter // without Key, Value and Headers where it was sent
	Sent   bool    // by this call; Letter.Retried says where it is
	Why    error   // why it cannot be sent; nil where it was sent, by this call or before
}

// RetryLetters sends dead letters back to where they came from, each once: topic, partition, key, value and headers as they were.
// (A tombstone keeps its time, which is when it happened; others get the time of now, so that an old one is not deleted by the
// topic's retention before it is read.) A letter's record and the mark that it was sent are written in one transaction:
//
//   - All who retry letters of an app have one transactional id. Taking it fences whoever has it, and waits until what they
//     committed is settled, or aborts it.
//   - Only then are the marks read, up to the high watermark of that moment. So every mark that can be there has been seen, and
//     whoever comes later fences us before they look.
//
// Whatever fails, and wherever it dies, the next call sends what was not committed, and nothing twice. A record that fails again
// becomes a letter of its own, with a higher Tries.
//
// kafka is a new client with RetryOptions. The report is called for every letter that the filter chooses, of those that are
// sent once their transaction is committed.
func RetryLetters(ctx context.Context, kafka *kgo.Client, topics Topics, filter *LetterFilter, by string, report func(Retried)) error {
	// The id is taken before anything is read.
	opening, cancel := context.WithTimeout(ctx, 2*retryTimeout)
	defer cancel()
	if _, _, err := kafka.ProducerID(opening); err != nil {
		return fmt.Errorf("take the transactional id of retries: %w", err)
	}
	letters, err := openLetters(ctx, kafka, topics.DeadLetters, kadm.NewClient(kafka).ListEndOffsets)
	if err != nil {
		return err
	}
	r := &retrier{kafka: kafka, topics: topics, by: by, report: report, partitions: map[string]int{}}
	if err := letters.Each(ctx, filter, func(l *Letter) error { return r.take(ctx, l) }); err != nil {
		return err
	}
	return r.commit(ctx)
}

// retrier gathers letters and sends them.
type retrier struct {
	kafka      *kgo.Client
	topics     Topics
	by         string
	report     func(Retried)
	partitions map[string]int // of topics that letters came from

	open  []*Letter
	bytes int
}

func (r *retrier) take(ctx context.Context, l *Letter) error {
	if l.Retried != nil {
		r.report(Retried{Letter: l})
		return nil
	}
	if why := l.Retryable(r.topics); why != nil {
		r.report(Retried{Letter: l, Why: why})
		return nil //nolint:nilerr // it is told to the caller; the next letter may do
	}
	n, err := r.partitionsOf(ctx, l.Source.Topic)
	if err != nil {
		return err
	}
	if int(l.Source.Partition) >= n {
		r.report(Retried{Letter: l, Why: fmt.Errorf("topic %s has %d partitions, and it came from partition %d", l.Source.Topic, n, l.Source.Partition)})
		return nil
	}
	r.open = append(r.open, l)
	if r.bytes += len(l.Key) + len(l.Value); len(r.open) < retryLetters && r.bytes < retryBytes {
		return nil
	}
	return r.commit(ctx)
}

func (r *retrier) partitionsOf(ctx context.Context, topic string) (int, error) {
	if n, known := r.partitions[topic]; known {
		return n, nil
	}
	meta, err := kadm.NewClient(r.kafka).Metadata(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("look for topic %s: %w", topic, err)
	}
	about := meta.Topics[topic]
	if about.Err != nil && !errors.Is(about.Err, kerr.UnknownTopicOrPartition) {
		return 0, fmt.Errorf("look for topic %s: %w", topic, about.Err)
	}
	r.partitions[topic] = len(about.Partitions)
	return len(about.Partitions), nil
}

// commit sends what is gathered, in one transaction.
func (r *retrier) commit(ctx context.Context) error {
	letters := r.open
	if r.open, r.bytes = nil, 0; len(letters) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	if err := r.kafka.BeginTransaction(); err != nil {
		return fmt.Errorf("begin the transaction of %d dead letters: %w", len(letters), err)
	}
	if err := r.write(ctx, letters); err != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), retryTimeout)
		defer cancel()
		// An error of the end itself changes nothing: what is not committed is aborted by the next retry, or by time.
		_ = errors.Join(r.kafka.AbortBufferedRecords(ending), r.kafka.EndTransaction(ending, kgo.TryAbort))
		return fmt.Errorf("send %d dead letters from %s on, none of them is sent: %w", len(letters), letters[0].ID, orFenced(err))
	}
	if err := r.kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit %d dead letters from %s on, whether they are sent shows when it is run again: %w", len(letters), letters[0].ID, orFenced(err))
	}
	for _, l := range letters {
		l.Key, l.Value, l.Headers = nil, nil, nil
		r.report(Retried{Letter: l, Sent: true})
	}
	return nil
}

func orFenced(err error) error {
	if isFenced(err) {
		return fmt.Errorf("%w (%w)", ErrRetryFenced, err)
	}
	return err
}

// write produces the records, then the marks, which say where the records are.
func (r *retrier) write(ctx context.Context, letters []*Letter) error {
	records := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		records[i] = &kgo.Record{Topic: l.Source.Topic, Partition: l.Source.Partition, Key: l.Key, Value: l.Value}
		// The app may have got more shards since: a request goes to where it would be taken in now.
		if home, is := waitingHome(l.Headers, l.Key, int32(r.partitions[l.Source.Topic])); is && l.Source.Topic == r.topics.Effects {
			records[i].Partition = home
		}
		if l.Value == nil {
			records[i].Timestamp = l.Timestamp
		}
		for _, h := range l.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	if err := r.produce(ctx, records); err != nil {
		return err
	}
	marks := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		sent := records[i]
		l.Retried = &Retry{At: sent.Timestamp, By: r.by, To: schemas.Source{Topic: sent.Topic, Partition: sent.Partition, Offset: sent.Offset}}
		marks[i] = mark(r.topics.DeadLetters, l)
	}
	return r.produce(ctx, marks)
}

// produce returns when all are acknowledged, or ctx ends, which kgo's own ProduceSync would not heed in a transaction.
func (r *retrier) produce(ctx context.Context, records []*kgo.Record) error {
	failed := &acks{}
	for _, record := range records {
		r.kafka.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.fail(fmt.Errorf("produce to %s/%d: %w", record.Topic, record.Partition, err))
			}
		})
	}
	err := r.kafka.Flush(ctx)
	if first := failed.first(); first != nil {
		return first
	}
	return err
}

// mark makes the record that says that a letter was sent again. It lies in the letter's partition, behind it.
func mark(topic string, l *Letter) *kgo.Record {
	headers := []kgo.RecordHeader{
		{Key: HeaderRetried, Value: []byte(l.ID.String())},
		{Key: HeaderRetriedTo, Value: []byte(placeText(l.Retried.To))},
		{Key: HeaderTries, Value: strconv.AppendInt(nil, int64(l.Tries+1), 10)},
	}
	if l.Retried.By != "" {
		headers = append(headers, kgo.RecordHeader{Key: HeaderBy, Value: []byte(l.Retried.By)})
	}
	return &kgo.Record{Topic: topic, Partition: l.ID.Partition, Key: l.Key, Value: []byte{}, Headers: headers}
}
