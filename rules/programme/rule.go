package programme

import "slices"

// The words of rules: what this version reads, and what only the grammar has.
//
//nolint:gochecknoglobals // never changed
var (
	ruleKeys = []string{
		"id", "title", "on", "when", "lines", "from", "to", "earn", "boost", "group", "each", "limit", "mode", "counts", "hold",
	}
	laterRuleKeys = []string{"after", "chance", "budget", "queue", "expiry", "campaign"}
	triggerWords  = []string{"order", "check_in"}
	laterTriggers = []string{"referral", "joined", "birthday", "tier_up"}
	laterEarnKeys = []string{"random", "referrer", "referee"}
	periodWords   = []string{"day", "week", "month", "year", "ever"}
	edgeWords     = []string{"cut", "drop", "finish"}
)

// Bounds on lists, far above what a programme needs.
const (
	mostRules  = 10_000
	mostLimits = 20
	mostNamed  = 1000
)

// rules reads the rules of all files, in order.
func (p *programmeParser) rules() {
	var items []*node
	for _, list := range p.lists {
		if list.kind == nullNode {
			continue // reported as a key without a value
		}
		items = append(items, p.list(list, "`rules`", brokenNode)...)
	}
	if len(items) > mostRules {
		p.fail(items[mostRules].pos, "the programme has %d rules; at most %d are read", len(items), mostRules)
		return
	}
	p.compiler = newCompiler(p.out.Currency, p.out.Scale, p.levelIDs(), p.report)
	for _, item := range items {
		p.rule(item)
	}
}

// rule reads one rule. It stands in the list even where it is broken, so that other rules may name it.
func (p *programmeParser) rule(n *node) {
	f, ok := p.mapping(n, "a rule", ruleKeys, laterRuleKeys)
	if !ok {
		return
	}
	before := len(p.problems)
	rule := &Rule{Pos: n.pos}
	read := &ruleRead{rule: rule, fields: f}
	p.read = append(p.read, read)
	p.out.Rules = append(p.out.Rules, rule)
	p.identity(read)
	later := p.trigger(read)
	p.span(read)
	if !later {
		p.amounts(read)
	}
	if rule.On != 0 {
		p.conditions(read)
	}
	if n := f.get("group"); n != nil {
		rule.Group = p.name(n, "`group`")
	}
	if n := f.get("limit"); n != nil {
		rule.Limits = p.limits(n, "`limit`")
	}
	if n := f.get("mode"); n != nil {
		i, _ := p.choice(n, "`mode`", []string{"live", "shadow", "off"}, nil)
		rule.Mode = Mode(i)
	}
	if n := f.get("counts"); n != nil {
		i, _ := p.choice(n, "`counts`", []string{"both", "balance", "tier"}, nil)
		rule.Counts = Counts(i)
	}
	if n := f.get("hold"); n != nil {
		p.hold(n, rule)
	}
	read.complete = len(p.problems) == before
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

// trigger reads `on`. true: it is one of a later version, whose rules look otherwise.
func (p *programmeParser) trigger(read *ruleRead) bool {
	n := read.fields.get("on")
	if n == nil {
		if !read.fields.has("on") {
			p.fail(read.rule.Pos, "a rule needs `on`: %s", oneOf(triggerWords))
		}
		return false
	}
	if i, ok := p.choice(n, "`on`", triggerWords, laterTriggers); ok {
		read.rule.On = []Trigger{OnOrder, OnCheckIn}[i]
	}
	return slices.Contains(laterTriggers, n.text)
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

// amounts reads what the rule gives, and how often.
func (p *programmeParser) amounts(read *ruleRead) {
	f := read.fields
	switch {
	case f.has("earn") && f.has("boost"):
		p.fail(f.at("boost"), "a rule has either `earn` or `boost`, not both")
	case !f.has("earn") && !f.has("boost"):
		p.fail(read.rule.Pos, "a rule needs `earn` or `boost`")
	}
	if n := f.get("earn"); n != nil {
		p.earn(n, read)
	}
	if n := f.get("boost"); n != nil {
		p.boost(n, read)
	}
	if n := f.get("each"); n != nil {
		p.each(n, read)
	}
}

func (p *programmeParser) earn(n *node, read *ruleRead) {
	f, ok := p.mapping(n, "`earn`", []string{"points", "per", "rate"}, laterEarnKeys)
	if !ok {
		return
	}
	earn := &Earn{}
	read.rule.Earn = earn
	if points := f.get("points"); points != nil {
		earn.Points = p.whole(points, "`points`")
	}
	if per := f.get("per"); per != nil {
		earn.Per = p.amount(per, "`per`")
	}
	if rate := f.get("rate"); rate != nil {
		if text, ok := p.scalar(rate, "`rate`"); ok {
			value, wrong := parseRate(text)
			if wrong != nil {
				p.invalid(rate, wrong)
			}
			earn.Rate = value
		}
	}
	for _, key := range []string{"per", "rate"} {
		if f.has(key) && read.rule.On == OnCheckIn {
			p.fail(f.at(key), "`%s` needs an amount: a check_in has none", key)
		}
	}
	later := false
	for _, key := range laterEarnKeys {
		later = later || f.has(key)
	}
	switch {
	case f.has("rate") && f.has("points"):
		p.fail(f.at("rate"), "`earn` has either `points` or `rate`, not both")
	case f.has("rate") && f.has("per"):
		p.fail(f.at("per"), "`per` goes with `points`, not with `rate`")
	case f.has("per") && !f.has("points"):
		p.fail(f.at("per"), "`per` needs `points`: how many for each")
	case !f.has("rate") && !f.has("points") && !later:
		p.fail(n.pos, "`earn` needs `points` or `rate`")
	}
}

func (p *programmeParser) boost(n *node, read *ruleRead) {
	f, ok := p.mapping(n, "`boost`", []string{"of", "by"}, nil)
	if !ok {
		return
	}
	read.rule.Boost = &Boost{}
	for _, key := range []string{"of", "by"} {
		if !f.has(key) {
			p.fail(n.pos, "`boost` needs `%s`", key)
		}
	}
	if of := f.get("of"); of != nil {
		read.named = p.list(of, "`of`", scalarNode)
		if len(read.named) == 0 && of.kind == listNode {
			p.fail(of.pos, "`of` is empty: the boost is of no rule")
		}
		if len(read.named) > mostNamed {
			p.fail(of.pos, "`of` names %d rules; at most %d are read", len(read.named), mostNamed)
			read.named = nil
		}
	}
	if by := f.get("by"); by != nil {
		if text, ok := p.scalar(by, "`by`"); ok {
			value, wrong := parsePercent(text)
			if wrong != nil {
				p.suggest(by.pos, wrong.hint, "`by`: %s", wrong.message)
			}
			read.rule.Boost.By = value
		}
	}
}

func (p *programmeParser) each(n *node, read *ruleRead) {
	f, ok := p.mapping(n, "`each`", []string{"orders", "spend", "streak", "within"}, nil)
	if !ok {
		return
	}
	each := &Each{}
	read.rule.Each = each
	if orders := f.get("orders"); orders != nil {
		each.Orders = p.whole(orders, "`orders`")
	}
	if spend := f.get("spend"); spend != nil {
		each.Spend = p.amount(spend, "`spend`")
	}
	if streak := f.get("streak"); streak != nil {
		each.Streak = p.whole(streak, "`streak`")
	}
	if within := f.get("within"); within != nil {
		each.Within, _ = p.duration(within, "`within`")
	}
	p.eachKind(n, f, read)
	switch {
	case read.fields.has("boost"):
		p.fail(read.fields.at("each"), "`each` goes with `earn`, not with `boost`")
	case read.rule.Earn != nil && (read.rule.Earn.Per != 0 || read.rule.Earn.Rate.Den != 0):
		p.fail(read.fields.at("each"), "`each` repeats flat `points`: not with `per` or `rate`")
	}
	if read.fields.has("group") {
		p.fail(read.fields.at("group"), "a rule with `each` cannot be in a `group`")
	}
}

func (p *programmeParser) eachKind(n *node, f fields, read *ruleRead) {
	var kinds []string
	for _, key := range []string{"orders", "spend", "streak"} {
		if f.has(key) {
			kinds = append(kinds, key)
		}
	}
	switch {
	case len(kinds) == 0:
		p.fail(n.pos, "`each` needs `orders`, `spend` or `streak`")
	case len(kinds) > 1:
		p.fail(f.at(kinds[1]), "`each` has one of `orders`, `spend` and `streak`, not several")
	case kinds[0] == "streak" && f.has("within"):
		p.fail(f.at("within"), "`within` does not go with `streak`: its days follow each other")
	}
	for _, kind := range kinds {
		wants := OnOrder
		if kind == "streak" {
			wants = OnCheckIn
		}
		if read.rule.On != 0 && read.rule.On != wants {
			p.fail(f.at(kind), "`each: %s` counts only in a rule `on: %s`", kind, triggerWords[wants-1])
		}
	}
}

func (p *programmeParser) hold(n *node, rule *Rule) {
	if n.kind == mapNode {
		known := []string{"until", "within", "else"}
		f, _ := p.mapping(n, "`hold`", known, nil)
		for _, key := range known {
			if f.has(key) {
				p.unsupported(n.pos, "hold: {until: ...}")
				return
			}
		}
		return
	}
	if n.kind == scalarNode && n.text == "review" {
		p.unsupported(n.pos, "hold: review")
		return
	}
	rule.Hold, _ = p.duration(n, "`hold`")
}

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
		limits = append(limits, limit)
	}
	return limits
}

