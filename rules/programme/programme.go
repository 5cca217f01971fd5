// Package programme is the grammar of a rewards programme: the YAML file as types, parsed with positions, checked as a
// whole, its conditions compiled. It is pure: bytes in, a Programme or a list of problems out. A Programme never changes
// once made and may be read by many goroutines.
package programme

import (
	"time"

	"accrue/schemas"
)

// Programme is one version of a programme, ready to decide.
type Programme struct {
	ID      string // the `programme` key
	Version string // "city-mart@1f0c9a2b": id and the start of the SHA-256 of the source; it names the version in all outputs

	Currency Currency
	Rates    map[string]Rate // by currency code, the programme's own among them (rate 1)
	// Scale is the number of decimals of the unit in which all money of this programme is counted: 1 major unit of
	// Currency is 10^Scale units. It is chosen so that every amount of every allowed currency is a whole number of units.
	Scale int

	Zone           *time.Location // from the embedded tables
	EarnOn         schemas.OrderStatus
	Rounding       Rounding
	Stacking       Stacking
	Expiry         *Expiry // nil: points never expire
	ReturnWindow   Duration
	RememberOrders Duration
	Limits         []Limit // over all rules, a member
	Clawback       Clawback
	Redemptions    bool         // the engine follows what is spent and writes expiry itself
	Tiers          *Tiers       // nil: none
	Rules          []*Rule      // in file order, `mode: off` ones among them
	Fraud          []*Threshold // in file order
}

// Currency is an ISO 4217 code with the number of decimals of its minor unit (CNY 2, JPY 0, KWD 3).
type Currency struct {
	Code   string
	Digits int
}

// Rate says how many of Programme.Scale's units one minor unit of a currency is; exact.
type Rate struct {
	Currency      Currency
	UnitsPerMinor int64
}

// Money is an amount in units of 10^-Scale of the programme currency's major unit.
type Money int64

// Ratio is an exact fraction, Den > 0, in lowest terms.
type Ratio struct{ Num, Den int64 }

// Duration is a span as people say it: calendar months and days in local time, or elapsed time (h, m). Exactly one of the
// three is set; the zero Duration is "none".
type Duration struct {
	Months, Days int
	Elapsed      time.Duration
}

// Rounding says how a grant's exact points become whole ones.
type Rounding uint8

// The roundings, the first being the default.
const (
	Floor Rounding = iota
	HalfUp
	HalfEven
)

// Stacking says how boosts of different groups combine.
type Stacking uint8

// The stackings, the first being the default.
const (
	Add Stacking = iota
	Multiply
	Best
)

// Expiry says until when points can be spent: to the midnight after the local day on which they become available plus
// After, or, with MonthEnd, after the last day of that month. An Expiry of a rule or level replaces the programme's whole.
type Expiry struct {
	After    Duration   // months or days; zero: `never`
	MonthEnd bool       // `at: month_end`
	Notice   []Duration // how long ahead notices go out, as written; empty: none do
}

// Never reports whether points never expire; a nil Expiry says so too.
func (e *Expiry) Never() bool { return e == nil || e.After.IsZero() }

// Clawback says what a refund may take back.
type Clawback uint8

// The clawbacks, the first being the default. All others need Programme.Redemptions.
const (
	ClawbackFull          Clawback = iota // all of it, a debt where it was spent
	ClawbackWithinBalance                 // what is left of the balance
	ClawbackPendingOnly                   // what is still held
)

// Trigger is what a rule or threshold listens to.
type Trigger uint8

// The triggers. Thresholds listen to the first three only.
const (
	OnOrder Trigger = iota + 1
	OnCheckIn
	OnReferral
	OnJoined
	OnBirthday
	OnTierUp
)

// String is the trigger as a programme writes it.
func (t Trigger) String() string { return wordOf(triggerWords, int(t)-1) }

// After says when a referral earns.
type After uint8

