package programme

// limits reads one limit or a list of them.
func (p *programmeParser) limits(n *node, what string) []Limit {
	items := p.list(n, what, mapNode)
	if len(items) > mostLimits {
		p.fail(n.pos, "%s has %d limits; at most %d are read", what, len(items), mostLimits)
		return nil
	}
	type kind struct {
		per    Period
		points bool
	}
	seen := map[kind]Limit{}
	var limits []Limit
	var at []Position
	for _, item := range items {
		limit, ok := p.limit(item)
		if !ok {
			continue
		}
		k := kind{limit.Per, limit.Points != 0}
		switch first, twice := seen[k]; {
		case twice && first == limit:
			p.warn(item.pos, "the same limit twice")
		case twice:
			// With an edge of its own each may bind before the other, so this is no error.
			p.warn(item.pos, "a second limit of the same kind per %s: of the two the smaller binds", periodWords[limit.Per-1])
		}
		seen[k] = limit
		limits, at = append(limits, limit), append(at, item.pos)
	}
	p.nested(limits, at)
	return limits
}

func (p *programmeParser) limit(n *node) (Limit, bool) {
	f, ok := p.mapping(n, &limitShape)
	if !ok {
		return Limit{}, false
	}
	before := p.errors
	limit := Limit{}
	switch {
	case f.has("times") && f.has("points"):
		p.fail(f.at("points"), "a limit has either `times` or `points`, not both; a list may hold one of each")
	case !f.has("times") && !f.has("points"):
		p.fail(n.pos, "a limit needs `times` or `points`")
	}
	if !f.has("per") {
		p.fail(n.pos, "a limit needs `per`: %s", oneOf(periodWords))
	}
	limit.Times, limit.Points = p.wholeAt(f, "times"), p.wholeAt(f, "points")
	if i, ok := p.word(f, "per"); ok {
		limit.Per = PerDay + Period(i)
	}
	if i, ok := p.word(f, "edge"); ok {
		limit.Edge = Edge(i)
	}
	return limit, p.errors == before && limit.Per != 0 && limit.Times+limit.Points > 0
}

// budget reads what a rule may give over all members.
func (p *programmeParser) budget(in fields) *Budget {
	n := in.get("budget")
	if n == nil {
		return nil
	}
	b := &Budget{Per: PerEver, Notices: []Ratio{{8, 10}}}
	if n.kind == scalarNode {
		b.Points = p.whole(n, "`budget`")
		return b
	}
	f, ok := p.mapping(n, &budgetShape)
	if !ok {
		return nil
	}
	b.Points = p.wholeAt(f, "points")
	if !f.has("points") {
		p.fail(n.pos, "`budget` needs `points`")
	}
	if i, ok := p.word(f, "per"); ok {
		b.Per = []Period{PerDay, PerMonth}[i]
	}
	b.Queue = p.yesNo(f, "queue")
	if told := p.budgetNotices(f); told != nil {
		b.Notices = told
	}
	return b
}

// budgetNotices reads at which fractions of a budget it is told how much is left.
func (p *programmeParser) budgetNotices(f fields) []Ratio {
	n := f.get("notice")
	if n == nil {
		return nil
	}
	const most = 10
	items := p.list(n, "`notice`", scalarNode)
	if len(items) > most {
		p.fail(n.pos, "`notice` has %d fractions; at most %d are read", len(items), most)
		return nil
	}
	var all []Ratio
	for _, item := range items {
		value, ok := p.percent(item, "`notice`")
		switch {
		case !ok:
		case value.Num > value.Den || value.Num == 0:
			p.fail(item.pos, "`notice` is above 0%% and at most 100%%: %s", item.text)
		default:
			all = append(all, value)
		}
	}
	return all
}

// chance reads how likely it is that a rule gives anything.
func (p *programmeParser) chance(f fields) Ratio {
	n := f.get("chance")
	if n == nil {
		return Ratio{}
	}
	value, ok := p.percent(n, "`chance`")
	if ok && value.Num > value.Den {
		p.fail(n.pos, "`chance` is at most 100%%: %s", n.text)
		return Ratio{}
	}
	return value
}
