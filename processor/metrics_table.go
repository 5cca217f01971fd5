package processor

import "accrue/schemas"

// MetricInfo is what operators are promised of a metric: dashboards and alerts are built on it, so it changes as an
// interface does. A test (deploy/houserules) holds the document, the dashboard and the alerts to it.
type MetricInfo struct {
	Name    string
	Type    MetricType
	Label   string   // beside those that a scrape adds; empty: none
	Values  []string // of the label, where they are known beforehand: their series exist from the start
	Unit    string   // what one of it is
	Meaning string   // a sentence or two; also the HELP text of a scrape
	Do      string   // what an operator does about it; empty: it explains others
}

// MetricType is a metric's type, as Prometheus names it.
type MetricType string

// The types of metrics.
const (
	MetricCounter   MetricType = "counter"
	MetricGauge     MetricType = "gauge"
	MetricHistogram MetricType = "histogram"
)

// Units. A time is in seconds and a size in bytes, and the name says so.
const (
	unitAccounts     = "accounts"
	unitBytes        = "bytes"
	unitEvents       = "events"
	unitFlag         = "0 or 1"
	unitOffsets      = "offsets"
	unitOperations   = "operations"
	unitPoints       = "points"
	unitRecords      = "records"
	unitSeconds      = "seconds"
	unitShards       = "shards"
	unitTimes        = "times"
	unitTransactions = "transactions"
	unitVersions     = "versions"
)

// addFlow is about what comes in and what is decided.
func (m *Metrics) addFlow() {
	m.Records = m.counters(MetricInfo{
		Name: "accrue_records_total", Label: "topic", Unit: unitRecords,
		Meaning: "Input records of committed transactions. Its rate is the throughput.",
		Do:      "A rate of 0 where orders come in: look at `accrue_ready` and `accrue_lag_seconds`.",
	})
	m.ForwardedRecords = m.counters(MetricInfo{
		Name: "accrue_forwarded_records_total", Label: "topic", Unit: unitRecords,
		Meaning: "Input records that came on another partition than their member's shard and were sent home.",
		Do:      "All of a topic: its partition count or partitioner differs. It works and costs one hop more; make the two equal to save it.",
	})
	m.Decisions = m.counters(MetricInfo{
		Name: "accrue_decisions_total", Label: "outcome", Unit: unitRecords,
		Values: texts(schemas.OutcomeGranted, schemas.OutcomeNothing, schemas.OutcomeHeld, schemas.OutcomeDenied, schemas.OutcomeDuplicate,
			schemas.OutcomeLate, schemas.OutcomeInvalid),
		Meaning: "Decisions written, one per input record.",
		Do:      "Many `INVALID`, `LATE` or `DUPLICATE`: the reason stands in the decisions themselves (`accrue tail`); tell the team of the producer.",
	})
	m.Entries = m.counters(MetricInfo{
		Name: "accrue_entries_total", Label: "entry", Unit: unitRecords,
		Values: texts(schemas.EntryGranted, schemas.EntryHeld, schemas.EntryReleased, schemas.EntryRejected, schemas.EntryReversed,
			schemas.EntryAdjusted, schemas.EntryExpired),
		Meaning: "Ledger entries written, by kind.",
	})
	m.PointsGranted = m.counters(MetricInfo{
		Name: "accrue_granted_points_total", Label: "rule", Unit: unitPoints,
		Meaning: "Points granted, held ones included.",
		Do:      "A rule that gives several times what it gave a week ago: compare with the programme's versions (`accrue rules list`), then with the orders.",
	})
	m.PointsTakenBack = m.counters(MetricInfo{
		Name: "accrue_taken_back_points_total", Label: "rule", Unit: unitPoints,
		Meaning: "Points of grants that later entries took back: refunds, cancellations, corrections.",
	})
	m.DeadLetters = m.counters(MetricInfo{
		Name: "accrue_dead_letters_total", Label: "why", Unit: unitRecords,
		Values:  []string{BuriedUnreadable, BuriedNoMember, BuriedAccount, BuriedTooLarge, BuriedRoute},
		Meaning: "Records that could not be processed and went to the dead letters, whole and with the reason.",
		Do: "Look at them (`accrue dlq list`). `unreadable`: the producer's schema; `no_member`: the producer's data; " +
			"`account`: see `accrue_stopped_accounts`; `too_large`, `route`: the record's headers say what was found.",
	})
	m.FullMembers = m.counter(MetricInfo{
		Name: "accrue_full_member_events_total", Unit: unitEvents,
		Meaning: "Events decided `INVALID` because their member has as many events within the window as are kept (50,000, and 10,000 refunds more).",
		Do:      "No shopper has so many: the decisions' reasons name the id that a producer uses for everybody.",
	})
}