func (p *programmeParser) limit(n *node) (Limit, bool) {
	f, ok := p.mapping(n, "a limit", []string{"times", "points", "per", "edge"}, nil)
	if !ok {
		return Limit{}, false
	}
	before := len(p.problems)
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
	if times := f.get("times"); times != nil {
		limit.Times = p.whole(times, "`times`")
	}
	if points := f.get("points"); points != nil {
		limit.Points = p.whole(points, "`points`")
	}
	if per := f.get("per"); per != nil {
		if i, ok := p.choice(per, "`per`", periodWords, nil); ok {
			limit.Per = PerDay + Period(i)
		}
	}
	if edge := f.get("edge"); edge != nil {
		i, _ := p.choice(edge, "`edge`", edgeWords, nil)
		limit.Edge = Edge(i)
	}
	return limit, len(p.problems) == before && limit.Per != 0 && limit.Times+limit.Points > 0
}

// conditions compiles `when` and `lines`.
func (p *programmeParser) conditions(read *ruleRead) {
	rule := read.rule
	if n := read.fields.get("when"); n != nil {
		if text, ok := p.scalar(n, "`when`"); ok {
			rule.When = p.compiler.compile(text, n.places(), rule.On, false)
		}
	}
	n := read.fields.get("lines")
	switch {
	case n == nil:
	case rule.On != OnOrder:
		p.fail(read.fields.at("lines"), "`lines` goes with `on: order` only")
	default:
		if read.rule.Boost != nil {
			p.warn(read.fields.at("lines"), "`lines` of a boost only says when it holds: it is of all points of the rules it names")
		}
		if text, ok := p.scalar(n, "`lines`"); ok {
			rule.Lines = p.compiler.compile(text, n.places(), rule.On, true)
		}
	}
}
