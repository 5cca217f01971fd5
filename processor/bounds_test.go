package processor

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/schemas"
)

// What is outside the engine runs out: room on the disk, its speed, the size that a topic takes, a coordinator's patience.

// badDisk is a disk whose writes fail or wait while it is told so.
type badDisk struct {
	kind atomic.Pointer[string] // part of the names of files that cannot be written; nil: all can
	hits atomic.Int64

	mu   sync.Mutex
	gate chan struct{} // nil: open
}

func (d *badDisk) String() string { return "bad disk" }

func (d *badDisk) fill(kind string) { d.kind.Store(&kind) }
func (d *badDisk) free()            { d.kind.Store(nil) }

func (d *badDisk) stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
}

func (d *badDisk) goOn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate != nil {
		close(d.gate)
		d.gate = nil
	}
}

// MaybeError implements errorfs.Injector.
func (d *badDisk) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		d.hits.Add(1)
		<-gate
	}
	kind := d.kind.Load()
	if kind == nil || !strings.Contains(op.Path, *kind) {
		return nil
	}
	d.hits.Add(1)
	return syscall.ENOSPC
}

// A disk that is full is waited for, whichever file it hits: nothing is lost or doubled, the member stays in the group, a metric
// and one line of the log say why, and it goes on by itself.
func TestDiskFull(t *testing.T) {
	for name, kind := range map[string]string{"tables": ".sst", "all": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, 4)
			s.trade(50)
			m, d, metrics := newMachine("a"), &badDisk{}, NewMetrics()
			var log lines
			e := s.run(m, func(o *Options) {
				o.FS, o.FlushEvery = errorfs.Wrap(m.disk, d), 30*time.Millisecond
				o.Log, o.Observer = log.logger(), NewMeter(metrics)
			})
			s.check(s.read())
			member := s.member("a")
			d.fill(kind)
			eventually(t, "the lane waits for the disk", func() bool {
				s.trade(3)
				return e.unready(UnreadyDisk)
			})
			s.trade(30)
			if kind != "" && s.member("a") != member { // where all fails, the store is opened anew, and the lanes with it
				t.Error("it left the group")
			}
			d.free()
			s.check(s.read())
			eventually(t, "ready", func() bool { return len(e.Unready()) == 0 })
			if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
				t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
			}
			if kind != "" && value(metrics.Waits.WithLabelValues(UnreadyDisk)) == 0 {
				t.Error("no metric tells of it")
			}
			if n := strings.Count(log.String(), "for=disk") + strings.Count(log.String(), waitingForDisk); n == 0 || n > 2 {
				t.Errorf("%d lines tell that the disk is waited for:\n%s", n, log.String())
			}
			if d.hits.Load() == 0 {
				t.Error("the disk was never full")
			}
			e.end()
		})
	}
}

// positionsOf are those of the shards that an engine's lanes have.
func positionsOf(e *running) (all []int64) {
	for _, lane := range e.Status() {
		for _, shard := range lane.Shards {
			all = append(all, shard.Position)
		}
	}
	return all
}

// member is the group's id of an instance's lane.
func (s *shop) member(name string) string {
	s.t.Helper()
	members, err := groupMembers(s.t.Context(), s.admin(), testApp)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(members[transactionalID(testApp, name, 0)], " ")
}

// A disk that stands still holds the lane up once the memory for writes is full, and nobody else: the member stays in the group
// for many session timeouts, readiness says why, and when the disk moves again all is as if nothing had been.
func TestDiskSlow(t *testing.T) {
	s := newShop(t, 4)
	s.trade(50)
	m, d := newMachine("a"), &badDisk{}
	var ahead atomic.Int64 // of the clock
	e := s.run(m, func(o *Options) {
		o.FS, o.FlushEvery, o.MemoryBytes = errorfs.Wrap(m.disk, d), 30*time.Millisecond, 2<<20
		o.SessionTimeout = time.Second
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	t.Cleanup(d.goOn)
	s.check(s.read())
	member := s.member("a")
	d.stall()
	store := e.Store()
	eventually(t, "the lane stands still", func() bool {
		s.trade(100)
		before := positionsOf(e)
		return store.Metrics().WriteStalls > 0 && d.hits.Load() > 0 && len(before) > 0 && slices.Equal(positionsOf(e), before)
	})
	ahead.Store(int64(10 * time.Second))
	eventually(t, "readiness tells", func() bool { return e.unready(UnreadyStalled) })
	until := time.Now().Add(3 * time.Second)
	eventually(t, "some session timeouts", func() bool { return time.Now().After(until) })
	if now := s.member("a"); now != member {
		t.Errorf("member %q is %q now", member, now)
	}
	d.goOn()
	s.check(s.read())
	eventually(t, "ready", func() bool { return len(e.Unready()) == 0 })
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
}

// A batch that is refused again and again is halved down to one record, with a pause where nothing can be made smaller. When it gets
// through, nothing was lost.
func TestAbortedAgainAndAgain(t *testing.T) {
	s := newShop(t, 4)
	s.trade(80)
	refused := s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.TransactionAbortable, Count: 9})
	w := &watcher{}
	smallest, paused := 1<<30, false
	_, store := s.stepUntilWith(newMachine("a"), "", 0, func(l *Lane) bool {
		smallest = min(smallest, l.limit)
		paused = paused || l.waiting != nil && l.waiting.For == UnreadyBrokers
		return l.ending == nil && l.current == nil && l.backlog.records == 0 && l.member && s.allRead(l)
	}, func(o *Options) { o.MaxRecords, o.Observer = 64, w })
	s.check(s.read())
	if got, want := sorted(dump(t, store)), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	outcomes, _ := w.list()
	if refused.Hits() != 9 || len(outcomes) != 9 || smallest != 1 || !paused {
		t.Errorf("refused %d times, aborted %d times, down to %d records, paused: %t", refused.Hits(), len(outcomes), smallest, paused)
	}
}

