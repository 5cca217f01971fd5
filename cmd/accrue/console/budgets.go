package console

import (
	"math/bits"
	"net/http"
	"time"

	"accrue/processor"
	"accrue/rules/programme"
	"accrue/schemas"
)

// budgetRow is a budget as it is shown.
type budgetRow struct {
	Rule, Title string
	Size, Left  int64
	Per         string // "day", "month", "ever"
	// Known says what Left is. "whole": all of the period was read, it is the size less what was given out. "owner" and "part": the most that can
	// be left, as far as the owner has heard (of leases it hears later), less what was read; or by what was read alone.
	Known   string
	Given   int64     // points given out since Since, less those that were taken back
	Since   time.Time // the beginning of the period, or of what was read
	Used    int64     // percent, for the meter
	Owed    int
	RateDay int64         // points a day, at the rate of Span
	Span    time.Duration // the last 24 hours, or what was read of them
	RunsOut time.Time     // zero: not within the period, or not at all
}

func (c *Console) showBudgets(w http.ResponseWriter, r *http.Request, v *visit) error {
	control, err := c.control(r.Context())
	if err != nil {
		return err
	}
	data := struct {
		*visit
		Rows    []budgetRow
		Notices []*schemas.Notice
		State   string
	}{visit: v}
	var now *fleet
	c.feed.look(func(_ *tally, f *fleet) { now = f })
	var told []processor.BudgetReport
	for _, r := range c.reports(r.Context(), now) {
		told = append(told, r.Budgets...)
	}
	p := control.Versions().At(v.Now)
	state := c.feed.look(func(t *tally, _ *fleet) {
		for _, n := range t.low {
			data.Notices = append(data.Notices, n)
		}
		for i := 0; p != nil && i < len(p.Rules); i++ {
			if p.Rules[i].Budget != nil {
				data.Rows = append(data.Rows, budgetOf(t, told, p.Rules[i], p, v.Now))
			}
		}
	})
	data.State = v.feedText(state)
	sortNewest(data.Notices, func(n *schemas.Notice) time.Time { return n.DecidedAt })
	c.write(w, r, http.StatusOK, "budgets", data)
	return nil
}

// budgetPeriod is the period of a budget in which a moment lies, with its number as owners count it. An end of zero: never.
func budgetPeriod(per programme.Period, zone *time.Location, now time.Time) (name string, number int32, begin, end time.Time) {
	local := now.In(zone)
	switch per {
	case programme.PerDay:
		begin = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
		days := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC).Unix() / (24 * 3600)
		return "day", int32(days), begin, begin.AddDate(0, 0, 1)
	case programme.PerMonth:
		begin = time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, zone)
		return "month", int32(local.Year()*12) + int32(local.Month()) - 1, begin, begin.AddDate(0, 1, 0)
	case programme.PerWeek, programme.PerYear, programme.PerEver:
	}
	return "ever", 0, time.Time{}, time.Time{}
}

// budgetOf says how full a budget is, and until when it lasts if as much is given as in the last 24 hours.
func budgetOf(t *tally, told []processor.BudgetReport, rule *programme.Rule, p *programme.Programme, now time.Time) budgetRow {
	row := budgetRow{Rule: rule.ID, Title: rule.Title, Size: rule.Budget.Points, Known: "whole", Span: 24 * time.Hour}
	since := t.since
	per, number, begin, end := budgetPeriod(rule.Budget.Per, p.Zone, now)
	row.Per, row.Since = per, begin
	if begin.Before(since) {
		row.Known, row.Since = "part", since
	}
	lastDay := now.Add(-24 * time.Hour)
	if lastDay.Before(since) {
		lastDay = since
	}
	row.Span = max(time.Hour, now.Sub(lastDay))
	var recent int64
	for at, x := range t.cells {
		if at.rule != rule.ID {
			continue
		}
		hour := time.Unix(at.hour*3600, 0)
		if hour.Add(time.Hour).After(row.Since) {
			row.Given += x.Granted - x.Taken
		}
		if hour.Add(time.Hour).After(lastDay) {
			recent += x.Granted
		}
	}
	row.RateDay = scale(recent, int64(24*time.Hour/time.Minute), int64(row.Span/time.Minute))
	row.Left = max(0, row.Size-row.Given)
	for _, b := range told {
		if b.Rule == rule.ID && b.Period == number {
			row.Size, row.Owed = b.Size, b.Owed
			row.Left = min(b.Left, max(0, b.Size-row.Given))
			if row.Known == "part" {
				row.Known = "owner"
			}
		}
	}
	if row.Size > 0 {
		row.Used = scale(row.Size-row.Left, 100, row.Size)
	}
	if row.RateDay > 0 && row.Left > 0 {
		minutes := scale(row.Left, 24*60, row.RateDay)
		if at := now.Add(time.Duration(min(minutes, 60*24*3650)) * time.Minute); end.IsZero() || at.Before(end) {
			row.RunsOut = at
		}
	}
	return row
}

// Hours is Span, rounded to hours.
func (b *budgetRow) Hours() int64 { return int64(b.Span.Round(time.Hour) / time.Hour) }

// scale is n times by, divided by of, rounded down; what is too large is the largest number. None is below 0, and of is above.
func scale(n, by, of int64) int64 {
	high, low := bits.Mul64(uint64(max(0, n)), uint64(by))
	if high >= uint64(of) {
		return 1<<63 - 1
	}
	quotient, _ := bits.Div64(high, low, uint64(of))
	return int64(min(quotient, 1<<63-1))
}
