package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"accrue/processor"
)

// abortTimeout is how long an abort is waited for.
const abortTimeout = 30 * time.Second

// newTxnCmd is `accrue txn`.
func newTxnCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "txn",
		Short: "Look at open Kafka transactions, and end those that hang",
		Long: "A transaction that is open holds up every read_committed reader of the partitions it wrote to, wallets first. The engine\n" +
			"ends those of instances that are gone by itself, within its transaction timeout; these commands are for the others.",
		Example: "  accrue txn list --config accrue.yaml\n  accrue txn abort accrue-node1-0 --config accrue.yaml",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTxnListCmd(), newTxnAbortCmd())
	return cmd
}

func newTxnListCmd() *cobra.Command {
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the open transactions that touch this app's topics",
		Long: "Lists the cluster's open transactions that belong to this app or touch its topics, the oldest first: transactional id,\n" +
			"state, how long it is open, after how long its coordinator aborts it, whether its owner is a living member of the\n" +
			"group, and the partitions that it holds up. A hanging one is known to no coordinator, and nothing ends it by itself.",
		Example: "  accrue txn list --config accrue.yaml\n  accrue txn list --json | jq '.[] | select(.owner == \"gone\") | .id'",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			kafka, err := connect(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer kafka.Close()
			open, err := processor.OpenTransactions(cmd.Context(), kafka, c.App, appTopics(c))
			if err != nil && len(open) == 0 {
				return err
			}
			if asJSON {
				return errors.Join(printTxnsJSON(cmd.OutOrStdout(), open), err)
			}
			printTxns(cmd.OutOrStdout(), c.App, c.Kafka.Brokers, open)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	configFlag(cmd, &config)
	return cmd
}

// appTopics are all topics that the app reads or writes.
func appTopics(c processor.Config) []string {
	var names []string
	for _, spec := range processor.TopicSpecs(c) {
		names = append(names, spec.Name)
	}
	return names
}

// The words for who owns a transaction.
const (
	ownerAlive   = "alive"   // an instance in the group
	ownerGone    = "gone"    // an instance that is not in the group
	ownerForeign = "foreign" // it is not of this app
)

func ownerOf(t *processor.OpenTransaction) string {
	switch {
	case t.Alive:
		return ownerAlive
	case t.Ours:
		return ownerGone
	}
	return ownerForeign
}

func printTxns(out io.Writer, app string, brokers []string, open []processor.OpenTransaction) {
	if len(open) == 0 {
		fmt.Fprintf(out, "no transaction is open on the topics of %s\n", app)
		return
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tOPEN FOR\tTIMEOUT\tOWNER\tPARTITIONS")
	for i := range open {
		t := &open[i]
		id, timeout := t.ID, "-"
		if t.Hanging() {
			id = producerText(t)
		}
		if t.Timeout > 0 {
			timeout = t.Timeout.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", id, t.State, time.Since(t.Began).Round(time.Second), timeout, ownerOf(t), partitionsText(t.Partitions))
	}
	table.Flush() //nolint:errcheck // a table that cannot be shown is no reason to fail
	for i := range open {
		if t := &open[i]; t.Hanging() {
			printHanging(out, brokers, t)
		}
	}
}

// producerText names who began a hanging transaction.
func producerText(t *processor.OpenTransaction) string {
	name := "producer " + strconv.FormatInt(t.ProducerID, 10)
	if t.Writer != "" {
		name += " (" + t.Writer + ")"
	}
	return name
}

// printHanging says how a transaction is ended that no coordinator knows.
func printHanging(out io.Writer, brokers []string, t *processor.OpenTransaction) {
	fmt.Fprintf(out, "%s hangs: no coordinator knows the transaction, so nothing ends it by itself. Stop the instances, end it with\n", producerText(t))
	for i, p := range t.Partitions {
		fmt.Fprintf(out, "  kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition %d --start-offset %d\n",
			strings.Join(brokers, ","), p.Topic, p.Partition, t.Starts[i])
	}
	fmt.Fprintln(out, "Then accrue state verify --data FOLDER says whether an instance's store has more than the changelog: it has what was committed, and is kept;")
	fmt.Fprintln(out, "see \"Three brokers\" in deploy/docs/deployment.md. Else move the folders away, they are restored. accrue verify shows whether all is right")
}

// partitionsText is "topic/1,2 other/3".
func partitionsText(parts []processor.Partition) string {
	var b strings.Builder
	for i, p := range parts {
		number := strconv.Itoa(int(p.Partition))
		switch {
		case i > 0 && parts[i-1].Topic == p.Topic:
			b.WriteString("," + number)
		case i > 0:
			b.WriteString(" " + p.Topic + "/" + number)
		default:
			b.WriteString(p.Topic + "/" + number)
		}
	}
	return b.String()
}

// txnJSON is one transaction of `txn list --json`.
type txnJSON struct {
	ID         string           `json:"id"`
	Writer     string           `json:"writer,omitempty"` // of a hanging one, where it is known
	ProducerID int64            `json:"producer_id"`
	State      string           `json:"state"`
	Began      time.Time        `json:"began"`
	TimeoutMS  int64            `json:"timeout_ms"`
	Owner      string           `json:"owner"`
	Partitions map[string][]int `json:"partitions"`
}

func printTxnsJSON(out io.Writer, open []processor.OpenTransaction) error {
	list := make([]txnJSON, 0, len(open))
	for i := range open {
		t := &open[i]
		parts := map[string][]int{}
		for _, p := range t.Partitions {
			parts[p.Topic] = append(parts[p.Topic], int(p.Partition))
		}
		list = append(list, txnJSON{t.ID, t.Writer, t.ProducerID, t.State, t.Began, t.Timeout.Milliseconds(), ownerOf(t), parts})
	}
	lines := json.NewEncoder(out)
	lines.SetIndent("", "  ")
	return lines.Encode(list)
}

func newTxnAbortCmd() *cobra.Command {
	var config string
	var foreign, force bool
	cmd := &cobra.Command{
		Use:   "abort ID",
		Short: "Abort the open transaction of a transactional id",
		Long: "Aborts the open transaction of a transactional id by fencing whoever has the id. Nothing is lost: the records that it\n" +
			"decided are decided again by the instance that has their shards. One that was being committed is committed. Of an owner\n" +
			"that lives, the transaction is not aborted without --force: it goes on by itself, and would only begin another.",
		Example: "  accrue txn abort accrue-node1-0 --config accrue.yaml",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			return abortTxn(cmd, c, args[0], foreign, force)
		},
	}
	cmd.Flags().BoolVar(&foreign, "any", false, "also where the id is not one of this app's")
	cmd.Flags().BoolVar(&force, "force", false, "also where its owner is a living member of the group")
	configFlag(cmd, &config)
	return cmd
}

func abortTxn(cmd *cobra.Command, c processor.Config, id string, foreign, force bool) error {
	kafka, err := connect(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer kafka.Close()
	open, listErr := processor.OpenTransactions(cmd.Context(), kafka, c.App, appTopics(c))
	var found *processor.OpenTransaction
	for i := range open {
		if open[i].ID == id {
			found = &open[i]
		}
	}
	switch {
	case found == nil && listErr != nil:
		return listErr
	case found == nil:
		return fmt.Errorf("no transaction of %q is open on the topics of %s: accrue txn list shows those that are", id, c.App)
	case !found.Ours && !foreign:
		return fmt.Errorf("%q is not an id of %s, somebody else writes to its topics: add --any to abort it all the same", id, c.App)
	case found.Alive && !force:
		return fmt.Errorf("the owner of %q is a living member of the group, it ends its transaction itself: stop that instance, or add --force", id)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), abortTimeout)
	defer cancel()
	if err := processor.AbortTransaction(ctx, kafka, id); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is fenced; its transaction on %s has ended\n", id, partitionsText(found.Partitions))
	return nil
}
