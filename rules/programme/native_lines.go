package programme

import (
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// lines compiles a list of lines.
func (n *native) lines(e celast.Expr) evaluator[[]LineView] {
	if n.variable(e) != "order.lines" {
		return nil
	}
	return ofOrder(func(o *OrderView) []LineView { return o.Lines })
}

// lineField says which field of a line an expression reads; own: of the line that a `lines` condition is asked about, not
// of a macro's item.
func (n *native) lineField(e celast.Expr) (field string, own, ok bool) {
	if field, ok := strings.CutPrefix(n.variable(e), "line."); ok {
		return field, true, true
	}
	if e.Kind() != celast.SelectKind || e.AsSelect().IsTestOnly() {
		return "", false, false
	}
	item, ok := n.localOf(e.AsSelect().Operand())
	return e.AsSelect().FieldName(), false, ok && item.isLine
}

func (n *native) lineText(e celast.Expr) evaluator[string] {
	field, own, ok := n.lineField(e)
	if !ok {
		return nil
	}
	switch field {
	case "sku":
		return ofLine(own, func(l *LineView) string { return l.SKU })
	case "category":
		if own { // not ofLine: no condition of lines is more common, and this saves a call
			return func(v view) (string, error) {
				if v.scope.Line == nil {
					return "", errAbsent
				}
				return v.scope.Line.Category, nil
			}
		}
		return ofLine(false, func(l *LineView) string { return l.Category })
	case "brand":
		return ofLine(own, func(l *LineView) string { return l.Brand })
	}
	return nil
}

func ofLine[T any](own bool, read func(*LineView) T) evaluator[T] {
	if !own {
		return func(v view) (T, error) { return read(v.line), nil }
	}
	return func(v view) (T, error) {
		if v.scope.Line == nil {
			var zero T
			return zero, errAbsent
		}
		return read(v.scope.Line), nil
	}
}

// macro is one of CEL's loops over a list.
type macro uint8

const (
	otherMacro macro = iota
	existsMacro
	allMacro
	existsOneMacro
	filterMacro
)

// macroOf recognises a macro by the step that the parser made of it, and returns its predicate. Nobody can write such a
// loop otherwise, nor the name of its accumulator.
func macroOf(c celast.ComprehensionExpr) (macro, celast.Expr) {
	accumulator := func(e celast.Expr) bool { return e.Kind() == celast.IdentKind && e.AsIdent() == c.AccuVar() }
	args := callArguments(c.LoopStep())
	if c.HasIterVar2() {
		return otherMacro, nil
	}
	switch step := functionOf(c.LoopStep()); {
	case step == operators.LogicalOr && accumulator(args[0]) && accumulator(c.Result()):
		return existsMacro, args[1]
	case step == operators.LogicalAnd && accumulator(args[0]) && accumulator(c.Result()):
		return allMacro, args[1]
	case step != operators.Conditional || functionOf(args[1]) != operators.Add || !accumulator(args[2]):
		return otherMacro, nil
	}
	added := callArguments(args[1])[1]
	if one, ok := wholeLiteral(added); ok && one == 1 && functionOf(c.Result()) == operators.Equals {
		return existsOneMacro, args[0]
	}
	if added.Kind() == celast.ListKind && accumulator(c.Result()) {
		// map(x, predicate, y) looks the same but for what it adds.
		items := added.AsList().Elements()
		if len(items) == 1 && items[0].Kind() == celast.IdentKind && items[0].AsIdent() == c.IterVar() {
			return filterMacro, args[0]
		}
	}
	return otherMacro, nil
}

func functionOf(e celast.Expr) string {
	if e.Kind() != celast.CallKind {
		return ""
	}
	return e.AsCall().FunctionName()
}

func callArguments(e celast.Expr) []celast.Expr {
	if e.Kind() != celast.CallKind {
		return nil
	}
	return e.AsCall().Args()
}

// quantifier compiles exists(), all() and exists_one().
func (n *native) quantifier(e celast.Expr) evaluator[bool] {
	c := e.AsComprehension()
	kind, predicate := macroOf(c)
	lines, texts := n.lines(c.IterRange()), n.texts(c.IterRange())
	switch {
	case kind == existsMacro && lines != nil:
		return decidedItem(lines, bindLine, n.within(c, true, predicate), true)
	case kind == existsMacro:
		return decidedItem(texts, bindText, n.within(c, false, predicate), true)
	case kind == allMacro && lines != nil:
		return decidedItem(lines, bindLine, n.within(c, true, predicate), false)
	case kind == allMacro:
		return decidedItem(texts, bindText, n.within(c, false, predicate), false)
	case kind == existsOneMacro:
		return wholeWith(n.count(c, predicate), 1, isEqual)
	}
	return nil
}

// filtered compiles the number of items that filter() leaves. The list itself is never made.
func (n *native) filtered(e celast.Expr) evaluator[int64] {
	kind, predicate := macroOf(e.AsComprehension())
	if kind != filterMacro {
		return nil
	}
	return n.count(e.AsComprehension(), predicate)
}

// count compiles the number of items for which a predicate holds.
func (n *native) count(c celast.ComprehensionExpr, predicate celast.Expr) evaluator[int64] {
	if lines := n.lines(c.IterRange()); lines != nil {
		return matching(lines, bindLine, n.within(c, true, predicate))
	}
	return matching(n.texts(c.IterRange()), bindText, n.within(c, false, predicate))
}

// within compiles the predicate of a macro, in which the item's name is known.
func (n *native) within(c celast.ComprehensionExpr, isLine bool, predicate celast.Expr) evaluator[bool] {
	for _, around := range n.locals {
		if around.isLine == isLine {
			return nil // a view has room for one of each kind
		}
	}
	n.locals = append(n.locals, local{c.IterVar(), isLine})
	defer func() { n.locals = n.locals[:len(n.locals)-1] }()
	return n.boolean(predicate)
}

func bindLine(v view, l *LineView) view {
	v.line = l
	return v
}

func bindText(v view, text *string) view {
	v.item = *text
	return v
}

// decidedItem is exists() (by true) or all() (by false): one item that decides it does so whatever the others give; the
// first error counts otherwise.
func decidedItem[T any](list evaluator[[]T], bind func(view, *T) view, test evaluator[bool], by bool) evaluator[bool] {
	if list == nil || test == nil {
		return nil
	}
	return func(v view) (bool, error) {
		items, err := list(v)
		if err != nil {
			return false, err
		}
		var first error
		for i := range items {
			value, err := test(bind(v, &items[i]))
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

// matching counts all items. Unlike with exists() no item can make up for an error, and the last error counts.
func matching[T any](list evaluator[[]T], bind func(view, *T) view, test evaluator[bool]) evaluator[int64] {
	if list == nil || test == nil {
		return nil
	}
	return func(v view) (int64, error) {
		items, err := list(v)
		if err != nil {
			return 0, err
		}
		var number int64
		var last error
		for i := range items {
			met, err := test(bind(v, &items[i]))
			switch {
			case err != nil:
				last = err
			case met:
				number++
			}
		}
		if last != nil {
			return 0, last
		}
		return number, nil
	}
}
