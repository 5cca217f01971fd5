package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"accrue/cmd/accrue/wording"
	"accrue/rules"
	"accrue/rules/explain"
)

// What is shown of a member's held grants and events; a busy one has thousands.
const (
	shownHeld   = 10
	shownDates  = 12 // on which points expire
	shownEvents = 50
)

// idShown is how much of an id, a title or a reason is shown: what others wrote may be long.
const idShown = 400

// between stands between facts on a line.
const between = " · "

// memberSheet prints what is held of a member, with the words of the console's page of a member.
type memberSheet struct {
	wording.Words
	out io.Writer
}

func (s *memberSheet) print(d *rules.Description) {
	fmt.Fprintln(s.out, oneLine(d.Member, idShown))
	s.standing(d)
	if d.Blocked != nil {
		fmt.Fprintf(s.out, "  %s\n", s.blocked(d.Blocked))
	}
	if !d.TierGrace.IsZero() {
		fmt.Fprintf(s.out, "  %s %s\n", s.T("member.grace"), moment(d.TierGrace))
	}
	s.expiring(d.Expiring())
	s.held(d.Held)
	s.counts(d)
	s.events(d.Events)
}

// standing tells the figures that stand on top.
func (s *memberSheet) standing(d *rules.Description) {
	rows := [][]string{{s.T("member.balance"), s.points(d.Balance)}, {s.T("member.pending"), s.points(d.Pending)}}
	if d.Tier != "" {
		next := s.T("member.highest")
		if d.NextTier != "" {
			next = d.NextTier + between + s.T("member.has", d.TierValue, d.NextTierFrom, s.Word("metric", d.TierMetric))
			if d.NextTierMissing != "" {
				next += between + s.T("member.missing", d.NextTierMissing)
			}
		}
		rows = append(rows, []string{s.T("by.tier"), d.Tier + between + s.until(d.TierUntil, "member.noend")}, []string{s.T("member.next"), next})
	}
	newest := moment(d.NewestEvent)
	if !d.NextDue.IsZero() {
		newest += between + s.T("member.due") + " " + moment(d.NextDue)
	}
	rows = append(rows, []string{s.T("member.orders"), fmt.Sprint(d.Orders, between, d.Spend, " ", d.Currency)}, []string{s.T("member.newest"), newest})
	printRows(s.out, rows)
}

func (s *memberSheet) points(n int64) string { return fmt.Sprintf("%d %s", n, s.T("points")) }

// until says how long something lasts, or by another text that it has no end.
func (s *memberSheet) until(t time.Time, noEnd string) string {
	if t.IsZero() {
		return s.T(noEnd)
	}
	return s.T("member.until") + " " + moment(t)
}

// blocked says who blocked a member, and until when.
func (s *memberSheet) blocked(b *rules.BlockDescription) string {
	who := s.T("member.blocked.operator", oneLine(b.EventID, idShown))
	if b.By != "" {
		who = s.T("member.blocked.rule", b.By, oneLine(b.EventID, idShown))
	}
	return who + " " + s.until(b.Until, "member.blocked.ever")
}

// title begins a part of the sheet.
func (s *memberSheet) title(key string) { fmt.Fprintf(s.out, "\n%s\n", s.T(key)) }

func (s *memberSheet) more(n int) {
	if n > 0 {
		fmt.Fprintf(s.out, "  %s\n", s.T("sheet.more", n))
	}
}

func (s *memberSheet) expiring(dates []rules.Expiring) {
	if len(dates) == 0 {
		return
	}
	s.title("member.expires")
	var rows [][]string
	for _, x := range dates[:min(len(dates), shownDates)] {
		rows = append(rows, []string{moment(x.At), s.points(x.Points), strings.Join(x.Rules, ", ")})
	}
	printRows(s.out, rows)
	s.more(len(dates) - shownDates)
}

