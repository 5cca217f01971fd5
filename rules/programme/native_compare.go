package programme

import (
	"cmp"
	"slices"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// How two values may stand to each other for a comparison to hold: the bit 1+c for a comparison that gives c.
const (
	isLess = 1 << iota
	isEqual
	isMore
)

func accepted(operator string) uint8 {
	switch operator {
	case operators.Less:
		return isLess
	case operators.LessEquals:
		return isLess | isEqual
	case operators.Greater:
		return isMore
	case operators.GreaterEquals:
		return isMore | isEqual
	case operators.NotEquals:
		return isLess | isMore
	}
	return isEqual
}

// comparison compiles ==, !=, <, <=, >, >= of values of one type. What is compared with a constant is compared without
// calling anything for it.
func (n *native) comparison(operator string, a, b celast.Expr) evaluator[bool] {
	holds := accepted(operator)
	if isConstant(a) && !isConstant(b) { // 10.00 < order.total is order.total > 10.00
		a, b = b, a
		holds = holds&isEqual | holds&isLess<<2 | holds&isMore>>2
	}
	t := n.ast.GetType(a.ID())
	switch {
	case t == nil:
		return nil
	case t.Kind() == types.BoolKind:
		return compared(n.boolean(a), n.boolean(b), compareBools, holds)
	case t.Kind() == types.TimestampKind:
		return compared(n.moment(a), n.moment(b), time.Time.Compare, holds)
	case t.Kind() == types.IntKind:
		if c, ok := wholeLiteral(b); ok {
			return wholeWith(n.whole(a), c, holds)
		}
		return compared(n.whole(a), n.whole(b), cmp.Compare[int64], holds)
	case t.TypeName() == decimalType.TypeName():
		if c, ok := decimalLiteral(b); ok {
			return decimalWith(n.number(a), c, holds)
		}
		return compared(n.number(a), n.number(b), decimal.compare, holds)
	case t.Kind() == types.StringKind:
		c, ok := textLiteral(b)
		switch {
		case ok && holds == isEqual:
			return equalTo(n.text(a), c, true)
		case ok && holds == isLess|isMore:
			return equalTo(n.text(a), c, false)
		}
		return compared(n.text(a), n.text(b), cmp.Compare[string], holds)
	}
	return nil
}

func compared[T any](a, b evaluator[T], compare func(T, T) int, holds uint8) evaluator[bool] {
	if a == nil || b == nil {
		return nil
	}
	return func(v view) (bool, error) {
		x, err := a(v)
		if err != nil {
			return false, err
		}
		y, err := b(v)
		if err != nil {
			return false, err
		}
		return holds>>(1+compare(x, y))&1 == 1, nil
	}
}

// decimalWith compares decimals with a constant. Constants have the digits of money already (session.literals), so as a rule
// nothing is called: comparing an amount is comparing two int64.
func decimalWith(a evaluator[decimal], c decimal, holds uint8) evaluator[bool] {
	if a == nil {
		return nil
	}
	return func(v view) (bool, error) {
		x, err := a(v)
		if err != nil {
			return false, err
		}
		if x.digits == c.digits {
			return holds>>(1+cmp.Compare(x.coefficient, c.coefficient))&1 == 1, nil
		}
		return holds>>(1+x.compare(c))&1 == 1, nil
	}
}

// wholeWith compares whole numbers with a constant, also with nothing to call.
func wholeWith(a evaluator[int64], c int64, holds uint8) evaluator[bool] {
	if a == nil {
		return nil
	}
	return func(v view) (bool, error) {
		x, err := a(v)
		if err != nil {
			return false, err
		}
		return holds>>(1+cmp.Compare(x, c))&1 == 1, nil
	}
}

// equalTo is worth a closure of its own: texts of different lengths are told apart without looking at them.
func equalTo(a evaluator[string], c string, equal bool) evaluator[bool] {
	if a == nil {
		return nil
	}
	return func(v view) (bool, error) {
		x, err := a(v)
		if err != nil {
			return false, err
		}
		return (x == c) == equal, nil
	}
}

func compareBools(a, b bool) int { return order(!a && b, a && !b) }

func isConstant(e celast.Expr) bool {
	_, isDecimal := decimalLiteral(e)
	return isDecimal || e.Kind() == celast.LiteralKind
}

func textLiteral(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// decimalLiteral reads what session.literals made of a decimal literal.
func decimalLiteral(e celast.Expr) (decimal, bool) {
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != literalFunction || len(e.AsCall().Args()) != 2 {
		return decimal{}, false
	}
	coefficient, ok := wholeLiteral(e.AsCall().Args()[0])
	digits, too := wholeLiteral(e.AsCall().Args()[1])
	return decimal{coefficient, int(digits)}, ok && too
}

// membership compiles `in`: of a list of constants, of a list of texts, of attributes.
func (n *native) membership(a, b celast.Expr) evaluator[bool] {
	if b.Kind() == celast.ListKind {
		return n.oneOf(a, b.AsList().Elements())
	}
	if attributes := n.attributes(b); attributes != nil {
		return member(n.text(a), attributes, hasKey)
	}
	return member(n.text(a), n.texts(b), slices.Contains)
}

// oneOf compiles `in` of a list in brackets, whose items must be constants.
func (n *native) oneOf(a celast.Expr, items []celast.Expr) evaluator[bool] {
	if len(items) == 0 {
		return constant(false) // the interpreter does not evaluate the left side either
	}
	if texts, ok := literals(items, textLiteral); ok {
		return member(n.text(a), constant(texts), among(texts))
	}
	if wholes, ok := literals(items, wholeLiteral); ok {
		return member(n.whole(a), constant(wholes), among(wholes))
	}
	if decimals, ok := literals(items, decimalLiteral); ok {
		return member(n.number(a), constant(decimals), func(list []decimal, d decimal) bool {
			return slices.ContainsFunc(list, func(c decimal) bool { return d.compare(c) == 0 })
		})
	}
	return nil
}

func literals[T any](items []celast.Expr, literal func(celast.Expr) (T, bool)) ([]T, bool) {
	list := make([]T, 0, len(items))
	for _, item := range items {
		value, ok := literal(item)
		if !ok {
			return nil, false
		}
		list = append(list, value)
	}
	return list, true
}

// member says whether a collection has an element. An error of the element counts before one of the collection.
func member[T, C any](a evaluator[T], in evaluator[C], has func(C, T) bool) evaluator[bool] {
	if a == nil || in == nil {
		return nil
	}
	return func(v view) (bool, error) {
		value, err := a(v)
		if err != nil {
			return false, err
		}
		collection, err := in(v)
		if err != nil {
			return false, err
		}
		return has(collection, value), nil
	}
}

// among looks a value up in a list that never changes: one by one where that is quicker, otherwise in a set made here.
func among[T comparable](list []T) func([]T, T) bool {
	const fewItems = 8
	if len(list) <= fewItems {
		return slices.Contains
	}
	set := make(map[T]struct{}, len(list))
	for _, value := range list {
		set[value] = struct{}{}
	}
	return func(_ []T, value T) bool {
		_, ok := set[value]
		return ok
	}
}
