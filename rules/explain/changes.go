package explain

import (
	"slices"

	"accrue/rules/programme"
)

// Changes is what another version of a programme makes different, as a page like Text: of each rule, level, threshold and part
// that changes the sentences that hold no longer and those that hold instead. It is empty where both say the same.
func Changes(before, after *programme.Programme, language Language, width int) string {
	t := &teller{language: language}
	page := &page{width: width}
	old, new := Sentences(before, language), Sentences(after, language)
	for _, about := range subjects(old, new) {
		gone, come := without(old, new, about), without(new, old, about)
		if len(gone)+len(come) == 0 {
			continue
		}
		page.line("  ", "  ", t.subject(about, old, new))
		for _, s := range gone {
			page.line("    - ", "      ", t.say(holdsNoLonger, "sentence", s.Text))
		}
		for _, s := range come {
			page.line("    + ", "      ", t.say(holdsNow, "sentence", s.Text))
		}
	}
	return page.text.String()
}

//nolint:gochecknoglobals // never changed
var (
	holdsNoLonger = phrase{"no longer: {sentence}", "不再适用：{sentence}"}
	holdsNow      = phrase{"now: {sentence}", "改为：{sentence}"}
	forAll        = phrase{"For all", "总体"}
)

// subjects are what both speak of, in the order of the newer; what only the older has comes last in its part.
func subjects(old, new []Sentence) []Subject {
	var list []Subject
	for _, s := range slices.Concat(new, old) {
		if !slices.Contains(list, s.About) {
			list = append(list, s.About)
		}
	}
	slices.SortStableFunc(list, func(a, b Subject) int { return int(a.Kind) - int(b.Kind) })
	return list
}

// without are the sentences about a subject that another version does not say, its name and that of the programme aside.
func without(said, other []Sentence, about Subject) []Sentence {
	var list []Sentence
	for _, s := range said {
		if s.About == about && s.Key != "programme" && !isHeading(s) && !slices.Contains(other, s) {
			list = append(list, s)
		}
	}
	return list
}

// subject names what sentences are about, as the newer version that has it does.
func (t *teller) subject(about Subject, old, new []Sentence) string {
	for _, list := range [...][]Sentence{new, old} {
		for _, s := range list {
			if s.About == about && isHeading(s) {
				return s.Text
			}
		}
	}
	if title := titles[partOf(about.Kind)]; title != (phrase{}) {
		return t.say(title)
	}
	return t.say(forAll)
}
