package programme

import (
	"errors"
	"math"
	"time"
	"unicode/utf8"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// The errors of whole numbers.
var (
	errTooLarge = errors.New(textTooLarge)
	errZero     = errors.New(textZero)
)

// whole compiles an expression that is a whole number.
func (n *native) whole(e celast.Expr) evaluator[int64] {
	switch e.Kind() { //nolint:exhaustive // nothing else gives a number
	case celast.LiteralKind:
		if value, ok := wholeLiteral(e); ok {
			return constant(value)
		}
	case celast.IdentKind, celast.SelectKind:
		return n.wholeVariable(e)
	case celast.CallKind:
		return n.wholeCall(e)
	}
	return nil
}

func (n *native) wholeVariable(e celast.Expr) evaluator[int64] {
	switch n.variable(e) {
	case "order.number":
		return ofOrder(func(o *OrderView) int64 { return o.Number })
	case "member.points":
		return func(v view) (int64, error) { return v.scope.Member.Points, nil }
	case "member.pending":
		return func(v view) (int64, error) { return v.scope.Member.Pending, nil }
	case "member.orders":
		return func(v view) (int64, error) { return v.scope.Member.Orders, nil }
	case "member.streak":
		return func(v view) (int64, error) { return v.scope.Member.Streak, nil }
	case "member.age_days":
		return func(v view) (int64, error) { return ageDays(v.scope) }
	}
	if field, own, ok := n.lineField(e); ok && field == "quantity" {
		return ofLine(own, func(l *LineView) int64 { return l.Quantity })
	}
	return nil
}

func (n *native) wholeCall(e celast.Expr) evaluator[int64] {
	args := operands(e)
	name := e.AsCall().FunctionName()
	switch name {
	case operators.Conditional:
		return conditional(n.boolean(args[0]), n.whole(args[1]), n.whole(args[2]))
	case operators.Negate:
		return calculated(constant(int64(0)), n.whole(args[0]), wholeMinus)
	case operators.Add:
		return calculated(n.whole(args[0]), n.whole(args[1]), wholePlus)
	case operators.Subtract:
		return calculated(n.whole(args[0]), n.whole(args[1]), wholeMinus)
	case operators.Multiply:
		return calculated(n.whole(args[0]), n.whole(args[1]), wholeTimes)
	case operators.Divide:
		return calculated(n.whole(args[0]), n.whole(args[1]), wholeDivided)
	case operators.Modulo:
		return calculated(n.whole(args[0]), n.whole(args[1]), wholeRemainder)
	case overloads.Size:
		return n.size(args[0])
	}
	return n.clock(name, args)
}

// calculated is an operation on two numbers. An error of the left side counts before one of the right.
func calculated[A, B, T any](a evaluator[A], b evaluator[B], operation func(A, B) (T, error)) evaluator[T] {
	if a == nil || b == nil {
		return nil
	}
	return func(v view) (T, error) {
		x, err := a(v)
		if err != nil {
			var zero T
			return zero, err
		}
		y, err := b(v)
		if err != nil {
			var zero T
			return zero, err
		}
		return operation(x, y)
	}
}

func wholePlus(a, b int64) (int64, error) {
	sum := a + b
	if (a < 0) == (b < 0) && (sum < 0) != (a < 0) {
		return 0, errTooLarge
	}
	return sum, nil
}

func wholeMinus(a, b int64) (int64, error) {
	difference := a - b
	if (a < 0) != (b < 0) && (difference < 0) != (a < 0) {
		return 0, errTooLarge
	}
	return difference, nil
}

func wholeTimes(a, b int64) (int64, error) {
	product, ok := scaledBy(a, b)
	if !ok {
		return 0, errTooLarge
	}
	return product, nil
}

func wholeDivided(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errZero
	case a == math.MinInt64 && b == -1:
		return 0, errTooLarge
	}
	return a / b, nil
}

func wholeRemainder(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errZero
	case a == math.MinInt64 && b == -1: // the remainder would be 0, but CEL asks for the quotient
		return 0, errTooLarge
	}
	return a % b, nil
}

// number compiles an expression that is money or a decimal.
func (n *native) number(e celast.Expr) evaluator[decimal] {
	switch e.Kind() { // nothing else gives a number
	case celast.IdentKind, celast.SelectKind:
		return n.money(e)
	case celast.CallKind:
		if c, ok := decimalLiteral(e); ok {
			return constant(c)
		}
	default:
		return nil
	}
	args := operands(e)
	switch e.AsCall().FunctionName() {
	case operators.Conditional:
		return conditional(n.boolean(args[0]), n.number(args[1]), n.number(args[2]))
	case operators.Negate:
		return negated(n.number(args[0]))
	case operators.Add:
		return exactly(n.number(args[0]), n.number(args[1]), "+", decimal.plus)
	case operators.Subtract:
		return exactly(n.number(args[0]), n.number(args[1]), "-", decimal.minus)
	case operators.Multiply:
		// A whole number stands on the right: exchangeFactors has seen to it.
		if n.isKind(args[1], types.IntKind) {
			return exactly(n.number(args[0]), wholeAsDecimal(n.whole(args[1])), "*", decimal.times)
		}
		return exactly(n.number(args[0]), n.number(args[1]), "*", decimal.times)
	}
	return nil
}

