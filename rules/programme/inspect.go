package programme

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"accrue/schemas"
)

// session compiles one condition: it holds its text, where that stands, and what was found.
type session struct {
	*compiler
	where   int
	text    []rune
	places  []Position
	ast     *celast.AST
	failed  bool
	handled []int64 // expressions with a problem of ours; what the type checker says about them is less plain
}

// fail reports an error at a character of the text.
func (s *session) fail(offset int, suggestion, format string, args ...any) {
	s.failed = true
	s.problem(Error, offset, suggestion, fmt.Sprintf(format, args...))
}

func (s *session) problem(severity Severity, offset int, suggestion, message string) {
	at := s.places[min(max(offset, 0), len(s.places)-1)]
	s.report(Problem{Pos: at, Severity: severity, Message: message, Suggestion: suggestion})
}

// failAt reports an error at an expression, and silences the type checker about it.
func (s *session) failAt(e celast.Expr, suggestion, format string, args ...any) {
	s.handled = append(s.handled, e.ID())
	s.fail(s.begin(e), suggestion, format, args...)
}

// begin is the offset of the first character of an expression. The parser places calls and selections at their operator.
func (s *session) begin(e celast.Expr) int {
	switch e.Kind() { //nolint:exhaustive // all others are placed where they begin
	case celast.SelectKind:
		return s.begin(e.AsSelect().Operand())
	case celast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return s.begin(call.Target())
		}
		if _, binary := operators.FindReverseBinaryOperator(call.FunctionName()); binary && len(call.Args()) > 0 {
			return s.begin(call.Args()[0])
		}
	}
	return s.offset(e.ID())
}

func (s *session) offset(id int64) int {
	at, ok := s.ast.SourceInfo().GetOffsetRange(id)
	if !ok {
		return 0
	}
	return int(at.Start)
}

// inspect looks at the names and constants of a condition before its types are checked, and says in the programme's words
// what is wrong with them. locals are the variables of the macros around (exists, all, ...).
func (s *session) inspect(e celast.Expr, locals []string) {
	switch e.Kind() {
	case celast.IdentKind:
		s.identifier(e, locals)
	case celast.SelectKind:
		s.selection(e, locals)
	case celast.CallKind:
		s.call(e, locals)
	case celast.ListKind:
		for _, item := range e.AsList().Elements() {
			s.inspect(item, locals)
		}
	case celast.MapKind:
		for _, item := range e.AsMap().Entries() {
			s.inspect(item.AsMapEntry().Key(), locals)
			s.inspect(item.AsMapEntry().Value(), locals)
		}
	case celast.ComprehensionKind:
		s.comprehension(e.AsComprehension(), locals)
	case celast.LiteralKind:
		if e.AsLiteral().Type() == types.DoubleType {
			if _, wrong := s.literalText(e); wrong != nil {
				s.failAt(e, wrong.hint, "%s", wrong.message)
			}
		}
	case celast.StructKind:
		s.failAt(e, "", "a condition cannot build objects")
	case celast.UnspecifiedExprKind:
	}
}

func (s *session) identifier(e celast.Expr, locals []string) {
	name := e.AsIdent()
	switch {
	case slices.Contains(locals, name) || strings.HasPrefix(name, "@"):
	case name == "now":
	case name == "line" && s.where&inLines == 0:
		s.failAt(e, "", "`line` can be seen in `lines` only")
	case slices.Contains(roots, name):
		s.failAt(e, "", "`%s` needs a field, like %s", name, s.example(name))
	default:
		s.failAt(e, schemas.Nearest(name, s.words(locals)), "unknown name `%s`", shorten(name))
	}
}

func (s *session) example(root string) string {
	for _, v := range variables {
		if strings.HasPrefix(v.name, root+".") && v.where&s.where != 0 {
			return v.name
		}
	}
	return "member.tier"
}

// words are what may stand alone here.
func (s *session) words(locals []string) []string {
	words := []string{"now", "true", "false"}
	for _, root := range roots {
		if slices.ContainsFunc(variables, func(v variable) bool { return strings.HasPrefix(v.name, root+".") && v.where&s.where != 0 }) {
			words = append(words, root)
		}
	}
	return append(words, locals...)
}

