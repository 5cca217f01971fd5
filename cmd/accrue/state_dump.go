package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/state"
)

// loadTimeout is how long a load may take: one transaction, and 15 minutes is what brokers allow by default.
const loadTimeout = 15 * time.Minute

func newStateDumpCmd() *cobra.Command {
	var config, data string
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print the whole state as JSON lines",
		Long: "Prints every row of the state as JSON lines, ascending by shard, member and key: the same state gives the same text.\n" +
			"A row has its key and value in hex, which `state load` takes back, and beside them what it says (head, fact, base, page;\n" +
			"money in minor units). By default it is folded from the changelog on Kafka. With --data it is read from the local store\n" +
			"of an instance that is stopped; one that stopped in order holds the same as the changelog.",
		Example: "  accrue state dump --config accrue.yaml > state.jsonl\n  accrue state dump --config accrue.yaml --data /var/lib/accrue > local.jsonl",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("data") {
				return withLocal(c.App, data, "stop the instance, or leave --data out to read its changelog", func(store *state.Store) error { return store.Dump(cmd.OutOrStdout(), dumpOptions()) })
			}
			return dumpChangelog(cmd, c)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "a local store, of an instance that is stopped (its key `data`), instead of the changelog")
	configFlag(cmd, &config)
	return cmd
}

// shownRow is a row of a dump: what state.Store.Load reads back, and for people.
type shownRow struct {
	Key   string `json:"key"` // hex
	Value string `json:"value"`
	rules.RowDescription
	Unreadable string `json:"unreadable,omitempty"` // why it is not described; it can be loaded all the same
}

func dumpOptions() state.DumpOptions {
	return state.DumpOptions{Row: func(key, value []byte) (json.RawMessage, error) {
		row := shownRow{Key: hex.EncodeToString(key), Value: hex.EncodeToString(value)}
		var err error
		if row.RowDescription, err = rules.DescribeRow(key, value); err != nil {
			row.RowDescription, row.Unreadable = rules.RowDescription{}, err.Error()
		}
		return json.Marshal(row)
	}}
}

func dumpChangelog(cmd *cobra.Command, c processor.Config) error {
	return withChangelog(cmd, c, func(kafka *kgo.Client, store *state.Store, shards int32) error {
		for shard := range shards {
			if err := foldShard(cmd, kafka, c.App, store.Shard(shard)); err != nil {
				return err
			}
		}
		return store.Dump(cmd.OutOrStdout(), dumpOptions())
	})
}

// withLocal opens the store of a stopped instance; locked is what to do where it runs.
func withLocal(app, data, locked string, use func(*state.Store) error) (err error) {
	dir := filepath.Join(data, "state")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return invalidf("%s holds no store: name the folder of the key data", data)
	}
	store, err := state.Open(dir, state.Identity{App: app}, state.Options{MemoryBytes: stateMemory})
	if errors.Is(err, state.ErrLocked) {
		return fmt.Errorf("%w; %s", err, locked)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return use(store)
}

func newStateLoadCmd() *cobra.Command {
	var config, in string
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Write a dump into the changelog of an app that has none yet",
		Long: "Writes the rows of a dump as the changelog of the app of the configuration, all of them or none. Its topics must be\n" +
			"there (accrue topics apply), its changelog empty, and no instance running; the dump may be another app's, and of\n" +
			"another number of shards. The engine restores from it when it starts. Offsets are left alone: a new app reads its\n" +
			"input topics from their beginning, where what the dump has seen is decided DUPLICATE; to go on where the other app\n" +
			"was, copy its offsets before the first start (kafka-consumer-groups.sh --reset-offsets). Redemptions and grants in\n" +
			"the output topics are not part of it.",
		Example: "  accrue state dump --config accrue.yaml > state.jsonl\n  accrue topics apply --config restored.yaml\n  accrue state load --config restored.yaml --in state.jsonl",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			return withInput(cmd, in, func(r io.Reader) error { return loadState(cmd, c, r) })
		},
	}
	cmd.Flags().StringVar(&in, "in", "", "the dump (default: standard input)")
	configFlag(cmd, &config)
	return cmd
}

func withInput(cmd *cobra.Command, path string, use func(io.Reader) error) error {
	if path == "" {
		return use(cmd.InOrStdin())
	}
	f, err := os.Open(path) // the operator's own file
	if err != nil {
		return invalidf("opening the dump: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	return use(f)
}

func loadState(cmd *cobra.Command, c processor.Config, in io.Reader) error {
	kafka, err := connect(cmd.Context(), c, kgo.TransactionalID(processor.LoadID(c.App)), kgo.TransactionTimeout(loadTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer kafka.Close()
	progress := newProgress(cmd.ErrOrStderr(), "rows")
	from, rows := "", 0
	err = processor.LoadChangelog(cmd.Context(), kafka, c.App, func(take func(state.Record) error) error {
		return state.ReadDump(in, state.DumpVisitor{
			Header:   func(id state.Identity) error { from = id.App; return nil },
			Position: func(int32, state.Position) error { return nil }, // of another changelog
			Row: func(r state.DumpRow) error {
				record, err := r.Record()
				if err != nil {
					return err
				}
				rows++
				progress.add(1)
				return take(record)
			},
		})
	})
	progress.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d rows of app %s are in %s now; start its engine, it restores from them\n", rows, from, processor.InternalTopic(c.App, "state"))
	return nil
}
