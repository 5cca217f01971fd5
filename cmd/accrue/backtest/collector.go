package backtest

import (
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// Collector adds up what a programme answers to history. It belongs to one goroutine.
type Collector struct {
	o        Options
	versions programme.Versions
	last     *programme.Programme
	follows  bool // what is spent
	lapses   bool // the wallet lets points expire
	adder

	at       time.Time // when what is being answered happened
	events   int64
	dead     int64
	letters  []DeadLetter
	outcomes map[schemas.Outcome]int64
	alerts   map[alertKey]int64
	changes  int64
	first    time.Time // of the events of the period
	newest   time.Time

	total                             Sums
	rules, campaigns, tiers, segments table
	days                              map[int32]*Sums
	months                            map[int32]*flow
	members                           map[string]*member
	sets                              segmentSets
	budgets                           map[budgetKey]*budget
	drawn                             map[string]int64           // of rules with a budget, points of the whole history
	paces                             map[string]map[int32]int64 // the same by day
	lapsing                           map[grantKey]lapsing
	expired                           map[grantKey]int64 // of grants of which something has

	source  schemas.Source // of the input that is being answered
	decided []decided      // with Options.Compare: since the last Examples.Compare
}

// Options say how a Collector counts.
type Options struct {
	Zone *time.Location // of days and months; nil: the programme's
	// Since is where the period begins that is reported: what happened before builds up members and balances only. Zero: with the
	// first event.
	Since time.Time
	// Points are what a member can spend by the engine's bookkeeping. It is asked only where the programme follows what is spent.
	Points func(member string) (int64, error)
	// Compare says that decisions are remembered for Examples.
	Compare bool
}

// DeadLetter is a line or record that is no event of a member.
type DeadLetter struct {
	Place  string `json:"place"` // "line 17" or "commerce.orders/3@200"
	Reason string `json:"reason"`
}

// lettersShown bounds the dead letters that are told one by one.
const lettersShown = 10

type alertKey struct{ threshold, action string }

// NewCollector returns one for a programme's versions, of which there is at least one.
func NewCollector(versions programme.Versions, o Options) *Collector {
	last := versions[len(versions)-1].Programme
	if o.Zone == nil {
		o.Zone = last.Zone
	}
	c := &Collector{
		o: o, versions: versions, last: last, follows: last.Redemptions, lapses: lapses(versions),
		outcomes: map[schemas.Outcome]int64{}, alerts: map[alertKey]int64{},
		rules: newTable(), campaigns: newTable(), tiers: newTable(), segments: newTable(),
		days: map[int32]*Sums{}, months: map[int32]*flow{}, members: map[string]*member{}, sets: newSegmentSets(),
		budgets: map[budgetKey]*budget{}, drawn: map[string]int64{}, paces: map[string]map[int32]int64{}, lapsing: map[grantKey]lapsing{}, expired: map[grantKey]int64{},
	}
	c.tiers.number(firstLevel(last))
	for _, v := range versions {
		for _, rule := range v.Programme.Rules {
			if rule.Budget != nil {
				c.drawn[rule.ID] = 0
			}
		}
	}
	return c
}

// firstLevel is the tier of whoever never changed it; empty: there are none.
func firstLevel(p *programme.Programme) string {
	if p.Tiers == nil {
		return ""
	}
	return p.Tiers.Levels[0].ID
}

// Refuse counts a line or record that is no event of a member.
func (c *Collector) Refuse(place, why string) {
	c.dead++
	if len(c.letters) < lettersShown {
		c.letters = append(c.letters, DeadLetter{place, why})
	}
}

// Take adds up an answer, which is of one account or key. event is the input that it answers; nil where time or another account
// is the cause. Nothing of o is kept.
func (c *Collector) Take(event *rules.Event, o *rules.Outcome) error {
	if event != nil {
		c.at, c.source = event.OccurredAt(), event.Source
	}
	c.decision(event, o.Decision)
	for i := range o.Alerts {
		if a := &o.Alerts[i]; !a.OccurredAt.Before(c.o.Since) {
			c.alerts[alertKey{a.ThresholdID, a.Action}]++
		}
	}
	c.budget(o)
	if m := c.memberOf(event, o); m != nil {
		return c.account(m, event, o)
	}
	return nil
}

// Close names all members that the replay knows: some have an account and nothing in it yet.
func (c *Collector) Close(members []string) {
	for _, name := range members {
		c.member(name)
	}
}

// Advance says that what comes now falls due up to an instant.
func (c *Collector) Advance(to time.Time) { c.at = to }

func (c *Collector) decision(event *rules.Event, d *schemas.Decision) {
	if d == nil {
		return
	}
	if event != nil && event.Profile != nil && counts(d.Outcome) {
		c.profile(event)
	}
	if d.OccurredAt.Before(c.o.Since) {
		return
	}
	c.events++
	c.outcomes[d.Outcome]++
	if d.Outcome != schemas.OutcomeInvalid {
		if c.first.IsZero() || d.OccurredAt.Before(c.first) {
			c.first = d.OccurredAt
		}
		if d.OccurredAt.After(c.newest) {
			c.newest = d.OccurredAt
		}
	}
	if c.o.Compare {
		c.remember(d)
	}
}

// counts says that an event of this outcome is a fact.
func counts(o schemas.Outcome) bool {
	return o != schemas.OutcomeInvalid && o != schemas.OutcomeDuplicate && o != schemas.OutcomeLate
}

// account adds up what an answer changes for a member: entries and changes of the tier as they follow each other.
func (c *Collector) account(m *member, event *rules.Event, o *rules.Outcome) error {
	next := 0
	for i := range o.Entries {
		e := &o.Entries[i]
		for next < len(o.TierChanges) && comesBefore(&o.TierChanges[next], e) {
			c.tierChange(m, &o.TierChanges[next])
			next++
		}
		c.entry(m, e)
	}
	for ; next < len(o.TierChanges); next++ {
		c.tierChange(m, &o.TierChanges[next])
	}
	if c.follows && c.o.Points != nil {
		return c.spent(m, c.nameOf(event, o))
	}
	return nil
}

// comesBefore says that a tier stood before an entry: what falls due at an instant comes before its events, and what an event
// raises comes behind its grants.
func comesBefore(change *schemas.TierChange, e *schemas.PointGrant) bool {
	return change.EffectiveAt.Before(e.OccurredAt) || change.EffectiveAt.Equal(e.OccurredAt) && change.Cause == ""
}

// entry adds up one entry.
func (c *Collector) entry(m *member, e *schemas.PointGrant) {
	c.add(&m.balance, e.AvailableDelta)
	c.add(&m.pending, e.PendingDelta)
	p := c.partsOf(e)
	if _, limited := c.drawn[e.RuleID]; limited {
		c.draw(e, p)
	}
	c.flow(e, p)
	c.lapse(e)
	if e.OccurredAt.Before(c.o.Since) {
		return
	}
	c.adder.entry(&c.total, e, p)
	rule := c.rules.number(e.RuleID)
	c.adder.entry(&c.rules.rows[rule], e, p)
	if e.Campaign != "" {
		c.adder.entry(&c.campaigns.rows[c.campaigns.number(e.Campaign)], e, p)
	}
	c.adder.entry(&c.tiers.rows[m.tier], e, p)
	for _, segment := range c.sets.all[m.segments] {
		c.adder.entry(&c.segments.rows[segment], e, p)
	}
	day := programme.DayNumber(e.OccurredAt, c.o.Zone)
	if c.days[day] == nil {
		c.days[day] = &Sums{}
	}
	c.adder.entry(c.days[day], e, p)
	c.credit(m, rule, e, p)
}

// Failed is ErrTooMany where a sum has passed 64 bits.
func (c *Collector) Failed() error {
	if c.passed {
		return ErrTooMany
	}
	return nil
}

// Nothing says that no event was taken. The letters are the first records that are no events of a member.
func (c *Collector) Nothing() (letters []DeadLetter, nothing bool) {
	return c.letters, len(c.members) == 0 && len(c.outcomes) == 0
}
