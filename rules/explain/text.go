package explain

import (
	"strings"
	"unicode"

	"accrue/rules/programme"
)

// Text is Sentences as a page: a heading for each part, a line for each sentence, broken where it would be wider than width
// columns of a terminal. It names the version, so that it is known what was signed.
func Text(p *programme.Programme, language Language, width int) string {
	t := &teller{p: p, language: language}
	page := &page{width: width}
	last := Kind(0)
	for _, s := range Sentences(p, language) {
		part := partOf(s.About.Kind)
		if part != last && last != 0 {
			page.text.WriteString("\n")
		}
		if title := titles[part]; part != last && title != (phrase{}) {
			page.line("", "", t.say(title))
		}
		last = part
		switch {
		case s.Key == "programme":
			page.line("", "", s.Text)
			page.line("", "", t.say(versionLine, "version", p.Version))
			page.text.WriteString("\n")
		case isHeading(s):
			page.line("  ", "  ", s.Text)
		case s.About.ID != "":
			page.line("    - ", "      ", s.Text)
		default:
			page.line("  - ", "    ", s.Text)
		}
	}
	return page.text.String()
}

// isHeading says that a sentence is the name of what the sentences after it are about.
func isHeading(s Sentence) bool { return s.About.ID != "" && (s.Key == "id" || s.Key == "title") }

// partOf is the part of the page in which a kind stands.
func partOf(kind Kind) Kind {
	switch kind {
	case Level:
		return Tiers
	case Rule:
		return Rules
	case Threshold:
		return Fraud
	case Header, Tiers, Rules, Fraud:
	}
	return kind
}

//nolint:gochecknoglobals // never changed
var titles = map[Kind]phrase{
	Tiers: {"Levels", "会员等级"},
	Rules: {"Rules", "积分规则"},
	Fraud: {"Thresholds against fraud", "防作弊阈值"},
}

// page is a text in lines of a width.
type page struct {
	width int
	text  strings.Builder
}

// line writes a text after a first indent, its later lines after another.
func (p *page) line(first, later, text string) {
	row, column := first, len(first)
	for i, piece := range Pieces(text) {
		if i > 0 && column+Columns(strings.TrimRight(piece, " ")) > p.width {
			p.endLine(row)
			row, column = later, len(later)
		}
		row += piece
		column += Columns(piece)
	}
	p.endLine(row)
}

// endLine ends a line without the spaces at its end.
func (p *page) endLine(row string) {
	p.text.WriteString(strings.TrimRight(row, " "))
	p.text.WriteString("\n")
}

// Pieces are the parts of a text between which a line may end: after a space, and beside a wide character, but not before a
// closing sign or after an opening one.
func Pieces(text string) []string {
	var all []string
	begin := 0
	last := rune(0)
	for i, r := range text {
		breaks := last == ' ' || isWide(last) || isWide(r)
		if i > 0 && r != ' ' && breaks && !strings.ContainsRune("，。；：、）”！？,.;:)%", r) && !strings.ContainsRune("（“(", last) {
			all = append(all, text[begin:i])
			begin = i
		}
		last = r
	}
	return append(all, text[begin:])
}

// Columns is how wide a text is on a terminal.
func Columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if isWide(r) {
			n++
		}
	}
	return n
}

// isWide says that a character takes two columns: those of Chinese, Japanese and Korean, their signs among them.
func isWide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r >= 0x3000 && r <= 0x303f || r >= 0xff01 && r <= 0xff60
}
