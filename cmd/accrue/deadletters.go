package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"accrue/processor"
	"accrue/schemas"
)

// newDeadLettersCmd is `accrue dlq`.
func newDeadLettersCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and send chosen ones through again",
		Long: "A record that cannot be processed becomes a dead letter: it is kept whole, with why and where it came from, and the engine\n" +
			"goes on. Once the cause is gone, dead letters can be sent back to where they came from, each once.",
		Example: "  accrue dlq list --config accrue.yaml\n  accrue dlq show 3:812 --config accrue.yaml\n  accrue dlq retry --reason account --config accrue.yaml",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersListCmd(), newLettersShowCmd(), newLettersRetryCmd())
	return cmd
}

// letterChoice are the flags that choose letters.
type letterChoice struct{ reason, topic, since, until string }

func (c *letterChoice) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.reason, "reason", "", "only letters of this reason: unreadable, no_member, account, too_large, route or unknown")
	flags.StringVar(&c.topic, "topic", "", "only letters that came from this topic")
	flags.StringVar(&c.since, "since", "", "only letters since then: a time such as 2026-12-31T00:00:00Z, or a duration back from now such as 24h")
	flags.StringVar(&c.until, "until", "", "only letters before then, as --since")
}

// filter checks the flags.
func (c *letterChoice) filter(now time.Time, ids []string) (processor.LetterFilter, error) {
	f := processor.LetterFilter{Reason: c.reason, Topic: c.topic}
	if c.reason != "" && !slices.Contains(processor.Reasons(), c.reason) {
		meant := ""
		if near := schemas.Nearest(c.reason, processor.Reasons()); near != "" {
			meant = fmt.Sprintf(": did you mean %s?", near)
		}
		return f, invalidf("--reason %q is none of the reasons%s They are %v", c.reason, orDot(meant), processor.Reasons())
	}
	var err error
	if f.Since, err = momentFlag("--since", c.since, now); err != nil {
		return f, err
	}
	if f.Until, err = momentFlag("--until", c.until, now); err != nil {
		return f, err
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, invalidf("--since %s is not before --until %s", c.since, c.until)
	}
	for _, text := range ids {
		id, err := processor.ParseLetterID(text)
		if err != nil {
			return f, invalidf("%w; accrue dlq list shows the ids", err)
		}
		f.IDs = append(f.IDs, id)
	}
	return f, nil
}

func orDot(text string) string {
	if text == "" {
		return "."
	}
	return text
}

// momentFlag is a time, or a duration back from now.
func momentFlag(name, value string, now time.Time) (time.Time, error) {
	if back, err := time.ParseDuration(value); err == nil && back > 0 {
		return now.Add(-back).UTC(), nil
	}
	t, err := timeFlag(name, value)
	if err != nil {
		return t, invalidf("%s %q is neither a time such as 2026-12-31T00:00:00Z nor a duration such as 24h", name, value)
	}
	return t, nil
}

func newLettersListCmd() *cobra.Command {
	var config string
	var choice letterChoice
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Count dead letters by reason and topic, and list the newest",
		Long: "Counts the dead letters by reason and by the topic they came from, and lists the newest ones: id (partition:offset of the\n" +
			"dead-letter topic), when, where from, how often they were sent again before, whether this one was, and why.",
		Example: "  accrue dlq list --config accrue.yaml\n  accrue dlq list --reason unreadable --topic commerce.orders --since 24h --json | jq '.letters[].why'",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := choice.filter(time.Now(), nil)
			if err != nil {
				return err
			}
			if limit < 0 {
				return invalidf("--n is a number of letters, not %d", limit)
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			list := letterList{limit: limit, counts: map[[2]string]*letterCount{}}
			if err := eachLetter(cmd.Context(), c, &filter, list.take); err != nil {
				return err
			}
			list.newest()
			if asJSON {
				return list.printJSON(cmd.OutOrStdout())
			}
			list.print(cmd.OutOrStdout(), c.Topics.DeadLetters)
			return nil
		},
	}
	choice.flags(cmd)
	cmd.Flags().IntVarP(&limit, "n", "n", 20, "list so many letters, the newest (0: count only)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	configFlag(cmd, &config)
	return cmd
}

// eachLetter connects, and hands over the letters that are chosen.
func eachLetter(ctx context.Context, c processor.Config, filter *processor.LetterFilter, take func(*processor.Letter) error) error {
	kafka, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer kafka.Close()
	letters, err := processor.OpenLetters(ctx, kafka, c.Topics.DeadLetters)
	if err != nil {
		return err
	}
	return letters.Each(ctx, filter, take)
}

// letterList is one run of `accrue dlq list`.
type letterList struct {
	limit  int
	counts map[[2]string]*letterCount // by reason and topic
	shown  []letterJSON
}

// letterCount is what there is of one reason and topic.
type letterCount struct {
	Reason  string    `json:"reason"`
	Topic   string    `json:"topic"`
	Letters int       `json:"letters"`
	Retried int       `json:"retried"` // of them
	Oldest  time.Time `json:"oldest"`
	Newest  time.Time `json:"newest"`
}

