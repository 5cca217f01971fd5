package processor

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what one process counts. It has a registry of its own, so several engines may live in one process. All
// fields may be used from any goroutine. What each metric is stands in metrics_table.go.
//
// On the hot path a lane takes a labelled counter once (WithLabelValues) and keeps it, or adds once per transaction.
type Metrics struct {
	Records          *prometheus.CounterVec // by topic: input records of committed transactions
	ForwardedRecords *prometheus.CounterVec // by topic: input records sent on to their home shard
	Decisions        *prometheus.CounterVec // by outcome
	Entries          *prometheus.CounterVec // by entry: ledger entries by kind
	PointsGranted    *prometheus.CounterVec // by rule: sum of the positive available and pending deltas of new grants
	PointsTakenBack  *prometheus.CounterVec // by rule: sum of what later entries took from grants, as a positive number
	DeadLetters      *prometheus.CounterVec // by why: a short fixed word, not the error's text
	FullMembers      prometheus.Counter     // events refused since their member has as many as are kept
	BudgetPoints     *prometheus.GaugeVec   // size of a budget, by rule
	BudgetLeft       *prometheus.GaugeVec   // points of it that nobody has been granted, by rule
	BudgetOwed       *prometheus.GaugeVec   // grants that were refused and are remembered, by rule
	Effects          prometheus.Counter     // requests of other members' accounts, taken in
	TimersFired      prometheus.Counter     // accounts advanced because something fell due

	TransactionsCommitted prometheus.Counter
	TransactionsAborted   *prometheus.CounterVec // by reason: a short fixed word
	TransactionDuration   prometheus.Histogram   // seconds from begin to the known end
	ProducerErrors        *prometheus.CounterVec // by code: the broker's error code as Kafka names it, or "client"

	Ready    prometheus.Gauge       // 1: /readyz says so
	NotReady *prometheus.GaugeVec   // by why (the Unready words): reasons of that kind at present
	Waits    *prometheus.CounterVec // by why: times that a lane stopped deciding for something that was away
	Build    *prometheus.GaugeVec   // by version: 1

	ProgrammeInForce *prometheus.GaugeVec // by version: 1 for the one in force
	Programmes       prometheus.Gauge     // versions that count, those to come among them
	ProgrammesBad    prometheus.Gauge     // records of the control topic that are ignored
	ControlAge       prometheus.Gauge     // seconds since the control topic was last read to its end

	Shards          *prometheus.GaugeVec   // by state: active, restoring, standby, refused
	StandbyLag      *prometheus.GaugeVec   // by shard: changelog offsets that a followed copy lacks
	Restores        *prometheus.CounterVec // by why: shards that caught up with their changelog
	RestoreRecords  *prometheus.CounterVec // by why: changelog records read before a shard could serve
	RestoreDuration prometheus.Histogram   // seconds from the first question to the shard being served
	LagSeconds      *prometheus.GaugeVec   // by lane: age of the last record handled while others waited behind it; 0: caught up
	TimersLate      *prometheus.GaugeVec   // by lane: how long ago the oldest due time passed that has not fired; 0: none is due

	StoreBytes       prometheus.Gauge
	StoreFlushes     prometheus.Counter
	StoreRows        prometheus.Counter // puts and deletes
	StoreWritten     prometheus.Counter // bytes of them
	StoreCompactions prometheus.Counter
	StoreDebt        prometheus.Gauge   // bytes that compactions have still to do
	StoreStalls      prometheus.Counter // times that writers waited for flushes or compactions
	StoreSlowWrites  prometheus.Counter // operations on the disk of more than 5 s
	StoreFailing     prometheus.Gauge   // 1: flushes or compactions fail at present

	CacheHits       prometheus.Counter // accounts found in memory
	CacheMisses     prometheus.Counter // accounts read from the store
	FactsRead       prometheus.Counter // facts read from the store to decide them again
	CacheBytes      prometheus.Gauge   // of accounts in memory
	CachedAccounts  prometheus.Gauge
	StoppedAccounts prometheus.Gauge // accounts that go no further because an invariant of theirs broke

	registry *prometheus.Registry
	table    []MetricInfo
}

// NewMetrics returns metrics that all stand at zero. Series exist from the start where their labels' values are known
// beforehand: an alert on the first of its kind needs a zero before it.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.addFlow()
	m.addBudgets()
	m.addPace()
	m.addTransactions()
	m.addReadiness()
	m.addProgrammes()
	m.addShards()
	m.addStore()
	m.addAccounts()
	m.NotReady.WithLabelValues(UnreadyStarting).Set(1)
	return m
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Gatherer gives the metrics to whoever prints or tests them.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Register adds a collector of another part, such as the Kafka client's own metrics.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Table tells what each metric is, in the order in which an operator reads them. It is the one place where names, types,
// labels, units and meaning stand; deploy/docs/metrics.md is made from it.
func (m *Metrics) Table() []MetricInfo { return slices.Clone(m.table) }

// A name that is taken or malformed is a mistake in metrics_table.go alone and shows in the first test: hence MustRegister.

func (m *Metrics) counters(info MetricInfo) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: info.Name, Help: info.Meaning}, []string{info.Label})
	for _, value := range info.Values {
		c.WithLabelValues(value)
	}
	m.add(info, MetricCounter, c)
	return c
}

func (m *Metrics) counter(info MetricInfo) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: info.Name, Help: info.Meaning})
	m.add(info, MetricCounter, c)
	return c
}

func (m *Metrics) gauges(info MetricInfo) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: info.Name, Help: info.Meaning}, []string{info.Label})
	for _, value := range info.Values {
		g.WithLabelValues(value)
	}
	m.add(info, MetricGauge, g)
	return g
}

func (m *Metrics) gauge(info MetricInfo) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: info.Name, Help: info.Meaning})
	m.add(info, MetricGauge, g)
	return g
}

func (m *Metrics) histogram(info MetricInfo, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: info.Name, Help: info.Meaning, Buckets: buckets})
	m.add(info, MetricHistogram, h)
	return h
}

func (m *Metrics) add(info MetricInfo, kind MetricType, c prometheus.Collector) {
	info.Type = kind
	m.table = append(m.table, info)
	m.registry.MustRegister(c)
}
