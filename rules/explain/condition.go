package explain

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"accrue/rules/programme"
)

// condition says a condition in words. What has no words here is quoted as it is written: of terms that `&&` joins only those,
// else the whole.
func (t *teller) condition(c *programme.Condition) string {
	if said, ok := t.parsed(c.Source); ok {
		return said.text
	}
	terms := conjuncts(c.Source)
	said := make([]saying, len(terms))
	for i, term := range terms {
		ok := false
		if said[i], ok = t.parsed(term); !ok {
			said[i] = saying{text: t.say(asWritten, "source", onOneLine(term))}
		}
	}
	return t.joined(said, byAnd).text
}

// onOneLine is a source without its line ends.
func onOneLine(source string) string {
	lines := strings.Split(source, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

// conjuncts are the terms of a condition that is a chain of `&&` outside of all brackets; one: it is none, or is written in a
// way that is not looked into.
func conjuncts(source string) []string {
	whole := []string{source}
	if strings.Contains(source, `"""`) || strings.Contains(source, "'''") || strings.Contains(source, "//") {
		return whole
	}
	var terms []string
	begin, depth, quote := 0, 0, byte(0)
	for i := 0; i < len(source); i++ {
		switch c := source[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if i > 0 && strings.ContainsRune("rRbB", rune(source[i-1])) {
				return whole // in r"..." a backslash is none
			}
			quote = c
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0 && (c == '?' || strings.HasPrefix(source[i:], "||")):
			return whole
		case depth == 0 && strings.HasPrefix(source[i:], "&&"):
			terms = append(terms, source[begin:i])
			begin = i + len("&&")
			i++
		}
	}
	return append(terms, source[begin:])
}

// saying is a statement in words.
type saying struct {
	text  string
	joint joint
}

// joint is what joins the parts of a statement.
type joint uint8

const (
	single joint = iota
	byAnd
	byOr
)

// conditionTeller says the parts of one condition.
type conditionTeller struct {
	*teller
	text []rune
	info *celast.SourceInfo
	item string // the name of the item of the macro around; empty: there is none
	line bool   // the item is a line of the order
}

// parsed says a condition, or a term of one; false: there are no words for it. The macros stay calls, so that what is read is
// what was written.
func (t *teller) parsed(source string) (saying, bool) {
	p, err := parser.NewParser()
	if err != nil {
		return saying{}, false
	}
	tree, failures := p.Parse(common.NewTextSource(source))
	if len(failures.GetErrors()) > 0 {
		return saying{}, false
	}
	c := &conditionTeller{teller: t, text: []rune(source), info: tree.SourceInfo()}
	return c.statement(tree.Expr(), false)
}

// joined joins statements; those that are joined otherwise themselves stand in brackets.
func (t *teller) joined(all []saying, by joint) saying {
	if len(all) == 1 {
		return all[0]
	}
	text := ""
	for i, s := range all {
		part := s.text
		if s.joint != single && s.joint != by {
			part = t.say(inBrackets, "text", part)
		}
		switch {
		case i == 0:
			text = part
		case by == byAnd:
			text = t.say(andAlso, "before", text, "next", part)
		default:
			text = t.say(orElse, "before", text, "next", part)
		}
	}
	return saying{text, by}
}

// statement says an expression that is true or false, or its opposite.
func (c *conditionTeller) statement(e celast.Expr, not bool) (saying, bool) {
	switch e.Kind() { //nolint:exhaustive // nothing else is true or false
	case celast.LiteralKind:
		value, ok := e.AsLiteral().(types.Bool)
		if ok && bool(value) != not {
			return c.simple(always)
		}
		if ok {
			return c.simple(never)
		}
	case celast.SelectKind:
		if pathOf(e) == "referral.same_device" {
			return c.simple(either(not, otherDevices, sameDevice))
		}
	case celast.CallKind:
		return c.call(e.AsCall(), not)
	}
	return saying{}, false
}

func (c *conditionTeller) simple(what phrase, with ...string) (saying, bool) {
	return saying{text: c.say(what, with...)}, true
}

func either(first bool, yes, no phrase) phrase {
	if first {
		return yes
	}
	return no
}

func (c *conditionTeller) call(call celast.CallExpr, not bool) (saying, bool) {
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr:
		by := byAnd
		if (name == operators.LogicalOr) != not {
			by = byOr
		}
		return c.chain(call, name, by, not)
	case operators.LogicalNot:
		return c.statement(args[0], !not)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return c.comparison(comparisonOf(name, not), args[0], args[1])
	case operators.In:
		return c.membership(args[0], args[1], not)
	case "has":
		return c.presence(args[0], not)
	case "exists", "all", "exists_one":
		return c.quantified(call, name, not)
	case "startsWith", "endsWith", "contains", "matches":
		return c.textTest(call, name, not)
	}
	return saying{}, false
}

// chain says the terms that one operator joins; the opposite is the opposites joined by the other.
func (c *conditionTeller) chain(call celast.CallExpr, operator string, by joint, not bool) (saying, bool) {
	var all []saying
	var add func(e celast.Expr) bool
	add = func(e celast.Expr) bool {
		if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == operator {
			return !slices.ContainsFunc(e.AsCall().Args(), func(side celast.Expr) bool { return !add(side) })
		}
		said, ok := c.statement(e, not)
		all = append(all, said)
		return ok
	}
	for _, side := range call.Args() {
		if !add(side) {
			return saying{}, false
		}
	}
	return c.joined(all, by), true
}

// membership says that a value is in a list, or an attribute is there.
func (c *conditionTeller) membership(item, of celast.Expr, not bool) (saying, bool) {
	if of.Kind() == celast.ListKind {
		return c.oneOf(item, of.AsList().Elements(), not)
	}
	what, ok := c.value(item)
	if !ok || !what.literal || what.kind != ofText {
		return saying{}, false
	}
	if owner, ok := attributeOwners[pathOf(of)]; ok {
		return c.simple(either(not, lacksAttribute, hasAttribute), "owner", c.say(owner), "name", what.text)
	}
	list, ok := c.value(of)
	if !ok || list.kind != ofList {
		return saying{}, false
	}
	return c.simple(either(not, includesNot, includes), "list", list.text, "item", what.text)
}

// oneOf says that a value is one of some literals.
func (c *conditionTeller) oneOf(item celast.Expr, among []celast.Expr, not bool) (saying, bool) {
	if said, ok := c.calendarIn(item, among, not); ok {
		return said, ok
	}
	what, ok := c.value(item)
	if !ok || what.literal || len(among) == 0 {
		return saying{}, false
	}
	texts := make([]string, len(among))
	for i, e := range among {
		candidate, ok := c.value(e)
		if !ok || !candidate.literal {
			return saying{}, false
		}
		texts[i] = c.beside(candidate, what).text
	}
	if len(texts) == 1 {
		return c.simple(either(not, isNot, is), "a", what.text, "b", texts[0])
	}
	if not {
		return c.simple(isNoneOf, "a", what.text, "b", c.neither(texts))
	}
	return c.simple(is, "a", what.text, "b", c.choice(texts))
}

// presence says that an attribute is there: has(order.attributes.gift).
func (c *conditionTeller) presence(e celast.Expr, not bool) (saying, bool) {
	if e.Kind() != celast.SelectKind {
		return saying{}, false
	}
	owner, ok := attributeOwners[pathOf(e.AsSelect().Operand())]
	if !ok {
		return saying{}, false
	}
	return c.simple(either(not, lacksAttribute, hasAttribute), "owner", c.say(owner), "name", c.quoted(e.AsSelect().FieldName()))
}

// textTest says a question about a text.
func (c *conditionTeller) textTest(call celast.CallExpr, name string, not bool) (saying, bool) {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return saying{}, false
	}
	what, ok := c.value(call.Target())
	with, isKnown := c.value(call.Args()[0])
	if !ok || !isKnown || what.literal || !what.isText() || !with.isText() {
		return saying{}, false
	}
	test := textTests[name]
	return c.simple(either(not, test[1], test[0]), "a", what.text, "b", with.text)
}

// quantified says that something holds for some or all items of a list.
func (c *conditionTeller) quantified(call celast.CallExpr, name string, not bool) (saying, bool) {
	list, predicate, ok := c.macro(call)
	if !ok {
		return saying{}, false
	}
	which := quantifiers[name]
	return c.simple(either(not, which[1], which[0]), "list", list, "predicate", predicate)
}

// macro says the list and the predicate of list.exists(item, predicate) and its like.
func (c *conditionTeller) macro(call celast.CallExpr) (list, predicate string, ok bool) {
	if !call.IsMemberFunction() || len(call.Args()) != 2 || c.item != "" {
		return "", "", false // a macro in a macro: of two items it would not be clear which is meant
	}
	item := call.Args()[0]
	of, ok := c.value(call.Target())
	if !ok || of.kind != ofList || item.Kind() != celast.IdentKind {
		return "", "", false
	}
	inner := *c
	inner.item, inner.line = item.AsIdent(), pathOf(call.Target()) == "order.lines"
	said, ok := inner.statement(call.Args()[1], false)
	if said.joint != single {
		said.text = c.say(inBrackets, "text", said.text)
	}
	return of.text, said.text, ok
}
