package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/state"
)

// shownDifferences is how many are printed without --all; a store that is wrong in one row is often wrong in thousands.
const shownDifferences = 20

func newStateVerifyCmd() *cobra.Command {
	var config, data string
	var all bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare a local store with its changelog, row by row",
		Long: "Reads the store of an instance that is stopped and the changelog on Kafka, and compares them for each shard that the\n" +
			"store holds: brought up to the changelog's end, the store must be what the whole changelog comes to. Nothing is\n" +
			"changed. Exit code 0: they are the same; 1: they are not, each difference is printed, and what to do. Other instances\n" +
			"may run meanwhile.",
		Example: "  accrue state verify --config accrue.yaml\n  accrue state verify --config accrue.yaml --data /var/lib/accrue --all",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("data") {
				data = c.Data
			}
			return withLocal(c.App, data, "stop the instance: its store is read as it stands", func(store *state.Store) error {
				return withChangelog(cmd, c, func(kafka *kgo.Client, empty *state.Store, shards int32) error {
					v := verification{cmd: cmd, data: data, most: shownDifferences}
					if all {
						v.most = -1
					}
					return v.run(processor.StoreCheck{Kafka: kafka, App: c.App, Store: store, Empty: empty, DueOf: rules.HeadDue}, shards)
				})
			})
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "the folder of the instance (default: the configuration's key data)")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("print every difference, not the first %d", shownDifferences))
	configFlag(cmd, &config)
	return cmd
}

// verification prints what a check finds.
type verification struct {
	cmd   *cobra.Command
	data  string
	most  int // differences to print; -1: all
	found int
}

func (v *verification) run(c processor.StoreCheck, shards int32) error {
	progress := newProgress(v.cmd.ErrOrStderr(), "changelog records")
	defer progress.done()
	c.Read = func(n int) { progress.add(int64(n)) }
	c.Found = func(d processor.StoreDifference) error {
		if v.found++; v.most < 0 || v.found <= v.most {
			printDifference(v.cmd.OutOrStdout(), d)
		}
		return nil
	}
	held, err := c.Store.Shards()
	if err != nil {
		return err
	}
	rows := 0
	for _, n := range held {
		if n >= shards {
			return fmt.Errorf("the store holds shard %d, the changelog has %d partitions: this is the store of another app or cluster", n, shards)
		}
		compared, err := c.Shard(v.cmd.Context(), n)
		if err != nil {
			return fmt.Errorf("verifying shard %d: %w", n, err)
		}
		rows += compared
	}
	out := v.cmd.OutOrStdout()
	if v.most >= 0 && v.found > v.most {
		fmt.Fprintf(out, "... and %d more; --all prints them\n", v.found-v.most)
	}
	fmt.Fprintf(out, "%d rows in %d of %d shards compared, %d differences\n", rows, len(held), shards, v.found)
	if v.found == 0 {
		return nil
	}
	return errors.New("the store is not what its changelog says: move " + filepath.Join(v.data, "state") + " away (and keep it, it shows what went wrong), " +
		"and start the instance: it is restored from the changelog")
}

func printDifference(out io.Writer, d processor.StoreDifference) {
	if d.Member == "" {
		fmt.Fprintf(out, "shard %d: %s\n", d.Shard, d.Why)
		return
	}
	fmt.Fprintf(out, "shard %d, member %q", d.Shard, d.Member)
	if d.Row != nil {
		fmt.Fprintf(out, ", row %q", d.Row)
	}
	fmt.Fprintf(out, ": %s\n", d.Why)
	for _, side := range []struct {
		whose string
		value []byte
	}{{"store", d.Store}, {"changelog", d.Changelog}} {
		if side.value != nil {
			fmt.Fprintf(out, "  %-9s %s\n", side.whose, describedRow(d.Row, side.value))
		}
	}
}

func describedRow(key, value []byte) string {
	row, err := rules.DescribeRow(key, value)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(row); err == nil {
			return string(text)
		}
	}
	return fmt.Sprintf("%x (%v)", value, err)
}
