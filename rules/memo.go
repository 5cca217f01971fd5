package rules

import (
	"strings"

	"accrue/rules/programme"
)

// This file keeps answers of conditions that cannot change, because asking them is most of what a decision costs.

// memo keeps what conditions say about a fact on its own: those that ask nothing of the member. Deciding again asks them
// again. A refund makes it void, as it changes the order.
type memo struct {
	counts []programme.Money // by rule: the sum of the lines that count
	met    []told            // by rule: whether its condition is met
}

type told uint8

const (
	unknown told = iota
	yes
	no
)

// What memo.counts holds beside sums, which are never below 0.
const (
	unknownCount programme.Money = -1
	noLine       programme.Money = -2
)

// memoOf is the memo of a fact that is decided again; nil where it is decided for the first time, which most facts are
// once and for all.
func (r *run) memoOf(f *fact, v *version) *memo {
	if !r.again {
		return nil
	}
	if f.memo == nil {
		f.memo = &memo{counts: make([]programme.Money, len(v.programme.Rules)), met: make([]told, len(v.programme.Rules))}
		for i := range f.memo.counts {
			f.memo.counts[i] = unknownCount
		}
	}
	return f.memo
}

// holds says whether the condition of a rule is met.
func (r *run) holds(c *candidate, f *fact, v *version) (bool, error) {
	if !v.asks[c.index].factOnly || r.explain == f {
		return c.rule.When.Met(&r.scope)
	}
	m := r.memoOf(f, v)
	if m != nil && m.met[c.index] != unknown {
		return m.met[c.index] == yes, nil
	}
	ok, err := c.rule.When.Met(&r.scope)
	if m != nil && err == nil {
		m.met[c.index] = no
		if ok {
			m.met[c.index] = yes
		}
	}
	return ok, err
}

// countLines sums the lines that count for the rule; false where there is none.
func (r *run) countLines(c *candidate, f *fact, v *version, rest remains) bool {
	if c.rule.Lines == nil {
		c.counted = rest.total
		return true
	}
	var m *memo
	if v.asks[c.index].lineOnly {
		m = r.memoOf(f, v)
	}
	if m == nil {
		return r.sumLines(c, rest)
	}
	if m.counts[c.index] == unknownCount {
		m.counts[c.index] = noLine
		if r.sumLines(c, rest) {
			m.counts[c.index] = c.counted
		}
	}
	if m.counts[c.index] == noLine {
		c.why.kind = noLineCounts
		return false
	}
	c.counted = m.counts[c.index]
	return true
}

func (r *run) sumLines(c *candidate, rest remains) bool {
	some := false
	c.counted = 0
	for i := range rest.lines {
		r.scope.Line = &rest.lines[i]
		ok, err := c.rule.Lines.Met(&r.scope)
		if err != nil {
			c.why = because{kind: failedLines, failed: err}
			continue
		}
		if ok {
			some = true
			c.counted += rest.lines[i].Amount
		}
	}
	r.scope.Line = nil
	if !some && c.why.kind != failedLines {
		c.why.kind = noLineCounts
	}
	return some
}

// asks says what the conditions of a rule depend on.
type asks struct {
	factOnly bool // `when` asks nothing of the member, so that its answer about a fact stays
	lineOnly bool // `lines` asks nothing but the line
}

func asksOf(rule *programme.Rule) asks {
	// A rise may come long after the fact, when `now` is another.
	a := asks{factOnly: rule.When != nil && rule.On != programme.OnTierUp, lineOnly: rule.Lines != nil}
	if rule.When != nil {
		for _, name := range rule.When.References() {
			if strings.HasPrefix(name, "member.") || strings.HasPrefix(name, "referral.") || name == "order.number" {
				a.factOnly = false
			}
		}
	}
	if rule.Lines != nil {
		for _, name := range rule.Lines.References() {
			if !strings.HasPrefix(name, "line.") {
				a.lineOnly = false
			}
		}
	}
	return a
}