func (n *native) money(e celast.Expr) evaluator[decimal] {
	scale := n.scale
	switch n.variable(e) {
	case "order.total":
		return func(v view) (decimal, error) { // not ofOrder: no condition is more common, and this saves a call
			if v.scope.Order == nil {
				return decimal{}, errAbsent
			}
			return decimal{int64(v.scope.Order.Total), scale}, nil
		}
	case "member.spend":
		return func(v view) (decimal, error) { return decimal{int64(v.scope.Member.Spend), scale}, nil }
	}
	if field, own, ok := n.lineField(e); ok && field == "amount" {
		return ofLine(own, func(l *LineView) decimal { return decimal{int64(l.Amount), scale} })
	}
	return nil
}

// exactly is an operation on decimals, or the error that its result is too large.
func exactly(a, b evaluator[decimal], sign string, operation func(a, b decimal) (decimal, bool)) evaluator[decimal] {
	return calculated(a, b, func(x, y decimal) (decimal, error) {
		result, ok := operation(x, y)
		if !ok {
			return decimal{}, tooLarge(sign, x, y)
		}
		return result, nil
	})
}

func negated(a evaluator[decimal]) evaluator[decimal] {
	if a == nil {
		return nil
	}
	return func(v view) (decimal, error) {
		d, err := a(v)
		if err != nil {
			return decimal{}, err
		}
		result, ok := d.negated()
		if !ok {
			return decimal{}, tooLargeNegated(d)
		}
		return result, nil
	}
}

func wholeAsDecimal(a evaluator[int64]) evaluator[decimal] {
	if a == nil {
		return nil
	}
	return func(v view) (decimal, error) {
		value, err := a(v)
		return decimal{value, 0}, err
	}
}

// size compiles size() of texts (in characters), lists, attributes, and of what filter() leaves.
func (n *native) size(e celast.Expr) evaluator[int64] {
	if n.isKind(e, types.StringKind) {
		return sized(n.text(e), utf8.RuneCountInString)
	}
	if e.Kind() == celast.ComprehensionKind {
		return n.filtered(e)
	}
	if texts := n.texts(e); texts != nil {
		return sized(texts, func(list []string) int { return len(list) })
	}
	if attributes := n.attributes(e); attributes != nil {
		return sized(attributes, func(m map[string]string) int { return len(m) })
	}
	return sized(n.lines(e), func(list []LineView) int { return len(list) })
}

func sized[T any](a evaluator[T], length func(T) int) evaluator[int64] {
	if a == nil {
		return nil
	}
	return func(v view) (int64, error) {
		value, err := a(v)
		if err != nil {
			return 0, err
		}
		return int64(length(value)), nil
	}
}

// clock compiles the questions for what the member's clock and calendar show now.
func (n *native) clock(name string, args []celast.Expr) evaluator[int64] {
	var read func(time.Time) int
	switch name {
	case overloads.TimeGetFullYear:
		read = time.Time.Year
	case overloads.TimeGetMonth:
		read = func(t time.Time) int { return int(t.Month()) - 1 }
	case overloads.TimeGetDate:
		read = time.Time.Day
	case overloads.TimeGetDayOfMonth:
		read = func(t time.Time) int { return t.Day() - 1 }
	case overloads.TimeGetDayOfWeek:
		read = func(t time.Time) int { return int(t.Weekday()) }
	case overloads.TimeGetDayOfYear:
		read = func(t time.Time) int { return t.YearDay() - 1 }
	case overloads.TimeGetHours:
		read = time.Time.Hour
	case overloads.TimeGetMinutes:
		read = time.Time.Minute
	case overloads.TimeGetSeconds:
		read = time.Time.Second
	case overloads.TimeGetMilliseconds:
		read = func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) }
	}
	if read == nil || len(args) != 1 || n.variable(args[0]) != "now" {
		return nil
	}
	return func(v view) (int64, error) { return int64(read(shownIn(v.scope.Now))), nil }
}

// moment compiles an expression that is an instant: `now`, when the member joined, or a constant.
func (n *native) moment(e celast.Expr) evaluator[time.Time] {
	switch n.variable(e) {
	case "now":
		return func(v view) (time.Time, error) { return v.scope.Now, nil }
	case "member.joined_at":
		return func(v view) (time.Time, error) { return joinedAt(v.scope) }
	}
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != overloads.TypeConvertTimestamp {
		return nil
	}
	text, ok := textLiteral(operands(e)[0])
	if !ok {
		return nil
	}
	instant, ok := types.String(text).ConvertToType(types.TimestampType).(types.Timestamp)
	if !ok {
		return nil
	}
	return constant(instant.Time)
}
