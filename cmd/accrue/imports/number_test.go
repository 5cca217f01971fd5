package imports

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Amounts are what exact arithmetic says, or are refused.
func TestAmountsAreExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,5})?`).Draw(r, "price")
		pieces, digits := rapid.Int64Range(1, 1000).Draw(r, "pieces"), rapid.SampledFrom([]int{0, 2, 3}).Draw(r, "digits")
		m := &Mapping{Decimal: ".", Rounding: rapid.SampledFrom([]string{"refuse", "half_up", "down"}).Draw(r, "rounding")}
		price, err := m.number(text)
		if err != nil {
			r.Fatal(err)
		}
		exact, _ := new(big.Rat).SetString(text)
		exact.Mul(exact, big.NewRat(pieces, 1)).Mul(exact, new(big.Rat).SetInt(tenTo(digits)))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		rest := new(big.Rat).Sub(exact, new(big.Rat).SetInt(want))
		if m.Rounding == "half_up" && rest.Abs(rest).Cmp(big.NewRat(1, 2)) >= 0 {
			want.Add(want, big.NewInt(int64(exact.Sign())))
		}
		got, err := m.minor(price, pieces, digits, text, "X")
		var no *refused
		switch {
		case want.CmpAbs(big.NewInt(maxAmount)) > 0 || m.Rounding == "refuse" && !exact.IsInt():
			if !errors.As(err, &no) {
				r.Errorf("%d × %s is %d, want a refusal", pieces, text, got)
			}
		case err != nil || got != want.Int64():
			r.Errorf("%d × %s in %d digits, %s, is %d (%v), want %s", pieces, text, digits, m.Rounding, got, err, want)
		}
	})
}

func TestNumbers(t *testing.T) {
	german, swiss, plain := &Mapping{Decimal: ",", Thousands: "."}, &Mapping{Decimal: ".", Thousands: "’"}, &Mapping{Decimal: "."}
	for _, tc := range []struct {
		m    *Mapping
		text string
		want string // times 1000; empty: refused
	}{
		{german, "1.234,56", "1234560"},
		{german, "1234,56", "1234560"},
		{german, "-1.234.567", "-1234567000"},
		{german, "(12,5)", "-12500"},
		{german, "12.34", ""},
		{german, "1.2345", ""},
		{german, ".123", ""},
		{german, "1,2,3", ""},
		{german, "1.234,", ""},
		{swiss, "1’234.5", "1234500"},
		{plain, "+7", "7000"},
		{plain, "\u22127", "-7000"},
		{plain, "0.5", "500"},
		{plain, ".5", ""},
		{plain, "1e3", ""},
		{plain, "", ""},
		{plain, "-", ""},
		{plain, "--1", ""},
		{plain, "(1", ""},
		{plain, "1)", ""},
		{plain, "1,000.00", ""},
		{plain, "NaN", ""},
		{plain, "0x10", ""},
		{plain, "1_000", ""},
		{plain, "12345678901234567890123456789012345678901", ""},
	} {
		d, err := tc.m.number(tc.text)
		if err != nil {
			if tc.want != "" {
				t.Errorf("%q: %v", tc.text, err)
			}
			continue
		}
		if n, _ := d.scaled(3); n.String() != tc.want {
			t.Errorf("%q is %s thousandths, want %q", tc.text, n, tc.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ pattern, text, want string }{
		{"yyyy-MM-dd HH:mm:ss", "2011-07-01 10:05:00", "2011-07-01T09:05:00Z"},
		{"dd/MM/yyyy HH:mm", "01/12/2010 08:26", "2010-12-01T08:26:00Z"},
		{"M/d/yy h:mm a", "7/1/11 3:05 pm", "2011-07-01T14:05:00Z"},
		{"d. MMM yyyy", "3. jul 2011", "2011-07-02T23:00:00Z"},
		{"yyyy年M月d日", "2011年7月3日", "2011-07-02T23:00:00Z"},
		{"yyyy-MM-ddTHH:mm:ss.SSSXXX", "2011-07-01T10:05:00.250+08:00", "2011-07-01T02:05:00.25Z"},
		{"yyyyMMddHHmmss", "20110701100500", "2011-07-01T09:05:00Z"},
		{"rfc3339", "2011-07-01T10:05:00+02:00", "2011-07-01T08:05:00Z"},
		{"unix", "1309511100", "2011-07-01T09:05:00Z"},
		{"unix_ms", "1309511100123", "2011-07-01T09:05:00.123Z"},
		{"yyyy-MM-dd", "2011-02-30", ""},
		{"yyyy-MM-dd", "2011-02-03 10:00", ""},
		{"unix", "-5", ""},
		{"unix", "13095111001230000", ""},
	} {
		p, err := ParsePattern(tc.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		got, ok := p.parse(tc.text, zone)
		if ok != (tc.want != "") || ok && got.Format(time.RFC3339Nano) != tc.want {
			t.Errorf("%q as %q is %s, %t; want %q", tc.text, tc.pattern, got.Format(time.RFC3339Nano), ok, tc.want)
		}
	}
	for _, bad := range []string{"", "HH:mm", "yyyy-MM-DD", "2006-01-02", "yyyy 'open", "YYYY"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("pattern %q is taken for good", bad)
		}
	}
}
