package programme

import (
	"fmt"
	"slices"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// What a condition can come to, whatever the event: a rule that never fires, or a condition that says nothing, is a mistake
// of who wrote it. Only what is certain is said: everything that is not understood here can be true and can be false.

// reach is what is certain about a condition.
type reach struct {
	never, always bool
	why           string // with never: what cannot be; empty: nothing more is to be said
}

// reach looks at the checked condition.
func (s *session) reach() reach {
	met, missed := certainty{s: s}, certainty{s: s}
	never, always := !met.can(s.ast.Expr(), true), !missed.can(s.ast.Expr(), false)
	return reach{never: never, always: always && !never, why: met.why}
}

// certainty walks a condition with three answers in mind: true, false, or not known.
type certainty struct {
	s   *session
	why string // the first contradiction that was met
}

// can says whether an expression might be as wanted.
func (r *certainty) can(e celast.Expr, want bool) bool {
	if e.Kind() == celast.CallKind {
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.LogicalNot:
			return r.can(args[0], !want)
		case operators.LogicalAnd:
			return r.canChain(e, operators.LogicalAnd, want, want)
		case operators.LogicalOr:
			return r.canChain(e, operators.LogicalOr, want, !want)
		}
	}
	return r.canAll([]celast.Expr{e}, want)
}

// canChain says whether a chain of `&&` or `||` might be as wanted: all of it at once, or any part of it.
func (r *certainty) canChain(e celast.Expr, operator string, want, together bool) bool {
	var terms []celast.Expr
	var collect func(celast.Expr)
	collect = func(e celast.Expr) {
		if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != operator {
			terms = append(terms, e)
			return
		}
		for _, side := range e.AsCall().Args() {
			collect(side)
		}
	}
	collect(e)
	if together {
		return r.canAll(terms, want)
	}
	return slices.ContainsFunc(terms, func(term celast.Expr) bool { return r.can(term, want) })
}

// canAll says whether all terms might be as wanted, of one event: what they say about one value must leave something.
func (r *certainty) canAll(terms []celast.Expr, want bool) bool {
	left := map[string]*possible{}
	for _, term := range terms {
		holds := want
		for term.Kind() == celast.CallKind && term.AsCall().FunctionName() == operators.LogicalNot {
			term, holds = term.AsCall().Args()[0], !holds
		}
		if isTruth(term) {
			if bool(term.AsLiteral().(types.Bool)) != holds {
				return false
			}
			continue
		}
		a, ok := r.statement(term)
		if !ok {
			if isChain(term) && !r.can(term, holds) {
				return false
			}
			continue
		}
		p := left[a.subject]
		if p == nil {
			p = r.domain(a.subject)
			left[a.subject] = p
		}
		alone := r.domain(a.subject)
		a.restrict(alone, holds)
		a.restrict(p, holds)
		if p.empty() {
			r.contradiction(a.subject, alone.empty())
			return false
		}
	}
	return true
}

func (r *certainty) contradiction(subject string, alone bool) {
	switch bounds := r.domain(subject).String(); {
	case r.why != "":
	case alone && bounds != "":
		r.why = fmt.Sprintf("`%s` is %s", subject, bounds)
	default:
		r.why = fmt.Sprintf("`%s` cannot be all that it asks for", subject)
	}
}

func isTruth(e celast.Expr) bool {
	if e.Kind() != celast.LiteralKind {
		return false
	}
	_, ok := e.AsLiteral().(types.Bool)
	return ok
}

func isChain(e celast.Expr) bool {
	if e.Kind() != celast.CallKind {
		return false
	}
	name := e.AsCall().FunctionName()
	return name == operators.LogicalAnd || name == operators.LogicalOr
}

// statement is one comparison of a value with constants.
type statement struct {
	subject  string // what is compared: "order.total", "now.getDate()"
	operator string
	numbers  []decimal
	texts    []string
}

// statement reads a comparison; false: it is none that is understood.
func (r *certainty) statement(e celast.Expr) (statement, bool) {
	if e.Kind() == celast.IdentKind && r.s.ast.GetType(e.ID()).Kind() == types.BoolKind {
		return statement{subject: e.AsIdent(), operator: operators.Equals, numbers: []decimal{{1, 0}}}, true
	}
	if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 || e.AsCall().IsMemberFunction() {
		return statement{}, false
	}
	a, b := e.AsCall().Args()[0], e.AsCall().Args()[1]
	operator := e.AsCall().FunctionName()
	if mirrored, ok := mirror(operator); ok && isConstant(a) && !isConstant(b) {
		a, b, operator = b, a, mirrored
	}
	subject, ok := subjectOf(a)
	if !ok {
		return statement{}, false
	}
	out := statement{subject: subject, operator: operator}
	constants := []celast.Expr{b}
	switch operator {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
	case operators.In:
		if b.Kind() != celast.ListKind {
			return statement{}, false
		}
		constants = b.AsList().Elements()
	default:
		return statement{}, false
	}
	for _, c := range constants {
		if text, ok := textLiteral(c); ok {
			out.texts = append(out.texts, text)
		} else if number, ok := numberLiteral(c); ok {
			out.numbers = append(out.numbers, number)
		} else {
			return statement{}, false
		}
	}
	ordered := operator != operators.Equals && operator != operators.NotEquals && operator != operators.In
	return out, !ordered || len(out.texts) == 0
}

func mirror(operator string) (string, bool) {
	mirrored, ok := map[string]string{
		operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals, operators.Less: operators.Greater,
		operators.LessEquals: operators.GreaterEquals, operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
	}[operator]
	return mirrored, ok
}

func numberLiteral(e celast.Expr) (decimal, bool) {
	if n, ok := wholeLiteral(e); ok {
		return decimal{n, 0}, true
	}
	return decimalLiteral(e)
}

// subjectOf names what is compared: a variable, its size, or what `now` shows.
func subjectOf(e celast.Expr) (string, bool) {
	switch e.Kind() { //nolint:exhaustive // nothing else is understood
	case celast.IdentKind:
		_, ok := variableOf(e.AsIdent())
		return e.AsIdent(), ok
	case celast.CallKind:
		name, args := e.AsCall().FunctionName(), operands(e)
		if len(args) != 1 || args[0].Kind() != celast.IdentKind {
			return "", false
		}
		of := args[0].AsIdent()
		if _, ok := variableOf(of); !ok {
			return "", false
		}
		if strings.HasPrefix(name, "get") || name == overloads.Size {
			return of + "." + name + "()", true
		}
	}
	return "", false
}

// restrict leaves of what is possible what the statement allows, or what its opposite does.
func (a statement) restrict(p *possible, holds bool) {
	operator := a.operator
	if !holds {
		operator = map[string]string{
			operators.Equals: operators.NotEquals, operators.NotEquals: operators.Equals, operators.Less: operators.GreaterEquals,
			operators.LessEquals: operators.Greater, operators.Greater: operators.LessEquals, operators.GreaterEquals: operators.Less,
		}[operator] // empty for `in`: not one of them
	}
	switch operator {
	case operators.Equals, operators.In:
		p.only(a.numbers, a.texts)
	case operators.NotEquals, "":
		p.without(a.numbers, a.texts)
	case operators.Less:
		p.below(a.numbers[0], false)
	case operators.LessEquals:
		p.below(a.numbers[0], true)
	case operators.Greater:
		p.above(a.numbers[0], false)
	case operators.GreaterEquals:
		p.above(a.numbers[0], true)
	}
}
