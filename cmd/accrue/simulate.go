package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"accrue/processor"
	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// lineMax bounds a line of input; a longer one is answered with a dead letter.
const lineMax = 8 << 20

func newSimulateCmd() *cobra.Command {
	var s simulation
	var programmes []string
	var inFile, outFile, asOf, now, seed string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Apply a programme to a file of events, without Kafka",
		Long: "Applies a programme to events as JSON lines and writes every record that the engine would write, in order. The clock\n" +
			"is the events' own time; --as-of advances every member to T at the end. What an event earns another member (who invited) is\n" +
			"granted right behind it, what thresholds ask about a device, a store and so on is answered there,\n" +
			"and budgets are given out in the order of the input. The same input gives the same bytes. A summary goes to stderr.",
		Example: "  accrue simulate --programme programme.yaml --in events.jsonl --out out.jsonl --as-of 2026-12-31T00:00:00Z",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			versions, err := loadVersions(programmes)
			if err != nil {
				return err
			}
			if s.asOf, err = timeFlag("--as-of", asOf); err != nil {
				return err
			}
			if s.now, err = timeFlag("--now", now); err != nil {
				return err
			}
			s.seed = seed
			s.errs = cmd.ErrOrStderr()
			return s.runFiles(cmd, versions, inFile, outFile)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&programmes, "programme", nil, "the programme, a file or folder; FILE@T, repeated, for later versions")
	flags.StringVar(&inFile, "in", "", "JSON lines of events (default: standard input)")
	flags.StringVar(&outFile, "out", "", "where the output records go (default: standard output)")
	flags.StringVar(&asOf, "as-of", "", "advance every member to this time at the end, such as 2026-12-31T00:00:00Z")
	flags.StringVar(&now, "now", "", "the clock: events more than 5 minutes ahead of it are INVALID (default: none is)")
	flags.StringVar(&seed, "seed", "", "any text, under which lots are drawn (chance, random): the same text draws the same")
	return cmd
}

func timeFlag(name, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, invalidf("%s %q is not a time such as 2026-12-31T00:00:00Z", name, value)
	}
	return t.UTC(), nil
}

// simulation is one run of simulate.
type simulation struct {
	asOf, now time.Time
	seed      string
	errs      io.Writer

	shard   *processor.Shard
	out     *bufio.Writer
	buffer  []byte
	summary summary
	newest  time.Time
}

func (s *simulation) runFiles(cmd *cobra.Command, versions programme.Versions, inFile, outFile string) error {
	in, out := cmd.InOrStdin(), cmd.OutOrStdout()
	if inFile != "" {
		f, err := os.Open(inFile)
		if err != nil {
			return invalidf("read events: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	if outFile == "" {
		return s.run(cmd.Context(), versions, in, out)
	}
	f, err := os.Create(outFile)
	if err != nil {
		return invalidf("write output: %w", err)
	}
	return errors.Join(s.run(cmd.Context(), versions, in, f), f.Close())
}

// gcPercent lets the heap grow further between collections than Go does by itself: all accounts stay in memory anyway, and
// marking them again and again would be a quarter of the time.
const gcPercent = 800

func (s *simulation) run(ctx context.Context, versions programme.Versions, in io.Reader, out io.Writer) error {
	ledger, err := rules.NewLedger(versions, rules.Secret([]byte(s.seed)))
	var needs *rules.NeedsSecret
	if errors.As(err, &needs) {
		return invalidf("rule %s draws lots (chance, random): give any text with --seed; the same text draws the same", needs.Rule)
	}
	if err != nil {
		return &invalidError{err}
	}
	s.shard, s.out, s.summary = processor.NewMemoryShard(ledger), bufio.NewWriterSize(out, 1<<20), newSummary()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	progress := newProgress(s.errs, "events")
	lines := bufio.NewReaderSize(in, 1<<20)
	for number := int64(0); ; number++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped after %d events; the output is not complete: %w", number, err)
		}
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLongLine) {
			return fmt.Errorf("read line %d: %w", number+1, err)
		}
		if len(line) == 0 && err == nil { // an empty line is no event
			continue
		}
		if err := s.line(line, number, err); err != nil {
			return fmt.Errorf("line %d: %w", number+1, err)
		}
		progress.add(1)
	}
	if err := s.advanceAll(); err != nil {
		return err
	}
	progress.done()
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	s.summary.tiers = s.shardTiers(versions)
	s.summary.print(s.errs)
	return nil
}

