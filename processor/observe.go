package processor

import (
	"time"

	"accrue/rules"
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
	// Waiting reports that a lane cannot go on for now (the registry, the broker or the disk is away); nil: it can again.
	Waiting(lane int, why error)
}

// Report is what one transaction did.
type Report struct {
	Lane        int
	Transaction uint64
	Records     int             // input records: each decided, forwarded or put among the dead letters
	Outcomes    []rules.Outcome // of decided records and of timers
	Forwarded   int
	DeadLetters int
	Advanced    int           // members for whom time decided something
	Bytes       int64         // produced
	Rows        int           // changelog records among what was produced
	Oldest      time.Time     // timestamp of the oldest record in it; zero: none
	Took        time.Duration // from its first record to its commit
}

// Restoration is how a shard caught up with its changelog.
type Restoration struct {
	Lane    int
	Shard   int32
	Why     string // "intact disk: since the last flush", for example
	From    int64  // changelog offsets [From, To)
	To      int64
	Records int // of them, those delivered
	Bytes   int64
	Took    time.Duration
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Committed(Report)            {}
func (nobody) Aborted(int, Outcome, error) {}
func (nobody) Restored(Restoration)        {}
func (nobody) Refused(int, int32, error)   {}
func (nobody) Released(int, int32)         {}
func (nobody) Waiting(int, error)          {}
