package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// simProcess is an instance of the engine: a disk, a store, and lanes. It does what Engine does around its lanes.
type simProcess struct {
	w     *world
	name  string
	twin  bool // has another one's name
	disk  *vfs.MemFS
	ails  *simAilment
	store *state.Store
	lanes []*simLane

	writers    *Writers
	programmes simControl
	up         bool
	startAt    int           // step at which it starts
	pausedTo   time.Duration // it stands still up to then, by the broker's clock
	sleepy     time.Duration // it will stand still for so long when it is about to commit; 0: not
	stopping   bool
	cutIn      int // calls until the power goes; 0: it stays
	cutOn      int // what it is told when the power goes: 1 a commit, 2 a piece of a changelog, 3 a flush; 0: it stays
	crashed    *vfs.MemFS
	wipe       bool  // it comes up with an empty disk
	unflushed  int64 // bytes that the store took in since its last flush
	looked     bool  // its store was compared since something was applied
}

// simLane is a lane with its client.
type simLane struct {
	*Lane
	process *simProcess
	client  *simClient
	kafka   Kafka
	slowTo  int // it is not stepped up to this step
	done    bool
}

// simAilment is what a disk suffers from: writes to files of one kind fail.
type simAilment struct{ kind atomic.Pointer[string] }

func (a *simAilment) String() string { return "ailment" }

func (a *simAilment) MaybeError(op errorfs.Op) error {
	kind := a.kind.Load()
	if kind == nil || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !strings.Contains(filepath.Base(op.Path), *kind) {
		return nil
	}
	return syscall.ENOSPC
}

func (p *simProcess) paused() bool { return p.w.ticks < p.pausedTo }

// storeOptions are the store's, with flushes left to the world.
func (p *simProcess) storeOptions() state.Options {
	return state.Options{
		FS: errorfs.Wrap(p.disk, p.ails), MemoryBytes: 4 << 20, HotBytes: 1 << 19, IsHot: rules.OpenReads, FlushEvery: 1000 * time.Hour, DueOf: rules.HeadDue, HasDue: rules.HasDue, Now: p.w.clock,
	}
}

// start brings the process up.
func (p *simProcess) start() {
	var err error
	p.store, err = state.Open("state", state.Identity{App: testApp}, p.storeOptions())
	if err != nil {
		p.w.fail("store", "%s cannot open its store: %v", p.name, err)
		return
	}
	// It makes the group forget who had its name before (Engine.succeed).
	for n := range p.w.plan.lanes {
		for _, m := range p.w.broker.group.members {
			if m.client == transactionalID(testApp, p.name, n) {
				p.w.broker.group.leave(m.id)
				break
			}
		}
	}
	p.up, p.stopping, p.unflushed, p.lanes = true, false, 0, nil
	var names []string
	for n := range p.w.plan.lanes {
		names = append(names, transactionalID(testApp, p.name, n))
	}
	p.writers = NewWriters()
	p.programmes = simControl{}
	p.programmes.follow(p.w)
	for n, name := range names {
		l := &simLane{process: p, client: newSimClient(p, name, names)}
		l.client.lane, l.kafka = l, l.client
		if wrap := p.w.defect.kafka; wrap != nil {
			l.kafka = wrap(l)
		}
		l.Lane = NewLane(l.kafka, p.laneOptions(n, name, l))
		p.lanes = append(p.lanes, l)
	}
	p.w.tracef("%s starts", p.name)
}

func (p *simProcess) laneOptions(n int, name string, l *simLane) LaneOptions {
	plan := &p.w.plan
	return LaneOptions{
		Number: n, TransactionalID: name, Shards: plan.shards, Topics: p.w.topics, Programmes: &p.programmes, Store: p.store, Writers: p.writers,
		Decoder: p.w, Encoder: p.w.shop.encoder, Now: p.w.laneClock, Log: p.w.log(name), Observer: &simObserver{lane: l, w: p.w},
		CommitInterval: plan.commitEvery, MaxRecords: plan.maxRecords, PollRecords: plan.pollRecords, CacheBytes: plan.cacheBytes,
		TransactionTimeout: simTransactionTimeout,
	}
}

// sleep makes it a zombie: it stands still, and does not know it.
func (p *simProcess) sleep(d time.Duration) {
	p.w.tracef("%s stands still for %s", p.name, d)
	p.w.seen("zombie")
	p.pausedTo, p.sleepy = p.w.ticks+d, 0
}

// called is passed at each call between a lane and its Kafka; the power may go here.
func (p *simProcess) called() {
	if p.cutIn == 0 {
		return
	}
	if p.cutIn--; p.cutIn == 0 {
		p.cut()
	}
}

// cut takes the power away: what the disk has not synced is lost, and nothing leaves the process any more.
func (p *simProcess) cut() {
	p.w.crashing(p)
	p.crashed = p.disk.CrashClone(vfs.CrashCloneCfg{})
	for _, l := range p.lanes {
		l.client.off = true
	}
}

// bury clears away what is left after a crash, and has the process start again later.
func (p *simProcess) bury(again int) {
	p.w.tracef("%s is down", p.name)
	p.w.check.store(p)
	p.ails.kind.Store(nil) // what stays of the old disk does not matter
	p.closeStore()
	if p.crashed != nil {
		p.disk = p.crashed
	}
	if p.wipe {
		p.disk = vfs.NewCrashableMem()
	}
	p.ails = &simAilment{}
	p.crashed, p.wipe, p.up, p.cutIn, p.cutOn, p.pausedTo, p.sleepy, p.lanes = nil, false, false, 0, 0, 0, 0, nil
	p.startAt = p.w.step + again
}

