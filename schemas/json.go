package schemas

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is the JSON-lines form of the column types: reading and writing plain JSON.

// parse reads an object into v, which is zero. What is wrong names the field.
func (l *layout[T]) parse(v *T, s *scanner) {
	if !s.accept('{') {
		s.expected("an object (" + l.name + ")")
		return
	}
	l.setDefaults(v)
	start := s.pos - 1
	var seen uint64
	next := 0
	for first := true; s.more(first, '}'); first = false {
		at := s.pos
		i := l.field(s, next)
		if s.bad != nil {
			return
		}
		if seen&(1<<i) != 0 {
			s.fail(at, "the field stands here twice")
			s.at(l.names[i])
			return
		}
		seen |= 1 << i
		next = i + 1
		l.columns[i].parse(v, s)
		if s.bad != nil {
			s.at(l.names[i])
			return
		}
	}
	if missing := l.required &^ seen; missing != 0 && s.bad == nil {
		for i, name := range l.names {
			if missing&(1<<i) != 0 {
				s.fail(start, "the field is missing")
				s.at(name)
				return
			}
		}
	}
}

// field reads the name of a field and the colon, and returns which it is. Mostly it is the next one of the schema, or the
// one behind an optional one: those are compared as a whole.
func (l *layout[T]) field(s *scanner, next int) int {
	for i := next; i < min(next+2, len(l.heads)); i++ {
		if head := l.heads[i]; len(s.src)-s.pos > len(head) && string(s.src[s.pos:s.pos+len(head)]) == head {
			s.pos += len(head)
			return i
		}
	}
	at := s.pos
	name := s.key()
	i, known := l.find(name, next)
	if !known && s.bad == nil {
		s.fail(at, "%s has no field %q%s", l.name, name, suggest(string(name), l.names))
	}
	return i
}

// print writes a record's fields in the order of the schema. What is absent is left out; numbers are always there.
func (l *layout[T]) print(p *printer, dst []byte, v *T) []byte {
	start := len(dst)
	for _, c := range l.columns {
		dst = c.print(p, dst, v)
	}
	return enclose(dst, start, '{', '}')
}

func (c *textColumn[T]) parse(v *T, s *scanner) {
	if c.nullable && s.null() {
		return
	}
	*c.at(v) = s.text()
}

func (c *textColumn[T]) print(p *printer, dst []byte, v *T) []byte {
	if s := *c.at(v); s != "" || !c.nullable {
		return p.text(dst, c.quote, s)
	}
	return dst
}

func (c *enumColumn[T, E]) parse(v *T, s *scanner) {
	if s.peek() != '"' {
		s.expected("one of " + joinSymbols(c.symbols))
		return
	}
	at := s.pos
	raw := s.raw("")
	for _, symbol := range c.symbols {
		if string(raw) == string(symbol) {
			*c.at(v) = symbol
			return
		}
	}
	if c.unknown && string(raw) == symbolUnknown {
		*c.at(v) = symbolUnknown
		return
	}
	s.fail(at, "%q is not known, expected one of %s", raw, joinSymbols(c.symbols))
}

func (c *enumColumn[T, E]) print(p *printer, dst []byte, v *T) []byte {
	return p.text(dst, c.quote, string(*c.at(v)))
}

func (c *numberColumn[T, N]) parse(v *T, s *scanner) {
	bits := 32
	if _, wide := any(c.def).(int64); wide {
		bits = 64
	}
	*c.at(v) = N(s.number(bits))
}

func (c *numberColumn[T, N]) print(_ *printer, dst []byte, v *T) []byte {
	return strconv.AppendInt(append(dst, c.intro...), int64(*c.at(v)), 10)
}

func (c *instantColumn[T]) parse(v *T, s *scanner) {
	if c.nullable && s.null() {
		return
	}
	s.peek()
	at := s.pos
	raw := s.raw("a time like 2026-06-18T08:30:00Z")
	if s.bad != nil {
		return
	}
	var t time.Time
	if err := t.UnmarshalText(raw); err != nil {
		s.fail(at, "%q is not a time like 2026-06-18T08:30:00Z", raw)
		return
	}
	t = t.UTC().Truncate(time.Millisecond)
	if y := t.Year(); y < 1 || y > 9999 {
		s.fail(at, "%q is not in the years 1 to 9999", raw)
		return
	}
	*c.at(v) = t
}

