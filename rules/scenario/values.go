package scenario

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
)

// reader turns values into types; what it cannot turn it reports, and goes on.
type reader struct {
	problems *Problems
	zone     *time.Location
}

// keys are the fields of a mapping by key, after a look at whether all are known.
func (r *reader) keys(v *value, what string, known ...string) map[string]*value {
	found := map[string]*value{}
	if v.kind != mapping {
		r.problems.add(v.pos, "%s is a mapping with the keys %s", what, strings.Join(known, ", "))
		return found
	}
	for _, f := range v.fields {
		if !slices.Contains(known, f.key.text) {
			r.problems.add(f.key.pos, "unknown key `%s`: %s has %s", f.key.text, what, strings.Join(known, ", "))
			continue
		}
		found[f.key.text] = f.value
	}
	return found
}

// text is a scalar's text; empty where it is left out.
func (r *reader) text(v *value, what string) string {
	if v == nil || v.kind == nothing {
		return ""
	}
	if v.kind != scalar {
		r.problems.add(v.pos, "`%s` must be a single value", what)
		return ""
	}
	return v.text
}

func (r *reader) texts(v *value, what string) []string {
	if v == nil || v.kind == nothing {
		return nil
	}
	if v.kind == scalar {
		return []string{v.text}
	}
	if v.kind != list {
		r.problems.add(v.pos, "`%s` must be a list", what)
		return nil
	}
	texts := make([]string, 0, len(v.items))
	for _, item := range v.items {
		texts = append(texts, r.text(item, what))
	}
	return texts
}

func (r *reader) attributes(v *value) map[string]string {
	if v == nil || v.kind == nothing {
		return nil
	}
	if v.kind != mapping {
		r.problems.add(v.pos, "`attributes` must be a mapping")
		return nil
	}
	m := map[string]string{}
	for _, f := range v.fields {
		m[f.key.text] = r.text(f.value, f.key.text)
	}
	return m
}

// whole reads an integer; absent is what it is where it is left out.
func (r *reader) whole(v *value, what string, absent int64) int64 {
	text := r.text(v, what)
	if text == "" {
		return absent
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.problems.add(v.pos, "`%s` must be a whole number, not %q", what, text)
	}
	return n
}

// money reads an amount in major units as minor units, exactly.
func (r *reader) money(v *value, what string, currency programme.Currency) int64 {
	text := r.text(v, what)
	if text == "" {
		return 0
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	if len(fraction) > currency.Digits || pointed && fraction == "" || whole == "" || strings.ContainsAny(digits, "+-_") {
		r.problems.add(v.pos, "`%s` must be an amount of %s with at most %d decimals, not %q", what, currency.Code, currency.Digits, text)
		return 0
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", currency.Digits-len(fraction)), 10, 64)
	if err != nil {
		r.problems.add(v.pos, "`%s` must be an amount such as 37.50, not %q", what, text)
	}
	if negative {
		return -n
	}
	return n
}

// instant reads a time, local to the programme's zone unless it has an offset. A local time that a clock change skips or
// doubles is read as a programme reads it.
func (r *reader) instant(v *value, what string) time.Time {
	text := r.text(v, what)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999"} {
		if t, err := time.Parse(layout, strings.Replace(text, " ", "T", 1)); err == nil {
			return programme.Instant(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), r.zone)
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.problems.add(v.pos, "`%s` must be a time such as 2026-06-01 10:00 or 2026-06-01T10:00:00Z, not %q", what, text)
	}
	return t.UTC()
}

func (r *reader) instantText(t time.Time) string {
	local := t.In(r.zone)
	switch {
	case local.Second() != 0 || local.Nanosecond() != 0:
		return t.UTC().Format(time.RFC3339Nano)
	case local.Hour() == 0 && local.Minute() == 0:
		return local.Format("2006-01-02")
	}
	return local.Format("2006-01-02 15:04")
}
