package schemas

import "time"

// Default topic names (SPEC §2). Each is configurable in the processor; simulate and the scenario tools use these.
const (
	TopicOrders      = "commerce.orders"
	TopicCheckIns    = "engagement.check-ins"
	TopicReferrals   = "engagement.referrals"
	TopicProfiles    = "members.profiles"
	TopicCommands    = "rewards.commands"
	TopicRedemptions = "wallet.redemptions" //nolint:gosec // a topic, no password
	TopicPointGrants = "rewards.point-grants"
	TopicTierChanges = "rewards.tier-changes"
	TopicDecisions   = "rewards.decisions"
	TopicFraudAlerts = "rewards.fraud-alerts"
	TopicNotices     = "rewards.notices"
	TopicDeadLetters = "rewards.dead-letters"
)

// OrderStatus is the state of an order that an Order event announces.
type OrderStatus string

// The statuses of an order, in the order of its life.
const (
	Placed    OrderStatus = "PLACED"
	Paid      OrderStatus = "PAID"
	Completed OrderStatus = "COMPLETED"
	Cancelled OrderStatus = "CANCELLED"
	Refunded  OrderStatus = "REFUNDED"
)

// Order is one event of an order's life, on TopicOrders.
type Order struct {
	EventID       string
	OrderID       string
	MemberID      string
	Status        OrderStatus
	OccurredAt    time.Time
	Currency      string // ISO 4217
	Channel       string
	Store         string
	Coupons       []string
	PaymentHash   string
	DeviceID      string
	IP            string
	Lines         []Line
	RefundedLines []RefundedLine // on REFUNDED; none at all: everything
	Attributes    map[string]string
}

// Line is one line of an order. Amount is in minor units, after discounts, for the whole quantity.
type Line struct {
	LineID   string
	SKU      string
	Category string // a path, "food/tea"
	Brand    string
	Quantity int64 // default 1
	Amount   int64
	Tags     []string
}

// RefundedLine says how much of one line goes back. Quantity 0 only lowers the amount.
type RefundedLine struct {
	LineID   string
	Quantity int64
	Amount   int64
}

// CheckIn is an action of a member that may earn, on TopicCheckIns.
type CheckIn struct {
	EventID    string
	MemberID   string
	OccurredAt time.Time
	Activity   string // default "check-in"
	Channel    string
	Store      string
	DeviceID   string
	IP         string
	Attributes map[string]string
}

// Referral says that one member invited another, on TopicReferrals. The referee is the member of the record.
type Referral struct {
	EventID    string
	Code       string
	ReferrerID string
	RefereeID  string
	OccurredAt time.Time
	DeviceID   string
	IP         string
}

// Member is a profile, on TopicProfiles.
type Member struct {
	EventID    string
	OccurredAt time.Time
	MemberID   string
	JoinedAt   time.Time // zero: not known
	Birthday   string    // "2006-01-02"; empty: not known
	TimeZone   string    // IANA name; empty: the programme's
	Segments   []string
	Attributes map[string]string
}

// Command is a change that a person makes, on TopicCommands.
type Command struct {
	EventID    string
	MemberID   string
	OccurredAt time.Time
	Operator   string
	Reason     string
	Kind       string // GRANT, DEDUCT, RELEASE, REJECT, BLOCK, UNBLOCK, SET_TIER
	Points     int64
	GrantID    string
	Tier       string
	Until      time.Time
}

// Redemption is what a wallet spent or gave back, on TopicRedemptions. Points are above 0.
type Redemption struct {
	EventID      string
	MemberID     string
	OccurredAt   time.Time
	Points       int64
	Kind         string // SPENT, RETURNED
	RedemptionID string
}

// Source is the record that a grant follows from.
type Source struct {
	Topic     string
	Partition int32
	Offset    int64
	EventID   string
	OrderID   string
}

// EntryKind says what a ledger entry does.
type EntryKind string