func (c *instantColumn[T]) print(p *printer, dst []byte, v *T) []byte {
	if t := *c.at(v); !c.nullable || !t.IsZero() {
		return p.instant(dst, c.quote, t)
	}
	return dst
}

func (c *dateColumn[T]) parse(v *T, s *scanner) {
	if s.null() {
		return
	}
	s.peek()
	at := s.pos
	day := s.text()
	if s.bad != nil {
		return
	}
	if t, err := time.Parse(dateForm, day); err != nil || t.Year() < 1 {
		s.fail(at, "%q is not a day like 1990-12-31", day)
		return
	}
	*c.at(v) = day
}

func (c *dateColumn[T]) print(p *printer, dst []byte, v *T) []byte {
	if day := *c.at(v); day != "" {
		return p.text(dst, c.quote, day)
	}
	return dst
}

func (c *textsColumn[T]) parse(v *T, s *scanner) {
	if !s.accept('[') {
		s.expected("a list of texts")
		return
	}
	var all []string
	for s.more(len(all) == 0, ']') {
		all = append(all, s.text())
		if s.bad != nil {
			s.at(fmt.Sprintf("[%d]", len(all)-1))
			return
		}
	}
	*c.at(v) = all
}

func (c *textsColumn[T]) print(p *printer, dst []byte, v *T) []byte {
	all := *c.at(v)
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, c.intro...)
	start := len(dst)
	for _, s := range all {
		dst = p.text(dst, `,"`, s)
	}
	return enclose(dst, start, '[', ']')
}

func (c *mapColumn[T]) parse(v *T, s *scanner) {
	if !s.accept('{') {
		s.expected("an object of texts")
		return
	}
	var all map[string]string
	for s.more(all == nil, '}') {
		s.peek()
		at := s.pos
		key := s.texts.add(s.key())
		if s.bad != nil {
			return
		}
		if _, twice := all[key]; twice {
			s.fail(at, "%q stands here twice", key)
			return
		}
		if all == nil {
			all = make(map[string]string)
		}
		all[key] = s.text()
		if s.bad != nil {
			s.at(key)
			return
		}
	}
	*c.at(v) = all
}

func (c *mapColumn[T]) print(p *printer, dst []byte, v *T) []byte {
	all := *c.at(v)
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, c.intro...)
	start := len(dst)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		dst = p.text(dst, `,"`, key)
		dst = p.text(dst, `:"`, all[key])
	}
	return enclose(dst, start, '{', '}')
}

func (c *groupColumn[T, E]) parse(v *T, s *scanner) { c.layout.parse(c.at(v), s) }

func (c *groupColumn[T, E]) print(p *printer, dst []byte, v *T) []byte {
	var zero E
	if in := c.at(v); *in != zero {
		return c.layout.print(p, append(dst, c.intro...), in)
	}
	return dst
}

func (c *listColumn[T, E]) parse(v *T, s *scanner) {
	if !s.accept('[') {
		s.expected("a list of " + c.layout.name)
		return
	}
	var all []E
	for s.more(len(all) == 0, ']') {
		if all == nil {
			// Room for all that may come, so that there is no growing, but bounded: the text may be long, or have
			// braces, for other reasons.
			ahead := s.src[s.pos:min(s.pos+firstItems*100, len(s.src))]
			all = make([]E, 0, min(bytes.Count(ahead, []byte{'{'}), firstItems))
		}
		var zero E
		all = append(all, zero)
		c.layout.parse(&all[len(all)-1], s)
		if s.bad != nil {
			s.at(fmt.Sprintf("[%d]", len(all)-1))
			return
		}
	}
	*c.at(v) = all
}

func (c *listColumn[T, E]) print(p *printer, dst []byte, v *T) []byte {
	all := *c.at(v)
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, c.intro...)
	start := len(dst)
	for i := range all {
		dst = c.layout.print(p, append(dst, ','), &all[i])
	}
	return enclose(dst, start, '[', ']')
}

// joinSymbols lists symbols for a message.
func joinSymbols[E ~string](symbols []E) string {
	all := make([]string, 0, len(symbols))
	for _, s := range symbols {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}