// selection checks `root.field...`; any other selection is left to the type checker.
func (s *session) selection(e celast.Expr, locals []string) {
	operand := e.AsSelect().Operand()
	if operand.Kind() != celast.IdentKind {
		s.inspect(operand, locals)
		return
	}
	root := operand.AsIdent()
	if slices.Contains(locals, root) || !slices.Contains(roots, root) {
		s.inspect(operand, locals)
		return
	}
	name := root + "." + e.AsSelect().FieldName()
	v, known := variableOf(name)
	switch {
	case slices.Contains(s.notYet, name):
		s.failAt(e, "", "`%s` is not supported by this version", name)
	case root == "line" && s.where&inLines == 0:
		s.failAt(e, "", "`line` can be seen in `lines` only")
	case root == "order" && s.where&(inOrder|inReferral) == inReferral:
		s.failAt(e, "", "`order` can be seen with `after: first_order` only: at the referral there is none")
	case root == "order" && s.where&inOrder == 0:
		s.failAt(e, "", "`order` can be seen in rules `on: order` only")
	case root == "check_in" && s.where&inCheckIn == 0:
		s.failAt(e, "", "`check_in` can be seen in rules `on: check_in` only")
	case root == "referral" && s.where&inReferral == 0:
		s.failAt(e, "", "`referral` can be seen in rules `on: referral` only")
	case !known:
		s.failAt(e, s.nearField(root, e.AsSelect().FieldName()), "unknown field `%s`", shorten(name))
	case e.AsSelect().IsTestOnly() && name == "member.joined_at":
		s.failAt(e, "", "has() asks for an attribute: a condition on `%s` is not met where that is not known", name)
	case e.AsSelect().IsTestOnly():
		s.failAt(e, "", "`%s` is always there; has() asks for an attribute", name)
	case v.where&s.where == 0:
		s.failAt(e, "", "`%s` cannot be seen here", name)
	default:
		return
	}
	s.handled = append(s.handled, operand.ID())
}

func (s *session) nearField(root, field string) string {
	var fields []string
	for _, v := range variables {
		if strings.HasPrefix(v.name, root+".") {
			fields = append(fields, strings.TrimPrefix(v.name, root+"."))
		}
	}
	if near := schemas.Nearest(field, fields); near != "" {
		return root + "." + near
	}
	return ""
}

func (s *session) comprehension(c celast.ComprehensionExpr, locals []string) {
	s.inspect(c.IterRange(), locals)
	for _, name := range []string{c.IterVar(), c.IterVar2()} {
		if slices.Contains(roots, name) || name == "now" {
			s.fail(s.begin(c.IterRange()), "", "`%s` has a meaning already; call the item otherwise", name)
		}
	}
	inner := append(slices.Clone(locals), c.IterVar(), c.IterVar2(), c.AccuVar())
	s.inspect(c.AccuInit(), inner)
	s.inspect(c.LoopCondition(), inner)
	s.inspect(c.LoopStep(), inner)
	s.inspect(c.Result(), inner)
}

func (s *session) call(e celast.Expr, locals []string) {
	call := e.AsCall()
	if call.IsMemberFunction() {
		s.inspect(call.Target(), locals)
	}
	for _, argument := range call.Args() {
		s.inspect(argument, locals)
	}
	name := call.FunctionName()
	switch name {
	case overloads.TypeConvertDouble:
		s.failAt(e, "", "there is no floating point: write a decimal number as it is, 1.5")
	case overloads.TimeGetDayOfMonth:
		s.problem(Warning, s.offset(e.ID()), "getDate()", "getDayOfMonth() counts from 0")
	case overloads.Matches:
		s.pattern(call)
	}
	if strings.HasPrefix(name, "get") && call.IsMemberFunction() && len(call.Args()) > 0 {
		s.failAt(e, "", "%s() takes no time zone: `now` is local time already", name)
	}
	s.moneyDigits(name, call.Args())
	s.tierNames(name, call.Args())
}

