package programme

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

const (
	mostConditionText  = 4000 // characters
	mostConditionDepth = 50   // of brackets and calls
)

// literalFunction is what a decimal literal becomes while a condition is compiled. Nobody can write its name.
const literalFunction = "@decimal"

// multiplyIntDecimal is the overload whose two sides are exchanged: a whole number does not know decimals.
const multiplyIntDecimal = "multiply_int64_decimal"

// compiler compiles the conditions of one programme. The environments are shared by all its rules: making one takes
// longer than compiling a condition.
type compiler struct {
	currency Currency
	scale    int
	levels   []string // nil: the programme has no tiers
	// currencies are those that an order can have; nil: not known.
	currencies []string
	report     func(Problem)
	notYet     []string // see supported.go
	registry   *types.Registry
	envs       map[int]*cel.Env // by what can be seen
}

func newCompiler(currency Currency, scale int, levels []string, report func(Problem)) *compiler {
	return &compiler{currency: currency, scale: scale, levels: levels, report: report, envs: map[int]*cel.Env{}}
}

// compile compiles a condition that sees what `where` says. places are where the characters of the text stand, and one
// more. nil: it could not be compiled, and why has been reported.
func (c *compiler) compile(text string, places []Position, where int) *Condition {
	s := &session{compiler: c, where: where, text: []rune(text), places: places}
	if strings.TrimSpace(text) == "" {
		s.fail(0, "", "the condition is empty")
		return nil
	}
	if len(s.text) > mostConditionText {
		s.fail(0, "", "the condition has %d characters; at most %d are read", len(s.text), mostConditionText)
		return nil
	}
	environment, err := c.environment(where)
	if err != nil {
		s.fail(0, "", "conditions cannot be compiled: %v", err)
		return nil
	}
	condition := s.run(environment, text)
	if s.failed {
		return nil
	}
	return condition
}

// run goes through the steps from text to condition; nil: why not has been reported. A recovered panic is a problem of this condition: the evaluator is not
// ours, and a programme must never take its reader down.
func (s *session) run(environment *cel.Env, text string) (condition *Condition) {
	defer func() {
		if r := recover(); r != nil {
			s.fail(0, "", "the condition cannot be compiled: %v", r)
			condition = nil
		}
	}()
	parsed, issues := environment.Parse(text)
	if issues.Err() != nil {
		s.syntax(issues)
		return nil
	}
	s.ast = parsed.NativeRep()
	s.inspect(s.ast.Expr(), nil)
	s.literals()
	checked, issues := environment.Check(parsed)
	if issues.Err() != nil {
		s.typeErrors(issues)
		return nil
	}
	if s.failed {
		return nil
	}
	s.ast = checked.NativeRep()
	if !s.result(checked.OutputType()) || !s.exactTypes() || !s.bounded(environment, checked) {
		return nil
	}
	certain := s.reach()
	s.exchangeFactors()
	program, err := environment.PlanProgram(s.ast, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(foldLiteral))
	if err != nil {
		s.fail(0, "", "the condition cannot be compiled: %s", plainError(err))
		return nil
	}
	condition = &Condition{
		Source: text, native: s.native(), program: program, references: s.references(), scale: s.scale, registry: s.registry,
		askOnly: s.asksNowOnly(), reach: certain,
	}
	if len(condition.references) == 0 {
		met, err := condition.Met(&Scope{})
		condition.reach = reach{never: !met, always: met}
		if err != nil {
			condition.reach.why = err.Error()
		}
	}
	return condition
}

// environment is what a condition may use: the variables that can be seen there, CEL's functions but those that bring
// floating point, untyped values or the host's time zones, and the operators of decimals.
func (c *compiler) environment(where int) (*cel.Env, error) {
	if e, ok := c.envs[where]; ok {
		return e, nil
	}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the type registry: %w", err)
	}
	if c.registry == nil {
		c.registry = registry
	}
	subset := env.NewLibrarySubset()
	for _, name := range []string{overloads.TypeConvertDouble, overloads.TypeConvertDyn, overloads.TypeConvertType, overloads.TypeConvertBytes} {
		subset.AddExcludedFunctions(env.NewFunction(name))
	}
	own := newProvider(registry, c.scale)
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.DefaultUTCTimeZone(false), // `now` stands in the member's zone, and its getters give what it shows
		cel.CustomTypeProvider(own),
		cel.ParserRecursionLimit(mostConditionDepth),
		cel.ParserExpressionSizeLimit(mostConditionText),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	}
	options = append(options, decimalFunctions()...)
	for _, v := range variables {
		if v.where&where != 0 {
			options = append(options, cel.Variable(v.name, v.typ))
		}
	}
	e, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the CEL environment: %w", err)
	}
	c.envs[where] = e
	return e, nil
}

