package programme

import (
	"math"
	"testing"
)

func TestPointValues(t *testing.T) {
	for _, tc := range []struct {
		value   string
		points  int64
		atLeast int
		want    string
	}{
		{"0.01", 12345, 2, "123.45"},
		{"0.01", -5, 2, "-0.05"},
		{"0.01", 0, 2, "0.00"},
		{"0.005", 3, 2, "0.015"},
		{"0.005", 4, 2, "0.02"},
		{"1", 7, 2, "7.00"},
		{"1.50", 2, 0, "3"},
		{"100", 7, 0, "700"},
		{"0.000000001", 1, 2, "0.000000001"},
		{"999999999.999999999", math.MaxInt64, 2, "9223372036854775797776627963.145224193"},
	} {
		v, err := ParsePointValue(tc.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Text(tc.points, tc.atLeast); got != tc.want {
			t.Errorf("%d points at %s are %s, want %s", tc.points, tc.value, got, tc.want)
		}
	}
	for _, wrong := range []string{"", "0", "0.00", "-1", "1e3", ".5", "1.", "1,5", "١", "1234567890"} {
		if v, err := ParsePointValue(wrong); err == nil {
			t.Errorf("%q is taken for %v", wrong, v)
		}
	}
	if got := (PointValue{}).Text(5, 2); got != "" {
		t.Errorf("without a value points are worth %q", got)
	}
}
