package backtest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"accrue/rules/explain"
	"accrue/rules/programme"
)

// Input is what a Report is made of.
type Input struct {
	A, B     *Collector // B: nil without --against
	Examples *Examples  // with B
	From     []string   // files or topics
	AsOf     time.Time  // zero: members were not advanced
	Value    programme.PointValue
	Language explain.Language // of Why
	Records  int64
}

// Build makes the report. The error is ErrTooMany.
func Build(in Input) (*Report, error) {
	r := &Report{Format: FormatVersion, Period: in.period()}
	if !in.Value.IsZero() {
		r.PointValue = in.Value.Text(1, 0)
	}
	for i, c := range in.sides() {
		side := in.side(c)
		side.Name = [...]string{"A", "B"}[i]
		r.Programmes = append(r.Programmes, side)
		if err := c.Failed(); err != nil {
			return nil, err
		}
	}
	if in.B != nil {
		r.Comparison = in.compare(r)
		if in.A.passed {
			return nil, ErrTooMany
		}
	}
	return r, nil
}

func (in *Input) sides() []*Collector {
	if in.B == nil {
		return []*Collector{in.A}
	}
	return []*Collector{in.A, in.B}
}

func (in *Input) period() Period {
	c := in.A
	p := Period{From: in.From, TimeZone: c.o.Zone.String(), Since: instant(c.o.Since), AsOf: instant(in.AsOf), Records: in.Records, Unreadable: []DeadLetter{}}
	p.Unreadable = append(p.Unreadable, c.letters...)
	first, last := c.first, c.newest
	if in.B != nil && !in.B.first.IsZero() {
		if first.IsZero() || in.B.first.Before(first) {
			first = in.B.first
		}
		if in.B.newest.After(last) {
			last = in.B.newest
		}
	}
	if first.IsZero() {
		return p
	}
	p.FirstEvent, p.LastEvent = instant(first), instant(last)
	p.Days = int64(programme.DayNumber(last, c.o.Zone)-programme.DayNumber(first, c.o.Zone)) + 1
	return p
}

// instant is a time as RFC 3339; empty for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (in *Input) side(c *Collector) Side {
	s := Side{
		Programme: c.last.ID, Currency: c.last.Currency.Code, Events: c.events + c.dead, DeadLetters: c.dead, Members: int64(len(c.members)),
		TierChanges: c.changes, Outcomes: []OutcomeRow{}, Alerts: []AlertRow{}, Total: in.row(c, "", c.total),
	}
	for i, v := range c.versions {
		text := v.Programme.Version
		if i > 0 {
			text += " from " + instant(v.From)
		}
		s.Versions = append(s.Versions, text)
	}
	for _, outcome := range outcomesInOrder() {
		if n := c.outcomes[outcome]; n > 0 {
			s.Outcomes = append(s.Outcomes, OutcomeRow{string(outcome), n, permille(n, c.events+c.dead)})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(c.alerts), func(a, b alertKey) int {
		return strings.Compare(a.threshold+"\x00"+a.action, b.threshold+"\x00"+b.action)
	}) {
		s.Alerts = append(s.Alerts, AlertRow{key.threshold, key.action, c.alerts[key]})
	}
	earned, holding := make([]int64, len(c.rules.rows)), make([]int64, len(c.tiers.rows))
	for _, m := range c.members {
		holding[m.tier]++
		if m.granted > 0 {
			s.Earning++
		}
		for _, got := range m.rules {
			if got.given {
				earned[got.rule]++
			}
		}
	}
	s.Rules = in.rules(c, earned)
	s.Campaigns = in.named(c, &c.campaigns, slices.Sorted(slices.Values(c.campaigns.names)))
	s.Tiers, s.Migration = []Row{}, c.migration()
	if c.tiered() {
		s.Tiers = in.named(c, &c.tiers, c.levels())
		for i := range s.Tiers {
			if n, known := c.tiers.index[s.Tiers[i].Key]; known {
				s.Tiers[i].Members = holding[n]
			}
		}
	}
	s.Segments = []Row{}
	if len(c.sets.all) > 1 { // somebody is in a segment
		s.Segments = in.named(c, &c.segments, slices.Sorted(slices.Values(c.segments.names)))
	}
	s.Days = make([]Row, 0, len(c.days))
	for _, day := range slices.Sorted(maps.Keys(c.days)) {
		s.Days = append(s.Days, in.row(c, dayText(day), *c.days[day]))
	}
	s.Budgets, s.Months, s.Balances = c.budgetRows(), in.monthRows(c), in.balances(c)
	return s
}

func (in *Input) row(c *Collector, key string, s Sums) Row {
	return Row{
		Key: key, Entries: s.Entries, Granted: s.Granted, Reversed: s.Reversed, Expired: s.Expired, Net: s.Net(),
		Available: s.Available, Pending: s.Pending, TierPoints: s.Tier, Cost: in.cost(c, s.Net()),
	}
}

func (in *Input) cost(c *Collector, points int64) string {
	return in.Value.Text(points, c.last.Currency.Digits)
}

func (in *Input) named(c *Collector, t *table, names []string) []Row {
	rows := make([]Row, 0, len(names))
	for _, name := range names {
		rows = append(rows, in.row(c, name, t.get(name)))
	}
	return rows
}

// rules are the rows of all rules, those of the last version first, in its order.
func (in *Input) rules(c *Collector, earned []int64) []Row {
	names, titles := c.ruleNames()
	rows := in.named(c, &c.rules, names)
	for i := range rows {
		if rows[i].Title = titles[rows[i].Key]; rows[i].Title == rows[i].Key {
			rows[i].Title = ""
		}
		if n, known := c.rules.index[rows[i].Key]; known {
			rows[i].Members = earned[n]
		}
	}
	return rows
}

// ruleNames are the rules of the last version that are not off, in file order, and all others that have given anything.
func (c *Collector) ruleNames() (names []string, titles map[string]string) {
	titles = map[string]string{}
	for _, v := range c.versions {
		for _, rule := range v.Programme.Rules {
			titles[rule.ID] = rule.Title
		}
	}
	for _, rule := range c.last.Rules {
		if rule.Mode != programme.Off {
			names = append(names, rule.ID)
		}
	}
	for _, id := range slices.Sorted(slices.Values(c.rules.names)) {
		if !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	return names, titles
}

// tiered says that one of the versions has tiers.
func (c *Collector) tiered() bool {
	return slices.ContainsFunc(c.versions, func(v programme.Version) bool { return v.Programme.Tiers != nil })
}

// levels are the tiers of the last version in their order, and all others that members have held.
func (c *Collector) levels() []string {
	var names []string
	if c.last.Tiers != nil {
		for i := range c.last.Tiers.Levels {
			names = append(names, c.last.Tiers.Levels[i].ID)
		}
	}
	for _, name := range slices.Sorted(slices.Values(c.tiers.names)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// migration counts members by their tier at the beginning of the period and at the end.
func (c *Collector) migration() *Matrix {
	if !c.tiered() {
		return nil
	}
	levels := c.levels()
	x := newMatrix(levels, levels)
	for _, m := range c.members {
		x.count(c.tiers.names[m.start], c.tiers.names[m.tier])
	}
	return x
}

func newMatrix(from, to []string) *Matrix {
	x := &Matrix{From: from, To: to, Members: make([][]int64, len(from))}
	for i := range x.Members {
		x.Members[i] = make([]int64, len(to))
	}
	return x
}

func (x *Matrix) count(from, to string) {
	x.Members[slices.Index(x.From, from)][slices.Index(x.To, to)]++
}
