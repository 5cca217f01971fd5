package rules

import (
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// Description is an account for people: all that is held of a member, in words and numbers. Times are UTC; a zero time is
// none. Amounts of money are in major units of the programme's currency ("37.50").
type Description struct {
	Member  string `json:"member"`
	Balance int64  `json:"balance"` // points that can be spent; below 0 is a debt
	Pending int64  `json:"pending"` // points that are held

	Tier            string    `json:"tier,omitempty"` // empty: the programme has none
	TierUntil       time.Time `json:"tier_until,omitzero"`
	TierGrace       time.Time `json:"tier_grace_until,omitzero"` // set while the validity has ended and the fall has not come
	TierMetric      string    `json:"tier_metric,omitempty"`     // "points", "spend" or "orders"
	TierValue       string    `json:"tier_metric_value,omitempty"`
	NextTier        string    `json:"next_tier,omitempty"` // empty: the highest is held
	NextTierFrom    string    `json:"next_tier_from,omitempty"`
	NextTierMissing string    `json:"next_tier_missing,omitempty"` // of the metric, as things are now

	Blocked *BlockDescription `json:"blocked,omitempty"` // nil: no block held at DecidedTo

	Orders   int64  `json:"orders"` // that are not gone, over the lifetime
	Spend    string `json:"spend"`
	Currency string `json:"currency"`
	Streak   int32  `json:"check_in_days"` // in a row, up to the last check-in

	NewestEvent time.Time `json:"newest_event,omitzero"`
	DecidedTo   time.Time `json:"decided_to,omitzero"` // what fell due up to here has happened
	NextDue     time.Time `json:"next_due,omitzero"`

	Held   []HeldGrant       `json:"held"`
	Left   []ExpiringGrant   `json:"left,omitempty"` // what can be spent and expires, in the order in which it is spent; with `redemptions: true`
	Limits []Count           `json:"limits"`         // of the programme's limits
	Rules  []RuleDescription `json:"rules"`
	Events []FactDescription `json:"events"` // within the window, ascending
	Folded int               `json:"orders_folded"`
}

// BlockDescription is why a member's events are denied.
type BlockDescription struct {
	By      string    `json:"by,omitempty"`   // the threshold; empty: an operator
	EventID string    `json:"event_id"`       // the event that crossed it, or the command
	Until   time.Time `json:"until,omitzero"` // zero: until an operator ends it
}

// HeldGrant is a grant that waits for its release.
type HeldGrant struct {
	GrantID    string    `json:"grant_id,omitempty"` // what a release names; empty: its event is folded away
	Rule       string    `json:"rule"`
	EventID    string    `json:"event_id"`
	Points     int64     `json:"points"`
	TierPoints int64     `json:"tier_points"`
	Until      time.Time `json:"until,omitzero"` // zero: until an operator decides
}

// ExpiringGrant is what is left of a grant.
type ExpiringGrant struct {
	Rule    string    `json:"rule"`
	EventID string    `json:"event_id"`
	Points  int64     `json:"points"` // that are left of it
	Granted int64     `json:"granted"`
	Expires time.Time `json:"expires"`
}

func (l *lots) describe() []ExpiringGrant {
	if l == nil {
		return nil
	}
	var list []ExpiringGrant
	for i := range l.open {
		x := &l.open[i]
		list = append(list, ExpiringGrant{Rule: x.rule, EventID: x.fact.event, Points: x.left, Granted: x.granted, Expires: instantUTC(x.expires)})
	}
	return list
}

// Count is what a limit has counted in the last period in which anything was granted.
type Count struct {
	Per    string `json:"per"` // "day", "week", "month", "year", "ever"
	Times  int64  `json:"times"`
	Points int64  `json:"points"`
}

// RuleDescription is what a rule remembers of the member.
type RuleDescription struct {
	Rule   string  `json:"rule"`
	Limits []Count `json:"limits,omitempty"`
	Orders int     `json:"orders_towards_next,omitempty"` // `each: {orders}`: not yet used up
	Spend  string  `json:"spend_towards_next,omitempty"`  // `each: {spend}`: not yet used up
	Days   int32   `json:"days_towards_next,omitempty"`   // `each: {streak}`: since the last grant
}

// FactDescription is one event of the window with what it was granted, and why.
type FactDescription struct {
	OccurredAt time.Time          `json:"occurred_at"`
	Kind       string             `json:"kind"` // "order PAID", "check-in", "profile", "command GRANT", "redemption SPENT", "joined", "birthday"
	EventID    string             `json:"event_id"`
	OrderID    string             `json:"order_id,omitempty"`
	Left       string             `json:"left,omitempty"` // of an order that stands here: what is left of it
	Source     string             `json:"source"`         // topic/partition@offset
	Grants     []GrantDescription `json:"grants,omitempty"`
	Note       string             `json:"note,omitempty"` // why the rules were not asked, or why they gave nothing
}

// GrantDescription is one grant as it was written, and the reason that the rules give for it as things are now.
type GrantDescription struct {
	GrantID   string    `json:"grant_id"`
	Rule      string    `json:"rule"`
	Title     string    `json:"title"`
	Available int64     `json:"available"`
	Pending   int64     `json:"pending"`
	Tier      int64     `json:"tier"`
	Entries   int32     `json:"entries"` // ledger entries written
	HeldUntil time.Time `json:"held_until,omitzero"`
	Why       string    `json:"why,omitempty"`
}

// Describe tells what the account holds. It changes nothing. Errors are as Handle's.
func (a *Account) Describe() (Description, error) {
	if err := a.load(); err != nil {
		return Description{}, err
	}
	p := a.ledger.at(a.asOf).programme
	s := a.head.clone()
	d := Description{
		Member: a.member, Balance: s.points, Pending: s.pending, Orders: s.orders,
		Spend: moneyText(s.spend, p), Currency: p.Currency.Code, Streak: s.checkInStreak,
		Limits: describeCounts(s.limits), Folded: a.sealed.len(),
	}
	if a.any {
		d.NewestEvent, d.DecidedTo = instantUTC(a.newest), instantUTC(a.asOf)
	}
	if due, ok := a.Due(); ok {
		d.NextDue = due
	}
	d.describeTier(p, s, a.asOf)
	d.Blocked = s.fraud.describe(a.asOf)
	for _, h := range s.held.items {
		d.Held = append(d.Held, HeldGrant{Rule: h.rule, EventID: h.fact.event, Points: h.available, TierPoints: h.tier, Until: momentOf(h.due)})
	}
	d.Left = s.lots.describe()
	for i := range s.rules {
		d.Rules = append(d.Rules, describeRule(&s.rules[i], p))
	}
	var err error
	d.Events, err = a.describeFacts()
	d.nameHeld()
	return d, err
}

// nameHeld finds the id of each held grant among the events.
func (d *Description) nameHeld() {
	used := map[string]bool{}
	for i := range d.Held {
		h := &d.Held[i]
		for _, e := range d.Events {
			for _, g := range e.Grants {
				if e.EventID == h.EventID && g.Rule == h.Rule && g.Pending > 0 && !used[g.GrantID] && h.GrantID == "" {
					h.GrantID = g.GrantID
					used[g.GrantID] = true
				}
			}
		}
	}
}

// Expiring is what expires at one moment.
type Expiring struct {
	At     time.Time // UTC
	Points int64
	Grants int
	Rules  []string // that granted them
}

// Expiring adds up what is left by the moment at which it expires, the next first.
func (d *Description) Expiring() []Expiring {
	var list []Expiring
	for i := range d.Left {
		x := &d.Left[i]
		at := slices.IndexFunc(list, func(e Expiring) bool { return e.At.Equal(x.Expires) })
		if at < 0 {
			at = len(list)
			list = append(list, Expiring{At: x.Expires})
		}
		e := &list[at]
		e.Points, e.Grants = e.Points+x.Points, e.Grants+1
		if !slices.Contains(e.Rules, x.Rule) {
			e.Rules = append(e.Rules, x.Rule)
		}
	}
	slices.SortFunc(list, func(a, b Expiring) int { return a.At.Compare(b.At) })
	return list
}

func instantUTC(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func (d *Description) describeTier(p *programme.Programme, s *standing, at int64) {
	if p.Tiers == nil {
		return
	}
	level := s.tier.level(p.Tiers)
	d.Tier = p.Tiers.Levels[level].ID
	if s.tier.validUntil != 0 {
		d.TierUntil = instantUTC(s.tier.validUntil)
	}
	if s.tier.graceUntil != 0 {
		d.TierGrace = instantUTC(s.tier.graceUntil)
	}
	value := s.value(p, at)
	d.TierMetric, d.TierValue = metricName(p.Tiers.By), metricText(p, value)
	if level+1 < len(p.Tiers.Levels) {
		next := p.Tiers.Levels[level+1]
		d.NextTier, d.NextTierFrom = next.ID, metricText(p, next.At)
		if lack := next.At - value; lack > 0 { // else the next event brings it; what passes 64 bits is not told
			d.NextTierMissing = metricText(p, lack)
		}
	}
}

// describe tells of a block that holds at an instant; nil: none does.
func (s *fraudStanding) describe(at int64) *BlockDescription {
	if s.blocked <= at {
		return nil
	}
	d := &BlockDescription{By: s.by, EventID: s.event}
	if s.blocked != noDue {
		d.Until = instantUTC(s.blocked)
	}
	return d
}

func describeCounts(list []counter) []Count {
	counts := make([]Count, 0, len(list))
	for _, c := range list {
		counts = append(counts, Count{Per: periodName(c.per), Times: c.times, Points: c.points})
	}
	return counts
}

func periodName(per programme.Period) string {
	switch per {
	case programme.PerDay:
		return "day"
	case programme.PerWeek:
		return "week"
	case programme.PerMonth:
		return "month"
	case programme.PerYear:
		return "year"
	default:
		return "ever"
	}
}

func describeRule(u *ruleUse, p *programme.Programme) RuleDescription {
	d := RuleDescription{Rule: u.id, Limits: describeCounts(u.counters), Orders: u.orders.len(), Days: u.run}
	if u.total != 0 {
		d.Spend = moneyText(programme.Money(u.total), p)
	}
	return d
}

// describeFacts decides the window once more, beside the account, for the reasons, which are not stored.
func (a *Account) describeFacts() ([]FactDescription, error) {
	r := &run{account: a, s: a.base.clone(), silent: true}
	defer func() {
		for _, list := range [...][]*fact{a.facts, a.kept, a.past} {
			for _, f := range list {
				f.decided, f.want = false, nil
			}
		}
	}()
	list := make([]FactDescription, 0, len(a.facts))
	for _, f := range a.facts {
		r.explain, r.passed, r.out = f, passResult{}, &Outcome{}
		if err := r.through([]*fact{f}, f.dueBefore()); err != nil {
			return nil, &Broken{a.member, fmt.Errorf("describe event %s: %w", f.key.event, err)}
		}
		list = append(list, a.describeFact(f, &r.passed))
	}
	for _, f := range a.kept {
		if len(f.grants) > 0 {
			list = append(list, a.describeFact(f, &passResult{}))
		}
	}
	for _, h := range a.head.held.items {
		if h.due != noDue || h.fact.kind != awardFact {
			continue
		}
		if f, err := a.factAt(h.fact); err != nil {
			return nil, err
		} else if f != nil && f.past && !slices.ContainsFunc(list, func(x FactDescription) bool { return x.Source == sourceText(f) && x.EventID == f.award.source }) {
			list = append(list, a.describeFact(f, &passResult{}))
		}
	}
	slices.SortStableFunc(list, func(x, y FactDescription) int { return x.OccurredAt.Compare(y.OccurredAt) })
	return list, nil
}

func (a *Account) describeFact(f *fact, passed *passResult) FactDescription {
	p := a.ledger.at(f.at()).programme
	d := FactDescription{
		OccurredAt: instantUTC(f.at()), Kind: factKindText(f.key.kind), EventID: f.key.event, Note: passed.reason,
		Source: sourceText(f),
	}
	if d.Note == "" && len(f.grants) == 0 {
		d.Note = passed.summary
	}
	if f.waits() {
		d.Note = "it is not decided yet: an answer from elsewhere is awaited"
	}
	switch {
	case f.checkIn != nil && f.checkIn.activity != "":
		d.Kind = f.checkIn.activity
	case f.command != nil:
		d.Kind = "command " + f.command.kind.String()
	case f.redemption != nil:
		d.Kind = "redemption " + f.redemption.word()
	case f.award != nil:
		d.EventID, d.OrderID = f.award.source, f.award.order
	case f.order != nil:
		d.Kind, d.OrderID = "order "+string(f.order.status), f.order.id
		if f.refunds() {
			d.Note = "acts through its order"
		}
		if a.standsFor(f.order.id) == f {
			if rest, err := a.left(f, p, nil); err == nil { // an amount that passes 64 bits was never accepted
				d.Left = moneyText(rest.total, p)
			}
		}
	}
	for i := range f.grants {
		g := &f.grants[i]
		grant := GrantDescription{
			GrantID: a.idOf(f, g.rule, g.part), Rule: g.rule, Title: ruleOf(p, g.rule).Title,
			Available: g.available, Pending: g.pending, Tier: g.tier, Entries: g.revision, Why: whyOf(passed.verdicts, g.rule),
		}
		grant.HeldUntil = momentOf(g.due)
		d.Grants = append(d.Grants, grant)
	}
	return d
}

// sourceText is where the record of a fact stands.
func sourceText(f *fact) string { return fmt.Sprintf("%s/%d@%d", f.topic, f.partition, f.offset) }

func whyOf(verdicts []schemas.Verdict, rule string) string {
	for i := range verdicts {
		if verdicts[i].RuleID == rule {
			return verdicts[i].Reason
		}
	}
	return ""
}
