package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// summary counts what a run of events came to, for the table at its end.
type summary struct {
	begun    time.Time
	events   int64
	outcomes map[schemas.Outcome]int64
	dead     int64
	points   map[string]*rulePoints
	changes  int64
	tiers    map[string]int64 // members by tier at the end
	standing map[string]string
}

// rulePoints is what one rule granted.
type rulePoints struct{ entries, available, pending, tier int64 }

func newSummary() summary {
	return summary{
		begun: time.Now(), outcomes: map[schemas.Outcome]int64{}, points: map[string]*rulePoints{},
		standing: map[string]string{},
	}
}

func (s *summary) count(o *rules.Outcome) {
	if o.Decision != nil {
		s.events++
		s.outcomes[o.Decision.Outcome]++
	}
	for i := range o.Entries {
		e := &o.Entries[i]
		r := s.points[e.RuleID]
		if r == nil {
			r = &rulePoints{}
			s.points[e.RuleID] = r
		}
		r.entries++
		r.available += e.AvailableDelta
		r.pending += e.PendingDelta
		r.tier += e.TierDelta
	}
	for i := range o.TierChanges {
		s.changes++
		s.standing[o.TierChanges[i].MemberID] = o.TierChanges[i].To
	}
}

// print writes the table.
func (s *summary) print(w io.Writer) {
	took := time.Since(s.begun)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "events\t%d\t\n", s.events+s.dead)
	for _, outcome := range slices.Sorted(maps.Keys(s.outcomes)) {
		fmt.Fprintf(table, "  %s\t%d\t\n", outcome, s.outcomes[outcome])
	}
	if s.dead > 0 {
		fmt.Fprintf(table, "  dead letters\t%d\t\n", s.dead)
	}
	fmt.Fprintf(table, "\t\t\nrule\tentries\tpoints\tpending\ttier points\t\n")
	for _, rule := range slices.Sorted(maps.Keys(s.points)) {
		r := s.points[rule]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", rule, r.entries, r.available, r.pending, r.tier)
	}
	if len(s.tiers) > 0 {
		fmt.Fprintf(table, "\t\t\ntier\tmembers\t\n")
		for _, tier := range slices.Sorted(maps.Keys(s.tiers)) {
			fmt.Fprintf(table, "%s\t%d\t\n", tier, s.tiers[tier])
		}
		fmt.Fprintf(table, "changes\t%d\t\n", s.changes)
	}
	table.Flush() //nolint:errcheck // a summary that cannot be shown is no reason to fail
	rate := int64(0)
	if ms := took.Milliseconds(); ms > 0 {
		rate = (s.events + s.dead) * 1000 / ms
	}
	fmt.Fprintf(w, "%d events in %s, %d a second\n", s.events+s.dead, took.Round(time.Millisecond), rate)
}

// shardTiers counts the members by tier at the end.
func (s *simulation) shardTiers(versions programme.Versions) map[string]int64 {
	last := versions[len(versions)-1].Programme
	if last.Tiers == nil {
		return nil
	}
	tiers := make(map[string]int64)
	for _, member := range s.shard.Members() {
		tier := s.summary.standing[member]
		if tier == "" {
			tier = last.Tiers.Levels[0].ID
		}
		tiers[tier]++
	}
	return tiers
}

// deadLetter writes what the engine would put on the dead-letter topic, as far as JSON can show it.
func (s *simulation) deadLetter(in *input, why string) error {
	const shown = 1000
	raw := strings.ToValidUTF8(string(in.line[:min(len(in.line), shown)]), "\uFFFD")
	number := in.source.Offset
	letter := struct {
		Topic string `json:"topic"`
		Value any    `json:"value"`
	}{schemas.TopicDeadLetters, struct {
		Line   int64  `json:"line"`
		Reason string `json:"reason"`
		Raw    string `json:"raw"`
	}{number + 1, why, raw}}
	text, err := json.Marshal(letter)
	if err != nil {
		return fmt.Errorf("write dead letter of line %d: %w", number+1, err)
	}
	s.summary.dead++
	if _, err := s.out.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
