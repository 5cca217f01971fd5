package backtest

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Value is what a point is worth, an exact decimal in major units of the programme's currency. The zero Value is none.
type Value struct {
	coefficient int64
	decimals    int
}

// valueForm is what people write: few enough digits for exact arithmetic.
var valueForm = regexp.MustCompile(`^(\d{1,9})(?:\.(\d{1,9}))?$`)

// ParseValue reads a decimal such as 0.01, above 0, with at most nine digits on each side of the point.
func ParseValue(text string) (Value, error) {
	parts := valueForm.FindStringSubmatch(text)
	if parts == nil {
		return Value{}, fmt.Errorf("%q is not a decimal such as 0.01", text)
	}
	n, err := strconv.ParseInt(parts[1]+parts[2], 10, 64)
	if err != nil || n == 0 {
		return Value{}, fmt.Errorf("%q is not above 0", text)
	}
	return Value{n, len(parts[2])}, nil
}

// IsZero reports whether there is none.
func (v Value) IsZero() bool { return v.coefficient == 0 }

// of is what points are worth, with at least some decimals; empty without a value.
func (v Value) of(points int64, atLeast int) string {
	if v.IsZero() {
		return ""
	}
	worth := new(big.Int).Mul(big.NewInt(points), big.NewInt(v.coefficient))
	return decimal(worth, v.decimals, atLeast)
}

// ofDay is what points are worth a day, rounded half away from zero to the currency's decimals.
func (v Value) ofDay(points, days int64, decimals int) string {
	if v.IsZero() || days <= 0 {
		return ""
	}
	worth := new(big.Int).Mul(big.NewInt(points), big.NewInt(v.coefficient))
	return quotient(worth, new(big.Int).Mul(big.NewInt(days), power(v.decimals)), decimals)
}

// decimal writes coefficient · 10^-digits without zeros at its end beyond atLeast decimals.
func decimal(coefficient *big.Int, digits, atLeast int) string {
	text := new(big.Int).Abs(coefficient).String()
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	whole, fraction := text[:len(text)-digits], text[len(text)-digits:]
	for len(fraction) > atLeast && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	if missing := atLeast - len(fraction); missing > 0 {
		fraction += strings.Repeat("0", missing)
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if coefficient.Sign() < 0 {
		whole = "-" + whole
	}
	return whole
}

// quotient is a fraction with so many decimals, rounded half away from zero.
func quotient(over, under *big.Int, decimals int) string {
	twice := new(big.Int).Mul(new(big.Int).Abs(over), power(decimals))
	twice.Lsh(twice, 1).Add(twice, under)
	rounded := twice.Quo(twice, new(big.Int).Lsh(under, 1))
	if over.Sign() < 0 {
		rounded.Neg(rounded)
	}
	return decimal(rounded, decimals, decimals)
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// perDay is points a day with one decimal, rounded half away from zero.
func perDay(points, days int64) string {
	if days <= 0 {
		return ""
	}
	return quotient(big.NewInt(points), big.NewInt(days), 1)
}

// permille is how many thousandths part is of whole, rounded half up; 0 of nothing.
func permille(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	n := new(big.Int).Mul(big.NewInt(part), big.NewInt(2000))
	n.Add(n, big.NewInt(whole))
	return new(big.Int).Div(n, new(big.Int).Lsh(big.NewInt(whole), 1)).Int64()
}

// percent writes thousandths as percent with one decimal.
func percent(permille int64) string { return decimal(big.NewInt(permille), 1, 1) + "%" }

// grouped is a number with a comma before each three digits.
func grouped(digits string) string {
	sign, whole := "", digits
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	whole, fraction, pointed := strings.Cut(whole, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if pointed {
		whole += "." + fraction
	}
	return sign + whole
}

func count(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// signed is a number with its sign, also above 0.
func signed(digits string) string {
	if digits == "" || digits == "0" || strings.HasPrefix(digits, "-") || strings.Trim(digits, "0.") == "" {
		return grouped(digits)
	}
	return "+" + grouped(digits)
}

func difference(n int64) string { return signed(strconv.FormatInt(n, 10)) }
