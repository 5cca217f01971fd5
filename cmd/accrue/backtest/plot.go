package backtest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// chart is a drawing of the page. Coordinates are whole numbers of a view of chartWidth; nothing is measured in fractions.
type chart struct {
	Title  string
	Width  int
	Height int
	Legend []legend // with two programmes
	Lines  []line
	Bars   []bar
	Ticks  []tick // of the value axis
	Labels []label
	Spots  []spot // where a pointer is told the numbers
	Zero   int    // where 0 lies on the value axis
	Across bool   // bars lie across, each with its name
}

type (
	legend struct{ Name, Class string }
	line   struct{ Points, Class string }
	bar    struct {
		X, Y, Width, Height int
		Class, Hint         string
	}
	tick struct {
		At   int
		Text string
	}
	label struct {
		X, Y         int
		Text, Anchor string
	}
	spot struct {
		X, Y, Width, Height int
		Hint                string
	}
)

// Measures of charts.
const (
	chartWidth  = 720
	chartHeight = 260
	leftMargin  = 76
	topMargin   = 12
	lowMargin   = 26
	rightMargin = 12
	barRow      = 30 // of a rule in a chart of bars
	barName     = 190
	barNumbers  = 150 // beside the bars
	rulesDrawn  = 24  // bars of the rules that give, or differ, most
	labelWidth  = 84  // pixels that a date under an axis takes
)

// series is one programme's numbers in a chart of lines.
type series struct {
	name   string
	points []int64
}

// lineChart draws numbers over names, such as days.
func lineChart(title string, names []string, all []series) chart {
	c := chart{Title: title, Width: chartWidth, Height: chartHeight}
	if len(names) == 0 {
		return c
	}
	low, high := int64(0), int64(0)
	for _, s := range all {
		for _, n := range s.points {
			low, high = min(low, n), max(high, n)
		}
	}
	step := stepOf(high/4 - low/4 + 1)
	low, high = floorTo(low, step), -floorTo(-high, step)
	if high == low {
		high = low + step
	}
	height := int64(chartHeight - topMargin - lowMargin)
	y := func(n int64) int { return topMargin + int(scaled(high-n, height, high-low)) }
	width := chartWidth - leftMargin - rightMargin
	x := func(i int) int { return leftMargin + i*width/max(len(names)-1, 1) }
	for n := low; n <= high; n += step {
		c.Ticks = append(c.Ticks, tick{y(n), compact(n)})
	}
	c.Zero = y(0)
	for i, s := range all {
		var points strings.Builder
		for j, n := range s.points {
			points.WriteString(strconv.Itoa(x(j)) + "," + strconv.Itoa(y(n)) + " ")
		}
		if len(s.points) == 1 { // a line of one point would not be seen
			points.WriteString(strconv.Itoa(chartWidth-rightMargin) + "," + strconv.Itoa(y(s.points[0])))
		}
		c.Lines = append(c.Lines, line{strings.TrimSpace(points.String()), sideClass(i)})
		if len(all) > 1 {
			c.Legend = append(c.Legend, legend{s.name, sideClass(i)})
		}
	}
	every := (len(names)*labelWidth + width - 1) / width
	for i := 0; i < len(names); i += every {
		anchor := "middle"
		if i == 0 {
			anchor = "start"
		}
		if x(i) < chartWidth-rightMargin-labelWidth/2 || i == 0 {
			c.Labels = append(c.Labels, label{x(i), chartHeight - 8, names[i], anchor})
		}
	}
	for i, name := range names {
		hint := name
		for _, s := range all {
			hint += "\n" + s.name + ": " + count(s.points[i])
		}
		left, right := x(max(i-1, 0)), x(min(i+1, len(names)-1))
		begin, end := (left+x(i))/2, (right+x(i)+1)/2
		c.Spots = append(c.Spots, spot{begin, topMargin, max(end-begin, 2), int(height), hint})
	}
	return c
}

// scaled is part of whole in pixels. Numbers near 64 bits lose their last digits, which no drawing shows.
func scaled(part, pixels, whole int64) int64 {
	for whole > 1<<50 {
		part, whole = part/2, whole/2
	}
	return part * pixels / whole
}

func sideClass(i int) string { return [...]string{"a", "b"}[i] }

// stepOf is the distance of ticks: 1, 2 or 5 times a power of ten, about a quarter of the range.
func stepOf(quarter int64) int64 {
	step := int64(1)
	for step < quarter && step < 1<<58 {
		switch {
		case step*2 >= quarter:
			return step * 2
		case step*5 >= quarter:
			return step * 5
		}
		step *= 10
	}
	return step
}

// floorTo is the largest multiple of step that is not above n.
func floorTo(n, step int64) int64 {
	q := n / step
	if n%step < 0 {
		q--
	}
	return q * step
}

// compact writes a number of an axis shortly: 1.5k, 20k, 3M.
func compact(n int64) string {
	for _, unit := range []struct {
		size int64
		sign string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.size || n <= -unit.size {
			tenths := floorTo(n+unit.size/20, unit.size/10) / (unit.size / 10)
			text := strconv.FormatInt(tenths/10, 10)
			if rest := max(tenths%10, -(tenths % 10)); rest != 0 {
				text += "." + strconv.FormatInt(rest, 10)
			}
			return text + unit.sign
		}
	}
	return strconv.FormatInt(n, 10)
}

