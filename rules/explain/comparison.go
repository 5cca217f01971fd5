package explain

import (
	"strconv"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"accrue/rules/programme"
)

// comparison is how two values are compared.
type comparison uint8

const (
	equal comparison = iota
	unequal
	less
	atMost
	more
	atLeast
)

// comparisonOf is an operator, or its opposite.
func comparisonOf(operator string, not bool) comparison {
	how := map[string]comparison{
		operators.Equals: equal, operators.NotEquals: unequal, operators.Less: less, operators.LessEquals: atMost,
		operators.Greater: more, operators.GreaterEquals: atLeast,
	}[operator]
	if not {
		return [...]comparison{equal: unequal, unequal: equal, less: atLeast, atMost: more, more: atMost, atLeast: less}[how]
	}
	return how
}

// turned is the comparison with the sides exchanged.
func (how comparison) turned() comparison {
	return [...]comparison{equal: equal, unequal: unequal, less: more, atMost: atLeast, more: less, atLeast: atMost}[how]
}

// comparison says how two values compare.
func (c *conditionTeller) comparison(how comparison, left, right celast.Expr) (saying, bool) {
	if left.Kind() == celast.LiteralKind {
		left, right, how = right, left, how.turned()
	}
	if truth, ok := literalBool(right); ok && (how == equal || how == unequal) {
		return c.statement(left, bool(truth) != (how == equal))
	}
	if n, ok := wholeLiteral(right); ok {
		if said, ok := c.orderNumber(left, how, n); ok {
			return said, ok
		}
		if said, ok := c.calendar(left, how, n); ok {
			return said, ok
		}
	}
	a, ok := c.value(left)
	b, isKnown := c.value(right)
	if !ok || !isKnown || a.literal && b.literal || a.kind == ofList || b.kind == ofList {
		return saying{}, false
	}
	a, b = c.beside(a, b), c.beside(b, a)
	switch {
	case a.isText() && b.literal && b.text == c.quoted("") && how == equal:
		return c.simple(isEmpty, "a", a.text)
	case a.isText() && b.literal && b.text == c.quoted("") && how == unequal:
		return c.simple(isNotEmpty, "a", a.text)
	case a.isText() && how > unequal:
		return saying{}, false // which of two texts comes first is nothing that people say
	case a.kind == ofTime:
		return c.simple(timeComparisons[how], "a", a.text, "b", b.text)
	}
	return c.simple(comparisons[how], "a", a.text, "b", b.text)
}

func literalBool(e celast.Expr) (types.Bool, bool) {
	if e.Kind() != celast.LiteralKind {
		return false, false
	}
	b, ok := e.AsLiteral().(types.Bool)
	return b, ok
}

func wholeLiteral(e celast.Expr) (int64, bool) {
	if e.Kind() != celast.LiteralKind {
		return 0, false
	}
	n, ok := e.AsLiteral().(types.Int)
	return int64(n), ok
}

// orderNumber says which of the member's orders it is.
func (c *conditionTeller) orderNumber(e celast.Expr, how comparison, n int64) (saying, bool) {
	if pathOf(e) != "order.number" {
		return saying{}, false
	}
	switch {
	case n == 1 && how == equal, n == 1 && how == atMost, n == 2 && how == less:
		return c.simple(firstOrder)
	case n == 1 && how == unequal, n == 1 && how == more, n == 2 && how == atLeast:
		return c.simple(notFirstOrder)
	case n > 1 && how == equal:
		return c.simple(nthOrder, "nth", ordinal(n), "n", whole(n))
	case n > 1 && how == atMost:
		return c.simple(firstOrders, "n", whole(n))
	case n > 2 && how == less:
		return c.simple(firstOrders, "n", whole(n-1))
	}
	return saying{}, false
}

// ordinal is 1st, 2nd, 3rd, 4th in English.
func ordinal(n int64) string {
	end := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return whole(n) + end
}

// calendarPart is what the event's local time is asked for: now.getDate() and its like.
type calendarPart struct {
	noun     phrase
	from, to int64     // what it can be
	shift    int64     // what is added to it so that people count so
	is       [2]phrase // that it is one of {names}, that it is none; empty: only the noun is said
}

// partOf is the part of the event's time that an expression asks for.
func calendarPartOf(e celast.Expr) (string, calendarPart, bool) {
	if e.Kind() != celast.CallKind || !e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) > 0 || pathOf(e.AsCall().Target()) != "now" {
		return "", calendarPart{}, false
	}
	name := e.AsCall().FunctionName()
	part, ok := calendarParts[name]
	return name, part, ok
}

// calendar says a comparison of a part of the event's time.
func (c *conditionTeller) calendar(e celast.Expr, how comparison, n int64) (saying, bool) {
	name, part, ok := calendarPartOf(e)
	if !ok || n < part.from || n > part.to {
		return saying{}, false
	}
	if part.is[0] != (phrase{}) && how <= unequal {
		return c.simple(part.is[how], "names", c.calendarName(name, n))
	}
	if name == "getHours" {
		switch how {
		case less:
			return c.simple(beforeHour, "hour", whole(n))
		case atMost:
			return c.simple(beforeHour, "hour", whole(n+1))
		case atLeast:
			return c.simple(fromHour, "hour", whole(n))
		case more:
			return c.simple(fromHour, "hour", whole(n+1))
		case equal, unequal:
		}
	}
	return c.simple(comparisons[how], "a", c.say(part.noun), "b", strconv.FormatInt(n+part.shift, 10))
}

// calendarIn says that a part of the event's time is one of some numbers.
func (c *conditionTeller) calendarIn(e celast.Expr, among []celast.Expr, not bool) (saying, bool) {
	name, part, ok := calendarPartOf(e)
	if !ok || len(among) == 0 {
		return saying{}, false
	}
	names := make([]string, len(among))
	for i, candidate := range among {
		n, ok := wholeLiteral(candidate)
		if !ok || n < part.from || n > part.to {
			return saying{}, false
		}
		names[i] = strconv.FormatInt(n+part.shift, 10)
		if part.is[0] != (phrase{}) {
			names[i] = c.calendarName(name, n)
		}
	}
	if part.is[0] != (phrase{}) {
		return c.simple(either(not, part.is[unequal], part.is[equal]), "names", c.choice(names))
	}
	if not {
		return c.simple(isNoneOf, "a", c.say(part.noun), "b", c.neither(names))
	}
	return c.simple(is, "a", c.say(part.noun), "b", c.choice(names))
}

// calendarName is how people call a day or month.
func (c *conditionTeller) calendarName(getter string, n int64) string {
	switch getter {
	case "getMonth":
		return c.say(monthName, "name", time.Month(n+1).String(), "n", strconv.FormatInt(n+1, 10))
	case "getDayOfWeek":
		return c.say(weekdays[n])
	}
	n += calendarParts[getter].shift
	return c.say(dayOfMonth, "nth", ordinal(n), "n", strconv.FormatInt(n, 10))
}

// span says a duration of CEL's own.
func (c *conditionTeller) span(d time.Duration) string {
	return c.duration(programme.Duration{Elapsed: d})
}
