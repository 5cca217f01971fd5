package backtest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// mostAffected is how many members are told one by one, each way.
const mostAffected = 10

// rulesShown is how many rules of a member are told in words.
const rulesShown = 3

// compare is B less A. Costs are in B's currency: who compares programmes of two currencies is warned by the report.
func (in *Input) compare(r *Report) *Comparison {
	a, b := &r.Programmes[0], &r.Programmes[1]
	x := &Comparison{
		Total: in.delta("", a.Total.Net, b.Total.Net), Rules: in.deltas(a.Rules, b.Rules), Campaigns: in.deltas(a.Campaigns, b.Campaigns),
		Tiers: in.deltas(a.Tiers, b.Tiers), Segments: in.deltas(a.Segments, b.Segments), Days: in.deltas(a.Days, b.Days),
		Outcomes: in.outcomes(a, b),
	}
	x.PerDay = perDay(x.Total.Difference, r.Period.Days)
	x.CostDay = ofDay(in.Value, x.Total.Difference, r.Period.Days, in.B.last.Currency.Digits)
	bySize(x.Rules)
	bySize(x.Campaigns)
	same := in.members(x)
	x.Same = same && alike(a, b)
	return x
}

func (in *Input) delta(key string, a, b int64) Delta {
	difference := b
	in.A.add(&difference, -a)
	return Delta{Key: key, A: a, B: b, Difference: difference, Cost: in.cost(in.B, difference)}
}

// deltas puts the net points of both side by side: A's rows in their order, then those that only B has.
func (in *Input) deltas(a, b []Row) []Delta {
	of := make(map[string]Row, len(b))
	for _, row := range b {
		of[row.Key] = row
	}
	all := make([]Delta, 0, len(a))
	for _, row := range a {
		other := of[row.Key]
		delete(of, row.Key)
		d := in.delta(row.Key, row.Net, other.Net)
		d.Title = cmp.Or(other.Title, row.Title)
		all = append(all, d)
	}
	alone := slices.ContainsFunc(b, func(row Row) bool { _, left := of[row.Key]; return left })
	for _, row := range b {
		if _, left := of[row.Key]; left {
			d := in.delta(row.Key, 0, row.Net)
			d.Title = row.Title
			all = append(all, d)
		}
	}
	if alone && len(a) > 0 && isDay(a[0].Key) {
		slices.SortFunc(all, func(x, y Delta) int { return strings.Compare(x.Key, y.Key) })
	}
	return all
}

// isDay says that a key is a date, so that rows stand in its order.
func isDay(key string) bool { return len(key) == len("2006-01-02") && key[4] == '-' && key[7] == '-' }

// bySize puts what differs most first.
func bySize(all []Delta) {
	slices.SortStableFunc(all, func(x, y Delta) int {
		return cmp.Compare(max(y.Difference, -y.Difference), max(x.Difference, -x.Difference))
	})
}

func (in *Input) outcomes(a, b *Side) []Delta {
	count := func(s *Side, outcome string) int64 {
		for _, row := range s.Outcomes {
			if row.Outcome == outcome {
				return row.Events
			}
		}
		return 0
	}
	all := []Delta{}
	for _, outcome := range outcomesInOrder() {
		d := in.delta(string(outcome), count(a, string(outcome)), count(b, string(outcome)))
		if d.Cost = ""; d.A != 0 || d.B != 0 {
			all = append(all, d)
		}
	}
	return all
}

// alike says that all sums of both are the same.
func alike(a, b *Side) bool {
	rows := func(x, y []Row) bool {
		return slices.EqualFunc(x, y, func(x, y Row) bool { x.Title, y.Title = "", ""; return x == y })
	}
	return rows(a.Rules, b.Rules) && rows(a.Tiers, b.Tiers) && rows(a.Days, b.Days) && rows(a.Segments, b.Segments) && rows(a.Campaigns, b.Campaigns) &&
		slices.Equal(a.Outcomes, b.Outcomes) && slices.Equal(a.Alerts, b.Alerts) && slices.Equal(a.Months, b.Months) && a.TierChanges == b.TierChanges
}

