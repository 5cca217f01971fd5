package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accrue/schemas"
)

// balance is what a member has by its grants.
type balance struct {
	available, pending           int64
	againAvailable, againPending int64
}

// compare holds what came against what it comes to decided again.
func (a *Auditor) compare(r *Report) {
	excused := a.excused()
	ids := slices.SortedFunc(maps.Keys(a.grants), func(x, y string) int {
		one, other := a.grants[x], a.grants[y]
		return cmp.Or(strings.Compare(one.member, other.member), strings.Compare(one.rule, other.rule), strings.Compare(x, y))
	})
	balances := map[string]*balance{}
	differing := map[string]int{}
	for _, id := range ids {
		g := a.grants[id]
		b := balances[g.member]
		if b == nil {
			b = &balance{}
			balances[g.member] = b
		}
		b.available, b.pending = b.available+g.available, b.pending+g.pending
		b.againAvailable, b.againPending = b.againAvailable+g.again[0], b.againPending+g.again[1]
		a.checks[checkGrants].Held++
		if now := [3]int64{g.available, g.pending, g.tier}; now != g.again {
			if differing[g.member]++; excused[g.member] == "" {
				a.differs(checkGrants, "%s", g.difference(id))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.members)) {
		m := a.members[name]
		b := cmp.Or(balances[name], &balance{})
		a.checks[checkBalances].Held++
		tier, again := m.standing(a.versions), (&member{tier: m.again, told: m.toldAgain}).standing(a.versions)
		same := b.available == b.againAvailable && b.pending == b.againPending && tier == again
		switch {
		case same && differing[name] == 0:
		case excused[name] != "":
			r.NotProved = append(r.NotProved, fmt.Sprintf("member %q: %s", name, excused[name]))
		case !same:
			a.differs(checkBalances, "member %q has %d points, %d pending%s; decided again %d, %d pending%s",
				name, b.available, b.pending, tierText(tier), b.againAvailable, b.againPending, tierText(again))
		}
	}
}

func tierText(tier string) string {
	if tier == "" {
		return ""
	}
	return " and tier " + tier
}

// difference says how a grant differs.
func (g *grant) difference(id string) string {
	what := fmt.Sprintf("grant %s of rule %s to member %q for %s", id, g.rule, g.member, sourceText(g.source))
	switch {
	case g.revision == 0:
		return fmt.Sprintf("%s is missing: it should be %s", what, sumsText(g.again))
	case g.again == [3]int64{}:
		return fmt.Sprintf("%s is %s and follows from nothing", what, sumsText([3]int64{g.available, g.pending, g.tier}))
	default:
		return fmt.Sprintf("%s is %s and should be %s", what, sumsText([3]int64{g.available, g.pending, g.tier}), sumsText(g.again))
	}
}

func sourceText(s schemas.Source) string {
	if s.Topic == "" {
		return "what fell due as " + s.EventID
	}
	return fmt.Sprintf("event %s (%s/%d@%d)", s.EventID, s.Topic, s.Partition, s.Offset)
}

func sumsText(sums [3]int64) string {
	return fmt.Sprintf("%d available, %d pending, %d for the tier", sums[0], sums[1], sums[2])
}

// excused are members whose grants depend on what no topic tells, with the reason. It spreads to those whose grants depend on theirs.
func (a *Auditor) excused() map[string]string {
	reasons := map[string]string{}
	var next []string
	for _, name := range slices.Sorted(maps.Keys(a.members)) {
		m := a.members[name]
		switch {
		case m.incomplete != "":
			reasons[name] = m.incomplete
		case m.ruled != "":
			reasons[name] = m.ruled
		case a.claws():
			reasons[name] = "what a refund may take was ruled when it arrived, by what the member had then"
		default:
			continue
		}
		next = append(next, name)
	}
	for ; len(next) > 0; next = next[1:] {
		for _, other := range a.members[next[0]].with {
			if reasons[other] == "" {
				reasons[other] = fmt.Sprintf("it depends on member %q: %s", next[0], reasons[next[0]])
				next = append(next, other)
			}
		}
	}
	return reasons
}

// claws says that in one of the versions a refund may not take all.
func (a *Auditor) claws() bool {
	for _, v := range a.versions {
		if v.Programme.Clawback != 0 {
			return true
		}
	}
	return false
}
