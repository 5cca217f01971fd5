package programme

import (
	"errors"
	"time"
)

// Scope is what a condition sees: values as they were before the event. The evaluator reads it and keeps nothing of it
// beyond the call. Money is in the units of the programme that compiled the condition.
type Scope struct {
	Now      time.Time // the event's instant in the member's zone
	Member   MemberView
	Order    *OrderView    // nil unless the event is an order, or a referral that earns at one
	Line     *LineView     // set while a `lines` condition is evaluated
	CheckIn  *CheckInView  // nil unless the event is a check-in
	Referral *ReferralView // nil unless the event is a referral, or a rule asks about the one that an order lets earn
}

// MemberView is the member before the event.
type MemberView struct {
	Tier    string // level id; empty where the programme has no tiers
	Points  int64  // what can be spent
	Pending int64  // what is held
	Orders  int64  // over the lifetime
	Spend   Money  // over the lifetime
	Streak  int64  // local days in a row with any check-in, up to yesterday or today

	Segments   []string // of the profile in force
	Attributes map[string]string
	// JoinedAt is zero where it is not known. A condition that reads it, or the age that follows from it, then fails, which
	// counts as not met.
	JoinedAt time.Time
}

// ReferralView is a referral.
type ReferralView struct {
	SameDevice bool // the two members have used one device
	Code       string
}

// errJoinedAt is the error of a condition on when somebody joined of whom that is not known.
var errJoinedAt = errors.New("it is not known when the member joined")

// joinedAt is when the member joined, in the member's zone.
func joinedAt(s *Scope) (time.Time, error) {
	if s.Member.JoinedAt.IsZero() {
		return time.Time{}, errJoinedAt
	}
	return s.Member.JoinedAt.In(s.Now.Location()), nil
}

// ageDays is how many local days ago the member joined: 0 on that day, 1 on the next.
func ageDays(s *Scope) (int64, error) {
	if s.Member.JoinedAt.IsZero() {
		return 0, errJoinedAt
	}
	zone := s.Now.Location()
	return int64(DayNumber(s.Now, zone)) - int64(DayNumber(s.Member.JoinedAt, zone)), nil
}

// OrderView is an order with what is left of it.
type OrderView struct {
	Total      Money
	Number     int64 // 1 + the member's earlier orders that are not gone
	Channel    string
	Store      string
	Coupons    []string
	Currency   string
	Lines      []LineView
	Attributes map[string]string
}

// LineView is a line with what is left of it.
type LineView struct {
	LineID   string
	SKU      string
	Category string
	Brand    string
	Quantity int64
	Amount   Money
	Tags     []string
}

// CheckInView is a check-in.
type CheckInView struct {
	Activity   string
	Channel    string
	Store      string
	Attributes map[string]string
}
