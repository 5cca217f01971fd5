package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/schemas"
)

// bury writes a dead letter as a lane does, of a record that is given as it was read.
func (s *shop) bury(r *Record, o *origin, word string, maxBytes int64) LetterID {
	s.t.Helper()
	out := deadLetter(s.topics.DeadLetters, r, o, word, fmt.Errorf("decode: %w", errors.New("the schema is not known")), maxBytes)
	record := &kgo.Record{Topic: out.Topic, Partition: out.Partition, Key: out.Key, Value: out.Value}
	for _, h := range out.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	if err := s.writer.ProduceSync(s.t.Context(), record).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	return LetterID{record.Partition, record.Offset}
}

// buryOrder buries an order that was good all the time.
func (s *shop) buryOrder(id string, partition int32) LetterID {
	s.t.Helper()
	value, err := s.encoder.Append(nil, &schemas.Order{
		EventID: "e-" + id, OrderID: id, MemberID: "m1", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 4200}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	source := schemas.Source{Topic: schemas.TopicOrders, Partition: partition, Offset: 7}
	r := &Record{Partition: Partition{source.Topic, partition}, Offset: 7, Key: []byte("k-" + id), Value: value}
	return s.bury(r, &origin{source: source, written: s.started, headers: []Header{{"from", []byte("shop")}, {HeaderTopic, []byte("the producer's own")}}}, BuriedUnreadable, 1<<20)
}

func (s *shop) retryClient() *kgo.Client {
	s.t.Helper()
	client, err := kgo.NewClient(append(RetryOptions(testApp), kgo.SeedBrokers(s.cluster.ListenAddrs()...))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

// retry returns what became of the letters that are chosen.
func (s *shop) retry(filter LetterFilter) map[LetterID]Retried {
	s.t.Helper()
	done := map[LetterID]Retried{}
	err := RetryLetters(s.t.Context(), s.retryClient(), s.topics, &filter, "ning", func(r Retried) { done[r.Letter.ID] = r })
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func (s *shop) letters(filter LetterFilter) (list []*Letter) {
	s.t.Helper()
	l, err := OpenLetters(s.t.Context(), s.writer, s.topics.DeadLetters)
	if err == nil {
		err = l.Each(s.t.Context(), &filter, func(l *Letter) error { list = append(list, l); return nil })
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// committed are the records of a topic that a read_committed reader gets.
func (s *shop) committed(topic string) (records []*kgo.Record) {
	s.t.Helper()
	ends, err := kadm.NewClient(s.writer).ListCommittedOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		client.PollFetches(s.t.Context()).EachRecord(func(r *kgo.Record) {
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// What was buried is known as it came, and sent back as it came: partition, key, bytes, the record's own headers. Once.
func TestRetryOnce(t *testing.T) {
	s := newShop(t, 4)
	good := s.buryOrder("o1", 2)
	gone := schemas.Source{Topic: schemas.TopicProfiles, Partition: 1, Offset: 3}
	tombstone := s.bury(&Record{Partition: Partition{gone.Topic, 1}, Key: []byte("m9")}, &origin{source: gone, written: s.started}, BuriedAccount, 1<<20)
	long := &Record{Partition: Partition{schemas.TopicOrders, 0}, Offset: 5, Value: bytes.Repeat([]byte("v"), 200_000)}
	cut := s.bury(long, &origin{source: schemas.Source{Topic: schemas.TopicOrders, Offset: 5}}, BuriedTooLarge, 100_000)
	elsewhere := s.bury(&Record{Value: []byte("x")}, &origin{source: schemas.Source{Topic: "elsewhere"}}, BuriedRoute, 1<<20)
	beyond := s.buryOrder("o2", 11)
	s.sendRaw(s.topics.DeadLetters, 0, "", []byte("somebody else's"))
	if n := len(s.letters(LetterFilter{})); n != 6 {
		t.Fatalf("%d letters, want 6", n)
	}
	if found := s.letters(LetterFilter{Reason: BuriedUnreadable}); len(found) != 2 {
		t.Errorf("%d letters are unreadable, want 2", len(found))
	}
	found := s.letters(LetterFilter{IDs: []LetterID{good}})
	if len(found) != 1 || found[0].Source != (schemas.Source{Topic: schemas.TopicOrders, Partition: 2, Offset: 7}) || found[0].Reason != BuriedUnreadable ||
		!slices.Equal(found[0].Causes, []string{"the schema is not known"}) || len(found[0].Headers) != 2 || !found[0].Timestamp.Equal(s.started) {
		t.Fatalf("the letter is read as %+v", found)
	}

	done := s.retry(LetterFilter{})
	for id, want := range map[LetterID]string{
		cut: "only 65536 of its 200000 bytes", elsewhere: "elsewhere, which the engine does not read", beyond: "has 4 partitions, and it came from partition 11",
	} {
		if r := done[id]; r.Sent || r.Why == nil || !strings.Contains(r.Why.Error(), want) {
			t.Errorf("letter %s: %v, want %q", id, r.Why, want)
		}
	}
	if !done[good].Sent || !done[tombstone].Sent || len(done) != 6 {
		t.Errorf("what became of them: %v", done)
	}
	sent := s.committed(schemas.TopicOrders)
	if len(sent) != 1 || sent[0].Partition != 2 || string(sent[0].Key) != "k-o1" || !bytes.Equal(sent[0].Value, found[0].Value) ||
		cmp.Diff(sent[0].Headers, []kgo.RecordHeader{{Key: "from", Value: []byte("shop")}, {Key: HeaderTopic, Value: []byte("the producer's own")}}) != "" {
		t.Errorf("sent again: %+v", sent)
	}
	if p := s.committed(schemas.TopicProfiles); len(p) != 1 || p[0].Value != nil || !p[0].Timestamp.Equal(s.started) || string(p[0].Key) != "m9" {
		t.Errorf("the tombstone is sent again as %+v", p)
	}
	if again := s.retry(LetterFilter{}); again[good].Sent || again[tombstone].Sent || again[good].Letter.Retried == nil || again[good].Letter.Retried.By != "ning" {
		t.Errorf("the second retry: %v", again)
	}
	if n := len(s.committed(schemas.TopicOrders)); n != 1 {
		t.Errorf("after the second retry there are %d records", n)
	}
	for _, l := range s.letters(LetterFilter{}) {
		if was := l.Retried != nil; was != (l.ID == good || l.ID == tombstone) {
			t.Errorf("letter %s is listed as retried: %t", l.ID, was)
		}
	}
}

// A record that fails again is a new letter, which knows how often it was tried; one that does not is decided like any other.
func TestRetryFailsAgain(t *testing.T) {
	s := newShop(t, 4)
	s.sendRaw(schemas.TopicOrders, 1, "m1", []byte("rubbish"))
	e := s.run(newMachine("a"))
	for tries := range 3 {
		eventually(t, "a letter", func() bool { return len(s.letters(LetterFilter{})) == tries+1 })
		fresh := 0
		for _, l := range s.letters(LetterFilter{}) {
			if l.Retried == nil {
				if fresh++; l.Tries != tries {
					t.Errorf("letter %s has %d tries, want %d", l.ID, l.Tries, tries)
				}
			}
		}
		if fresh != 1 {
			t.Fatalf("%d letters were not retried, want 1", fresh)
		}
		s.retry(LetterFilter{Topic: schemas.TopicOrders})
	}
	id := s.buryOrder("o1", 3)
	s.retry(LetterFilter{IDs: []LetterID{id}})
	eventually(t, "a decision", func() bool { return len(s.committed(s.topics.Decisions)) == 1 })
	e.end()
}

// Whatever dies, fails or goes on at the same time: no letter is sent twice, and none is left out in the end.
func TestRetryWhateverDies(t *testing.T) {
	s := newShop(t, 4)
	const n = 450 // three transactions
	for i := range n {
		s.buryOrder(fmt.Sprintf("o%d", i), int32(i%4))
	}
	// One dies with its transaction open.
	dead := s.retryClient()
	letters, err := openLetters(t.Context(), dead, s.topics.DeadLetters, kadm.NewClient(dead).ListEndOffsets)
	if err != nil {
		t.Fatal(err)
	}
	var first []*Letter
	if err := letters.Each(t.Context(), &LetterFilter{}, func(l *Letter) error { first = append(first, l); return nil }); err != nil || len(first) != n {
		t.Fatal(len(first), err)
	}
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := (&retrier{kafka: dead, topics: s.topics}).write(t.Context(), first[:10]); err != nil {
		t.Fatal(err)
	}
	// One does not learn whether its commit happened.
	unknown := s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError})
	err = RetryLetters(t.Context(), s.retryClient(), s.topics, &LetterFilter{}, "", func(Retried) {})
	if err == nil || !strings.Contains(err.Error(), "whether they are sent shows when it is run again") {
		t.Fatalf("a commit that nobody knows: %v", err)
	}
	unknown.Remove()
	// Some go on at the same time.
	var work sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		client := s.retryClient()
		work.Go(func() { errs[i] = RetryLetters(t.Context(), client, s.topics, &LetterFilter{}, "", func(Retried) {}) })
	}
	work.Wait()
	for i, err := range errs {
		if err != nil && !errors.Is(err, ErrRetryFenced) {
			t.Errorf("retry %d of those at the same time: %v", i, err)
		}
	}
	s.retry(LetterFilter{})
	times := map[string]int{}
	for _, r := range s.committed(schemas.TopicOrders) {
		times[string(r.Key)]++
	}
	for i := range n {
		if key := fmt.Sprintf("k-o%d", i); times[key] != 1 {
			t.Errorf("order %d was sent %d times", i, times[key])
		}
	}
}

// A mark is seen also where a lane's open transaction, begun before it, hides it: the next retry waits.
func TestRetryWaitsForWhatItCannotSee(t *testing.T) {
	s := newShop(t, 4)
	id := s.buryOrder("o1", 0)
	a := s.retryClient()
	if _, _, err := a.ProducerID(t.Context()); err != nil {
		t.Fatal(err)
	}
	letters, err := openLetters(t.Context(), a, s.topics.DeadLetters, kadm.NewClient(a).ListEndOffsets)
	if err != nil {
		t.Fatal(err)
	}
	lane, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.TransactionalID("lane"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	if err := lane.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := lane.ProduceSync(t.Context(), &kgo.Record{Topic: s.topics.DeadLetters, Partition: id.Partition, Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := &retrier{kafka: a, topics: s.topics, report: func(Retried) {}, partitions: map[string]int{}}
	if err := errors.Join(letters.Each(t.Context(), &LetterFilter{}, func(l *Letter) error { return r.take(t.Context(), l) }), r.commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	sent := 0
	b := s.retryClient()
	go func() {
		ended <- RetryLetters(t.Context(), b, s.topics, &LetterFilter{}, "", func(r Retried) {
			if r.Sent {
				sent++
			}
		})
	}()
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(time.Second):
	}
	if err := lane.EndTransaction(context.WithoutCancel(t.Context()), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || sent != 0 || len(s.committed(schemas.TopicOrders)) != 1 {
		t.Errorf("%d sent again, %d records, %v", sent, len(s.committed(schemas.TopicOrders)), err)
	}
}

// A request that is sent again goes to where its member or key is at home now: since it was buried the app may have got more shards.
func TestRetriedRequestGoesHome(t *testing.T) {
	s := newShop(t, 4)
	home := Home("anna", testShards)
	from := schemas.Source{Topic: s.topics.Effects, Partition: (home + 1) % testShards, Offset: 3}
	asked := []Header{{headerEffect, []byte(effectAward)}}
	id := s.bury(&Record{Partition: Partition{from.Topic, from.Partition}, Key: []byte("anna"), Value: []byte("points"), Headers: asked}, &origin{source: from, headers: asked}, BuriedRoute, 1<<20)
	if done := s.retry(LetterFilter{}); !done[id].Sent {
		t.Fatalf("it is not sent: %v", done[id].Why)
	}
	if sent := s.committed(s.topics.Effects); len(sent) != 1 || sent[0].Partition != home || string(sent[0].Value) != "points" {
		t.Errorf("sent to %+v, want partition %d", sent, home)
	}
}
