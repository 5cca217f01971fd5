package programme

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// decimalType is the type of money and of decimal literals in conditions. The evaluator asks it which operators decimals
// have, so the traits below and the overloads that compiler.go declares say the same.
//
//nolint:gochecknoglobals // never changed
var decimalType = types.NewObjectType("decimal",
	traits.AdderType, traits.SubtractorType, traits.MultiplierType, traits.NegatorType, traits.ComparerType)

// maxDigits are the decimals that a result may have: 10^18 is the largest power of ten in an int64.
const maxDigits = 18

// decimal is a CEL value. All its operations are exact; what an int64 cannot hold is an error, which makes the condition
// not met and is told in the decision.
var _ interface {
	ref.Val
	traits.Adder
	traits.Subtractor
	traits.Multiplier
	traits.Negater
	traits.Comparer
} = decimal{}

// String is d with all its digits.
func (d decimal) String() string {
	sign, magnitude := "", magnitude(d.coefficient)
	if d.coefficient < 0 {
		sign = "-"
	}
	text := strconv.FormatUint(magnitude, 10)
	if d.digits == 0 {
		return sign + text
	}
	if missing := d.digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	point := len(text) - d.digits
	return sign + text[:point] + "." + text[point:]
}

// ConvertToNative implements ref.Val: nothing outside the evaluator reads a decimal.
func (d decimal) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a decimal cannot become %s", t)
}

// ConvertToType implements ref.Val.
func (d decimal) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.TypeType:
		return decimalType
	case decimalType:
		return d
	}
	return types.NewErr("a decimal cannot become %s", t.TypeName())
}

// Type implements ref.Val.
func (d decimal) Type() ref.Type { return decimalType }

// Value implements ref.Val.
func (d decimal) Value() any { return d }

// Equal implements ref.Val: 1.5 equals 1.50.
func (d decimal) Equal(other ref.Val) ref.Val {
	o, ok := other.(decimal)
	return types.Bool(ok && d.compare(o) == 0)
}

// Compare implements traits.Comparer.
func (d decimal) Compare(other ref.Val) ref.Val {
	o, ok := other.(decimal)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	switch d.compare(o) {
	case -1:
		return types.IntNegOne
	case 1:
		return types.IntOne
	}
	return types.IntZero
}

// compare cannot overflow: both sides are brought to the same digits in 128 bits.
func (d decimal) compare(o decimal) int {
	if d.digits == o.digits {
		return order(d.coefficient < o.coefficient, d.coefficient > o.coefficient)
	}
	if d.coefficient < 0 != (o.coefficient < 0) {
		return order(d.coefficient < 0, true)
	}
	digits := max(d.digits, o.digits)
	hiD, loD := bits.Mul64(magnitude(d.coefficient), pow10(digits-d.digits))
	hiO, loO := bits.Mul64(magnitude(o.coefficient), pow10(digits-o.digits))
	less := hiD < hiO || hiD == hiO && loD < loO
	more := hiD > hiO || hiD == hiO && loD > loO
	if d.coefficient < 0 {
		less, more = more, less
	}
	return order(less, more)
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

// Add implements traits.Adder.
func (d decimal) Add(other ref.Val) ref.Val {
	o, ok := other.(decimal)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	sum, ok := d.plus(o)
	if !ok {
		return overflow("+", d, o)
	}
	return sum
}

// Subtract implements traits.Subtractor.
func (d decimal) Subtract(other ref.Val) ref.Val {
	o, ok := other.(decimal)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	difference, ok := d.minus(o)
	if !ok {
		return overflow("-", d, o)
	}
	return difference
}

// minus is d - o; false where it does not fit, or where -o does not.
func (d decimal) minus(o decimal) (decimal, bool) {
	if o.coefficient == math.MinInt64 {
		return decimal{}, false
	}
	return d.plus(decimal{-o.coefficient, o.digits})
}

// plus is d + o; false where it does not fit even without zeros at the end.
func (d decimal) plus(o decimal) (decimal, bool) {
	sum, ok := d.plusAligned(o)
	if !ok {
		sum, ok = d.trim().plusWide(o.trim())
	}
	return sum, ok
}

// plusWide is plusAligned where one of the two does not fit with the other's digits: of different signs, their sum may.
func (d decimal) plusWide(o decimal) (decimal, bool) {
	if d.digits > o.digits {
		d, o = o, d
	}
	sum := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(o.digits-d.digits)), nil)
	sum.Mul(sum, big.NewInt(d.coefficient)).Add(sum, big.NewInt(o.coefficient))
	return decimal{sum.Int64(), o.digits}, sum.IsInt64()
}

func (d decimal) plusAligned(o decimal) (decimal, bool) {
	if d.digits > o.digits {
		d, o = o, d
	}
	a, ok := scaled(d.coefficient, o.digits-d.digits)
	sum := a + o.coefficient
	if !ok || (a < 0) == (o.coefficient < 0) && (sum < 0) != (a < 0) {
		return decimal{}, false
	}
	return decimal{sum, o.digits}, true
}

// Multiply implements traits.Multiplier, for decimals and whole numbers.
func (d decimal) Multiply(other ref.Val) ref.Val {
	var o decimal
	switch v := other.(type) {
	case decimal:
		o = v
	case types.Int:
		o = decimal{int64(v), 0}
	default:
		return types.MaybeNoSuchOverloadErr(other)
	}
	product, ok := d.times(o)
	if !ok {
		return overflow("*", d, o)
	}
	return product
}

// times is d * o; false where it does not fit even without zeros at the end.
func (d decimal) times(o decimal) (decimal, bool) {
	a, b := d, o
	product, ok := scaledBy(a.coefficient, b.coefficient)
	if !ok || a.digits+b.digits > maxDigits {
		a, b = a.trim(), b.trim()
		product, ok = scaledBy(a.coefficient, b.coefficient)
	}
	result := decimal{product, a.digits + b.digits}
	if result.digits > maxDigits {
		result = result.trim()
	}
	return result, ok && result.digits <= maxDigits
}

// Negate implements traits.Negater.
func (d decimal) Negate() ref.Val {
	negated, ok := d.negated()
	if !ok {
		return types.WrapErr(tooLargeNegated(d))
	}
	return negated
}

func (d decimal) negated() (decimal, bool) {
	return decimal{-d.coefficient, d.digits}, d.coefficient != math.MinInt64
}

func overflow(operator string, a, b decimal) ref.Val {
	return types.WrapErr(tooLarge(operator, a, b))
}

// tooLarge is the error of an operation whose result no decimal can hold.
func tooLarge(operator string, a, b decimal) error {
	return fmt.Errorf("the number is too large: %s %s %s", a, operator, b)
}

func tooLargeNegated(d decimal) error {
	return fmt.Errorf("the number is too large: -(%s)", d)
}

// scaled is n · 10^power; false on overflow.
func scaled(n int64, power int) (int64, bool) {
	return scaledBy(n, int64(pow10(power))) // at most 10^18
}

// scaledBy is a · b; false on overflow.
func scaledBy(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	switch {
	case hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative:
		return 0, false
	case negative:
		return int64(-lo), true // at most 2^63
	}
	return int64(lo), true // below 2^63
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) // two's complement, also of the smallest
	}
	return uint64(n)
}

func pow10(power int) uint64 {
	result := uint64(1)
	for range power {
		result *= 10
	}
	return result
}
