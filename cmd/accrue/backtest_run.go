package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"accrue/cmd/accrue/backtest"
	"accrue/processor"
	"accrue/rules"
	"accrue/rules/explain"
	"accrue/rules/programme"
)

// backtesting is one run of backtest. Each programme has a replay of its own, and both take the same records in the same order; a
// programme's members share budgets and counters, so one programme is never decided by two processors. With more than one
// processor the records are read and decoded ahead, and the two programmes decide a batch at a time side by side.
type backtesting struct {
	programmes       []programme.Versions // A, and B
	from             []string
	asOf, now, since time.Time
	seed             string
	value            programme.PointValue
	language         explain.Language
	procs            int
	errs             io.Writer

	sides    []*backtestSide
	examples *backtest.Examples
	records  int64
}

// backtestSide is one programme of it.
type backtestSide struct {
	replay
	collector *backtest.Collector
}

func (b *backtesting) run(ctx context.Context, from history) (*backtest.Report, error) {
	for _, versions := range b.programmes {
		side, err := b.side(versions)
		if err != nil {
			return nil, err
		}
		b.sides = append(b.sides, side)
	}
	if len(b.sides) > 1 {
		b.examples = backtest.NewExamples()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	if err := b.replay(ctx, from); err != nil {
		return nil, err
	}
	if err := b.each(func(s *backtestSide) error { return s.end() }); err != nil {
		return nil, err
	}
	if err := b.nothing(); err != nil {
		return nil, err
	}
	b.warn()
	in := backtest.Input{
		A: b.sides[0].collector, Examples: b.examples, From: b.from, AsOf: b.asOf, Value: b.value, Language: b.language, Records: b.records,
	}
	if len(b.sides) > 1 {
		in.B = b.sides[1].collector
	}
	return backtest.Build(in)
}

// side makes the replay of a programme. Days are those of the first one's zone, for both.
func (b *backtesting) side(versions programme.Versions) (*backtestSide, error) {
	ledger, err := seededLedger(versions, b.seed)
	if err != nil {
		return nil, err
	}
	s := &backtestSide{}
	s.asOf, s.now, s.shard = b.asOf, b.now, processor.NewMemoryShard(ledger)
	options := backtest.Options{Since: b.since, Compare: len(b.programmes) > 1, Points: func(member string) (int64, error) {
		available, _, err := s.shard.Points(member)
		return available, err
	}}
	if len(b.sides) > 0 {
		first := b.programmes[0]
		options.Zone = first[len(first)-1].Programme.Zone
	}
	s.collector = backtest.NewCollector(versions, options)
	s.write = func(event *rules.Event, o *rules.Outcome) error { return s.collector.Take(event, o) }
	s.refuse = func(in *input, why string) error {
		s.collector.Refuse(in.place, why)
		return nil
	}
	return s, nil
}

// replay has all programmes take all records.
func (b *backtesting) replay(ctx context.Context, from history) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	progress := newProgress(b.errs, "events")
	defer progress.done()
	next := func() historyPart { return readPart(ctx, from) }
	if b.procs > 1 {
		ahead := readAhead(ctx, from)
		defer ahead.wait() // after stop: nobody reads any more when the history is closed
		next = ahead.next
	}
	defer stop()
	for {
		part := next()
		switch {
		case errors.Is(part.err, io.EOF):
			return nil
		case errors.Is(part.err, context.Canceled):
			return fmt.Errorf("stopped after %d events: %w", b.records, part.err)
		case part.err != nil:
			return part.err
		}
		if err := b.each(func(s *backtestSide) error { return s.takeAll(part.inputs) }); err != nil {
			return err
		}
		if b.examples != nil {
			b.examples.Compare(b.sides[0].collector, b.sides[1].collector)
		}
		b.records += int64(len(part.inputs))
		progress.position, progress.total = part.position, part.total
		progress.add(int64(len(part.inputs)))
	}
}

// each runs something for every programme, side by side where that is allowed. Of two errors A's is told.
func (b *backtesting) each(do func(s *backtestSide) error) error {
	if len(b.sides) == 1 || b.procs == 1 {
		for _, s := range b.sides {
			if err := do(s); err != nil {
				return err
			}
		}
		return nil
	}
	var other error
	var both sync.WaitGroup
	both.Go(func() { other = do(b.sides[1]) })
	err := do(b.sides[0])
	both.Wait()
	if err != nil {
		return err
	}
	return other
}

func (s *backtestSide) takeAll(batch []input) error {
	for i := range batch {
		in := batch[i]
		if err := s.take(&in); err != nil {
			return fmt.Errorf("%s: %w", in.place, err)
		}
	}
	return nil
}

// end advances the members, and tells the collector of all of them.
func (s *backtestSide) end() error {
	s.collector.Advance(s.asOf)
	if err := s.advanceAll(); err != nil {
		return err
	}
	s.collector.Close(s.shard.Members())
	return nil
}

// nothing says that there was nothing to replay, which is more likely a mistake than a shop without customers.
func (b *backtesting) nothing() error {
	letters, nothing := b.sides[0].collector.Nothing()
	switch from := strings.Join(b.from, ", "); {
	case !nothing:
		return nil
	case len(letters) == 0:
		return invalidf("%s: there are no events in it", from)
	default:
		return invalidf("%s: nothing in it is an event of a member; %s: %s", from, letters[0].Place, letters[0].Reason)
	}
}

// warn tells of the first records that are no events: they are counted as dead letters, as in simulate, and the rest is replayed.
func (b *backtesting) warn() {
	letters, _ := b.sides[0].collector.Nothing()
	for _, letter := range letters {
		fmt.Fprintf(b.errs, "accrue: %s is no event of a member, and counted as a dead letter: %s\n", letter.Place, letter.Reason)
	}
}

// historyPart is the next records of a history, and how far it has come with them.
type historyPart struct {
	inputs          []input
	position, total int64
	err             error
}

func readPart(ctx context.Context, from history) historyPart {
	inputs, err := from.next(ctx)
	position, total := from.reach()
	return historyPart{inputs, position, total, err}
}

// partsAhead is how many parts are read and decoded ahead.
const partsAhead = 8

// ahead reads a history in a goroutine of its own, which ends with its context.
type ahead struct {
	parts chan historyPart
	done  chan struct{} // closed when the goroutine has ended
}

func readAhead(ctx context.Context, from history) *ahead {
	a := &ahead{parts: make(chan historyPart, partsAhead), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for {
			part := readPart(ctx, from)
			select {
			case a.parts <- part:
			case <-ctx.Done():
				return
			}
			if part.err != nil {
				return
			}
		}
	}()
	return a
}

// next is the next part; after the end of the goroutine what it has left, or that it was stopped.
func (a *ahead) next() historyPart {
	select {
	case part := <-a.parts:
		return part
	case <-a.done:
	}
	select {
	case part := <-a.parts:
		return part
	default:
		return historyPart{err: context.Canceled}
	}
}

func (a *ahead) wait() { <-a.done }
