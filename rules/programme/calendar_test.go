package programme_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules/programme"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := programme.LoadZone(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

const shownLayout = "2006-01-02T15:04:05.000"

// localTime reads what clocks in loc show, through Instant.
func localTime(tb testing.TB, shown string, loc *time.Location) time.Time {
	tb.Helper()
	t, err := time.Parse("2006-01-02T15:04:05", shown)
	if err != nil {
		tb.Fatal(err)
	}
	return programme.Instant(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc)
}

// SPEC §4.2: a skipped local time moves by the change, a doubled one is the first. Written in UTC, so that no second
// reading of the tables is trusted.
func TestInstantAtClockChanges(t *testing.T) {
	for _, c := range []struct{ name, zone, shown, want string }{
		{"london, before the gap", "Europe/London", "2026-03-29T00:59:59", "2026-03-29T00:59:59Z"},
		{"london, in the gap: 01:30 is 02:30", "Europe/London", "2026-03-29T01:30:00", "2026-03-29T01:30:00Z"},
		{"london, after the gap", "Europe/London", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"},
		{"london, doubled: the first", "Europe/London", "2026-10-25T01:30:00", "2026-10-25T00:30:00Z"},
		{"london, after the doubled hour", "Europe/London", "2026-10-25T02:00:00", "2026-10-25T02:00:00Z"},
		{"new york, in the gap: 02:30 is 03:30", "America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"},
		{"new york, doubled", "America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"},
		{"lord howe, gap of 30 min: 02:15 is 02:45", "Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:45:00Z"},
		{"lord howe, doubled 30 min", "Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z"},
		{"apia, the day that was skipped", "Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"},
		{"apia, the day after", "Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30T10:00:00Z"},
		{"havana, midnight skipped", "America/Havana", "2026-03-08T00:00:00", "2026-03-08T05:00:00Z"},
		{"shanghai", "Asia/Shanghai", "2026-06-18T00:00:00", "2026-06-17T16:00:00Z"},
		{"utc", "UTC", "2026-06-18T00:00:00", "2026-06-18T00:00:00Z"},
		{"london, past the tables, leap year's last day", "Europe/London", "2040-12-31T12:00:00", "2040-12-31T12:00:00Z"},
		{"london, past all tables", "Europe/London", "2300-07-01T12:00:00", "2300-07-01T11:00:00Z"},
		{"london, before the tables", "Europe/London", "1850-01-01T12:00:00", "1850-01-01T12:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := localTime(t, c.shown, zone(t, c.zone))
			if text := got.Format(time.RFC3339); text != c.want {
				t.Errorf("%s in %s is %s, want %s", c.shown, c.zone, text, c.want)
			}
		})
	}
}