// decimalFunctions declares the operators of decimals. They need no code here: CEL's own operators ask the values.
func decimalFunctions() []cel.EnvOption {
	d, i := decimalType, cel.IntType
	options := []cel.EnvOption{
		cel.Function(literalFunction, cel.Overload("decimal_literal", []*cel.Type{i, i}, d)),
		cel.Function(operators.Add, cel.Overload("add_decimal", []*cel.Type{d, d}, d)),
		cel.Function(operators.Subtract, cel.Overload("subtract_decimal", []*cel.Type{d, d}, d)),
		cel.Function(operators.Negate, cel.Overload("negate_decimal", []*cel.Type{d}, d)),
		cel.Function(operators.Multiply,
			cel.Overload("multiply_decimal", []*cel.Type{d, d}, d),
			cel.Overload("multiply_decimal_int64", []*cel.Type{d, i}, d),
			cel.Overload(multiplyIntDecimal, []*cel.Type{i, d}, d)),
	}
	for _, operator := range []string{
		operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	} {
		options = append(options, cel.Function(operator, cel.Overload(operator+"decimal", []*cel.Type{d, d}, cel.BoolType)))
	}
	return options
}

// foldLiteral makes a decimal literal a constant of the program.
func foldLiteral(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || call.Function() != literalFunction {
		return i, nil
	}
	var parts [2]int64
	for n, argument := range call.Args() {
		constant, ok := argument.(interpreter.InterpretableConst)
		if !ok || n >= len(parts) {
			return nil, fmt.Errorf("a decimal literal of %d parts that are no constants", len(call.Args()))
		}
		value, ok := constant.Value().(types.Int)
		if !ok {
			return nil, fmt.Errorf("a decimal literal of %s", constant.Value().Type().TypeName())
		}
		parts[n] = int64(value) //nolint:gosec // n is below the length, looked at above
	}
	return interpreter.NewConstValue(call.ID(), decimal{parts[0], int(parts[1])}), nil
}

// literals rewrites every floating-point literal to an exact decimal, before types are checked.
func (s *session) literals() {
	next := celast.MaxID(s.ast) + 1
	factory := celast.NewExprFactory()
	celast.PostOrderVisit(s.ast.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		d, ok := s.literal(e)
		if !ok {
			return
		}
		if more, ok := scaled(d.coefficient, max(s.scale-d.digits, 0)); ok {
			d = decimal{more, max(s.scale, d.digits)} // as money is, so that comparing them is comparing two int64
		}
		coefficient := factory.NewLiteral(next, types.Int(d.coefficient))
		digits := factory.NewLiteral(next+1, types.Int(d.digits))
		if at, ok := s.ast.SourceInfo().GetOffsetRange(e.ID()); ok {
			s.ast.SourceInfo().SetOffsetRange(next, at)
			s.ast.SourceInfo().SetOffsetRange(next+1, at)
		}
		next += 2
		e.SetKindCase(factory.NewCall(e.ID(), literalFunction, coefficient, digits))
	}))
}

// exchangeFactors turns `2 * order.total` into `order.total * 2`.
func (s *session) exchangeFactors() {
	factory := celast.NewExprFactory()
	celast.PostOrderVisit(s.ast.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() != celast.CallKind || !slices.Contains(s.ast.GetOverloadIDs(e.ID()), multiplyIntDecimal) {
			return
		}
		if args := e.AsCall().Args(); len(args) == 2 {
			e.SetKindCase(factory.NewCall(e.ID(), operators.Multiply, args[1], args[0]))
		}
	}))
}

// asksNowOnly says that all the condition does with `now` is to ask it for a date or time.
func (s *session) asksNowOnly() bool {
	uses, questions := 0, 0
	celast.PostOrderVisit(s.ast.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		switch {
		case isNow(e):
			uses++
		case e.Kind() == celast.CallKind && e.AsCall().IsMemberFunction() && isNow(e.AsCall().Target()):
			questions++
		}
	}))
	return uses == questions
}

func isNow(e celast.Expr) bool { return e.Kind() == celast.IdentKind && e.AsIdent() == "now" }

// references are the variables that the checked condition reads.
func (s *session) references() []string {
	var names []string
	for _, reference := range s.ast.ReferenceMap() {
		if _, ok := variableOf(reference.Name); ok && !slices.Contains(names, reference.Name) {
			names = append(names, reference.Name)
		}
	}
	slices.Sort(names)
	return names
}
