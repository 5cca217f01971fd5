package explain

import (
	"strconv"
	"strings"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// valueKind is what kind of value an expression has.
type valueKind uint8

const (
	ofNumber valueKind = iota + 1
	ofMoney
	ofDecimal // a decimal literal: money beside money, else a factor
	ofText
	ofLevel // a text that is a level's id
	ofTime
	ofSpan
	ofList
)

// value is a value in words.
type value struct {
	text     string
	kind     valueKind
	literal  bool
	compound bool // made of several values
}

func (v value) isText() bool { return v.kind == ofText || v.kind == ofLevel }

// variableNoun is what people call what a condition reads.
type variableNoun struct {
	phrase
	kind valueKind
}

// pathOf is an expression that names something: "order.total", "now"; empty: it is none.
func pathOf(e celast.Expr) string {
	switch e.Kind() { //nolint:exhaustive // everything else is no name
	case celast.IdentKind:
		return e.AsIdent()
	case celast.SelectKind:
		if path := pathOf(e.AsSelect().Operand()); path != "" {
			return path + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}

// value says a value; false: there are no words for it.
func (c *conditionTeller) value(e celast.Expr) (value, bool) {
	switch e.Kind() { //nolint:exhaustive // nothing else is said
	case celast.LiteralKind:
		return c.literal(e)
	case celast.IdentKind, celast.SelectKind:
		return c.named(e)
	case celast.CallKind:
		return c.called(e.AsCall())
	}
	return value{}, false
}

func (c *conditionTeller) literal(e celast.Expr) (value, bool) {
	switch v := e.AsLiteral().(type) {
	case types.String:
		return value{text: c.quoted(string(v)), kind: ofText, literal: true}, true
	case types.Int:
		return value{text: whole(int64(v)), kind: ofNumber, literal: true}, true
	}
	if e.AsLiteral().Type() != types.DoubleType {
		return value{}, false
	}
	at, ok := c.info.GetOffsetRange(e.ID())
	start, stop := int(at.Start), int(at.Stop)
	if !ok || start < 0 || stop > len(c.text) || start >= stop {
		return value{}, false
	}
	written := string(c.text[start:stop])
	if strings.Trim(written, "-0123456789.") != "" {
		return value{}, false
	}
	return value{text: written, kind: ofDecimal, literal: true}, true
}

// named says what a name stands for.
func (c *conditionTeller) named(e celast.Expr) (value, bool) {
	path := pathOf(e)
	if noun, ok := nouns[path]; ok && c.item != firstOf(path) {
		return value{text: c.say(noun.phrase), kind: noun.kind}, true
	}
	if field, ok := strings.CutPrefix(path, "line."); ok && c.item != "line" {
		return c.field(field, ownLine)
	}
	if c.item == "" {
		return c.attribute(e)
	}
	if path == c.item && !c.line {
		return value{text: c.say(theItem), kind: ofText}, true
	}
	if field, ok := strings.CutPrefix(path, c.item+"."); ok && c.line {
		return c.field(field, itemsLine)
	}
	return c.attribute(e)
}

func firstOf(path string) string {
	first, _, _ := strings.Cut(path, ".")
	return first
}

// field says a field of a line.
func (c *conditionTeller) field(name string, whose phrase) (value, bool) {
	noun, ok := lineNouns[name]
	return value{text: c.say(noun.phrase, "whose", c.say(whose)), kind: noun.kind}, ok
}

// attribute says an attribute by its name: order.attributes.gift.
func (c *conditionTeller) attribute(e celast.Expr) (value, bool) {
	if e.Kind() != celast.SelectKind {
		return value{}, false
	}
	return c.attributeOf(e.AsSelect().Operand(), e.AsSelect().FieldName())
}

func (c *conditionTeller) attributeOf(of celast.Expr, name string) (value, bool) {
	owner, ok := attributeOwners[pathOf(of)]
	return value{text: c.say(attributeNoun, "owner", c.say(owner), "name", c.quoted(name)), kind: ofText}, ok
}

// called says what a function or operator gives.
func (c *conditionTeller) called(call celast.CallExpr) (value, bool) {
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Index:
		if args[1].Kind() != celast.LiteralKind {
			return value{}, false
		}
		key, ok := args[1].AsLiteral().(types.String)
		if !ok {
			return value{}, false
		}
		return c.attributeOf(args[0], string(key))
	case "size":
		if call.IsMemberFunction() {
			return c.number(call.Target())
		}
		if len(args) == 1 {
			return c.number(args[0])
		}
	case "timestamp", "duration":
		if len(args) == 1 && args[0].Kind() == celast.LiteralKind {
			return c.timeLiteral(name, args[0])
		}
	case operators.Add, operators.Subtract, operators.Multiply:
		return c.arithmetic(name, args[0], args[1])
	}
	return value{}, false
}

// number says how many items a list has.
func (c *conditionTeller) number(list celast.Expr) (value, bool) {
	if list.Kind() == celast.CallKind && list.AsCall().FunctionName() == "filter" {
		of, predicate, ok := c.macro(list.AsCall())
		return value{text: c.say(numberOfThose, "list", of, "predicate", predicate), kind: ofNumber, compound: true}, ok
	}
	of, ok := c.value(list)
	return value{text: c.say(numberOf, "list", of.text), kind: ofNumber}, ok && of.kind == ofList
}

func (c *conditionTeller) timeLiteral(function string, e celast.Expr) (value, bool) {
	text, ok := e.AsLiteral().(types.String)
	if !ok {
		return value{}, false
	}
	if function == "duration" {
		d, err := time.ParseDuration(string(text))
		return value{text: c.span(d), kind: ofSpan, literal: true}, err == nil && d > 0
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return value{text: c.instant(at), kind: ofTime, literal: true}, err == nil
}

// arithmetic says what two values make together, neither of them made of several.
func (c *conditionTeller) arithmetic(operator string, left, right celast.Expr) (value, bool) {
	a, ok := c.value(left)
	b, isKnown := c.value(right)
	if !ok || !isKnown || a.compound || b.compound {
		return value{}, false
	}
	what, kind := plus, a.kind
	switch {
	case operator == operators.Multiply && a.isNumber() && b.isNumber():
		what = multiplied
		if b.kind == ofMoney {
			kind = ofMoney
		}
	case operator == operators.Multiply:
		return value{}, false
	case a.kind == ofTime && b.kind == ofTime && operator == operators.Subtract:
		what, kind = timeBetween, ofSpan
	case a.kind == ofTime && b.kind == ofSpan && operator == operators.Subtract:
		what = timeBefore
	case a.kind == ofTime && b.kind == ofSpan:
		what = timeAfter
	case !a.isNumber() || !b.isNumber():
		return value{}, false
	default:
		a, b = c.beside(a, b), c.beside(b, a)
		kind = a.kind
		if operator == operators.Subtract {
			what = minus
		}
	}
	return value{text: c.say(what, "a", a.text, "b", b.text), kind: kind, compound: true}, true
}

func (v value) isNumber() bool { return v.kind == ofNumber || v.kind == ofMoney || v.kind == ofDecimal }

// beside is a literal as it is said beside another value: a decimal beside money is money, and a level's id needs no quotes.
func (c *conditionTeller) beside(v, other value) value {
	switch {
	case v.kind == ofDecimal && other.kind == ofMoney:
		v.text, v.kind = c.inCurrency(amountAsWritten(v.text, c.p.Currency.Digits), c.p.Currency.Code), ofMoney
	case v.kind == ofText && v.literal && other.kind == ofLevel && v.text != c.quoted(""):
		v.text = strings.TrimSuffix(strings.TrimPrefix(v.text, c.say(quoteBegin)), c.say(quoteEnd))
	}
	return v
}

// amountAsWritten is a decimal literal as amounts are shown.
func amountAsWritten(text string, digits int) string {
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = strings.TrimRight(fraction, "0")
	if n, err := strconv.ParseInt(whole+fraction, 10, 64); err == nil {
		return decimalText(n, len(fraction), digits)
	}
	return text
}
