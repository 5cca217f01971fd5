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

func (c *Console) showRules(w http.ResponseWriter, r *http.Request, v *visit) error {
	by, per := chartChoice(r)
	data := struct {
		*visit
		By, Per string
		Rows    []issued
		Total   points
		Quiet   []*programme.Rule // that have given nothing
		State   string
	}{visit: v, By: by, Per: per}
	state := c.feed.look(func(t *tally, _ *fleet) { data.Rows = t.issuedBy(by) })
	for i := range data.Rows {
		data.Total.add(&data.Rows[i].points)
	}
	data.State = v.feedText(state)
	if control, err := c.control(r.Context()); by == "rule" && err == nil {
		if p := control.Versions().At(v.Now); p != nil {
			for _, rule := range p.Rules {
				if !slices.ContainsFunc(data.Rows, func(x issued) bool { return x.ID == rule.ID }) {
					data.Quiet = append(data.Quiet, rule)
				}
			}
		}
	}
	c.write(w, r, http.StatusOK, "rules", data)
	return nil
}

func chartChoice(r *http.Request) (by, per string) {
	by, per = "rule", "hour"
	if b := r.FormValue("by"); b == "campaign" || b == "tier" {
		by = b
	}
	if r.FormValue("per") == "day" {
		per = "day"
	}
	return by, per
}

// series is a line of a chart: points granted in each hour or day.
type series struct {
	Label  string  `json:"label"`
	Values []int64 `json:"values"`
}

// issuance is the data of the chart.
func (c *Console) issuance(w http.ResponseWriter, r *http.Request, v *visit) error {
	by, per := chartChoice(r)
	step, count := int64(1), int64(chartHours)
	if per == "day" {
		step, count = 24, int64(lookBack/(24*time.Hour))+1
	}
	last := v.Now.Unix() / 3600 / step // a day is UTC's: the chart says so
	first := last - count + 1
	data := struct {
		Times  []int64  `json:"times"`
		Series []series `json:"series"`
	}{}
	for i := range count {
		data.Times = append(data.Times, (first+i)*step*3600)
	}
	c.feed.look(func(t *tally, _ *fleet) {
		values := map[string][]int64{}
		sums := map[string]int64{}
		for at, p := range t.cells {
			if i := at.hour/step - first; i >= 0 && i < count && p.Granted > 0 {
				id := at.by(by)
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
				data.Series = append(data.Series, series{v.NameOf(by, id), values[id]})
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
