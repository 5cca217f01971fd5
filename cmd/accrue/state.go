package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/state"
)

// stateMemory is what a store takes that is only looked at.
const stateMemory = 64 << 20

// newStateCmd is `accrue state`.
func newStateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at what the engine holds",
		Long: "Shows what the engine holds, from its changelog on Kafka: what is committed, whichever instance wrote it, while the\n" +
			"engine runs or not.",
		Example: "  accrue state get m1 --config accrue.yaml\n  accrue state dump --config accrue.yaml > state.jsonl",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStateGetCmd(), newStateDumpCmd(), newStateLoadCmd(), newStateVerifyCmd(), newStateEraseCmd())
	return cmd
}

// ledgerOf is the function of the app's programme versions or, before its first instance was started, of the configured one.
func ledgerOf(cmd *cobra.Command, kafka *kgo.Client, c processor.Config) (*rules.Ledger, error) {
	secret, err := c.Random.Key()
	if err != nil {
		return nil, &invalidError{err}
	}
	control, err := processor.ReadControl(cmd.Context(), kafka, c.App, secret)
	if err != nil {
		return nil, err
	}
	if needs := control.NeedsSecret(); needs != nil {
		return nil, &invalidError{fmt.Errorf("%w: name the secret of the instances in random.key_file", needs)}
	}
	if ledger := control.Ledger(); ledger != nil {
		return ledger, nil
	}
	if c.Programme == "" {
		return nil, invalidf("no version of the programme is published, and the configuration names none: set the key programme, amounts and tiers are shown in its words")
	}
	p, _, err := loadValid(c.Programme)
	if err != nil {
		return nil, err
	}
	return newLedger(p, secret)
}

// withChangelog connects, and opens an empty store in memory for the changelog to be folded into.
func withChangelog(
	cmd *cobra.Command, c processor.Config, use func(kafka *kgo.Client, store *state.Store, shards int32) error,
) (err error) {
	ctx := cmd.Context()
	kafka, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer kafka.Close()
	topic := processor.InternalTopic(c.App, "state")
	topics, err := kadm.NewClient(kafka).ListTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("looking for the changelog: %w", err)
	}
	shards := len(topics[topic].Partitions)
	if shards == 0 {
		return fmt.Errorf("there is no changelog %s: run accrue topics apply, or correct the key app", topic)
	}
	store, err := state.Open("state", state.Identity{App: c.App}, state.Options{FS: vfs.NewMem(), MemoryBytes: stateMemory})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return use(kafka, store, int32(shards))
}

func foldShard(cmd *cobra.Command, kafka *kgo.Client, app string, shard *state.Shard) error {
	progress := newProgress(cmd.ErrOrStderr(), "changelog records")
	defer progress.done()
	return processor.FoldChangelog(cmd.Context(), kafka, app, shard.Number(), func(records []state.Record, at state.Position) error {
		progress.add(int64(len(records)))
		return shard.Replay(records, at)
	})
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04:05Z") }
