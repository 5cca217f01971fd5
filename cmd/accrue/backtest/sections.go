package backtest

import (
	"slices"
	"strings"

	"accrue/rules/explain"
)

// section is a part of the report for people: what both the text and the page show.
type section struct {
	id, title string
	notes     []string
	charts    []chart
	grids     []grid
}

// grid is a table. Columns are text or numbers; numbers stand to the right.
type grid struct {
	caption string
	head    []string
	numbers []bool
	rows    [][]string
	below   [][]string // by row: sentences about it
	detail  bool       // of second rank: folded in the page; not in the text where it is long
	shade   *Matrix    // of a matrix: the counts, for the page to shade
}

// column is one column of a grid while it is made.
type column struct {
	head   string
	number bool
	empty  bool // is left out where every cell says nothing
	cell   func(i int) string
}

// teller says a report in a language.
type teller struct {
	r        *Report
	language explain.Language
}

func (t *teller) say(what phrase, with ...string) string { return say(t.language, what, with...) }

// sections are the whole report, in order.
func (t *teller) sections() []section {
	all := []section{t.overview()}
	all = append(all, t.keyed("rules", rulesTitle, ruleLabel, func(s *Side) []Row { return s.Rules }, func(c *Comparison) []Delta { return c.Rules }))
	all = append(all, t.keyed("campaigns", campaignsTitle, campaignLabel, func(s *Side) []Row { return s.Campaigns }, func(c *Comparison) []Delta { return c.Campaigns }))
	all = append(all, t.keyed("tiers", tiersTitle, tierLabel, func(s *Side) []Row { return s.Tiers }, func(c *Comparison) []Delta { return c.Tiers }))
	all = append(all, t.keyed("segments", segmentsTitle, segmentLabel, func(s *Side) []Row { return s.Segments }, func(c *Comparison) []Delta { return c.Segments }))
	all = append(all, t.outcomes(), t.budgets(), t.members(), t.migration(), t.liability(), t.days())
	return slices.DeleteFunc(all, func(s section) bool { return len(s.grids) == 0 && len(s.notes) == 0 })
}

// title names the report.
func (t *teller) title() string {
	names := t.r.Programmes[0].Programme
	if len(t.r.Programmes) > 1 {
		names = t.say(against, "a", "A ("+names+")", "b", "B ("+t.r.Programmes[1].Programme+")")
	}
	return t.say(pageTitle, "programmes", names)
}

// make builds a grid of n rows.
func makeGrid(caption string, n int, columns ...column) grid {
	g := grid{caption: caption, rows: make([][]string, n)}
	for _, c := range columns {
		cells := make([]string, n)
		said := !c.empty
		for i := range cells {
			cells[i] = c.cell(i)
			said = said || cells[i] != "" && cells[i] != "0"
		}
		if !said {
			continue
		}
		g.head, g.numbers = append(g.head, c.head), append(g.numbers, c.number)
		for i := range cells {
			g.rows[i] = append(g.rows[i], cells[i])
		}
	}
	return g
}

// keyed is the section of rows with a name: of one programme all sums, of two their difference and then all sums of each.
func (t *teller) keyed(id string, title, key phrase, rows func(*Side) []Row, deltas func(*Comparison) []Delta) section {
	s := section{id: id, title: t.say(title)}
	if t.r.Comparison != nil {
		if all := deltas(t.r.Comparison); len(all) > 0 {
			s.grids = append(s.grids, t.deltaGrid(t.say(key), all))
		}
	}
	for i := range t.r.Programmes {
		side := &t.r.Programmes[i]
		if all := rows(side); len(all) > 0 {
			g := t.rowGrid(t.say(key), all, id == "rules", id == "tiers")
			if t.r.Comparison != nil {
				g.caption, g.detail = t.say(sideTable, "side", t.side(i)), true
			}
			s.grids = append(s.grids, g)
		}
	}
	if len(s.grids) == 0 {
		return section{}
	}
	switch id {
	case "rules":
		s.charts = append(s.charts, t.ruleChart())
	case "segments":
		s.notes = append(s.notes, t.say(segmentsNote))
	}
	return s
}

// side names a programme of the report.
func (t *teller) side(i int) string {
	if len(t.r.Programmes) == 1 {
		return t.r.Programmes[0].Programme
	}
	return t.r.Programmes[i].Name + " (" + t.r.Programmes[i].Programme + ")"
}

// key is a name in a table; nobody's segment and tier have words.
func (t *teller) key(key string) string { return named(t.language, key, noSegment) }

