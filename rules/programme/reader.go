package programme

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"accrue/schemas"
)

// reader collects what is wrong while the tree of a programme is turned into types. Its methods report and go on with a
// value that causes no second message.
type reader struct {
	problems Problems
	errors   int      // how many of them are errors
	notYet   []string // see supported.go
}

func (r *reader) fail(pos Position, format string, args ...any) {
	r.suggest(pos, "", format, args...)
}

func (r *reader) suggest(pos Position, suggestion, format string, args ...any) {
	r.report(Problem{Pos: pos, Severity: Error, Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
}

func (r *reader) warn(pos Position, format string, args ...any) {
	r.report(Problem{Pos: pos, Severity: Warning, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) report(p Problem) {
	r.problems = append(r.problems, p)
	if p.Severity == Error {
		r.errors++
	}
}

// later reports what the ledger does not do yet.
func (r *reader) later(pos Position, name, what string) {
	if slices.Contains(r.notYet, name) {
		r.fail(pos, "`%s` is not supported by this version", what)
	}
}

// fields are the entries of a mapping by key.
type fields struct {
	node  *node
	shape *shape
	found map[string]entry
}

// get returns the value of a key, nil where it is left out or empty.
func (f fields) get(key string) *node {
	e, ok := f.found[key]
	if !ok || e.value.kind == nullNode || e.value.kind == brokenNode {
		return nil
	}
	return e.value
}

// has reports whether a key was written, whatever its value.
func (f fields) has(key string) bool {
	_, ok := f.found[key]
	return ok
}

func (f fields) at(key string) Position {
	if e, ok := f.found[key]; ok {
		return e.key.pos
	}
	return f.node.pos
}

// mapping reads a mapping of a shape.
func (r *reader) mapping(n *node, s *shape) (fields, bool) {
	f := fields{node: n, shape: s, found: map[string]entry{}}
	if n == nil || n.kind == brokenNode {
		return f, false
	}
	if n.kind != mapNode {
		r.fail(n.pos, "%s must be a mapping (%s: ...), not %s", s.what, s.keys[0].name, n.describe())
		return f, false
	}
	for _, e := range n.entries {
		key := e.key.text
		if first, twice := f.found[key]; twice {
			r.fail(e.key.pos, "key `%s` twice, first in line %d", shorten(key), first.key.pos.Line)
			continue
		}
		f.found[key] = e
		switch {
		case !s.has(key):
			r.unknownKey(e.key, s)
		case e.value.kind == nullNode:
			r.fail(e.key.pos, "`%s` has no value", key)
		default:
			r.later(e.key.pos, s.name+"."+key, key)
		}
	}
	return f, true
}

// unknownKey says what was probably meant: a key of that mapping, or this key in a mapping within it.
func (r *reader) unknownKey(key *node, s *shape) {
	near := schemas.Nearest(key.text, s.names())
	if in := s.keysWith(key.text); near == "" && len(in) > 0 {
		r.fail(key.pos, "unknown key `%s` in %s: it belongs in %s", key.text, s.what, oneOf(in))
		return
	}
	r.suggest(key.pos, near, "unknown key `%s`", shorten(key.text))
}

// scalar returns the text of a single value.
func (r *reader) scalar(n *node, what string) (string, bool) {
	if n == nil || n.kind == brokenNode {
		return "", false
	}
	if n.kind != scalarNode {
		r.fail(n.pos, "%s must be a single value, not %s", what, n.describe())
		return "", false
	}
	return n.text, true
}

// How long names and texts may be, in characters.
const (
	longestName = 100
	longestText = 500
)

// name reads an id: it stands in keys, logs and metrics, so it is letters, digits and -_. of any script.
func (r *reader) name(n *node, what string) string {
	text, ok := r.scalar(n, what)
	if !ok {
		return ""
	}
	switch {
	case text == "":
		r.fail(n.pos, "%s is empty", what)
		return ""
	case utf8.RuneCountInString(text) > longestName:
		r.fail(n.pos, "%s has more than %d characters", what, longestName)
		return ""
	}
	odd := strings.IndexFunc(text, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.Is(unicode.M, c) && !strings.ContainsRune("-_.", c)
	})
	if odd >= 0 {
		c, _ := utf8.DecodeRuneInString(text[odd:])
		r.fail(n.pos, "%s may hold letters, digits, - _ and . only, not %q", what, c)
		return ""
	}
	return text
}

// title reads a text for people.
func (r *reader) title(n *node, what string) (string, bool) {
	text, ok := r.scalar(n, what)
	if ok && utf8.RuneCountInString(text) > longestText {
		r.fail(n.pos, "%s has more than %d characters", what, longestText)
		return "", false
	}
	return text, ok
}

// invalid reports a value that its key does not take.
func (r *reader) invalid(n *node, b *badValue) {
	r.suggest(n.pos, b.hint, "%s", b.message)
}

// whole reads an int64 above 0. It must be a number in YAML too: quotes would make it a text.
func (r *reader) whole(n *node, what string) int64 {
	value, ok := r.wholeOrZero(n, what)
	if ok && value == 0 {
		r.fail(n.pos, "%s must be above 0", what)
		return 0
	}
	return value
}

// wholeAt reads the whole number above 0 at a key; 0: it is not there, or wrong, which has been reported.
func (r *reader) wholeAt(f fields, key string) int64 {
	if n := f.get(key); n != nil {
		return r.whole(n, "`"+key+"`")
	}
	return 0
}

func (r *reader) wholeOrZero(n *node, what string) (int64, bool) {
	text, ok := r.scalar(n, what)
	if !ok {
		return 0, false
	}
	value, wrong := parseWhole(what, text)
	if wrong == nil && n.style != plain {
		wrong = bad(text, "%s must be a number, not a text in quotes", what)
	}
	if wrong != nil {
		r.invalid(n, wrong)
		return 0, false
	}
	return value, true
}

// duration reads the duration at a key; false: there is none, or none that can be read, which has been reported.
func (r *reader) duration(f fields, key string) (Duration, bool) {
	n := f.get(key)
	if n == nil {
		return Duration{}, false
	}
	return r.durationOf(n, "`"+key+"`")
}

func (r *reader) durationOf(n *node, what string) (Duration, bool) {
	text, ok := r.scalar(n, what)
	if !ok {
		return Duration{}, false
	}
	d, wrong := parseDuration(text)
	if wrong != nil {
		r.suggest(n.pos, wrong.hint, "%s: %s", what, wrong.message)
		return Duration{}, false
	}
	return d, true
}

// percent reads a percentage above 0.
func (r *reader) percent(n *node, what string) (Ratio, bool) {
	text, ok := r.scalar(n, what)
	if !ok {
		return Ratio{}, false
	}
	value, wrong := parsePercent(text)
	if wrong != nil {
		r.suggest(n.pos, wrong.hint, "%s: %s", what, wrong.message)
	}
	return value, wrong == nil
}

// yesNo reads true or false at a key; false also where it is not there.
func (r *reader) yesNo(f fields, key string) bool {
	n := f.get(key)
	if n == nil {
		return false
	}
	text, ok := r.scalar(n, "`"+key+"`")
	if ok && text != "true" && text != "false" {
		r.fail(n.pos, "`%s` must be true or false, not %q", key, shorten(text))
	}
	if text == "true" {
		r.later(n.pos, f.shape.name+"."+key+": true", key+": true")
	}
	return text == "true"
}

// word reads one of the words of a key; the value is the word's index in the key's list. false: the key is not there, or
// something else is, which has been reported.
func (r *reader) word(f fields, key string) (int, bool) {
	n := f.get(key)
	if n == nil {
		return 0, false
	}
	text, ok := r.scalar(n, "`"+key+"`")
	if !ok {
		return 0, false
	}
	words := f.shape.wordsOf(key)
	if i := slices.Index(words, text); i >= 0 {
		r.later(n.pos, f.shape.name+"."+key+": "+text, key+": "+text)
		return i, true
	}
	r.suggest(n.pos, schemas.Nearest(text, words), "`%s` must be %s, not %q", key, oneOf(words), shorten(text))
	return 0, false
}

// isWord says that a word stands at a key where something else may stand too.
func (r *reader) isWord(f fields, key, word string) bool {
	n := f.get(key)
	if n == nil || n.kind != scalarNode || n.text != word {
		return false
	}
	r.later(n.pos, f.shape.name+"."+key+": "+word, key+": "+word)
	return true
}

func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// list returns the items of a list, or the one item that stands in its place where one is allowed.
func (r *reader) list(n *node, what string, single nodeKind) []*node {
	if n == nil || n.kind == brokenNode {
		return nil
	}
	if n.kind == listNode {
		return n.items
	}
	if n.kind == single {
		return []*node{n}
	}
	r.fail(n.pos, "%s must be a list, not %s", what, n.describe())
	return nil
}
