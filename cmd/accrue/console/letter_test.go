package console

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// Dead letters are chosen by reason, topic and time.
func TestLettersAreChosen(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &letter{Reason: processor.BuriedUnreadable, Topic: "commerce.orders", At: now.Add(-2 * time.Hour)}
	for choice, want := range map[letterChoice]bool{
		{}: true, {Reason: processor.BuriedUnreadable, From: "commerce.orders", Within: "24h"}: true,
		{Reason: processor.BuriedAccount}: false, {From: "engagement.check-ins"}: false, {Within: "1h"}: false, {Within: "rubbish"}: true,
	} {
		if got := choice.takes(l, now); got != want {
			t.Errorf("%+v takes it: %t", choice, got)
		}
	}
}

// Whatever somebody puts among the dead letters, little of it is kept, and text stays text where it is cut.
func TestLetterIsBounded(t *testing.T) {
	long := strings.Repeat("茶", 1<<20)
	r := &kgo.Record{Timestamp: time.Unix(1_800_000_000, 0), Key: []byte(long), Value: []byte("x" + long), Headers: []kgo.RecordHeader{
		{Key: processor.HeaderError, Value: []byte(long)},
		{Key: processor.HeaderTopic, Value: []byte("commerce.orders")},
		{Key: processor.HeaderPartition, Value: []byte("1")},
		{Key: processor.HeaderOffset, Value: []byte("2")},
		{Key: processor.HeaderTimestamp, Value: []byte("3")},
	}}
	for range 1000 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: processor.HeaderCause, Value: []byte(long)})
	}
	for range 1000 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: long, Value: []byte(long)})
	}
	tally := newTally()
	tally.topics.Inputs = map[string]schemas.Kind{"commerce.orders": schemas.KindOrder}
	tally.take(r, nil)
	l := tally.dead[0]
	all := l.Key + l.Error + l.Value + strings.Join(l.Causes, "") + strings.Join(l.Headers, "")
	if len(all) > 128<<10 || !utf8.ValidString(all) || l.Binary || !l.Short || l.From != "commerce.orders/1@2" || l.Cannot != "" {
		t.Errorf("%d bytes are kept, valid %t, binary %t, short %t, from %q, %q", len(all), utf8.ValidString(all), l.Binary, l.Short, l.From, l.Cannot)
	}
	tally.take(&kgo.Record{Timestamp: r.Timestamp, Headers: []kgo.RecordHeader{
		{Key: processor.HeaderRetried, Value: []byte("0:0")}, {Key: processor.HeaderBy, Value: []byte("olga")}, {Key: processor.HeaderRetriedTo, Value: []byte("commerce.orders/1/9")},
	}}, nil)
	if retried := tally.dead[0].Retried; len(tally.dead) != 1 || tally.buried != 1 || retried == nil || retried.By != "olga" {
		t.Errorf("a mark that it was sent again leaves %d letters and %+v", len(tally.dead), retried)
	}
}
