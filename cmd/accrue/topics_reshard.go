package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
	"accrue/state"
)

// resharding is one run of `accrue topics reshard`.
type resharding struct {
	config      string
	shards      int32
	dryRun, yes bool
}

func newTopicsReshardCmd() *cobra.Command {
	r := resharding{}
	cmd := &cobra.Command{
		Use:   "reshard",
		Short: "Give the app more shards, with all that it holds",
		Long: "Gives the app more shards than it has, while all its instances are stopped. The changelog and the effects get partitions on\n" +
			"top, and in one transaction every row goes to the shard where its member or key is looked for from then on, with the\n" +
			"requests that nobody has taken in yet. Offsets of the input topics stay, and so do input and output topics: a record\n" +
			"that is not at home is forwarded. Local stores read on from where they are.\n\n" +
			"It may be killed at any moment: before the transaction's end nothing is moved, after it everything is. Run it again and\n" +
			"it goes on; until it has finished no instance starts. There are never fewer shards than there were. The transaction has\n" +
			processor.ReshardTimeout.String() + ", which is what brokers allow by default; where that is too short nothing is moved.",
		Example: "  accrue topics reshard --config accrue.yaml --shards 24 --dry-run\n  accrue topics reshard --config accrue.yaml --shards 24",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	flags := cmd.Flags()
	flags.Int32Var(&r.shards, "shards", 0, "how many shards there are to be (default: the configuration's topics.partitions)")
	flags.BoolVar(&r.dryRun, "dry-run", false, "say what would be moved, and change nothing")
	flags.BoolVar(&r.yes, "yes", false, "do not ask")
	configFlag(cmd, &r.config)
	return cmd
}

func (r *resharding) run(cmd *cobra.Command) (err error) {
	c, err := loadConfig(r.config)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("shards") {
		r.shards = c.Topics.Partitions
	}
	if r.shards < 1 {
		return invalidf("--shards is a number above 0, not %d", r.shards)
	}
	registry, err := c.Registry.Open()
	if err != nil {
		return err
	}
	store, err := state.Open("state", state.Identity{App: c.App}, state.Options{FS: vfs.NewMem(), MemoryBytes: stateMemory})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	progress := newProgress(cmd.ErrOrStderr(), "changelog records")
	defer progress.done()
	reshard := &processor.Reshard{
		App: c.App, Shards: r.shards, Topics: c.EngineTopics(), Decoder: schemas.NewDecoder(registry), Empty: store,
		Connect: func(ctx context.Context, more ...kgo.Opt) (*kgo.Client, error) { return connect(ctx, c, more...) },
		Read:    func(n int) { progress.add(int64(n)) },
		Done:    func(words string) { fmt.Fprintln(cmd.OutOrStdout(), "done: "+words) },
	}
	plan, err := reshard.Look(cmd.Context())
	if err != nil {
		return err
	}
	if plan.Done {
		fmt.Fprintf(cmd.OutOrStdout(), "%s has %s, nothing was changed\n", c.App, shardsText(plan.From))
		return nil
	}
	if r.dryRun {
		return r.count(cmd, c.App, plan, reshard)
	}
	if !r.yes {
		if err := r.ask(cmd, c.App, plan); err != nil {
			return err
		}
	}
	if _, err := reshard.Run(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s has %s now; start its instances", c.App, shardsText(r.shards))
	if c.Topics.Partitions != r.shards {
		fmt.Fprintf(cmd.OutOrStdout(), ", and set topics.partitions to %d in every configuration", r.shards)
	}
	fmt.Fprintln(cmd.OutOrStdout(), "; accrue topics plan says what is left to do")
	return nil
}

func (r *resharding) count(cmd *cobra.Command, app string, plan processor.ReshardPlan, reshard *processor.Reshard) error {
	counts, err := reshard.Count(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s would have %s instead of %d: %d of %d rows and %d of %d waiting requests would be moved; nothing was changed\n",
		app, shardsText(r.shards), plan.From, counts.RowsMoved, counts.Rows, counts.RequestsMoved, counts.Requests)
	return nil
}

func (r *resharding) ask(cmd *cobra.Command, app string, plan processor.ReshardPlan) error {
	fmt.Fprintf(cmd.OutOrStdout(), "%s gets %s instead of %d; there is no way back to fewer. Type the app's name to go on: ",
		app, shardsText(r.shards), plan.From)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if strings.TrimRight(line, "\r\n") == app {
		return nil
	}
	if err != nil && line == "" {
		return errors.New("nothing was changed: there was no answer; --yes does not ask")
	}
	return errors.New("nothing was changed: that is another name")
}

func shardsText(n int32) string {
	if n == 1 {
		return "1 shard"
	}
	return fmt.Sprintf("%d shards", n)
}
