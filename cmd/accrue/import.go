package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/imports"
	"accrue/rules/programme"
	"accrue/schemas"
)

// What is shown of an import on the terminal.
const (
	refusedShown = 20 // rows; --refused has all
	sampleShown  = 3  // events of a dry run
)

// newImportCmd is `accrue import`.
func newImportCmd() *cobra.Command {
	o := &ordersImport{}
	var config string
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Bring orders in from CSV or JSON lines, to a file or to the topic",
		Long: "Reads orders from a CSV file or JSON lines (.gz too) with a mapping file that says which column is what, and writes them as\n" +
			"Order events, by time: rows of an invoice become one order, cancellations and negative pieces become REFUNDED events of\n" +
			"the earlier orders that they take back. Begin with --dry-run: it says what would be written, and which rows are refused and\n" +
			"why; a row that is refused takes its whole order with it. The same file imported twice gives the same events, which the\n" +
			"engine answers DUPLICATE. deploy/docs/import.md explains mappings.",
		Example: "  accrue import --orders orders.csv --map map.yaml --dry-run --refused refused.jsonl\n" +
			"  accrue import --orders orders.csv.gz --map map.yaml --to events.jsonl && accrue simulate --programme programme.yaml --in events.jsonl\n" +
			"  accrue import --orders orders.jsonl --map map.yaml --config accrue.yaml",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			places := 0
			for _, name := range []string{"to", "config", "dry-run"} {
				if cmd.Flags().Changed(name) {
					places++
				}
			}
			switch {
			case o.orders == "":
				return invalidf("--orders is missing: the file that holds the orders; see %s --help", cmd.CommandPath())
			case o.mapFile == "":
				return invalidf("--map is missing: the file that says which column is what; see %s --help and deploy/docs/import.md", cmd.CommandPath())
			case places != 1:
				return invalidf("say where the orders are to go: --to FILE, or --config accrue.yaml for the topic, or --dry-run for nowhere")
			}
			o.cmd = cmd
			if cmd.Flags().Changed("config") {
				return o.toTopic(config)
			}
			return o.toFile()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.orders, "orders", "", "the file of orders, .csv or .jsonl, also .gz (the mapping may say the format)")
	flags.StringVar(&o.mapFile, "map", "", "the mapping file")
	flags.StringVar(&o.to, "to", "", "write JSON lines to this file, for simulate, backtest and send; - for standard output")
	flags.StringVar(&config, "config", "", "send to the orders' topic of this configuration")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only say what would be written")
	flags.StringVar(&o.refusedFile, "refused", "", "write every refused row to this file, as JSON lines with line and why")
	flags.StringVar(&o.temp, "temp", "", "the folder for temporary files (default: the system's); they take about the size of the unpacked file")
	return cmd
}

// ordersImport is one run of the command.
type ordersImport struct {
	orders, mapFile, to, refusedFile, temp string
	dryRun                                 bool

	cmd      *cobra.Command
	shown    []imports.Refusal
	refused  *bufio.Writer // nil: no file
	failed   error         // to write it
	progress *progress
	notSent  int64 // rows that were refused
}

// run imports, and hands over the events.
func (o *ordersImport) run(take func(*schemas.Order) error) error {
	text, err := os.ReadFile(o.mapFile)
	if err != nil {
		return invalidf("reading the mapping: %w", err)
	}
	mapping, problems := imports.ReadMapping(o.mapFile, text)
	var known programme.Problems
	if problems.Failed() {
		known = problems
	}
	in, err := os.Open(o.orders)
	if err != nil {
		return invalidf("reading the orders: %w", err)
	}
	defer in.Close() //nolint:errcheck // it was only read
	if mapping == nil || known.Failed() {
		return o.mappingFailed(mapping, known, in)
	}
	var file *os.File
	if o.refusedFile != "" {
		if file, err = os.Create(o.refusedFile); err != nil {
			return invalidf("writing the refused rows: %w", err)
		}
		o.refused = bufio.NewWriter(file)
	}
	o.progress = newProgress(o.cmd.ErrOrStderr(), "")
	report, err := imports.New(mapping, imports.Options{
		Folder: o.temp, Progress: o.step, Refused: o.refuse, Event: take,
	}).Run(o.cmd.Context(), o.orders, in)
	o.progress.done()
	if file != nil {
		err = errors.Join(err, o.failed, o.refused.Flush(), file.Close())
	}
	if wrong := (*imports.MappingError)(nil); errors.As(err, &wrong) {
		return invalidf("the mapping does not fit the orders:\n%w", wrong)
	}
	if err != nil {
		return err
	}
	o.notSent = report.Refused
	o.print(o.cmd.ErrOrStderr(), report)
	return nil
}

