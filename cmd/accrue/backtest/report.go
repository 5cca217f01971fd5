package backtest

import (
	"encoding/json"
	"fmt"

	"accrue/schemas"
)

// FormatVersion is Report.Format. It grows when a field changes its meaning or goes; new fields may come without.
const FormatVersion = 1

// Report is what a backtest found out. Points are whole numbers, money exact decimals in major units of the programme's
// currency, shares thousandths, days and months local to Period.TimeZone. Lists are never null and stand in a fixed order. A field for
// which the programme has nothing is left out.
type Report struct {
	Format     int         `json:"format"`
	Period     Period      `json:"period"`
	PointValue string      `json:"point_value,omitempty"` // --point-value
	Programmes []Side      `json:"programmes"`            // A, then B
	Comparison *Comparison `json:"comparison,omitempty"`  // B against A
}

// Period is what was replayed.
type Period struct {
	From       []string     `json:"from"` // files or topics
	TimeZone   string       `json:"time_zone"`
	Since      string       `json:"since,omitempty"`       // --since
	FirstEvent string       `json:"first_event,omitempty"` // of those that are not INVALID
	LastEvent  string       `json:"last_event,omitempty"`
	AsOf       string       `json:"as_of,omitempty"` // --as-of
	Days       int64        `json:"days"`            // from the first event's day to the last's, both included
	Records    int64        `json:"records"`         // all that were read, also those before Since
	Unreadable []DeadLetter `json:"unreadable"`      // the first that are no events of a member
}

// Side is what one programme made of the history.
type Side struct {
	Name      string   `json:"name"` // "A" or "B"
	Programme string   `json:"programme"`
	Versions  []string `json:"versions"` // ascending, each with the time from which it is in force
	Currency  string   `json:"currency"`

	Events      int64        `json:"events"` // of the period, with a decision or a dead letter
	DeadLetters int64        `json:"dead_letters"`
	Outcomes    []OutcomeRow `json:"outcomes"`
	Alerts      []AlertRow   `json:"alerts"`
	Members     int64        `json:"members"`      // with an account
	Earning     int64        `json:"earning"`      // that were granted anything in the period
	TierChanges int64        `json:"tier_changes"` // in the period, RENEWED ones too

	Total     Row         `json:"total"`
	Rules     []Row       `json:"rules"`     // in the order of the file; then rules that are no longer in it, and "by hand"
	Campaigns []Row       `json:"campaigns"` // of the rules that have one, by name
	Tiers     []Row       `json:"tiers"`     // in the order of levels
	Segments  []Row       `json:"segments"`  // by name; "" are members in none. Who is in two counts in both
	Days      []Row       `json:"days"`      // those on which anything changed
	Budgets   []BudgetRow `json:"budgets"`   // in the order of the file
	Months    []MonthRow  `json:"months"`
	Balances  Balances    `json:"balances"`
	Migration *Matrix     `json:"migration,omitempty"` // from the tier at the beginning of the period to the tier at the end
}

// OutcomeRow counts the decisions of one outcome.
type OutcomeRow struct {
	Outcome  string `json:"outcome"`
	Events   int64  `json:"events"`
	Permille int64  `json:"permille"`
}

// AlertRow counts the alerts of one threshold.
type AlertRow struct {
	Threshold string `json:"threshold"`
	Action    string `json:"action"`
	Alerts    int64  `json:"alerts"`
}

// Row is what the entries of a rule, campaign, tier, segment or day come to. Net is Granted less Reversed; less Expired it is
// Available and Pending together.
type Row struct {
	Key        string `json:"key"`
	Title      string `json:"title,omitempty"`   // of a rule
	Members    int64  `json:"members,omitempty"` // of a rule: who ever was given anything; of a tier: who holds it at the end
	Entries    int64  `json:"entries"`
	Granted    int64  `json:"granted"`
	Reversed   int64  `json:"reversed"`
	Expired    int64  `json:"expired"`
	Net        int64  `json:"net"`
	Available  int64  `json:"available"`
	Pending    int64  `json:"pending"`
	TierPoints int64  `json:"tier_points"`
	Cost       string `json:"cost,omitempty"` // of Net
}

// BudgetRow is how a rule's budget was used.
type BudgetRow struct {
	Rule    string `json:"rule"`
	Title   string `json:"title,omitempty"`
	Size    int64  `json:"size"`
	Per     string `json:"per,omitempty"` // "day" or "month"; left out: one budget for ever
	Granted int64  `json:"granted"`       // of the whole history, less what was taken back, over all periods
	// Of a budget for ever:
	Left         *int64 `json:"left,omitempty"`
	UsedPermille *int64 `json:"used_permille,omitempty"`
	// RunsOut is the day on which it would be used up if it went on as in the last 30 days of the history.
	RunsOut string   `json:"runs_out,omitempty"`
	RanOut  []RunOut `json:"ran_out"` // when a member first got less than was wanted
}

