package e2e_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
)

// After kill -9 an instance reads of the changelog what its disk lacks and no more: what came since the last flush where the
// disk is intact, all where it is empty. The log says how many records and why, and the state is the one from before.
func TestRestartReadsOnlyWhatIsMissing(t *testing.T) {
	s := newStage(t, "restarted", programme(t, "over: 12 months", "over: lifetime"))
	// The flushes are this test's to choose: a stop is one, and then there is none for long.
	e := s.engine("a", 1, "state: {flush_every: 1h}\n")
	s.accrue("", "topics", "apply", "--config", e.config)
	events := shopEvents(t, 2)
	w := s.wallet()

	e.start()
	s.trade(w, e, events, 0, len(events)/2)
	e.stop()
	flushed := s.changelog()

	e.start()
	s.trade(w, e, events, len(events)/2, len(events))
	s.awaitReady(e)
	before := s.dump(e)
	e.kill()
	all := s.changelog()

	e.start()
	s.awaitReady(e)
	for shard, r := range s.restorations(e, all, "intact disk: since the last flush") {
		if from, to := flushed[shard].lastData(), all[shard].lastData(); r.from != from || r.to < to {
			t.Errorf("shard %d was restored from %d to %d; the last flush was at %d and the last record is before %d", shard, r.from, r.to, from, to)
		}
	}
	s.sameState(e, before, "after a kill with an intact disk")

	e.kill()
	e.wipe()
	e.start()
	s.awaitReady(e)
	for shard, r := range s.restorations(e, all, "empty disk: all") {
		if r.from != 0 || int(r.records) != len(all[shard].offsets) {
			t.Errorf("shard %d was restored from %d with %d records; the changelog holds %d", shard, r.from, r.records, len(all[shard].offsets))
		}
	}
	s.sameState(e, before, "after a kill with an empty disk")
	e.stop()
	if local := s.accrue("", "state", "dump", "--config", e.config, "--data", e.data); local != before {
		t.Error("the local store of the stopped instance differs from the changelog before the kills")
	}
	w.finish(s.sent(), s.simulate(events))
}

// What is flushed by time is not read again, even though nothing stopped in order.
func TestFlushesBoundTheRestart(t *testing.T) {
	s := newStage(t, "flushed", programme(t, "over: 12 months", "over: lifetime"))
	e := s.engine("a", 1, "state: {flush_every: 1s}\n")
	s.accrue("", "topics", "apply", "--config", e.config)
	events := shopEvents(t, 1)
	w := s.wallet()
	e.start()
	s.awaitReady(e)
	const step = 100
	done := 0
	for ; done < step || done+step < len(events) && e.metric("accrue_store_flushes_total") < 1; done += step {
		s.trade(w, e, events, done, done+step)
	}
	e.kill()
	all := s.changelog()
	e.start()
	s.awaitReady(e)
	read, there := 0, 0
	for shard, r := range s.restorations(e, all, "intact disk: since the last flush") {
		read += int(r.records)
		there += len(all[shard].offsets)
	}
	if read >= there {
		t.Errorf("%d changelog records were read of %d, although the store was flushed in between", read, there)
	}
	t.Logf("after %d events %d of %d changelog records were read", done, read, there)
	e.stop()
	w.finish(s.sent(), s.simulate(events[:done]))
}

// trade sends the events from begin to end, and waits until the ledger is that of all events up to end.
func (s *stage) trade(w *wallet, e *engine, events []string, begin, end int) {
	s.t.Helper()
	if err := s.send(e.config, events[begin:end]); err != nil {
		s.t.Fatal(err)
	}
	w.awaitAnswers(time.Minute)
	w.awaitStanding(s.simulate(events[:end]), time.Minute)
}

// dump is the whole state, folded from the changelog.
func (s *stage) dump(e *engine) string {
	s.t.Helper()
	return s.accrue("", "state", "dump", "--config", e.config)
}

func (s *stage) sameState(e *engine, before, when string) {
	s.t.Helper()
	if now := s.dump(e); now != before {
		s.t.Errorf("the state is another one %s: %d bytes of dump, before %d", when, len(now), len(before))
	}
}

// restorations are what the log says of them. Each shard has to be there, for this reason, with as many records as the
// changelog holds in that span.
func (s *stage) restorations(e *engine, all map[int32]changelog, why string) map[int32]restored {
	s.t.Helper()
	found := e.restorations()
	if len(found) != shards {
		s.t.Errorf("the log tells of the restoration of %d shards, want %d", len(found), shards)
	}
	for shard, r := range found {
		count := 0
		for offset := range maps.Keys(all[shard].offsets) {
			if r.from <= offset && offset < r.to {
				count++
			}
		}
		if r.why != why || int(r.records) != count {
			s.t.Errorf("shard %d was restored with %d records (%s), want %d of %d to %d (%s)", shard, r.records, r.why, count, r.from, r.to, why)
		}
	}
	return found
}

// changelog is what one partition of the changelog holds for a read_committed reader.
type changelog struct {
	offsets map[int64]bool // of records
	end     int64
}

// lastData is the offset after the last record. What follows are marks of transactions.
func (c changelog) lastData() int64 {
	last := int64(0)
	for offset := range c.offsets {
		last = max(last, offset+1)
	}
	return last
}

// changelog reads the changelog to the end that it has now.
func (s *stage) changelog() map[int32]changelog {
	s.t.Helper()
	topic := processor.InternalTopic(s.app, "state")
	ends, err := kadm.NewClient(s.client).ListCommittedOffsets(s.t.Context(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.t.Fatalf("looking for the end of the changelog: %v", err)
	}
	all := make(map[int32]changelog)
	ends.Each(func(end kadm.ListedOffset) { all[end.Partition] = changelog{map[int64]bool{}, end.Offset} })
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.kafka.Bootstrap()...), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	next := make(map[int32]int64)
	s.await("the changelog is read", time.Minute, func() string {
		ctx, cancel := context.WithTimeout(s.t.Context(), 500*time.Millisecond)
		defer cancel()
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				all[r.Partition].offsets[r.Offset] = true
			}
		})
		for partition, c := range all {
			if next[partition] < c.end {
				return problem(nil, true, "partition %d is read to %d of %d", partition, next[partition], c.end)
			}
		}
		return ""
	})
	return all
}
