package audit

import (
	"fmt"
	"maps"
	"slices"

	"accrue/rules/programme"
)

// Report is what was found.
type Report struct {
	Counts    Counts   `json:"counts"`
	Checks    []*Check `json:"checks"`
	NotProved []string `json:"not_proved"` // what differs, or was not decided again, where no topic tells what it should be
}

// Check is one thing that is proved, or is not so.
type Check struct {
	Name        string   `json:"name"`
	Proves      string   `json:"proves"`
	Held        int64    `json:"held"`        // how many records, grants or members were held against it
	Found       int64    `json:"found"`       // differences
	Differences []string `json:"differences"` // the first of them
}

// Passed says that nothing differs.
func (r *Report) Passed() bool {
	return !slices.ContainsFunc(r.Checks, func(c *Check) bool { return c.Found > 0 })
}

type checkName struct{ name, proves string }

func checkNames() [numberOfChecks]checkName {
	return [...]checkName{
		checkDecisions: {"decisions", "every input that the engine has read has exactly one decision or dead letter"},
		checkEntries:   {"entries", "every entry is there once, those of a grant numbered without a gap"},
		checkSums:      {"sums", "no grant is below 0 after any of its entries"},
		checkSources:   {"sources", "every entry follows from an input, and was caused by one or by time"},
		checkTiers:     {"tiers", "each change of tier begins where the one before ended"},
		checkBudgets:   {"budgets", "no rule gave more than its budget"},
		checkGrants:    {"grants", "decided again, every grant comes to the same sums"},
		checkBalances:  {"balances", "decided again, every member has the same balance, pending points and tier"},
	}
}

// Finish compares what came and returns the report. Without a replay (Recomputed was never called) why says why there was none.
func (a *Auditor) Finish(why string) *Report {
	a.unanswered()
	a.budgets()
	r := &Report{NotProved: []string{}}
	if why == "" {
		a.compare(r)
	} else {
		r.NotProved = append(r.NotProved, "nothing was decided again: "+why)
	}
	for _, g := range a.grants {
		if g.revision > 0 {
			a.counts.Grants++
		}
	}
	a.counts.Members = int64(len(a.members))
	r.Counts, r.Checks = a.counts, a.checks
	if why != "" {
		r.Checks = r.Checks[:checkGrants]
	}
	return r
}

// unanswered finds the inputs that have neither decision nor dead letter.
func (a *Auditor) unanswered() {
	var missing []*input
	for _, in := range a.inputs {
		if in.answers == 0 && !in.Unread {
			missing = append(missing, in)
		}
	}
	slices.SortFunc(missing, func(x, y *input) int { return comparePlaces(x.Place, y.Place) })
	for _, in := range missing {
		a.differs(checkDecisions, "%s: event %s of member %q has neither decision nor dead letter; unless it waits for an answer from elsewhere, it was lost",
			in.Place, in.EventID, in.Member)
		if m := a.members[in.Member]; m != nil && m.incomplete == "" {
			m.incomplete = fmt.Sprintf("event %s is not decided", in.EventID)
		}
	}
}

func comparePlaces(x, y Place) int {
	switch {
	case x.Topic != y.Topic:
		if x.Topic < y.Topic {
			return -1
		}
		return 1
	case x.Partition != y.Partition:
		return int(x.Partition - y.Partition)
	case x.Offset < y.Offset:
		return -1
	case x.Offset > y.Offset:
		return 1
	}
	return 0
}

// budgets adds up the rules with one budget for ever. What expired was given all the same, so a grant counts with its most.
func (a *Auditor) budgets() {
	given := map[string]int64{}
	for _, g := range a.grants {
		if a.limited[g.rule] {
			given[g.rule] += g.available + g.pending
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.limited)) {
		size, forEver := a.budgetOf(id)
		if !forEver {
			continue
		}
		a.checks[checkBudgets].Held++
		if given[id] > size {
			a.differs(checkBudgets, "rule %s has given %d points, its budget is %d", id, given[id], size)
		}
	}
}

// budgetOf is the largest budget that a rule had, if it is one for ever in all versions.
func (a *Auditor) budgetOf(id string) (size int64, forEver bool) {
	forEver = true
	for _, v := range a.versions {
		for _, rule := range v.Programme.Rules {
			if rule.ID != id {
				continue
			}
			if rule.Budget == nil || rule.Budget.Per != programme.PerEver {
				forEver = false
				continue
			}
			size = max(size, rule.Budget.Points)
		}
	}
	return size, forEver
}
