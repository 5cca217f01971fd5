package processor

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// Meter and Watch feed what an operator looks at: an account whose rows are damaged shows, and so do caches, restores, the store,
// dead letters and readiness.
func TestMetricsAreFed(t *testing.T) {
	s := newShop(t, 4)
	// The head of member m1 is of a version that does not exist.
	home := Home("m1", testShards)
	damaged := &kgo.Record{Topic: s.topics.State, Partition: home, Key: state.EncodeKey("m1", []byte("h")), Value: []byte{99}}
	if err := s.writer.ProduceSync(t.Context(), damaged).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.trade(60)
	s.sendRaw(schemas.TopicOrders, ByKey, "m1", []byte("rubbish"))
	s.send(schemas.TopicCheckIns, "m1", &schemas.CheckIn{EventID: "c", MemberID: "m1", OccurredAt: s.started, Activity: "check-in"})

	m := NewMetrics()
	if value(m.Ready) != 0 || value(m.NotReady.WithLabelValues(UnreadyStarting)) != 1 {
		t.Error("a process is ready before it has begun")
	}
	e := s.run(newMachine("a"), func(o *Options) { o.Observer = NewMeter(m) })
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { m.Watch(ctx, e.Engine); close(watched) }()
	s.read()
	eventually(t, "ready", func() bool { return value(m.Ready) == 1 })
	eventually(t, "a stopped account", func() bool { return value(m.StoppedAccounts) == 1 })
	eventually(t, "bytes of accounts", func() bool { return value(m.CacheBytes) > 0 })
	if n := value(m.DeadLetters.WithLabelValues(BuriedAccount)); n == 0 {
		t.Error("no dead letter because of an account")
	}
	if n := value(m.DeadLetters.WithLabelValues(BuriedUnreadable)); n == 0 {
		t.Error("no dead letter that is unreadable")
	}
	hits, misses := value(m.CacheHits), value(m.CacheMisses)
	if hits == 0 || misses == 0 {
		t.Errorf("%v hits and %v misses of the account cache", hits, misses)
	}
	if n := value(m.Restores.WithLabelValues(CausedByNothing)); n != testShards {
		t.Errorf("%v restores from nothing", n)
	}
	if value(m.StoreRows) == 0 || value(m.StoreWritten) == 0 {
		t.Error("nothing was written to the store")
	}
	if n := value(m.Shards.WithLabelValues(shardActive)); n != testShards {
		t.Errorf("%v shards are active", n)
	}
	e.end()
	stop()
	<-watched
	if value(m.Ready) != 0 {
		t.Error("a process is ready after its end")
	}
}

// value reads a counter or a gauge.
func value(m prometheus.Metric) float64 {
	var d dto.Metric
	_ = m.Write(&d) // fails for metrics that are malformed, and those do not register
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}

// What is late is told: a due time that cannot fire because the inputs are not read.
func TestTimersLateAreTold(t *testing.T) {
	s := newShop(t, 4)
	order := &schemas.Order{
		EventID: "e1", OrderID: "o1", MemberID: "m1", Status: schemas.Paid, OccurredAt: s.started, Currency: "EUR",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 6000}},
	}
	s.send(schemas.TopicOrders, "m1", order)
	m := newMachine("a")
	e := s.run(m)
	s.read()
	e.end()
	_, _ = s.stepUntilWith(m.restarted(), "", 0, func(l *Lane) bool {
		l.kafka = deaf{l.kafka}
		s := l.Status()
		return s.TimersLate >= 23*time.Hour
	}, func(o *Options) { o.Now = func() time.Time { return s.started.Add(3 * 24 * time.Hour) } })
}

// deaf never learns where the inputs end.
type deaf struct{ Kafka }

func (deaf) FetchEnds(int64, []Partition) {}

// How full a budget is shows where its owner is served, and of budgets for each day the newest; not where it was before.
func TestBudgetsAreMeasured(t *testing.T) {
	m := NewMetrics()
	meter := NewMeter(m)
	level := func(shard, period int32, left int64) BudgetReport {
		return BudgetReport{shard, rules.BudgetLevel{Rule: "daily", Period: period, Size: 100, Left: left, Owed: 2}}
	}
	meter.Committed(Report{Budgets: []BudgetReport{level(1, 20600, 7), level(2, 20601, 90), level(1, 20600, 3)}})
	left, size, owed := value(m.BudgetLeft.WithLabelValues("daily")), value(m.BudgetPoints.WithLabelValues("daily")), value(m.BudgetOwed.WithLabelValues("daily"))
	if left != 90 || size != 100 || owed != 2 {
		t.Errorf("%v of %v are left and %v owed, want 90 of 100 and 2", left, size, owed)
	}
	meter.Released(0, 1)
	if n := len(collected(m.BudgetLeft)); n != 1 {
		t.Errorf("%d series once another shard is gone, want 1", n)
	}
	meter.Released(0, 2)
	if n := len(collected(m.BudgetLeft)) + len(collected(m.BudgetPoints)) + len(collected(m.BudgetOwed)); n != 0 {
		t.Errorf("%d series once the owner is served elsewhere, want none", n)
	}
}

// collected is what a collector has to tell.
func collected(c prometheus.Collector) (all []prometheus.Metric) {
	metrics := make(chan prometheus.Metric, 100)
	c.Collect(metrics)
	close(metrics)
	for m := range metrics {
		all = append(all, m)
	}
	return all
}