// line decides one line of input. A line that is no input record is answered with a dead letter, as in the engine.
func (s *simulation) line(line []byte, number int64, failed error) error {
	if failed != nil {
		return s.deadLetter(line, number, failed.Error())
	}
	m, err := schemas.ParseLine(line)
	if err != nil {
		return s.deadLetter(line, number, err.Error())
	}
	if m.Value == nil {
		if m.Topic != schemas.TopicProfiles || m.Key == "" || s.newest.IsZero() {
			return s.deadLetter(line, number, "the value is null: that says the end of a profile, on "+schemas.TopicProfiles+
				" with the member as `key`, at the time of the newest event before it")
		}
		m.Value = &rules.EndOfProfile{MemberID: m.Key, EventID: fmt.Sprintf("tombstone-0-%d", number), OccurredAt: s.newest}
	}
	event, err := rules.NewEvent(m.Value, schemas.Source{Topic: m.Topic, Offset: number}, s.now)
	if err != nil {
		return s.deadLetter(line, number, err.Error())
	}
	if event.Member() == "" {
		return s.deadLetter(line, number, "the record names no member, so nobody's account can decide it")
	}
	outcome, err := s.shard.Handle(event)
	if err != nil {
		return err
	}
	s.seen(outcome)
	waiting := slices.Clone(outcome.Requests)
	if err := s.write(outcome); err != nil {
		return err
	}
	return s.effects(waiting)
}

// seen takes note of the newest event, by its decision.
func (s *simulation) seen(o *rules.Outcome) {
	if d := o.Decision; d != nil && d.OccurredAt.After(s.newest) && d.Outcome != schemas.OutcomeInvalid {
		s.newest = d.OccurredAt
	}
}

// effects has members' accounts take in what an event asks of them, right behind its records: the oldest request first, and
// what that asks in turn, or answers, behind all that wait. So what is counted for a device or a store is counted in the order
// of the input. (In the engine a request travels, and may come later. What is granted in the end is the same, given the same answers.)
func (s *simulation) effects(waiting []schemas.Effect) error {
	for ; len(waiting) > 0; waiting = waiting[1:] {
		outcome, err := s.shard.Take(&waiting[0], s.now)
		if err != nil {
			return err
		}
		s.seen(outcome)
		waiting = append(waiting, outcome.Requests...)
		if err := s.write(outcome); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulation) write(o *rules.Outcome) error {
	for i := range o.Entries {
		if err := s.record(schemas.TopicPointGrants, o.Entries[i].MemberID, &o.Entries[i]); err != nil {
			return err
		}
	}
	for i := range o.TierChanges {
		if err := s.record(schemas.TopicTierChanges, o.TierChanges[i].MemberID, &o.TierChanges[i]); err != nil {
			return err
		}
	}
	for i := range o.Alerts {
		if err := s.record(schemas.TopicFraudAlerts, o.Alerts[i].MemberID, &o.Alerts[i]); err != nil {
			return err
		}
	}
	for i := range o.Notices {
		if err := s.record(schemas.TopicNotices, o.Notices[i].MemberID, &o.Notices[i]); err != nil {
			return err
		}
	}
	for i := range o.Closed {
		if err := s.record(schemas.TopicDecisions, o.Closed[i].MemberID, &o.Closed[i]); err != nil {
			return err
		}
	}
	if o.Decision != nil {
		if err := s.record(schemas.TopicDecisions, o.Decision.MemberID, o.Decision); err != nil {
			return err
		}
	}
	s.summary.count(o)
	return nil
}

func (s *simulation) record(topic, key string, value any) error {
	line, err := schemas.AppendLine(s.buffer[:0], topic, key, value)
	if err != nil {
		return fmt.Errorf("write record of %s: %w", topic, err)
	}
	s.buffer = append(line, '\n')
	if _, err := s.out.Write(s.buffer); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// advanceAll advances every member that a record named to --as-of, in alphabetical order.
func (s *simulation) advanceAll() error {
	if s.asOf.IsZero() {
		return nil
	}
	if s.asOf.Before(s.newest) {
		return invalidf("--as-of %s lies before the newest event, of %s", s.asOf.Format(time.RFC3339), s.newest.Format(time.RFC3339))
	}
	for _, member := range s.shard.Members() {
		outcome, err := s.shard.Advance(member, s.asOf, s.asOf)
		if err != nil {
			return err
		}
		if err := s.write(outcome); err != nil {
			return err
		}
	}
	return nil
}
