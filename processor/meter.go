package processor

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Meter is the Observer that counts into Metrics.
type Meter struct {
	m *Metrics

	mu     sync.Mutex
	shards map[int32]string // state that each is counted under
}

var _ Observer = (*Meter)(nil)

// caughtUp is how old a record may become on its way through a lane that is not behind: the commit interval, and the commit.
const caughtUp = time.Second

// NewMeter returns a Meter for m.
func NewMeter(m *Metrics) *Meter { return &Meter{m: m, shards: make(map[int32]string)} }

// Committed implements Observer.
func (t *Meter) Committed(r Report) {
	t.m.TransactionsCommitted.Inc()
	t.m.TransactionDuration.Observe(r.Took.Seconds())
	t.m.TimersFired.Add(float64(r.Advanced))
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
	lag := r.Lag
	if lag < caughtUp {
		lag = 0
	}
	t.m.LagSeconds.WithLabelValues(strconv.Itoa(r.Lane)).Set(lag.Seconds())
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
	t.m.RestoreRecords.WithLabelValues(r.Cause).Add(float64(r.Records))
	t.shard(r.Shard, "active")
}

// Refused implements Observer.
func (t *Meter) Refused(_ int, shard int32, _ error) { t.shard(shard, "refused") }

// Released implements Observer.
func (t *Meter) Released(_ int, shard int32) { t.shard(shard, "") }

// Waiting implements Observer. Readiness says it.
func (t *Meter) Waiting(int, error) {}

// shard moves a shard from one state's gauge to another's.
func (t *Meter) shard(shard int32, state string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, ok := t.shards[shard]; ok {
		t.m.Shards.WithLabelValues(before).Dec()
		delete(t.shards, shard)
	}
	if state != "" {
		t.shards[shard] = state
		t.m.Shards.WithLabelValues(state).Inc()
	}
}
