package processor

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"accrue/schemas"
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
	for i := range r.Outcomes {
		out := &r.Outcomes[i]
		if out.Decision != nil {
			t.m.Decisions.WithLabelValues(string(out.Decision.Outcome)).Inc()
		}
		for j := range out.Entries {
			t.entry(&out.Entries[j])
		}
	}
	lag := r.Lag
	if lag < caughtUp {
		lag = 0
	}
	t.m.LagSeconds.WithLabelValues(strconv.Itoa(r.Lane)).Set(lag.Seconds())
}

// entry counts one ledger entry. Points move from pending to available when they are released: that grants nothing anew.
func (t *Meter) entry(e *schemas.PointGrant) {
	t.m.Entries.WithLabelValues(string(e.Entry)).Inc()
	points := e.AvailableDelta + e.PendingDelta
	switch {
	case points > 0:
		t.m.PointsGranted.WithLabelValues(e.RuleID).Add(float64(points))
	case points < 0:
		t.m.PointsTakenBack.WithLabelValues(e.RuleID).Add(float64(-points))
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
	t.m.RestoreRecords.WithLabelValues(r.Cause).Add(float64(r.Records))
	t.shard(r.Shard, "active")
}

// Refused implements Observer.
func (t *Meter) Refused(_ int, shard int32, _ error) { t.shard(shard, "refused") }

// Released implements Observer.
func (t *Meter) Released(_ int, shard int32) { t.shard(shard, "") }

// Followed implements Observer.
func (t *Meter) Followed(_ int, shard int32, lag int64) {
	t.shard(shard, "standby")
	t.m.StandbyLag.WithLabelValues(strconv.Itoa(int(shard))).Set(float64(lag))
}

// Unfollowed implements Observer. A shard that another lane has taken over meanwhile is counted as that one's.
func (t *Meter) Unfollowed(_ int, shard int32) {
	t.m.StandbyLag.DeleteLabelValues(strconv.Itoa(int(shard)))
	t.mu.Lock()
	active := t.shards[shard] == "active"
	t.mu.Unlock()
	if !active {
		t.shard(shard, "")
	}
}

// Waiting implements Observer. Readiness says it.
func (t *Meter) Waiting(int, error) {}

// shard moves a shard from one state's gauge to another's.
func (t *Meter) shard(shard int32, state string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, ok := t.shards[shard]; ok {
		if before == state {
			return
		}
		t.m.Shards.WithLabelValues(before).Dec()
		delete(t.shards, shard)
	}
	if state != "" {
		t.shards[shard] = state
		t.m.Shards.WithLabelValues(state).Inc()
	}
}
