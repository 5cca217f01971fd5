package programme

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"accrue/schemas"
)

// What an order may hold at most when the cost of a condition is estimated, and what a condition may cost then. One pass
// over the lines is far below it, one pass for each line far above.
const (
	assumedLines = 500
	assumedItems = 50
	assumedText  = 100
	mostCost     = 200_000
)

// syntax reports what the parser found.
func (s *session) syntax(issues *cel.Issues) {
	for _, issue := range issues.Errors() {
		message := strings.TrimPrefix(issue.Message, "Syntax error: ")
		if i := strings.Index(message, " expecting "); i >= 0 {
			message = message[:i]
		}
		if strings.Contains(message, "'<EOF>'") {
			message = "it ends too early"
		}
		for _, jargon := range []string{"no viable alternative at input", "mismatched input", "extraneous input", "token recognition error at:"} {
			message = strings.Replace(message, jargon, "unexpected", 1)
		}
		s.fail(s.textOffset(issue.Location.Line(), issue.Location.Column()), "", "the condition is not valid CEL: %s", message)
	}
}

// textOffset turns a line (from 1) and column (from 0) of the condition's text into an offset.
func (s *session) textOffset(line, column int) int {
	offset := 0
	for ; line > 1 && offset < len(s.text); offset++ {
		if s.text[offset] == '\n' {
			line--
		}
	}
	return offset + column
}

// The type checker's messages that we can say better.
var (
	noOverload     = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
)

// typeErrors reports what the type checker found.
func (s *session) typeErrors(issues *cel.Issues) {
	expressions := map[int64]celast.Expr{}
	celast.PostOrderVisit(s.ast.Expr(), celast.NewExprVisitor(func(e celast.Expr) { expressions[e.ID()] = e }))
	for _, issue := range issues.Errors() {
		if slices.Contains(s.handled, issue.ExprID) {
			continue
		}
		e := expressions[issue.ExprID]
		offset := s.textOffset(issue.Location.Line(), issue.Location.Column())
		if m := noOverload.FindStringSubmatch(issue.Message); m != nil && e != nil {
			s.overload(e, offset, m[1], m[2])
		} else if m := undeclared.FindStringSubmatch(issue.Message); m != nil {
			s.fail(offset, schemas.Nearest(m[1], functionNames()), "unknown function `%s`", m[1])
		} else if m := undefinedField.FindStringSubmatch(issue.Message); m != nil {
			s.fail(offset+1, schemas.Nearest(m[1], lineFields), "there is no field `%s`", m[1]) // the offset is the dot's
		} else {
			s.fail(offset, "", "%s", plainTypes(issue.Message))
		}
	}
}

// overload reports an operator or function that does not take such values.
func (s *session) overload(e celast.Expr, offset int, function, signature string) {
	if e.Kind() == celast.CallKind && strings.Contains(signature, "decimal") {
		for _, argument := range e.AsCall().Args() {
			if n, ok := wholeLiteral(argument); ok && s.isAmountOperator(function) {
				text := fmt.Sprint(n)
				if s.currency.Digits > 0 {
					text += "." + strings.Repeat("0", s.currency.Digits)
				} else {
					text += ".0"
				}
				s.fail(s.begin(argument), "", "money and a whole number are not the same: write %s", text)
				return
			}
		}
	}
	name := function
	if operator, ok := operators.FindReverse(function); ok && operator != "" {
		name = operator
	} else {
		name = strings.Trim(name, "_")
	}
	s.fail(offset, "", "`%s` does not take %s", name, plainTypes(strings.Trim(signature, "()")))
}

func (s *session) isAmountOperator(function string) bool {
	return function != operators.Multiply && function != operators.Divide && function != operators.Modulo
}

func wholeLiteral(e celast.Expr) (int64, bool) {
	if e.Kind() != celast.LiteralKind {
		return 0, false
	}
	n, ok := e.AsLiteral().(types.Int)
	return int64(n), ok
}

// plainTypes says the type checker's names in ours.
func plainTypes(text string) string {
	return strings.NewReplacer(
		"google.protobuf.Timestamp", "timestamp", "google.protobuf.Duration", "duration", "order.line", "line",
		"decimal", "money or a decimal", "(", "", ")", "",
	).Replace(text)
}

func functionNames() []string {
	return []string{
		"all", "contains", "duration", "endsWith", "exists", "exists_one", "filter", "getDate", "getDayOfMonth", "getDayOfWeek",
		"getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds", "has", "int", "map",
		"matches", "size", "startsWith", "string", "timestamp",
	}
}

// result wants a condition to be true or false.
func (s *session) result(t *cel.Type) bool {
	if t.Kind() == types.BoolKind {
		return true
	}
	s.fail(0, "", "a condition must be true or false, this is %s", plainTypes(cel.FormatCELType(t)))
	return false
}

// exactTypes refuses values whose type is not known before the run, and floating point, wherever they come from.
func (s *session) exactTypes() bool {
	celast.PostOrderVisit(s.ast.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if s.failed {
			return
		}
		t := s.ast.GetType(e.ID())
		text := ""
		if t != nil {
			text = cel.FormatCELType(t)
		}
		switch {
		case strings.Contains(text, "double"):
			s.fail(s.begin(e), "", "there is no floating point in conditions")
		case strings.Contains(text, "dyn") && e.Kind() != celast.ComprehensionKind:
			s.fail(s.begin(e), "", "the values here are of different types")
		}
	}))
	return !s.failed
}

// bounded refuses a condition that could cost too much. What it costs is bounded here, once: counting while it runs would
// make every evaluation several times as slow.
func (s *session) bounded(environment *cel.Env, checked *cel.Ast) bool {
	estimate, err := environment.EstimateCost(checked, sizes{})
	switch {
	case err != nil:
		s.fail(0, "", "the cost of the condition cannot be estimated: %v", err)
	case estimate.Max > mostCost:
		s.fail(0, "", "the condition may cost too much: with %d lines %s steps, at most %d are allowed", assumedLines,
			steps(estimate.Max), mostCost)
	}
	return !s.failed
}

func steps(n uint64) string {
	if n > 1_000_000_000 {
		return "more than 1000000000"
	}
	return fmt.Sprint(n)
}

// sizes tells the estimator how large values can be.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	most := uint64(assumedText)
	if t := element.Type(); t != nil {
		switch t.Kind() { //nolint:exhaustive // everything else is a text or smaller
		case types.ListKind:
			most = assumedItems
			if t.Parameters()[0].TypeName() == lineType.TypeName() {
				most = assumedLines
			}
		case types.MapKind:
			most = assumedItems
		}
	}
	return &cost.SizeEstimate{Min: 0, Max: most}
}

// EstimateCallCost implements cost.Estimator; the estimator's own figures are right.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
