package programme

import (
	"slices"

	"accrue/schemas"
)

// hold reads how long the grants of a rule stay pending.
func (p *programmeParser) hold(read *ruleRead) {
	n := read.fields.get("hold")
	switch {
	case n == nil:
	case p.isWord(read.fields, "hold", reviewWord):
		read.rule.Hold.Review = true
	case n.kind == mapNode:
		p.holdUntil(n, read)
	default:
		read.rule.Hold.For, _ = p.duration(read.fields, "hold")
	}
}

// holdUntil reads a hold that ends with a status of the order.
func (p *programmeParser) holdUntil(n *node, read *ruleRead) {
	f, _ := p.mapping(n, &holdShape)
	for _, k := range holdShape.keys {
		if !f.has(k.name) {
			p.fail(n.pos, "`hold` needs `%s`: {until: COMPLETED, within: 30 days, else: reject}", k.name)
		}
	}
	rule := read.rule
	if rule.On != 0 && rule.On != OnOrder && rule.After != AfterFirstOrder && (rule.Boost == nil || rule.After != 0) {
		p.fail(f.at("until"), "`hold: {until: ...}` waits for a status of the order; a rule `on: %s` has none: hold for a time, `hold: 30 days`", rule.On)
	}
	if rule.On == OnReferral && p.givesReferrer(rule) {
		p.fail(f.at("until"), "`hold: {until: ...}` waits for a status of the order, which is not the referrer's: hold both for a time (`hold: 30 days`), or make a rule for the referrer and one for the referee")
	}
	hold := Hold{}
	if i, ok := p.word(f, "until"); ok {
		hold.Until = schemas.OrderStatus(statusWords[i])
		switch earns := slices.Index(statusWords, string(p.out.EarnOn)); {
		case i == earns:
			p.fail(f.found["until"].value.pos, "nothing is ever held: the order earns when it is %s (`earn_on`)", hold.Until)
		case i < earns:
			p.warn(f.found["until"].value.pos, "hardly anything is held: an order is %s before it is %s, when it earns (`earn_on`)",
				hold.Until, p.out.EarnOn)
		}
	}
	hold.Within, _ = p.duration(f, "within")
	if i, ok := p.word(f, "else"); ok {
		hold.Release = elseWords[i] == "release"
	}
	if hold.Until != "" && !hold.Within.IsZero() {
		rule.Hold = hold
	}
}
