package rules

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"accrue/rules/programme"
)

// drawInt draws small numbers, large ones, and those at the borders of 64 bits.
func drawInt(t *rapid.T, least int64, label string) int64 {
	return rapid.OneOf(
		rapid.Int64Range(max(least, -50), 50), rapid.Int64Range(max(least, -1e12), 1e12), rapid.Int64Range(least, math.MaxInt64),
		rapid.Just[int64](math.MaxInt64), rapid.Just(max(least, math.MinInt64+1)),
	).Draw(t, label)
}

// Sums and products are right, or refused where they do not fit.
func TestCheckedArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawInt(t, math.MinInt64, "a"), drawInt(t, math.MinInt64, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		sum, err := addInt(a, b)
		checkWhole(t, "sum", new(big.Int).Add(x, y), sum, err)
		product, err := mulInt(a, b)
		want := new(big.Int).Mul(x, y)
		if want.IsInt64() && want.Int64() == math.MinInt64 && err != nil {
			return // the one number without a positive twin; amounts never are so small
		}
		checkWhole(t, "product", want, product, err)
	})
}

func checkWhole(t *rapid.T, what string, want *big.Int, got int64, err error) {
	switch {
	case want.IsInt64() && (err != nil || got != want.Int64()):
		t.Fatalf("the %s is %d (%v), not %s", what, got, err, want)
	case !want.IsInt64() && err == nil:
		t.Fatalf("the %s is said to be %d, it is %s", what, got, want)
	}
}

// Fractions are exact through any chain of operations, in two integers or in big ones, and are rounded as they should.
func TestExactAmounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawInt(t, 0, "v")
		e, want := exactInt(v), new(big.Rat).SetInt64(v)
		if rapid.Bool().Draw(t, "from zero") {
			e, want = exact{}, new(big.Rat)
		}
		for range rapid.IntRange(0, 6).Draw(t, "operations") {
			num, den := drawInt(t, 0, "num"), max(drawInt(t, 1, "den"), 1)
			ratio := big.NewRat(num, den)
			if rapid.Bool().Draw(t, "times") {
				e, want = e.times(num, den), new(big.Rat).Mul(want, ratio)
			} else {
				e, want = e.plus(exactInt(num).times(1, den)), new(big.Rat).Add(want, ratio)
			}
			if e.rat().Cmp(want) != 0 || e.isZero() != (want.Sign() == 0) {
				t.Fatalf("the amount is %s, not %s", e.rat(), want)
			}
		}
		o := exactInt(drawInt(t, 0, "other")).times(1, 7)
		if e.compare(o) != want.Cmp(o.rat()) {
			t.Fatalf("compared with %s the amount %s is %d", o.rat(), want, e.compare(o))
		}
		for _, how := range []programme.Rounding{programme.Floor, programme.HalfUp, programme.HalfEven} {
			got, err := e.round(how)
			checkWhole(t, "rounded amount", rounded(want, how), got, err)
		}
	})
}

// rounded works by the definition: the nearest whole number, and at the half the one that the rounding names.
func rounded(r *big.Rat, how programme.Rounding) *big.Int {
	floor := new(big.Int).Div(r.Num(), r.Denom())
	up := new(big.Int).Add(floor, big.NewInt(1))
	below := new(big.Rat).Sub(r, new(big.Rat).SetInt(floor))
	half := below.Cmp(big.NewRat(1, 2))
	switch {
	case how == programme.Floor || half < 0:
		return floor
	case half > 0 || how == programme.HalfUp:
		return up
	case floor.Bit(0) == 0:
		return floor
	default:
		return up
	}
}

// Amounts in reasons are cut, never rounded up: 0.99999 points are not 1 point.
func TestAmountText(t *testing.T) {
	for _, c := range []struct {
		amount exact
		want   string
	}{
		{exact{}, "0"},
		{exactInt(12), "12"},
		{exactInt(3).times(1, 2), "1.5"},
		{exactInt(1).times(99999, 100000), "0.9999"},
		{exactInt(1).times(1, 3), "0.3333"},
		{exactInt(1).times(1, 100000), "0"},
		{exactInt(math.MaxInt64).times(10, 1), "92233720368547758070"},
	} {
		if got := c.amount.text(); got != c.want {
			t.Errorf("%s is shown as %s, not %s", c.amount.rat(), got, c.want)
		}
	}
}

// Money in reasons has the currency's decimals, and more only where the programme counts with more and there are more.
func TestMoneyText(t *testing.T) {
	yuan := &programme.Programme{Currency: programme.Currency{Code: "CNY", Digits: 2}, Scale: 4}
	yen := &programme.Programme{Currency: programme.Currency{Code: "JPY"}, Scale: 0}
	for _, c := range []struct {
		p     *programme.Programme
		money programme.Money
		want  string
	}{
		{yuan, 375000, "37.50"}, {yuan, 375001, "37.5001"}, {yuan, 7, "0.0007"}, {yuan, 0, "0.00"}, {yuan, -375000, "-37.50"}, {yen, 12, "12"},
	} {
		if got := moneyText(c.money, c.p); got != c.want {
			t.Errorf("%d units of %s are shown as %q, not %q", c.money, c.p.Currency.Code, got, c.want)
		}
	}
}
