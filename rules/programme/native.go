package programme

import (
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Why this exists: an order asks up to a hundred conditions, and CEL's interpreter, which boxes every value, was the
// largest single cost of a decision. Conditions within the common part of the language therefore become Go closures, which
// take some nanoseconds a step and allocate nothing.
//
// What a condition means stays with CEL. Parsing, types, positions, costs and the rewriting of decimals are done before;
// what is turned into closures here is the very tree that the interpreter is given. A condition with anything that this
// part does not know, however small, is interpreted as a whole (Condition.interpreted), so no value ever goes from one to
// the other. That both agree on every condition and every scope, in the words of errors too, is what native_test.go
// checks, on conditions that it makes up; whoever adds to this part adds there as well.

// view is what a closure sees: the scope, and the items of the macros (exists, all, ...) around it. It goes by value, in
// registers, as a frame that closures are called with by reference would have to live on the heap.
type view struct {
	scope *Scope
	line  *LineView // the item of the macro over lines
	item  string    // the item of the macro over texts
}

// evaluator is a compiled expression. With an error the value is the zero one. A nil evaluator stands for an expression
// outside the part that is compiled, and so makes every expression around it nil.
type evaluator[T any] func(view) (T, error)

// native compiles one checked condition.
type native struct {
	ast    *celast.AST
	scale  int     // of money
	locals []local // the items of the macros around, the outermost first
}

// local is the item of a macro. It stands in view.line or view.item, so there is at most one of each kind.
type local struct {
	name   string
	isLine bool
}

// native is the checked condition as a closure; nil: it can only be interpreted.
func (s *session) native() evaluator[bool] {
	n := &native{ast: s.ast, scale: s.scale}
	return n.boolean(s.ast.Expr())
}

// boolean compiles an expression that is true or false.
func (n *native) boolean(e celast.Expr) evaluator[bool] {
	switch e.Kind() { //nolint:exhaustive // everything else is of another type
	case celast.IdentKind:
		return n.truth(e)
	case celast.LiteralKind:
		if value, ok := e.AsLiteral().(types.Bool); ok {
			return constant(bool(value))
		}
	case celast.SelectKind:
		return n.presence(e)
	case celast.ComprehensionKind:
		return n.quantifier(e)
	case celast.CallKind:
		return n.logic(e)
	}
	return nil
}

// logic compiles the operators of truth, and hands on all other calls.
func (n *native) logic(e celast.Expr) evaluator[bool] {
	args := operands(e)
	switch name := e.AsCall().FunctionName(); name {
	case operators.LogicalAnd:
		return decided(n.terms(e, name), false)
	case operators.LogicalOr:
		return decided(n.terms(e, name), true)
	case operators.LogicalNot:
		return not(n.boolean(args[0]))
	case operators.Conditional:
		return conditional(n.boolean(args[0]), n.boolean(args[1]), n.boolean(args[2]))
	case operators.In:
		return n.membership(args[0], args[1])
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater,
		operators.GreaterEquals:
		return n.comparison(name, args[0], args[1])
	default:
		return n.textTest(name, args)
	}
}

// operands are what a call is applied to: `x.size()` and `size(x)` are the same.
func operands(e celast.Expr) []celast.Expr {
	call := e.AsCall()
	if !call.IsMemberFunction() {
		return call.Args()
	}
	return append([]celast.Expr{call.Target()}, call.Args()...)
}

// terms are the sides of nested `&&` (or of nested `||`), from left to right; nil: one of them is not known here. What
// such a chain gives does not depend on how its brackets stand, not even which error it gives.
func (n *native) terms(e celast.Expr, operator string) []evaluator[bool] {
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != operator {
		if term := n.boolean(e); term != nil {
			return []evaluator[bool]{term}
		}
		return nil
	}
	var all []evaluator[bool]
	for _, side := range e.AsCall().Args() {
		terms := n.terms(side, operator)
		if terms == nil {
			return nil
		}
		all = append(all, terms...)
	}
	return all
}

// decided is the chain of terms that one term equal to `by` decides, whatever the others give, errors among them: false
// decides `&&`, true decides `||`. Undecided, the first error counts.
func decided(terms []evaluator[bool], by bool) evaluator[bool] {
	switch len(terms) {
	case 0:
		return nil
	case 2:
		return decidedByTwo(terms[0], terms[1], by)
	}
	return func(v view) (bool, error) {
		var first error
		for _, term := range terms {
			value, err := term(v)
			switch {
			case err != nil:
				if first == nil {
					first = err
				}
			case value == by:
				return by, nil
			}
		}
		return !by && first == nil, first
	}
}

// decidedByTwo is the chain of two, the usual one.
func decidedByTwo(a, b evaluator[bool], by bool) evaluator[bool] {
	return func(v view) (bool, error) {
		value, first := a(v)
		if first == nil && value == by {
			return by, nil
		}
		value, err := b(v)
		switch {
		case err == nil && value == by:
			return by, nil
		case first != nil:
			return false, first
		}
		return !by && err == nil, err
	}
}

func not(a evaluator[bool]) evaluator[bool] {
	if a == nil {
		return nil
	}
	return func(v view) (bool, error) {
		value, err := a(v)
		return !value && err == nil, err
	}
}

// conditional is `condition ? yes : no`. Only the branch taken can give an error.
func conditional[T any](condition evaluator[bool], yes, no evaluator[T]) evaluator[T] {
	if condition == nil || yes == nil || no == nil {
		return nil
	}
	return func(v view) (T, error) {
		met, err := condition(v)
		if err != nil {
			var zero T
			return zero, err
		}
		if met {
			return yes(v)
		}
		return no(v)
	}
}

func constant[T any](value T) evaluator[T] {
	return func(view) (T, error) { return value, nil }
}

// localOf returns the macro's item that an expression is; false: it is none.
func (n *native) localOf(e celast.Expr) (local, bool) {
	if e.Kind() != celast.IdentKind {
		return local{}, false
	}
	for i := len(n.locals) - 1; i >= 0; i-- {
		if n.locals[i].name == e.AsIdent() {
			return n.locals[i], true
		}
	}
	return local{}, false
}

// variable returns the name of the variable that an expression is; empty: it is none. The type checker has made one name
// of `order.total`.
func (n *native) variable(e celast.Expr) string {
	if _, isLocal := n.localOf(e); isLocal || e.Kind() != celast.IdentKind {
		return ""
	}
	return e.AsIdent()
}

// isKind says which type the type checker found.
func (n *native) isKind(e celast.Expr, kind types.Kind) bool {
	t := n.ast.GetType(e.ID())
	return t != nil && t.Kind() == kind
}
