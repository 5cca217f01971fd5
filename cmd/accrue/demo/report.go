package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

// Watch reads what the engine writes, as a wallet would: committed records only. It knows of each record of the shop whether
// it was answered, by a decision or a dead letter. Its methods may be called from any goroutine.
type Watch struct {
	client  *kgo.Client
	decoder *schemas.Decoder
	topics  processor.TopicsConfig
	kinds   schemas.Topics
	counted map[place]int64 // of outputs: what lies before was there before this run
	listen  Listener
	moved   chan struct{} // there were answers

	mu       sync.Mutex // guards what follows, and the calls of the listener
	tallies  map[place]*tally
	waiting  int64 // records of the shop that are acknowledged and not answered
	twice    int64 // answers beyond the first
	answered time.Time
	period   period
	turn     int
	err      error
}

// place is a partition.
type place struct {
	topic     string
	partition int32
}

// tally has one byte for each record of an input partition, from where this run began.
type tally struct {
	from  int64
	marks []byte
}

const (
	markSent     = 1
	markAnswered = 2
)

// period is what came since the last line that was printed.
type period struct {
	outcomes                      map[schemas.Outcome]int64
	events, dead                  int64
	granted, held, released, back int64
	tiers                         []string
	lines                         map[string]string // the newest of each kind
}

// Listener hears of what was written. Its functions are called one at a time; see Locked.
type Listener struct {
	Written    func(rules.Outcome)       // in this run; one record each
	DeadLetter func()                    // in this run
	Earlier    func(*schemas.TierChange) // in the runs before
}

// NewWatch begins at what are the ends of the topics now.
func NewWatch(ctx context.Context, options []kgo.Opt, registry *schemas.Registry, t processor.TopicsConfig, listen Listener) (*Watch, error) {
	w := &Watch{
		decoder: schemas.NewDecoder(registry), topics: t, kinds: t.Kinds(), listen: listen,
		moved: make(chan struct{}, 1), counted: map[place]int64{}, tallies: map[place]*tally{}, answered: time.Now(),
	}
	w.period.reset()
	if err := w.begin(ctx, options); err != nil {
		return nil, fmt.Errorf("watch the engine's topics: %w", err)
	}
	return w, nil
}

func (w *Watch) begin(ctx context.Context, options []kgo.Opt) (err error) {
	outputs := []string{w.topics.Decisions, w.topics.PointGrants, w.topics.TierChanges, w.topics.DeadLetters}
	inputs := []string{w.topics.Orders, w.topics.CheckIns}
	client, err := kgo.NewClient(append(slices.Clone(options), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, append(inputs, outputs...)...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		client.Close()
		return err
	}
	from := map[string]map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		at := place{o.Topic, o.Partition}
		if slices.Contains(inputs, o.Topic) {
			w.tallies[at] = &tally{from: o.Offset}
			return
		}
		w.counted[at] = o.Offset
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
		if o.Topic == w.topics.TierChanges {
			from[o.Topic][o.Partition] = kgo.NewOffset().AtStart()
		}
	})
	client.AddConsumePartitions(from)
	w.client = client
	return nil
}

// Run reads until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	defer w.client.Close()
	for ctx.Err() == nil {
		fetches := w.client.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		for _, failed := range fetches.Errors() {
			return w.fail(fmt.Errorf("read %s/%d: %w", failed.Topic, failed.Partition, failed.Err))
		}
		var failed error
		fetches.EachRecord(func(r *kgo.Record) {
			if err := w.read(ctx, r); err != nil && failed == nil {
				failed = err
			}
		})
		if failed != nil && ctx.Err() == nil {
			return w.fail(failed)
		}
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
	return nil
}

func (w *Watch) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	return err
}