// The kinds of ledger entries.
const (
	EntryGranted  EntryKind = "GRANTED"
	EntryHeld     EntryKind = "HELD"
	EntryReleased EntryKind = "RELEASED"
	EntryRejected EntryKind = "REJECTED"
	EntryReversed EntryKind = "REVERSED"
	EntryAdjusted EntryKind = "ADJUSTED"
	EntryExpired  EntryKind = "EXPIRED"
)

// PointGrant is a ledger entry that never changes, on TopicPointGrants. A wallet is two sums: balance += AvailableDelta,
// pending += PendingDelta; EntryID makes it idempotent.
type PointGrant struct {
	EntryID          string
	GrantID          string
	MemberID         string
	Entry            EntryKind
	AvailableDelta   int64
	PendingDelta     int64
	TierDelta        int64 // what it adds to the tier metric, in points
	AvailableAt      time.Time
	ExpiresAt        time.Time // zero: never
	RuleID           string
	RuleTitle        string
	ProgrammeVersion string
	Campaign         string
	Source           Source
	Cause            string // event_id that made this entry be written; empty: time did
	OccurredAt       time.Time
	DecidedAt        time.Time
	Reason           string
}

// Direction says how a tier changed.
type Direction string

// The directions of a tier change.
const (
	DirectionUp        Direction = "UP"
	DirectionDown      Direction = "DOWN"
	DirectionRenewed   Direction = "RENEWED"
	DirectionCorrected Direction = "CORRECTED"
)

// TierChange is one change of a member's tier, on TopicTierChanges. The last record's To is the tier that stands.
type TierChange struct {
	MemberID         string
	From             string
	To               string
	Direction        Direction
	Reason           string
	Metric           string // "points", "spend" or "orders"
	MetricValue      string // points or orders as an integer, spend in major units ("1234.50")
	EffectiveAt      time.Time
	ValidUntil       time.Time // zero: no end
	ProgrammeVersion string
	Cause            string // event_id that made this record be written; empty: time did
	DecidedAt        time.Time
}

// Outcome sums up what an input record led to.
type Outcome string

// The outcomes of a decision.
const (
	OutcomeGranted   Outcome = "GRANTED"
	OutcomeNothing   Outcome = "NOTHING"
	OutcomeHeld      Outcome = "HELD"
	OutcomeDenied    Outcome = "DENIED"
	OutcomeDuplicate Outcome = "DUPLICATE"
	OutcomeLate      Outcome = "LATE"
	OutcomeInvalid   Outcome = "INVALID"
)

// Decision answers one input record, on TopicDecisions: exactly one per record.
type Decision struct {
	EventID          string
	MemberID         string
	Source           Source
	Outcome          Outcome
	Reason           string
	AvailablePoints  int64 // granted by this event at once
	PendingPoints    int64 // held by this event
	Verdicts         []Verdict
	ProgrammeVersion string
	OccurredAt       time.Time
	DecidedAt        time.Time
}

// VerdictKind is what one rule said to one event.
type VerdictKind string

// The verdicts of a rule.
const (
	VerdictGranted VerdictKind = "GRANTED"
	VerdictHeld    VerdictKind = "HELD"
	VerdictNothing VerdictKind = "NOTHING"
	VerdictShadow  VerdictKind = "SHADOW" // decided, but grants nothing
)

// Verdict is what one rule said to one event, with the reason in words and the numbers behind it.
type Verdict struct {
	RuleID    string
	RuleTitle string
	Verdict   VerdictKind
	Points    int64
	Reason    string
	Numbers   []Number
}

// Number is one named value behind a verdict, as text ("37.50", "1000").
type Number struct {
	Name  string
	Value string
}

// FraudAlert says that a threshold was passed, on TopicFraudAlerts.
type FraudAlert struct {
	ThresholdID      string
	MemberID         string
	Measure          string
	MeasuredValue    string
	Limit            string
	Window           string
	Action           string
	Evidence         []Number
	EventID          string
	ProgrammeVersion string
	OccurredAt       time.Time
	DecidedAt        time.Time
}

