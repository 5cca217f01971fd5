package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
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
	replay
	seed string
	errs io.Writer

	out     *bufio.Writer
	buffer  []byte
	summary summary
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
	ledger, err := seededLedger(versions, s.seed)
	if err != nil {
		return err
	}
	s.shard, s.out, s.summary = processor.NewMemoryShard(ledger), bufio.NewWriterSize(out, 1<<20), newSummary()
	s.write = func(_ *rules.Event, o *rules.Outcome) error { return s.records(o) }
	s.refuse = s.deadLetter
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
		event := lineInput(line, number, err)
		if err := s.take(&event); err != nil {
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

func (s *simulation) records(o *rules.Outcome) error {
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
