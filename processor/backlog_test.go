package processor

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// pauses notes which partitions are polled.
type pauses struct {
	Kafka
	paused map[Partition]bool
}

func (k *pauses) Pause(parts []Partition) {
	for _, p := range parts {
		k.paused[p] = true
	}
}

func (k *pauses) Resume(parts []Partition) {
	for _, p := range parts {
		delete(k.paused, p)
	}
}

func (k *pauses) FetchEnds(int64, []Partition) {}

// backlogLane is a lane that serves one shard with two input partitions.
func backlogLane() (l *Lane, k *pauses, orders, visits Partition) {
	k = &pauses{paused: map[Partition]bool{}}
	l = NewLane(k, LaneOptions{Log: slog.New(slog.DiscardHandler), Now: time.Now, Shards: 1})
	orders, visits = Partition{"orders", 0}, Partition{"visits", 0}
	h := &held{id: 0, state: serving, shard: NewMemoryShard(nil)}
	for _, part := range []Partition{orders, visits} {
		p := &position{Partition: part}
		l.parts[part] = p
		h.parts = append(h.parts, p)
	}
	l.shards[0] = h
	return l, k, orders, visits
}

// taken decides what can be for now, in the lane's order.
func taken(l *Lane, now time.Time) string {
	var got []string
	for {
		p, _ := l.oldest(now)
		if p == nil {
			return strings.Join(got, " ")
		}
		got = append(got, fmt.Sprintf("%s@%d", p.Topic, p.queue.records[0].Offset))
		l.backlog.done(p, now)
	}
}

// Old records of a shard are decided in the order of their timestamps, and wait for a partition of which more may come, but
// not for long; new ones never wait.
func TestBacklogIsDecidedByTimestamps(t *testing.T) {
	l, _, orders, visits := backlogLane()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	ends := map[Partition]int64{}
	record := func(part Partition, offset int64, age time.Duration) Record {
		return Record{Partition: part, Offset: offset, Timestamp: now.Add(-age), End: ends[part]}
	}
	look := func(after time.Duration, want string) {
		t.Helper()
		if got := taken(l, now.Add(after)); got != want {
			t.Errorf("after %s %q is decided, expected %q", after, got, want)
		}
	}
	l.keep([]Record{record(visits, 0, 50*time.Hour), record(visits, 1, 20*time.Hour), record(visits, 2, time.Hour)})
	l.keep([]Record{record(orders, 0, 40*time.Hour), record(orders, 1, 30*time.Hour)})
	look(0, "visits@0 orders@0 orders@1") // of orders more may come
	if _, until := l.oldest(now); !until.Equal(now.Add(alignWait)) {
		t.Errorf("it waits until %s", until)
	}
	l.keep([]Record{record(orders, 2, 10*time.Hour)})
	look(0, "visits@1 orders@2")
	look(alignWait-1, "")
	look(alignWait, "visits@2")
	l.keep([]Record{record(orders, 3, time.Second)})
	look(0, "orders@3") // as it comes
	ends[orders] = 6
	l.keep([]Record{record(orders, 4, 9*time.Hour), record(visits, 3, 2*time.Hour)})
	look(alignMost-1, "orders@4") // one more order is there
	l.keep([]Record{record(orders, 5, 8*time.Hour)})
	look(0, "orders@5 visits@3") // it was the last
	if l.backlog.records != 0 || len(l.backlog.waiting) != 0 {
		t.Errorf("something waits: %+v", l.backlog)
	}
}