// addBudgets is about what all members share.
func (m *Metrics) addBudgets() {
	m.BudgetPoints = m.gauges(MetricInfo{
		Name: "accrue_budget_points", Label: "rule", Unit: unitPoints,
		Meaning: "The size of a rule's budget, of those for a day or month the newest one's. Told by the instance where the budget's owner is.",
	})
	m.BudgetLeft = m.gauges(MetricInfo{
		Name: "accrue_budget_left_points", Label: "rule", Unit: unitPoints,
		Meaning: "Points of it that nobody has been granted, as far as its owner knows: what shards grant of their shares it hears of when they ask for more.",
		Do:      "Near 0: who comes next gets nothing from the rule. Tell the team of the programme; a new version with a larger `budget` goes on from there.",
	})
	m.BudgetOwed = m.gauges(MetricInfo{
		Name: "accrue_budget_owed_grants", Label: "rule", Unit: "grants",
		Meaning: "Grants that were refused and are remembered, with `queue: true`: what refunds give back goes to them first.",
	})
}

// addPace is about what others and time bring, and how far behind all of it is.
func (m *Metrics) addPace() {
	m.Effects = m.counter(MetricInfo{
		Name: "accrue_effects_total", Unit: unitRecords,
		Meaning: "Requests of other members' accounts that were taken in: the points of who invited, asked for by the account of who was invited.",
	})
	m.TimersFired = m.counter(MetricInfo{
		Name: "accrue_timers_fired_total", Unit: unitAccounts,
		Meaning: "Accounts advanced because something fell due.",
	})
	m.LagSeconds = m.gauges(MetricInfo{
		Name: "accrue_lag_seconds", Label: "lane", Unit: unitSeconds,
		Meaning: "Age of the last handled record while others waited behind it; 0 when caught up.",
		Do:      "Steadily rising: more lanes (`lanes`, up to the cores), then more instances, up to the number of shards.",
	})
	m.TimersLate = m.gauges(MetricInfo{
		Name: "accrue_timers_late_seconds", Label: "lane", Unit: unitSeconds,
		Meaning: "How long ago the oldest due time passed that has not fired; 0 when none is due. Timers wait until the inputs are read up to their due " +
			"time, and while an input brings only what happened more than a minute ago (an import), so it rises with the lag.",
		Do: "Without lag or import: accounts fall due faster than they are advanced; give it more lanes or instances.",
	})
}

// addTransactions is about what Kafka makes of it.
func (m *Metrics) addTransactions() {
	m.TransactionsCommitted = m.counter(MetricInfo{
		Name: "accrue_committed_transactions_total", Unit: unitTransactions,
		Meaning: "Kafka transactions known to be committed.",
	})
	m.TransactionsAborted = m.counters(MetricInfo{
		Name: "accrue_aborted_transactions_total", Label: "reason", Unit: unitTransactions,
		Values: []string{OutcomeAborted.String(), OutcomeUnknown.String()},
		Meaning: "Kafka transactions that came to nothing: `aborted`, or `unknown` (no answer to the commit; the committed offsets tell what became of it). " +
			"Their records are decided again where they have to be.",
		Do: "Some at a rebalance or a broker's restart are normal. Many in calm: the log names the broker's error; look at the brokers.",
	})
	m.TransactionDuration = m.histogram(MetricInfo{
		Name: "accrue_transaction_duration_seconds", Unit: unitSeconds,
		Meaning: "From the begin of a transaction to its known end. A wallet sees a grant after this long at most.",
		Do:      "Far above `commit.interval`: the brokers are slow to acknowledge (disk, replication), or this process has too little CPU.",
	},
		[]float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10, 30})
	m.ProducerErrors = m.counters(MetricInfo{
		Name: "accrue_producer_errors_total", Label: "code", Unit: unitTimes,
		Meaning: "Transactions that a broker's error ended, by the error's name at Kafka; `client`: none of a broker's.",
		Do:      "The name says what: an `..._AUTHORIZATION_FAILED` lacks a permission (`accrue config check`), a `NOT_ENOUGH_REPLICAS` brokers.",
	})
}

