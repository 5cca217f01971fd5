package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// tailIdle ends `--until-end` where nothing more comes although the end offset was not seen: the last records of a log may
// have been compacted away or aborted, and such offsets are never delivered.
const tailIdle = 5 * time.Second

// newTailCmd is `accrue tail`.
func newTailCmd() *cobra.Command {
	var config string
	t := &tail{}
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Print a topic's committed records as JSON lines",
		Long: "Prints the records of a topic as JSON lines, {\"topic\": ..., \"key\": ..., \"value\": {...}}, as a read_committed reader sees\n" +
			"them: nothing of a transaction that is open or was aborted. It goes on until it is interrupted, or as --n and\n" +
			"--until-end say. Records of a partition come in order. Dead letters are printed with where they came from and why.",
		Example: "  accrue tail rewards.point-grants --config accrue.yaml\n  accrue tail rewards.decisions --until-end > decisions.jsonl",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"", "beginning", "end"}, t.from) {
				return invalidf("--from is beginning or end, not %q", t.from)
			}
			if t.limit < 0 {
				return invalidf("--n is a number of records, not %d", t.limit)
			}
			if t.untilEnd && t.from == "end" {
				return invalidf("--until-end and --from end leave nothing to print")
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			t.topic, t.errs = args[0], cmd.ErrOrStderr()
			return t.run(cmd.Context(), c, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&t.from, "from", "", "beginning or end (default: end, with --until-end beginning)")
	flags.Int64VarP(&t.limit, "n", "n", 0, "stop after so many records (default: do not)")
	flags.BoolVar(&t.untilEnd, "until-end", false, "stop at what was the end of the topic when the command started")
	configFlag(cmd, &config)
	return cmd
}

// tail is one run of the command.
type tail struct {
	topic    string
	from     string
	limit    int64 // 0: none
	untilEnd bool
	errs     io.Writer

	kind       schemas.Kind // 0: dead letters
	decoder    *schemas.Decoder
	out        *bufio.Writer
	buffer     []byte
	printed    int64
	unreadable int64
	ends       map[int32]int64 // with untilEnd: partitions that are not at their end yet
}

func (t *tail) run(ctx context.Context, c processor.Config, out io.Writer) error {
	if t.topic != c.Topics.DeadLetters {
		topics := c.Topics.Kinds()
		kind, known := topics[t.topic]
		if !known {
			return invalidf("%q is no topic of records; the configuration names %s, %s", t.topic, topicNames(topics), c.Topics.DeadLetters)
		}
		t.kind = kind
	}
	registry, err := c.Registry.Open()
	if err != nil {
		return err
	}
	t.decoder = schemas.NewDecoder(registry)
	start := kgo.NewOffset().AtEnd()
	if t.from == "beginning" || t.from == "" && t.untilEnd {
		start = kgo.NewOffset().AtStart()
	}
	client, err := connect(ctx, c,
		kgo.ConsumeTopics(t.topic), kgo.ConsumeResetOffset(start), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	if err := t.look(ctx, client); err != nil {
		return err
	}
	t.out = bufio.NewWriterSize(out, 1<<16)
	err = t.read(ctx, client)
	if flushErr := t.out.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("printing the records: %w", flushErr)
	}
	if err == nil && t.unreadable > 0 {
		err = fmt.Errorf("%d records could not be read: see above", t.unreadable)
	}
	return err
}

// look finds the topic's ends, and that there is such a topic: a consumer would wait for it for ever.
func (t *tail) look(ctx context.Context, client *kgo.Client) error {
	// What is below the last stable offset is all that a read_committed reader can get.
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, t.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("looking for the end of topic %s: %w; accrue topics apply makes the topics", t.topic, err)
	}
	if !t.untilEnd {
		return nil
	}
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, t.topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("looking for the beginning of topic %s: %w", t.topic, err)
	}
	t.ends = map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if begin, ok := starts.Lookup(t.topic, end.Partition); ok && begin.Offset < end.Offset {
			t.ends[end.Partition] = end.Offset
		}
	})
	return nil
}

// read prints until an end is reached. An interrupt is an end like any other.
func (t *tail) read(ctx context.Context, client *kgo.Client) error {
	for !t.finished() {
		fetches := t.poll(ctx, client)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // an interrupt is how a person ends it
		}
		if t.untilEnd && errors.Is(fetches.Err(), context.DeadlineExceeded) {
			return nil
		}
		for _, failed := range fetches.Errors() {
			return fmt.Errorf("reading %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
		}
		for records := fetches.RecordIter(); !records.Done() && !t.finished(); {
			if err := t.take(ctx, records.Next()); err != nil {
				return err
			}
		}
		// A person who watches sees a record when it comes, and a pipe gets whole polls.
		if err := t.out.Flush(); err != nil {
			return fmt.Errorf("printing the records: %w", err)
		}
	}
	return nil
}

func (t *tail) poll(ctx context.Context, client *kgo.Client) kgo.Fetches {
	if !t.untilEnd {
		return client.PollFetches(ctx)
	}
	patient, cancel := context.WithTimeout(ctx, tailIdle)
	defer cancel()
	return client.PollFetches(patient)
}

func (t *tail) finished() bool {
	return t.limit > 0 && t.printed >= t.limit || t.untilEnd && len(t.ends) == 0
}

// take prints a record, unless it is beyond the end or only marks a transaction.
func (t *tail) take(ctx context.Context, r *kgo.Record) error {
	if t.untilEnd {
		end, open := t.ends[r.Partition]
		if r.Offset+1 >= end {
			delete(t.ends, r.Partition)
		}
		if !open || r.Offset >= end {
			return nil
		}
	}
	if r.Attrs.IsControl() {
		return nil
	}
	line, err := t.format(ctx, r)
	if bad := new(schemas.BadRecord); errors.As(err, &bad) {
		t.unreadable++
		fmt.Fprintf(t.errs, "accrue: %s, partition %d, offset %d is no %s: %v\n", r.Topic, r.Partition, r.Offset, t.kind, bad)
		return nil // it is told and counted; the next record may be good
	}
	if err != nil {
		return fmt.Errorf("reading %s, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	t.printed++
	if _, err := t.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("printing the records: %w", err)
	}
	return nil
}

func (t *tail) format(ctx context.Context, r *kgo.Record) ([]byte, error) {
	if t.kind == 0 {
		return deadLetterLine(r)
	}
	var value any
	if r.Value != nil {
		var err error
		if value, err = t.decoder.Decode(ctx, t.kind, r.Value); err != nil {
			return nil, err
		}
	}
	line, err := schemas.AppendLine(t.buffer[:0], r.Topic, string(r.Key), value)
	t.buffer = line
	return line, err
}

// deadLetterLine shows a dead letter: where it came from and why in its headers, its bytes as text where they are text,
// else in base64.
func deadLetterLine(r *kgo.Record) ([]byte, error) {
	type value struct {
		Headers map[string][]string `json:"headers"`
		Text    string              `json:"text,omitempty"`
		Base64  []byte              `json:"base64,omitempty"`
	}
	v := value{Headers: map[string][]string{}}
	for _, h := range r.Headers {
		v.Headers[h.Key] = append(v.Headers[h.Key], string(h.Value))
	}
	if utf8.Valid(r.Value) {
		v.Text = string(r.Value)
	} else {
		v.Base64 = r.Value
	}
	return json.Marshal(struct {
		Topic string `json:"topic"`
		Key   string `json:"key,omitempty"`
		Value value  `json:"value"`
	}{r.Topic, string(r.Key), v})
}

// topicNames lists topics for a message.
func topicNames(topics schemas.Topics) string {
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
