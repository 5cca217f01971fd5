package schemas

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// quoteSlowly is what a text looks like in JSON, a character at a time.
func quoteSlowly(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// checkText writes a text and reads it again.
func checkText(t rapid.TB, s string) {
	t.Helper()
	var p printer
	written := p.text([]byte("before"), `"`, s)
	if !utf8.ValidString(s) {
		if want := fmt.Sprintf("the text %q is not valid UTF-8", s); p.err == nil || p.err.Error() != want {
			t.Fatalf("%q: got the error %v", s, p.err)
		}
		return
	}
	if want := "before" + quoteSlowly(s); p.err != nil || string(written) != want {
		t.Fatalf("%q:\n got %s, %v\nwant %s", s, written, p.err, want)
	}
	read := scanner{src: written, pos: len("before")}
	if got := read.text(); read.bad != nil || got != s || read.pos != len(written) {
		t.Fatalf("%q is read as %q, up to %d: %v", s, got, read.pos, read.bad)
	}
	cut := scanner{src: written[:len(written)-1], pos: len("before")}
	if got := cut.text(); cut.bad == nil || cut.bad.Reason != "a text that is not closed" && !strings.HasPrefix(cut.bad.Reason, "an escape") {
		t.Fatalf("%q without its end is read as %q, %v", s, got, cut.bad)
	}
}

// Law: texts are looked at eight bytes at a time, but written and read as if it were one by one: each byte and each length
// of a character, at each place of texts of up to three words.
func TestTextEachByteEachPlace(t *testing.T) {
	pieces := []string{"é", "满", "🎁", "\"\\", "\x1f\x80", "\xff\"", "!\"", "\"!", "[\\", "\\]", "\u2028"}
	for c := range 256 {
		pieces = append(pieces, string([]byte{byte(c)}))
	}
	for _, piece := range pieces {
		for before := range 17 {
			for after := range 9 {
				checkText(t, strings.Repeat("a", before)+piece+strings.Repeat("~", after))
			}
		}
	}
}

// Law: the same for any text.
func TestTextProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkText(t, rapid.String().Draw(t, "text"))
		checkText(t, string(rapid.SliceOf(rapid.SampledFrom([]byte("a !\"#[\\]\x00\x1f\n\x7f\x80\xc3\xa9"))).Draw(t, "bytes")))
	})
}

// A control character is refused wherever it stands in a text.
func TestTextControlCharacters(t *testing.T) {
	for c := range byte(' ') {
		for before := range 17 {
			src := `"` + strings.Repeat("a", before) + string(c) + `bcdefghij"`
			s := scanner{src: []byte(src)}
			want := LineError{Offset: 1 + before, Reason: fmt.Sprintf("control character 0x%02x in a text", c)}
			if got := s.text(); got != "" || s.bad == nil || *s.bad != want {
				t.Fatalf("%q is read as %q, %v", src, got, s.bad)
			}
		}
	}
}

// Law: times are written as the time package writes them.
func TestInstantProperty(t *testing.T) {
	check := func(t rapid.TB, at time.Time) {
		layout := `"2006-01-02T15:04:05Z"`
		if at.Nanosecond() >= int(time.Millisecond) {
			layout = `"2006-01-02T15:04:05.000Z"`
		}
		var p printer
		if got, want := string(p.instant(nil, `"`, at)), at.UTC().Format(layout); p.err != nil || got != want {
			t.Fatalf("got %s, %v, expected %s", got, p.err, want)
		}
	}
	for _, milli := range []int64{minInstant, minInstant + 1, -1, 0, 1, maxInstant - 999, maxInstant} {
		check(t, time.UnixMilli(milli))
	}
	rapid.Check(t, func(t *rapid.T) {
		milli := rapid.Int64Range(minInstant, maxInstant).Draw(t, "ms")
		at := time.UnixMilli(milli).In(time.FixedZone("", rapid.IntRange(-50_000, 50_000).Draw(t, "zone")))
		check(t, at)
		check(t, at.Truncate(time.Second))
		check(t, at.Add(time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns"))))
	})
	for _, milli := range []int64{minInstant - 1, maxInstant + 1} {
		var p printer
		if got := p.instant(nil, `"`, time.UnixMilli(milli)); p.err == nil {
			t.Errorf("%d ms are written as %s", milli, got)
		}
	}
}

// Law: whole numbers are read as strconv reads them, others are refused.
func TestNumberProperty(t *testing.T) {
	check := func(t rapid.TB, token string, bits int) {
		s := scanner{src: []byte(token + ",")}
		got := s.number(bits)
		digits := strings.TrimPrefix(token, "-")
		want, err := strconv.ParseInt(token, 10, bits)
		if refused := err != nil || len(digits) > 1 && digits[0] == '0'; refused != (s.bad != nil) || !refused && got != want {
			t.Fatalf("%s in %d bits is read as %d, %v", token, bits, got, s.bad)
		}
		if s.bad == nil && s.pos != len(token) {
			t.Fatalf("%s is read up to %d", token, s.pos)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]int{32, 64}).Draw(t, "bits")
		check(t, strconv.FormatInt(rapid.Int64().Draw(t, "number"), 10), bits)
		check(t, rapid.StringMatching(`-?[0-9]{0,20}`).Draw(t, "digits"), bits)
		check(t, rapid.StringMatching(`-?[0-9][0-9.eE+-]{0,4}`).Draw(t, "token"), bits)
	})
}
