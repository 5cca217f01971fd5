package programme

import (
	"fmt"
	"slices"
)

// overlap says that there is an instant at which both rules are in force.
func overlap(a, b *Rule) bool {
	return (a.To.IsZero() || b.From.IsZero() || b.From.Before(a.To)) &&
		(b.To.IsZero() || a.From.IsZero() || a.From.Before(b.To))
}

// overlaps warns about rules for a time whose times overlap: of a group, where only one of them counts then, and of boosts of
// one rule, where both do. Rules that are open at one end are meant to overlap with others.
func (p *programmeParser) overlaps() {
	groups, boosts := map[string][]*ruleRead{}, map[int][]*ruleRead{}
	for _, read := range p.read {
		rule := read.rule
		if !read.complete || rule.Mode != Live || rule.From.IsZero() || rule.To.IsZero() {
			continue
		}
		if rule.Group != "" {
			groups[rule.Group] = append(groups[rule.Group], read)
		} else if rule.Boost != nil {
			for _, i := range rule.Boost.Of {
				boosts[i] = append(boosts[i], read)
			}
		}
	}
	for _, read := range p.read { // not over the maps: problems have an order
		if list := groups[read.rule.Group]; len(list) > 0 && list[0] == read {
			p.overlapping(list, "of the group only the one that gives most counts then")
		}
	}
	for i := range p.read {
		p.overlapping(boosts[i], []string{"both count then, added up", "both count then, one on the other", "only the larger counts then"}[p.out.Stacking])
	}
}

// overlapping warns about each rule that begins before an earlier one has ended.
func (p *programmeParser) overlapping(list []*ruleRead, what string) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *ruleRead) int { return a.rule.From.Compare(b.rule.From) })
	for i, last := 1, 0; i < len(list); i++ {
		rule, latest := list[i].rule, list[last].rule
		if rule.From.Before(latest.To) {
			p.warn(list[i].fields.at("from"), "the time of %q overlaps with that of %q: %s", rule.ID, latest.ID, what)
		}
		if latest.To.Before(rule.To) {
			last = i
		}
	}
}

// copies warns about earning rules that give the same for the same, at the same time.
func (p *programmeParser) copies() {
	first := map[string]*ruleRead{}
	for _, read := range p.read {
		rule := read.rule
		if !read.complete || rule.Mode != Live || rule.Earn == nil || rule.Chance.Den != 0 {
			continue
		}
		key := fmt.Sprintf("%d %d %q %q %+v %+v %d", rule.On, rule.After, sourceOf(rule.When), sourceOf(rule.Lines), *rule.Earn,
			rule.Limits, rule.Counts)
		if rule.Each != nil {
			key += fmt.Sprintf(" %+v", *rule.Each)
		}
		other, ok := first[key]
		if !ok {
			first[key] = read
			continue
		}
		oneOfThem := rule.Group != "" && rule.Group == other.rule.Group
		if overlap(rule, other.rule) && !oneOfThem && rule.ID != other.rule.ID { // a repeated id is an error already
			p.warn(read.fields.at("id"), "%q gives the same for the same as %q in %s: members get both", rule.ID, other.rule.ID,
				placeOf(other.rule.Pos, rule.Pos))
		}
	}
}

func sourceOf(c *Condition) string {
	if c == nil {
		return ""
	}
	return c.Source
}