func (s *memberSheet) held(held []rules.HeldGrant) {
	if len(held) == 0 {
		return
	}
	s.title("member.held")
	var rows [][]string
	for _, h := range held[:min(len(held), shownHeld)] {
		grant := ""
		if h.GrantID != "" { // what a release or a rejection names
			grant = s.T("sheet.grant", h.GrantID)
		}
		rows = append(rows, []string{s.points(h.Points), h.Rule, s.heldUntil(h.Until), oneLine(h.EventID, idShown), grant})
	}
	printRows(s.out, rows)
	s.more(len(held) - shownHeld)
}

// heldUntil says when a held grant is released.
func (s *memberSheet) heldUntil(t time.Time) string {
	if t.IsZero() {
		return s.T("held.until") + " " + s.T("held.decides")
	}
	return s.T("held.until") + " " + moment(t)
}

func (s *memberSheet) counts(d *rules.Description) {
	var rows [][]string
	add := func(whose string, counts []rules.Count) {
		for _, c := range counts {
			rows = append(rows, []string{whose, s.Word("period", c.Per), s.T("sheet.counted", c.Times, c.Points)})
		}
	}
	add(s.T("member.allrules"), d.Limits)
	for i := range d.Rules {
		r := &d.Rules[i]
		add(r.Rule, r.Limits)
		if r.Orders+int(r.Days) > 0 || r.Spend != "" {
			rows = append(rows, []string{r.Rule, s.T("member.towards", r.Orders, orZero(r.Spend), r.Days)})
		}
	}
	if len(rows) > 0 {
		s.title("member.counts")
		printRows(s.out, rows)
	}
}

func orZero(amount string) string {
	if amount == "" {
		return "0"
	}
	return amount
}

func (s *memberSheet) events(events []rules.FactDescription) {
	s.title("member.why")
	if len(events) == 0 {
		fmt.Fprintf(s.out, "  %s\n", s.T("member.noevents"))
		return
	}
	hidden := max(0, len(events)-shownEvents)
	s.more(hidden)
	var rows [][]string
	for i := range events[hidden:] {
		rows = append(rows, s.event(&events[hidden+i])...)
	}
	printRows(s.out, rows)
}

// event tells an event, and below it each grant with its reason.
func (s *memberSheet) event(e *rules.FactDescription) [][]string {
	what := oneLine(e.EventID, idShown)
	if e.OrderID != "" {
		what += between + oneLine(e.OrderID, idShown)
	}
	if e.Left != "" {
		what += between + s.T("event.left", e.Left)
	}
	note := e.Note
	if note == "" && len(e.Grants) == 0 {
		note = s.T("event.nothing")
	}
	rows := [][]string{{moment(e.OccurredAt), oneLine(s.Kind(e.Kind), idShown), what, note}}
	for i := range e.Grants {
		g := &e.Grants[i]
		grant := fmt.Sprintf("%+d %s", g.Available, g.Rule)
		switch {
		case g.Pending != 0:
			grant = fmt.Sprint(g.Pending, " ", s.T("waiting"), " ", g.Rule, between, s.heldUntil(g.HeldUntil))
		case g.Available == 0 && g.Entries > 1:
			grant = s.T("event.undone") + " " + g.Rule
		}
		rows = append(rows, []string{"", "", grant, oneLine(g.Why, idShown)})
	}
	return rows
}

// printRows prints rows with their columns in line, also where characters are two columns wide. The last cell of a row widens no column.
func printRows(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		widths = append(widths, make([]int, max(0, len(row)-len(widths)))...)
		for i, cell := range row[:len(row)-1] {
			widths[i] = max(widths[i], explain.Columns(cell))
		}
	}
	for _, row := range rows {
		line := make([]string, 0, len(row))
		for i, cell := range row {
			line = append(line, cell+strings.Repeat(" ", max(0, widths[i]-explain.Columns(cell))))
		}
		fmt.Fprintln(out, strings.TrimRight("  "+strings.Join(line, "  "), " "))
	}
}
