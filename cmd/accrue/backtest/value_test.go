package backtest

import (
	"math"
	"testing"

	"accrue/rules/explain"
	"accrue/rules/programme"
)

// A fraction of money or points a day is rounded half away from zero.
func TestADay(t *testing.T) {
	v, err := programme.ParsePointValue("0.01")
	if err != nil {
		t.Fatal(err)
	}
	if got := ofDay(v, -100, 3, 2); got != "-0.33" {
		t.Errorf("-1.00 in 3 days is %s a day", got)
	}
	if got := ofDay(v, 1, 2, 2); got != "0.01" {
		t.Errorf("0.01 in 2 days is %s a day", got)
	}
	if got := perDay(7, 2) + " " + perDay(-1, 20) + " " + perDay(-1, 100) + " " + perDay(5, 0); got != "3.5 -0.1 0.0 " {
		t.Errorf("points a day: %s", got)
	}
}

func TestShares(t *testing.T) {
	for _, tc := range [][3]int64{{1, 3, 333}, {2, 3, 667}, {1, 2000, 1}, {0, 0, 0}, {math.MaxInt64, math.MaxInt64, 1000}} {
		if got := permille(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%d of %d is %d thousandths, want %d", tc[0], tc[1], got, tc[2])
		}
	}
	if got := percent(987) + percent(5) + percent(1000); got != "98.7%0.5%100.0%" {
		t.Error(got)
	}
}

// A sum that passes 64 bits spoils the report; it never wraps around.
func TestSumsAreChecked(t *testing.T) {
	var a adder
	n := int64(math.MaxInt64 - 1)
	if a.add(&n, 1); a.passed || n != math.MaxInt64 {
		t.Errorf("%d, %t", n, a.passed)
	}
	if a.add(&n, 1); !a.passed || n != math.MaxInt64 {
		t.Errorf("%d, %t", n, a.passed)
	}
}

// What a terminal would obey is written out, and columns are counted as wide as they are shown.
func TestNamesAreMadeHarmless(t *testing.T) {
	if got := printable("a\x1b[31m\u202eb\nc王"); got != `a\u001b[31m\u202eb\u000ac王` {
		t.Error(got)
	}
	for text, want := range map[string]string{"short": "short", "每消费一元积一分": "每消费…", "abcdefghij": "abcdefg…"} {
		if got := short(text, 8); got != want || explain.Columns(got) > 8 {
			t.Errorf("%q is cut to %q, want %q", text, got, want)
		}
	}
}

// The axes of charts have few ticks, at round numbers, also where numbers are as large as they can be.
func TestAxes(t *testing.T) {
	for _, points := range [][]int64{{0}, {5}, {-7, 3}, {1, 1_000_000}, {math.MaxInt64 / 4, -math.MaxInt64 / 4}} {
		names := make([]string, len(points))
		c := lineChart("", names, []series{{"A", points}})
		if n := len(c.Ticks); n < 2 || n > 9 {
			t.Errorf("%v has %d ticks: %v", points, n, c.Ticks)
		}
		for _, tick := range c.Ticks {
			if tick.At < topMargin || tick.At > chartHeight-lowMargin {
				t.Errorf("%v has a tick at %d", points, tick.At)
			}
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1500: "1.5k", -1500: "-1.5k", 1_681_623: "1.7M", 13_709_720: "13.7M"} {
		if got := compact(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
