package backtest

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"accrue/rules/explain"
)

//go:embed page.html
var pageText string

// Page writes the report as one HTML page in a language. It holds all that it needs and asks nobody for anything: it has no script,
// and its policy forbids every request. What comes from programmes and members is escaped by html/template, by where it stands.
func (r *Report) Page(language explain.Language) ([]byte, error) {
	made, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the template of the page: %w", err)
	}
	t := &teller{r: r, language: language}
	p := page{Lang: t.lang(), Title: t.title(), MadeBy: t.say(madeBy)}
	for _, s := range t.sections() {
		p.Sections = append(p.Sections, t.pageSection(&s))
	}
	var b bytes.Buffer
	if err := made.Execute(&b, &p); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return b.Bytes(), nil
}

// page is what the template fills in.
type page struct {
	Lang, Title, MadeBy string
	Sections            []pageSection
}

type pageSection struct {
	ID, Title string
	Notes     []string
	Charts    []chart
	Grids     []pageGrid
}

type pageGrid struct {
	Caption string
	Label   string // for who hears the page: the caption, or the section's title
	Folded  bool
	Head    []pageCell
	Rows    []pageRow
	Width   int // columns
}

type pageRow struct {
	Cells []pageCell
	Below []string
}

type pageCell struct {
	Text  string
	Class string // of the cell; empty: a name
}

func (t *teller) pageSection(s *section) pageSection {
	made := pageSection{ID: s.id, Title: s.title, Notes: printableAll(s.notes)}
	for i := range s.charts {
		if c := &s.charts[i]; len(c.Lines)+len(c.Bars) > 0 {
			made.Charts = append(made.Charts, c.printable())
		}
	}
	for i := range s.grids {
		made.Grids = append(made.Grids, t.pageGrid(s, &s.grids[i]))
	}
	return made
}

func (t *teller) pageGrid(s *section, g *grid) pageGrid {
	made := pageGrid{Caption: printable(g.caption), Folded: g.detail, Width: len(g.head)}
	if g.detail && made.Caption == "" {
		made.Caption = s.title
	}
	if made.Label = made.Caption; made.Label == "" {
		made.Label = s.title
	}
	for j, text := range g.head {
		made.Head = append(made.Head, pageCell{printable(text), numberClass(g.numbers[j])})
	}
	for i, row := range g.rows {
		var cells pageRow
		for j, text := range row {
			class := numberClass(g.numbers[j])
			if g.shade != nil && j > 0 && i < len(g.shade.Members) && j <= len(g.shade.To) {
				class += shadeClass(g.shade, i, j-1)
			}
			cells.Cells = append(cells.Cells, pageCell{printable(text), class})
		}
		if g.below != nil {
			cells.Below = printableAll(g.below[i])
		}
		made.Rows = append(made.Rows, cells)
	}
	return made
}

func numberClass(number bool) string {
	if number {
		return "n"
	}
	return ""
}

// shadeClass darkens a cell of a matrix by its share of the row, in five steps.
func shadeClass(m *Matrix, row, column int) string {
	all := int64(0)
	for _, n := range m.Members[row] {
		all += n
	}
	n := m.Members[row][column]
	if n == 0 {
		return " s0"
	}
	return " s" + strconv.FormatInt(1+min(permille(n, all)/250, 3), 10)
}

// printable writes what a chart takes from programmes without signs that steer.
func (c *chart) printable() chart {
	made := *c
	made.Legend, made.Labels, made.Bars, made.Spots = slices.Clone(c.Legend), slices.Clone(c.Labels), slices.Clone(c.Bars), slices.Clone(c.Spots)
	for i := range made.Legend {
		made.Legend[i].Name = printable(made.Legend[i].Name)
	}
	for i := range made.Bars {
		made.Bars[i].Hint = printableLines(made.Bars[i].Hint)
	}
	for i := range made.Spots {
		made.Spots[i].Hint = printableLines(made.Spots[i].Hint)
	}
	for i := range made.Labels {
		made.Labels[i].Text = printable(made.Labels[i].Text)
	}
	return made
}

// printableLines is printable of each line.
func printableLines(text string) string {
	return strings.Join(printableAll(strings.Split(text, "\n")), "\n")
}

func printableAll(all []string) []string {
	made := make([]string, len(all))
	for i, text := range all {
		made[i] = printable(text)
	}
	return made
}