// RunOut is the day on which a budget was found used up.
type RunOut struct {
	Period string `json:"period,omitempty"` // the day or month that the budget was for
	At     string `json:"at"`               // local day
	Time   string `json:"time"`
}

// MonthRow is what members hold at the end of a month, and what changed it.
type MonthRow struct {
	Month       string `json:"month"`
	End         string `json:"end"` // its last day
	Granted     int64  `json:"granted"`
	Reversed    int64  `json:"reversed"`
	Expired     int64  `json:"expired"`
	Spent       int64  `json:"spent"`       // less what was given back; with `redemptions: true`
	Outstanding int64  `json:"outstanding"` // available points that nobody has spent
	Pending     int64  `json:"pending"`
	// Lapsed is how many of Outstanding have passed their expiry by then if nothing was spent, where the programme leaves expiry
	// to the wallet: what is really owed lies between Outstanding less Lapsed, and Outstanding.
	Lapsed    int64  `json:"lapsed,omitempty"`
	Liability string `json:"liability,omitempty"` // Outstanding in money
}

// Balances are what members hold at the end of the history, and what became of points until then.
type Balances struct {
	Outstanding int64 `json:"outstanding"`
	Pending     int64 `json:"pending"`
	Debt        int64 `json:"debt"` // of members below 0, contained in Outstanding
	Granted     int64 `json:"granted"`
	Reversed    int64 `json:"reversed"`
	Spent       int64 `json:"spent"`
	Expired     int64 `json:"expired"`
	// BreakagePermille is the part of Granted less Reversed that expired, with `redemptions: true`.
	BreakagePermille *int64   `json:"breakage_permille,omitempty"`
	ToExpire         []Expiry `json:"to_expire"` // without `redemptions`: what ends in which month if nothing is spent
	Liability        string   `json:"liability,omitempty"`
}

// Expiry is how many points end in a month.
type Expiry struct {
	Month  string `json:"month"`
	Points int64  `json:"points"`
}

// Matrix counts members by two tiers.
type Matrix struct {
	From    []string  `json:"from"`    // the names of rows
	To      []string  `json:"to"`      // the names of columns
	Members [][]int64 `json:"members"` // by row
}

// Comparison is B less A: above 0 where B gives more.
type Comparison struct {
	Same      bool    `json:"same"` // no sum and no member differs
	Total     Delta   `json:"total"`
	PerDay    string  `json:"per_day"` // points, one decimal
	CostDay   string  `json:"cost_per_day,omitempty"`
	Rules     []Delta `json:"rules"` // by how much they differ, largest first
	Campaigns []Delta `json:"campaigns"`
	Tiers     []Delta `json:"tiers"`
	Segments  []Delta `json:"segments"`
	Days      []Delta `json:"days"`
	Outcomes  []Delta `json:"outcomes"` // events
	Better    Moved   `json:"better"`
	Worse     Moved   `json:"worse"`
	Unchanged int64   `json:"unchanged"` // members
	// OtherExpiry are those of Unchanged of whose points more, or fewer, have expired.
	OtherExpiry int64   `json:"other_expiry"`
	TierEnds    *Matrix `json:"tier_ends,omitempty"` // A's tier at the end (rows) and B's
}

// Delta is one number of both.
type Delta struct {
	Key        string `json:"key"`
	Title      string `json:"title,omitempty"`
	A          int64  `json:"a"`
	B          int64  `json:"b"`
	Difference int64  `json:"difference"`
	Cost       string `json:"cost,omitempty"` // of Difference
}

// Moved are the members who are better off with B, or worse.
type Moved struct {
	Members  int64         `json:"members"`
	Permille int64         `json:"permille"` // of all members
	Points   int64         `json:"points"`   // by which, in all
	Cost     string        `json:"cost,omitempty"`
	Most     []MemberDelta `json:"most"` // the ten who are most affected
}

// MemberDelta is one member under both programmes.
type MemberDelta struct {
	Member     string   `json:"member"`
	A          int64    `json:"a"` // net points of the period
	B          int64    `json:"b"`
	Difference int64    `json:"difference"`
	Cost       string   `json:"cost,omitempty"`
	TierA      string   `json:"tier_a,omitempty"` // at the end
	TierB      string   `json:"tier_b,omitempty"`
	Rules      []Delta  `json:"rules"` // those that differ, largest first
	Example    *Example `json:"example,omitempty"`
	Why        []string `json:"why"` // in words, in the language of the report
}

// JSON writes the report with fields in the order of its types, the same bytes each time.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the report as JSON: %w", err)
	}
	return append(text, '\n'), nil
}

// outcomesInOrder are all outcomes, what gives points first.
func outcomesInOrder() []schemas.Outcome {
	return []schemas.Outcome{
		schemas.OutcomeGranted, schemas.OutcomeHeld, schemas.OutcomeNothing, schemas.OutcomeDenied, schemas.OutcomeDuplicate,
		schemas.OutcomeLate, schemas.OutcomeInvalid,
	}
}
