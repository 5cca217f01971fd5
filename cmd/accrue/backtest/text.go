package backtest

import (
	"fmt"
	"strings"
	"unicode"

	"accrue/rules/explain"
)

// Bounds of the text, in columns of a terminal.
const (
	textWidth  = 110 // of sentences
	nameWidth  = 44  // of a name in a table; the rest of a longer one is left out
	textIndent = "  "
)

// Text writes the report for a terminal, in a language. Names with signs that would steer the terminal are written with escapes.
func (r *Report) Text(language explain.Language) string {
	t := &teller{r: r, language: language}
	p := &paper{}
	p.heading(t.title(), '=')
	for _, s := range t.sections() {
		if s.id == "days" && len(s.grids[0].rows) > daysShown {
			s.title, s.grids = t.say(monthsTitle), []grid{t.daysByMonth()}
		}
		p.section(&s)
	}
	return p.String()
}

// paper is a text under way.
type paper struct{ strings.Builder }

func (p *paper) heading(title string, under rune) {
	title = printable(title)
	fmt.Fprintf(p, "%s\n%s\n", title, strings.Repeat(string(under), explain.Columns(title)))
}

func (p *paper) section(s *section) {
	p.WriteString("\n")
	if s.id != "overview" {
		p.heading(s.title, '-')
	}
	for _, note := range s.notes {
		p.sentence("", "", note)
	}
	first := len(s.notes) == 0
	for i := range s.grids {
		g := &s.grids[i]
		if g.detail && (s.id == "rules" || s.id == "days" || s.id == "segments" || s.id == "tiers" || s.id == "campaigns") && g.caption == "" {
			continue
		}
		if !first {
			p.WriteString("\n")
		}
		first = false
		if g.caption != "" {
			p.sentence("", "", g.caption+":")
		}
		p.grid(g)
	}
}

// grid writes a table with its columns in line, also where characters are two columns wide.
func (p *paper) grid(g *grid) {
	cells := append([][]string{g.head}, g.rows...)
	widths := make([]int, len(g.head))
	shown := make([][]string, len(cells))
	for i, row := range cells {
		shown[i] = make([]string, len(row))
		for j, cell := range row {
			text := printable(cell)
			if !g.numbers[j] {
				text = short(text, nameWidth)
			}
			shown[i][j] = text
			widths[j] = max(widths[j], explain.Columns(text))
		}
	}
	for i, row := range shown {
		line := textIndent
		for j, text := range row {
			space := strings.Repeat(" ", widths[j]-explain.Columns(text))
			if g.numbers[j] {
				line += space + text
			} else {
				line += text + space
			}
			if j < len(row)-1 {
				line += "  "
			}
		}
		p.WriteString(strings.TrimRight(line, " ") + "\n")
		if i > 0 && g.below != nil {
			for _, sentence := range g.below[i-1] {
				p.sentence(textIndent+"    - ", textIndent+"      ", sentence)
			}
		}
	}
}

// sentence writes a text in lines of the text's width, the first behind one indent, the others behind another.
func (p *paper) sentence(first, later, text string) {
	row, width := first, len(first)
	for i, piece := range explain.Pieces(printable(text)) {
		if i > 0 && width+explain.Columns(strings.TrimRight(piece, " ")) > textWidth {
			p.WriteString(strings.TrimRight(row, " ") + "\n")
			row, width = later, len(later)
		}
		row += piece
		width += explain.Columns(piece)
	}
	p.WriteString(strings.TrimRight(row, " ") + "\n")
}

// short cuts a text that is wider than so many columns.
func short(text string, width int) string {
	if explain.Columns(text) <= width {
		return text
	}
	cut, n := 0, 1
	for i, r := range text {
		if n += explain.Columns(string(r)); n > width {
			break
		}
		cut = i + len(string(r))
	}
	return text[:cut] + "…"
}

// printable writes signs that no terminal should get from a member's id or a title as \u escapes: they could hide or forge lines.
func printable(text string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || isBidi(r) || r == '\u2028' || r == '\u2029'
	}
	if strings.IndexFunc(text, bad) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if bad(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isBidi says that a sign turns the direction of what follows.
func isBidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }
