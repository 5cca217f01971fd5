package programme

// The grammar is data: the tables of keys.go say which keys a mapping has and what may stand there. The parser takes its
// keys, its words and what it suggests from them, and the JSON Schema for editors is written from them, so neither can know
// a key that the other does not.

// shape is one kind of mapping in a programme file.
type shape struct {
	name string // of the mapping, in notYet and in the schema: "rule"
	what string // of one, in messages: "a rule"
	doc  string // one sentence, for editors
	keys []key
	// oneOf are keys of which there is exactly one. The parser says so in its own words.
	oneOf []string
}

// key is one key of a mapping.
type key struct {
	name     string
	value    value
	doc      string // one sentence, for editors
	required bool   // for editors; the parser says for itself what is missing, as it depends on other keys
}

// value is what may stand at a key.
type value struct {
	kind  valueKind
	words []string // with oneWord
	shape *shape   // with aMapping
	items *value   // with aList: of what; with oneOrMore: one of them, or a list
	or    *value   // what may stand there instead
}

// valueKind is how a value is written.
type valueKind uint8

const (
	aText      valueKind = iota + 1
	aName                // letters, digits and -_. of any script
	aCurrency            // a code of ISO 4217
	aWhole               // a whole number above 0
	aNumber              // a decimal number, exact: money in major units, a rate
	aPercent             // 20%
	aDuration            // 30m, 24h, 7 days, 6 months
	aTime                // 2026-06-18, 2026-06-18T10:00
	aCondition           // CEL
	oneWord
	yesNo
	aMapping
	aList
	oneOrMore
	byCurrency // a mapping of currencies to rates
	byName     // a mapping of names to names
)

func simple(kind valueKind) value   { return value{kind: kind} }
func words(list []string) value     { return value{kind: oneWord, words: list} }
func mappingOf(s *shape) value      { return value{kind: aMapping, shape: s} }
func listOf(items value) value      { return value{kind: aList, items: &items} }
func oneOrMoreOf(items value) value { return value{kind: oneOrMore, items: &items} }

// either is one value or another.
func either(first value, others ...value) value {
	if len(others) > 0 {
		rest := either(others[0], others[1:]...)
		first.or = &rest
	}
	return first
}

// wordOf is a word of a list; empty: there is no such.
func wordOf(list []string, i int) string {
	if i < 0 || i >= len(list) {
		return ""
	}
	return list[i]
}

// has says that a mapping has a key.
func (s *shape) has(name string) bool { return s.value(name) != nil }

// names are the keys of a mapping, in the order of the table.
func (s *shape) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// keysWith are the keys of a mapping at which another mapping may stand that has a key.
func (s *shape) keysWith(name string) []string {
	var keys []string
	for i := range s.keys {
		for v := &s.keys[i].value; v != nil; v = v.or {
			if v.shape != nil && v.shape.has(name) {
				keys = append(keys, "`"+s.keys[i].name+"`")
			}
		}
	}
	return keys
}

// value is what may stand at a key; nil: there is no such key.
func (s *shape) value(name string) *value {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i].value
		}
	}
	return nil
}

// wordsOf are the words that may stand at a key.
func (s *shape) wordsOf(name string) []string {
	for v := s.value(name); v != nil; v = v.or {
		if v.kind == oneWord {
			return v.words
		}
	}
	return nil
}

// walk visits a mapping and those that may stand in it, each once, in the order of the tables.
func (s *shape) walk(visit func(*shape)) {
	seen := map[*shape]bool{}
	var shapeOf func(*shape)
	var valueOf func(*value)
	valueOf = func(v *value) {
		for ; v != nil; v = v.or {
			valueOf(v.items)
			if v.shape != nil {
				shapeOf(v.shape)
			}
		}
	}
	shapeOf = func(s *shape) {
		if seen[s] {
			return
		}
		seen[s] = true
		visit(s)
		for i := range s.keys {
			valueOf(&s.keys[i].value)
		}
	}
	shapeOf(s)
}
