package programme

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// badValue is why a scalar's text is not what its key wants. hint is what to write instead; it may be empty.
type badValue struct {
	message string
	hint    string
}

func bad(hint, format string, args ...any) *badValue {
	return &badValue{message: fmt.Sprintf(format, args...), hint: hint}
}

// decimal is an exact number: coefficient · 10^-digits.
type decimal struct {
	coefficient int64
	digits      int
}

// parseDecimal reads "12", "12.5", "12.50": digits, a point, digits. Trailing zeros count as digits.
func parseDecimal(text string) (decimal, bool) {
	whole, fraction, pointed := strings.Cut(text, ".")
	if whole == "" || pointed && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return decimal{}, false
	}
	if len(whole) > 1 && whole[0] == '0' {
		return decimal{}, false
	}
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return decimal{}, false
	}
	return decimal{n, len(fraction)}, true
}

// trim drops trailing zeros after the point.
func (d decimal) trim() decimal {
	for d.digits > 0 && d.coefficient%10 == 0 {
		d.coefficient /= 10
		d.digits--
	}
	return d
}

// shift is d · 10^digits as a whole number; false where it is none, or too large. d has at most that many digits.
func (d decimal) shift(digits int) (int64, bool) {
	if d.digits > digits {
		return 0, false
	}
	return mulPow10(d.coefficient, digits-d.digits)
}

