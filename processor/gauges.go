package processor

import (
	"context"
	"strconv"
	"time"

	"accrue/state"
)

// gaugesEvery is how often figures are looked at that nobody reports by themselves. Scrapes come every few seconds.
const gaugesEvery = time.Second

// The states that shards are counted under.
const (
	shardActive    = "active"
	shardRestoring = "restoring"
	shardStandby   = "standby"
	shardRefused   = "refused"
)

// Watch keeps the figures of an engine up to date that nobody reports by themselves: of its store, its caches, its timers and
// its readiness. It returns when ctx ends; then the process is not ready.
func (m *Metrics) Watch(ctx context.Context, e *Engine) {
	ticker := time.NewTicker(gaugesEvery)
	defer ticker.Stop()
	w := watch{m: m}
	for {
		w.look(e)
		select {
		case <-ctx.Done():
			m.SetUnready(Unready{Word: UnreadyStarting})
			return
		case <-ticker.C:
		}
	}
}

// SetUnready says why the process is not ready; no reason: it is. Watch does it from its engine; before there is one, whoever
// waits for something else does.
func (m *Metrics) SetUnready(why ...Unready) {
	count := make(map[string]int)
	for _, u := range why {
		count[u.Word]++
	}
	for _, word := range UnreadyWords() {
		m.NotReady.WithLabelValues(word).Set(float64(count[word]))
	}
	ready := 0.0
	if len(why) == 0 {
		ready = 1
	}
	m.Ready.Set(ready)
}

// watch remembers what was counted already.
type watch struct {
	m       *Metrics
	store   *state.Store
	last    state.Metrics
	inForce string // the version that was shown last
}

func (w *watch) look(e *Engine) {
	w.m.SetUnready(e.Unready()...)
	w.lookAtLanes(e.Status())
	if s, ok := e.Programmes(); ok {
		w.lookAtProgrammes(s)
	}
	if store := e.Store(); store != nil {
		w.lookAtStore(store)
	}
}

func (w *watch) lookAtLanes(lanes []LaneStatus) {
	var accounts, stopped int
	var bytes int64
	shards := map[string]int{shardActive: 0, shardRestoring: 0, shardStandby: 0, shardRefused: 0}
	for i := range lanes {
		l := &lanes[i]
		accounts, bytes, stopped = accounts+l.Accounts, bytes+l.AccountBytes, stopped+l.StoppedAccounts
		w.m.TimersLate.WithLabelValues(strconv.Itoa(l.Lane)).Set(l.TimersLate.Seconds())
		for _, s := range l.Shards {
			switch {
			case s.State == refused.String():
				shards[shardRefused]++
			case s.Standby:
				shards[shardStandby]++
			case s.State == serving.String():
				shards[shardActive]++
			default:
				shards[shardRestoring]++
			}
		}
	}
	w.m.CachedAccounts.Set(float64(accounts))
	w.m.CacheBytes.Set(float64(bytes))
	w.m.StoppedAccounts.Set(float64(stopped))
	for state, n := range shards {
		w.m.Shards.WithLabelValues(state).Set(float64(n))
	}
}

func (w *watch) lookAtProgrammes(s ProgrammeStatus) {
	if s.InForce != w.inForce {
		w.m.ProgrammeInForce.Reset()
		w.m.ProgrammeInForce.WithLabelValues(s.InForce).Set(1)
		w.inForce = s.InForce
	}
	w.m.Programmes.Set(float64(s.Versions))
	w.m.ProgrammesBad.Set(float64(s.Ignored))
	w.m.ControlAge.Set(s.Age.Seconds())
}

func (w *watch) lookAtStore(store *state.Store) {
	if store != w.store {
		w.store, w.last = store, state.Metrics{} // another opening of the store counts from nothing
	}
	now, before := store.Metrics(), w.last
	if now.DiskBytes == 0 {
		return // it was closed meanwhile
	}
	w.last = now
	w.m.StoreBytes.Set(float64(now.DiskBytes))
	w.m.StoreDebt.Set(float64(now.DebtBytes))
	w.m.StoreFlushes.Add(float64(now.Flushes - before.Flushes))
	w.m.StoreRows.Add(float64(now.RowsWritten - before.RowsWritten))
	w.m.StoreWritten.Add(float64(now.BytesWritten - before.BytesWritten))
	w.m.StoreCompactions.Add(float64(now.Compactions - before.Compactions))
	w.m.StoreStalls.Add(float64(now.WriteStalls - before.WriteStalls))
	w.m.StoreSlowWrites.Add(float64(now.SlowWrites - before.SlowWrites))
	failing := 0.0
	if store.Err() != nil {
		failing = 1
	}
	w.m.StoreFailing.Set(failing)
}
