package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/state"
)

// Reshard gives an app more shards than it has, while its engine is stopped. It takes three steps, each of which may be taken again:
//
//  1. The changelog and the effects get partitions on top. From here on no instance starts, since the control topic names another
//     number of shards.
//  2. In one transaction every row goes to the shard that is its home from now on, and is deleted where it was; so do the
//     requests that nobody has taken in yet; and the positions of all changelogs that were written to are committed. (move)
//  3. The control topic says the new number. From here on instances start.
//
// C14: it dies at any moment. Before the end of step 2 nothing is moved, after it all is, and what is at home already is left
// alone: so the command is run again, and goes on. The changelogs are the same topics as before: a local store reads on from where it
// stands, and loses and gets what was moved like any other change.
//
// Kafka takes no partitions away, so there is no way back to fewer shards.
type Reshard struct {
	App     string
	Shards  int32 // that there are to be
	Topics  Topics
	Decoder Decoder // of forwarded records that wait
	// Connect makes a client of the cluster. Who asks for it closes it.
	Connect func(ctx context.Context, more ...kgo.Opt) (*kgo.Client, error)
	// Empty is where rows are folded, one shard at a time, and dropped again.
	Empty *state.Store
	// Read hears of the changelog records that were read; nil: nobody does.
	Read func(records int)
	// Done hears of steps that are done; nil: nobody does.
	Done func(words string)
}

// ReshardPlan is what there is before.
type ReshardPlan struct {
	From  int32 // shards of the app
	Begun bool  // partitions were added, and the rest has not been done
	Done  bool  // there are as many shards as there are to be
}

// Resharded counts what was moved.
type Resharded struct {
	Rows, RowsMoved         int
	Requests, RequestsMoved int // that nobody has taken in yet, forwarded records among them
}

// ReshardTimeout is how long the transaction may take: what brokers allow by default.
const ReshardTimeout = 15 * time.Minute

// ReshardID is the transactional id of `topics reshard`. Who runs it again fences and aborts what was left open.
func ReshardID(app string) string { return app + "-reshard" }

// Look says whether the app can have its shards, and how far it is on the way. It changes nothing.
func (r *Reshard) Look(ctx context.Context) (ReshardPlan, error) {
	kafka, err := r.Connect(ctx)
	if err != nil {
		return ReshardPlan{}, err
	}
	defer kafka.Close()
	return r.look(ctx, kafka)
}

func (r *Reshard) look(ctx context.Context, kafka *kgo.Client) (p ReshardPlan, err error) {
	found, err := partitionsOf(ctx, kafka, r.Topics.State, r.Topics.Effects, r.Topics.Control)
	if err != nil {
		return p, err
	}
	for _, name := range []string{r.Topics.State, r.Topics.Effects, r.Topics.Control} {
		if found[name] == 0 {
			return p, fmt.Errorf("there is no topic %s: run accrue topics apply, or correct the key app", name)
		}
	}
	control, err := ReadControl(ctx, kafka, r.App, nil)
	if err != nil {
		return p, err
	}
	if control.App == nil {
		return p, fmt.Errorf("no instance of %s was ever started: delete %s and %s, and run accrue topics apply with topics.partitions: %d (a dump that was loaded has to be loaded again)",
			r.App, r.Topics.State, r.Topics.Effects, r.Shards)
	}
	if a := control.App; a.ID != r.App || !ourFormats().knows(a.Formats) {
		return p, fmt.Errorf("%s is of app %s at formats %s, this accrue is for app %s and knows %s: use the configuration and the version that its instances have",
			r.Topics.Control, a.ID, a.Formats, r.App, ourFormats())
	}
	p.From = control.App.Shards
	has := max(p.From, found[r.Topics.State], found[r.Topics.Effects])
	p.Begun = has > p.From
	p.Done = p.From == r.Shards && !p.Begun
	switch {
	case p.Begun && r.Shards != has:
		return p, fmt.Errorf("to give %s %d shards was begun and is not finished: run it with --shards %d first", r.App, has, has)
	case r.Shards < has:
		return p, fmt.Errorf("%s has %d shards, and there are never fewer: Kafka takes no partitions away, and what a shard holds of budgets has its place there; shards that are too many cost little",
			r.App, has)
	}
	return p, r.atRest(ctx, kafka)
}

