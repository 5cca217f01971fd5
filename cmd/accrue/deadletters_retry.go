package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"accrue/processor"
)

// retryTold is how many letters are named one by one, of each kind of outcome.
const retryTold = 20

func newLettersRetryCmd() *cobra.Command {
	var config, by string
	var choice letterChoice
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Send dead letters back to where they came from, each once",
		Long: "Sends the chosen dead letters back to the topic and partition that they came from, with their key, bytes and headers as\n" +
			"they were, for the engine to decide them again. It says what it will do, and asks. The record and the mark that it was\n" +
			"sent are one transaction: a letter is sent once, whoever retries it, whatever dies, and a second retry says when it was.\n" +
			"What fails again is a new letter, with a count of its tries. Mend the cause first.",
		Example: "  accrue dlq retry 3:812 0:17 --config accrue.yaml\n  accrue dlq retry --reason account --since 2026-11-01T00:00:00Z --yes --config accrue.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := choice.filter(time.Now(), args)
			if err != nil {
				return err
			}
			if len(args) == 0 && choice == (letterChoice{}) {
				return invalidf("say which letters: their ids, or --reason, --topic, --since, --until; see %s --help", cmd.CommandPath())
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			r := &lettersRetry{filter: filter, by: byName(by), yes: yes, dryRun: dryRun}
			return r.run(cmd, c)
		},
	}
	choice.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&by, "by", "", "who does it, for the mark (default: the name of the user here)")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	flags.BoolVar(&dryRun, "dry-run", false, "say what would be sent, and send nothing")
	configFlag(cmd, &config)
	return cmd
}

// lettersRetry is one run of `accrue dlq retry`.
type lettersRetry struct {
	filter      processor.LetterFilter
	by          string
	yes, dryRun bool

	cmd    *cobra.Command
	counts [3]int // by outcome
	topics map[string]int
	found  map[processor.LetterID]bool // of those that are chosen
	told   map[processor.LetterID]bool // of those that are not to be sent
}

// What becomes of a letter.
const (
	letterSent = iota
	letterBefore
	letterCannot
)

func (r *lettersRetry) run(cmd *cobra.Command, c processor.Config) error {
	r.cmd, r.topics, r.found = cmd, map[string]int{}, map[processor.LetterID]bool{}
	r.told = map[processor.LetterID]bool{}
	topics, out := engineTopics(c), cmd.OutOrStdout()
	if err := eachLetter(cmd.Context(), c, &r.filter, func(l *processor.Letter) error { r.plan(l, topics); return nil }); err != nil {
		return err
	}
	for _, id := range r.filter.IDs {
		if !r.found[id] {
			return fmt.Errorf("there is no dead letter %s on %s that is chosen; accrue dlq list shows those that are there; nothing was sent", id, c.Topics.DeadLetters)
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(r.topics)) {
		fmt.Fprintf(out, "%s to be sent to %s again\n", lettersText(r.topics[topic]), topic)
	}
	if r.counts[letterSent] == 0 {
		fmt.Fprintln(out, "nothing is to be sent")
		return r.failed()
	}
	if r.dryRun {
		fmt.Fprintln(out, "nothing is sent (--dry-run)")
		return nil
	}
	if !r.yes {
		if err := confirm(cmd, "Send them?", "nothing is sent"); err != nil {
			return err
		}
	}
	return r.send(c, topics)
}

func lettersText(n int) string {
	if n == 1 {
		return "1 letter"
	}
	return fmt.Sprintf("%d letters", n)
}

// plan says what will become of a letter.
func (r *lettersRetry) plan(l *processor.Letter, topics processor.Topics) {
	r.found[l.ID] = true
	if why := l.Retryable(topics); l.Retried != nil || why != nil {
		r.tell(processor.Retried{Letter: l, Why: why})
		return
	}
	r.counts[letterSent]++
	r.topics[l.Source.Topic]++
}

// tell counts what a letter is that is not sent, and says it.
func (r *lettersRetry) tell(done processor.Retried) {
	l, out := done.Letter, r.cmd.OutOrStdout()
	r.told[l.ID] = true
	what := letterCannot
	if l.Retried != nil {
		what = letterBefore
	}
	switch r.counts[what]++; {
	case r.counts[what] == retryTold+1:
		fmt.Fprintln(out, "and others like it")
	case r.counts[what] > retryTold:
	case what == letterBefore:
		to := l.Retried.To
		fmt.Fprintf(out, "%s was sent again before, %s by %s, as %s: it is not sent twice\n", l.ID, l.Retried.At.UTC().Format(time.RFC3339),
			orDash(l.Retried.By), placeText(to.Topic, to.Partition, to.Offset))
	default:
		fmt.Fprintf(out, "%s cannot be sent: %v\n", l.ID, done.Why)
	}
}

func (r *lettersRetry) send(c processor.Config, topics processor.Topics) error {
	kafka, err := connect(r.cmd.Context(), c, processor.RetryOptions(c.App)...)
	if err != nil {
		return err
	}
	defer kafka.Close()
	planned := r.counts[letterSent]
	r.counts[letterSent] = 0
	progress := newProgress(r.cmd.ErrOrStderr(), "letters")
	err = processor.RetryLetters(r.cmd.Context(), kafka, topics, &r.filter, r.by, func(done processor.Retried) {
		progress.add(1)
		switch {
		case done.Sent:
			r.counts[letterSent]++
		case !r.told[done.Letter.ID]: // somebody else sent it meanwhile, or what is wrong with it shows only now
			r.tell(done)
		}
	})
	progress.done()
	sent := r.counts[letterSent]
	if errors.Is(err, processor.ErrRetryFenced) || err != nil && sent > 0 {
		return fmt.Errorf("%s of %d sent: %w", lettersText(sent), planned, err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(r.cmd.OutOrStdout(), "%s sent again; what fails again is a new letter in accrue dlq list\n", lettersText(sent))
	return r.failed()
}

// failed is the error where a letter that was named one by one cannot be sent.
func (r *lettersRetry) failed() error {
	if n := r.counts[letterCannot]; n > 0 {
		return fmt.Errorf("%s cannot be sent: see above why", lettersText(n))
	}
	return nil
}
