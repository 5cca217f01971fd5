package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"accrue/cmd/accrue/backtest"
	"accrue/rules/explain"
	"accrue/rules/programme"
)

func newBacktestCmd() *cobra.Command {
	var f backtestFlags
	cmd := &cobra.Command{
		Use:   "backtest",
		Short: "What a programme would have cost, or two against each other, on recorded events",
		Long: "Replays recorded events through a programme, or two side by side, with the core that simulate and the engine have: its totals\n" +
			"are simulate's. --from is a file of JSON lines (also packed with gzip) or a topic; give it again for more. Topics are read to\n" +
			"their ends of now, as a read_committed reader sees them. The report says the cost by rule, campaign, day, tier and segment,\n" +
			"when budgets ran out, how tiers moved, what is outstanding and what expired; with --against also who is better and worse off,\n" +
			"and why. It goes to standard output as text, with --json and --html to files as well. The same input gives the same bytes.",
		Example: "  accrue backtest --programme programme.yaml --from events.jsonl.gz --as-of 2027-01-01T00:00:00Z --point-value 0.01\n" +
			"  accrue backtest --programme now.yaml --against next.yaml --from commerce.orders --from engagement.check-ins --html report.html",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.programmes, "programme", nil, "the programme A, a file or folder; FILE@T, repeated, for later versions")
	flags.StringArrayVar(&f.against, "against", nil, "the programme B that is compared with A; FILE@T likewise")
	flags.StringArrayVar(&f.from, "from", nil, "a file of JSON lines (.gz too) or a topic; repeated for more files or topics")
	flags.StringVar(&f.asOf, "as-of", "", "advance every member to this time at the end, such as 2026-12-31T00:00:00Z")
	flags.StringVar(&f.since, "since", "", "report what happens from this time on; what was before builds up members and balances")
	flags.StringVar(&f.now, "now", "", "the clock: events more than 5 minutes ahead of it are INVALID (default: none is)")
	flags.StringVar(&f.seed, "seed", "", "any text, under which lots are drawn (chance, random): the same text draws the same")
	flags.StringVar(&f.value, "point-value", "", "what a point is worth, in the programme's currency, such as 0.01 (default: point_value of the configuration, with --config or topics)")
	flags.StringVar(&f.json, "json", "", "also write the report as JSON to this file (-: to standard output, without the text)")
	flags.StringVar(&f.html, "html", "", "also write the report as a page with plots to this file")
	flags.IntVar(&f.procs, "procs", 0, "how many processors it may use (default: all); it changes nothing but the time")
	f.lang = string(explain.English)
	langFlag(cmd, &f.lang)
	configFlag(cmd, &f.config)
	return cmd
}

// backtestFlags are the flags as they were given.
type backtestFlags struct {
	programmes, against, from           []string
	asOf, since, now, seed, value, lang string
	json, html, config                  string
	procs                               int
}

func (f *backtestFlags) run(cmd *cobra.Command) error {
	b := &backtesting{seed: f.seed, from: f.from, procs: f.procs, errs: cmd.ErrOrStderr()}
	if err := f.read(b); err != nil {
		return err
	}
	history, err := openHistory(cmd.Context(), f.from, f.config)
	if err != nil {
		return err
	}
	defer history.close()
	if b.value.IsZero() {
		if b.value, err = f.configuredValue(); err != nil {
			return err
		}
	}
	report, err := b.run(cmd.Context(), history)
	if err != nil {
		return err
	}
	return f.write(cmd, report, b.language)
}

// read checks the flags before anything is replayed.
func (f *backtestFlags) read(b *backtesting) error {
	if len(f.from) == 0 {
		return invalidf("--from is missing: name a file of events as JSON lines, or a topic such as commerce.orders")
	}
	var err error
	if b.language, err = languageFlag(f.lang); err != nil {
		return err
	}
	for _, flag := range []struct {
		name, value string
		to          *time.Time
	}{{"--as-of", f.asOf, &b.asOf}, {"--since", f.since, &b.since}, {"--now", f.now, &b.now}} {
		if *flag.to, err = timeFlag(flag.name, flag.value); err != nil {
			return err
		}
	}
	if f.value != "" {
		if b.value, err = programme.ParsePointValue(f.value); err != nil {
			return invalidf("--point-value %w", err)
		}
	}
	if f.procs < 0 {
		return invalidf("--procs is a number of processors from 1 on, not %d", f.procs)
	}
	if b.procs == 0 {
		b.procs = runtime.GOMAXPROCS(0)
	}
	for _, flag := range []struct{ name, file string }{{"--json", f.json}, {"--html", f.html}} {
		if err := writable(flag.name, flag.file); err != nil {
			return err
		}
	}
	versions, err := loadVersions(f.programmes)
	if err != nil {
		return err
	}
	b.programmes = []programme.Versions{versions}
	if len(f.against) > 0 {
		if versions, err = loadVersions(f.against); err != nil {
			return fmt.Errorf("--against: %w", err)
		}
		b.programmes = append(b.programmes, versions)
	}
	return nil
}

// configuredValue is what a point is worth by the configuration. Files need none.
func (f *backtestFlags) configuredValue() (programme.PointValue, error) {
	if f.config == "" && missingFile(f.from) == "" {
		return programme.PointValue{}, nil
	}
	c, err := loadConfig(f.config)
	return c.PointValue, err
}

// writable says early that a file cannot be written: a replay may take minutes.
func writable(flag, file string) error {
	if file == "" || file == "-" && flag == "--json" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return invalidf("%s %s: that is a folder; name a file", flag, file)
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return invalidf("%s %s: there is no folder %s", flag, file, filepath.Dir(file))
	}
	return nil
}

// write gives the report out in each form that was asked for.
func (f *backtestFlags) write(cmd *cobra.Command, report *backtest.Report, language explain.Language) error {
	if f.json != "" {
		text, err := report.JSON()
		if err != nil {
			return err
		}
		if f.json == "-" {
			if _, err := cmd.OutOrStdout().Write(text); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
		} else if err := writeFile(f.json, text); err != nil {
			return err
		}
	}
	if f.html != "" {
		page, err := report.Page(language)
		if err != nil {
			return err
		}
		if err := writeFile(f.html, page); err != nil {
			return err
		}
	}
	if f.json == "-" {
		return nil
	}
	if _, err := strings.NewReader(report.Text(language)).WriteTo(cmd.OutOrStdout()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func writeFile(name string, text []byte) error {
	if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // a report is for others to read
		return invalidf("write the report: %w", err)
	}
	return nil
}