// While grants wait for a budget whose owner is about to answer, old records of the shard wait too, though not for long: what
// accounts say to each other does not, nor does what is read as it comes.
func TestBacklogWaitsForBudgets(t *testing.T) {
	l, _, orders, _ := backlogLane()
	l.o.Topics.Effects = "effects"
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	h, effects := l.shards[0], &position{Partition: Partition{"effects", 0}}
	l.parts[effects.Partition] = effects
	h.parts = append(h.parts, effects)
	for _, p := range h.parts {
		p.queue.end = 1 // nothing else is waited for
		p.queue.next = 1
	}
	old := func(offset int64) {
		l.keep([]Record{{Partition: orders, Offset: offset, Timestamp: now.Add(-time.Hour), End: offset + 1}})
	}
	look := func(after time.Duration, want string) {
		t.Helper()
		if got := taken(l, now.Add(after)); got != want {
			t.Errorf("after %s %q is decided, expected %q", after, got, want)
		}
	}
	h.shard.starving = map[string]bool{"lease:0:0:rule": true}
	old(0)
	look(0, "")
	if _, until := l.oldest(now); !until.Equal(now.Add(starveMost)) {
		t.Errorf("it waits until %s", until)
	}
	l.keep([]Record{{Partition: effects.Partition, Timestamp: now, Headers: []Header{{headerEffect, []byte("lease")}}, End: 1}})
	look(time.Millisecond, "effects@0")
	clear(h.shard.starving) // it was the answer
	look(time.Millisecond, "orders@0")
	h.shard.starving["lease:0:0:rule"] = true
	old(1)
	look(time.Second, "")
	look(time.Second+starveMost, "orders@1") // no answer
	old(2)
	look(2*time.Second+starveMost, "orders@2") // it is not waited for again
	clear(h.shard.starving)
	old(3)
	look(2*time.Second+starveMost, "orders@3")
	h.shard.starving["lease:0:0:rule"] = true
	l.keep([]Record{{Partition: orders, Offset: 4, Timestamp: now.Add(2 * time.Second), End: 5}})
	look(3*time.Second, "orders@4") // as it comes
}

// A partition of which too much waits is not polled until it is drained, or dropped.
func TestBacklogIsBounded(t *testing.T) {
	l, k, orders, visits := backlogLane()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	l.keep([]Record{{Partition: orders, Timestamp: now}})
	taken(l, now)
	fill := func() {
		l.keep([]Record{{Partition: orders, Timestamp: now.Add(-time.Hour)}})
		for range 5 {
			l.keep([]Record{{Partition: visits, Timestamp: now.Add(-time.Minute), Value: make([]byte, pauseAbove/4)}})
		}
		if taken(l, now); !k.paused[visits] || k.paused[orders] {
			t.Fatalf("paused are %v", k.paused)
		}
	}
	fill()
	taken(l, now.Add(alignWait))
	if l.resumeDrained(); len(k.paused) != 0 {
		t.Errorf("drained, and still paused: %v", k.paused)
	}
	fill()
	if l.forgetAll(); len(k.paused) != 0 || l.backlog.records != 0 {
		t.Errorf("dropped, and still paused: %v", k.paused)
	}
	l.shards[0].state = awaiting
	if l.keep([]Record{{Partition: orders, Timestamp: now}}); l.backlog.records != 0 || !l.shards[0].seek {
		t.Error("a record of a shard that is not served waits, though it will be polled again")
	}
}

// Time decides nothing while an input brings only what happened long ago: more of that time is to come. A late event among
// others that are on time holds nothing up, nor does history a minute after its end.
func TestTimeWaitsForHistory(t *testing.T) {
	l, _, orders, visits := backlogLane()
	h, now := l.shards[0], time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	decided := func(part Partition, age, after time.Duration) {
		at := now.Add(after)
		l.parts[part].happened(at.Add(-age), at, timerFresh)
	}
	look := func(after time.Duration, want bool) {
		t.Helper()
		if got := h.bygone(now.Add(after), timerFresh); got != want {
			t.Errorf("after %s: history comes in is %v", after, got)
		}
	}
	look(0, false)
	decided(orders, 0, 0)
	decided(orders, time.Hour, time.Second)
	look(time.Second, false) // one late event
	decided(visits, 1000*time.Hour, 2*time.Second)
	look(2*time.Second, true)
	look(2*time.Second+timerFresh, true) // an order on time is long ago by now, and the late one is not yet
	look(3*time.Second+timerFresh, false)
}

// Whoever takes a shard over in the middle of an import that has just paused finds all read and nothing known of what came last.
// Time waits for more of it all the same, as long as it would have waited before; events on time end that at once.
func TestTimeWaitsAfterATakeover(t *testing.T) {
	l, _, orders, visits := backlogLane()
	h, now := l.shards[0], time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	look := func(after time.Duration, want bool) {
		t.Helper()
		if got := h.bygone(now.Add(after), timerFresh); got != want {
			t.Errorf("after %s: history comes in is %v", after, got)
		}
	}
	l.serve(h, now)
	look(0, true)
	look(timerFresh, true)
	look(timerFresh+1, false)
	l.parts[orders].happened(now, now, timerFresh)
	look(time.Second, true) // nothing is known of the visits
	l.parts[visits].happened(now, now, timerFresh)
	look(time.Second, false)
	l.serve(h, now.Add(time.Second)) // and again
	look(time.Second, true)
}
