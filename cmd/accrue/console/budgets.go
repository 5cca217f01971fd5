package console

import (
	"net/http"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// budgetRow is a budget as it is shown.
type budgetRow struct {
	Rule, Title string
	Size, Left  int64
	Per         string // "day", "month", "ever"
	Known       string // "owner": told by its owner, which is in this process; "feed": the size less what was read of its period
	Used        int64  // percent, for the meter
	Owed        int
	RateDay     int64     // points a day, as of the last 24 hours
	RunsOut     time.Time // zero: not within the period, or not at all
	Notice      *schemas.Notice
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
	p := control.Versions().At(v.Now)
	state := c.feed.look(func(t *tally, _ *fleet) {
		if p != nil {
			for _, rule := range p.Rules {
				if rule.Budget != nil {
					data.Rows = append(data.Rows, c.budgetOf(t, rule, p, v.Now))
				}
			}
		}
		for _, n := range t.low {
			data.Notices = append(data.Notices, n)
		}
	})
	data.State = v.feedText(state)
	sortNewest(data.Notices, func(n *schemas.Notice) time.Time { return n.DecidedAt })
	c.write(w, r, http.StatusOK, "budgets", data)
	return nil
}

// budgetOf says how full a budget is, and until when it lasts if as much is given as in the last 24 hours.
func (c *Console) budgetOf(t *tally, rule *programme.Rule, p *programme.Programme, now time.Time) budgetRow {
	row := budgetRow{Rule: rule.ID, Title: rule.Title, Size: rule.Budget.Points, Per: "ever", Known: "feed"}
	begin, end := time.Time{}, time.Time{}
	local := now.In(p.Zone)
	switch rule.Budget.Per {
	case programme.PerDay:
		row.Per = "day"
		begin = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, p.Zone)
		end = begin.AddDate(0, 0, 1)
	case programme.PerMonth:
		row.Per = "month"
		begin = time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, p.Zone)
		end = begin.AddDate(0, 1, 0)
	case programme.PerWeek, programme.PerYear, programme.PerEver:
	}
	var given int64
	for at, x := range t.cells {
		if at.rule != rule.ID {
			continue
		}
		hour := time.Unix(at.hour*3600, 0)
		if !hour.Before(begin) {
			given += x.Granted - x.Taken
		}
		if hour.After(now.Add(-24 * time.Hour)) {
			row.RateDay += x.Granted
		}
	}
	row.Left = max(0, row.Size-given)
	for _, b := range c.o.Budgets() {
		if b.Rule == rule.ID {
			row.Known, row.Size, row.Left, row.Owed = "owner", b.Size, b.Left, b.Owed
		}
	}
	if row.Size > 0 {
		row.Used = (row.Size - row.Left) * 100 / row.Size
	}
	if row.RateDay > 0 && row.Left > 0 {
		lasts := row.Left/row.RateDay*24*60 + row.Left%row.RateDay*24*60/row.RateDay // minutes
		if at := now.Add(time.Duration(min(lasts, 60*24*3650)) * time.Minute); end.IsZero() || at.Before(end) {
			row.RunsOut = at
		}
	}
	return row
}