// moved is a member that differs.
type moved struct {
	name       string
	difference int64
}

// members compares the members one by one, and says that none differs.
func (in *Input) members(x *Comparison) bool {
	names := maps.Clone(in.A.members)
	for name := range in.B.members {
		if _, both := names[name]; !both {
			names[name] = nil
		}
	}
	var better, worse []moved
	same := true
	if in.A.tiered() || in.B.tiered() {
		x.TierEnds = newMatrix(in.A.endLevels(), in.B.endLevels())
	}
	nobody := &member{}
	for name := range names {
		a, b := cmp.Or(in.A.members[name], nobody), cmp.Or(in.B.members[name], nobody)
		tierA, tierB := in.A.tiers.names[a.tier], in.B.tiers.names[b.tier]
		if x.TierEnds != nil {
			x.TierEnds.count(tierA, tierB)
		}
		same = same && a.balance == b.balance && a.pending == b.pending && tierA == tierB
		d := b.net
		in.A.add(&d, -a.net)
		switch {
		case d > 0:
			better = append(better, moved{name, d})
			in.A.add(&x.Better.Points, d)
		case d < 0:
			worse = append(worse, moved{name, d})
			in.A.add(&x.Worse.Points, d)
		default:
			x.Unchanged++
			if a.expired != b.expired {
				x.OtherExpiry++
			}
		}
	}
	in.most(&x.Better, better, int64(len(names)))
	in.most(&x.Worse, worse, int64(len(names)))
	return same && len(better)+len(worse)+int(x.OtherExpiry) == 0
}

// endLevels are levels, with a name for having none.
func (c *Collector) endLevels() []string {
	if names := c.levels(); len(names) > 0 {
		return names
	}
	return []string{""}
}

// most fills in how many differ, and the most affected of them: by size, then by name.
func (in *Input) most(to *Moved, all []moved, members int64) {
	slices.SortFunc(all, func(x, y moved) int {
		return cmp.Or(cmp.Compare(max(y.difference, -y.difference), max(x.difference, -x.difference)), strings.Compare(x.name, y.name))
	})
	to.Members, to.Permille, to.Cost, to.Most = int64(len(all)), permille(int64(len(all)), members), in.cost(in.B, to.Points), []MemberDelta{}
	for _, m := range all[:min(len(all), mostAffected)] {
		to.Most = append(to.Most, in.memberDelta(m))
	}
}

func (in *Input) memberDelta(m moved) MemberDelta {
	nobody := &member{}
	a, b := cmp.Or(in.A.members[m.name], nobody), cmp.Or(in.B.members[m.name], nobody)
	d := MemberDelta{
		Member: m.name, A: a.net, B: b.net, Difference: m.difference, Cost: in.cost(in.B, m.difference),
		TierA: in.A.tiers.names[a.tier], TierB: in.B.tiers.names[b.tier], Rules: []Delta{},
	}
	_, titles := in.B.ruleNames()
	_, older := in.A.ruleNames()
	given := map[string][2]int64{}
	for _, got := range a.rules {
		given[in.A.rules.names[got.rule]] = [2]int64{got.points, 0}
	}
	for _, got := range b.rules {
		name := in.B.rules.names[got.rule]
		given[name] = [2]int64{given[name][0], got.points}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if points := given[name]; points[0] != points[1] {
			rule := in.delta(name, points[0], points[1])
			if rule.Title = cmp.Or(titles[name], older[name]); rule.Title == name {
				rule.Title = ""
			}
			d.Rules = append(d.Rules, rule)
		}
	}
	bySize(d.Rules)
	if in.Examples != nil {
		d.Example = in.Examples.of(m.name, m.difference > 0)
	}
	d.Why = in.why(&d)
	return d
}
