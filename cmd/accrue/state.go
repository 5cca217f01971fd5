package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
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

// What is shown of a member's held grants and events; a busy one has thousands.
const (
	shownHeld   = 10
	shownDates  = 12 // on which points expire
	shownEvents = 50
)

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

func newStateGetCmd() *cobra.Command {
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get MEMBER",
		Short: "Show a member: balance, tier, events, and why each point was given",
		Long: "Shows what the engine holds of a member: balance, what is held, tier, what limits have counted, and each event within\n" +
			"the window with its grants. The reasons are those that the programme of the configuration gives; what was said at\n" +
			"the time is in the decisions (accrue tail).",
		Example: "  accrue state get m1 --config accrue.yaml\n  accrue state get m1 --json | jq .balance",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			d, err := describeMember(cmd, c, args[0])
			if err != nil {
				return err
			}
			if !asJSON {
				printMember(cmd.OutOrStdout(), d)
				return nil
			}
			lines := json.NewEncoder(cmd.OutOrStdout())
			lines.SetEscapeHTML(false)
			lines.SetIndent("", "  ")
			return lines.Encode(d)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	configFlag(cmd, &config)
	return cmd
}

// describeMember reads the member's shard into memory and lets the account describe itself.
func describeMember(cmd *cobra.Command, c processor.Config, member string) (d rules.Description, err error) {
	err = withChangelog(cmd, c, func(kafka *kgo.Client, store *state.Store, shards int32) error {
		ledger, err := ledgerOf(cmd, kafka, c)
		if err != nil {
			return err
		}
		home := processor.Home(member, shards)
		if err := foldShard(cmd, kafka, c.App, store.Shard(home)); err != nil {
			return err
		}
		account, err := ledger.Open(member, store.Shard(home).View(member, nil))
		if err != nil {
			return err
		}
		if account.New() {
			return sayErased(ledger, store.Shard(home), member)
		}
		d, err = account.Describe()
		return err
	})
	if err == nil && d.NewestEvent.IsZero() {
		return d, fmt.Errorf("nothing is held of member %q: no event of theirs was accepted yet; members are told apart by every letter", member)
	}
	return d, err
}

