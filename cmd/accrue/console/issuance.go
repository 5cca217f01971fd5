package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"accrue/rules/programme"
)

// Bounds of the chart of what was issued.
const (
	chartHours  = 48
	chartSeries = 6 // the largest; the others are one
)

// issued is what one rule, campaign or tier has come to.
type issued struct {
	ID, Title string
	points
}

// by names a dimension of a cell.
func (c cell) by(dimension string) string {
	switch dimension {
	case "campaign":
		return c.campaign
	case "tier":
		return c.tier
	}
	return c.rule
}

// issuedBy adds up all cells, the largest first.
func (t *tally) issuedBy(dimension string) []issued {
	sums := map[string]*issued{}
	for at, p := range t.cells {
		id := at.by(dimension)
		if sums[id] == nil {
			sums[id] = &issued{ID: id}
			if dimension == "rule" {
				sums[id].Title = t.titles[id]
			}
		}
		sums[id].add(p)
	}
	list := make([]issued, 0, len(sums))
	for _, s := range sums {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b issued) int { return cmp.Or(cmp.Compare(b.Granted, a.Granted), cmp.Compare(a.ID, b.ID)) })
	return list
}

// choice is what a visitor wants to see of what was issued.
type choice struct {
	By, Per string // "rule", "campaign" or "tier"; "hour" or "day"
	Of      string // the one that is looked at
	One     bool   // one is; Of may be empty: no campaign, no tier
}

func chosen(r *http.Request) choice {
	c := choice{By: "rule", Per: "hour", Of: r.FormValue("of"), One: r.Form.Has("of")}
	if by := r.FormValue("by"); by == "campaign" || by == "tier" {
		c.By = by
	}
	if r.FormValue("per") == "day" {
		c.Per = "day"
	}
	return c
}

// steps are the hours of a step, the number of the first step since 1970, and how many there are up to now. A day is UTC's: the page says so.
func (c *choice) steps(now time.Time) (hours, first, count int64) {
	hours, count = 1, chartHours
	if c.Per == "day" {
		hours, count = 24, int64(lookBack/(24*time.Hour))+1
	}
	return hours, now.Unix()/3600/hours - count + 1, count
}

// money tells what points cost.
type money struct {
	value    programme.PointValue
	Currency programme.Currency // of the programme in force
}

// Known says whether it is known what a point is worth, and in which currency.
func (m money) Known() bool { return !m.value.IsZero() && m.Currency.Code != "" }

// Of is what points are worth, exact.
func (m money) Of(points int64) string {
	if !m.Known() {
		return ""
	}
	return grouped(m.value.Text(points, m.Currency.Digits))
}

// step is what was issued in an hour or a day.
type step struct {
	At time.Time
	points
}

// over adds up by steps of time, the newest first; those with nothing are left out.
func (t *tally) over(c choice, now time.Time) []step {
	hours, first, count := c.steps(now)
	sums := make([]points, count)
	for at, p := range t.cells {
		if i := at.hour/hours - first; i >= 0 && i < count && (!c.One || at.by(c.By) == c.Of) {
			sums[i].add(p)
		}
	}
	var list []step
	for i := count - 1; i >= 0; i-- {
		if sums[i].Entries > 0 {
			list = append(list, step{time.Unix((first+i)*hours*3600, 0), sums[i]})
		}
	}
	return list
}

func (c *Console) showRules(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		choice
		Rows   []issued
		Total  points
		Steps  []step
		Money  money
		Missed int64
		Quiet  []*programme.Rule // that have given nothing
		State  string
	}{visit: v, choice: chosen(r)}
	state := c.feed.look(func(t *tally, _ *fleet) {
		data.Rows, data.Missed, data.Steps = t.issuedBy(data.By), t.missed, t.over(data.choice, v.Now)
	})
	for i := range data.Rows {
		data.Total.add(&data.Rows[i].points)
	}
	data.State = v.feedText(state)
	if control, err := c.control(r.Context()); err == nil {
		if p := control.Versions().At(v.Now); p != nil {
			data.Money = money{c.o.Config.PointValue, p.Currency}
			if data.By == "rule" {
				data.Quiet = quiet(p, data.Rows)
			}
		}
	}
	c.write(w, r, http.StatusOK, "rules", data)
	return nil
}

// quiet are the rules that have issued nothing.
func quiet(p *programme.Programme, rows []issued) (rules []*programme.Rule) {
	for _, rule := range p.Rules {
		if !slices.ContainsFunc(rows, func(x issued) bool { return x.ID == rule.ID }) {
			rules = append(rules, rule)
		}
	}
	return rules
}

// series is a line of a chart: points granted in each hour or day.
type series struct {
	Label  string  `json:"label"`
	Values []int64 `json:"values"`
}

// issuance is the data of the chart.
func (c *Console) issuance(w http.ResponseWriter, r *http.Request, v *visit) error {
	wanted := chosen(r)
	hours, first, count := wanted.steps(v.Now)
	data := struct {
		Times  []int64  `json:"times"`
		Series []series `json:"series"`
	}{}
	for i := range count {
		data.Times = append(data.Times, (first+i)*hours*3600)
	}
	c.feed.look(func(t *tally, _ *fleet) {
		values := map[string][]int64{}
		sums := map[string]int64{}
		for at, p := range t.cells {
			id := at.by(wanted.By)
			if i := at.hour/hours - first; i >= 0 && i < count && p.Granted > 0 && (!wanted.One || id == wanted.Of) {
				if values[id] == nil {
					values[id] = make([]int64, count)
				}
				values[id][i] += p.Granted
				sums[id] += p.Granted
			}
		}
		ids := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
		for n, id := range ids {
			if n < chartSeries {
				data.Series = append(data.Series, series{v.NameOf(wanted.By, id), values[id]})
				continue
			}
			if n == chartSeries {
				data.Series = append(data.Series, series{v.T("chart.others"), make([]int64, count)})
			}
			for i, x := range values[id] {
				data.Series[chartSeries].Values[i] += x
			}
		}
	})
	writeJSON(w, http.StatusOK, data)
	return nil
}

// NameOf says what stands for no campaign, and for a tier that no change was seen of.
func (v *visit) NameOf(by, id string) string {
	if id == "" {
		return v.T("none." + by)
	}
	return id
}