// String is the moment as a programme writes it.
func (a After) String() string { return wordOf(afterWords, int(a)-1) }

// The moments at which a referral earns.
const (
	AfterJoined     After = iota + 1 // at the referral
	AfterFirstOrder                  // at the referee's first order after it
)

// Mode says whether a rule is in force.
type Mode uint8

// The modes, the first being the default.
const (
	Live Mode = iota
	Shadow
	Off
)

// Counts says what a grant's points count for.
type Counts uint8

// What points count for, the first being the default.
const (
	CountsBoth Counts = iota
	CountsBalance
	CountsTier
)

// Period is a local calendar period of a limit or budget.
type Period uint8

// The periods of limits. A week begins on Monday.
const (
	PerDay Period = iota + 1
	PerWeek
	PerMonth
	PerYear
	PerEver
)

// Edge says what happens to the grant that would pass a limit.
type Edge uint8

// The edges, the first being the default.
const (
	Cut    Edge = iota // what is left
	Drop               // nothing
	Finish             // the whole grant, once
)

// Limit bounds what is granted in a period; exactly one of Times and Points is above 0.
type Limit struct {
	Times  int64
	Points int64
	Per    Period
	Edge   Edge
}

// Rule is one rule of a programme. Exactly one of Earn and Boost is set.
type Rule struct {
	ID       string
	Title    string // default: ID
	On       Trigger
	After    After      // with OnReferral, else 0; of a boost that of the rules in Boost.Of
	When     *Condition // nil: always
	Lines    *Condition // nil: all lines; with OnOrder only
	From     time.Time  // zero: open; the first instant included
	To       time.Time  // zero: open; not included
	Earn     *Earn
	Boost    *Boost
	Group    string
	Each     *Each
	Chance   Ratio // that a rule whose condition is met gives anything; above 0, at most 1; Den 0: it always does
	Limits   []Limit
	Budget   *Budget // nil: without a bound over all members
	Mode     Mode
	Counts   Counts
	Hold     Hold    // zero: not held
	Expiry   *Expiry // nil: the level's, else the programme's
	Campaign string  // for the wallet's and the report's use; empty: none
	Pos      Position
}

// Earn says how much a rule gives: Points flat (Per and Rate zero), Points for each whole Per, Rate points for each major
// unit, a Random number of points, or, with OnReferral, points to the referrer, the referee or both.
type Earn struct {
	Points   int64
	Per      Money
	Rate     Ratio  // Den 0: not set
	Random   Random // To 0: not set
	Referrer int64
	Referee  int64
}

// Random is a number of points from From to To, both included, each equally likely; 0 < From < To.
type Random struct{ From, To int64 }

// Budget bounds the points of a rule over all members.
type Budget struct {
	Points int64
	Per    Period // PerDay or PerMonth of the programme's zone; PerEver where it is left out
	Queue  bool   // what a refund gives back goes to the oldest refused first
	// Notices are the fractions of Points at which it is told that they have been given out; at least one.
	Notices []Ratio
}

// Hold says how long grants stay pending. At most one of For, Until and Review is set; the zero Hold is none.
type Hold struct {
	For     Duration            // released by time
	Until   schemas.OrderStatus // released by the order's first event of that status, PLACED, PAID or COMPLETED
	Within  Duration            // with Until: the deadline, from the order's occurred_at
	Release bool                // with Until: at the deadline it is released, otherwise rejected
	Review  bool                // released or rejected by an operator's command only
}

// IsZero reports whether grants are not held.
func (h Hold) IsZero() bool { return h == Hold{} }

// Boost gives By of the exact points of the rules in Of (indices into Programme.Rules, ascending). With OnReferral it gives to each of the two
// members by what these rules give to that member.
type Boost struct {
	Of []int
	By Ratio // 20% is 1/5
}

// Each repeats a flat grant: exactly one of Orders, Spend and Streak is above 0. Within is zero where left out.
type Each struct {
	Orders int64
	Spend  Money
	Streak int64
	Within Duration
}

