package rules

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RowDescription is one stored row for people. It says what the row itself holds: of a series only what is not in pages of its
// own, and nothing that needs a programme. Money is in minor units. Exactly one of the pointers is set.
type RowDescription struct {
	Head *HeadRow     `json:"head,omitempty"`
	Base *StandingRow `json:"base,omitempty"` // where the member stood before the window
	Fact *FactRow     `json:"fact,omitempty"`
	Page *PageRow     `json:"page,omitempty"`

	// Of what is counted under a key.
	Tally   *TallyRow   `json:"tally,omitempty"`
	Counted *CountedRow `json:"counted,omitempty"`

	Linked *LinkedRow `json:"linked,omitempty"`
	Erased *ErasedRow `json:"erased,omitempty"`

	// Of budgets.
	Lease  *LeaseRow  `json:"lease,omitempty"`
	Budget *BudgetRow `json:"budget,omitempty"`
	Wish   *WishRow   `json:"wish,omitempty"`
}

// HeadRow is the row that is read first.
type HeadRow struct {
	NextDue      time.Time `json:"next_due,omitzero"`
	DecidedTo    time.Time `json:"decided_to"`
	NewestEvent  time.Time `json:"newest_event"`
	FoldedBefore time.Time `json:"folded_before,omitzero"`
	Facts        int       `json:"facts"`
	OrdersFolded int64     `json:"orders_folded,omitempty"`
	JoinedAt     time.Time `json:"joined_at,omitzero"`
	Birthday     string    `json:"birthday,omitempty"`
	StandingRow
	Lots *LotsRow `json:"lots,omitempty"`
}

// StandingRow is where a member stands.
type StandingRow struct {
	Points    int64       `json:"points"`
	Pending   int64       `json:"pending"`
	Orders    int64       `json:"orders"`
	Spend     int64       `json:"spend"`
	CheckIns  int32       `json:"check_in_days,omitempty"`
	Tier      string      `json:"tier,omitempty"`
	TierUntil time.Time   `json:"tier_until,omitzero"`
	Held      []HeldGrant `json:"held,omitempty"`
	Limits    []Count     `json:"limits,omitempty"`
	Rules     []RuleRow   `json:"rules,omitempty"`
	TimeZone  string      `json:"time_zone,omitempty"`  // of the profile in force
	InvitedBy string      `json:"invited_by,omitempty"` // by the referral that counts
}

// LotsRow is what is left of grants, where the programme follows what is spent.
type LotsRow struct {
	Lasting int64           `json:"lasting"` // points that never expire
	Debt    int64           `json:"debt,omitempty"`
	Grants  []ExpiringGrant `json:"grants,omitempty"`
}

func lotsRow(l *lots) *LotsRow {
	if l == nil {
		return nil
	}
	d := &LotsRow{Lasting: l.lasting, Grants: l.describe()}
	for _, owed := range l.debts.items {
		d.Debt += owed.amount
	}
	return d
}

// RuleRow is what a rule remembers.
type RuleRow struct {
	Rule   string  `json:"rule"`
	Limits []Count `json:"limits,omitempty"`
	Unused int64   `json:"spend_towards_next,omitempty"`
	Days   int32   `json:"days_towards_next,omitempty"`
}

// FactRow is an accepted event and what was written for it.
type FactRow struct {
	OccurredAt time.Time         `json:"occurred_at"`
	Kind       string            `json:"kind"` // order, check-in, profile, command, redemption, joined or birthday
	EventID    string            `json:"event_id"`
	Source     string            `json:"source"` // topic/partition@offset
	OrderID    string            `json:"order_id,omitempty"`
	Status     string            `json:"status,omitempty"`
	Currency   string            `json:"currency,omitempty"`
	Activity   string            `json:"activity,omitempty"`
	Profile    *ProfileRow       `json:"profile,omitempty"`
	Command    *CommandRow       `json:"command,omitempty"`
	Redemption *RedemptionRow    `json:"redemption,omitempty"`
	Referral   *ReferralRow      `json:"referral,omitempty"`
	Award      *AwardRow         `json:"award,omitempty"`
	Asked      []AskedRow        `json:"asked,omitempty"` // of other accounts
	Questions  []QuestionRow     `json:"questions,omitempty"`
	Draws      []DrawRow         `json:"draws,omitempty"`
	Rulings    []RulingRow       `json:"rulings,omitempty"`
	Channel    string            `json:"channel,omitempty"`
	Store      string            `json:"store,omitempty"`
	Coupons    []string          `json:"coupons,omitempty"`
	Lines      []LineRow         `json:"lines,omitempty"`
	Refunded   []RefundedRow     `json:"refunded_lines,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Grants     []GrantRow        `json:"grants,omitempty"`
}

// CommandRow is what somebody did.
type CommandRow struct {
	Kind     string    `json:"kind"`
	Operator string    `json:"operator,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Points   int64     `json:"points,omitempty"`
	GrantID  string    `json:"grant_id,omitempty"`
	Tier     string    `json:"tier,omitempty"`
	Until    time.Time `json:"until,omitzero"`
}

