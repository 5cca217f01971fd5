package schemas

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
	"unicode/utf8"
)

// printer writes plain JSON. Its first failure sticks.
type printer struct {
	err error
}

// fail records a failure; only the first counts.
func (p *printer) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// enclose makes an object or a list of what was written from start on, each item after a comma: the first item's comma
// gives way to the opening bracket.
func enclose(dst []byte, start int, opening, closing byte) []byte {
	if len(dst) == start {
		return append(dst, opening, closing)
	}
	dst[start] = opening
	return append(dst, closing)
}

// text writes a text behind intro, which ends with the opening quote. Only what JSON demands is escaped, so that Chinese
// stays readable.
func (p *printer) text(dst []byte, intro, s string) []byte {
	dst = append(dst, intro...)
	if isPlain(s) {
		dst = append(dst, s...)
	} else {
		dst = p.escape(dst, s)
	}
	return append(dst, '"')
}

// escape writes a text that cannot stand there as it is, or is not ASCII.
func (p *printer) escape(dst []byte, s string) []byte {
	if !utf8.ValidString(s) { // S4
		p.fail("the text %q is not valid UTF-8", s)
	}
	for {
		end := clean([]byte(s))
		dst = append(dst, s[:end]...)
		if end == len(s) {
			return dst
		}
		dst = appendEscape(dst, s[end])
		s = s[end+1:]
	}
}

// Texts are looked at eight bytes at a time: as words, the first byte lowest.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

func word(s string) uint64     { return binary.LittleEndian.Uint64([]byte(s[:8])) }
func halfWord(s string) uint64 { return uint64(binary.LittleEndian.Uint32([]byte(s[:4]))) }

// special sets the high bit of each byte in w that cannot stand for itself in a JSON text: a quote, a backslash or a
// control character. A byte that is not ASCII may have it too, and so may bytes behind (above) a special one: taking a
// character from a smaller one borrows from there. The lowest bit in an ASCII byte is right.
func special(w uint64) uint64 {
	return (w - ' '*eachByte) | ((w ^ '"'*eachByte) - eachByte) | ((w ^ '\\'*eachByte) - eachByte)
}

// isPlain reports whether s is ASCII without special characters, as nearly all texts are.
func isPlain(s string) bool {
	var w uint64 // the whole text or its last 8 bytes; bytes may be in it twice
	switch n := len(s); {
	case n == 0:
		return true
	case n < 4: // and spaces
		w = 0x20202020_20000000 | uint64(s[n-1])<<16 | uint64(s[n/2])<<8 | uint64(s[0])
	case n < 8:
		w = halfWord(s[n-4:])<<32 | halfWord(s)
	default:
		w = word(s[n-8:])
	}
	found := w | special(w)
	for ; len(s) > 8; s = s[8:] {
		w = word(s)
		found |= w | special(w)
	}
	return found&highBits == 0
}

// clean returns how many bytes at the beginning of s stand for themselves.
func clean(s []byte) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		if found := special(w) &^ w & highBits; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// appendEscape writes a character that cannot stand for itself.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// instant writes a time behind intro, which ends with the opening quote, as RFC 3339 in UTC, with milliseconds only when
// they are not zero.
func (p *printer) instant(dst []byte, intro string, t time.Time) []byte {
	t = t.UTC()
	milli := t.UnixMilli()
	if milli < minInstant || milli > maxInstant {
		p.fail("%v is not in the years 1 to 9999", t)
		return dst
	}
	year, m, day := t.Date()
	month := int(m)
	hour, minute, second := t.Clock()
	dst = append(dst, intro...)
	dst = append(dst,
		tens(year/100), ones(year/100), tens(year%100), ones(year), '-', tens(month), ones(month), '-', tens(day), ones(day), 'T',
		tens(hour), ones(hour), ':', tens(minute), ones(minute), ':', tens(second), ones(second))
	if ms := t.Nanosecond() / int(time.Millisecond); ms > 0 {
		dst = append(dst, '.', byte('0'+ms/100), tens(ms%100), ones(ms))
	}
	return append(dst, 'Z', '"')
}

// tens and ones return the digits of a number below 100.
func tens(n int) byte { return byte('0' + n/10) }
func ones(n int) byte { return byte('0' + n%10) }
