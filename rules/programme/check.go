package programme

import (
	"slices"

	"accrue/schemas"
)

// boosts finds the rules that boosts are of, by their ids.
func (p *programmeParser) boosts() {
	p.byID = map[string]int{}
	for i, read := range p.read {
		id := read.rule.ID
		if id == "" {
			continue
		}
		if first, twice := p.byID[id]; twice {
			at := p.read[first].fields.found["id"].value.pos
			n := read.fields.found["id"].value
			p.fail(n.pos, "duplicate rule id %q, first in %s", id, placeOf(at, n.pos))
			read.complete = false
			continue
		}
		p.byID[id] = i
	}
	for i, read := range p.read {
		if read.rule.Boost != nil {
			p.boostOf(i, read)
		}
	}
}

// check looks at the rules together: groups, and ids that thresholds have, too.
func (p *programmeParser) check() {
	p.groups()
	p.guardIDs(p.byID)
}

// guardIDs checks the ids of thresholds. They are named in alerts, where one that a rule has too would be mistaken for it.
func (p *programmeParser) guardIDs(rules map[string]int) {
	first := map[string]Position{}
	for _, read := range p.guards {
		id := read.threshold.ID
		if id == "" {
			continue
		}
		n := read.fields.found["id"].value
		if at, twice := first[id]; twice {
			p.fail(n.pos, "duplicate threshold id %q, first in %s", id, placeOf(at, n.pos))
			continue
		}
		first[id] = n.pos
		if i, ok := rules[id]; ok {
			p.warn(n.pos, "%q is a rule too, in %s: call one of them otherwise", id, placeOf(p.read[i].rule.Pos, n.pos))
		}
	}
}

// boostOf resolves what a boost is of. It turns the names into indices.
func (p *programmeParser) boostOf(self int, read *ruleRead) {
	boost := read.rule.Boost
	for _, n := range read.named {
		name, ok := p.scalar(n, "`of`")
		if !ok {
			continue
		}
		i, ok := p.byID[name]
		if !ok {
			p.suggest(n.pos, schemas.Nearest(name, p.earningIDs()), "`of` names an unknown rule %q", shorten(name))
			continue
		}
		named := p.read[i]
		switch {
		case i == self:
			p.fail(n.pos, "a boost cannot be of itself")
		case named.fields.has("boost"):
			p.fail(n.pos, "a boost is of earning rules; %q is a boost", name)
		case named.rule.On != read.rule.On && named.rule.On != 0 && read.rule.On != 0:
			p.fail(n.pos, "%q is a rule `on: %s`, this one is `on: %s`", name, named.rule.On, read.rule.On)
		case p.boostAfter(read, named) != named.rule.After:
			p.fail(n.pos, "%q earns `after: %s`, this boost `after: %s`: write a boost for each of the two", name, named.rule.After, read.rule.After)
		case slices.Contains(boost.Of, i):
			p.fail(n.pos, "`of` names %q twice", name)
		case named.rule.Mode != Live && read.rule.Mode == Live:
			p.warn(n.pos, "%q is not live: it takes no part in the boost", name)
		}
		boost.Of = append(boost.Of, i)
	}
	slices.Sort(boost.Of)
}

// boostAfter is when a boost of referrals earns: as the first rule does that it names, unless it says so itself.
func (p *programmeParser) boostAfter(read, named *ruleRead) After {
	if read.rule.After == 0 && !read.fields.has("after") {
		read.rule.After = named.rule.After
	}
	if read.rule.After == 0 || named.rule.After == 0 { // one of them is wrong, which has been told
		return named.rule.After
	}
	return read.rule.After
}

// givesReferrer says whether a rule on referrals gives anything to who invited.
func (p *programmeParser) givesReferrer(rule *Rule) bool {
	if rule.Boost == nil {
		return rule.Earn != nil && rule.Earn.Referrer != 0
	}
	return slices.ContainsFunc(rule.Boost.Of, func(i int) bool {
		earn := p.out.Rules[i].Earn
		return earn != nil && earn.Referrer != 0
	})
}

// earningIDs are the ids that a boost may name, in file order.
func (p *programmeParser) earningIDs() []string {
	var ids []string
	for _, read := range p.read {
		if read.rule.ID != "" && !read.fields.has("boost") {
			ids = append(ids, read.rule.ID)
		}
	}
	return ids
}

// groups checks that the rules of a group can be compared.
func (p *programmeParser) groups() {
	first := map[string]*ruleRead{}
	for _, read := range p.read {
		group := read.rule.Group
		if group == "" {
			continue
		}
		at := read.fields.at("group")
		if read.rule.Mode == Shadow {
			p.warn(at, "the rule is `mode: shadow`: it takes no part in the group")
		}
		other, ok := first[group]
		if !ok {
			first[group] = read
			continue
		}
		boosts, otherBoosts := read.fields.has("boost"), other.fields.has("boost")
		known := (read.fields.has("earn") || boosts) && (other.fields.has("earn") || otherBoosts)
		if known && boosts != otherBoosts {
			p.fail(at, "group %q holds earning rules and boosts; a group holds one kind", group)
		}
	}
}
