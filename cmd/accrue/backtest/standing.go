package backtest

import (
	"slices"
	"strings"
)

// members says who is better and worse off with B, and why.
func (t *teller) members() section {
	c := t.r.Comparison
	if c == nil || c.Same {
		return section{}
	}
	money := func(m *Moved) string {
		if m.Cost == "" {
			return ""
		}
		return " (" + grouped(strings.TrimPrefix(m.Cost, "-")) + " " + t.r.Programmes[1].Currency + ")"
	}
	line := func(what phrase, m *Moved) string {
		return t.say(what, "n", count(m.Members), "share", percent(m.Permille), "points", pointsText(t.language, max(m.Points, -m.Points)), "cost", money(m))
	}
	s := section{id: "members", title: t.say(membersTitle), notes: []string{
		line(betterText, &c.Better), line(worseText, &c.Worse), t.say(unchangedText, "n", count(c.Unchanged)),
	}}
	if c.OtherExpiry > 0 {
		s.notes = append(s.notes, t.say(otherExpiry, "n", count(c.OtherExpiry)))
	}
	for _, way := range []struct {
		caption phrase
		moved   *Moved
	}{{mostBetter, &c.Better}, {mostWorse, &c.Worse}} {
		if len(way.moved.Most) > 0 {
			s.grids = append(s.grids, t.memberGrid(t.say(way.caption), way.moved.Most))
		}
	}
	return s
}

func (t *teller) memberGrid(caption string, most []MemberDelta) grid {
	g := makeGrid(caption, len(most),
		column{t.say(memberLabel), false, false, func(i int) string { return most[i].Member }},
		column{"A", true, false, func(i int) string { return count(most[i].A) }},
		column{"B", true, false, func(i int) string { return count(most[i].B) }},
		column{t.say(differenceHead), true, false, func(i int) string { return difference(most[i].Difference) }},
		column{t.say(endsLabel), false, true, func(i int) string {
			if most[i].TierA == most[i].TierB {
				return most[i].TierA
			}
			return most[i].TierA + " → " + most[i].TierB
		}},
	)
	for i := range most {
		g.below = append(g.below, most[i].Why)
	}
	return g
}

// migration shows the matrices of tiers.
func (t *teller) migration() section {
	s := section{id: "migration", title: t.say(migrationTitle)}
	for i := range t.r.Programmes {
		if m := t.r.Programmes[i].Migration; m != nil {
			s.grids = append(s.grids, t.matrix(t.say(migrationOf, "side", t.side(i)), m))
		}
	}
	if c := t.r.Comparison; c != nil && c.TierEnds != nil {
		s.grids = append(s.grids, t.matrix(t.say(migrationEnds), c.TierEnds))
	}
	return s
}

func (t *teller) matrix(caption string, m *Matrix) grid {
	g := grid{caption: caption, head: []string{t.say(tierLabel)}, numbers: []bool{false}, shade: m}
	for _, to := range m.To {
		g.head, g.numbers = append(g.head, named(t.language, to, noTier)), append(g.numbers, true)
	}
	g.head, g.numbers = append(g.head, t.say(allLabel)), append(g.numbers, true)
	all := make([]int64, len(m.To)+1)
	for i, from := range m.From {
		row, sum := []string{named(t.language, from, noTier)}, int64(0)
		for j, n := range m.Members[i] {
			row = append(row, count(n))
			sum += n
			all[j] += n
		}
		all[len(m.To)] += sum
		g.rows = append(g.rows, append(row, count(sum)))
	}
	row := []string{t.say(allLabel)}
	for _, n := range all {
		row = append(row, count(n))
	}
	g.rows = append(g.rows, row)
	return g
}