// step shows how far the pass has come that is under way.
func (o *ordersImport) step(pass string) {
	if o.progress.what != pass {
		o.progress.done()
		o.progress = newProgress(o.cmd.ErrOrStderr(), pass)
	}
	o.progress.add(1)
}

// mappingFailed tells what is wrong with the mapping: also which columns are not there, so that all is told at once.
func (o *ordersImport) mappingFailed(mapping *imports.Mapping, known programme.Problems, in io.Reader) error {
	if mapping != nil {
		known = imports.WithColumns(mapping, known, o.orders, in)
	}
	return invalidf("the mapping is wrong:\n%s", strings.TrimRight(known.String(), "\n"))
}

// refuse takes note of a row that is not imported.
func (o *ordersImport) refuse(r imports.Refusal) {
	if len(o.shown) < refusedShown {
		o.shown = append(o.shown, r)
	}
	if o.refused == nil || o.failed != nil {
		return
	}
	line, err := json.Marshal(struct {
		Line  int64  `json:"line"`
		Why   string `json:"why"`
		Order string `json:"order_id,omitempty"`
		Row   string `json:"row,omitempty"`
	}{r.Line, r.Why, r.Order, r.Raw})
	if err == nil {
		_, err = o.refused.Write(append(line, '\n'))
	}
	if err != nil {
		o.failed = fmt.Errorf("writing the refused rows: %w", err)
	}
}

// toFile writes JSON lines, or nothing. The file appears under its name when it is complete.
func (o *ordersImport) toFile() (err error) {
	if o.dryRun {
		sample, print := 0, o.lines(o.cmd.OutOrStdout())
		err := o.run(func(order *schemas.Order) error {
			if sample++; sample > sampleShown {
				return nil
			}
			return print(order)
		})
		if err == nil {
			fmt.Fprintln(o.cmd.ErrOrStderr(), "nothing is written (--dry-run)")
		}
		return err
	}
	if o.to == "-" {
		w := bufio.NewWriterSize(o.cmd.OutOrStdout(), 1<<16)
		return errors.Join(o.run(o.lines(w)), w.Flush())
	}
	part := o.to + ".part"
	f, err := os.Create(part)
	if err != nil {
		return invalidf("writing the events: %w", err)
	}
	defer os.Remove(part) //nolint:errcheck // where it has its name by now, there is none
	w := bufio.NewWriterSize(f, 1<<20)
	err = o.run(o.lines(w))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("writing the events: %w", err)
	}
	if err := os.Rename(part, o.to); err != nil {
		return fmt.Errorf("writing the events: %w", err)
	}
	return nil
}

// lines writes events as JSON lines.
func (o *ordersImport) lines(w io.Writer) func(*schemas.Order) error {
	var buffer []byte
	return func(order *schemas.Order) (err error) {
		if buffer, err = schemas.AppendLine(buffer[:0], schemas.TopicOrders, "", order); err != nil {
			return err
		}
		if _, err = w.Write(append(buffer, '\n')); err != nil {
			return fmt.Errorf("writing the events: %w", err)
		}
		return nil
	}
}

