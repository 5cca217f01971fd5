package processor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/schemas"
	"accrue/state"
)

// scripted is Kafka as a test says it: it notes what a lane asks for, and answers nothing by itself.
type scripted struct {
	Kafka
	events  []Event
	asked   map[int32]int64 // by shard: where it wants to read its changelog next
	tokens  map[int32]int64
	rejoins [][]int32
}

func (k *scripted) Poll(context.Context, time.Duration, int) []Event {
	events := k.events
	k.events = nil
	return events
}

func (k *scripted) Open()                        { k.events = append(k.events, Opened{}) }
func (k *scripted) Join()                        {}
func (k *scripted) FenceGone([]int32)            {}
func (k *scripted) Resume([]Partition)           {}
func (k *scripted) Release() int64               { return 1 }
func (k *scripted) Rejoin(ready []int32)         { k.rejoins = append(k.rejoins, ready) }
func (k *scripted) Trim(map[int32]int64)         {}
func (k *scripted) FetchEnds(int64, []Partition) {}
func (k *scripted) Produce([]Output)             {}
func (k *scripted) Flush()                       {}

func (k *scripted) ReadChangelog(token int64, shard int32, from int64) {
	k.asked[shard], k.tokens[shard] = from, token
}

// answer answers what a lane asked for last: n records from there on, in a changelog that ends at end.
func (k *scripted) answer(shard int32, n int, end int64) {
	from := k.asked[shard]
	e := Changelog{Token: k.tokens[shard], Shard: shard, HighWatermark: end, Next: from + int64(n), ClusterID: "cluster", TopicID: "topic"}
	for i := range int64(n) {
		key := state.EncodeKey(fmt.Sprintf("member-%d", from+i), []byte("row"))
		e.Records = append(e.Records, Record{Offset: from + i, Key: key, Value: []byte("value")})
	}
	delete(k.asked, shard)
	k.events = append(k.events, e)
}

// bench is a lane with a scripted Kafka and a clock that stands still.
type bench struct {
	*Lane
	t     *testing.T
	kafka *scripted
	store *state.Store
	now   time.Time
	took  []Restoration
	lags  map[int32]int64
	nobody
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, kafka: &scripted{asked: map[int32]int64{}, tokens: map[int32]int64{}}, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), lags: map[int32]int64{}}
	clock := func() time.Time { return b.now }
	store, err := state.Open("state", state.Identity{App: testApp}, state.Options{FS: vfs.NewMem(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = store
	b.Lane = b.lane(0, NewWriters())
	return b
}

// lane makes another lane over the same store and Kafka.
func (b *bench) lane(number int, w *Writers) *Lane {
	return NewLane(b.kafka, LaneOptions{
		Number: number, TransactionalID: "test-a-0", Shards: testShards, Topics: DefaultTopics(testApp), Programmes: always{testLedger(b.t), func() time.Time { return b.now }},
		Store: b.store, Writers: w, Encoder: testEncoder(), Decoder: schemas.NewDecoder(&testSchemas{}),
		Now: func() time.Time { return b.now }, Log: testLog(b.t), Observer: b,
	})
}

func (b *bench) Restored(r Restoration)                 { b.took = append(b.took, r) }
func (b *bench) Followed(_ int, shard int32, lag int64) { b.lags[shard] = lag }

// step passes time and lets the lane do a round.
func (b *bench) step(passed time.Duration) {
	b.t.Helper()
	b.now = b.now.Add(passed)
	if err := b.Step(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// tell hands the lane an event.
func (b *bench) tell(e Event) {
	b.t.Helper()
	b.kafka.events = append(b.kafka.events, e)
	b.step(0)
}

// answers lets the lane take a piece of a changelog in, all of it.
func (b *bench) answers(shard int32, n int, end int64) {
	b.t.Helper()
	if _, asked := b.kafka.asked[shard]; !asked {
		b.t.Fatalf("nothing was asked of the changelog of shard %d", shard)
	}
	b.kafka.answer(shard, n, end)
	for range 1 + n/followSlice {
		b.step(0)
	}
}

func (b *bench) position(shard int32) int64 {
	b.t.Helper()
	p, _, err := b.store.Shard(shard).Position()
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Offset
}

func (b *bench) assign(shard int32) {
	b.t.Helper()
	effects := Partition{b.o.Topics.Effects, shard}
	b.tell(Assigned{Parts: []Partition{effects}})
	m := metadata{Position: b.position(shard) + 10, Writer: "test-b-0", ClusterID: "cluster", TopicID: "topic"}
	b.tell(Offsets{Parts: map[Partition]Committed{effects: {Offset: 5, Metadata: m.String()}}})
}

// A large piece goes into the store in slices, so that shards that are served here do not wait for it. At the end of the
// changelog it is looked at now and then.
func TestStandbyReadsInSlices(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{2}})
	b.kafka.answer(2, 3*followSlice, 100_000)
	for want := int64(followSlice); want <= 3*followSlice; want += followSlice {
		if b.step(0); b.position(2) != want {
			t.Fatalf("the store is at %d, want %d", b.position(2), want)
		}
	}
	if from, asked := b.kafka.asked[2]; !asked || from != 3*followSlice || b.lags[2] != 100_000-3*followSlice {
		t.Errorf("far from the end it asks from %d (%v) and says that it lacks %d", from, asked, b.lags[2])
	}
	b.answers(2, followSlice, 4*followSlice)
	if _, asked := b.kafka.asked[2]; asked || b.lags[2] != 0 {
		t.Errorf("at the end it asks at once, or says that it lacks %d", b.lags[2])
	}
	if b.step(followPause); b.kafka.asked[2] != 4*followSlice {
		t.Errorf("it goes on from %d", b.kafka.asked[2])
	}
	if s := b.Status(); len(s.Shards) != 1 || !s.Shards[0].Standby || s.Shards[0].State != "following" {
		t.Errorf("status: %+v", s)
	}
}

// A shard that is assigned while it is followed is restored from where its copy is, and an answer that is on its way to the
// follower changes nothing.
func TestStandbyIsTakenOver(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{1, 2}})
	b.answers(2, 500, 500)
	b.step(followPause)
	stale := Changelog{Token: b.kafka.tokens[2], Shard: 2, Next: 900, HighWatermark: 900, ClusterID: "cluster", TopicID: "topic"}
	b.assign(2)
	b.tell(stale)
	if b.position(2) != 500 || b.kafka.asked[2] != 500 {
		t.Fatalf("the store is at %d and read on from %d", b.position(2), b.kafka.asked[2])
	}
	b.answers(2, 10, 510)
	if len(b.took) != 1 || b.took[0].Records != 10 || b.took[0].From != 500 || b.took[0].Cause != CausedByTakeover {
		t.Errorf("restored: %+v", b.took)
	}
	b.tell(Standbys{Shards: []int32{1}})
	if len(b.standbys) != 1 || b.shards[2].state != serving {
		t.Errorf("%d shards are followed, 2 is %s", len(b.standbys), b.shards[2].state)
	}
}

