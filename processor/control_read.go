package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules/programme"
)

// controlReader reads the control topic of an app on and on. It belongs to one goroutine. It reads what is not committed as
// well: nobody writes there in transactions, and one that is left open must not hold a fleet up.
type controlReader struct {
	client  *kgo.Client
	topic   string
	id      [16]byte
	leader  int32
	located bool
}

// read takes what came since into c, up to the end of the topic.
func (r *controlReader) read(ctx context.Context, c *Control) error {
	for {
		end, err := r.readPiece(ctx, c)
		if err != nil {
			r.located = false
			return fmt.Errorf("read %s from offset %d: %w", r.topic, c.Next, err)
		}
		if end {
			return nil
		}
	}
}

func (r *controlReader) readPiece(ctx context.Context, c *Control) (end bool, err error) {
	if !r.located {
		if err := r.locate(ctx); err != nil {
			return false, err
		}
	}
	got, err := fetchPiece(ctx, r.client, place{Partition{r.topic, 0}, c.Next}, r.id, r.leader, 0, kgo.ReadUncommitted())
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return false, r.cutOff(c.Next)
	}
	if err != nil {
		return false, err
	}
	if got.start > c.Next || c.Next > got.end {
		return false, r.cutOff(c.Next)
	}
	for _, record := range got.records {
		c.Take(record)
	}
	c.Next = max(c.Next, got.next)
	return c.Next >= got.end, nil
}

// cutOff says that records of the topic are gone. What was decided by them cannot be decided again without them.
func (r *controlReader) cutOff(next int64) error {
	return &setupError{text: fmt.Sprintf("%s was cut off, or deleted and made again: offset %d is not there; it holds the versions of the programme, by which members' pasts are decided again: "+
		"restore it from a backup, and set its cleanup.policy to delete and its retention.ms to -1 (accrue topics apply does)", r.topic, next)}
}

// locate finds out who leads the topic. One that was made again under its name is another topic.
func (r *controlReader) locate(ctx context.Context) error {
	details, err := kadm.NewClient(r.client).Metadata(ctx, r.topic)
	if err != nil {
		return err
	}
	topic := details.Topics[r.topic]
	partition, ok := topic.Partitions[0]
	switch {
	case errors.Is(topic.Err, kerr.UnknownTopicOrPartition):
		return &setupError{text: fmt.Sprintf("the topic %s is missing: run `accrue topics apply` with this configuration", r.topic), mayPass: true}
	case topic.Err != nil || !ok:
		return fmt.Errorf("topic %s has no partition: %w", r.topic, errors.Join(topic.Err, kerr.UnknownTopicOrPartition))
	case r.id != [16]byte{} && r.id != [16]byte(topic.ID):
		return r.cutOff(0)
	}
	r.id, r.leader, r.located = [16]byte(topic.ID), partition.Leader, true
	return nil
}

// appendControl appends a record to the control topic.
func appendControl(ctx context.Context, client *kgo.Client, topic string, value []byte) (offset int64, err error) {
	record, err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: value}).First()
	switch {
	case isTooLarge(err):
		return 0, fmt.Errorf("append to %s: the record has %d bytes, more than the topic takes: raise its max.message.bytes (accrue topics apply does): %w",
			topic, len(value), err)
	case err != nil:
		return 0, fmt.Errorf("append to %s: %w", topic, err)
	}
	return record.Offset, nil
}

// ReadControl reads the control topic of an app from its beginning to its end. The secret is that of lots; nil: no ledger is made
// of versions that draw any.
func ReadControl(ctx context.Context, client *kgo.Client, app string, secret []byte) (*Control, error) {
	c := &Control{secret: secret}
	r := &controlReader{client: client, topic: InternalTopic(app, "control")}
	return c, r.read(ctx, c)
}

// Publication is a version that is to be published.
type Publication struct {
	Files     map[string][]byte // by name, as they are to be shown again
	Effective time.Time         // at least PublishAhead after now
	By, Note  string
}

// CheckPublication says why a version would be ignored that is appended at a time, a reason each; none: it would count. The
// programme's own mistakes are for programme.Parse to tell.
func (c *Control) CheckPublication(p *programme.Programme, effective, appended time.Time) []string {
	switch formats := ourFormats(); {
	case c.App == nil || len(c.versions) == 0:
		return []string{"no version is published yet: start an instance, which publishes the programme of its configuration as the first one"}
	case !formats.knows(c.App.Formats):
		return []string{fmt.Sprintf("the app is at formats %s, this accrue knows %s: use the version that the instances run", c.App.Formats, formats)}
	}
	var why []string
	if effective.Before(appended.Add(PublishAhead)) {
		why = append(why, fmt.Sprintf("it would be in force from %s, which is not at least %s ahead: until then every instance has to have seen it",
			effective.Format(time.RFC3339), PublishAhead))
	}
	return append(why, c.versions.Refusals(programme.Version{From: effective, Programme: p})...)
}

// Publish appends a version to the control topic of an app, and returns it as every instance takes it. An error wraps
// ErrIgnored where it stands there and nobody heeds it: something else was published at the same moment.
func Publish(ctx context.Context, client *kgo.Client, app string, p Publication) (Published, error) {
	parsed, problems := programme.Parse(p.Files)
	if parsed == nil {
		return Published{}, fmt.Errorf("publish a programme that is not valid: %s", problems)
	}
	value, err := encodeProgramme(parsed.Version, p.Files, p.Effective, p.By, p.Note, ourFormats().Grammar)
	if err != nil {
		return Published{}, err
	}
	offset, err := appendControl(ctx, client, InternalTopic(app, "control"), value)
	if err != nil {
		return Published{}, err
	}
	c, err := ReadControl(ctx, client, app, nil)
	if err != nil {
		return Published{}, fmt.Errorf("%s is appended at offset %d, and cannot be read back: %w", parsed.Version, offset, err)
	}
	for _, published := range c.Published {
		if published.Offset != offset {
			continue
		}
		if published.Ignored != "" {
			return published, fmt.Errorf("%w: %s", ErrIgnored, published.Ignored)
		}
		return published, nil
	}
	return Published{}, fmt.Errorf("%s is appended at offset %d, and is not found there", parsed.Version, offset)
}

// ErrIgnored says that a version stands on the control topic and every instance ignores it.
var ErrIgnored = errors.New("it is published and ignored")