// addReadiness is about whether this process does its work.
func (m *Metrics) addReadiness() {
	m.Ready = m.gauge(MetricInfo{
		Name: "accrue_ready", Unit: unitFlag,
		Meaning: "1 when `/readyz` says so: every shard that came to this process is served.",
		Do:      "0: `accrue_not_ready` says why, `/readyz` and the log say it in words.",
	})
	m.NotReady = m.gauges(MetricInfo{
		Name: "accrue_not_ready", Label: "why", Unit: "reasons", Values: UnreadyWords(),
		Meaning: "Reasons why the process is not ready, by kind.",
		Do: "`refused` needs a person: the log says what was found and what to do. The others end by themselves once what is away is back: " +
			"`brokers`, `registry`, `disk`, `control` (the control topic cannot be read, so that a version of the programme could be missed), " +
			"`stalled` (a lane does not come round: a slow disk, or a very large account), `group`, `restoring`, `starting`.",
	})
	m.Waits = m.counters(MetricInfo{
		Name: "accrue_waits_total", Label: "why", Unit: unitTimes,
		Values:  []string{UnreadyBrokers, UnreadyRegistry, UnreadyDisk, UnreadyControl},
		Meaning: "Times that a lane stopped deciding because something was away. Rises also for outages that are over before a scrape sees them.",
		Do:      "Rising day by day: look at the health of what it names.",
	})
	m.Build = m.gauges(MetricInfo{
		Name: "accrue_build_info", Label: "version", Unit: unitFlag,
		Meaning: "1 for the version of this process's binary.",
		Do:      "Two versions for longer than a rollout takes: an instance was left behind.",
	})
}

// addProgrammes is about the versions of the programme.
func (m *Metrics) addProgrammes() {
	m.ProgrammeInForce = m.gauges(MetricInfo{
		Name: "accrue_programme_in_force", Label: "version", Unit: unitFlag,
		Meaning: "1 for the version of the programme that is in force by this process's clock.",
		Do:      "Two versions at one moment in a fleet, for longer than a scrape: a machine's clock is wrong.",
	})
	m.Programmes = m.gauge(MetricInfo{
		Name: "accrue_programme_versions", Unit: unitVersions,
		Meaning: "Versions of the programme that count, those to come among them. The same on every instance within seconds of a `rules publish`.",
	})
	m.ProgrammesBad = m.gauge(MetricInfo{
		Name: "accrue_programme_ignored_records", Unit: unitRecords,
		Meaning: "Records of the control topic that every instance ignores: broken, or not able to follow the versions before.",
		Do:      "More than before: somebody's publication has no effect. `accrue rules list` and the log say why; publish again.",
	})
	m.ControlAge = m.gauge(MetricInfo{
		Name: "accrue_control_age_seconds", Unit: unitSeconds,
		Meaning: "Since the control topic was last read to its end. Above 60 nothing is decided, since a version could be missed.",
		Do:      "Rising: the brokers do not answer for that topic; look at its leader and at the permission to read it (`accrue config check`).",
	})
}

// addShards is about who serves what, and how shards come.
func (m *Metrics) addShards() {
	m.Shards = m.gauges(MetricInfo{
		Name: "accrue_shards", Label: "state", Unit: unitShards,
		Values: []string{shardActive, shardRestoring, shardStandby, shardRefused},
		Meaning: "Shards of this process: `active` (served), `restoring` (on their way to that), `standby` (followed, another instance serves it), " +
			"`refused` (cannot be served or followed).",
		Do: "`refused`: the log says what was found and what to do. All `active` ones of a fleet together are the number of shards.",
	})
	m.StandbyLag = m.gauges(MetricInfo{
		Name: "accrue_standby_lag_offsets", Label: "shard", Unit: unitOffsets,
		Meaning: "Changelog offsets that the copy of a shard that is followed here lacks; what a takeover would have to read.",
		Do:      "Steadily above some 10,000: the disk or the process cannot keep up; takeovers become slower, nothing else.",
	})
	m.Restores = m.counters(MetricInfo{
		Name: "accrue_restores_total", Label: "why", Unit: unitShards,
		Values: causes(),
		Meaning: "Shards that caught up with their changelog: `restart` (since the last flush), `standby` (a copy that was followed: its tail), " +
			"`empty` (an empty disk: all), `slept` (a store too old to be trusted: all), `producer` (the outcome of a transaction was not known).",
		Do: "`empty` at restarts: the data folder is not on a volume that stays.",
	})
	m.RestoreRecords = m.counters(MetricInfo{
		Name: "accrue_restore_records_total", Label: "why", Unit: unitRecords,
		Values: causes(), Meaning: "Changelog records read for that.",
	})
	m.RestoreDuration = m.histogram(MetricInfo{
		Name: "accrue_restore_duration_seconds", Unit: unitSeconds,
		Meaning: "From a shard's coming to its being served.",
		Do:      "Minutes where `standbys` is 1 or more: the copies lag, or too few instances run to hold them.",
	},
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300})
}

