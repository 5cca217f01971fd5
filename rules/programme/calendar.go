package programme

import (
	"strconv"
	"time"
)

const (
	secondsPerDay = 24 * 60 * 60
	// widestOffset is more than any zone's distance from UTC (the tables end at 15:13:42), and more than the largest
	// change of one, a whole day.
	widestOffset = 26 * 60 * 60
)

// IsZero reports whether d is "none".
func (d Duration) IsZero() bool { return d == Duration{} }

// String is d as a programme writes it: "6 months", "7 days", "24h", "90m"; "0" for none. A programme
// may say the same otherwise ("3 years", "60m").
func (d Duration) String() string {
	switch {
	case d.Months != 0:
		return counted(d.Months, "month")
	case d.Days != 0:
		return counted(d.Days, "day")
	case d.Elapsed != 0:
		return elapsedText(d.Elapsed)
	}
	return "0"
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func elapsedText(e time.Duration) string {
	if e%time.Hour == 0 {
		return strconv.FormatInt(int64(e/time.Hour), 10) + "h"
	}
	return strconv.FormatInt(int64(e/time.Minute), 10) + "m"
}

// AddTo returns the instant d after t, in UTC. Months and days are counted on the local calendar of loc and keep the time of
// day; hours and minutes are elapsed time.
func (d Duration) AddTo(t time.Time, loc *time.Location) time.Time {
	return d.shift(t, loc, 1)
}

// SubFrom returns the instant d before t, in UTC, by the same rules as AddTo. It is not always the inverse: a month before
// 31 March and a month before 28 February may be the same day.
func (d Duration) SubFrom(t time.Time, loc *time.Location) time.Time {
	return d.shift(t, loc, -1)
}

// Least is a length that the span is never shorter than, wherever it lies: months have 28 days at least, and of its days the
// clocks of a zone take no more than 26 hours, which is a day that was skipped and a change of the hour.
func (d Duration) Least() time.Duration {
	if d.Months == 0 && d.Days == 0 {
		return d.Elapsed
	}
	return max(0, time.Duration(28*d.Months+d.Days)*24*time.Hour-26*time.Hour)
}

func (d Duration) shift(t time.Time, loc *time.Location, sign int) time.Time {
	if d.Months == 0 && d.Days == 0 {
		return t.Add(time.Duration(sign) * d.Elapsed).UTC()
	}
	local := localSeconds(t, loc)
	day := floorDiv(local, secondsPerDay)
	second := local - day*secondsPerDay
	if d.Months != 0 {
		day = addMonths(day, sign*d.Months)
	}
	day += int64(sign * d.Days)
	return atLocal(day*secondsPerDay+second, t.Nanosecond(), loc)
}

// addMonths moves a day number by months; a day that the month lacks becomes its last.
func addMonths(day int64, months int) int64 {
	year, month, dom := time.Unix(day*secondsPerDay, 0).UTC().Date()
	first := time.Date(year, month+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	length := daysIn(first.Year(), first.Month())
	if dom > length {
		dom = length
	}
	return floorDiv(first.Unix(), secondsPerDay) + int64(dom-1)
}

func daysIn(year int, month time.Month) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// Instant returns the instant, in UTC, at which clocks in loc show the given date and time. A time that a clock change
// skips moves by the change (02:30 becomes 03:30); one that it doubles is the first. Values out of range are carried over
// as time.Date does (32 January is 1 February).
func Instant(year int, month time.Month, day, hour, minute, sec, nsec int, loc *time.Location) time.Time {
	shown := time.Date(year, month, day, hour, minute, sec, nsec, time.UTC)
	return atLocal(shown.Unix(), shown.Nanosecond(), loc)
}

// Midnight returns the instant, in UTC, at which the day with the given number begins in loc.
func Midnight(day int32, loc *time.Location) time.Time {
	return atLocal(int64(day)*secondsPerDay, 0, loc)
}

// DayNumber returns the local date of t in loc as days since 1970-01-01.
func DayNumber(t time.Time, loc *time.Location) int32 {
	return int32(floorDiv(localSeconds(t, loc), secondsPerDay)) // days of four-digit years fit by far
}

// Number identifies the local period of kind p in which t lies: days, weeks from Monday, months or years counted from an
// origin of the kind's own; always 0 for PerEver. Later periods have larger numbers.
func (p Period) Number(t time.Time, loc *time.Location) int32 {
	switch p {
	case PerDay:
		return DayNumber(t, loc)
	case PerWeek:
		// Day 0 was a Thursday, so Monday 29 December 1969, day -3, begins week 0.
		return int32(floorDiv(int64(DayNumber(t, loc))+3, 7)) // smaller than the day's number
	case PerMonth:
		year, month, _ := t.In(loc).Date()
		return int32(year*12 + int(month) - 1) // four-digit years
	case PerYear:
		return int32(t.In(loc).Year()) // four-digit years
	case PerEver:
		return 0
	}
	return 0
}

// localSeconds returns what clocks in loc show at t, in seconds since they showed 1970-01-01 00:00.
func localSeconds(t time.Time, loc *time.Location) int64 {
	unix := t.Unix()
	if loc == time.UTC {
		return unix
	}
	if z := laidOut(loc); z != nil {
		if i, ok := z.find(unix); ok {
			return unix + z.offsets[i]
		}
	}
	_, offset := t.In(loc).Zone()
	return unix + int64(offset)
}

// atLocal is the inverse of localSeconds. It walks the periods of constant offset, from one that surely begins before the
// instant sought, and takes the first in which clocks show `shown`; if they pass over it, it lies in the gap before the
// period reached, and the offset that held before the gap moves it by the change. time.Date is of no use here: it leaves
// open which of two instants it returns.
func atLocal(shown int64, nsec int, loc *time.Location) time.Time {
	if loc == time.UTC {
		return time.Unix(shown, int64(nsec)).UTC()
	}
	if z := laidOut(loc); z != nil {
		if unix, ok := z.at(shown); ok {
			return time.Unix(unix, int64(nsec)).UTC()
		}
	}
	return time.Unix(atLocalSlow(shown, loc), int64(nsec)).UTC()
}

// at does the walk on the laid out changes; false outside the years that are laid out.
func (z *zone) at(shown int64) (int64, bool) {
	i, ok := z.find(shown - widestOffset)
	if !ok || shown+widestOffset >= z.starts[len(z.starts)-1] {
		return 0, false
	}
	unix := shown - z.offsets[i]
	for unix >= z.starts[i+1] {
		i++
		next := shown - z.offsets[i]
		if next < z.starts[i] {
			break
		}
		unix = next
	}
	return unix, true
}

// atLocalSlow does the walk by asking the Location, for any of them and any year.
func atLocalSlow(shown int64, loc *time.Location) int64 {
	at := time.Unix(shown-widestOffset, 0).In(loc)
	_, offset := at.Zone()
	unix := shown - int64(offset)
	for {
		end, more := periodEnd(at)
		if !more || unix < end.Unix() {
			return unix
		}
		at = end
		_, offset = at.Zone()
		next := shown - int64(offset)
		if next < end.Unix() {
			return unix
		}
		unix = next
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
