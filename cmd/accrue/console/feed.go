package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// Bounds of the feed. Pages state the first two.
const (
	lookBack     = 7 * 24 * time.Hour
	lookBackMost = 200_000         // records of a topic
	feedIdle     = 5 * time.Minute // after the last reader it ends
	feedPause    = 2 * time.Second // before it tries again
)

type feedOptions struct {
	config  processor.Config
	decoder *schemas.Decoder
	log     *slog.Logger
	connect func() (*kgo.Client, error) // for questions
}

// feed reads what the whole fleet writes, for as long as somebody looks.
type feed struct {
	o     feedOptions
	kinds map[string]schemas.Kind // by topic; dead letters have none

	mu      sync.Mutex // guards what follows
	used    time.Time
	stop    context.CancelFunc // nil: it does not run
	done    chan struct{}
	closed  bool
	tally   *tally // nil: it does not run
	missing map[partition]gap
	since   time.Time // from when on it has read
	trouble error
	fleet   *fleet // nil: not known yet
}

type partition struct {
	topic  string
	number int32
}

// gap is what is still to be read of the look-back.
type gap struct{ at, end int64 }

func newFeed(o feedOptions) *feed {
	t := o.config.Topics
	f := &feed{o: o, kinds: map[string]schemas.Kind{t.DeadLetters: 0}}
	for name, kind := range t.Kinds() {
		if !kind.IsInput() && kind != schemas.KindEffect {
			f.kinds[name] = kind
		}
	}
	return f
}

// reading is how far the feed is, for pages.
type reading struct {
	Since   time.Time // what is older was not read
	Ready   bool      // the look-back is over
	Left    int64     // records of it that are still to come
	Trouble error
}

// look hands over what is known now, and keeps the feed alive. The tally must not be kept beyond the call.
func (f *feed) look(see func(*tally, *fleet)) reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = time.Now()
	if f.stop == nil && !f.closed {
		ctx, cancel := context.WithCancel(context.Background())
		f.stop, f.done, f.tally, f.missing, f.fleet, f.trouble, f.since = cancel, make(chan struct{}), newTally(), nil, nil, nil, time.Time{}
		go f.run(ctx, f.done)
	}
	if f.tally == nil {
		see(newTally(), nil)
		return reading{Trouble: f.trouble}
	}
	see(f.tally, f.fleet)
	r := reading{Since: f.since, Ready: f.missing != nil, Trouble: f.trouble}
	for _, g := range f.missing {
		r.Left += g.end - g.at
		r.Ready = false
	}
	return r
}

// close ends it for good.
func (f *feed) close() {
	f.mu.Lock()
	f.closed = true
	stop, done := f.stop, f.done
	f.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// idle says whether nobody has looked for long; then it is as if it had never run.
func (f *feed) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.used) > feedIdle
}

// run reads until ctx ends or nobody looks any more. What fails is tried again, and shown meanwhile.
func (f *feed) run(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() {
		defer cancel()
		f.watchFleet(ctx)
	})
	for ctx.Err() == nil {
		if err := f.read(ctx); err != nil && ctx.Err() == nil {
			f.o.log.Warn("the console cannot read the outputs, trying again", "err", err)
			f.mu.Lock()
			f.trouble = err
			f.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(feedPause):
			}
		}
	}
	cancel()
	beside.Wait()
	f.mu.Lock()
	f.stop, f.tally, f.fleet, f.missing = nil, nil, nil, nil
	f.mu.Unlock()
	close(done)
}

// read begins anew at the look-back, and goes on until an error.
func (f *feed) read(ctx context.Context) error {
	options, err := f.o.config.Kafka.ClientOptions()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(options, kgo.ClientID(f.o.config.App+"-console-feed"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.KeepControlRecords())...)
	if err != nil {
		return err
	}
	defer client.Close()
	since := time.Now().Add(-lookBack)
	from, missing, err := startAt(ctx, client, since, slices.Collect(maps.Keys(f.kinds)))
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.tally, f.missing, f.since, f.trouble = newTally(), missing, since, nil
	f.mu.Unlock()
	client.AddConsumePartitions(from)
	for {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, failed := range fetches.Errors() {
			return fmt.Errorf("read %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
		}
		if err := f.take(ctx, fetches); err != nil {
			return err
		}
	}
}

// startAt finds where to begin, and how many offsets there are up to the present ends.
func startAt(ctx context.Context, client *kgo.Client, since time.Time, topics []string) (map[string]map[int32]kgo.Offset, map[partition]gap, error) {
	adm := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ends, err := adm.ListCommittedOffsets(ctx, topics...)
	begins, err2 := adm.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topics...)
	starts, err3 := adm.ListStartOffsets(ctx, topics...)
	if err := errors.Join(err, err2, err3, ends.Error()); err != nil {
		return nil, nil, fmt.Errorf("look for the ends of the outputs: %w", err)
	}
	from, missing := map[string]map[int32]kgo.Offset{}, map[partition]gap{}
	ends.Each(func(end kadm.ListedOffset) {
		at := end.Offset
		if begin, ok := begins.Lookup(end.Topic, end.Partition); ok && begin.Err == nil && begin.Offset >= 0 {
			at = min(at, begin.Offset)
		}
		at = max(at, end.Offset-lookBackMost/int64(max(1, len(ends[end.Topic]))))
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			at = max(at, start.Offset)
		}
		if from[end.Topic] == nil {
			from[end.Topic] = map[int32]kgo.Offset{}
		}
		from[end.Topic][end.Partition] = kgo.NewOffset().At(at)
		if at < end.Offset {
			missing[partition{end.Topic, end.Partition}] = gap{at, end.Offset}
		}
	})
	return from, missing, nil
}

// take adds what was fetched. Decoding may ask the registry, so it is done before the lock is taken.
func (f *feed) take(ctx context.Context, fetches kgo.Fetches) error {
	type read struct {
		record *kgo.Record
		value  any
	}
	var all []read
	for records := fetches.RecordIter(); !records.Done(); {
		r := records.Next()
		if r.Attrs.IsControl() {
			continue
		}
		var value any
		if kind := f.kinds[r.Topic]; kind != 0 && len(r.Value) > 0 {
			var err error
			value, err = f.o.decoder.Decode(ctx, kind, r.Value)
			if bad := new(schemas.BadRecord); err != nil && !errors.As(err, &bad) {
				return fmt.Errorf("read %s, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
			}
		}
		all = append(all, read{r, value})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range all {
		f.tally.take(x.record, x.value)
	}
	fetches.EachRecord(func(r *kgo.Record) {
		at := partition{r.Topic, r.Partition}
		if g, waits := f.missing[at]; waits {
			if g.at = r.Offset + 1; g.at >= g.end {
				delete(f.missing, at)
				return
			}
			f.missing[at] = g
		}
	})
	return nil
}
