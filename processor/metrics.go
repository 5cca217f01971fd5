package processor

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what one process counts. It has a registry of its own, so several engines may live in one process. All
// fields may be used from any goroutine. What each metric means to an operator stands in deploy/docs/metrics.md, which a
// test compares with this file.
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
	Effects          prometheus.Counter     // requests of other members' accounts, taken in
	TimersFired      prometheus.Counter     // accounts advanced because something fell due

	TransactionsCommitted prometheus.Counter
	TransactionsAborted   *prometheus.CounterVec // by reason: a short fixed word
	TransactionDuration   prometheus.Histogram   // seconds from begin to the known end
	ProducerErrors        *prometheus.CounterVec // by code: the broker's error code as Kafka names it, or "client"

	Ready    prometheus.Gauge       // 1: /readyz says so
	NotReady *prometheus.GaugeVec   // by why (the Unready words): reasons of that kind at present
	Waits    *prometheus.CounterVec // by why: times that a lane stopped deciding for something that was away

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
	CacheBytes      prometheus.Gauge   // of accounts in memory
	CachedAccounts  prometheus.Gauge
	StoppedAccounts prometheus.Gauge // accounts that go no further because an invariant of theirs broke

	registry *prometheus.Registry
	names    []string
}

// NewMetrics returns metrics that all stand at zero.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m.Records = m.counters("accrue_records_total", "Input records of committed transactions.", "topic")
	m.ForwardedRecords = m.counters("accrue_forwarded_records_total", "Input records sent on to their home shard.", "topic")
	m.Decisions = m.counters("accrue_decisions_total", "Decisions written, one per input record.", "outcome")
	m.Entries = m.counters("accrue_entries_total", "Ledger entries written.", "entry")
	m.PointsGranted = m.counters("accrue_granted_points_total", "Points granted, held ones included.", "rule")
	m.PointsTakenBack = m.counters("accrue_taken_back_points_total", "Points of grants that later entries took back.", "rule")
	m.DeadLetters = m.counters("accrue_dead_letters_total", "Records that could not be processed and went to the dead letters.", "why")
	m.FullMembers = m.counter("accrue_full_member_events_total", "Events decided INVALID because their member has as many events within the window as are kept.")
	m.Effects = m.counter("accrue_effects_total", "Requests of other members' accounts that were taken in, such as the points of who invited.")
	m.TimersFired = m.counter("accrue_timers_fired_total", "Accounts advanced because something fell due.")

	m.TransactionsCommitted = m.counter("accrue_committed_transactions_total", "Kafka transactions known to be committed.")
	m.TransactionsAborted = m.counters("accrue_aborted_transactions_total", "Kafka transactions aborted, fenced or of unknown outcome.", "reason")
	m.TransactionDuration = m.histogram("accrue_transaction_duration_seconds", "From the begin of a transaction to its known end.",
		[]float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10, 30})
	m.ProducerErrors = m.counters("accrue_producer_errors_total", "Records that a broker did not take.", "code")

	m.Ready = m.gauge("accrue_ready", "1 when the process is ready, as /readyz has it.")
	m.NotReady = m.gauges("accrue_not_ready", "Reasons why the process is not ready.", "why")
	m.Waits = m.counters("accrue_waits_total", "Times that a lane stopped deciding because something was away.", "why")

	m.ProgrammeInForce = m.gauges("accrue_programme_in_force", "1 for the version of the programme that is in force.", "version")
	m.Programmes = m.gauge("accrue_programme_versions", "Versions of the programme that count, those to come among them.")
	m.ProgrammesBad = m.gauge("accrue_programme_ignored_records", "Records of the control topic that every instance ignores.")
	m.ControlAge = m.gauge("accrue_control_age_seconds", "Since the control topic was last read to its end.")

	m.Shards = m.gauges("accrue_shards", "Shards of this process.", "state")
	m.StandbyLag = m.gauges("accrue_standby_lag_offsets", "Changelog offsets that the copy of a shard that is followed here lacks.", "shard")
	m.Restores = m.counters("accrue_restores_total", "Shards that caught up with their changelog.", "why")
	m.RestoreRecords = m.counters("accrue_restore_records_total", "Changelog records read to bring shards up to date.", "why")
	m.RestoreDuration = m.histogram("accrue_restore_duration_seconds", "From a shard's coming to its being served.",
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300})
	m.LagSeconds = m.gauges("accrue_lag_seconds", "Age of the last handled record while others waited behind it; 0 when caught up.", "lane")
	m.TimersLate = m.gauges("accrue_timers_late_seconds", "How long ago the oldest due time passed that has not fired; 0 when none is due.", "lane")
	m.addStore()

	m.CacheHits = m.counter("accrue_account_cache_hits_total", "Accounts found in memory.")
	m.CacheMisses = m.counter("accrue_account_cache_misses_total", "Accounts read from the local store.")
	m.CacheBytes = m.gauge("accrue_account_cache_bytes", "Bytes of the accounts in memory.")
	m.CachedAccounts = m.gauge("accrue_cached_accounts", "Accounts in memory.")
	m.StoppedAccounts = m.gauge("accrue_stopped_accounts", "Accounts that go no further because an invariant of theirs broke.")
	m.zero()
	return m
}

