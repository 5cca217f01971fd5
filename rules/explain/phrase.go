package explain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// phrase is one text in each language. A {name} in it stands for what the programme fills in.
type phrase struct{ en, zh string }

// noun is something that is counted; {n} is the number.
type noun struct{ one, many, zh string }

// in is the phrase in a language.
func (p phrase) in(language Language) string {
	if language == Chinese {
		return p.zh
	}
	return p.en
}

// say is a phrase with its names filled in; with is names and values in turn. What is filled in is not looked at again.
func (t *teller) say(what phrase, with ...string) string {
	rest := what.in(t.language)
	text := ""
	for {
		before, after, found := strings.Cut(rest, "{")
		text = t.join(text, before)
		if !found {
			return text
		}
		name, after, _ := strings.Cut(after, "}")
		for i := 0; i+1 < len(with); i += 2 {
			if with[i] == name {
				text = t.join(text, with[i+1])
			}
		}
		rest = after
	}
}

// count says a number of something; the number comes as text, as it need not be whole.
func (t *teller) count(what noun, number string) string {
	en := what.many
	if number == "1" {
		en = what.one
	}
	return t.say(phrase{en, what.zh}, "n", number)
}

// join puts texts together; Chinese has a space between its characters and Latin letters or digits.
func (t *teller) join(before, after string) string {
	if t.language == Chinese && before != "" && after != "" {
		last, _ := utf8.DecodeLastRuneInString(before)
		first, _ := utf8.DecodeRuneInString(after)
		if isHan(last) && isLatin(first) || isLatin(last) && isHan(first) {
			return before + " " + after
		}
	}
	return before + after
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

func isLatin(r rune) bool {
	return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '%' || r == '`' || r == '-')
}

// list is several things of which all are meant.
func (t *teller) list(items []string) string { return t.enumerate(items, lastOfAll) }

// choice is several things of which one is meant.
func (t *teller) choice(items []string) string { return t.enumerate(items, lastOfChoice) }

// neither is several things of which none is meant.
func (t *teller) neither(items []string) string { return t.enumerate(items, lastOfNone) }

func (t *teller) enumerate(items []string, last phrase) string {
	text := items[0]
	for i, item := range items[1:] {
		joint := nextOfList
		if i+2 == len(items) {
			joint = last
		}
		text = t.say(joint, "before", text, "next", item)
	}
	return text
}

// quoted is a text of the programme's own.
func (t *teller) quoted(text string) string { return t.say(quotation, "text", text) }

//nolint:gochecknoglobals // never changed
var (
	nextOfList   = phrase{"{before}, {next}", "{before}、{next}"}
	lastOfAll    = phrase{"{before} and {next}", "{before}和{next}"}
	lastOfChoice = phrase{"{before} or {next}", "{before}或{next}"}
	lastOfNone   = phrase{"{before} nor {next}", "{before}或{next}"}
	quotation    = phrase{`"{text}"`, "“{text}”"}
)