// RedemptionRow is what was spent or came back.
type RedemptionRow struct {
	Kind         string `json:"kind"`
	Points       int64  `json:"points"`
	RedemptionID string `json:"redemption_id"`
}

// ProfileRow is what a profile says.
type ProfileRow struct {
	Ends     bool      `json:"ends,omitempty"`
	JoinedAt time.Time `json:"joined_at,omitzero"`
	Birthday string    `json:"birthday,omitempty"`
	TimeZone string    `json:"time_zone,omitempty"`
	Segments []string  `json:"segments,omitempty"`
}

func profileRow(p *profileEvent) *ProfileRow {
	return &ProfileRow{Ends: p.ends, JoinedAt: momentOf(p.joinedAt), Birthday: p.birthday.text(), TimeZone: p.zone, Segments: p.segments}
}

// LineRow is a line of an order.
type LineRow struct {
	LineID   string   `json:"line_id"`
	SKU      string   `json:"sku,omitempty"`
	Category string   `json:"category,omitempty"`
	Brand    string   `json:"brand,omitempty"`
	Quantity int64    `json:"quantity"`
	Amount   int64    `json:"amount"`
	Tags     []string `json:"tags,omitempty"`
}

// RefundedRow is a line of a refund.
type RefundedRow struct {
	LineID   string `json:"line_id"`
	Quantity int64  `json:"quantity"`
	Amount   int64  `json:"amount"`
}

// GrantRow is the sums of what was written for a grant.
type GrantRow struct {
	Rule      string    `json:"rule"`
	Part      int32     `json:"part,omitempty"`
	Available int64     `json:"available"`
	Pending   int64     `json:"pending"`
	Tier      int64     `json:"tier"`
	Entries   int32     `json:"entries"`
	HeldUntil time.Time `json:"held_until,omitzero"`
}

// LinkedRow is a member whose account names this one, or is named here: one has invited the other.
type LinkedRow struct {
	Member string `json:"member"`
}

// PageRow is a full page of a list that outgrew its row.
type PageRow struct {
	Series string `json:"series"`
	Page   int64  `json:"page"`
}

// DescribeRow tells what a row of an account holds. An error says that this version cannot read it.
func DescribeRow(key, value []byte) (RowDescription, error) {
	r := &reader{rest: slices.Clone(value)}
	switch {
	case string(key) == headRow:
		h := describeHead(r)
		return RowDescription{Head: h}, r.end()
	case string(key) == baseRow:
		r.version()
		r.varint() // when the earliest event that was folded away occurred
		base := loadStanding(r, baseOwner, nil)
		base.loadMore(r, baseOwner, nil)
		s := standingRow(base)
		return RowDescription{Base: &s}, r.end()
	case strings.HasPrefix(string(key), factRows), strings.HasPrefix(string(key), keptRows), strings.HasPrefix(string(key), pastRows):
		at, err := factKeyOf(key)
		if err != nil {
			return RowDescription{}, err
		}
		f, err := decodeFact(at, r.rest)
		if err != nil {
			return RowDescription{}, err
		}
		return RowDescription{Fact: factRow(f)}, nil
	case string(key) == tallyRow:
		t := describeTally(r)
		return RowDescription{Tally: t}, r.end()
	case strings.HasPrefix(string(key), countedRows):
		c, err := describeCounted(key, value)
		return RowDescription{Counted: c}, err
	case strings.HasPrefix(string(key), linkedRows):
		r.version()
		return RowDescription{Linked: &LinkedRow{string(key[len(linkedRows):])}}, r.end()
	case strings.HasPrefix(string(key), saltRows):
		r.version()
		return RowDescription{Erased: &ErasedRow{}}, r.end()
	case strings.HasPrefix(string(key), erasedRows):
		r.version()
		return RowDescription{Erased: &ErasedRow{instantUTC(r.varint())}}, r.end()
	case string(key) == leaseRow:
		x := &Lease{}
		x.read(r)
		return RowDescription{Lease: x.row()}, r.end()
	case string(key) == budgetRow:
		b := &Budget{}
		b.read(r)
		return RowDescription{Budget: b.row()}, r.end()
	case strings.HasPrefix(string(key), wishRows):
		r.version()
		x := wish{}
		x.read(r)
		return RowDescription{Wish: &WishRow{x.member, x.fact.event, x.rule, x.points, x.missing}}, r.end()
	case strings.HasPrefix(string(key), pageRows) && len(key) > len(pageRows)+5:
		r.version()
		number := len(key) - 4
		p := &PageRow{Series: string(key[len(pageRows) : number-1]), Page: int64(binary.BigEndian.Uint32(key[number:]))}
		return RowDescription{Page: p}, r.err
	}
	return RowDescription{}, fmt.Errorf("describe row %x: it is of a kind that is not known to this version", key)
}

