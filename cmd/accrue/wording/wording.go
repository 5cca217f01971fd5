// Package wording has what the console and the command line say to people about the engine, a text in each language under one key. What
// it says of programmes is package explain's.
package wording

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"accrue/rules/explain"
)

//go:embed *.json
var files embed.FS

// Words is all that is said in one language, by key. {0}, {1} stand for what is filled in.
type Words map[string]string

// In reads the words of a language.
func In(language explain.Language) (Words, error) {
	text, err := files.ReadFile(string(language) + ".json")
	if err != nil {
		return nil, fmt.Errorf("read the words of language %q: %w", language, err)
	}
	words := Words{}
	if err := json.Unmarshal(text, &words); err != nil {
		return nil, fmt.Errorf("read the words of language %q: %w", language, err)
	}
	return words, nil
}

// T says a text. What is filled in is not looked at again: it may be of a member's. A key that is none is said as it is.
func (w Words) T(key string, with ...any) string {
	text, ok := w[key]
	if !ok {
		return key
	}
	places := make([]string, 0, 2*len(with))
	for i, value := range with {
		places = append(places, "{"+strconv.Itoa(i)+"}", fmt.Sprint(value))
	}
	return strings.NewReplacer(places...).Replace(text)
}

// Word says a word of the engine (an outcome, a state); one that a later version brings is said as it is.
func (w Words) Word(group string, word any) string {
	if text, ok := w[group+"."+fmt.Sprint(word)]; ok {
		return text
	}
	return fmt.Sprint(word)
}

// Kind says in words what an event of a member is; the engine's own words are those of rules.FactDescription.
func (w Words) Kind(kind string) string {
	if what, which, ok := strings.Cut(kind, " "); ok {
		if _, known := w["kind."+what]; known {
			return w.T("kind."+what) + " " + w.Word("kind."+what, which)
		}
	}
	return w.Word("kind", kind)
}
