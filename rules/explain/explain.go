package explain

import "accrue/rules/programme"

// Language is a language that programmes are explained in, by its code of ISO 639.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// Languages are all languages, the default first.
func Languages() []Language { return []Language{English, Chinese} }

// Kind is a part of a programme.
type Kind uint8

// The parts of a programme, in the order in which they are told.
const (
	Header    Kind = iota + 1 // the keys that stand once
	Tiers                     // `tiers`, but for its levels
	Level                     // one of its levels
	Rules                     // what holds for all rules
	Rule                      // one of the rules
	Fraud                     // what holds for all thresholds
	Threshold                 // one of the thresholds
)

// Subject is what a sentence is about. ID is the id of the level, rule or threshold, else empty.
type Subject struct {
	Kind Kind
	ID   string
}

// Sentence is one fact about a programme.
type Sentence struct {
	About Subject
	// Key is the key of the grammar that the fact comes from, the leading one where several make one fact. A subject may have
	// several sentences of one key, as it may have several limits.
	Key  string
	Text string
}

// Sentences explains a programme, in the order of Kind and, within a kind, of the programme. It never fails.
func Sentences(p *programme.Programme, language Language) []Sentence {
	t := &teller{p: p, language: language}
	t.header()
	t.tiers()
	t.rules()
	t.fraud()
	return t.told
}

// teller says one programme in one language.
type teller struct {
	p        *programme.Programme
	language Language
	about    Subject
	told     []Sentence
}

// tell adds a sentence about the present subject.
func (t *teller) tell(key string, what phrase, with ...string) {
	t.told = append(t.told, Sentence{About: t.about, Key: key, Text: t.say(what, with...)})
}
