package backtest

import (
	"math/big"
	"strconv"
	"strings"

	"accrue/rules/programme"
)

// ofDay is what points are worth a day, rounded half away from zero to the currency's decimals.
func ofDay(v programme.PointValue, points, days int64, decimals int) string {
	if v.IsZero() || days <= 0 {
		return ""
	}
	return rounded(new(big.Rat).Quo(v.Worth(points), new(big.Rat).SetInt64(days)), decimals)
}

// rounded is a fraction with so many decimals, rounded half away from zero.
func rounded(r *big.Rat, decimals int) string {
	text := r.FloatString(decimals)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// perDay is points a day with one decimal, rounded half away from zero.
func perDay(points, days int64) string {
	if days <= 0 {
		return ""
	}
	return rounded(big.NewRat(points, days), 1)
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
func percent(permille int64) string { return rounded(big.NewRat(permille, 10), 1) + "%" }

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
