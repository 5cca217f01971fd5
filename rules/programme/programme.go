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
	ReturnWindow   Duration
	RememberOrders Duration
	Limits         []Limit // over all rules, a member
	Tiers          *Tiers  // nil: none
	Rules          []*Rule // in file order, `mode: off` ones among them
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

// Trigger is what a rule listens to.
type Trigger uint8

// The triggers of this version.
const (
	OnOrder Trigger = iota + 1
	OnCheckIn
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

// Period is a local calendar period of a limit.
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
	ID     string
	Title  string // default: ID
	On     Trigger
	When   *Condition // nil: always
	Lines  *Condition // nil: all lines
	From   time.Time  // zero: open; the first instant included
	To     time.Time  // zero: open; not included
	Earn   *Earn
	Boost  *Boost
	Group  string
	Each   *Each
	Limits []Limit
	Mode   Mode
	Counts Counts
	Hold   Duration // zero: not held
	Pos    Position
}

// Earn says how much a rule gives: Points flat (Per and Rate zero), Points for each whole Per, or Rate points for each
// major unit.
type Earn struct {
	Points int64
	Per    Money
	Rate   Ratio // Den 0: not set
}

// Boost gives By of the exact points of the rules in Of (indices into Programme.Rules, ascending).
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
	Levels []Level // ascending by At
}

// Level is one tier. At is in points, orders or Money, by Tiers.By.
type Level struct {
	ID         string
	At         int64
	FallsNever bool
}

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