// What is wanted is asked for once all of it is near, and once only; what is not wanted is never asked for.
func TestStandbyAsksForWhatIsWanted(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{0, 1, 2}, Wanted: []int32{1, 2}})
	b.answers(0, 100, 100)
	b.answers(1, 100, 100)
	b.answers(2, 100, 100+positionGrain+1)
	if len(b.kafka.rejoins) != 0 {
		t.Fatal("it asks before all are near")
	}
	b.answers(2, 100, 100+positionGrain+1)
	if len(b.kafka.rejoins) != 1 || !slices.Equal(b.kafka.rejoins[0], []int32{0, 1, 2}) {
		t.Fatalf("it asks: %v", b.kafka.rejoins)
	}
	b.tell(Standbys{Shards: []int32{0, 1, 2}, Wanted: []int32{1, 2}}) // and is not given them
	b.step(offerAgain - 2*followPause)
	if len(b.kafka.rejoins) != 1 {
		t.Error("it asks again at once")
	}
	b.step(2 * followPause)
	if len(b.kafka.rejoins) != 2 {
		t.Error("it never asks again")
	}
}

// A copy whose lag does not come down by a tenth in a minute is taken as it is; one that cannot be read is never taken, and
// nobody waits for it for longer.
func TestStandbyThatIsNeverNear(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{1, 2}, Wanted: []int32{1, 2}})
	end := int64(1_000_000)
	for range 3 { // it comes nearer, if slowly
		b.answers(1, 2000, end)
		end -= end / 9
		b.step(patience * 9 / 10)
	}
	b.kafka.events = append(b.kafka.events, Changelog{Token: b.kafka.tokens[2], Shard: 2, Err: fmt.Errorf("away")})
	b.step(0)
	if len(b.kafka.rejoins) != 0 {
		t.Fatal("it asks although one comes nearer")
	}
	for range 4 { // it comes no nearer
		b.answers(1, 2000, end)
		end += 2000
		b.step(patience / 3)
	}
	if len(b.kafka.rejoins) == 0 || !slices.Equal(b.kafka.rejoins[0], []int32{1}) {
		t.Errorf("it asks: %v", b.kafka.rejoins)
	}
}

