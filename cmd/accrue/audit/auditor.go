package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// Place is where a record lies.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

func (p Place) String() string { return fmt.Sprintf("%s/%d@%d", p.Topic, p.Partition, p.Offset) }

// Input is one record of an input topic.
type Input struct {
	Place   Place
	Member  string // empty: it names none, or cannot be read
	EventID string
	Record  any  // for the replay, handed back as it came
	Unread  bool // the engine has not read it yet
	Erases  bool // it is the command that erases its member
}

// Auditor holds the records of an app against each other. It belongs to one goroutine. It keeps what a grant, a member and an input come
// to, so memory grows with these, and with the records of the inputs that the caller hands over.
type Auditor struct {
	versions programme.Versions
	shared   map[string]bool // thresholds that measure what many members share
	passed   map[passing]bool
	limited  map[string]bool // rules with a budget

	inputs  map[Place]*input
	order   []*input          // those with a decision, as they came
	events  map[string]bool   // event ids of inputs
	erases  bool              // a member was erased: what others were granted for that one's events has no source any more
	whole   map[string]bool   // topics that hold all that was ever written to them
	grants  map[string]*grant // by grant_id
	members map[string]*member
	counts  Counts
	checks  []*Check
	most    int // differences that are kept
}

// input is what is known of one.
type input struct {
	Input
	answers   int
	answered  Place // its first decision or dead letter
	decidedAt time.Time
	letter    bool
}

// grant is what the entries of one come to.
type grant struct {
	member, rule             string
	source                   schemas.Source
	available, pending, tier int64
	revision                 int64
	deduction                bool
	again                    [3]int64 // available, pending, tier, decided again
	first                    Place
}

// member is what is known of one.
type member struct {
	tier       string
	told       bool // of a tier
	last       time.Time
	again      string // tier, decided again
	toldAgain  bool
	ruled      string   // which ruling was asked for that depends on others, and is in no topic; empty: none
	with       []string // whose grants depend on this member's, and the other way round
	incomplete string   // why it cannot be decided again
}

// Counts are the records that were held against each other.
type Counts struct {
	Inputs      int64 `json:"inputs"`
	Unread      int64 `json:"unread"` // inputs that the engine has not read yet
	Decisions   int64 `json:"decisions"`
	DeadLetters int64 `json:"dead_letters"`
	Entries     int64 `json:"entries"`
	TierChanges int64 `json:"tier_changes"`
	Grants      int64 `json:"grants"`
	Members     int64 `json:"members"`
}

// The checks, in the order in which they are reported.
const (
	checkDecisions = iota
	checkEntries
	checkSums
	checkSources
	checkTiers
	checkBudgets
	checkGrants
	checkBalances
	numberOfChecks
)

// New returns an auditor for the versions of a programme. whole are the topics that hold all that was ever written to them; of others
// records may be missing by retention or compaction. Of each check so many differences are kept, all are counted.
func New(versions programme.Versions, whole map[string]bool, most int) *Auditor {
	a := &Auditor{
		versions: versions, whole: whole, most: most, shared: map[string]bool{}, passed: map[passing]bool{}, limited: map[string]bool{},
		inputs: map[Place]*input{}, events: map[string]bool{}, grants: map[string]*grant{}, members: map[string]*member{},
	}
	for _, v := range versions {
		for _, rule := range v.Programme.Rules {
			if rule.Budget != nil {
				a.limited[rule.ID] = true
			}
		}
		for _, threshold := range v.Programme.Fraud {
			if threshold.Measure != 0 && threshold.By != programme.ByMember {
				a.shared[threshold.ID] = true
			}
		}
	}
	for _, check := range checkNames() {
		a.checks = append(a.checks, &Check{Name: check.name, Proves: check.proves, Differences: []string{}})
	}
	return a
}

// differs adds a difference to a check.
func (a *Auditor) differs(check int, format string, args ...any) {
	c := a.checks[check]
	c.Found++
	if len(c.Differences) < a.most {
		c.Differences = append(c.Differences, fmt.Sprintf(format, args...))
	}
}

func (a *Auditor) member(name string) *member {
	m := a.members[name]
	if m == nil {
		m = &member{}
		a.members[name] = m
	}
	return m
}

// Input takes a record of an input topic. All inputs come before the first output.
func (a *Auditor) Input(in Input) {
	a.counts.Inputs++
	if in.Unread {
		a.counts.Unread++
	}
	a.inputs[in.Place] = &input{Input: in}
	a.erases = a.erases || in.Erases
	if in.EventID != "" {
		a.events[in.EventID] = true
	}
	if in.Member != "" {
		a.member(in.Member)
	}
}

// Decision takes a record of the decisions, those of a member in their order.
func (a *Auditor) Decision(at Place, d *schemas.Decision) {
	a.counts.Decisions++
	in := a.answer(at, Place{d.Source.Topic, d.Source.Partition, d.Source.Offset}, "decision of event "+d.EventID)
	m := a.member(d.MemberID)
	for i := range d.Verdicts {
		a.budgeted(m, d.Verdicts[i].RuleID)
	}
	if in == nil {
		if m.incomplete == "" {
			m.incomplete = fmt.Sprintf("the input of event %s is not on its topic any more", d.EventID)
		}
		return
	}
	if in.answers > 1 {
		return
	}
	if in.decidedAt = d.DecidedAt; in.Member != d.MemberID || in.EventID != d.EventID && in.EventID != "" {
		a.differs(checkDecisions, "%s: the decision is of event %s of member %q, its input %s of event %s of %q", at, d.EventID, d.MemberID, in.Place, in.EventID, in.Member)
	}
	a.order = append(a.order, in)
}