func describeHead(r *reader) *HeadRow {
	r.version()
	h := &HeadRow{NextDue: momentOf(int64(r.uint64()))}
	r.byte() // decimals of the programme's currency
	h.DecidedTo, h.NewestEvent, h.FoldedBefore = instantUTC(r.varint()), instantUTC(r.varint()), momentOf(r.varint())
	h.Facts = int(r.uvarint())
	loadSeries(r, "ai", nil, getIDAt)
	sealed := loadSeries(r, "as", nil, getSealedAt)
	h.OrdersFolded = int64(sealed.len()) + sealed.unread
	head := loadStanding(r, "h", nil)
	if p := loadPerson(r); p != nil {
		h.JoinedAt, h.Birthday = momentOf(p.joinedAt), p.birthday.text()
	}
	head.loadMore(r, "h", nil)
	h.Lots = lotsRow(head.lots)
	h.StandingRow = standingRow(head)
	return h
}

func standingRow(s *standing) StandingRow {
	d := StandingRow{
		Points: s.points, Pending: s.pending, Orders: s.orders, Spend: int64(s.spend), CheckIns: s.checkInStreak,
		Tier: s.tier.id, TierUntil: momentOf(s.tier.validUntil), Limits: describeCounts(s.limits), TimeZone: s.profile.named,
	}
	if s.invited != nil {
		d.InvitedBy = shown(s.invited.referrer)
	}
	for _, h := range s.held.items {
		d.Held = append(d.Held, HeldGrant{Rule: h.rule, EventID: h.fact.event, Points: h.available, TierPoints: h.tier, Until: momentOf(h.due)})
	}
	for i := range s.rules {
		u := &s.rules[i]
		d.Rules = append(d.Rules, RuleRow{Rule: u.id, Limits: describeCounts(u.counters), Unused: u.total, Days: u.run})
	}
	return d
}

func factRow(f *fact) *FactRow {
	d := &FactRow{
		OccurredAt: instantUTC(f.at()), Kind: factKindText(f.key.kind), EventID: f.key.event,
		Source: fmt.Sprintf("%s/%d@%d", f.topic, f.partition, f.offset),
	}
	switch {
	case f.order != nil:
		o := f.order
		d.OrderID, d.Status, d.Currency = o.id, string(o.status), o.currency
		d.Channel, d.Store, d.Coupons, d.Attributes = o.channel, o.store, o.coupons, attributeMap(o.attributes)
		for _, l := range o.lines {
			d.Lines = append(d.Lines, LineRow(l))
		}
		for _, l := range o.refunded {
			d.Refunded = append(d.Refunded, RefundedRow(l))
		}
	case f.checkIn != nil:
		c := f.checkIn
		d.Activity, d.Channel, d.Store, d.Attributes = c.activity, c.channel, c.store, attributeMap(c.attributes)
	case f.command != nil:
		c := f.command
		d.Command = &CommandRow{c.kind.String(), c.operator, c.reason, c.points, c.grant, c.tier, momentOf(c.until)}
	case f.redemption != nil:
		d.Redemption = &RedemptionRow{f.redemption.word(), f.redemption.points, f.redemption.id}
	case f.referral != nil:
		d.Referral = &ReferralRow{shown(f.referral.referrer), f.referral.code}
	case f.award != nil:
		d.describeAward(f.award)
	case f.profile != nil:
		d.Profile = profileRow(f.profile)
		d.Attributes = attributeMap(f.profile.attributes)
	}
	for _, a := range f.asked.all() {
		d.Asked = append(d.Asked, AskedRow{shown(a.to), a.rule, a.points, a.revision})
	}
	d.describeQuestions(f)
	d.describeDraws(f)
	for _, g := range f.grants {
		d.Grants = append(d.Grants, GrantRow{g.rule, g.part, g.available, g.pending, g.tier, g.revision, momentOf(g.due)})
	}
	return d
}

func factKindText(kind factKind) string {
	switch kind {
	case orderFact:
		return "order"
	case checkInFact:
		return "check-in"
	case profileFact:
		return "profile"
	case referralFact:
		return "referral"
	case awardFact:
		return "award"
	case commandFact:
		return "command"
	case redemptionFact:
		return "redemption"
	case joinedFact:
		return "joined"
	case birthdayFact:
		return "birthday"
	}
	return fmt.Sprintf("kind %d", kind)
}

// momentOf is an instant of which 0 and noDue mean none.
func momentOf(ms int64) time.Time {
	if ms == 0 || ms == noDue {
		return time.Time{}
	}
	return instantUTC(ms)
}
