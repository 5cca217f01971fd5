package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// erasure is one run of `accrue state erase`.
type erasure struct {
	operator, reason, config string
	yes                      bool
	wait                     time.Duration
	now                      func() time.Time
}

func newStateEraseCmd() *cobra.Command {
	e := erasure{now: time.Now}
	cmd := &cobra.Command{
		Use:   "erase MEMBER",
		Short: "Erase a member: balance to zero, nothing left on any shard",
		Long: "Sends the command ERASE and waits for its decision. Entries bring the member's balance and held points to zero, a tier above\n" +
			"the first ends, and all that is held of the member goes, on every shard: events, counters of shared devices and stores,\n" +
			"invitations on both sides, wishes for budgets. A hash stays, made with a salt, so that late events bring nothing back; who\n" +
			"comes back needs another member id. It cannot be undone.\n\n" +
			"What was written to topics before stays there for as long as their retention is, in the changelog until it is compacted.",
		Example: "  accrue state erase m1 --operator lin --reason \"request of 12 May\" --config accrue.yaml",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&e.operator, "operator", "", "who erases; it stands in the command and in the reasons of the entries")
	flags.StringVar(&e.reason, "reason", "", "why, such as the number of the request; do not name the member")
	flags.BoolVar(&e.yes, "yes", false, "do not ask")
	flags.DurationVar(&e.wait, "wait", time.Minute, "how long to wait for the decision")
	configFlag(cmd, &e.config)
	return cmd
}

func (e *erasure) run(cmd *cobra.Command, member string) error {
	switch {
	case member == "":
		return invalidf("the member's id is empty")
	case e.operator == "":
		return invalidf("say who erases with --operator: it is written beside what happens")
	case e.wait <= 0:
		return invalidf("--wait is a time such as 1m, not %s", e.wait)
	}
	c, err := loadConfig(e.config)
	if err != nil {
		return err
	}
	if !e.yes {
		fmt.Fprintf(cmd.OutOrStdout(), "All that is held of member %s is erased, for good. Type the member's id to go on: ", member)
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if strings.TrimRight(line, "\r\n") != member {
			if err != nil && line == "" {
				return errors.New("nothing was erased: there was no answer; --yes does not ask")
			}
			return errors.New("nothing was erased: that is another id")
		}
	}
	decision, err := e.send(cmd.Context(), c, member)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), decision.Reason)
	if decision.Outcome != schemas.OutcomeNothing {
		return fmt.Errorf("the command was decided %s: nothing was erased", decision.Outcome)
	}
	return nil
}

// send gives the command and waits for what is decided.
func (e *erasure) send(ctx context.Context, c processor.Config, member string) (*schemas.Decision, error) {
	registry, err := c.Registry.Open()
	if err != nil {
		return nil, err
	}
	client, err := connect(ctx, c, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RecordDeliveryTimeout(sendDelivery))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, c.Topics.Decisions)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the end of %s: %w", c.Topics.Decisions, err)
	}
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("making an event id: %w", err)
	}
	command := &schemas.Command{
		EventID: "erase-" + hex.EncodeToString(random), MemberID: member, OccurredAt: e.now().UTC().Truncate(time.Millisecond),
		Operator: e.operator, Reason: e.reason, Kind: "ERASE",
	}
	s := &sender{registry: registry, ids: map[schemas.Kind]int{}}
	if err := s.prepare(ctx, schemas.Message{Topic: c.Topics.Commands, Kind: schemas.KindCommand}); err != nil {
		return nil, err
	}
	value, err := s.encoder.Append(nil, command)
	if err != nil {
		return nil, invalidf("encoding the command: %w", err)
	}
	record := &kgo.Record{Topic: c.Topics.Commands, Key: []byte(member), Value: value}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return nil, fmt.Errorf("sending the command: %w", err)
	}
	client.AddConsumePartitions(ends.KOffsets())
	decision, err := awaitDecision(ctx, client, schemas.NewDecoder(registry), command.EventID, e.wait)
	if err != nil {
		return nil, fmt.Errorf("the command %s is sent and will be carried out, its decision was not seen: %w", command.EventID, err)
	}
	return decision, nil
}

// awaitDecision reads decisions until there is that of an event.
func awaitDecision(ctx context.Context, client *kgo.Client, decoder *schemas.Decoder, event string, wait time.Duration) (*schemas.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no engine has decided it within %s; is one running? accrue tail shows decisions", wait)
		}
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading decisions: %w", err)
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			value, err := decoder.Decode(ctx, schemas.KindDecision, iter.Next().Value)
			if err != nil {
				return nil, fmt.Errorf("reading a decision: %w", err)
			}
			if d, is := value.(*schemas.Decision); is && d.EventID == event {
				return d, nil
			}
		}
	}
}
