package processor

import (
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	l.parts[p.Partition], l.shards[p.shard] = p, &held{id: p.shard, state: serving, parts: []*position{p}}
	if err := l.take(Records{{Partition: p.Partition, Offset: 7}, {Partition: p.Partition, Offset: 8}}); err != nil {
		t.Fatal(err)
	}
	l.drop()
	l.seek([]*position{p})
	if at, ok := kafka.sought[p.Partition]; !ok || at != 7 {
		t.Errorf("it is read on from %v, not from offset 7", kafka.sought)
	}
}

// Records of partitions of which nothing is committed yet are polled and wait behind a small transaction, which is aborted: they
// must be polled again.
func TestAbortBeforeAnythingIsCommitted(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"aborted":   {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.TransactionAbortable},
		"discarded": {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.ProducerFenced},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 4)
			s.trade(300)
			hit := s.cluster.Fault(fault)
			e := s.run(newMachine("a"), func(o *Options) { o.MaxRecords = 5 })
			s.check(s.read())
			if hit.Hits() == 0 {
				t.Error("the fault was never hit")
			}
			e.end()
		})
	}
}