// read takes one record in.
func (w *Watch) read(ctx context.Context, r *kgo.Record) error {
	ours := r.Offset >= w.counted[place{r.Topic, r.Partition}]
	if r.Topic == w.topics.DeadLetters {
		w.readDeadLetter(r)
		return nil
	}
	value, err := w.decoder.Decode(ctx, w.kinds[r.Topic], r.Value)
	if err != nil {
		return fmt.Errorf("read %s/%d at offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch v := value.(type) {
	case *schemas.Decision:
		if w.answer(v.Source.Topic, v.Source.Partition, v.Source.Offset) {
			w.period.decision(v)
			w.listen.Written(rules.Outcome{Decision: v})
		}
	case *schemas.PointGrant:
		w.period.grant(v)
		w.listen.Written(rules.Outcome{Entries: []schemas.PointGrant{*v}})
	case *schemas.TierChange:
		if !ours {
			w.listen.Earlier(v)
			return nil
		}
		w.period.tier(v)
		w.listen.Written(rules.Outcome{TierChanges: []schemas.TierChange{*v}})
	}
	return nil
}

// readDeadLetter finds in the headers which record it was.
func (w *Watch) readDeadLetter(r *kgo.Record) {
	headers := map[string]string{}
	for _, h := range r.Headers {
		if _, have := headers[h.Key]; !have { // the record's own headers follow behind the engine's
			headers[h.Key] = string(h.Value)
		}
	}
	partition, _ := strconv.ParseInt(headers[processor.HeaderPartition], 10, 32) // a number; else it is none of ours
	offset, _ := strconv.ParseInt(headers[processor.HeaderOffset], 10, 64)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answer(headers[processor.HeaderTopic], int32(partition), offset) {
		w.period.dead++
		w.period.events++
		w.period.lines["dead letter"] = "dead letter: " + headers[processor.HeaderError]
		w.listen.DeadLetter()
	}
}

// Sent says that a broker has acknowledged a record of the shop.
func (w *Watch) Sent(topic string, partition int32, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if mark := w.mark(topic, partition, offset); mark != nil {
		if *mark&markAnswered == 0 {
			w.waiting++
		}
		*mark |= markSent
	}
}

// answer notes the answer to a record of this run; false: it is of an earlier one, or answered already.
func (w *Watch) answer(topic string, partition int32, offset int64) bool {
	mark := w.mark(topic, partition, offset)
	switch {
	case mark == nil:
		return false
	case *mark&markAnswered != 0:
		w.twice++
		return false
	case *mark&markSent != 0:
		w.waiting--
	}
	*mark |= markAnswered
	w.answered = time.Now()
	return true
}

func (w *Watch) mark(topic string, partition int32, offset int64) *byte {
	t := w.tallies[place{topic, partition}]
	if t == nil || offset < t.from {
		return nil
	}
	i := int(offset - t.from)
	if i >= len(t.marks) {
		t.marks = append(t.marks, make([]byte, i+1-len(t.marks))...)
	}
	return &t.marks[i]
}

// Wait returns once at most so many records wait for their answer. It fails when none was answered for longer than patience.
func (w *Watch) Wait(ctx context.Context, most int64, patience time.Duration) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	begun := time.Now()
	for {
		w.mu.Lock()
		waiting, answered, twice, err := w.waiting, w.answered, w.twice, w.err
		w.mu.Unlock()
		if answered.Before(begun) {
			answered = begun
		}
		switch {
		case err != nil:
			return err
		case twice > 0:
			return fmt.Errorf("%d records were answered twice", twice)
		case waiting <= most:
			return nil
		case time.Since(answered) > patience:
			return fmt.Errorf("%d records have no answer, and none came for %s", waiting, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.moved:
		case <-ticker.C:
		}
	}
}

// Lines says in a few lines what came since the last call; none: nothing did.
func (w *Watch) Lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &w.period
	defer p.reset()
	if p.events == 0 && len(p.lines) == 0 {
		return nil
	}
	var parts, points []string
	for _, outcome := range slices.Sorted(maps.Keys(p.outcomes)) {
		parts = append(parts, fmt.Sprintf("%s %d", outcome, p.outcomes[outcome]))
	}
	if p.dead > 0 {
		parts = append(parts, fmt.Sprintf("dead letters %d", p.dead))
	}
	for _, sum := range [...]struct {
		points int64
		what   string
	}{{p.granted, "granted"}, {p.held, "held"}, {p.released, "released"}, {p.back, "taken back"}} {
		if sum.points != 0 {
			points = append(points, fmt.Sprintf("%d %s", sum.points, sum.what))
		}
	}
	lines := []string{fmt.Sprintf("%d events: %s", p.events, strings.Join(parts, ", "))}
	if len(points) > 0 {
		lines[0] += "; points: " + strings.Join(points, ", ")
	}
	if n := len(p.tiers); n > 0 {
		lines = append(lines, p.tiers[n-1])
	}
	kinds := slices.Sorted(maps.Keys(p.lines))
	if len(kinds) > 0 {
		w.turn++
		lines = append(lines, p.lines[kinds[w.turn%len(kinds)]])
	}
	return lines
}

func (p *period) reset() {
	*p = period{outcomes: map[schemas.Outcome]int64{}, lines: map[string]string{}}
}

func (p *period) decision(d *schemas.Decision) {
	p.events++
	p.outcomes[d.Outcome]++
	if d.Outcome == schemas.OutcomeInvalid || d.Outcome == schemas.OutcomeLate {
		p.lines[string(d.Outcome)] = fmt.Sprintf("%s: %s of %s: %s", d.MemberID, strings.ToLower(string(d.Outcome)), d.EventID, d.Reason)
	}
}

func (p *period) grant(g *schemas.PointGrant) {
	points := g.AvailableDelta + g.PendingDelta
	switch {
	case g.Entry == schemas.EntryReleased:
		points = g.AvailableDelta
		p.released += points
	case points < 0:
		p.back -= points
	default:
		p.granted += g.AvailableDelta
		p.held += g.PendingDelta
	}
	p.lines[string(g.Entry)] = fmt.Sprintf("%s %+d %s by %s (%s): %s",
		g.MemberID, points, strings.ToLower(string(g.Entry)), g.RuleID, g.RuleTitle, g.Reason)
}

func (p *period) tier(c *schemas.TierChange) {
	text := fmt.Sprintf("%s is %s now, was %s: %s", c.MemberID, c.To, c.From, c.Reason)
	if c.From == c.To { // another end of the same tier
		text = fmt.Sprintf("%s stays %s: %s", c.MemberID, c.To, c.Reason)
	}
	p.tiers = append(p.tiers, text)
}

// Locked calls f while the listener is not called.
func (w *Watch) Locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}