// sayErased says of a member of whom nothing is held whether that was erased.
func sayErased(ledger *rules.Ledger, shard *state.Shard, member string) error {
	erasures, err := ledger.OpenErasures(shard.View(state.KeyName(rules.ErasuresKey), nil))
	if err != nil {
		return err
	}
	at, erased, err := erasures.Find(member)
	if err == nil && erased {
		err = fmt.Errorf("member %q was erased at %s: nothing is held of them, and nothing is granted any more", member, moment(at))
	}
	return err
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

// printMember prints a description for people.
func printMember(out io.Writer, d rules.Description) {
	fmt.Fprintf(out, "%s\n", d.Member)
	fmt.Fprintf(out, "  balance   %d points", d.Balance)
	if d.Pending != 0 {
		fmt.Fprintf(out, ", %d held", d.Pending)
	}
	fmt.Fprintln(out)
	if d.Tier != "" {
		fmt.Fprintf(out, "  tier      %s%s, with %s %s", d.Tier, until(d.TierUntil), d.TierMetric, d.TierValue)
		if d.NextTier != "" {
			fmt.Fprintf(out, "; %s begins at %s", d.NextTier, d.NextTierFrom)
		}
		if d.NextTierMissing != "" {
			fmt.Fprintf(out, ", %s are missing", d.NextTierMissing)
		}
		fmt.Fprintln(out)
		if !d.TierGrace.IsZero() {
			fmt.Fprintf(out, "  grace     the tier falls at %s\n", moment(d.TierGrace))
		}
	}
	if d.Blocked != nil {
		fmt.Fprintf(out, "  blocked   %s\n", blockText(d.Blocked))
	}
	fmt.Fprintf(out, "  orders    %d of %s %s\n", d.Orders, d.Spend, d.Currency)
	fmt.Fprintf(out, "  newest    %s\n", moment(d.NewestEvent))
	if !d.NextDue.IsZero() {
		fmt.Fprintf(out, "  next due  %s\n", moment(d.NextDue))
	}
	printHeld(out, d.Held)
	printExpiring(out, d.Expiring())
	printCounts(out, "all rules", d.Limits)
	for _, r := range d.Rules {
		printCounts(out, r.Rule, r.Limits)
		if r.Orders+int(r.Days) > 0 || r.Spend != "" {
			fmt.Fprintf(out, "  towards   %s: %d orders, %s spent, %d days\n", r.Rule, r.Orders, orNothing(r.Spend), r.Days)
		}
	}
	printEvents(out, d.Events)
}

// blockText says who blocked a member, and until when.
func blockText(b *rules.BlockDescription) string {
	by := "by an operator"
	if b.By != "" {
		by = "by " + b.By
	}
	if b.Until.IsZero() {
		return fmt.Sprintf("%s since event %s, until an operator unblocks", by, b.EventID)
	}
	return fmt.Sprintf("%s since event %s%s", by, b.EventID, until(b.Until))
}

func printHeld(out io.Writer, held []rules.HeldGrant) {
	for i, h := range held {
		if i == shownHeld {
			fmt.Fprintf(out, "  held      %d more; --json shows all\n", len(held)-i)
			break
		}
		when := until(h.Until)
		if when == "" {
			when = " until an operator decides"
		}
		fmt.Fprintf(out, "  held      %d points of %s%s (event %s%s)\n", h.Points, h.Rule, when, h.EventID, grantText(h.GrantID))
	}
}

// grantText names the grant for a release or a rejection.
func grantText(id string) string {
	if id == "" {
		return ""
	}
	return ", grant " + id
}

func printExpiring(out io.Writer, dates []rules.Expiring) {
	for i, x := range dates {
		if i == shownDates {
			fmt.Fprintf(out, "  expires   on %d more dates; --json shows all\n", len(dates)-i)
			break
		}
		fmt.Fprintf(out, "  expires   %d points at %s, of %s\n", x.Points, moment(x.At), strings.Join(x.Rules, ", "))
	}
}

func printCounts(out io.Writer, whose string, counts []rules.Count) {
	for _, c := range counts {
		period := "in the " + c.Per
		if c.Per == "ever" {
			period = "in all"
		}
		fmt.Fprintf(out, "  counted   %s: %d points in %d grants %s\n", whose, c.Points, c.Times, period)
	}
}

func printEvents(out io.Writer, events []rules.FactDescription) {
	fmt.Fprintf(out, "\n%d events within the window", len(events))
	if len(events) > shownEvents {
		fmt.Fprintf(out, ", the newest %d; --json shows all", shownEvents)
		events = events[len(events)-shownEvents:]
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range events {
		what := e.EventID
		if e.OrderID != "" {
			what += " of " + e.OrderID
		}
		if e.Left != "" {
			what += ", " + e.Left + " left"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", moment(e.OccurredAt), e.Kind, what, e.Note)
		for _, g := range e.Grants {
			amount := fmt.Sprintf("%+d", g.Available)
			switch {
			case g.Pending != 0 && g.HeldUntil.IsZero():
				amount = fmt.Sprintf("%+d held until an operator decides", g.Pending)
			case g.Pending != 0:
				amount = fmt.Sprintf("%+d held until %s", g.Pending, moment(g.HeldUntil))
			case g.Available == 0 && g.Entries > 1:
				amount = "undone"
			}
			fmt.Fprintf(table, "  \t\t%s %s\t%s\n", amount, g.Rule, g.Why)
		}
	}
	table.Flush() //nolint:errcheck // a table that cannot be shown is no reason to fail
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04:05Z") }

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + moment(t)
}

func orNothing(amount string) string {
	if amount == "" {
		return "nothing"
	}
	return amount
}
