package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/audit"
	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

// verifying is one run of verify.
type verifying struct {
	config processor.Config
	most   int       // differences that are told of each kind
	asOf   time.Time // up to when time was to decide; zero: as far as the records tell
	errs   io.Writer

	decoder *schemas.Decoder
	kinds   schemas.Topics
	ledger  *rules.Ledger
	control *processor.Control
	auditor *audit.Auditor
}

// verifyTopics are the readers of an app's topics. What the engine has read is asked for first, then the ends of the outputs, then those
// of the inputs: so every input that was read then has its answer among the outputs, and every answer its input among the inputs.
type verifyTopics struct {
	read    kadm.OffsetResponses
	outputs []*topicReader // in the order in which they are taken
	inputs  *topicReader
}

func (t *verifyTopics) close() {
	for _, r := range append(slices.Clone(t.outputs), t.inputs) {
		if r != nil && r.client != nil {
			r.close()
		}
	}
}

func (v *verifying) run(ctx context.Context) (*audit.Report, error) {
	registry, err := v.config.Registry.Open()
	if err != nil {
		return nil, err
	}
	v.decoder, v.kinds = schemas.NewDecoder(registry), v.config.Topics.Kinds()
	topics := &verifyTopics{}
	defer topics.close()
	if err := v.open(ctx, topics); err != nil {
		return nil, err
	}
	progress := newProgress(v.errs, "records")
	defer progress.done()
	var inputs []audit.Input
	err = topics.inputs.all(ctx, progress, func(r *kgo.Record) error {
		in, err := v.input(ctx, r, topics.read)
		inputs = append(inputs, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.auditor = audit.New(v.control.Versions(), v.whole(topics), v.most)
	for _, in := range inputs {
		v.auditor.Input(in)
	}
	for _, reader := range topics.outputs {
		if err := reader.all(ctx, progress, func(r *kgo.Record) error { return v.output(ctx, r) }); err != nil {
			return nil, err
		}
	}
	why := v.cannot(topics)
	if why == "" {
		if err := v.again(ctx, &replay{shard: processor.NewMemoryShard(v.ledger)}, newProgress(v.errs, "events decided again")); err != nil {
			return nil, err
		}
	}
	return v.auditor.Finish(why), nil
}

// open asks for what there is to read.
func (v *verifying) open(ctx context.Context, t *verifyTopics) error {
	c := v.config
	client, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer client.Close()
	secret, err := c.Random.Key()
	if err != nil {
		return &invalidError{err}
	}
	if v.control, err = processor.ReadControl(ctx, client, c.App, secret); err != nil {
		return err
	}
	if needs := v.control.NeedsSecret(); needs != nil {
		return &invalidError{fmt.Errorf("%w: name the secret of the instances in random.key_file", needs)}
	}
	if v.ledger = v.control.Ledger(); v.ledger == nil {
		return fmt.Errorf("app %s has no version of a programme: no instance of it was ever started, so there is nothing to verify", c.App)
	}
	if t.read, err = kadm.NewClient(client).FetchOffsets(ctx, c.App); err != nil {
		return fmt.Errorf("looking for what the group %s has read: %w", c.App, err)
	}
	for _, topic := range []string{c.Topics.DeadLetters, c.Topics.FraudAlerts, c.Topics.Decisions, c.Topics.PointGrants, c.Topics.TierChanges} {
		r, err := openTopics(ctx, []string{topic}, c)
		if err != nil {
			return err
		}
		t.outputs = append(t.outputs, r)
	}
	var inputs []string
	for name, kind := range v.kinds {
		if kind.IsInput() {
			inputs = append(inputs, name)
		}
	}
	slices.Sort(inputs)
	t.inputs, err = openTopics(ctx, inputs, c)
	return err
}

// input reads a record of an input topic.
func (v *verifying) input(ctx context.Context, r *kgo.Record, read kadm.OffsetResponses) (audit.Input, error) {
	in, err := decodeInput(ctx, v.decoder, v.kinds, r)
	if err != nil {
		return audit.Input{}, err
	}
	made := audit.Input{Place: audit.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Record: in, Unread: true}
	if at, known := read.Lookup(r.Topic, r.Partition); known {
		made.Unread = r.Offset >= at.At
	}
	switch {
	case in.bad != "":
	case in.message.Value == nil:
		made.Member, made.EventID = in.message.Key, tombstoneID(in.source)
	default:
		event, err := rules.NewEvent(in.message.Value, in.source, in.written)
		if err != nil {
			return made, fmt.Errorf("reading %s: %w", in.place, err)
		}
		made.Member, made.EventID = event.Member(), event.EventID()
		made.Erases = event.Command != nil && event.Command.Kind == "ERASE"
	}
	return made, nil
}

// whole says which topics hold all that was ever written to them.
func (v *verifying) whole(t *verifyTopics) map[string]bool {
	whole := map[string]bool{}
	for name, kind := range v.kinds {
		if kind.IsInput() {
			compacted := kind == schemas.KindMember && t.inputs.holes[name] > 0
			whole[name] = t.inputs.gone[name] == 0 && !compacted
		}
	}
	for _, r := range t.outputs {
		for name, gone := range r.gone {
			whole[name] = gone == 0
		}
	}
	return whole
}

// cannot says why the inputs cannot be decided again; empty: they can.
func (v *verifying) cannot(t *verifyTopics) string {
	for _, r := range append([]*topicReader{t.inputs}, t.outputs...) {
		for _, name := range sortedKeys(r.gone) {
			if r.gone[name] > 0 {
				return fmt.Sprintf("%s does not begin with its first record: retention has taken %d offsets, and what they said is missing", name, r.gone[name])
			}
		}
	}
	return ""
}

func sortedKeys(m map[string]int64) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// output takes a record that the engine has written.
func (v *verifying) output(ctx context.Context, r *kgo.Record) error {
	at := audit.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	if r.Topic == v.config.Topics.DeadLetters {
		if processor.IsRetryMark(r.Headers) {
			return nil // it answers no input: the record that was sent again is an input of its own
		}
		v.auditor.DeadLetter(at, letterOf(r))
		return nil
	}
	value, err := v.decoder.Decode(ctx, v.kinds[r.Topic], r.Value)
	if err != nil {
		return fmt.Errorf("reading %s: %w", at, err)
	}
	v.take(at, value)
	return nil
}

// take hands a record that the engine has written to the auditor.
func (v *verifying) take(at audit.Place, value any) {
	switch record := value.(type) {
	case *schemas.FraudAlert:
		v.auditor.Alert(record)
	case *schemas.Decision:
		v.auditor.Decision(at, record)
	case *schemas.PointGrant:
		v.auditor.Entry(at, record)
	case *schemas.TierChange:
		v.auditor.TierChange(at, record)
	}
}

// letterOf is the place of the input that a dead letter is of, by its first headers of that name: the producer's own follow.
func letterOf(r *kgo.Record) audit.Place {
	first := map[string]string{}
	for _, h := range r.Headers {
		if _, known := first[h.Key]; !known {
			first[h.Key] = string(h.Value)
		}
	}
	partition, err := strconv.ParseInt(first[processor.HeaderPartition], 10, 32)
	offset, err2 := strconv.ParseInt(first[processor.HeaderOffset], 10, 64)
	if errors.Join(err, err2) != nil {
		return audit.Place{Topic: first[processor.HeaderTopic], Partition: -1}
	}
	return audit.Place{Topic: first[processor.HeaderTopic], Partition: int32(partition), Offset: offset}
}

// again decides the inputs again, in the order in which the engine did, and lets time decide as far as it did.
func (v *verifying) again(ctx context.Context, r *replay, progress *progress) error {
	defer progress.done()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	r.write = func(_ *rules.Event, o *rules.Outcome) error {
		v.auditor.Recomputed(o)
		return nil
	}
	r.refuse = func(*input, string) error { return nil } // it has a dead letter
	r.hear = v.auditor.Hear
	for _, next := range v.auditor.Order() {
		if err := ctx.Err(); err != nil {
			return err
		}
		in, is := next.Record.(input)
		if !is {
			return fmt.Errorf("decide %s again: it was not kept", next.Place)
		}
		r.now = next.Now
		if err := r.take(&in); err != nil {
			return fmt.Errorf("decide %s again: %w", next.Place, err)
		}
		progress.add(1)
	}
	for _, until := range v.auditor.Until(v.asOf) {
		outcome, err := r.shard.Advance(until.Member, until.At, until.At)
		if err != nil {
			return err
		}
		v.auditor.Recomputed(outcome)
	}
	return nil
}