func TestAddToAndSubFrom(t *testing.T) {
	for _, c := range []struct {
		name, zone, from string
		add              programme.Duration
		sub              bool
		want             string // UTC
	}{
		{"31 January + 1 month", "UTC", "2026-01-31T10:00:00", programme.Duration{Months: 1}, false, "2026-02-28T10:00:00Z"},
		{"31 January + 1 month, leap", "UTC", "2028-01-31T10:00:00", programme.Duration{Months: 1}, false, "2028-02-29T10:00:00Z"},
		{"29 February + 12 months", "UTC", "2028-02-29T10:00:00", programme.Duration{Months: 12}, false, "2029-02-28T10:00:00Z"},
		{"31 March - 1 month", "UTC", "2026-03-31T00:00:00", programme.Duration{Months: 1}, true, "2026-02-28T00:00:00Z"},
		{"31 December + 2 months over the year", "UTC", "2027-12-31T00:00:00", programme.Duration{Months: 2}, false, "2028-02-29T00:00:00Z"},
		{"15 January - 13 months", "UTC", "2026-01-15T00:00:00", programme.Duration{Months: 13}, true, "2024-12-15T00:00:00Z"},
		{"a day over the gap keeps the time of day", "Europe/London", "2026-03-28T12:00:00", programme.Duration{Days: 1}, false, "2026-03-29T11:00:00Z"},
		{"24h over the gap is elapsed", "Europe/London", "2026-03-28T12:00:00", programme.Duration{Elapsed: 24 * time.Hour}, false, "2026-03-29T12:00:00Z"},
		{"a day into the gap", "America/New_York", "2026-03-07T02:30:00", programme.Duration{Days: 1}, false, "2026-03-08T07:30:00Z"},
		{"a day back into the gap", "America/New_York", "2026-03-09T02:30:00", programme.Duration{Days: 1}, true, "2026-03-08T07:30:00Z"},
		{"a day into the doubled hour", "America/New_York", "2026-10-31T01:30:00", programme.Duration{Days: 1}, false, "2026-11-01T05:30:00Z"},
		{"a month into a skipped day", "Pacific/Apia", "2011-11-30T12:00:00", programme.Duration{Months: 1}, false, "2011-12-30T22:00:00Z"},
		{"lord howe", "Australia/Lord_Howe", "2026-10-03T02:15:00", programme.Duration{Days: 1}, false, "2026-10-03T15:45:00Z"},
		{"30m", "Asia/Shanghai", "2026-01-01T00:00:00", programme.Duration{Elapsed: 30 * time.Minute}, true, "2025-12-31T15:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			loc := zone(t, c.zone)
			from := localTime(t, c.from, loc)
			got := c.add.AddTo(from, loc)
			if c.sub {
				got = c.add.SubFrom(from, loc)
			}
			if text := got.Format(time.RFC3339); text != c.want || got.Location() != time.UTC {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAddToKeepsMilliseconds(t *testing.T) {
	from := time.Date(2026, 1, 31, 10, 11, 12, 345_000_000, time.UTC)
	got := programme.Duration{Months: 1}.AddTo(from, zone(t, "Asia/Shanghai"))
	if want := time.Date(2026, 2, 28, 10, 11, 12, 345_000_000, time.UTC); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPeriods(t *testing.T) {
	loc := zone(t, "Asia/Shanghai")
	sunday := localTime(t, "2026-06-21T23:59:59", loc)
	monday := localTime(t, "2026-06-22T00:00:00", loc)
	for _, c := range []struct {
		period programme.Period
		differ bool
	}{
		{programme.PerDay, true},
		{programme.PerWeek, true},
		{programme.PerMonth, false},
		{programme.PerYear, false},
		{programme.PerEver, false},
	} {
		step := c.period.Number(monday, loc) - c.period.Number(sunday, loc)
		if c.differ && step != 1 || !c.differ && step != 0 {
			t.Errorf("period %d: monday is %d after sunday", c.period, step)
		}
	}
	newYear, before := localTime(t, "2027-01-01T00:00:00", loc), localTime(t, "2026-12-31T23:59:59", loc)
	for _, p := range []programme.Period{programme.PerMonth, programme.PerYear} {
		if p.Number(newYear, loc)-p.Number(before, loc) != 1 {
			t.Errorf("period %d does not change at new year", p)
		}
	}
	if programme.PerWeek.Number(newYear, loc) != programme.PerWeek.Number(before, loc) {
		t.Error("1 January 2027 is a Friday: it is in the week of 31 December")
	}
	old := time.Date(1969, 12, 28, 0, 0, 0, 0, time.UTC)
	if day, week := programme.DayNumber(old, time.UTC), programme.PerWeek.Number(old, time.UTC); day != -4 || week != -1 {
		t.Errorf("Sunday 28 December 1969 is day %d of week %d, want -4 and -1", day, week)
	}
}

// Law: the calendar agrees with a reading of the zone that knows no tables, only what clocks show at an instant, and
// Midnight begins the day.
func TestCalendarAgainstScan(t *testing.T) {
	names := []string{
		"Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Shanghai", "America/Havana",
		"America/Sao_Paulo", "Africa/Casablanca", "Asia/Kathmandu", "Antarctica/Troll", "UTC",
	}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := programme.LoadZone(rapid.SampledFrom(names).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		seconds := rapid.Int64Range(0, 2_600_000_000).Draw(t, "shown")
		shown := time.Unix(seconds, 0).UTC()
		got := programme.Instant(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, loc)
		if want := scan(shown, loc); !got.Equal(want) {
			t.Fatalf("%s in %s is %s, want %s", shown.Format(shownLayout), loc, got, want)
		}
		day := programme.DayNumber(got, loc)
		if got.In(loc).Format("2006-01-02") != time.Unix(int64(day)*86400, 0).UTC().Format("2006-01-02") {
			t.Fatalf("the day number of %s in %s is %d", got, loc, day)
		}
		midnight := programme.Midnight(day, loc)
		if midnight.After(got) || programme.DayNumber(midnight, loc) != day || programme.DayNumber(midnight.Add(-time.Second), loc) >= day {
			t.Fatalf("the midnight of day %d in %s is %s", day, loc, midnight)
		}
	})
}

// scan finds the first instant, in steps of a quarter of an hour, from which on clocks have reached the time shown; what
// they showed before says whether they passed over it.
func scan(shown time.Time, loc *time.Location) time.Time {
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(loc).Zone()
		return time.Duration(seconds) * time.Second
	}
	step := 15 * time.Minute
	for at := shown.Add(-28 * time.Hour).Truncate(step); ; at = at.Add(step) {
		// With the offset of this quarter, clocks show the time at:
		instant := shown.Add(-offset(at))
		inQuarter := !instant.Before(at) && instant.Before(at.Add(step))
		if inQuarter {
			return instant
		}
		if instant.Before(at) { // they show more already: it was skipped
			return shown.Add(-offset(at.Add(-step)))
		}
	}
}

// Law: months and days are added on the calendar, with the time of day kept where the day has it.
func TestAddToAgainstCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := programme.LoadZone(rapid.SampledFrom([]string{"Europe/London", "Asia/Shanghai", "America/New_York"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(0, 2_600_000_000).Draw(t, "from"), 0)
		d := programme.Duration{Months: rapid.IntRange(1, 40).Draw(t, "months")}
		if rapid.Bool().Draw(t, "days") {
			d = programme.Duration{Days: d.Months}
		}
		sign := 1
		got := d.AddTo(from, loc)
		if rapid.Bool().Draw(t, "back") {
			sign, got = -1, d.SubFrom(from, loc)
		}
		local := from.In(loc)
		year, month, day := local.Date()
		want := scan(time.Date(year, month, day+sign*d.Days, local.Hour(), local.Minute(), local.Second(), 0, time.UTC), loc)
		if d.Months != 0 {
			for {
				try := time.Date(year, month+time.Month(sign*d.Months), day, local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
				want = scan(try, loc)
				if try.Day() == day {
					break
				}
				day--
			}
		}
		if !got.Equal(want) {
			t.Fatalf("%s %+d of %s in %s is %s, want %s", from.UTC(), sign, d, loc, got, want)
		}
	})
}

func TestDurationString(t *testing.T) {
	for want, d := range map[string]programme.Duration{
		"7 days": {Days: 7}, "1 day": {Days: 1}, "6 months": {Months: 6}, "1 month": {Months: 1}, "24h": {Elapsed: 24 * time.Hour},
		"30m": {Elapsed: 30 * time.Minute}, "90m": {Elapsed: 90 * time.Minute}, "0": {},
	} {
		if d.String() != want {
			t.Errorf("%+v is %q, want %q", d, d, want)
		}
	}
}

func TestLoadZone(t *testing.T) {
	for _, c := range []struct{ name, suggestion string }{
		{"", ""},
		{"Local", ""},
		{"Asia/Shangai", "Asia/Shanghai"},
		{"europe/london", "Europe/London"},
		{"../../etc/passwd", ""},
		{"Europe/", ""},
		{"Nowhere/At_All", ""},
	} {
		_, err := programme.LoadZone(c.name)
		var unknown *programme.UnknownZone
		if !errors.As(err, &unknown) || unknown.Suggestion != c.suggestion {
			t.Errorf("LoadZone(%q): %v, want an unknown zone near %q", c.name, err, c.suggestion)
		}
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			first, err := programme.LoadZone("Asia/Tokyo")
			second, _ := programme.LoadZone("Asia/Tokyo")
			if err != nil || first != second || first.String() != "Asia/Tokyo" {
				t.Errorf("LoadZone(Asia/Tokyo): %v, %v, %v", first, second, err)
			}
		})
	}
	wait.Wait()
}

// A Location that did not come from LoadZone follows the same rules, only slower.
func TestForeignLocation(t *testing.T) {
	own := zone(t, "America/New_York")
	foreign := time.FixedZone("America/New_York", -5*3600)
	if got := localTime(t, "2026-07-01T12:00:00", foreign); got.Hour() != 17 {
		t.Errorf("a fixed zone was mistaken for the real one: %s", got)
	}
	if got := localTime(t, "2026-07-01T12:00:00", own); got.Hour() != 16 {
		t.Errorf("New York in summer: %s", got)
	}
}

// Law: no span is shorter than its least.
func TestLeastIsTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := programme.LoadZone(rapid.SampledFrom([]string{"Europe/London", "Pacific/Apia", "Australia/Lord_Howe", "UTC"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 400).Draw(t, "length")
		d := rapid.SampledFrom([]programme.Duration{{Days: n}, {Months: n}, {Elapsed: time.Duration(n) * time.Hour}}).Draw(t, "span")
		at := time.Unix(rapid.Int64Range(0, 2_600_000_000).Draw(t, "at"), 0)
		if took := at.Sub(d.SubFrom(at, loc)); took < d.Least() {
			t.Fatalf("%v before %s takes %s, less than %s", d, at, took, d.Least())
		}
	})
}
