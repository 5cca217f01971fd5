package processor

import (
	"log/slog"
	"testing"
	"time"
)

// seeker is a Kafka that is only asked to seek.
type seeker struct {
	Kafka
	sought map[Partition]int64
}

func (s *seeker) Seek(next map[Partition]int64) { s.sought = next }

// Records that were polled and not decided yet when their transaction was dropped are read again, also of a partition of
// which nothing was ever committed. Before, such a partition was left where the poll had got to: two processes that fenced
// each other during their first transactions lost whole partitions.
func TestPolledBeforeTheFirstCommitIsReadAgain(t *testing.T) {
	kafka := &seeker{}
	l := NewLane(kafka, LaneOptions{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	p := &position{
		Partition: Partition{Topic: "commerce.orders", Partition: 6}, committed: NoOffset, next: NoOffset, first: NoOffset,
	}
	l.parts[p.Partition] = p
	if err := l.take(Records{{Partition: p.Partition, Offset: 7}, {Partition: p.Partition, Offset: 8}}); err != nil {
		t.Fatal(err)
	}
	l.drop()
	l.seek([]*position{p})
	if at, ok := kafka.sought[p.Partition]; !ok || at != 7 {
		t.Errorf("it is read on from %v, not from offset 7", kafka.sought)
	}
}
