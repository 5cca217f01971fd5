package schemas

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads one JSON text. It is made for records: typed values in, an error with the field's path out. A general
// token reader (jsontext) takes as long to find the tokens of a line as this takes to make the record.
//
// Its first failure sticks and moves it to the end of the text, so that nothing more is found.
type scanner struct {
	src     []byte // valid UTF-8
	pos     int
	texts   slab
	scratch []byte // a text with escapes resolved
	bad     *LineError
}

// fail records a failure at a position; only the first counts.
func (s *scanner) fail(at int, format string, args ...any) {
	if s.bad == nil {
		s.bad = &LineError{Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	s.pos = len(s.src)
}

// at puts a field or index in front of the path of a failure, while it travels outwards.
func (s *scanner) at(name string) { s.bad.Path = joinPath(name, s.bad.Path) }

// peek returns the next byte that is no white space; 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.src) {
		if c := s.src[s.pos]; c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// accept takes c if it comes next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// expected fails because something else comes next.
func (s *scanner) expected(what string) {
	found := "something that is no JSON"
	switch c := s.peek(); {
	case c == 0 && s.pos == len(s.src):
		found = "the end of the line"
	case c == '"':
		found = "a text"
	case c == '{':
		found = "an object"
	case c == '[':
		found = "a list"
	case c == 'n':
		found = "null"
	case c == 't' || c == 'f':
		found = "true or false"
	case c == '-' || c >= '0' && c <= '9':
		found = "a number"
	case c == ',' || c == ':' || c == '}' || c == ']':
		found = strconv.Quote(string(rune(c)))
	}
	s.fail(s.pos, "expected %s, found %s", what, found)
}

// null takes a null if it comes next.
func (s *scanner) null() bool {
	if s.peek() != 'n' || !bytes.HasPrefix(s.src[s.pos:], []byte("null")) {
		return false
	}
	s.pos += len("null")
	return true
}

// text reads a text.
func (s *scanner) text() string { return s.texts.add(s.raw("a text")) }

// raw reads a text; the bytes are valid until the next read.
func (s *scanner) raw(what string) []byte {
	if s.peek() != '"' {
		s.expected(what)
		return nil
	}
	s.pos++
	start := s.pos
	end := start + clean(s.src[start:])
	switch {
	case end == len(s.src):
		s.fail(end, "a text that is not closed")
		return nil
	case s.src[end] == '"':
		s.pos = end + 1
		return s.src[start:end]
	case s.src[end] == '\\':
		return s.escaped(start, end)
	default:
		s.fail(end, "control character 0x%02x in a text", s.src[end])
		return nil
	}
}

// escaped reads the rest of a text from its first escape at i on.
func (s *scanner) escaped(start, i int) []byte {
	b := append(s.scratch[:0], s.src[start:i]...)
	for i < len(s.src) {
		c := s.src[i]
		switch {
		case c == '"':
			s.pos, s.scratch = i+1, b
			return b
		case c < ' ':
			s.fail(i, "control character 0x%02x in a text", c)
			return nil
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		r, n := escape(s.src[i:])
		if n == 0 {
			s.fail(i, "an escape that JSON does not have, or half a surrogate pair")
			return nil
		}
		b = utf8.AppendRune(b, r)
		i += n
	}
	s.fail(len(s.src), "a text that is not closed")
	return nil
}

// escape reads the escape at the start of b: its character and length, 0 if it is none.
func escape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := codeUnit(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, ok := codeUnit(b[6:])
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return pair, 12
	}
	return 0, 0
}

// codeUnit reads \u and four hexadecimal digits at the start of b.
func codeUnit(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a whole number of a size in bits. A fraction or an exponent is an error, also one that says a whole
// number: 1.0 and 1e2 come from a writer that computes with floats.
func (s *scanner) number(bits int) int64 {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		s.expected("a whole number")
		return 0
	}
	start, end := s.pos, s.pos
	if c == '-' {
		end++
	}
	digits := end
	var n int64 // right up to 18 digits
	for end < len(s.src) && s.src[end]-'0' <= 9 {
		n = n*10 + int64(s.src[end]-'0')
		end++
	}
	if end == digits || s.src[digits] == '0' && end > digits+1 || end < len(s.src) && isNumberByte(s.src[end]) {
		for end < len(s.src) && isNumberByte(s.src[end]) {
			end++
		}
		s.fail(start, "%s is not a whole number (amounts are in minor units)", s.src[start:end])
		return 0
	}
	if c == '-' {
		n = -n
	}
	if end-start > 18 || bits < 64 {
		var err error
		if n, err = strconv.ParseInt(string(s.src[start:end]), 10, bits); err != nil {
			s.fail(start, "%s is beyond the range of %d bits", s.src[start:end], bits)
			return 0
		}
	}
	s.pos = end
	return n
}

// isNumberByte reports whether c may be in a JSON number.
func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// more starts or goes on with a list or object: it reports whether another item comes, and takes the comma or the end.
func (s *scanner) more(first bool, end byte) bool {
	c := s.peek()
	switch {
	case s.bad != nil:
		return false
	case c == end:
		s.pos++
		return false
	case first:
		return true
	case c != ',':
		s.expected("a comma or " + strconv.Quote(string(rune(end))))
		return false
	}
	s.pos++
	if s.peek() == end {
		s.fail(s.pos, "a comma before %q", string(rune(end)))
		return false
	}
	return true
}

// key reads the name of an object's field and the colon.
func (s *scanner) key() []byte {
	name := s.raw("the name of a field")
	if s.bad == nil && !s.accept(':') {
		s.expected("a colon")
	}
	return name
}

// maxSkipDepth bounds the nesting of a value that is passed over; records have 4 levels.
const maxSkipDepth = 32

// skip passes over any value.
func (s *scanner) skip(depth int) {
	if depth > maxSkipDepth {
		s.fail(s.pos, "nested more than %d deep", maxSkipDepth)
		return
	}
	switch c := s.peek(); {
	case c == '"':
		s.raw("")
	case c == '{' || c == '[':
		s.pos++
		for first := true; s.more(first, c+2); first = false { // '}' and ']' are 2 behind '{' and '['
			if c == '{' {
				s.key()
			}
			s.skip(depth + 1)
		}
	case c == '-' || c >= '0' && c <= '9':
		for s.pos++; s.pos < len(s.src) && isNumberByte(s.src[s.pos]); {
			s.pos++
		}
	case s.null():
	case bytes.HasPrefix(s.src[s.pos:], []byte("true")):
		s.pos += len("true")
	case bytes.HasPrefix(s.src[s.pos:], []byte("false")):
		s.pos += len("false")
	default:
		s.expected("a value")
	}
}