func (t *teller) rowGrid(key string, rows []Row, rules, tiers bool) grid {
	of := func(n func(r *Row) int64) func(int) string { return func(i int) string { return count(n(&rows[i])) } }
	members := membersLabel
	if tiers {
		members = atEndLabel
	}
	return makeGrid("", len(rows),
		column{key, false, false, func(i int) string { return t.key(rows[i].Key) }},
		column{t.say(titleLabel), false, true, func(i int) string { return rows[i].Title }},
		column{t.say(members), true, !rules && !tiers, of(func(r *Row) int64 { return r.Members })},
		column{t.say(entriesLabel), true, false, of(func(r *Row) int64 { return r.Entries })},
		column{t.say(grantedLabel), true, false, of(func(r *Row) int64 { return r.Granted })},
		column{t.say(reversedLabel), true, false, of(func(r *Row) int64 { return r.Reversed })},
		column{t.say(expiredLabel), true, true, of(func(r *Row) int64 { return r.Expired })},
		column{t.say(netLabel), true, false, of(func(r *Row) int64 { return r.Net })},
		column{t.say(pendingLabel), true, true, of(func(r *Row) int64 { return r.Pending })},
		column{t.say(tierPtsLabel), true, true, of(func(r *Row) int64 { return r.TierPoints })},
		column{t.say(costLabel), true, true, func(i int) string { return grouped(rows[i].Cost) }},
	)
}

func (t *teller) deltaGrid(key string, all []Delta) grid {
	return makeGrid("", len(all),
		column{key, false, false, func(i int) string { return t.key(all[i].Key) }},
		column{t.say(titleLabel), false, true, func(i int) string { return all[i].Title }},
		column{"A", true, false, func(i int) string { return count(all[i].A) }},
		column{"B", true, false, func(i int) string { return count(all[i].B) }},
		column{t.say(differenceHead), true, false, func(i int) string { return difference(all[i].Difference) }},
		column{t.say(costLabel), true, true, func(i int) string { return signed(all[i].Cost) }},
	)
}

// outcomes says how the events were decided, and the alerts.
func (t *teller) outcomes() section {
	s := section{id: "outcomes", title: t.say(outcomesTitle)}
	if c := t.r.Comparison; c != nil {
		s.grids = append(s.grids, t.deltaGrid(t.say(outcomeLabel), c.Outcomes))
	} else {
		rows := t.r.Programmes[0].Outcomes
		s.grids = append(s.grids, makeGrid("", len(rows),
			column{t.say(outcomeLabel), false, false, func(i int) string { return rows[i].Outcome }},
			column{t.say(eventsLabel), true, false, func(i int) string { return count(rows[i].Events) }},
			column{t.say(shareLabel), true, false, func(i int) string { return percent(rows[i].Permille) }},
		))
	}
	for i := range t.r.Programmes {
		rows := t.r.Programmes[i].Alerts
		if len(rows) == 0 {
			continue
		}
		s.grids = append(s.grids, makeGrid(t.say(alertsTitle)+t.behind(i), len(rows),
			column{t.say(thresholdLabel), false, false, func(i int) string { return rows[i].Threshold }},
			column{t.say(actionLabel), false, false, func(i int) string { return rows[i].Action }},
			column{t.say(alertsLabel), true, false, func(i int) string { return count(rows[i].Alerts) }},
		))
	}
	return s
}

// behind names a programme behind a caption, where there are two.
func (t *teller) behind(i int) string {
	if len(t.r.Programmes) == 1 {
		return ""
	}
	return ": " + t.side(i)
}

// budgets says when which budget was used up.
func (t *teller) budgets() section {
	s := section{id: "budgets", title: t.say(budgetsTitle)}
	for side := range t.r.Programmes {
		rows := t.r.Programmes[side].Budgets
		if len(rows) == 0 {
			continue
		}
		optional := func(n *int64, text func(int64) string) string {
			if n == nil {
				return ""
			}
			return text(*n)
		}
		s.grids = append(s.grids, makeGrid(strings.TrimPrefix(t.behind(side), ": "), len(rows),
			column{t.say(ruleLabel), false, false, func(i int) string { return rows[i].Rule }},
			column{t.say(titleLabel), false, true, func(i int) string { return rows[i].Title }},
			column{t.say(sizeLabel), true, false, func(i int) string { return t.budgetSize(&rows[i]) }},
			column{t.say(netLabel), true, false, func(i int) string { return count(rows[i].Granted) }},
			column{t.say(usedLabel), true, true, func(i int) string { return optional(rows[i].UsedPermille, percent) }},
			column{t.say(leftLabel), true, true, func(i int) string { return optional(rows[i].Left, count) }},
			column{t.say(ranOutLabel), false, false, func(i int) string { return t.ranOut(rows[i].RanOut) }},
			column{t.say(runsOutLabel), false, true, func(i int) string { return rows[i].RunsOut }},
		))
	}
	return s
}

func (t *teller) budgetSize(row *BudgetRow) string {
	switch row.Per {
	case "day":
		return t.say(perDayText, "n", count(row.Size))
	case "month":
		return t.say(perMonthText, "n", count(row.Size))
	}
	return count(row.Size)
}

func (t *teller) ranOut(all []RunOut) string {
	switch len(all) {
	case 0:
		return "-"
	case 1:
		return all[0].At
	}
	return t.say(ranOutTimes, "n", count(int64(len(all))), "first", all[0].At, "last", all[len(all)-1].At)
}
