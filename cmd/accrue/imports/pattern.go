package imports

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Pattern is a form of times: a layout such as "yyyy-MM-dd HH:mm:ss", or one of the words rfc3339, unix, unix_ms.
type Pattern struct {
	Text   string
	layout string // Go's; empty: a word
}

// patternToken is a run of one letter, and Go's word for it.
type patternToken struct{ text, layout string }

func patternTokens() []patternToken {
	return []patternToken{
		{"yyyy", "2006"},
		{"yy", "06"},
		{"MMMM", "January"},
		{"MMM", "Jan"},
		{"MM", "01"},
		{"M", "1"},
		{"dd", "02"},
		{"d", "2"},
		{"EEEE", "Monday"},
		{"EEE", "Mon"},
		{"HH", "15"},
		{"H", "15"},
		{"hh", "03"},
		{"h", "3"},
		{"mm", "04"},
		{"m", "4"},
		{"ss", "05"},
		{"s", "5"},
		{"SSSSSS", "000000"},
		{"SSS", "000"},
		{"a", "PM"},
		{"XXX", "Z07:00"},
		{"XX", "Z0700"},
		{"T", "T"},
	}
}

// patternWords are the forms that are no layout.
func patternWords() []string { return []string{"rfc3339", "unix", "unix_ms"} }

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	for _, word := range patternWords() {
		if text == word {
			return Pattern{Text: text}, nil
		}
	}
	p := Pattern{Text: text}
	var layout strings.Builder
	runes := []rune(text)
	for i := 0; i < len(runes); {
		r := runes[i]
		switch {
		case r == '\'':
			end := i + 1
			for end < len(runes) && runes[end] != '\'' {
				end++
			}
			if end == len(runes) {
				return p, fmt.Errorf("pattern %q opens a quote (') and does not close it", text)
			}
			layout.WriteString(string(runes[i+1 : end]))
			i = end + 1
		case r < unicode.MaxASCII && unicode.IsLetter(r):
			end := i
			for end < len(runes) && runes[end] == r {
				end++
			}
			word, ok := layoutOf(string(runes[i:end]))
			if !ok {
				return p, fmt.Errorf("pattern %q has %q, which is no part of a time: write yyyy MM dd HH mm ss, or rfc3339, unix, unix_ms; text goes in ' '",
					text, string(runes[i:end]))
			}
			layout.WriteString(word)
			i = end
		case unicode.IsDigit(r):
			return p, fmt.Errorf("pattern %q has digits: write the form of a time, such as yyyy-MM-dd HH:mm:ss, not an example", text)
		default:
			layout.WriteRune(r)
			i++
		}
	}
	p.layout = layout.String()
	if !strings.Contains(p.layout, "06") {
		return p, fmt.Errorf("pattern %q has no year (yyyy)", text)
	}
	return p, nil
}

func layoutOf(run string) (string, bool) {
	for _, t := range patternTokens() {
		if t.text == run {
			return t.layout, true
		}
	}
	return "", false
}

// parse reads a time. Where the pattern has no zone, the time is of the given one; an hour that a clock change repeats is the
// first of the two, a day without an hour its midnight.
func (p Pattern) parse(text string, zone *time.Location) (time.Time, bool) {
	switch p.Text {
	case "rfc3339":
		t, err := time.Parse(time.RFC3339, text)
		return t.UTC(), err == nil
	case "unix", "unix_ms":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > 253402300799000 {
			return time.Time{}, false
		}
		if p.Text == "unix_ms" {
			return time.UnixMilli(n).UTC(), true
		}
		return time.Unix(n, 0).UTC(), n <= 253402300799
	}
	if strings.Contains(p.layout, "PM") {
		text = strings.ToUpper(text)
	}
	t, err := time.ParseInLocation(p.layout, text, zone)
	return t.UTC(), err == nil
}

// time reads a time in the first form that fits.
func (m *Mapping) time(text string) (time.Time, error) {
	var forms []string
	for _, p := range m.Patterns {
		if t, ok := p.parse(text, m.Zone); ok {
			return t.Truncate(time.Millisecond), nil
		}
		forms = append(forms, p.Text)
	}
	return time.Time{}, refuse("time cannot be read", "%q is no time of the form %s", text, strings.Join(forms, " or "))
}