// atRest is an error while somebody writes to the app's shards, or may have.
func (r *Reshard) atRest(ctx context.Context, kafka *kgo.Client) error {
	members, err := membersSoon(ctx, kadm.NewClient(kafka), r.App)
	if err != nil {
		return err
	}
	if n := len(members); n > 0 {
		return fmt.Errorf("%s of %s in the group: stop all instances, and run it again; one that was killed leaves the group after its session timeout (10 s by default)",
			count(n, "lane"), r.App)
	}
	open, err := OpenTransactions(ctx, kafka, r.App, []string{r.Topics.State, r.Topics.Effects})
	if err != nil {
		return err
	}
	for i := range open {
		if t := &open[i]; t.ID != ReshardID(r.App) {
			return fmt.Errorf("a transaction is open, of %s since %s: run it again in a moment, or look with accrue txn list", orText(t.ID, "nobody who is known"), t.Began.Format(time.RFC3339))
		}
	}
	return nil
}

// partitionsOf counts the partitions of topics as the cluster has them now; 0: there is no such topic.
func partitionsOf(ctx context.Context, kafka *kgo.Client, names ...string) (map[string]int32, error) {
	details, err := kadm.NewClient(kafka).ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("look at the topics: %w", err)
	}
	found := make(map[string]int32, len(names))
	for _, name := range names {
		found[name] = int32(len(details[name].Partitions))
	}
	return found, nil
}

// Count says what would be moved.
func (r *Reshard) Count(ctx context.Context) (Resharded, error) {
	kafka, err := r.Connect(ctx)
	if err != nil {
		return Resharded{}, err
	}
	defer kafka.Close()
	found, err := partitionsOf(ctx, kafka, r.Topics.State, r.Topics.Effects)
	if err != nil {
		return Resharded{}, err
	}
	m := r.newMove(kafka, func(*kgo.Record) error { return nil })
	defer m.client.cancel()
	err = m.all(ctx, min(found[r.Topics.State], found[r.Topics.Effects]))
	return m.counts, err
}

// Run does what is left to do.
func (r *Reshard) Run(ctx context.Context) (moved Resharded, err error) {
	kafka, err := r.Connect(ctx)
	if err != nil {
		return moved, err
	}
	defer kafka.Close()
	p, err := r.look(ctx, kafka)
	if err != nil || p.Done {
		return moved, err
	}
	if err := r.grow(ctx, kafka); err != nil {
		return moved, err
	}
	if moved, err = r.commit(ctx); err != nil {
		return moved, err
	}
	// Read anew: another who runs this may have got here first.
	control, err := ReadControl(ctx, kafka, r.App, nil)
	if err != nil || control.App.Shards == r.Shards {
		return moved, err
	}
	now := *control.App
	now.Shards = r.Shards
	value, err := encodeApp(now)
	if err == nil {
		_, err = appendControl(ctx, kafka, r.Topics.Control, value)
	}
	if err != nil {
		return moved, fmt.Errorf("all is moved, and the control topic does not say so yet: %w", err)
	}
	r.done("%s says that there are %d shards", r.Topics.Control, r.Shards)
	return moved, nil
}

func (r *Reshard) done(format string, args ...any) {
	if r.Done != nil {
		r.Done(fmt.Sprintf(format, args...))
	}
}

// grow is step 1. It returns when every broker knows of the partitions.
func (r *Reshard) grow(ctx context.Context, kafka *kgo.Client) error {
	adm := kadm.NewClient(kafka)
	for _, topic := range []string{r.Topics.State, r.Topics.Effects} {
		found, err := partitionsOf(ctx, kafka, topic)
		if err != nil {
			return err
		}
		if found[topic] >= r.Shards {
			continue
		}
		answers, err := adm.UpdatePartitions(ctx, int(r.Shards), topic)
		for _, a := range answers {
			if !errors.Is(a.Err, kerr.InvalidPartitions) { // it has as many, and the broker that was asked had not heard of it
				err = errors.Join(err, a.Err)
			}
		}
		if err != nil {
			return fmt.Errorf("add partitions to %s: %w", topic, err)
		}
		r.done("%s has %d partitions", topic, r.Shards)
	}
	ctx, cancel := context.WithTimeout(ctx, growTimeout)
	defer cancel()
	for {
		err := r.grown(ctx, kafka)
		if err == nil || !sleep(ctx, retryPause) {
			return err
		}
	}
}