func (m *Metrics) addStore() {
	m.StoreBytes = m.gauge("accrue_store_bytes", "Bytes of the local store on disk.")
	m.StoreFlushes = m.counter("accrue_store_flushes_total", "Flushes of the local store.")
	m.StoreRows = m.counter("accrue_store_rows_total", "Rows written to the local store, deletions included.")
	m.StoreWritten = m.counter("accrue_store_written_bytes_total", "Bytes of the rows written to the local store.")
	m.StoreCompactions = m.counter("accrue_store_compactions_total", "Compactions of the local store.")
	m.StoreDebt = m.gauge("accrue_store_compaction_debt_bytes", "Bytes that compactions of the local store have still to do.")
	m.StoreStalls = m.counter("accrue_store_stalls_total", "Times that writers waited for flushes or compactions of the local store.")
	m.StoreSlowWrites = m.counter("accrue_store_slow_operations_total", "Operations on the disk of the local store that took more than 5 s.")
	m.StoreFailing = m.gauge("accrue_store_failing", "1 while flushes or compactions of the local store fail.")
}

// zero makes the series exist whose labels are known beforehand: an alert on the first of its kind needs a zero before it.
func (m *Metrics) zero() {
	for _, word := range UnreadyWords() {
		m.NotReady.WithLabelValues(word)
	}
	m.NotReady.WithLabelValues(UnreadyStarting).Set(1)
	for _, word := range []string{UnreadyBrokers, UnreadyRegistry, UnreadyDisk, UnreadyControl} {
		m.Waits.WithLabelValues(word)
	}
	for _, word := range []string{BuriedUnreadable, BuriedNoMember, BuriedAccount, BuriedTooLarge, BuriedRoute} {
		m.DeadLetters.WithLabelValues(word)
	}
	for _, word := range []string{CausedByRestart, CausedByNothing, CausedBySleep, CausedByDoubt} {
		m.Restores.WithLabelValues(word)
		m.RestoreRecords.WithLabelValues(word)
	}
	for _, outcome := range []Outcome{OutcomeAborted, OutcomeUnknown} {
		m.TransactionsAborted.WithLabelValues(outcome.String())
	}
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Gatherer gives the metrics to whoever prints or tests them.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Register adds a collector of another part, such as the Kafka client's own metrics.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// A name that is taken or malformed is a mistake in this file alone and shows in the first test: hence MustRegister.

func (m *Metrics) counters(name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.add(name, c)
	return c
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.add(name, c)
	return c
}

func (m *Metrics) gauges(name, help, label string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	m.add(name, g)
	return g
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.add(name, g)
	return g
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.add(name, h)
	return h
}

func (m *Metrics) add(name string, c prometheus.Collector) {
	m.names = append(m.names, name)
	m.registry.MustRegister(c)
}