// liability shows what members hold at each month end, and what became of points.
func (t *teller) liability() section {
	s := section{id: "liability", title: t.say(liabilityTitle)}
	wallet := false
	for i := range t.r.Programmes {
		side := &t.r.Programmes[i]
		b := &side.Balances
		if b.BreakagePermille != nil {
			s.notes = append(s.notes, t.say(breakageText, "side", t.side(i), "granted", count(b.Granted-b.Reversed), "spent", count(b.Spent),
				"expired", count(b.Expired), "share", percent(*b.BreakagePermille), "left", count(b.Outstanding), "pending", count(b.Pending)))
		} else {
			wallet = true
			s.notes = append(s.notes, t.say(holdText, "side", t.side(i), "left", count(b.Outstanding), "pending", count(b.Pending)))
		}
		if len(side.Months) > 0 {
			s.grids = append(s.grids, t.monthGrid(strings.TrimPrefix(t.behind(i), ": "), side.Months))
		}
	}
	if wallet {
		s.notes = append(s.notes, t.say(walletNote))
	}
	for i := range t.r.Programmes {
		if rows := t.r.Programmes[i].Balances.ToExpire; len(rows) > 0 {
			g := makeGrid(t.say(toExpireTitle, "side", t.side(i)), len(rows),
				column{t.say(monthsLabel), false, false, func(i int) string { return rows[i].Month }},
				column{t.say(pointsUnit), true, false, func(i int) string { return count(rows[i].Points) }},
			)
			g.detail = true
			s.grids = append(s.grids, g)
		}
	}
	s.charts = append(s.charts, t.monthChart())
	return s
}

func (t *teller) monthGrid(caption string, rows []MonthRow) grid {
	of := func(n func(r *MonthRow) int64) func(int) string {
		return func(i int) string { return count(n(&rows[i])) }
	}
	return makeGrid(caption, len(rows),
		column{t.say(monthLabel), false, false, func(i int) string { return rows[i].End }},
		column{t.say(grantedLabel), true, false, of(func(r *MonthRow) int64 { return r.Granted })},
		column{t.say(reversedLabel), true, false, of(func(r *MonthRow) int64 { return r.Reversed })},
		column{t.say(spentLabel), true, true, of(func(r *MonthRow) int64 { return r.Spent })},
		column{t.say(expiredLabel), true, true, of(func(r *MonthRow) int64 { return r.Expired })},
		column{t.say(outLabel), true, false, of(func(r *MonthRow) int64 { return r.Outstanding })},
		column{t.say(lapsedLabel), true, true, of(func(r *MonthRow) int64 { return r.Lapsed })},
		column{t.say(pendingLabel), true, true, of(func(r *MonthRow) int64 { return r.Pending })},
		column{t.say(liabilityLabel), true, true, func(i int) string { return grouped(rows[i].Liability) }},
	)
}

// daysShown is how many days the text shows one by one.
const daysShown = 62

// days shows each day. The text has months in its place where there are many: see text.go.
func (t *teller) days() section {
	s := section{id: "days", title: t.say(daysTitle)}
	if c := t.r.Comparison; c != nil {
		if len(c.Days) > 0 {
			s.grids = append(s.grids, t.deltaGrid(t.say(dayLabel), c.Days))
		}
	} else if rows := t.r.Programmes[0].Days; len(rows) > 0 {
		s.grids = append(s.grids, t.rowGrid(t.say(dayLabel), rows, false, false))
	}
	if len(s.grids) == 0 {
		return section{}
	}
	s.charts = append(s.charts, t.dayChart())
	for i := range s.grids {
		s.grids[i].detail = len(s.grids[i].rows) > daysShown
	}
	return s
}

// daysByMonth adds days up by month, for the text.
func (t *teller) daysByMonth() grid {
	var a adder
	if c := t.r.Comparison; c != nil {
		var months []Delta
		for _, d := range c.Days {
			month := d.Key[:len(d.Key)-len("-02")]
			if n := len(months); n == 0 || months[n-1].Key != month {
				months = append(months, Delta{Key: month})
			}
			m := &months[len(months)-1]
			a.add(&m.A, d.A)
			a.add(&m.B, d.B)
			a.add(&m.Difference, d.Difference)
		}
		return t.deltaGrid(t.say(monthsLabel), months)
	}
	var months []Row
	for _, d := range t.r.Programmes[0].Days {
		month := d.Key[:len(d.Key)-len("-02")]
		if n := len(months); n == 0 || months[n-1].Key != month {
			months = append(months, Row{Key: month})
		}
		m := &months[len(months)-1]
		m.Entries += d.Entries
		for _, sum := range []struct {
			to *int64
			n  int64
		}{{&m.Granted, d.Granted}, {&m.Reversed, d.Reversed}, {&m.Expired, d.Expired}, {&m.Net, d.Net}, {&m.Available, d.Available}, {&m.Pending, d.Pending}, {&m.TierPoints, d.TierPoints}} {
			a.add(sum.to, sum.n)
		}
	}
	return t.rowGrid(t.say(monthsLabel), slices.Clip(months), false, false)
}