// mulPow10 is n · 10^power for n ≥ 0; false on overflow.
func mulPow10(n int64, power int) (int64, bool) {
	for ; power > 0; power-- {
		hi, lo := bits.Mul64(uint64(n), 10) // n ≥ 0
		if hi != 0 || lo > 1<<63-1 {
			return 0, false
		}
		n = int64(lo)
	}
	return n, true
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// notDecimal says what is wrong with a text that parseDecimal refused.
func notDecimal(what, text string) *badValue {
	plain := strings.NewReplacer("_", "", ",", "", " ", "").Replace(text)
	unsigned := strings.TrimPrefix(strings.TrimPrefix(plain, "+"), "-")
	switch {
	case strings.HasPrefix(text, "-"):
		return bad("", "%s must not be negative: %s", what, text)
	case strings.HasPrefix(unsigned, ".") && allDigits(unsigned[1:]) && len(unsigned) > 1:
		return bad("0"+unsigned, "%s %q does not begin with a digit", what, text)
	case strings.HasSuffix(unsigned, ".") && allDigits(strings.TrimSuffix(unsigned, ".")):
		return bad(strings.TrimSuffix(unsigned, "."), "%s %q has a point without digits after it", what, text)
	case isExponent(unsigned):
		return bad("", "%s %q is written with an exponent; write all digits", what, text)
	case len(unsigned) > 1 && unsigned[0] == '0' && allDigits(unsigned):
		return bad(strings.TrimLeft(unsigned[:len(unsigned)-1], "0")+unsigned[len(unsigned)-1:], "%s %q begins with 0", what, text)
	case len(unsigned) > 1 && unsigned[0] == '0' && unsigned[1] > '9':
		return bad("", "%s %q is not written in decimal digits", what, text)
	}
	if _, ok := parseDecimal(unsigned); ok && unsigned != text {
		return bad(unsigned, "%s %q is written with signs other than digits and a point", what, text)
	}
	whole, fraction, _ := strings.Cut(unsigned, ".")
	if whole != "" && allDigits(whole) && allDigits(fraction) {
		return bad("", "%s %s is too large", what, shorten(text))
	}
	return bad("", "%s must be a number, not %q", what, shorten(text))
}

func isExponent(text string) bool {
	mantissa, exponent, found := strings.Cut(strings.ToLower(text), "e")
	exponent = strings.TrimLeft(exponent, "+-")
	return found && mantissa != "" && exponent != "" && allDigits(exponent) &&
		allDigits(strings.Replace(mantissa, ".", "", 1))
}

// parseWhole reads an int64 above 0, in decimal digits.
func parseWhole(what, text string) (int64, *badValue) {
	d, ok := parseDecimal(text)
	switch {
	case !ok:
		return 0, notDecimal(what, text)
	case d.trim().digits > 0:
		return 0, bad("", "%s must be a whole number, not %s", what, text)
	case d.digits > 0:
		whole, _, _ := strings.Cut(text, ".")
		return 0, bad(whole, "%s must be a whole number, not %s", what, text)
	}
	return d.coefficient, nil
}

// parsePercent reads "20%" as 1/5: above 0, at most maxPercent, at most 4 decimals.
func parsePercent(text string) (Ratio, *badValue) {
	const maxPercent = 10_000
	number, found := strings.CutSuffix(text, "%")
	number = strings.TrimSpace(number)
	d, ok := parseDecimal(number)
	switch {
	case !ok && !found:
		return Ratio{}, bad("", "a percentage is written as 20%%, not %q", shorten(text))
	case !ok:
		return Ratio{}, notDecimal("a percentage", number)
	case !found:
		return Ratio{}, bad(number+"%", "a percentage needs its sign: %s", text)
	case d.coefficient == 0:
		return Ratio{}, bad("", "a percentage must be above 0")
	}
	d = d.trim()
	if d.digits > 4 {
		return Ratio{}, bad("", "a percentage has at most 4 decimals: %s", text)
	}
	if most, _ := mulPow10(maxPercent, d.digits); d.coefficient > most {
		return Ratio{}, bad("", "a percentage is at most %d%%: %s", maxPercent, text)
	}
	den, _ := mulPow10(100, d.digits)
	return reduced(d.coefficient, den), nil
}

// parseRate reads points per major unit, "1.5", as 3/2: above 0, at most 9 decimals.
func parseRate(text string) (Ratio, *badValue) {
	d, ok := parseDecimal(text)
	if !ok {
		if strings.HasSuffix(text, "%") {
			return Ratio{}, bad("", "rate is points for each major unit, not a percentage: %s", text)
		}
		return Ratio{}, notDecimal("rate", text)
	}
	d = d.trim()
	if d.coefficient == 0 {
		return Ratio{}, bad("", "rate must be above 0")
	}
	if d.digits > 9 {
		return Ratio{}, bad("", "rate has at most 9 decimals: %s", text)
	}
	den, _ := mulPow10(1, d.digits)
	return reduced(d.coefficient, den), nil
}

func reduced(num, den int64) Ratio {
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return Ratio{num / a, den / a}
}

// The longest spans: a century of each unit, so that no sum of them leaves the calendar.
const (
	maxMonths  = 100 * 12
	maxDays    = 100 * 366
	maxHours   = maxDays * 24
	maxMinutes = maxHours * 60
)

// parseDuration reads "30m", "24h", "7 days", "6 months", "3 years" (36 months); above 0.
func parseDuration(text string) (Duration, *badValue) {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	unit := text[end:]
	n, err := strconv.Atoi(text[:end])
	if end == 0 || end > 9 || err != nil || text[0] == '0' && end > 1 {
		return Duration{}, bad("", "a duration is written as 30m, 24h, 7 days or 6 months, not %q", shorten(text))
	}
	number := text[:end]
	most := 0
	var d Duration
	switch unit {
	case "m":
		d, most = Duration{Elapsed: time.Duration(n) * time.Minute}, maxMinutes
	case "h":
		d, most = Duration{Elapsed: time.Duration(min(n, maxHours)) * time.Hour}, maxHours
	case " day", " days":
		d, most = Duration{Days: n}, maxDays
	case " month", " months":
		d, most = Duration{Months: n}, maxMonths
	case " year", " years":
		d, most = Duration{Months: 12 * n}, maxMonths/12
	default:
		return Duration{}, badUnit(n, number, unit, text)
	}
	if n == 0 {
		return Duration{}, bad("", "a duration must be above 0: %s", text)
	}
	if n > most {
		return Duration{}, bad("", "a duration is at most 100 years: %s", text)
	}
	return d, nil
}

func badUnit(n int, number, unit, text string) *badValue {
	hint := ""
	switch strings.ToLower(strings.TrimSpace(unit)) {
	case "m", "min", "mins", "minute", "minutes":
		hint = number + "m"
	case "h", "hour", "hours", "hr", "hrs":
		hint = number + "h"
	case "d", "day", "days", "":
		hint = counted(n, "day")
	case "w", "week", "weeks":
		hint = counted(7*n, "day")
	case "mo", "month", "months":
		hint = counted(n, "month")
	case "y", "year", "years":
		hint = counted(12*n, "month")
	}
	return bad(hint, "a duration is written as 30m, 24h, 7 days or 6 months, not %q", shorten(text))
}

// parseTime reads a local date, or date and time, of a zone.
func parseTime(text string, zone *time.Location) (time.Time, *badValue) {
	for _, layout := range []string{
		"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	} {
		shown, err := time.Parse(layout, text)
		if err != nil || len(text) != len(layout) {
			continue
		}
		if shown.Year() < 1970 || shown.Year() > 2200 {
			return time.Time{}, bad("", "the year of %s is not between 1970 and 2200", text)
		}
		return Instant(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, zone), nil
	}
	if len(text) > len("2006-01-02T15:04") {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
			if t, err := time.Parse(layout, strings.Replace(text, " ", "T", 1)); err == nil {
				return time.Time{}, bad(t.In(zone).Format("2006-01-02T15:04"), "a time is local to time_zone and has no offset: %s", text)
			}
		}
	}
	return time.Time{}, bad("", "a time is written as 2026-06-18 or 2026-06-18T10:00, not %q", shorten(text))
}