// toTopic sends the events as `accrue send` does.
func (o *ordersImport) toTopic(config string) error {
	c, err := loadConfig(config)
	if err != nil {
		return err
	}
	registry, err := c.Registry.Open()
	if err != nil {
		return err
	}
	ctx := o.cmd.Context()
	client, err := connect(ctx, c, kgo.MaxBufferedRecords(sendBufferedRecords), kgo.MaxBufferedBytes(sendBufferedBytes), kgo.RecordDeliveryTimeout(sendDelivery))
	if err != nil {
		return err
	}
	defer client.Close()
	s := &sender{registry: registry, client: client, ids: map[schemas.Kind]int{}, file: o.orders, progress: newProgress(io.Discard, "")}
	err = o.run(func(order *schemas.Order) error {
		if err := s.faulty(); err != nil {
			return err.err
		}
		return s.message(ctx, schemas.Message{Topic: c.Topics.Orders, Kind: schemas.KindOrder, Value: order}, s.sent+1)
	})
	s.progress.done()
	if flushErr := client.Flush(context.WithoutCancel(ctx)); err == nil && flushErr != nil {
		err = fmt.Errorf("waiting for the last events: %w", flushErr)
	}
	if fault := s.faulty(); fault != nil {
		err = fault.err
	}
	if err != nil && s.sent > 0 {
		return fmt.Errorf("sending to %s: %w; some events are sent: importing the file again is safe, events are known by their event_id", c.Topics.Orders, err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.cmd.ErrOrStderr(), "sent %d events to %s\n", s.sent, c.Topics.Orders)
	if o.notSent > 0 {
		fmt.Fprintln(o.cmd.ErrOrStderr(), "the orders of refused rows are not among them: mend the rows and import the file again, what was sent is not counted twice;\n"+
			"what is then older than the programme's return_window behind its member's newest event is answered LATE and earns nothing")
	}
	return nil
}

// print is what the import came to.
func (o *ordersImport) print(out io.Writer, r *imports.Report) {
	for _, refusal := range o.shown {
		fmt.Fprintf(out, "%s:%d: %s\n", o.orders, refusal.Line, oneLine(refusal.Why, 400))
	}
	if more := r.Refused - int64(len(o.shown)); more > 0 && o.refusedFile == "" {
		fmt.Fprintf(out, "and %d more; --refused FILE writes them all\n", more)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what string, n int64) { fmt.Fprintf(table, "%s\t%14d\n", what, n) }
	line("rows", r.Rows)
	line("  skipped", r.Skipped)
	line("  refused", r.Refused)
	reasons := make([]string, 0, len(r.Reasons))
	for reason := range r.Reasons {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if r.Reasons[a] != r.Reasons[b] {
			return int(r.Reasons[b] - r.Reasons[a])
		}
		return strings.Compare(a, b)
	})
	for _, reason := range reasons {
		line("    "+reason, r.Reasons[reason])
	}
	line("orders", r.Orders)
	line("refunds", r.Refunds)
	line("cancellations", r.Cancellations)
	line("members", r.Members)
	for _, currency := range imports.Currencies(r) {
		fmt.Fprintf(table, "ordered %s\t%14s\n", currency, moneyOf(r.Ordered[currency], currency))
		fmt.Fprintf(table, "returned %s\t%14s\n", currency, moneyOf(r.Returned[currency], currency))
	}
	table.Flush() //nolint:errcheck // a summary that cannot be shown is no reason to fail
	if !r.First.IsZero() {
		fmt.Fprintf(out, "from %s to %s\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	if len(r.NeverSeen) > 0 && r.Rows > 0 {
		fmt.Fprintf(out, "no row has anything in %s: are the names right?\n", strings.Join(r.NeverSeen, ", "))
	}
	if r.Forgotten > 0 {
		fmt.Fprintf(out, "%d orders were forgotten before their time, because a member has very many lines: what came back of them later is refused\n", r.Forgotten)
	}
}

// moneyOf is an amount of minor units for people.
func moneyOf(minor int64, code string) string {
	currency, _ := programme.CurrencyOf(code)
	digits := fmt.Sprintf("%0*d", currency.Digits+1, minor)
	point := len(digits) - currency.Digits
	if currency.Digits == 0 {
		return digits
	}
	return digits[:point] + "." + digits[point:]
}