// pattern wants the pattern of matches() to be a constant: it is compiled once, and what it costs is bounded.
func (s *session) pattern(call celast.CallExpr) {
	const longest = 200
	args := call.Args()
	if len(args) == 0 {
		return // the type checker says so
	}
	pattern := args[len(args)-1]
	if pattern.Kind() != celast.LiteralKind {
		s.failAt(pattern, "", "the pattern of matches() must be a text in quotes")
		return
	}
	text, ok := pattern.AsLiteral().(types.String)
	if !ok {
		return
	}
	if len(text) > longest {
		s.failAt(pattern, "", "the pattern of matches() is longer than %d bytes", longest)
		return
	}
	if _, err := regexp.Compile(string(text)); err != nil {
		s.failAt(pattern, "", "the pattern of matches() is wrong: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

// moneyDigits refuses literals that no amount can equal or fall short of by less than a minor unit: in `order.total >=
// 10.005` somebody meant something else.
func (s *session) moneyDigits(operator string, args []celast.Expr) {
	switch operator {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater,
		operators.GreaterEquals, operators.Add, operators.Subtract, operators.In:
	default:
		return
	}
	if len(args) != 2 {
		return
	}
	for i, e := range args {
		if !s.isMoney(args[1-i]) {
			continue
		}
		candidates := []celast.Expr{e}
		if e.Kind() == celast.ListKind {
			candidates = e.AsList().Elements()
		}
		for _, candidate := range candidates {
			if d, ok := s.literal(candidate); ok && d.trim().digits > s.currency.Digits {
				s.failAt(candidate, "", "%s: %s has %s", s.literalSource(candidate), s.currency.Code, decimals(s.currency.Digits))
			}
		}
	}
}

// isMoney says that an expression is an amount: a variable that holds one, `amount` of a line, or a sum of amounts. A
// product may have more decimals than the currency.
func (s *session) isMoney(e celast.Expr) bool {
	switch e.Kind() { //nolint:exhaustive // nothing else is money
	case celast.SelectKind:
		operand := e.AsSelect().Operand()
		if operand.Kind() != celast.IdentKind {
			return false
		}
		if v, ok := variableOf(operand.AsIdent() + "." + e.AsSelect().FieldName()); ok {
			return v.money
		}
		return e.AsSelect().FieldName() == "amount"
	case celast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Add, operators.Subtract:
			return slices.ContainsFunc(call.Args(), s.isMoney)
		case operators.Negate:
			return len(call.Args()) == 1 && s.isMoney(call.Args()[0])
		case operators.Conditional:
			return len(call.Args()) == 3 && slices.ContainsFunc(call.Args()[1:], s.isMoney)
		}
	}
	return false
}

// tierNames refuses comparisons of member.tier with a level that does not exist: they never hold.
func (s *session) tierNames(operator string, args []celast.Expr) {
	if len(args) != 2 || operator != operators.Equals && operator != operators.NotEquals && operator != operators.In {
		return
	}
	for i, e := range args {
		other := args[1-i]
		if !isTier(other) {
			continue
		}
		candidates := []celast.Expr{e}
		if e.Kind() == celast.ListKind {
			candidates = e.AsList().Elements()
		}
		for _, candidate := range candidates {
			if candidate.Kind() != celast.LiteralKind {
				continue
			}
			name, ok := candidate.AsLiteral().(types.String)
			switch {
			case !ok || slices.Contains(s.levels, string(name)):
			case len(s.levels) == 0:
				s.failAt(candidate, "", "the programme has no tiers: member.tier is never %q", shorten(string(name)))
			default:
				s.failAt(candidate, schemas.Nearest(string(name), s.levels), "there is no level %q", shorten(string(name)))
			}
		}
	}
}

func isTier(e celast.Expr) bool {
	if e.Kind() != celast.SelectKind || e.AsSelect().FieldName() != "tier" {
		return false
	}
	operand := e.AsSelect().Operand()
	return operand.Kind() == celast.IdentKind && operand.AsIdent() == "member"
}

// literal is the exact value of a decimal literal.
func (s *session) literal(e celast.Expr) (decimal, bool) {
	if e.Kind() != celast.LiteralKind || e.AsLiteral().Type() != types.DoubleType {
		return decimal{}, false
	}
	d, wrong := s.literalText(e)
	return d, wrong == nil
}

// literalText reads a decimal literal as it was written: the evaluator's tree has it rounded to binary digits.
func (s *session) literalText(e celast.Expr) (decimal, *badValue) {
	const mostDigits = 15 // more is a slip: no amount and no share is that exact
	source := s.literalSource(e)
	if e.AsLiteral().Type() != types.DoubleType {
		return decimal{}, bad("", "%s is no number", shorten(source))
	}
	if strings.ContainsAny(source, "eE") {
		return decimal{}, bad("", "%s is written with an exponent; write all digits", shorten(source))
	}
	unsigned, negative := strings.CutPrefix(source, "-")
	unsigned = strings.TrimSpace(unsigned)
	if strings.HasPrefix(unsigned, ".") {
		unsigned = "0" + unsigned
	}
	if len(strings.TrimLeft(strings.Replace(unsigned, ".", "", 1), "0")) > mostDigits {
		return decimal{}, bad("", "%s has more than %d digits", shorten(source), mostDigits)
	}
	d, ok := parseDecimal(unsigned)
	if d = d.trim(); !ok || d.digits > mostDigits {
		return decimal{}, bad("", "%s is no decimal number", shorten(source))
	}
	if negative {
		d.coefficient = -d.coefficient
	}
	return d, nil
}

// literalSource is a literal as it was written.
func (s *session) literalSource(e celast.Expr) string {
	at, ok := s.ast.SourceInfo().GetOffsetRange(e.ID())
	start, stop := int(at.Start), int(at.Stop)
	if !ok || start < 0 || stop > len(s.text) || start >= stop {
		return "the number"
	}
	return string(s.text[start:stop])
}