// A copy that slept for too long is dropped and followed from the beginning. One that only had nothing to read is told so, and
// stays.
func TestStandbyThatSlept(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{1}})
	b.answers(1, 100, 100)
	for range 10 { // nothing new for long
		b.step(b.o.StaleAfter / 5)
		b.answers(1, 0, 100)
	}
	if p, _, err := b.store.Shard(1).Position(); err != nil || b.now.Sub(p.AppliedAt) > b.o.StaleAfter/4 {
		t.Errorf("the store believes to have slept since %s, it is %s (%v)", p.AppliedAt, b.now, err)
	}
	b.step(followPause)
	b.answers(1, 10, 110)
	if b.position(1) != 110 {
		t.Fatalf("the store is at %d", b.position(1))
	}
	b.step(b.o.StaleAfter + time.Hour) // the process was stopped
	b.answers(1, 10, 120)
	if _, have, err := b.store.Shard(1).Position(); have || err != nil || b.kafka.asked[1] != 0 {
		t.Errorf("it holds something: %v, %v; it goes on from %d", have, err, b.kafka.asked[1])
	}
	b.answers(1, 120, 120)
	if b.position(1) != 120 {
		t.Errorf("the store is at %d", b.position(1))
	}
}

// A copy that nobody here serves or follows any more is dropped once it is too old to be trusted, but not before the lane has had an
// hour to be given its shards.
func TestOldCopiesAreDropped(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{1, 2}})
	b.answers(1, 100, 100)
	b.answers(2, 100, 100)
	b.tell(Standbys{Shards: []int32{2}})
	has := func(shard int32) bool {
		t.Helper()
		_, have, err := b.store.Shard(shard).Position()
		if err != nil {
			t.Fatal(err)
		}
		return have
	}
	b.step(b.o.StaleAfter - time.Minute)
	if !has(1) {
		t.Error("it is dropped while it can be trusted")
	}
	b.sweepAt = time.Time{} // as if the process had just begun
	b.step(2 * time.Minute)
	if !has(1) {
		t.Error("it is dropped by a lane that has not had time to be given it")
	}
	b.o.Writers.take(1, 7)
	b.o.Writers.leave(1, 7) // a sibling served it, and a third one is about to
	b.step(sweepEvery)
	if !has(1) {
		t.Error("it is dropped between two lanes")
	}
	b.step(sweepEvery)
	if has(1) || !has(2) {
		t.Errorf("of the copy that is let go something is there: %v; of the one that is followed: %v", has(1), has(2))
	}
}

// A copy of another changelog is refused. The lane is ready all the same: others serve the shard.
func TestStandbyOfAnotherChangelog(t *testing.T) {
	b := newBench(t)
	b.tell(Assigned{})
	b.tell(Standbys{Shards: []int32{1}, Wanted: []int32{1}})
	b.answers(1, 100, 100+2*positionGrain)
	b.kafka.events = append(b.kafka.events, Changelog{Token: b.kafka.tokens[1], Shard: 1, Next: 200, HighWatermark: 200, ClusterID: "cluster", TopicID: "another"})
	b.step(0)
	s := b.Status()
	if s.Shards[0].State != "refused" || s.Shards[0].Why == nil || b.position(1) != 100 || len(b.kafka.rejoins) != 0 {
		t.Errorf("status %+v, position %d, asked for: %v", s, b.position(1), b.kafka.rejoins)
	}
	if why := s.Unready(); len(why) > 0 {
		t.Errorf("not ready: %v", why)
	}
}

// Two lanes of a process never write to the same shard: whoever is assigned takes it, the follower finds out at its next write,
// and begins again where the store is by then once it may.
func TestStandbyOfASibling(t *testing.T) {
	b := newBench(t)
	b.tell(Standbys{Shards: []int32{1}})
	b.answers(1, 100, 500)
	b.step(followPause)
	b.o.Writers.take(1, 7) // a sibling is assigned the shard, and reads on
	p, _, err := b.store.Shard(1).Position()
	if err != nil {
		t.Fatal(err)
	}
	p.Offset = 300
	is, err := b.o.Writers.write(1, 7, func() error { return b.store.Shard(1).Replay(nil, p) })
	if !is || err != nil {
		t.Fatal(is, err)
	}
	b.answers(1, 100, 500)
	if b.position(1) != 300 {
		t.Errorf("the follower wrote: the store is at %d", b.position(1))
	}
	if b.step(time.Hour); b.standbys[1].writing {
		t.Error("it follows what a sibling has")
	}
	b.o.Writers.leave(1, 7)
	if b.step(0); b.kafka.asked[1] != 300 {
		t.Errorf("it goes on from %d", b.kafka.asked[1])
	}
}
