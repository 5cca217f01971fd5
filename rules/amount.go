package rules

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"accrue/rules/programme"
)

// errOverflow says that a sum or product does not fit into 64 bits. Amounts are bounded on input so that this takes
// thousands of the largest orders.
var errOverflow = errors.New("the amount is larger than the engine can count exactly")

// addInt adds with a check.
func addInt(a, b int64) (int64, error) {
	sum := a + b
	if b > 0 && sum < a || b < 0 && sum > a {
		return 0, errOverflow
	}
	return sum, nil
}

// mulInt multiplies with a check.
func mulInt(a, b int64) (int64, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > 1<<63-1 {
		return 0, errOverflow
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), nil
	}
	return int64(lo), nil
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// exact is a number of points that is not rounded yet: a fraction that is at least 0. Small ones, nearly all, are two
// integers in lowest terms; others a big.Rat. The zero value is 0.
type exact struct {
	num, den int64 // den 0 means 1
	big      *big.Rat
}

func exactInt(v int64) exact { return exact{num: v, den: 1} }

func (e exact) isZero() bool {
	if e.big != nil {
		return e.big.Sign() == 0
	}
	return e.num == 0
}

func (e exact) rat() *big.Rat {
	if e.big != nil {
		return e.big
	}
	return big.NewRat(e.num, max(e.den, 1))
}

// times multiplies with num/den, both above 0 or num 0.
func (e exact) times(num, den int64) exact {
	if e.big == nil {
		g, h := gcd(e.num, den), gcd(num, max(e.den, 1))
		n, err := mulInt(e.num/g, num/h)
		d, err2 := mulInt(max(e.den, 1)/h, den/g)
		if err == nil && err2 == nil {
			return exact{num: n, den: d}
		}
	}
	return exact{big: new(big.Rat).Mul(e.rat(), big.NewRat(num, den))}
}

func (e exact) plus(o exact) exact {
	if e.big == nil && o.big == nil {
		a, b := max(e.den, 1), max(o.den, 1)
		if a == b {
			if n, err := addInt(e.num, o.num); err == nil {
				return exact{num: n, den: a}
			}
		}
		g := gcd(a, b)
		x, err := mulInt(e.num, b/g)
		y, err2 := mulInt(o.num, a/g)
		d, err3 := mulInt(a/g, b)
		if err == nil && err2 == nil && err3 == nil {
			if n, err := addInt(x, y); err == nil {
				g := gcd(n, d)
				return exact{num: n / g, den: d / g}
			}
		}
	}
	return exact{big: new(big.Rat).Add(e.rat(), o.rat())}
}

func (e exact) compare(o exact) int {
	if e.big == nil && o.big == nil {
		x, err := mulInt(e.num, max(o.den, 1))
		y, err2 := mulInt(o.num, max(e.den, 1))
		if err == nil && err2 == nil {
			return cmp.Compare(x, y)
		}
	}
	return e.rat().Cmp(o.rat())
}

// round gives whole points.
func (e exact) round(how programme.Rounding) (int64, error) {
	if e.big == nil {
		d := max(e.den, 1)
		whole, rest := e.num/d, e.num%d
		// rest*2 against d, without passing 64 bits
		if roundsUp(how, cmp.Compare(rest, d-rest), whole%2 != 0) {
			return addInt(whole, 1)
		}
		return whole, nil
	}
	whole, rest := new(big.Int).QuoRem(e.big.Num(), e.big.Denom(), new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(e.big.Denom())
	if roundsUp(how, half, whole.Bit(0) == 1) {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		return 0, errOverflow
	}
	return whole.Int64(), nil
}

// roundsUp decides with half, the comparison of the fraction with one half, and whether the whole part is odd.
func roundsUp(how programme.Rounding, half int, odd bool) bool {
	switch how {
	case programme.HalfUp:
		return half >= 0
	case programme.HalfEven:
		return half > 0 || half == 0 && odd
	default:
		return false
	}
}

// text shows the number with at most four decimals, cut, for reasons.
func (e exact) text() string { return string(e.append(nil)) }

// append adds the text of the number.
func (e exact) append(text []byte) []byte {
	if e.big == nil {
		den := uint64(max(e.den, 1))
		whole, rest := uint64(e.num)/den, uint64(e.num)%den
		text = strconv.AppendUint(text, whole, 10)
		hi, lo := bits.Mul64(rest, 10000)
		fraction, _ := bits.Div64(hi, lo, den) // rest < den, so it fits
		if fraction == 0 {
			return text
		}
		return appendFraction(text, fraction, 4)
	}
	return append(text, e.bigText()...)
}

// appendFraction adds a decimal point and a number of decimals, without those at the end that are 0.
func appendFraction(text []byte, fraction uint64, decimals int) []byte {
	for fraction%10 == 0 {
		fraction, decimals = fraction/10, decimals-1
	}
	return appendDecimals(text, fraction, decimals)
}

// appendDecimals adds a decimal point and a number of decimals.
func appendDecimals(text []byte, fraction uint64, decimals int) []byte {
	text = append(text, '.')
	for place := decimals - 1; place > 0 && fraction < powerOfTen(place); place-- {
		text = append(text, '0')
	}
	return strconv.AppendUint(text, fraction, 10)
}

func (e exact) bigText() string {
	r := e.rat()
	if r.IsInt() {
		return r.Num().String()
	}
	scaled := new(big.Int).Mul(r.Num(), big.NewInt(10000))
	whole, fraction := new(big.Int).QuoRem(scaled.Quo(scaled, r.Denom()), big.NewInt(10000), new(big.Int))
	if fraction.Sign() == 0 {
		return whole.String()
	}
	return whole.String() + "." + strings.TrimRight(fmt.Sprintf("%04d", fraction.Int64()), "0")
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, 1)
}

// moneyText shows an amount in major units with the currency's decimals, and more only where it has more.
func moneyText(m programme.Money, p *programme.Programme) string {
	var buffer [40]byte
	return string(appendMoney(buffer[:0], m, p))
}

// appendMoney adds moneyText.
func appendMoney(text []byte, m programme.Money, p *programme.Programme) []byte {
	if m < 0 {
		text = append(text, '-')
	}
	unit := uint64(majorUnit(p))
	whole, fraction := magnitude(int64(m))/unit, magnitude(int64(m))%unit
	text = strconv.AppendUint(text, whole, 10)
	decimals := p.Scale
	for decimals > p.Currency.Digits && fraction%10 == 0 {
		fraction /= 10
		decimals--
	}
	if decimals == 0 {
		return text
	}
	return appendDecimals(text, fraction, decimals)
}

func powerOfTen(n int) uint64 {
	power := uint64(1)
	for range n {
		power *= 10
	}
	return power
}
