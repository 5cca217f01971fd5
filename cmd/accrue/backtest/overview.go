package backtest

import (
	"strings"

	"accrue/rules/explain"
)

// overview says what was replayed and what it comes to.
func (t *teller) overview() section {
	return section{id: "overview", title: t.say(overview), notes: t.overviewNotes(), grids: []grid{t.overviewGrid()}}
}

func (t *teller) overviewNotes() []string {
	p := &t.r.Period
	from := strings.Join(p.From, ", ")
	notes := []string{t.say(replayedNone, "records", count(p.Records), "from", from)}
	if p.FirstEvent != "" {
		notes[0] = t.say(replayed, "records", count(p.Records), "from", from, "first", p.FirstEvent, "last", p.LastEvent, "days", count(p.Days), "zone", p.TimeZone)
	}
	if p.Since != "" {
		notes = append(notes, t.say(sinceNote, "since", p.Since))
	}
	if p.AsOf == "" {
		notes = append(notes, t.say(noAsOfNote))
	} else {
		notes = append(notes, t.say(asOfNote, "asof", p.AsOf))
	}
	for i := range t.r.Programmes {
		side := &t.r.Programmes[i]
		notes = append(notes, t.say(versionsNote, "side", side.Name, "versions", strings.Join(side.Versions, ", ")))
	}
	a := &t.r.Programmes[0]
	if t.r.PointValue != "" {
		notes = append(notes, t.say(valueNote, "value", t.r.PointValue, "currency", a.Currency))
	}
	if a.DeadLetters > 0 && len(p.Unreadable) > 0 {
		notes = append(notes, t.say(unreadNote, "n", count(a.DeadLetters), "place", p.Unreadable[0].Place, "reason", p.Unreadable[0].Reason))
	}
	if c := t.r.Comparison; c != nil {
		notes = append(notes, t.verdict(c)...)
	}
	return notes
}

// verdict sums up a comparison.
func (t *teller) verdict(c *Comparison) []string {
	b := &t.r.Programmes[1]
	var notes []string
	if t.r.Programmes[0].Currency != b.Currency {
		notes = append(notes, t.say(currencyNote, "a", t.r.Programmes[0].Currency, "b", b.Currency))
	}
	d := c.Total.Difference
	switch {
	case c.Same:
		return append(notes, t.say(sameNote))
	case d > 0:
		notes = append(notes, t.say(costsMore, "points", pointsText(t.language, d), "day", grouped(c.PerDay)))
	case d < 0:
		notes = append(notes, t.say(costsLess, "points", pointsText(t.language, -d), "day", grouped(strings.TrimPrefix(c.PerDay, "-"))))
	default:
		notes = append(notes, t.say(costsSame))
	}
	if c.Total.Cost != "" && d != 0 {
		what := moneyMore
		if d < 0 {
			what = moneyLess
		}
		notes = append(notes, t.say(what, "cost", grouped(strings.TrimPrefix(c.Total.Cost, "-")), "currency", b.Currency,
			"day", grouped(strings.TrimPrefix(c.CostDay, "-"))))
	}
	return notes
}

// fact is one number of the overview.
type fact struct {
	label phrase
	of    func(s *Side) int64
}

func (t *teller) overviewGrid() grid {
	facts := []fact{
		{eventsLabel, func(s *Side) int64 { return s.Events }},
		{deadLabel, func(s *Side) int64 { return s.DeadLetters }},
		{membersLabel, func(s *Side) int64 { return s.Members }},
		{earningLabel, func(s *Side) int64 { return s.Earning }},
		{entriesLabel, func(s *Side) int64 { return s.Total.Entries }},
		{grantedLabel, func(s *Side) int64 { return s.Total.Granted }},
		{reversedLabel, func(s *Side) int64 { return s.Total.Reversed }},
		{expiredLabel, func(s *Side) int64 { return s.Total.Expired }},
		{netLabel, func(s *Side) int64 { return s.Total.Net }},
		{availableLabel, func(s *Side) int64 { return s.Total.Available }},
		{pendingLabel, func(s *Side) int64 { return s.Total.Pending }},
		{tierPtsLabel, func(s *Side) int64 { return s.Total.TierPoints }},
		{changesLabel, func(s *Side) int64 { return s.TierChanges }},
	}
	sides := t.r.Programmes
	var rows [][]string
	for _, f := range facts {
		row := []string{t.say(f.label)}
		for i := range sides {
			row = append(row, count(f.of(&sides[i])))
		}
		if len(sides) > 1 {
			var d adder
			difference := f.of(&sides[1])
			d.add(&difference, -f.of(&sides[0]))
			row = append(row, signed(strings.ReplaceAll(count(difference), ",", "")))
		}
		rows = append(rows, row)
	}
	perDayRow := []string{t.say(netPerDay)}
	for i := range sides {
		perDayRow = append(perDayRow, grouped(perDay(sides[i].Total.Net, t.r.Period.Days)))
	}
	if c := t.r.Comparison; c != nil {
		perDayRow = append(perDayRow, signed(c.PerDay))
	}
	rows = append(rows, perDayRow)
	if t.r.PointValue != "" {
		row := []string{t.say(costLabel)}
		for i := range sides {
			row = append(row, grouped(sides[i].Total.Cost)+" "+sides[i].Currency)
		}
		if c := t.r.Comparison; c != nil {
			row = append(row, signed(c.Total.Cost))
		}
		rows = append(rows, row)
	}
	g := grid{head: []string{t.say(measure), "A"}, numbers: []bool{false, true}, rows: rows}
	if len(sides) == 1 {
		g.head[1] = sides[0].Programme
	} else {
		g.head, g.numbers = append(g.head, "B", t.say(differenceHead)), []bool{false, true, true, true}
	}
	return g
}

// lang is the language as a page says it.
func (t *teller) lang() string {
	if t.language == explain.Chinese {
		return "zh"
	}
	return "en"
}
