package programme

import "time"

// Scope is what a condition sees: values as they were before the event. The evaluator reads it and keeps nothing of it
// beyond the call. Money is in the units of the programme that compiled the condition.
type Scope struct {
	Now     time.Time // the event's instant in the member's zone
	Member  MemberView
	Order   *OrderView   // nil unless the event is an order
	Line    *LineView    // set while a `lines` condition is evaluated
	CheckIn *CheckInView // nil unless the event is a check-in
}

// MemberView is the member before the event.
type MemberView struct {
	Tier    string // level id; empty where the programme has no tiers
	Points  int64  // what can be spent
	Pending int64  // what is held
	Orders  int64  // over the lifetime
	Spend   Money  // over the lifetime
	Streak  int64  // local days in a row with any check-in, up to yesterday or today
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
