package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errMoved is why a transaction is aborted that was begun in an assignment from which shards were lost since.
var errMoved = errors.New("shards were lost while the transaction was open")

// txnProducer is one life of the transactional producer.
type txnProducer struct {
	client *kgo.Client
	topics Topics
	acks   *acks // of the open transaction; nil: none is open
}

// acks gathers what became of the records of one transaction.
type acks struct {
	state string // the changelog

	mu      sync.Mutex
	highest map[int32]int64 // changelog offsets
	err     error           // the first
}

// Open implements Kafka. The client before it is closed as it is: the new one's InitProducerID fences it.
func (c *client) Open() {
	c.mu.Lock()
	old := c.producer
	c.producer = nil
	c.mu.Unlock()
	c.start(func(ctx context.Context) Event {
		if old != nil {
			old.client.Close()
		}
		p, err := c.openProducer(ctx)
		if err != nil {
			return Opened{err}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if ctx.Err() != nil {
			p.client.Close()
			return nil
		}
		c.producer = p
		return Opened{}
	})
}

// openProducer makes a client, and lets the broker settle what the one before it left open.
func (c *client) openProducer(ctx context.Context) (*txnProducer, error) {
	options := kafkaOptions(c.base,
		kgo.ClientID(c.name),
		kgo.WithLogger(c.kafkaLog),
		kgo.TransactionalID(c.name),
		kgo.TransactionTimeout(c.transactionTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(partitioner)),
		kgo.ProducerBatchMaxBytes(int32(min(c.maxRecordBytes+recordOverhead, math.MaxInt32))), // bounded
		// A transaction is bounded by the lane; here nothing may block its loop.
		kgo.MaxBufferedRecords(math.MaxInt32),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.UnknownTopicRetries(10),
	)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, 2*c.transactionTimeout)
	defer cancel()
	if _, _, err = client.ProducerID(opening); err == nil {
		_, err = c.topicIDs(opening)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return &txnProducer{client: client, topics: c.topics}, nil
}

// partitioner honours the partition of those outputs that have one.
func partitioner(string) func(*kgo.Record, int) int {
	return func(r *kgo.Record, n int) int {
		if r.Partition != ByKey {
			return int(r.Partition)
		}
		return int(murmur2(r.Key)&0x7fffffff) % n
	}
}

// Produce implements Kafka.
func (c *client) Produce(records []Output) {
	p := c.producing()
	if p == nil {
		return // closed; nothing will be flushed either
	}
	if p.acks == nil {
		p.acks = &acks{state: c.topics.State, highest: make(map[int32]int64)}
		if err := p.client.BeginTransaction(); err != nil {
			p.acks.fail(fmt.Errorf("begin transaction: %w", err))
		}
	}
	batch := make([]kgo.Record, len(records))
	for i := range records {
		r := &records[i]
		batch[i] = kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			batch[i].Headers = append(batch[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		p.client.Produce(c.ctx, &batch[i], p.acks.promise)
	}
}

// promise is called by kgo for each record once its fate is known. A commit after a failed record would be taken by the
// broker, so failures are counted here.
func (a *acks) promise(r *kgo.Record, err error) {
	if err != nil {
		a.fail(fmt.Errorf("produce to %s/%d: %w", r.Topic, r.Partition, err))
		return
	}
	if r.Topic != a.state {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.highest[r.Partition]; !ok || r.Offset > last {
		a.highest[r.Partition] = r.Offset
	}
}

func (a *acks) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

// Flush implements Kafka.
func (c *client) Flush() {
	p := c.producing()
	if p == nil {
		return
	}
	c.start(func(ctx context.Context) Event {
		// A transaction that is not flushed within its timeout is aborted by the broker anyway.
		ctx, cancel := context.WithTimeout(ctx, c.transactionTimeout)
		defer cancel()
		err := p.client.Flush(ctx)
		p.acks.mu.Lock()
		defer p.acks.mu.Unlock()
		if p.acks.err != nil {
			err = p.acks.err
		}
		return Flushed{Acked: p.acks.highest, Err: err}
	})
}

// Commit implements Kafka.
func (c *client) Commit(commit Commit) {
	p := c.producing()
	if p == nil {
		return
	}
	c.start(func(ctx context.Context) Event {
		ctx, cancel := context.WithTimeout(ctx, c.transactionTimeout)
		defer cancel()
		if err := c.commitOffsets(ctx, p, commit); err != nil {
			return c.abort(ctx, p, fmt.Errorf("commit offsets in the transaction: %w", err))
		}
		p.acks = nil
		err := p.client.EndTransaction(ctx, kgo.TryCommit)
		switch {
		case err == nil:
			return Ended{Outcome: OutcomeCommitted}
		case errors.Is(err, kerr.OperationNotAttempted), errors.Is(err, kerr.TransactionAbortable):
			return c.abort(ctx, p, fmt.Errorf("commit transaction: %w", err))
		}
		// Also a definite refusal is no proof that the commit did not happen: it may answer a repetition of a request whose
		// first answer was lost.
		return Ended{Outcome: OutcomeUnknown, Discard: true, Err: fmt.Errorf("commit transaction: %w", err)}
	})
}

// Abort implements Kafka.
func (c *client) Abort() {
	p := c.producing()
	if p == nil {
		return
	}
	c.start(func(ctx context.Context) Event { return c.abort(ctx, p, nil) })
}

// abort drops what is open. Its commit was never asked for, so that it is aborted for sure, sooner or later.
func (c *client) abort(ctx context.Context, p *txnProducer, why error) Event {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.transactionTimeout)
	defer cancel()
	p.acks = nil
	err := p.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = p.client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		return Ended{Outcome: OutcomeAborted, Discard: true, Err: errors.Join(why, fmt.Errorf("abort transaction: %w", err))}
	}
	return Ended{Outcome: OutcomeAborted, Discard: why != nil && classify(why) == RemedyDiscard, Err: why}
}

// commitOffsets makes the offsets a part of the transaction, in the name of this member and its generation: that is what
// fences one that lost its shards and does not know (KIP-447). Both are taken for each attempt, as the latest: a rebalance
// that takes nothing from us changes the generation, and must not abort. One that takes something is seen by the epoch.
func (c *client) commitOffsets(ctx context.Context, p *txnProducer, commit Commit) error {
	deadline := time.Now().Add(c.transactionTimeout / 2)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		if c.epoch.Load() != commit.Epoch {
			return errMoved
		}
		err := c.tryCommitOffsets(ctx, p, commit)
		again := err != nil && (classify(err) == RemedyRetry || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress))
		if !again || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

func (c *client) tryCommitOffsets(ctx context.Context, p *txnProducer, commit Commit) error {
	consumer := c.consuming()
	if consumer == nil {
		return context.Canceled // closed meanwhile: the lane could not wait for the outcome
	}
	member, generation := consumer.GroupMetadata()
	if member == "" || generation < 0 {
		// Without them the broker would take the offsets from anybody.
		return kerr.UnknownMemberID
	}
	return c.sendOffsets(ctx, p.client, member, generation, commit.Offsets)
}

// sendOffsets makes offsets a part of the producer's open transaction, in the name of a member; without one (empty, -1) only a group that
// has no members takes them.
func (c *client) sendOffsets(ctx context.Context, producer *kgo.Client, member string, generation int32, offsets map[Partition]Committed) error {
	// Anew for each transaction: with transaction.version 2 the epoch rises with each (KIP-890).
	id, epoch, err := producer.ProducerID(ctx)
	if err != nil {
		return err
	}
	ids, err := c.topicIDs(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.MemberID, req.Generation = c.name, c.group, member, generation
	req.ProducerID, req.ProducerEpoch = id, epoch
	byTopic := make(map[string]int)
	for part, at := range offsets {
		i, ok := byTopic[part.Topic]
		if !ok {
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = part.Topic, ids.byName[part.Topic] // from version 6 on the id counts (KIP-1319)
			i = len(req.Topics)
			byTopic[part.Topic] = i
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.Metadata = part.Partition, at.Offset, kmsg.StringPtr(at.Metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	resp, err := req.RequestWith(ctx, producer)
	if err != nil {
		return err
	}
	answered := 0
	for _, t := range resp.Topics {
		for _, rp := range t.Partitions {
			answered++
			if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
				return fmt.Errorf("%s/%d: %w", cmp.Or(t.Topic, ids.names[t.TopicID]), rp.Partition, err)
			}
		}
	}
	if answered != len(offsets) {
		return fmt.Errorf("%d of %d partitions were answered", answered, len(offsets))
	}
	return nil
}

func (c *client) producing() *txnProducer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.producer
}