// Metric is what tiers are reached by.
type Metric uint8

// The metrics of tiers.
const (
	ByPoints Metric = iota + 1
	BySpend
	ByOrders
)

// Span is what a tier metric is summed over.
type Span uint8

// The spans.
const (
	Rolling Span = iota + 1 // Tiers.Over, up to now
	CalendarYear
	Lifetime
)

// Then says how far a member falls at the end of a validity.
type Then uint8

// The ways to fall, the first being the default.
const (
	Requalify Then = iota
	OneDown
	Keep
)

// Tiers are the levels of a programme, the first being everybody's.
type Tiers struct {
	By     Metric
	Span   Span
	Over   Duration // with Rolling
	Then   Then
	Grace  Duration
	Notice []Duration // how long before a fall a notice goes out, as written; empty: none does
	Levels []Level    // ascending by At
	// Becomes says, by the id of a level that an earlier version had and this one has not, which level its members have now.
	Becomes map[string]string
}

// Level is one tier. At is in points, orders or Money, by Tiers.By.
type Level struct {
	ID         string
	At         int64
	FallsNever bool
	Expiry     *Expiry // of what is earned while at this level; nil: the programme's
}

// Threshold is one guard against fraud. With a Measure it acts on an event that makes the measured value pass Over, that
// event counted; without one it acts on each event that meets When.
type Threshold struct {
	ID      string
	On      Trigger    // OnOrder, OnCheckIn or OnReferral
	When    *Condition // which events are looked at, and counted; nil: all
	Measure Measure    // 0: none, and all up to AtLeast is zero
	By      Subject
	Within  Duration
	Over    int64 // events, points, members, devices, or Money with MeasureAmount; not used with MeasureRefunds
	Share   Ratio // with MeasureRefunds: the share that refunded orders may have; Den 0: not set
	AtLeast int64 // with MeasureRefunds: orders below which nothing is concluded
	Action  Action
	For     Duration // with ActionBlock; zero: until an operator's command
	Pos     Position
}

// Measure is what a threshold measures.
type Measure uint8

// The measures.
const (
	MeasureCount   Measure = iota + 1 // count: events
	MeasurePoints                     // sum(points): what the events earned
	MeasureAmount                     // sum(amount): of orders, in Money
	MeasureMembers                    // distinct(member)
	MeasureDevices                    // distinct(device)
	MeasureRefunds                    // ratio(refunds, orders): the share of the orders of which something was refunded
)

// String is the measure as a programme writes it.
func (m Measure) String() string { return wordOf(measureWords, int(m)-1) }

// Subject is whose events a threshold measures together.
type Subject uint8

// The subjects.
const (
	ByMember Subject = iota + 1
	ByDevice
	ByIP
	ByPayment
	ByReferrer
	ByStore
)

// String is the subject as a programme writes it.
func (s Subject) String() string { return wordOf(subjectWords, int(s)-1) }

// Action is what a threshold does.
type Action uint8

// The actions, from the mildest.
const (
	ActionFlag  Action = iota + 1 // an alert only
	ActionHold                    // the event's grants are pending until an operator's command
	ActionDeny                    // the event grants nothing
	ActionBlock                   // deny, and the member's later events too
)

// String is the action as a programme writes it.
func (a Action) String() string { return wordOf(actionWords, int(a)-1) }

// Position is a place in a programme file, counted from 1.
type Position struct {
	File         string
	Line, Column int
}

// Versions are the versions of a programme by the instant from which each is in force, ascending. The first is in force
// for everything before it as well.
type Versions []Version

// Version is one programme with the instant from which it is in force.
type Version struct {
	From      time.Time
	Programme *Programme
}

// At returns the version in force at t.
func (v Versions) At(t time.Time) *Programme {
	for i := len(v) - 1; i > 0; i-- {
		if !t.Before(v[i].From) {
			return v[i].Programme
		}
	}
	return v[0].Programme
}