// addStore is about the local disk.
func (m *Metrics) addStore() {
	m.StoreBytes = m.gauge(MetricInfo{
		Name: "accrue_store_bytes", Unit: unitBytes,
		Meaning: "Bytes of the local store on disk.",
		Do:      "Keep the volume at twice this: compactions write before they delete.",
	})
	m.StoreFlushes = m.counter(MetricInfo{Name: "accrue_store_flushes_total", Unit: unitTimes, Meaning: "Flushes of the local store."})
	m.StoreRows = m.counter(MetricInfo{Name: "accrue_store_rows_total", Unit: "rows", Meaning: "Rows written to the local store, deletions included."})
	m.StoreWritten = m.counter(MetricInfo{Name: "accrue_store_written_bytes_total", Unit: unitBytes, Meaning: "Bytes of those rows."})
	m.StoreCompactions = m.counter(MetricInfo{Name: "accrue_store_compactions_total", Unit: unitTimes, Meaning: "Compactions of the local store."})
	m.StoreDebt = m.gauge(MetricInfo{
		Name: "accrue_store_compaction_debt_bytes", Unit: unitBytes,
		Meaning: "What compactions of the local store have still to do.",
		Do:      "Rising without end: the disk does not keep up; a faster volume, or more instances.",
	})
	m.StoreStalls = m.counter(MetricInfo{
		Name: "accrue_store_stalls_total", Unit: unitTimes,
		Meaning: "Times that writers waited for flushes or compactions.",
		Do:      "Rising steadily: as for the debt.",
	})
	m.StoreSlowWrites = m.counter(MetricInfo{
		Name: "accrue_store_slow_operations_total", Unit: unitOperations,
		Meaning: "Operations on the store's disk that took more than 5 s.",
		Do:      "Any: the disk or its driver stalls. Move the instance; its shards are restored from Kafka.",
	})
	m.StoreFailing = m.gauge(MetricInfo{
		Name: "accrue_store_failing", Unit: unitFlag,
		Meaning: "1 while flushes or compactions fail (a full disk, for example). Nothing is lost; the lanes wait.",
		Do:      "Make room on the volume, or grow it; the lanes go on by themselves.",
	})
}

// addAccounts is about the members in memory.
func (m *Metrics) addAccounts() {
	m.CacheHits = m.counter(MetricInfo{Name: "accrue_account_cache_hits_total", Unit: unitAccounts, Meaning: "Accounts found in memory."})
	m.CacheMisses = m.counter(MetricInfo{
		Name: "accrue_account_cache_misses_total", Unit: unitAccounts,
		Meaning: "Accounts made anew from the local store. That costs little where a member's head is all that it takes.",
	})
	m.FactsRead = m.counter(MetricInfo{
		Name: "accrue_facts_read_total", Unit: unitRecords,
		Meaning: "Earlier events of members that were read from the local store, to decide them again with a refund or what came late.",
		Do:      "More than `accrue_records_total` rises: `state.memory` is small for the busiest members, whose past is read again and again. Raise it.",
	})
	m.CacheBytes = m.gauge(MetricInfo{Name: "accrue_account_cache_bytes", Unit: unitBytes, Meaning: "What the accounts in memory take."})
	m.CachedAccounts = m.gauge(MetricInfo{Name: "accrue_cached_accounts", Unit: unitAccounts, Meaning: "Accounts in memory."})
	m.StoppedAccounts = m.gauge(MetricInfo{
		Name: "accrue_stopped_accounts", Unit: unitAccounts,
		Meaning: "Accounts that go no further because an invariant of theirs broke; their records go to the dead letters (`account`).",
		Do:      "Anything above 0 is a bug: the log holds what is needed to explain it. Keep the log and the data folder, and report it.",
	})
}

// causes are the words of Restoration.Cause.
func causes() []string {
	return []string{CausedByRestart, CausedByTakeover, CausedByNothing, CausedBySleep, CausedByDoubt}
}

// texts returns words of one of the schemas' own types as plain text.
func texts[T ~string](words ...T) []string {
	plain := make([]string, len(words))
	for i, w := range words {
		plain[i] = string(w)
	}
	return plain
}
