package programme

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
	f, ok := p.mapping(n, &earnShape)
	if !ok {
		return
	}
	earn := &Earn{}
	read.rule.Earn = earn
	earn.Points, earn.Referrer, earn.Referee = p.wholeAt(f, "points"), p.wholeAt(f, "referrer"), p.wholeAt(f, "referee")
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
	if random := f.get("random"); random != nil {
		earn.Random = p.random(random)
	}
	if read.rule.On == OnReferral {
		p.earnOfReferral(n, f)
	} else {
		p.earnKind(n, f, read.rule.On)
	}
}

// earnKind checks that `earn` says one thing.
func (p *programmeParser) earnKind(n *node, f fields, on Trigger) {
	for _, key := range []string{"per", "rate"} {
		if f.has(key) && on != 0 && on != OnOrder {
			p.fail(f.at(key), "`%s` needs an amount: a %s has none", key, on)
		}
	}
	for _, key := range []string{"referrer", "referee"} {
		if f.has(key) && on != 0 {
			p.fail(f.at(key), "`%s` goes with `on: referral` only", key)
		}
	}
	switch {
	case f.has("random") && (f.has("points") || f.has("per") || f.has("rate")):
		p.fail(f.at("random"), "`earn` has either `random` or `points` or `rate`, not several")
	case f.has("random"):
	case f.has("rate") && f.has("points"):
		p.fail(f.at("rate"), "`earn` has either `points` or `rate`, not both")
	case f.has("rate") && f.has("per"):
		p.fail(f.at("per"), "`per` goes with `points`, not with `rate`")
	case f.has("per") && !f.has("points"):
		p.fail(f.at("per"), "`per` needs `points`: how many for each")
	case !f.has("rate") && !f.has("points") && !f.has("referrer") && !f.has("referee"):
		p.fail(n.pos, "`earn` needs `points`, `rate` or `random`")
	}
}

// earnOfReferral checks that `earn` says who of the two gets what.
func (p *programmeParser) earnOfReferral(n *node, f fields) {
	for _, key := range []string{"points", "per", "rate", "random"} {
		if f.has(key) {
			p.fail(f.at(key), "a rule `on: referral` says who gets the points: `referrer`, `referee` or both, not `%s`", key)
			return
		}
	}
	if !f.has("referrer") && !f.has("referee") {
		p.fail(n.pos, "`earn` needs `referrer`, `referee` or both")
	}
}

func (p *programmeParser) random(n *node) Random {
	f, ok := p.mapping(n, &randomShape)
	if !ok {
		return Random{}
	}
	for _, key := range []string{"from", "to"} {
		if !f.has(key) {
			p.fail(n.pos, "`random` needs `%s`", key)
		}
	}
	r := Random{From: p.wholeAt(f, "from"), To: p.wholeAt(f, "to")}
	if r.From != 0 && r.To != 0 && r.From >= r.To {
		p.fail(f.found["to"].value.pos, "`to` must be more than `from`: for a fixed number write `points`")
		return Random{}
	}
	return r
}

func (p *programmeParser) boost(n *node, read *ruleRead) {
	f, ok := p.mapping(n, &boostShape)
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
		read.rule.Boost.By, _ = p.percent(by, "`by`")
	}
}

func (p *programmeParser) each(n *node, read *ruleRead) {
	f, ok := p.mapping(n, &eachShape)
	if !ok {
		return
	}
	each := &Each{}
	read.rule.Each = each
	each.Orders, each.Streak = p.wholeAt(f, "orders"), p.wholeAt(f, "streak")
	if spend := f.get("spend"); spend != nil {
		each.Spend = p.amount(spend, "`spend`")
	}
	each.Within, _ = p.duration(f, "within")
	p.eachKind(n, f, read)
	switch {
	case read.fields.has("boost"):
		p.fail(read.fields.at("each"), "`each` goes with `earn`, not with `boost`")
	case read.rule.Earn != nil && (read.rule.Earn.Per != 0 || read.rule.Earn.Rate.Den != 0 || read.rule.Earn.Random.To != 0):
		p.fail(read.fields.at("each"), "`each` repeats flat `points`: not with `per`, `rate` or `random`")
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
			p.fail(f.at(kind), "`each: %s` counts only in a rule `on: %s`", kind, wants)
		}
	}
}
