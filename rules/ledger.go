package rules

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// MaxFacts bounds how many facts of one member are kept one by one. An event beyond it is decided INVALID with the reason. Refunds
// and cancellations have room for MaxRefunds more: points must not stay with a member because there is no room to take
// them back.
const (
	MaxFacts   = 50_000
	MaxRefunds = 10_000
)

// Rows reads the stored rows of one member, with keys as Account.Save wrote them.
type Rows interface {
	// Get returns nil where there is no such row. The bytes hold until the next call and are not changed.
	Get(key []byte) ([]byte, error)
	// Scan yields all rows whose key begins with prefix, ascending, until yield says false. The bytes hold during the call.
	Scan(prefix []byte, yield func(key, value []byte) bool) error
	// ScanFrom is Scan from a key on, which begins with prefix and need not be there.
	ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error
}

// Ledger is the function: the versions of a programme, made ready to decide. It never changes and may be shared.
type Ledger struct {
	versions []version
	scale    int
	earnOn   []schemas.OrderStatus // the statuses at which orders earn in any of the versions
	runs     sync.Pool             // of *run, for their buffers
	measured []measured            // what the tiers of any version go by
	counting counting              // what the limits of any version bind
	expires  bool                  // points expire in one of the versions
	waits    bool                  // in one of the versions a hold waits for a status
	follows  bool                  // what is spent is followed, in all of them
	claws    bool                  // in one of the versions a refund may not take all
	secret   []byte                // lots are drawn with it; see Secret
	spaced   int                   // see takeSnapshot
	crowded  int                   // see crowded
	folding  int                   // see foldEvery
	matter   []schemas.OrderStatus // the statuses of an order's events that matter to the one that it stands at
}

// Option sets something of a Ledger that is not in its programme.
type Option func(l *Ledger)

// version is one programme version with what is worked out once.
type version struct {
	from      int64
	programme *programme.Programme
	orders    []int // indices of the rules that listen to orders, in file order
	checkIns  []int
	guards    guards
	// asksDevices says that a condition on referrals asks whether the two members have used one device.
	asksDevices bool
	tierUps     []int
	referrals   []int
	// firstOrders are the rules that listen to the first order of a member who was invited.
	firstOrders []int
	joined      []int
	birthdays   []int
	// asksProfile says that a condition reads segments or attributes of the profile.
	asksProfile bool
	asks        []asks             // by rule: what its conditions depend on
	words       []ruleWords        // by rule
	longest     programme.Duration // the longest hold or `within` that spans orders or is counted elsewhere, or return_window
}

// longestCount is how long events are counted elsewhere: for as long it is known where.
func longestCount(p *programme.Programme) (longest programme.Duration) {
	for _, t := range p.Fraud {
		if t.By != programme.ByMember {
			longest = longer(longest, t.Within)
		}
	}
	return longest
}

