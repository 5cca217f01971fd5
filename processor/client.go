package processor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// clientOptions are the surroundings of a client.
type clientOptions struct {
	base     []kgo.Opt // brokers, TLS, SASL, compression
	admin    *kgo.Client
	group    string
	name     string   // transactional id, and the client id by which others see that its writer lives
	siblings []string // the names of all lanes of this process, this one among them
	shards   int32
	topics   Topics
	balancer *balancer
	log      *slog.Logger
	kafkaLog kgoLog // for the clients' own lines

	sessionTimeout     time.Duration
	heartbeat          time.Duration
	rebalanceTimeout   time.Duration
	transactionTimeout time.Duration
	maxRecordBytes     int64
}

// client is Kafka on franz-go: a group consumer, a transactional producer and an administrative client that is shared with
// others. What takes time runs in goroutines of its own, each known to work and ended by ctx; what comes of it is an event.
//
// The consumer does not use kgo.BlockRebalanceOnPoll. Its gate holds the poll back while a callback runs and a callback
// back until the poller says so, which leaves no way for one goroutine to do both; and it stops the pipeline at every
// rebalance, also at those that move nothing. Instead, the callbacks for partitions that go away wait for Release: kgo has
// by then stopped to fetch them, does not go on with the group before they return, and goes on heartbeating meanwhile. So
// between Revoked and Release no other member gets them, and no new generation can be stored after Lost and before Release.
type client struct {
	clientOptions
	adm    *kadm.Client
	ctx    context.Context //nolint:containedctx // the life of the client's goroutines
	cancel context.CancelFunc
	work   sync.WaitGroup
	epoch  atomic.Int64 // counts assignments that shards were taken out of
	fence  atomic.Bool  // FenceGone is under way

	mu        sync.Mutex // guards what follows
	events    []Event
	interrupt context.CancelFunc // ends the poll that is waiting; nil: none is
	releases  []release          // callbacks that wait, oldest first
	consumer  *kgo.Client        // nil before Join
	producer  *txnProducer       // nil while none is open
	ids       topicIDs
	standbys  Standbys // as the leader said last
	ready     []int32  // as the lane said last
}

// release is a callback of the consumer's that waits for Release.
type release struct {
	done chan struct{}
	lost bool
}

var _ Kafka = (*client)(nil)

func newClient(o clientOptions) *client {
	ctx, cancel := context.WithCancel(context.Background())
	return &client{clientOptions: o, adm: kadm.NewClient(o.admin), ctx: ctx, cancel: cancel}
}

// post adds an event, and wakes the poll that is waiting.
func (c *client) post(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	if c.interrupt != nil {
		c.interrupt()
	}
}

// start runs f in a goroutine and posts its event.
func (c *client) start(f func(ctx context.Context) Event) {
	c.work.Go(func() {
		if e := f(c.ctx); e != nil {
			c.post(e)
		}
	})
}

// Poll implements Kafka.
func (c *client) Poll(ctx context.Context, wait time.Duration, most int) []Event {
	if events := c.poll(nil, most); len(events) > 0 || wait <= 0 { //nolint:contextcheck,staticcheck // nil is kgo's way not to wait
		return events
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	c.mu.Lock()
	if len(c.events) > 0 {
		cancel()
	}
	c.interrupt = cancel
	c.mu.Unlock()
	events := c.poll(ctx, most)
	c.mu.Lock()
	c.interrupt = nil
	c.mu.Unlock()
	return events
}

// poll returns records and events. A nil context does not wait. Records come first: those that were fetched before an event
// are of the assignment before it, and once a callback was released kgo has none left of the partitions that it was about.
func (c *client) poll(ctx context.Context, most int) []Event {
	var events []Event
	c.mu.Lock()
	consumer := c.consumer
	c.mu.Unlock()
	switch {
	case consumer != nil && most > 0:
		events = recordEvents(consumer.PollRecords(ctx, most)) // nil is kgo's way not to wait
	case ctx != nil:
		<-ctx.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	events = append(events, c.events...)
	c.events = nil
	return events
}

// recordEvents turns fetches into events.
func recordEvents(fetches kgo.Fetches) []Event {
	var events []Event
	for _, f := range fetches.Errors() {
		var group *kgo.ErrGroupSession
		switch {
		case errors.Is(f.Err, context.Canceled), errors.Is(f.Err, context.DeadlineExceeded), errors.Is(f.Err, kgo.ErrClientClosed):
		case errors.As(f.Err, &group):
			events = append(events, Trouble{f.Err})
		default:
			events = append(events, Trouble{&fetchError{f.Topic, f.Partition, f.Err}})
		}
	}
	n := fetches.NumRecords()
	if n == 0 {
		return events
	}
	records := make(Records, 0, n)
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		for _, r := range p.Records {
			record := fromKgo(r)
			record.End = p.LastStableOffset
			records = append(records, record)
		}
	})
	return append(events, records)
}

// fetchError is what kept a partition from being read.
type fetchError struct {
	topic     string
	partition int32
	err       error
}

func (e *fetchError) Error() string {
	if e.topic == "" {
		return e.err.Error()
	}
	return "fetch " + e.topic + "/" + itoa(int64(e.partition)) + ": " + e.err.Error()
}

func (e *fetchError) Unwrap() error { return e.err }

func fromKgo(r *kgo.Record) Record {
	out := Record{
		Partition: Partition{r.Topic, r.Partition}, Offset: r.Offset, Timestamp: r.Timestamp.UTC(),
		Key: r.Key, Value: r.Value, Control: r.Attrs.IsControl(),
	}
	if len(r.Headers) > 0 {
		out.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			out.Headers[i] = Header{h.Key, h.Value}
		}
	}
	return out
}

// Close implements Kafka. It leaves the group, so that others need not wait for the session to time out.
func (c *client) Close(ctx context.Context) {
	c.cancel() // callbacks wait no longer
	c.mu.Lock()
	consumer, producer := c.consumer, c.producer
	c.consumer, c.producer = nil, nil
	c.mu.Unlock()
	if consumer != nil {
		if err := consumer.LeaveGroupContext(ctx); err != nil {
			c.log.Warn("group is left without saying so: its shards stay until the session times out", "err", err)
		}
		consumer.CloseAllowingRebalance()
	}
	if producer != nil {
		producer.client.Close()
	}
	c.work.Wait()
}

// retryBackoff is how long the clients pause between attempts. franz-go would come to 5 s after an outage, and a member that
// lost its group would join again that much later.
func retryBackoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures, 10), time.Second)
}

// options are those of all clients of this engine's, with the caller's own and then more behind them.
func kafkaOptions(own []kgo.Opt, more ...kgo.Opt) []kgo.Opt {
	return slices.Concat([]kgo.Opt{kgo.RetryBackoffFn(retryBackoff), kgo.MetadataMinAge(250 * time.Millisecond)}, own, more)
}

// grouped turns partitions into kgo's form.
func grouped(parts []Partition) map[string][]int32 {
	m := make(map[string][]int32)
	for _, p := range parts {
		m[p.Topic] = append(m[p.Topic], p.Partition)
	}
	return m
}

// ungrouped is the inverse of grouped, in order.
func ungrouped(m map[string][]int32) []Partition {
	var parts []Partition
	for topic, ps := range m {
		for _, p := range ps {
			parts = append(parts, Partition{topic, p})
		}
	}
	slices.SortFunc(parts, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return parts
}
