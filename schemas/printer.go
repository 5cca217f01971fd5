package schemas

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// printer writes plain JSON. Its first failure sticks.
type printer struct {
	buf []byte
	err error
}

// fail records a failure; only the first counts.
func (p *printer) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// number writes a whole number.
func (p *printer) number(n int64) { p.buf = strconv.AppendInt(p.buf, n, 10) }

// text writes a text. Only what JSON demands is escaped, so that Chinese stays readable.
func (p *printer) text(s string) {
	p.buf = append(p.buf, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			// Other scripts: check the rest once (S4), then only the ASCII in it is looked at.
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				p.fail("the text %q is not valid UTF-8", s)
				return
			}
			i += size - 1
			continue
		}
		p.buf = append(p.buf, s[start:i]...)
		p.escape(c)
		start = i + 1
	}
	p.buf = append(p.buf, s[start:]...)
	p.buf = append(p.buf, '"')
}

// escape writes a character that cannot stand for itself.
func (p *printer) escape(c byte) {
	switch c {
	case '"', '\\':
		p.buf = append(p.buf, '\\', c)
	case '\n':
		p.buf = append(p.buf, '\\', 'n')
	case '\r':
		p.buf = append(p.buf, '\\', 'r')
	case '\t':
		p.buf = append(p.buf, '\\', 't')
	default:
		const hex = "0123456789abcdef"
		p.buf = append(p.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// instant writes a time as RFC 3339 in UTC, with milliseconds only when they are not zero.
func (p *printer) instant(t time.Time) {
	t = t.UTC()
	if milli := t.UnixMilli(); milli < minInstant || milli > maxInstant {
		p.fail("%v is not in the years 1 to 9999", t)
		return
	}
	if t.Nanosecond() >= int(time.Millisecond) {
		p.buf = t.AppendFormat(p.buf, `"2006-01-02T15:04:05.000Z"`)
		return
	}
	p.buf = append(p.buf, '"')
	p.buf = t.AppendFormat(p.buf, time.RFC3339) // without quotes in the layout: this form has a fast path
	p.buf = append(p.buf, '"')
}
