package processor

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Meter is the Observer that counts into Metrics what happens. What is at present is Metrics.Watch's.
type Meter struct {
	m       *Metrics
	mu      sync.Mutex              // guards budgets
	budgets map[string]BudgetReport // the newest period of each rule, as long as its owner is in a shard that is served here
}

var _ Observer = (*Meter)(nil)

// caughtUp is how old a record may become on its way through a lane that is not behind: the commit interval, and the commit.
const caughtUp = time.Second

// NewMeter returns a Meter for m.
func NewMeter(m *Metrics) *Meter { return &Meter{m: m, budgets: make(map[string]BudgetReport)} }

// Committed implements Observer.
func (t *Meter) Committed(r Report) {
	t.m.TransactionsCommitted.Inc()
	t.m.TransactionDuration.Observe(r.Took.Seconds())
	t.m.FullMembers.Add(float64(r.Full))
	t.m.Effects.Add(float64(r.Effects))
	t.m.TimersFired.Add(float64(r.Advanced))
	t.m.CacheHits.Add(float64(r.CacheHits))
	t.m.CacheMisses.Add(float64(r.CacheMisses))
	t.m.FactsRead.Add(float64(r.FactsRead))
	for topic, n := range r.ByTopic {
		t.m.Records.WithLabelValues(topic).Add(float64(n.Records))
		t.m.ForwardedRecords.WithLabelValues(topic).Add(float64(n.Forwarded))
	}
	for why, n := range r.DeadLetters {
		t.m.DeadLetters.WithLabelValues(why).Add(float64(n))
	}
	for outcome, n := range r.Ledger.Decisions {
		t.m.Decisions.WithLabelValues(string(outcome)).Add(float64(n))
	}
	for kind, n := range r.Ledger.Entries {
		t.m.Entries.WithLabelValues(string(kind)).Add(float64(n))
	}
	for rule, points := range r.Ledger.Granted {
		t.m.PointsGranted.WithLabelValues(rule).Add(float64(points))
	}
	for rule, points := range r.Ledger.TakenBack {
		t.m.PointsTakenBack.WithLabelValues(rule).Add(float64(points))
	}
	t.fill(r.Budgets)
	lag := r.Lag
	if lag < caughtUp {
		lag = 0
	}
	t.m.LagSeconds.WithLabelValues(strconv.Itoa(r.Lane)).Set(lag.Seconds())
}

// fill tells how full budgets are: of those for a day or month the newest.
func (t *Meter) fill(budgets []BudgetReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range budgets {
		if last, known := t.budgets[b.Rule]; known && last.Period > b.Period {
			continue
		}
		t.budgets[b.Rule] = b
		t.m.BudgetPoints.WithLabelValues(b.Rule).Set(float64(b.Size))
		t.m.BudgetLeft.WithLabelValues(b.Rule).Set(float64(b.Left))
		t.m.BudgetOwed.WithLabelValues(b.Rule).Set(float64(b.Owed))
	}
}

// Budgets returns how full the budgets are whose owner is served here, in no order. Safe for any goroutine.
func (t *Meter) Budgets() []BudgetReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.budgets))
}

// unfill tells nothing any more of budgets whose owner is served elsewhere from now on.
func (t *Meter) unfill(shard int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rule, b := range t.budgets {
		if b.Shard == shard {
			delete(t.budgets, rule)
			t.m.BudgetPoints.DeleteLabelValues(rule)
			t.m.BudgetLeft.DeleteLabelValues(rule)
			t.m.BudgetOwed.DeleteLabelValues(rule)
		}
	}
}

// Aborted implements Observer.
func (t *Meter) Aborted(_ int, outcome Outcome, why error) {
	t.m.TransactionsAborted.WithLabelValues(outcome.String()).Inc()
	code := "client"
	if broker := (*kerr.Error)(nil); errors.As(why, &broker) {
		code = broker.Message
	}
	t.m.ProducerErrors.WithLabelValues(code).Inc()
}

// Restored implements Observer.
func (t *Meter) Restored(r Restoration) {
	t.m.Restores.WithLabelValues(r.Cause).Inc()
	t.m.RestoreDuration.Observe(r.Took.Seconds())
	t.m.RestoreRecords.WithLabelValues(r.Cause).Add(float64(r.Records))
}

// Refused implements Observer. Watch counts the shards.
func (t *Meter) Refused(int, int32, error) {}

// Released implements Observer.
func (t *Meter) Released(_ int, shard int32) { t.unfill(shard) }

// Followed implements Observer.
func (t *Meter) Followed(_ int, shard int32, lag int64) {
	t.m.StandbyLag.WithLabelValues(strconv.Itoa(int(shard))).Set(float64(lag))
}

// Unfollowed implements Observer.
func (t *Meter) Unfollowed(_ int, shard int32) {
	t.m.StandbyLag.DeleteLabelValues(strconv.Itoa(int(shard)))
}

// Waiting implements Observer. That it lasts is among the reasons of readiness.
func (t *Meter) Waiting(_ int, why error) {
	if wait := (*Wait)(nil); errors.As(why, &wait) {
		t.m.Waits.WithLabelValues(wait.For).Inc()
	}
}
