package processor

import (
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// Observer hears of what a lane does, for metrics and for people who watch. Its methods are called from the lane's loop: they
// must be quick, and safe for several lanes at once.
type Observer interface {
	// Committed reports a transaction that is committed and applied.
	Committed(Report)
	// Aborted reports a transaction that came to nothing; its records will be decided again. Outcome is how it ended:
	// aborted, or unknown.
	Aborted(lane int, outcome Outcome, why error)
	// Restored reports that a shard has caught up and is served.
	Restored(Restoration)
	// Refused reports a shard that cannot be served.
	Refused(lane int, shard int32, why error)
	// Released reports that a shard is served here no longer.
	Released(lane int, shard int32)
	// Followed reports how many changelog offsets the copy of a shard that is followed lacks.
	Followed(lane int, shard int32, lag int64)
	// Unfollowed reports that a shard is followed here no longer.
	Unfollowed(lane int, shard int32)
	// Waiting reports that a lane cannot go on for now (the registry, the broker or the disk is away): a *Wait; nil: it can again.
	Waiting(lane int, why error)
}

// Report is what one transaction did.
type Report struct {
	Lane        int
	Transaction uint64
	Records     int // input records, and what accounts ask of each other: each decided, forwarded, taken in or put among the dead letters
	Ledger      LedgerReport
	ByTopic     map[string]Counts // of the input topics
	DeadLetters map[string]int    // by why, a short word
	Budgets     []BudgetReport    // of which owners have heard something, in order
	Full        int               // events refused since their member has as many as are kept
	Advanced    int               // members for whom time decided something
	Effects     int               // requests of other accounts that were taken in
	Fired       []Fired           // what time decided, in order
	Bytes       int64             // produced
	Rows        int               // changelog records among what was produced
	CacheHits   int               // accounts found in memory, since the report before, aborted transactions included
	CacheMisses int               // accounts read from the store
	FactsRead   int               // facts read from the store to decide them again
	Lag         time.Duration     // age of its oldest record when it was committed, if others wait behind it; else 0
	Took        time.Duration     // from its first record to its commit
}

// BudgetReport is how full a budget is, whose owner is in a shard.
type BudgetReport struct {
	Shard int32
	rules.BudgetLevel
}

// Fired is an entry or a change of tier that time decided.
type Fired struct {
	Member string
	Due    time.Time
	Tier   bool // a change of tier
}

// fired adds what time decided.
func (r *Report) fired(out *rules.Outcome) {
	for i := range out.Entries {
		r.Fired = append(r.Fired, Fired{Member: out.Entries[i].MemberID, Due: out.Entries[i].OccurredAt})
	}
	for i := range out.TierChanges {
		r.Fired = append(r.Fired, Fired{out.TierChanges[i].MemberID, out.TierChanges[i].EffectiveAt, true})
	}
}

// LedgerReport is what decided records and timers came to.
type LedgerReport struct {
	Decisions map[schemas.Outcome]int
	Entries   map[schemas.EntryKind]int
	Granted   map[string]int64 // points by rule; a release grants nothing anew
	TakenBack map[string]int64
}

// count adds an outcome.
func (r *LedgerReport) count(out *rules.Outcome) {
	if r.Decisions == nil {
		*r = LedgerReport{map[schemas.Outcome]int{}, map[schemas.EntryKind]int{}, map[string]int64{}, map[string]int64{}}
	}
	if out.Decision != nil {
		r.Decisions[out.Decision.Outcome]++
	}
	for i := range out.Entries {
		e := &out.Entries[i]
		r.Entries[e.Entry]++
		switch points := e.AvailableDelta + e.PendingDelta; {
		case points > 0:
			r.Granted[e.RuleID] += points
		case points < 0:
			r.TakenBack[e.RuleID] -= points
		}
	}
}

// Counts are input records of one topic.
type Counts struct {
	Records   int // all
	Forwarded int // of them, those sent to their home
}

// The words for why a record is among the dead letters.
const (
	BuriedUnreadable = "unreadable" // not of its schema, or of none that is known
	BuriedNoMember   = "no_member"
	BuriedAccount    = "account" // the member's account cannot go on
	BuriedTooLarge   = "too_large"
	BuriedRoute      = "route" // it says that it comes from where it cannot come from
)

// Restoration is how a shard caught up with its changelog.
type Restoration struct {
	Lane    int
	Shard   int32
	Cause   string // one of the Caused words
	Why     string // the same for people: "intact disk: since the last flush", for example
	From    int64  // changelog offsets [From, To)
	To      int64
	Records int // of them, those delivered
	Bytes   int64
	Took    time.Duration
}

// The words for why changelog records were read.
const (
	CausedByRestart  = "restart"  // intact disk: since the last flush
	CausedByNothing  = "empty"    // empty disk: all
	CausedBySleep    = "slept"    // the store slept for too long: all
	CausedByDoubt    = "producer" // the outcome of a transaction was not known, or the producer was lost
	CausedByTakeover = "standby"  // it was followed until it was assigned: the tail
)

// nobody observes nothing.
type nobody struct{}

func (nobody) Committed(Report)            {}
func (nobody) Aborted(int, Outcome, error) {}
func (nobody) Restored(Restoration)        {}
func (nobody) Refused(int, int32, error)   {}
func (nobody) Released(int, int32)         {}
func (nobody) Followed(int, int32, int64)  {}
func (nobody) Unfollowed(int, int32)       {}
func (nobody) Waiting(int, error)          {}