// limit sets how large a batch a topic takes.
func (s *shop) limit(topic, bytes string) {
	s.t.Helper()
	changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: kadm.StringPtr(bytes)}}
	if answers, err := s.admin().AlterTopicConfigs(s.t.Context(), changes, topic); err != nil || answers[0].Err != nil {
		s.t.Fatal(err, answers)
	}
}

// Batches that a topic does not take are made smaller until it does. A record of which even a batch of its own is too large is no
// endless loop but a dead letter, in short if the dead letters have no room either.
func TestTooLargeToBeProduced(t *testing.T) {
	s := newShop(t, 4)
	s.limit(s.topics.Decisions, "3000")
	s.limit(s.topics.DeadLetters, "100000")
	s.trade(60)
	order := func(id string, lines int) *schemas.Order {
		o := &schemas.Order{EventID: "e" + id, OrderID: id, MemberID: "m1", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR"}
		for range lines {
			o.Lines = append(o.Lines, schemas.Line{LineID: itoa(int64(len(o.Lines))), SKU: "a", Quantity: 1, Amount: 100})
		}
		return o
	}
	events := len(s.events)
	long := strings.Repeat("x", 4000) // its decision has them
	s.send(schemas.TopicOrders, "m1", order("large-"+long, 1))
	s.send(schemas.TopicOrders, "m1", order("larger-"+long, 10_000))
	s.events = s.events[:events] // neither is decided
	s.trade(60)
	metrics := NewMetrics()
	var log lines
	e := s.run(newMachine("a"), func(o *Options) {
		o.Log, o.Observer = log.logger(), NewMeter(metrics)
		o.Kafka = append(o.Kafka, kgo.ProducerBatchCompression(kgo.NoCompression()))
	})
	found := s.read()
	s.check(found)
	if n := value(metrics.DeadLetters.WithLabelValues(BuriedTooLarge)); n != 2 {
		t.Errorf("%v dead letters because of size", n)
	}
	short := 0
	for _, letter := range found.letters {
		for _, h := range letter.Headers {
			if h.Key == HeaderSHA256 {
				short++
			}
		}
	}
	if short != 1 {
		t.Errorf("%d dead letters are cut", short)
	}
	if n := strings.Count(log.String(), "is larger than a topic takes, it goes"); n != 2 {
		t.Errorf("%d lines tell of them:\n%s", n, log.String())
	}
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
}

// What every reader of `<app>-effects` is past is let go, and no more: the topic keeps its records for ever otherwise.
func TestEffectsAreTrimmed(t *testing.T) {
	s := newShop(t, 7) // more partitions than shards: much is forwarded
	s.trade(120)
	var ahead atomic.Int64 // of the clock
	clock := func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
	m := newMachine("a")
	e := s.run(m, clock)
	s.check(s.read())
	trimmed := func() bool {
		starts, err := s.admin().ListStartOffsets(t.Context(), s.topics.Effects)
		if err != nil {
			t.Fatal(err)
		}
		group, err := s.admin().FetchOffsets(t.Context(), testApp)
		if err != nil {
			t.Fatal(err)
		}
		some := false
		for n := range int32(testShards) {
			start, _ := starts.Lookup(s.topics.Effects, n)
			at, _ := group.Lookup(s.topics.Effects, n)
			switch {
			case start.Offset > at.At:
				t.Fatalf("partition %d begins at %d, committed is %d", n, start.Offset, at.At)
			case start.Offset < at.At:
				return false
			}
			some = some || start.Offset > 0
		}
		return some
	}
	if trimmed() {
		t.Error("trimmed before it was time to")
	}
	ahead.Store(int64(trimEvery + time.Second))
	eventually(t, "effects are let go up to what is committed", trimmed)
	s.trade(60)
	s.check(s.read())
	e.end()
	e = s.run(m.wiped(), clock) // what is gone is not missed
	s.trade(60)
	s.check(s.read())
	e.end()
}

// A store that slept for longer than tombstones are kept may hold what was deleted meanwhile: it is dropped and restored from
// nothing, and a metric tells.
func TestStoreThatSlept(t *testing.T) {
	s := newShop(t, 4)
	s.trade(100)
	a := newMachine("a")
	e := s.run(a)
	s.check(s.read())
	e.end()
	e = s.run(newMachine("b")) // the others went on
	s.trade(100)
	s.check(s.read())
	e.end()

	metrics, restored := NewMetrics(), &restorations{}
	e = s.run(a.restarted(), func(o *Options) {
		o.StaleAfter = time.Millisecond
		o.Observer = &both{NewMeter(metrics), restored}
	})
	eventually(t, "ready", func() bool { return len(e.NotReady()) == 0 })
	for _, r := range restored.list() {
		if r.Cause != CausedBySleep || r.From != 0 || r.Records == 0 || !strings.Contains(r.Why, "store slept for") {
			t.Errorf("restored: %+v", r)
		}
	}
	if n := value(metrics.Restores.WithLabelValues(CausedBySleep)); n != testShards {
		t.Errorf("%v shards were restored because they slept", n)
	}
	s.trade(20)
	s.check(s.read())
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
}

// both is a Meter with another look at restorations.
type both struct {
	*Meter
	restored *restorations
}

func (b *both) Restored(r Restoration) { b.Meter.Restored(r); b.restored.Restored(r) }