// NewLedger makes the function for these versions, ascending. All must count money alike (Programme.Scale). A *NeedsSecret is the
// error where one of them draws lots and no Secret is given.
func NewLedger(versions programme.Versions, options ...Option) (*Ledger, error) {
	if len(versions) == 0 {
		return nil, errors.New("make ledger: there is no programme version")
	}
	l := &Ledger{
		scale: versions[0].Programme.Scale, follows: versions[0].Programme.Redemptions, counting: countingOf(versions), spaced: spaced, crowded: crowded, folding: foldEvery,
	}
	for _, option := range options {
		option(l)
	}
	for _, v := range versions {
		p := v.Programme
		if p.Scale != l.scale {
			return nil, fmt.Errorf("make ledger: version %s counts money with %d decimals, version %s with %d; give both the same currencies",
				versions[0].Programme.Version, l.scale, p.Version, p.Scale)
		}
		if p.Redemptions != l.follows {
			return nil, fmt.Errorf("make ledger: `redemptions` is %t in version %s and %t in version %s; give both the same", l.follows,
				versions[0].Programme.Version, p.Redemptions, p.Version)
		}
		if err := l.needsSecret(p); err != nil {
			return nil, err
		}
		l.expires = l.expires || mayExpire(p)
		l.measure(p.Tiers)
		l.claws = l.claws || p.Clawback != programme.ClawbackFull
		if !slices.Contains(l.earnOn, p.EarnOn) {
			l.earnOn = append(l.earnOn, p.EarnOn)
		}
		made := version{from: v.From.UnixMilli(), programme: p, longest: p.ReturnWindow}
		made.guard(p.Fraud)
		made.asks, made.words = make([]asks, len(p.Rules)), make([]ruleWords, len(p.Rules))
		for i, rule := range p.Rules {
			made.asks[i], made.words[i] = asksOf(rule), wordsOf(rule, p)
			if rule.Mode == programme.Off {
				continue
			}
			switch rule.On {
			case programme.OnOrder:
				made.orders = append(made.orders, i)
			case programme.OnCheckIn:
				made.checkIns = append(made.checkIns, i)
			case programme.OnTierUp:
				made.tierUps = append(made.tierUps, i)
			case programme.OnJoined:
				made.joined = append(made.joined, i)
			case programme.OnBirthday:
				made.birthdays = append(made.birthdays, i)
			case programme.OnReferral:
				made.referrals = append(made.referrals, i)
			}
			made.asksDevices = made.asksDevices || rule.On == programme.OnReferral && asksDevices(rule.When)
			made.asksProfile = made.asksProfile || asksProfile(rule)
			l.waits = l.waits || rule.Hold.Until != ""
			made.longest = longer(longer(made.longest, rule.Hold.For), rule.Hold.Within)
			if rule.Each != nil {
				made.longest = longer(made.longest, rule.Each.Within)
			}
		}
		made.longest = longer(made.longest, longestCount(p))
		made.invite()
		l.versions = append(l.versions, made)
	}
	if l.matter = statuses[:]; !l.waits {
		l.matter = append(slices.Clone(l.earnOn), schemas.Refunded, schemas.Cancelled)
	}
	return l, nil
}

// longer compares durations by their shortest possible length; the window may be longer than needed, never shorter, since
// the longer of two is taken with its longest possible length in mind: months count 31 days on one side, 28 on the other.
func longer(a, b programme.Duration) programme.Duration {
	hours := func(d programme.Duration, month int64) int64 {
		return int64(d.Months)*month*24 + int64(d.Days)*24 + int64(d.Elapsed/time.Hour)
	}
	if hours(b, 31) > hours(a, 28) {
		return b
	}
	return a
}

// at returns the version in force at an instant in ms.
func (l *Ledger) at(instant int64) *version {
	for i := len(l.versions) - 1; i > 0; i-- {
		if instant >= l.versions[i].from {
			return &l.versions[i]
		}
	}
	return &l.versions[0]
}

// Event is one input record. Exactly one of the records is set.
type Event struct {
	Order      *schemas.Order
	CheckIn    *schemas.CheckIn
	Referral   *schemas.Referral
	Profile    *schemas.Member
	Command    *schemas.Command
	Redemption *schemas.Redemption

	// ProfileEnds says that Profile is the end of one: of it only the member, the event id and the time are of interest.
	ProfileEnds bool

	Source schemas.Source // topic, partition and offset
	// Now is the engine's clock when it first saw the record, UTC: decided_at, and what "in the future" is measured by.
	// The zero time (simulate) means that nothing is in the future and that decided_at is the event's own time.
	Now time.Time
}

// EndOfProfile is what a null value on the topic of profiles says: from then on nothing is known of the member.
type EndOfProfile struct {
	MemberID   string
	EventID    string // made by whoever read the record, the same each time
	OccurredAt time.Time
}

// NewEvent puts a decoded record into an event. It fails for a type that is not an input.
func NewEvent(record any, source schemas.Source, now time.Time) (Event, error) {
	e := Event{Source: source, Now: now}
	switch v := record.(type) {
	case *schemas.Order:
		e.Order = v
	case *schemas.CheckIn:
		e.CheckIn = v
	case *schemas.Referral:
		e.Referral = v
	case *schemas.Member:
		e.Profile = v
	case *EndOfProfile:
		e.Profile = &schemas.Member{MemberID: v.MemberID, EventID: v.EventID, OccurredAt: v.OccurredAt}
		e.ProfileEnds = true
	case *schemas.Command:
		e.Command = v
	case *schemas.Redemption:
		e.Redemption = v
	default:
		return e, fmt.Errorf("take record of %s: a %T is written by the engine, not read", source.Topic, record)
	}
	return e, nil
}

