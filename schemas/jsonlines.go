package schemas

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Message is one JSON line: a record on its way to or from a topic.
//
//	{"topic":"commerce.orders","key":"m1","value":{"event_id":"e1","order_id":"o1", ...}}
//
// The value is the record in plain JSON: fields named as in the schema, unions without wrappers, times as RFC 3339,
// enums as text, amounts and points as whole numbers. On input
//   - fields with a default may be left out, an optional text or time may also be null;
//   - times may have an offset; they are taken to UTC and cut to milliseconds;
//   - an unknown or repeated field, a number with a fraction or exponent, a missing field and anything after the object
//     are errors that name the field.
//
// On output the fields stand in the order of the schema, the keys of a map in alphabetical order. Absent texts and times
// and empty lists, maps and sources are left out; numbers are always there. Equal records give equal bytes.
type Message struct {
	Topic  string
	Key    string
	HasKey bool // the line has a key that is not null; without one it follows from the value ([MemberOf])
	Kind   Kind
	Value  any // *Order, *CheckIn and so on; nil: a null value, which ends a profile
}

// ParseLine reads a JSON line with the default topic names. See [Topics.ParseLine].
func ParseLine(line []byte) (Message, error) { return recordTables.topics.ParseLine(line) }

// ParseLine reads a JSON line; white space around it, the line's end too, does not matter. The error is a *LineError.
// line is not kept. Texts of a record share memory in blocks of 1 KiB. Safe for concurrent use as long as t is not changed.
func (t Topics) ParseLine(line []byte) (Message, error) {
	s := &scanner{src: line, texts: slab{first: len(line) / 4}} // the rest of a line is names and punctuation
	var m Message
	if !utf8.Valid(line) {
		s.fail(invalidAt(line), "the line is not valid UTF-8")
	} else {
		m = t.message(s)
	}
	if s.peek(); s.bad == nil && s.pos < len(line) {
		s.fail(s.pos, "the line goes on after the object")
	}
	if s.bad != nil {
		return Message{}, s.bad
	}
	return m, nil
}

// invalidAt returns where the first byte is that is not valid UTF-8.
func invalidAt(line []byte) int {
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(line)
}

// lineFields are the fields of a line, as bits of what was seen.
const (
	sawTopic = 1 << iota
	sawKey
	sawValue
)

// message reads the object that a line is.
func (t Topics) message(s *scanner) Message {
	var m Message
	if !s.accept('{') {
		s.expected(`an object {"topic": ..., "value": ...}`)
		return m
	}
	seen := 0
	valueAt := -1 // where the value stands, if the topic is not known yet
	for first := true; s.more(first, '}'); first = false {
		s.peek()
		at := s.pos
		name := s.key()
		bit := 0
		switch string(name) {
		case "topic":
			bit = sawTopic
		case "key":
			bit = sawKey
		case "value":
			bit = sawValue
		}
		switch {
		case s.bad != nil:
			return m
		case bit == 0:
			s.fail(at, "a line has no field %q%s", name, suggest(string(name), []string{"topic", "key", "value"}))
			return m
		case seen&bit != 0:
			s.fail(at, "the field %q stands here twice", name)
			return m
		}
		seen |= bit
		t.lineField(&m, s, bit, seen, &valueAt)
		if s.bad != nil {
			return m
		}
	}
	t.finish(&m, s, seen, valueAt)
	return m
}

// lineField reads one field of a line. A value before its topic is passed over and read at the end.
func (t Topics) lineField(m *Message, s *scanner, bit, seen int, valueAt *int) {
	switch bit {
	case sawTopic:
		s.peek()
		at := s.pos
		m.Topic = s.text()
		kind, known := t[m.Topic]
		if !known {
			s.fail(at, "%q is no topic with JSON lines; known are %s", m.Topic, t.names())
			s.at("topic")
		}
		m.Kind = kind
	case sawKey:
		if s.null() {
			return
		}
		m.Key, m.HasKey = s.text(), true
		if s.bad != nil {
			s.at("key")
		}
	case sawValue:
		if seen&sawTopic != 0 {
			m.parseValue(s)
			return
		}
		s.peek()
		*valueAt = s.pos
		s.skip(0)
	}
}

// finish checks that a line is complete, and reads a value that came before its topic.
func (t Topics) finish(m *Message, s *scanner, seen, valueAt int) {
	switch {
	case s.bad != nil:
	case seen&sawTopic == 0:
		s.fail(0, `the line has no "topic"; known are %s`, t.names())
	case seen&sawValue == 0:
		s.fail(0, `the line has no "value"`)
	case valueAt >= 0:
		end := s.pos
		s.pos = valueAt
		m.parseValue(s)
		if s.bad == nil {
			s.pos = end
		}
	}
	if s.bad == nil && m.Value == nil && !m.HasKey {
		s.fail(0, "a null value needs a key, the member whose profile ends")
	}
}

// parseValue reads the record.
func (m *Message) parseValue(s *scanner) {
	r := recordOf(m.Kind)
	if r == nil {
		s.fail(s.pos, "topic %q has no kind of record", m.Topic)
		return
	}
	if m.Kind == KindMember && s.null() {
		return
	}
	value := r.parseAny(s)
	if s.bad != nil {
		s.at("value")
		return
	}
	m.Value = value
}

// errNullValue says that only a profile can be null.
var errNullValue = errors.New("a null value needs a key")

// AppendLine appends a message as a JSON line, without the line's end, to dst. value is a pointer to a record, or nil for a
// null value. An empty key is left out. When there is an error, dst is returned as it was.
func AppendLine(dst []byte, topic, key string, value any) ([]byte, error) {
	var p printer
	out := p.text(dst, `{"topic":"`, topic)
	if key != "" {
		out = p.text(out, `,"key":"`, key)
	}
	out = append(out, `,"value":`...)
	kind, known := KindOf(value)
	switch {
	case known:
		out = recordOf(kind).printAny(&p, out, value)
	case value != nil:
		p.fail("%T is no record", value)
	case key == "":
		p.err = errNullValue
	default:
		out = append(out, "null"...)
	}
	if p.err != nil {
		return dst, fmt.Errorf("writing a line of %s: %w", topic, p.err)
	}
	return append(out, '}'), nil
}

// AppendValue appends a record alone, without topic and key, as plain JSON. Otherwise as [AppendLine].
func AppendValue(dst []byte, value any) ([]byte, error) {
	kind, known := KindOf(value)
	if !known {
		return dst, fmt.Errorf("writing %T: it is no record", value)
	}
	var p printer
	out := recordOf(kind).printAny(&p, dst, value)
	if p.err != nil {
		return dst, fmt.Errorf("writing %s: %w", kind, p.err)
	}
	return out, nil
}
