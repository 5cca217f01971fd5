package programme

// Bounds on lists, far above what a programme needs.
const (
	mostRules  = 10_000
	mostLimits = 20
	mostNamed  = 1000
)

// listed are the items of a list that may be spread over several files, in order.
func (p *programmeParser) listed(key string) []*node {
	var items []*node
	for _, list := range p.lists[key] {
		if list.kind == nullNode {
			continue // reported as a key without a value
		}
		items = append(items, p.list(list, "`"+key+"`", brokenNode)...)
	}
	return items
}

// rules reads the rules of all files, in order.
func (p *programmeParser) rules() {
	items := p.listed("rules")
	if len(items) > mostRules {
		p.fail(items[mostRules].pos, "the programme has %d rules; at most %d are read", len(items), mostRules)
		return
	}
	for _, item := range items {
		p.rule(item)
	}
	p.boosts() // what a boost is of says when it earns, and so what its condition sees
	for _, read := range p.read {
		p.terms(read)
	}
}

// rule reads of one rule what it listens to and what it gives. It stands in the list even where it is broken, so that other rules
// may name it.
func (p *programmeParser) rule(n *node) {
	before := p.errors
	f, ok := p.mapping(n, &ruleShape)
	if !ok {
		return
	}
	rule := &Rule{Pos: n.pos}
	read := &ruleRead{rule: rule, fields: f}
	p.read = append(p.read, read)
	p.out.Rules = append(p.out.Rules, rule)
	p.identity(read)
	p.trigger(read)
	p.span(read)
	p.amounts(read)
	if i, ok := p.word(f, "mode"); ok {
		rule.Mode = Mode(i)
	}
	read.complete = p.errors == before
}

// terms reads the rest of a rule: on what terms it gives.
func (p *programmeParser) terms(read *ruleRead) {
	before, f, rule := p.errors, read.fields, read.rule
	// When a boost of referrals earns is not known where the rules that it names are not.
	if rule.On != 0 && (rule.On != OnReferral || rule.Boost == nil || rule.After != 0) {
		p.conditions(read)
	}
	if n := f.get("group"); n != nil {
		rule.Group = p.name(n, "`group`")
	}
	rule.Chance = p.chance(f)
	if n := f.get("limit"); n != nil {
		rule.Limits = p.limits(n, "`limit`")
	}
	rule.Budget = p.budget(f)
	if i, ok := p.word(f, "counts"); ok {
		rule.Counts = Counts(i)
	}
	p.hold(read)
	rule.Expiry = p.expiry(f)
	if n := f.get("campaign"); n != nil {
		rule.Campaign, _ = p.title(n, "`campaign`")
	}
	read.complete = read.complete && p.errors == before
}

func (p *programmeParser) identity(read *ruleRead) {
	if n := read.fields.get("id"); n != nil {
		read.rule.ID = p.name(n, "`id`")
	} else if !read.fields.has("id") {
		p.fail(read.rule.Pos, "a rule needs an `id`")
	}
	read.rule.Title = read.rule.ID
	if n := read.fields.get("title"); n != nil {
		if title, ok := p.title(n, "`title`"); ok && title != "" {
			read.rule.Title = title
		}
	}
}

// trigger reads what the rule listens to, and when.
func (p *programmeParser) trigger(read *ruleRead) {
	f, rule := read.fields, read.rule
	if !f.has("on") {
		p.fail(rule.Pos, "a rule needs `on`: %s", oneOf(triggerWords))
	}
	if i, ok := p.word(f, "on"); ok {
		rule.On = OnOrder + Trigger(i)
	}
	if i, ok := p.word(f, "after"); ok {
		rule.After = AfterJoined + After(i)
	}
	switch {
	case f.has("after") && rule.On != 0 && rule.On != OnReferral:
		p.fail(f.at("after"), "`after` goes with `on: referral` only")
	case rule.On == OnReferral && !f.has("after") && !f.has("boost"): // a boost earns when the rules do that it names
		p.fail(rule.Pos, "a rule `on: referral` needs `after`: %s", oneOf(afterWords))
	}
}

func (p *programmeParser) span(read *ruleRead) {
	for _, key := range []string{"from", "to"} {
		n := read.fields.get(key)
		if n == nil {
			continue
		}
		text, ok := p.scalar(n, "`"+key+"`")
		if !ok {
			continue
		}
		t, wrong := parseTime(text, p.out.Zone)
		switch {
		case wrong != nil:
			p.suggest(n.pos, wrong.hint, "`%s`: %s", key, wrong.message)
		case key == "from":
			read.rule.From = t
		default:
			read.rule.To = t
		}
	}
	from, to := read.rule.From, read.rule.To
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		p.fail(read.fields.found["to"].value.pos, "`to` must be later than `from`: the rule never holds (`to` itself is not included)")
	}
}

// conditions compiles `when` and `lines`.
func (p *programmeParser) conditions(read *ruleRead) {
	rule := read.rule
	sees := sight(rule.On, rule.After)
	rule.When = p.condition(read.fields, "when", sees)
	switch {
	case read.fields.get("lines") == nil:
	case rule.On != OnOrder:
		p.fail(read.fields.at("lines"), "`lines` goes with `on: order` only")
	default:
		if read.rule.Boost != nil {
			p.warn(read.fields.at("lines"), "`lines` of a boost only says when it holds: it is of all points of the rules it names")
		}
		rule.Lines = p.condition(read.fields, "lines", sees|inLines)
	}
}

// condition compiles the condition at a key; nil: there is none, or why not has been reported.
func (p *programmeParser) condition(f fields, key string, sees int) *Condition {
	n := f.get(key)
	if n == nil {
		return nil
	}
	text, ok := p.scalar(n, "`"+key+"`")
	if !ok {
		return nil
	}
	c := p.compiler.compile(text, n.places(), sees)
	switch {
	case c == nil:
	case c.reach.never && c.reach.why != "":
		p.fail(n.pos, "the condition never holds: %s", c.reach.why)
	case c.reach.never:
		p.fail(n.pos, "the condition never holds")
	case c.reach.always:
		p.warn(n.pos, "the condition always holds: it says nothing")
	}
	return c
}
