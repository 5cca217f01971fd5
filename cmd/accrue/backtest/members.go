package backtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// member is what is kept of one.
type member struct {
	balance, pending int64 // of the whole history, less what was spent
	net              int64 // of the period: granted less reversed
	granted, expired int64 // likewise
	rules            []credit
	tier, start      int // rows of Collector.tiers: now, and when the period began
	segments         int // of segmentSets
	profiledAt       time.Time
}

// credit is what one rule has given a member in the period, net.
type credit struct {
	rule   int // of Collector.rules
	points int64
	given  bool // ever anything
}

// memberOf is the member whose account an answer is of, made if it is new; nil where it is of a key that many share.
func (c *Collector) memberOf(event *rules.Event, o *rules.Outcome) *member {
	name := c.nameOf(event, o)
	if name == "" {
		return nil
	}
	return c.member(name)
}

func (c *Collector) member(name string) *member {
	m := c.members[name]
	if m == nil {
		m = &member{}
		c.members[strings.Clone(name)] = m
		c.sets.of(&c.segments, nil)
	}
	return m
}

func (c *Collector) nameOf(event *rules.Event, o *rules.Outcome) string {
	switch {
	case event != nil:
		return event.Member()
	case o.Decision != nil:
		return o.Decision.MemberID
	case len(o.Entries) > 0:
		return o.Entries[0].MemberID
	case len(o.TierChanges) > 0:
		return o.TierChanges[0].MemberID
	}
	return ""
}

// credit adds an entry of the period to what the member has got.
func (c *Collector) credit(m *member, rule int, e *schemas.PointGrant, p parts) {
	c.add(&m.net, p.Net())
	c.add(&m.granted, p.Granted)
	c.add(&m.expired, p.Expired)
	i, found := slices.BinarySearchFunc(m.rules, rule, func(have credit, rule int) int { return have.rule - rule })
	if !found {
		m.rules = slices.Insert(m.rules, i, credit{rule: rule})
	}
	c.add(&m.rules[i].points, p.Net())
	m.rules[i].given = m.rules[i].given || p.Granted > 0 || e.TierDelta > 0
}

func (c *Collector) tierChange(m *member, change *schemas.TierChange) {
	m.tier = c.tiers.number(change.To)
	if change.EffectiveAt.Before(c.o.Since) {
		m.start = m.tier
		return
	}
	c.changes++
}

// spent sees by the engine's own bookkeeping what a member has spent, or was given back of it: that is no entry.
func (c *Collector) spent(m *member, name string) error {
	points, err := c.o.Points(name)
	if err != nil {
		return fmt.Errorf("look at the balance of member %q: %w", name, err)
	}
	if spent := m.balance - points; spent != 0 {
		m.balance = points
		c.add(&c.month(c.at).spent, spent)
	}
	return nil
}

// profile takes note of the segments that a profile says; the newest by occurred_at holds.
func (c *Collector) profile(event *rules.Event) {
	m := c.memberOf(event, nil)
	if event.OccurredAt().Before(m.profiledAt) {
		return
	}
	m.profiledAt = event.OccurredAt()
	m.segments = c.sets.of(&c.segments, event.Profile.Segments)
}

// segmentSets are the sets of segments that members are in, each kept once. The first is that of nobody's segments.
type segmentSets struct {
	index map[string]int
	all   [][]int // rows of Collector.segments
}

func newSegmentSets() segmentSets { return segmentSets{index: map[string]int{}} }

// of is the number of a set. Whoever is in no segment has one without a name, so that sums by segment miss nobody.
func (s *segmentSets) of(names *table, segments []string) int {
	set := slices.Compact(slices.Sorted(slices.Values(segments)))
	var key strings.Builder
	for _, segment := range set {
		key.WriteString(strconv.Itoa(len(segment)) + ":" + segment)
	}
	n, known := s.index[key.String()]
	if known {
		return n
	}
	if len(set) == 0 {
		set = []string{""}
	}
	rows := make([]int, len(set))
	for i, segment := range set {
		rows[i] = names.number(strings.Clone(segment))
	}
	n = len(s.all)
	s.index[key.String()] = n
	s.all = append(s.all, rows)
	return n
}
