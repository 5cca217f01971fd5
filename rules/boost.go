package rules

import "accrue/rules/programme"

// takesPart says whether a candidate competes in groups and feeds boosts: a shadow rule does neither.
func (c *candidate) takesPart() bool { return c.met && c.rule.Mode == programme.Live }

// bestOfGroups leaves of each group only the rule that gives most, compared before stacking; of equals the first in the
// file. It looks at earning rules or at boosts, as a group holds one of the two.
func bestOfGroups(cands []candidate, boosts bool) {
	for i := range cands {
		c := &cands[i]
		if c.rule.Group == "" || (c.rule.Boost != nil) != boosts || !c.takesPart() || c.amount.isZero() {
			continue
		}
		for j := range cands {
			other := &cands[j]
			if i == j || other.rule.Group != c.rule.Group || !other.takesPart() || other.why.kind == lostInGroup {
				continue
			}
			order := other.amount.compare(c.amount)
			if order > 0 || order == 0 && j < i {
				c.why.kind = lostInGroup
				break
			}
		}
	}
	for i := range cands { // only now, so that each was compared with what the others give
		c := &cands[i]
		if c.why.kind == lostInGroup && (c.rule.Boost != nil) == boosts {
			c.amount, c.parts = exact{}, 0
		}
	}
}

// boost works out the exact points of the boosts that are met, from the exact points of the rules that they name after
// condition and group.
func boost(cands []candidate, p *programme.Programme) {
	var any bool
	for i := range cands {
		c := &cands[i]
		if c.rule.Boost == nil || !c.met {
			continue
		}
		any = true
		for _, of := range c.rule.Boost.Of {
			if base, ok := baseOf(cands, of); ok {
				c.amount = c.amount.plus(base.times(c.rule.Boost.By.Num, c.rule.Boost.By.Den))
			}
		}
		if c.amount.isZero() {
			c.why.kind = nothingBoosts
		}
	}
	if !any {
		return
	}
	bestOfGroups(cands, true)
	switch p.Stacking {
	case programme.Add: // each on the base, as it stands
	case programme.Multiply:
		multiply(cands)
	case programme.Best:
		onlyBest(cands)
	}
}

// baseOf is what a rule gives before rounding and limits; false where it gives nothing, or takes no part.
func baseOf(cands []candidate, rule int) (exact, bool) {
	for i := range cands {
		c := &cands[i]
		if c.index == rule && c.takesPart() && !c.amount.isZero() && c.parts > 0 {
			return c.amount.times(c.parts, 1), true
		}
	}
	return exact{}, false
}

// multiply lets each boost work on what stands after the boosts before it, for each rule that it names.
func multiply(cands []candidate) {
	var few [32]exact
	sums := append(few[:0], make([]exact, len(cands))...)
	for i := range cands {
		base, ok := baseOf(cands, cands[i].index)
		if !ok || cands[i].rule.Boost != nil {
			continue
		}
		stands := base
		for j := range cands {
			b := &cands[j]
			if b.rule.Boost == nil || !b.takesPart() || b.amount.isZero() || !names(b.rule.Boost, cands[i].index) {
				continue
			}
			more := stands.times(b.rule.Boost.By.Num, b.rule.Boost.By.Den)
			sums[j] = sums[j].plus(more)
			stands = stands.plus(more)
		}
	}
	for j := range cands {
		if b := &cands[j]; b.rule.Boost != nil && b.takesPart() && !b.amount.isZero() {
			b.amount = sums[j]
		}
	}
}

func names(b *programme.Boost, rule int) bool {
	for _, of := range b.Of {
		if of == rule {
			return true
		}
	}
	return false
}

// onlyBest leaves only the largest boost of the event, of equals the first in the file.
func onlyBest(cands []candidate) {
	best := -1
	for i := range cands {
		c := &cands[i]
		if c.rule.Boost != nil && c.takesPart() && !c.amount.isZero() && (best < 0 || c.amount.compare(cands[best].amount) > 0) {
			best = i
		}
	}
	for i := range cands {
		c := &cands[i]
		if i != best && c.rule.Boost != nil && c.takesPart() && !c.amount.isZero() {
			c.amount = exact{}
			c.why = because{kind: notLargest, number: int64(cands[best].index)}
		}
	}
}