// What a Notice tells.
const (
	NoticePointsExpire = "POINTS_EXPIRE"
	NoticeTierFalls    = "TIER_FALLS"
	NoticeBudgetLow    = "BUDGET_LOW"
)

// Notice tells something ahead of time, on TopicNotices.
type Notice struct {
	NoticeID   string
	MemberID   string
	Kind       string // one of the Notice words
	DueAt      time.Time
	Points     int64
	Tier       string
	Missing    string
	Reason     string
	OccurredAt time.Time
	DecidedAt  time.Time
}

// The kinds of an Effect.
const (
	EffectAward   = ""        // the points that MemberID is to have for an event of FromMember
	EffectCount   = "count"   // asks the key MemberID to count an event of FromMember, and what it has counted
	EffectDevices = "devices" // asks MemberID whether it has used one of Devices
	EffectAnswer  = "answer"  // answers MemberID what its event has asked of FromMember
	EffectInvited = "invited" // tells MemberID that the account of FromMember names them as who invited
	EffectErased  = "erased"  // tells MemberID that FromMember was erased, and is to be forgotten
	EffectUncount = "uncount" // tells the key MemberID the same
	EffectDraw    = "draw"    // a lease FromMember tells the budget MemberID what it wants and gives back
	EffectLease   = "lease"   // a budget FromMember gives to the lease MemberID, or says how it stands
	EffectDrawn   = "drawn"   // a lease FromMember tells MemberID what one of its grants gets
)

// How a budget stands, in an Effect.
const (
	BudgetOpen   = "open"    // there is more
	BudgetCalled = "called"  // leases are to give back what they have, and keep nothing
	BudgetUsedUp = "used up" // there is none, anywhere
)

// ForKey says whether it goes to a key that many members share, and not to a member's account.
func (e *Effect) ForKey() bool {
	return e.Kind == EffectCount || e.Kind == EffectDraw || e.Kind == EffectLease || e.Kind == EffectUncount
}

// Effect is what one account asks of another on an internal topic, or of a key that many share, and what that answers. Only
// the newest revision counts.
type Effect struct {
	MemberID         string    // whose account takes it, the record's key; of EffectCount the key that is asked, such as "device:d1"
	FromMember       string    // whose event earns it
	RuleID           string    // or the threshold
	Source           Source    // the event that earns it
	OccurredAt       time.Time // of Source: the place among the facts of MemberID
	Revision         int64     // counts from 1, for one rule, event and pair of members
	Points           int64     // wanted in all, before limits; 0: it is undone. With EffectCount and its answer: a sum
	HeldBy           string    // the threshold that holds the event's grants for an operator; empty: none does
	HeldWhy          string    // what that threshold measured
	Cause            string    // event_id that made this revision be asked for
	CausedAt         time.Time // when that happened
	Reason           string    // why, in words
	ProgrammeVersion string
	DecidedAt        time.Time

	Kind      string    // one of the kinds above
	Measure   string    // what the answer is to show as evidence
	Since     time.Time // with EffectCount: counted is what happened after it, up to OccurredAt
	KeepUntil time.Time // with EffectCount: until when the event may be counted for others
	Value     string    // with EffectCount: of what different ones are counted; empty: it is not known
	Devices   []string
	Limit     int64 // above which evidence is wanted
	Events    int64 // with EffectCount: 1, or 0: not (any more); of an answer how many
	Refunds   int64 // the same of orders of which something was taken back; of points: 1 if that is why they are asked for
	Distinct  int64 // of an answer: how many different values
	Evidence  []Number

	// Of what is about a budget: the grant, by its fact (with Source.EventID), its rule and part, and what is said.
	FactAt   int64
	FactKind int32
	Part     int32
	Wish     int64  // which wish of the grant
	Wanted   int64  // points
	Given    int64  // points that the lease ever got
	Returned int64  // points that the lease ever gave back
	Epoch    int64  // the newest word of the budget that the lease has heard
	Ahead    int32  // 1: little is left of the lease, nobody waits yet
	Size     int64  // of the budget, points, by the version that is in force since Since
	State    string // one of the words above
}