func (p *simProcess) closeStore() {
	if p.store != nil {
		_ = p.store.Close() // one that failed says so again
		p.store = nil
	}
}

// step steps one of its lanes.
func (p *simProcess) step(l *simLane) {
	l.client.told = nil
	err := l.Step(context.Background())
	switch {
	case l.client.off:
		p.bury(p.w.plan.restart)
	case err != nil:
		p.failed(l, err)
	case p.stopping && l.Stopped():
		l.kafka.Close(context.Background())
		l.done = true
		p.stopped()
	}
}

// stopped ends a graceful stop once all lanes are done.
func (p *simProcess) stopped() {
	for _, l := range p.lanes {
		if !l.done {
			return
		}
	}
	p.w.seen("graceful stop")
	p.bury(p.w.plan.restart)
}

// failed is what Engine does about a lane that cannot go on: the store is opened anew, or the process ends and somebody starts
// it again.
func (p *simProcess) failed(l *simLane, err error) {
	p.w.tracef("%s cannot go on: %v", l.client.name, err)
	switch {
	case errors.Is(err, state.ErrPosition):
		p.w.fail("position", "%s: %v", l.client.name, err)
	case errors.Is(err, errUsedTwice):
		p.w.seen("C11")
		if p.w.calm && p.w.step > p.w.plan.steps+1000 { // not of what was before
			p.w.fail("stopped", "%s: %v", l.client.name, err)
		}
	case classifyEngine(err) == RemedyReopen:
		p.w.seen("store opened anew")
	default:
		p.w.fail("stopped", "%s: %v", l.client.name, err)
	}
	for _, l := range p.lanes {
		l.client.Close(context.Background())
	}
	p.bury(p.w.plan.restart)
}

// flush makes the store durable.
func (p *simProcess) flush() {
	if !p.up || p.store == nil {
		return
	}
	p.unflushed = 0
	if err := p.store.Flush(); err != nil && p.ails.kind.Load() == nil && !errors.Is(err, state.ErrFailed) {
		p.w.fail("store", "flush %s: %v", p.name, err)
	}
}

// ail makes writes to a kind of file fail, and heal ends it. A store goes on by itself, in its own time: that is waited for,
// so that what happens next does not depend on it.
func (p *simProcess) ail(kind string) { p.ails.kind.Store(&kind) }

func (p *simProcess) heal() {
	if p.ails.kind.Swap(nil) == nil || !p.up {
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if err := p.store.Flush(); err == nil || errors.Is(err, state.ErrFailed) || errors.Is(err, state.ErrCorrupt) {
			return
		}
		<-tick.C
	}
	p.w.fail("store", "%s does not go on after its disk: %v", p.name, p.store.Err())
}

// simObserver hears of what a lane did.
type simObserver struct {
	nobody
	lane *simLane
	w    *world
}

// Committed implements Observer.
func (o *simObserver) Committed(r Report) {
	p := o.lane.process
	p.unflushed += r.Bytes + 100*int64(r.Rows)
	p.looked = false
	if !o.lane.client.off {
		o.w.check.timers(o.lane, &r)
	}
}

// Aborted implements Observer.
func (o *simObserver) Aborted(_ int, outcome Outcome, why error) {
	o.w.tracef("%s: %s: %v", o.lane.client.name, outcome, why)
	o.w.seen("lane: " + outcome.String())
}

// Restored implements Observer.
func (o *simObserver) Restored(r Restoration) {
	o.w.tracef("%s serves shard %d at %d: %s", o.lane.client.name, r.Shard, r.To, r.Why)
	o.w.seen("restored: " + r.Cause)
	if r.Cause == CausedByNothing && r.Records > 0 {
		o.w.seen("C9")
	}
	o.lane.process.unflushed += 2 * r.Bytes
	o.lane.process.looked = false
	if !o.lane.client.off {
		o.w.check.restored(o.lane, r)
	}
}

// Followed implements Observer.
func (o *simObserver) Followed(_ int, _ int32, lag int64) {
	o.w.seen("followed")
	if lag == 0 {
		o.w.seen("followed to the end")
	}
	o.lane.process.unflushed += 100
	o.lane.process.looked = false
}

// Refused implements Observer.
func (o *simObserver) Refused(_ int, shard int32, why error) {
	o.w.seen("C10")
	if !o.w.recreated {
		o.w.fail("refused", "%s refuses shard %d: %v", o.lane.client.name, shard, why)
	}
}

// Waiting implements Observer.
func (o *simObserver) Waiting(_ int, why error) {
	if why != nil {
		o.w.tracef("%s waits", o.lane.client.name)
		o.w.noted(fmt.Sprintf("      %v", why)) // beside the hash: it may name a file by a number that retries of the store use up
		o.w.seen("lane waits")
	}
}

// Decode implements Decoder. It is away while the registry is.
func (w *world) Decode(ctx context.Context, kind schemas.Kind, data []byte) (any, error) {
	if w.step < w.registryAway {
		w.seen("C12 registry away")
		return nil, errors.New("the registry is away")
	}
	return w.shop.decoder.Decode(ctx, kind, data)
}

// log returns where a lane's log goes.
func (w *world) log(name string) *slog.Logger {
	if !w.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(traceWriter{w}, nil)).With("name", name)
}

type traceWriter struct{ w *world }

func (t traceWriter) Write(p []byte) (int, error) {
	t.w.noted(fmt.Sprintf("      %s", strings.TrimSpace(string(p))))
	return len(p), nil
}