// DeadLetter takes a dead letter, by the place of the input that it is of.
func (a *Auditor) DeadLetter(at, of Place) {
	a.counts.DeadLetters++
	if in := a.answer(at, of, "dead letter"); in != nil {
		in.letter = true
	}
}

// answer enters a decision or dead letter at its input, and returns that; nil: there is none.
func (a *Auditor) answer(at, of Place, what string) *input {
	a.checks[checkDecisions].Held++
	in := a.inputs[of]
	if in == nil {
		if a.whole[of.Topic] {
			a.differs(checkDecisions, "%s: the %s names %s as its input, where there is none", at, what, of)
		}
		return nil
	}
	if in.answers++; in.answers > 1 {
		a.differs(checkDecisions, "%s: the %s is a second answer to the input %s, which has one at %s", at, what, of, in.answered)
		return in
	}
	in.answered = at
	return in
}

// TierChange takes a change of tier, those of a member in their order.
func (a *Auditor) TierChange(at Place, c *schemas.TierChange) {
	a.counts.TierChanges++
	a.checks[checkTiers].Held++
	m := a.member(c.MemberID)
	if before := m.standing(a.versions); m.told && before != c.From || !m.told && a.isLater(c.From) {
		a.differs(checkTiers, "%s: member %q goes from %s to %s, and was %s before", at, c.MemberID, c.From, c.To, before)
	}
	m.tier, m.told = c.To, true
	m.seen(c.EffectiveAt)
}

// isLater says that a level is the first one in no version: nobody begins there.
func (a *Auditor) isLater(level string) bool {
	return !slices.ContainsFunc(a.versions, func(v programme.Version) bool {
		return v.Programme.Tiers != nil && v.Programme.Tiers.Levels[0].ID == level
	})
}

// standing is the tier that was told last, or the first level.
func (m *member) standing(versions programme.Versions) string {
	if m.told {
		return m.tier
	}
	if last := versions[len(versions)-1].Programme; last.Tiers != nil {
		return last.Tiers.Levels[0].ID
	}
	return ""
}

// seen takes note that something of the member has been decided up to an instant.
func (m *member) seen(at time.Time) {
	if at.After(m.last) {
		m.last = at
	}
}

// Again is one input that is to be decided again.
type Again struct {
	Place  Place
	Record any
	Now    time.Time // when the engine decided it
}

// Order returns the inputs to decide again, in the order in which the engine did: that of the decisions of a partition, between
// partitions by decided_at.
func (a *Auditor) Order() []Again {
	lanes := map[Place][]*input{}
	var keys []Place
	for _, in := range a.order {
		key := Place{in.answered.Topic, in.answered.Partition, 0}
		if lanes[key] == nil {
			keys = append(keys, key)
		}
		lanes[key] = append(lanes[key], in)
	}
	slices.SortFunc(keys, func(x, y Place) int { return int(x.Partition - y.Partition) })
	all := make([]Again, 0, len(a.order))
	for len(all) < len(a.order) {
		first := -1
		for i, key := range keys {
			if len(lanes[key]) > 0 && (first < 0 || lanes[key][0].decidedAt.Before(lanes[keys[first]][0].decidedAt)) {
				first = i
			}
		}
		in := lanes[keys[first]][0]
		lanes[keys[first]] = lanes[keys[first]][1:]
		all = append(all, Again{in.Place, in.Record, in.decidedAt})
	}
	return all
}

// Until are the members, in order, each with the instant up to which time is to decide: asOf, or, where that is zero or earlier, up
// to which the engine has let time decide, as far as the member's records tell.
func (a *Auditor) Until(asOf time.Time) []MemberTime {
	var all []MemberTime
	for name, m := range a.members {
		at := asOf
		if m.last.After(at) {
			at = m.last
		}
		if !at.IsZero() {
			all = append(all, MemberTime{name, at})
		}
	}
	slices.SortFunc(all, func(x, y MemberTime) int { return strings.Compare(x.Member, y.Member) })
	return all
}

// MemberTime is an instant of a member.
type MemberTime struct {
	Member string
	At     time.Time
}

// Recomputed takes an answer of the replay.
func (a *Auditor) Recomputed(o *rules.Outcome) {
	for i := range o.Entries {
		e := &o.Entries[i]
		g := a.grants[e.GrantID]
		if g == nil {
			g = &grant{member: e.MemberID, rule: e.RuleID, source: e.Source}
			a.grants[e.GrantID] = g
		}
		g.again[0] += e.AvailableDelta
		g.again[1] += e.PendingDelta
		g.again[2] += e.TierDelta
		a.budgeted(a.member(e.MemberID), e.RuleID)
	}
	for i := range o.TierChanges {
		m := a.member(o.TierChanges[i].MemberID)
		m.again, m.toldAgain = o.TierChanges[i].To, true
	}
}