// growTimeout is how long brokers may take to hear of new partitions.
const growTimeout = time.Minute

// grown is an error until every broker knows who leads each partition.
func (r *Reshard) grown(ctx context.Context, kafka *kgo.Client) error {
	brokers := kafka.DiscoveredBrokers()
	if len(brokers) == 0 {
		return errors.New("no broker is known yet")
	}
	for _, broker := range brokers {
		request := kmsg.NewPtrMetadataRequest()
		for _, name := range []string{r.Topics.State, r.Topics.Effects} {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(name)
			request.Topics = append(request.Topics, topic)
		}
		metadata, err := request.RequestWith(ctx, broker)
		if err != nil {
			return fmt.Errorf("ask a broker for the partitions: %w", err)
		}
		for _, topic := range metadata.Topics {
			led := 0
			for _, p := range topic.Partitions {
				if p.ErrorCode == 0 && p.Leader >= 0 {
					led++
				}
			}
			if led < int(r.Shards) {
				return fmt.Errorf("a broker knows of %d of the %d partitions of %s", led, r.Shards, *topic.Topic)
			}
		}
	}
	return nil
}

// commit is step 2. The client is a new one: one from before knows fewer partitions for a while.
func (r *Reshard) commit(ctx context.Context) (moved Resharded, err error) {
	kafka, err := r.Connect(ctx, kgo.TransactionalID(ReshardID(r.App)), kgo.TransactionTimeout(ReshardTimeout), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return moved, err
	}
	defer kafka.Close()
	// Settles what a run before this one left open.
	if _, _, err := kafka.ProducerID(ctx); err != nil {
		return moved, fmt.Errorf("open the producer %s: %w", ReshardID(r.App), err)
	}
	if err := r.atRest(ctx, kafka); err != nil { // an instance that had looked at the topics before they grew
		return moved, err
	}
	if err := kafka.BeginTransaction(); err != nil {
		return moved, fmt.Errorf("begin the transaction: %w", err)
	}
	sent := &acks{state: r.Topics.State, highest: map[int32]int64{}}
	m := r.newMove(kafka, func(record *kgo.Record) error {
		kafka.Produce(ctx, record, sent.promise)
		return sent.first()
	})
	defer m.client.cancel()
	err = m.all(ctx, r.Shards)
	if err = errors.Join(err, kafka.Flush(ctx)); err == nil {
		err = sent.first()
	}
	if err == nil && m.sent == 0 { // nothing is left to move, and a transaction of nothing cannot be committed
		return m.counts, kafka.EndTransaction(ctx, kgo.TryAbort)
	}
	if err == nil {
		err = r.atRestStill(ctx, kafka)
	}
	if err == nil {
		err = m.client.sendOffsets(ctx, kafka, "", -1, m.offsets(sent.highest))
	}
	if err != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		return moved, errors.Join(fmt.Errorf("move the state, nothing of it is committed: %w", err), kafka.AbortBufferedRecords(ending), kafka.EndTransaction(ending, kgo.TryAbort))
	}
	if err := kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return moved, fmt.Errorf("commit what was moved: whether it is will show when this is run again: %w", err)
	}
	r.done("%d of %d rows and %d of %d waiting requests are moved", m.counts.RowsMoved, m.counts.Rows, m.counts.RequestsMoved, m.counts.Requests)
	return m.counts, nil
}

// abortPatience is how long the abort of what cannot be committed is waited for.
const abortPatience = 10 * time.Second

// atRestStill is atRest while the transaction is open: an instance that has joined meanwhile may serve a shard already.
func (r *Reshard) atRestStill(ctx context.Context, kafka *kgo.Client) error {
	members, err := membersSoon(ctx, kadm.NewClient(kafka), r.App)
	if err == nil && len(members) > 0 {
		err = fmt.Errorf("an instance of %s was started meanwhile: stop it, and run this again", r.App)
	}
	return err
}
