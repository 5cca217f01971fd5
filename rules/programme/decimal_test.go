package programme

import (
	"math/big"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"pgregory.net/rapid"
)

func exact(d decimal) *big.Rat {
	den := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.digits)), nil)
	return new(big.Rat).SetFrac(big.NewInt(d.coefficient), den)
}

func drawDecimal(t *rapid.T, name string) decimal {
	coefficient := rapid.OneOf(
		rapid.Int64Range(-100_000, 100_000), rapid.Int64(), rapid.SampledFrom([]int64{-1 << 63, 1<<63 - 1, 0}),
	).Draw(t, name)
	return decimal{coefficient, rapid.IntRange(0, maxDigits).Draw(t, name+" digits")}
}

// Law: decimals agree with rational numbers, or say that the result is too large; and they only say so if it is.
func TestDecimalAgainstRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDecimal(t, "a"), drawDecimal(t, "b")
		ra, rb := exact(a), exact(b)
		if got, want := a.compare(b), ra.Cmp(rb); got != want {
			t.Fatalf("%s compared with %s: %d, want %d", a, b, got, want)
		}
		if got := a.Equal(b) == types.True; got != (ra.Cmp(rb) == 0) {
			t.Fatalf("%s equals %s: %v", a, b, got)
		}
		most := max(a.trim().digits, b.trim().digits)
		same(t, "+", a.Add(b), new(big.Rat).Add(ra, rb), most)
		if b.coefficient != -1<<63 {
			same(t, "-", a.Subtract(b), new(big.Rat).Sub(ra, rb), most)
		}
		same(t, "*", a.Multiply(b), new(big.Rat).Mul(ra, rb), a.trim().digits+b.trim().digits)
		n := types.Int(b.coefficient)
		same(t, "* int", a.Multiply(n), new(big.Rat).Mul(ra, new(big.Rat).SetInt64(b.coefficient)), a.trim().digits)
		same(t, "negated", a.Negate(), new(big.Rat).Neg(ra), a.digits)
	})
}

// same wants the exact result, or an error where it does not fit in an int64 with that many digits after the point.
func same(t *rapid.T, operator string, got ref.Val, want *big.Rat, digits int) {
	if d, ok := got.(decimal); ok {
		if exact(d).Cmp(want) != 0 || d.digits > maxDigits {
			t.Fatalf("%s gives %s, want %s", operator, d, want.FloatString(20))
		}
		return
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	coefficient := new(big.Rat).Mul(want, new(big.Rat).SetInt(power))
	if coefficient.IsInt() && coefficient.Num().IsInt64() && digits <= maxDigits {
		t.Fatalf("%s says %v, though %s fits", operator, got, want.FloatString(digits))
	}
}

// A sum that fits is exact also where one of the two does not fit with as many digits as the other.
func TestDecimalSumOfLongAndLarge(t *testing.T) {
	a, b := decimal{-92234, 4}, decimal{9223372036854775807, 18}
	if got, ok := a.plus(b); !ok || got != (decimal{-27963145224193, 18}) {
		t.Errorf("%s + %s = %s, %v", a, b, got, ok)
	}
	if got, ok := a.plus(decimal{-9223372036854775807, 18}); ok {
		t.Errorf("a sum that passes 64 bits is %s", got)
	}
}

func TestDecimalString(t *testing.T) {
	for want, d := range map[string]decimal{
		"0.05": {5, 2}, "-0.05": {-5, 2}, "12.50": {1250, 2}, "7": {7, 0}, "-92233720368547758.08": {-1 << 63, 2},
	} {
		if d.String() != want {
			t.Errorf("%+v is %s, want %s", d, d.String(), want)
		}
	}
}

// Law: what parseDecimal reads, String writes.
func TestParseDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := decimal{rapid.Int64Range(0, 1<<63-1).Draw(t, "coefficient"), rapid.IntRange(0, maxDigits).Draw(t, "digits")}
		if got, ok := parseDecimal(d.String()); !ok || got != d {
			t.Fatalf("%s reads as %v, %v", d, got, ok)
		}
	})
}