// ruleChart draws the net points by rule: bars of both programmes.
func (t *teller) ruleChart() chart {
	rows := map[string][2]int64{}
	var names []string
	for i := range t.r.Programmes {
		for _, row := range t.r.Programmes[i].Rules {
			points, known := rows[row.Key]
			if !known {
				names = append(names, row.Key)
			}
			points[i] = row.Net
			rows[row.Key] = points
		}
	}
	if t.r.Comparison != nil { // largest difference first, as in the table
		names = names[:0]
		for _, d := range t.r.Comparison.Rules {
			names = append(names, d.Key)
		}
	}
	names = names[:min(len(names), rulesDrawn)]
	c := chart{Title: t.say(chartRules), Width: chartWidth, Height: topMargin + barRow*len(names) + topMargin, Across: true}
	low, high := int64(0), int64(1)
	for _, name := range names {
		for _, n := range rows[name] {
			low, high = min(low, n), max(high, n)
		}
	}
	room := int64(chartWidth - barName - barNumbers)
	scale := func(n int64) int { return int(scaled(n, room, high-low)) }
	c.Zero = barName + scale(-low)
	thick := (barRow - 10) / len(t.r.Programmes)
	for i, name := range names {
		top := topMargin + i*barRow
		c.Labels = append(c.Labels, label{barName - 8, top + barRow/2 + 2, short(name, 26), "end"})
		for side := range t.r.Programmes {
			n := rows[name][side]
			length := scale(max(n, -n))
			b := bar{X: c.Zero, Y: top + 3 + side*thick, Width: max(length, 1), Height: thick - 1, Class: sideClass(side)}
			if n < 0 {
				b.X -= length
			}
			b.Hint = name + "\n" + t.side(side) + ": " + count(n)
			c.Bars = append(c.Bars, b)
			if side == 0 && len(t.r.Programmes) == 1 || side == 1 {
				text := compact(n)
				if side == 1 {
					text = compact(rows[name][0]) + " → " + text
				}
				c.Labels = append(c.Labels, label{c.Zero + scale(max(rows[name][0], rows[name][side], 0)) + 6, top + barRow/2 + 2, text, "start"})
			}
		}
	}
	t.addLegend(&c)
	return c
}

func (t *teller) addLegend(c *chart) {
	if len(t.r.Programmes) > 1 {
		for i := range t.r.Programmes {
			c.Legend = append(c.Legend, legend{t.side(i), sideClass(i)})
		}
	}
}

// monthChart draws what is outstanding at each month end.
func (t *teller) monthChart() chart {
	var all []series
	var names []string
	at := map[string]int{}
	for i := range t.r.Programmes {
		for _, row := range t.r.Programmes[i].Months {
			if _, known := at[row.Month]; !known {
				at[row.Month] = 0
				names = append(names, row.Month)
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		at[name] = i
	}
	for i := range t.r.Programmes {
		s := series{t.side(i), make([]int64, len(names))}
		last := int64(0)
		rows := t.r.Programmes[i].Months
		for j, name := range names {
			if len(rows) > 0 && rows[0].Month == name {
				last, rows = rows[0].Outstanding, rows[1:]
			}
			s.points[j] = last
		}
		all = append(all, s)
	}
	return lineChart(t.say(chartMonths), names, all)
}

// daysDrawn bounds the days of a chart; of a longer history months are drawn.
const daysDrawn = 800

// dayChart draws the net points of each day, those without any as 0.
func (t *teller) dayChart() chart {
	days := map[string][2]int64{}
	var keys []string
	for i := range t.r.Programmes {
		for _, row := range t.r.Programmes[i].Days {
			points, known := days[row.Key]
			if !known {
				keys = append(keys, row.Key)
			}
			points[i] = row.Net
			days[row.Key] = points
		}
	}
	slices.Sort(keys)
	keys = everyDay(keys)
	if len(keys) > daysDrawn {
		months := map[string][2]int64{}
		var names []string
		for _, key := range keys {
			month := key[:len(key)-len("-02")]
			points, known := months[month]
			if !known {
				names = append(names, month)
			}
			points[0] += days[key][0]
			points[1] += days[key][1]
			months[month] = points
		}
		days, keys = months, names
	}
	var all []series
	for i := range t.r.Programmes {
		s := series{t.side(i), make([]int64, len(keys))}
		for j, key := range keys {
			s.points[j] = days[key][i]
		}
		all = append(all, s)
	}
	return lineChart(t.say(chartDays), keys, all)
}

// everyDay fills in the days between, where they are not too many.
func everyDay(keys []string) []string {
	if len(keys) < 2 {
		return keys
	}
	first, err := time.Parse(time.DateOnly, keys[0])
	last, err2 := time.Parse(time.DateOnly, keys[len(keys)-1])
	const most = 20 * 366
	if err != nil || err2 != nil || last.Sub(first) > most*24*time.Hour {
		return keys
	}
	var all []string
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		all = append(all, day.Format(time.DateOnly))
	}
	return all
}
