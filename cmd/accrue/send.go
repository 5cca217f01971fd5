package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// Bounds of what is on its way to the brokers: reading waits beyond them, and a record that no broker takes for so long
// ends the command.
const (
	sendBufferedRecords = 20_000
	sendBufferedBytes   = 64 << 20
	sendDelivery        = 2 * time.Minute
)

// newSendCmd is `accrue send`.
func newSendCmd() *cobra.Command {
	var config, inFile string
	cmd := &cobra.Command{
		Use:   "send [TOPIC]",
		Short: "Send JSON lines to a topic as Avro records",
		Long: "Reads JSON lines, {\"topic\": ..., \"key\": ..., \"value\": {...}}, and sends each as an Avro record through the schema\n" +
			"registry. Without a key in the line the key is the member. With TOPIC every line has to be of that topic; without,\n" +
			"each goes to its own. It stops at the first line that is wrong; what was before it is sent.",
		Example: "  accrue send commerce.orders --in orders.jsonl --config accrue.yaml\n" +
			"  echo '{\"topic\": \"engagement.check-ins\", \"value\": {\"event_id\": \"e1\", \"member_id\": \"m1\", \"occurred_at\": \"2026-11-01T10:00:00Z\"}}' | accrue send",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			only := ""
			if len(args) > 0 {
				only = args[0]
			}
			return sendFile(cmd, c, only, inFile)
		},
	}
	cmd.Flags().StringVar(&inFile, "in", "", "the file of JSON lines (default: standard input)")
	configFlag(cmd, &config)
	return cmd
}

func sendFile(cmd *cobra.Command, c processor.Config, only, inFile string) error {
	topics := c.Topics.Kinds()
	if _, known := topics[only]; only != "" && !known {
		return invalidf("%q is no topic of records; the configuration names %s", only, topicNames(topics))
	}
	in := cmd.InOrStdin()
	if inFile != "" {
		f, err := os.Open(inFile)
		if err != nil {
			return invalidf("reading the lines: %w", err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	registry, err := c.Registry.Open()
	if err != nil {
		return err
	}
	client, err := connect(cmd.Context(), c, kgo.MaxBufferedRecords(sendBufferedRecords), kgo.MaxBufferedBytes(sendBufferedBytes),
		kgo.RecordDeliveryTimeout(sendDelivery))
	if err != nil {
		return err
	}
	defer client.Close()
	s := &sender{
		topics: topics, only: only, registry: registry, client: client,
		ids: map[schemas.Kind]int{}, file: orStandardInput(inFile), progress: newProgress(cmd.ErrOrStderr(), "records"),
	}
	err = s.send(cmd.Context(), in)
	s.progress.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "sent %d records\n", s.sent)
	return nil
}

// sender sends lines. Only its promise callback runs in another goroutine.
type sender struct {
	topics   schemas.Topics
	only     string // empty: any topic
	registry *schemas.Registry
	client   *kgo.Client
	ids      map[schemas.Kind]int // of the schemas that were needed so far
	encoder  *schemas.Encoder     // for ids as they are
	file     string
	progress *progress
	sent     int64

	mu    sync.Mutex
	fault *sendFault // guarded by mu: the first record, by line, that a broker did not take
}

// sendFault is a record that did not arrive.
type sendFault struct {
	line int64
	err  error
}

// send returns when every line before the end, or before the first wrong line, is acknowledged.
func (s *sender) send(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	var stopped error
	number := int64(0)
	for stopped == nil && s.faulty() == nil {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		number++
		switch {
		case ctx.Err() != nil:
			stopped = fmt.Errorf("stopped at line %d: %w", number, ctx.Err())
		case err != nil:
			stopped = s.wrong(number, err)
		case len(line) == 0:
		default:
			stopped = s.line(ctx, line, number)
		}
	}
	// Also after an interrupt, for what a broker has already been given: the fault then names the first line that it was not.
	if err := s.client.Flush(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("waiting for the last records: %w", err)
	}
	if fault := s.faulty(); fault != nil {
		return fmt.Errorf("%s:%d: the record was not taken: %w; lines after it may have been: sending them all again is safe, events are known by their event_id",
			s.file, fault.line, fault.err)
	}
	return stopped
}

func (s *sender) line(ctx context.Context, line []byte, number int64) error {
	m, err := s.topics.ParseLine(line)
	if err != nil {
		return s.wrong(number, err)
	}
	if s.only != "" && m.Topic != s.only {
		return s.wrong(number, fmt.Errorf("it is of topic %s, not %s: leave TOPIC out to send each line to its own", m.Topic, s.only))
	}
	return s.message(ctx, m, number)
}

// message sends what a line says.
func (s *sender) message(ctx context.Context, m schemas.Message, number int64) error {
	record := &kgo.Record{Topic: m.Topic, Key: []byte(m.Key)}
	if !m.HasKey {
		record.Key = []byte(schemas.MemberOf(m.Value))
	}
	if m.Value != nil {
		if err := s.prepare(ctx, m); err != nil {
			return err
		}
		var err error
		if record.Value, err = s.encoder.Append(nil, m.Value); err != nil {
			return s.wrong(number, err)
		}
	}
	s.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			s.fail(number, err)
		}
	})
	s.sent++
	s.progress.add(1)
	return nil
}

// prepare learns the id of a kind's schema at its first record.
func (s *sender) prepare(ctx context.Context, m schemas.Message) error {
	if _, known := s.ids[m.Kind]; known {
		return nil
	}
	id, found, err := s.registry.LookUp(ctx, schemas.Subject(m.Topic), m.Kind.SchemaText())
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the %s schema of this version is not registered for %s: run accrue topics apply", m.Kind, m.Topic)
	}
	s.ids[m.Kind] = id
	s.encoder = schemas.NewEncoder(s.ids)
	return nil
}

// wrong says which line is at fault, what was sent, and how to go on.
func (s *sender) wrong(number int64, err error) error {
	if s.sent == 0 {
		return invalidf("%s:%d: %w; nothing was sent", s.file, number, err)
	}
	return invalidf("%s:%d: %w; the %d records before it are sent: mend the line, then send the rest with tail -n +%d",
		s.file, number, err, s.sent, number)
}

func (s *sender) fail(line int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil || line < s.fault.line {
		s.fault = &sendFault{line, err}
	}
}

func (s *sender) faulty() *sendFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

func orStandardInput(file string) string {
	if file == "" {
		return "standard input"
	}
	return file
}