// head is what every input has.
func (e *Event) head() (member, event string, occurredAt time.Time) {
	switch {
	case e.Order != nil:
		return e.Order.MemberID, e.Order.EventID, e.Order.OccurredAt
	case e.CheckIn != nil:
		return e.CheckIn.MemberID, e.CheckIn.EventID, e.CheckIn.OccurredAt
	case e.Referral != nil:
		return e.Referral.RefereeID, e.Referral.EventID, e.Referral.OccurredAt
	case e.Profile != nil:
		return e.Profile.MemberID, e.Profile.EventID, e.Profile.OccurredAt
	case e.Command != nil:
		return e.Command.MemberID, e.Command.EventID, e.Command.OccurredAt
	case e.Redemption != nil:
		return e.Redemption.MemberID, e.Redemption.EventID, e.Redemption.OccurredAt
	}
	return "", "", time.Time{}
}

// OccurredAt is when the event says that it happened.
func (e *Event) OccurredAt() time.Time {
	_, _, at := e.head()
	return at
}

// EventID is the event's own id.
func (e *Event) EventID() string {
	_, id, _ := e.head()
	return id
}

// Member is the member whose account decides the event; for a referral the referee.
func (e *Event) Member() string {
	member, _, _ := e.head()
	return member
}

// Outcome is what an account answers: records to write, in this order. Decision is nil where no event was decided. Each call
// that fills an Outcome makes void what it held before and uses its memory again; strings stay.
type Outcome struct {
	Decision    *schemas.Decision
	Closed      []schemas.Decision // of events that waited for answers and, as their member was erased, wait no more
	Entries     []schemas.PointGrant
	TierChanges []schemas.TierChange
	Alerts      []schemas.FraudAlert
	Notices     []schemas.Notice
	Requests    []schemas.Effect // what other accounts are asked for, see Account.Take
	Full        bool             // the event was refused since the member has as many facts as are kept
	Budget      *BudgetLevel     // how full a budget is by now, if it was asked; nil: none was

	decision schemas.Decision
	verdicts []schemas.Verdict
	numbers  []schemas.Number
	texts    pieces
}

// reset empties an outcome for the next answer.
func (o *Outcome) reset() {
	*o = Outcome{
		Entries: o.Entries[:0], TierChanges: o.TierChanges[:0], Alerts: o.Alerts[:0], Notices: o.Notices[:0],
		Requests: o.Requests[:0], Closed: o.Closed[:0],
		verdicts: o.verdicts[:0], numbers: o.numbers[:0], texts: o.texts,
	}
}

// Broken is the error of an account whose own state contradicts itself. That account cannot go on; others can.
type Broken struct {
	Member string
	Err    error
}

func (b *Broken) Error() string {
	return fmt.Sprintf("account of member %q cannot go on: %v", b.Member, b.Err)
}

func (b *Broken) Unwrap() error { return b.Err }

// grantID follows from content: member, rule, source event and part. The event is named by its kind, not by the topic that it
// came on, which may have another name elsewhere. 128 bits, as text that sorts and reads well.
func grantID(member, rule string, source factKey, part int32) string {
	return entryID(member, rule, source, part, 0)[:grantIDLength]
}

const grantIDLength = 26 // base 32 of 16 bytes

// entryID is the grant id with the revision behind it.
func entryID(member, rule string, source factKey, part, revision int32) string {
	var buffer [256]byte
	b := buffer[:0]
	for _, s := range [...]string{member, rule, defaultTopic(source.kind), source.content()} {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	b = strconv.AppendInt(b, int64(part), 10)
	sum := sha256.Sum256(b)
	id := grantIDText.AppendEncode(buffer[:0], sum[:16])
	return string(strconv.AppendInt(append(id, '-'), int64(revision), 10))
}

// grantIDText writes ids so that they sort as their bytes do.
//
//nolint:gochecknoglobals // never changed
var grantIDText = base32.HexEncoding.WithPadding(base32.NoPadding)