// letterJSON is one letter of `dlq list --json` and `dlq show --json`.
type letterJSON struct {
	ID        string              `json:"id"`
	Written   time.Time           `json:"written"`
	Reason    string              `json:"reason"`
	Why       string              `json:"why"`
	Causes    []string            `json:"causes,omitempty"`
	Topic     string              `json:"topic"`
	Partition int32               `json:"partition"`
	Offset    int64               `json:"offset"`
	Timestamp time.Time           `json:"timestamp"`
	Bytes     int64               `json:"bytes"` // of the value as it was
	Tries     int                 `json:"tries"`
	Retried   *retriedJSON        `json:"retried,omitempty"`
	Key       string              `json:"key,omitempty"`       // of show
	Headers   map[string][]string `json:"headers,omitempty"`   // of show
	Value     json.RawMessage     `json:"value,omitempty"`     // of show, where it can be decoded
	Base64    []byte              `json:"base64,omitempty"`    // of show, where it cannot
	Tombstone bool                `json:"tombstone,omitempty"` // it had no value
}

// retriedJSON says that a letter was sent again.
type retriedJSON struct {
	At        time.Time `json:"at"`
	By        string    `json:"by,omitempty"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
}

func describeLetter(l *processor.Letter) letterJSON {
	d := letterJSON{
		ID: l.ID.String(), Written: l.Written, Reason: l.Reason, Why: l.Why, Causes: l.Causes, Topic: l.Source.Topic,
		Partition: l.Source.Partition, Offset: l.Source.Offset, Timestamp: l.Timestamp, Bytes: max(int64(len(l.Value)), l.WholeSize), Tries: l.Tries,
		Tombstone: l.Value == nil,
	}
	if r := l.Retried; r != nil {
		d.Retried = &retriedJSON{r.At.UTC(), r.By, r.To.Topic, r.To.Partition, r.To.Offset}
	}
	return d
}

func (l *letterList) take(letter *processor.Letter) error {
	of := [2]string{letter.Reason, letter.Source.Topic}
	count := l.counts[of]
	if count == nil {
		count = &letterCount{Reason: of[0], Topic: of[1], Oldest: letter.Written, Newest: letter.Written}
		l.counts[of] = count
	}
	count.Letters++
	if letter.Retried != nil {
		count.Retried++
	}
	if letter.Written.Before(count.Oldest) {
		count.Oldest = letter.Written
	}
	if letter.Written.After(count.Newest) {
		count.Newest = letter.Written
	}
	if l.shown = append(l.shown, describeLetter(letter)); len(l.shown) > 2*l.limit+100 {
		l.newest()
	}
	return nil
}

// newest keeps what is to be listed of what was seen so far, the newest first.
func (l *letterList) newest() {
	slices.SortStableFunc(l.shown, func(a, b letterJSON) int { return b.Written.Compare(a.Written) })
	l.shown = l.shown[:min(len(l.shown), l.limit)]
}

// sorted are the counts, the largest first.
func (l *letterList) sorted() []letterCount {
	list := make([]letterCount, 0, len(l.counts))
	for _, c := range l.counts {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b letterCount) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Topic, b.Topic))
	})
	return list
}

func (l *letterList) printJSON(out io.Writer) error {
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	return lines.Encode(struct {
		Counts  []letterCount `json:"counts"`
		Letters []letterJSON  `json:"letters"`
	}{l.sorted(), append([]letterJSON{}, l.shown...)})
}

// whyShown is how much of the reason in words fits on a line.
const whyShown = 100

func (l *letterList) print(out io.Writer, topic string) {
	if len(l.counts) == 0 {
		fmt.Fprintf(out, "no such dead letter is on %s\n", topic)
		return
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REASON\tTOPIC\tLETTERS\tRETRIED\tOLDEST\tNEWEST")
	all := 0
	for _, c := range l.sorted() {
		all += c.Letters
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\n", c.Reason, orDash(c.Topic), c.Letters, c.Retried, c.Oldest.Format(time.RFC3339), c.Newest.Format(time.RFC3339))
	}
	table.Flush() //nolint:errcheck // a table that cannot be shown is no reason to fail
	if len(l.shown) == 0 {
		return
	}
	fmt.Fprintln(out)
	fmt.Fprintln(table, "ID\tWRITTEN\tREASON\tFROM\tTRIES\tRETRIED\tWHY")
	for i := range l.shown {
		d := &l.shown[i]
		retried := "no"
		if d.Retried != nil {
			retried = d.Retried.At.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, d.Written.Format(time.RFC3339), d.Reason, placeText(d.Topic, d.Partition, d.Offset),
			d.Tries, retried, oneLine(d.Why, whyShown))
	}
	table.Flush() //nolint:errcheck // as above
	if all > len(l.shown) {
		fmt.Fprintf(out, "%d more, which are older; -n lists more\n", all-len(l.shown))
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// placeText is "topic/3@812".
func placeText(topic string, partition int32, offset int64) string {
	if topic == "" {
		return "-"
	}
	return fmt.Sprintf("%s/%d@%d", topic, partition, offset)
}

// oneLine is the beginning of a text that others wrote, without what a terminal would take for orders.
func oneLine(text string, most int) string {
	clean := make([]rune, 0, most+1)
	for _, r := range text {
		if len(clean) == most {
			return string(clean) + "..."
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			r = ' '
		}
		clean = append(clean, r)
	}
	return string(clean)
}
