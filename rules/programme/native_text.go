package programme

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// errAbsent is the error of a condition on an order, a line, a check-in or a referral that is not there.
var errAbsent = errors.New(textAbsent)

// text compiles an expression that is a text.
func (n *native) text(e celast.Expr) evaluator[string] {
	switch e.Kind() { //nolint:exhaustive // nothing else gives a text that is known here
	case celast.LiteralKind:
		if text, ok := textLiteral(e); ok {
			return constant(text)
		}
	case celast.IdentKind:
		if item, ok := n.localOf(e); ok {
			if item.isLine {
				return nil
			}
			return func(v view) (string, error) { return v.item, nil }
		}
		if text := orderText(n.variable(e)); text != nil {
			return text
		}
		return n.lineText(e)
	case celast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return nil
		}
		if attributes := n.attributes(e.AsSelect().Operand()); attributes != nil {
			return attribute(attributes, e.AsSelect().FieldName())
		}
		return n.lineText(e)
	case celast.CallKind:
		args := operands(e)
		switch e.AsCall().FunctionName() {
		case operators.Conditional:
			return conditional(n.boolean(args[0]), n.text(args[1]), n.text(args[2]))
		case operators.Index:
			if key, ok := textLiteral(args[1]); ok {
				return attribute(n.attributes(args[0]), key)
			}
		}
	}
	return nil
}

// orderText reads the texts of orders, check-ins, referrals and members.
func orderText(name string) evaluator[string] {
	switch name {
	case "order.channel":
		return ofOrder(func(o *OrderView) string { return o.Channel })
	case "order.store":
		return ofOrder(func(o *OrderView) string { return o.Store })
	case "order.currency":
		return ofOrder(func(o *OrderView) string { return o.Currency })
	case "check_in.activity":
		return ofCheckIn(func(c *CheckInView) string { return c.Activity })
	case "check_in.channel":
		return ofCheckIn(func(c *CheckInView) string { return c.Channel })
	case "check_in.store":
		return ofCheckIn(func(c *CheckInView) string { return c.Store })
	case "referral.code":
		return ofReferral(func(r *ReferralView) string { return r.Code })
	case "member.tier":
		return func(v view) (string, error) { return v.scope.Member.Tier, nil }
	}
	return nil
}

func ofOrder[T any](read func(*OrderView) T) evaluator[T] {
	return func(v view) (T, error) {
		if v.scope.Order == nil {
			var zero T
			return zero, errAbsent
		}
		return read(v.scope.Order), nil
	}
}

func ofCheckIn[T any](read func(*CheckInView) T) evaluator[T] {
	return func(v view) (T, error) {
		if v.scope.CheckIn == nil {
			var zero T
			return zero, errAbsent
		}
		return read(v.scope.CheckIn), nil
	}
}

func ofReferral[T any](read func(*ReferralView) T) evaluator[T] {
	return func(v view) (T, error) {
		if v.scope.Referral == nil {
			var zero T
			return zero, errAbsent
		}
		return read(v.scope.Referral), nil
	}
}

// truth compiles a variable that is true or false.
func (n *native) truth(e celast.Expr) evaluator[bool] {
	if n.variable(e) == "referral.same_device" {
		return ofReferral(func(r *ReferralView) bool { return r.SameDevice })
	}
	return nil
}

// attributes compiles a map of attributes.
func (n *native) attributes(e celast.Expr) evaluator[map[string]string] {
	switch n.variable(e) {
	case "order.attributes":
		return ofOrder(func(o *OrderView) map[string]string { return o.Attributes })
	case "check_in.attributes":
		return ofCheckIn(func(c *CheckInView) map[string]string { return c.Attributes })
	case "member.attributes":
		return func(v view) (map[string]string, error) { return v.scope.Member.Attributes, nil }
	}
	return nil
}

// attribute reads one attribute. The error of a missing one is made beforehand: conditions that ask for attributes which
// few orders have are common.
func attribute(attributes evaluator[map[string]string], key string) evaluator[string] {
	if attributes == nil {
		return nil
	}
	missing := fmt.Errorf(textNoKey, key)
	return func(v view) (string, error) {
		m, err := attributes(v)
		if err != nil {
			return "", err
		}
		value, ok := m[key]
		if !ok {
			return "", missing
		}
		return value, nil
	}
}

// presence compiles has(order.attributes.key).
func (n *native) presence(e celast.Expr) evaluator[bool] {
	if !e.AsSelect().IsTestOnly() {
		return nil
	}
	return member(constant(e.AsSelect().FieldName()), n.attributes(e.AsSelect().Operand()), hasKey)
}

func hasKey(m map[string]string, key string) bool {
	_, ok := m[key]
	return ok
}

// texts compiles a list of texts.
func (n *native) texts(e celast.Expr) evaluator[[]string] {
	switch n.variable(e) {
	case "order.coupons":
		return ofOrder(func(o *OrderView) []string { return o.Coupons })
	case "member.segments":
		return func(v view) ([]string, error) { return v.scope.Member.Segments, nil }
	}
	if field, own, ok := n.lineField(e); ok && field == "tags" {
		return ofLine(own, func(l *LineView) []string { return l.Tags })
	}
	return nil
}

// textTest compiles what asks about the characters of a text.
func (n *native) textTest(name string, args []celast.Expr) evaluator[bool] {
	var test func(string, string) bool
	switch name {
	case overloads.StartsWith:
		test = strings.HasPrefix
	case overloads.EndsWith:
		test = strings.HasSuffix
	case overloads.Contains:
		test = strings.Contains
	case overloads.Matches:
		return n.matches(args)
	default:
		return nil
	}
	a, b := n.text(args[0]), n.text(args[1])
	if a == nil || b == nil {
		return nil
	}
	if c, ok := textLiteral(args[1]); ok {
		return func(v view) (bool, error) {
			text, err := a(v)
			return err == nil && test(text, c), err
		}
	}
	return func(v view) (bool, error) {
		text, err := a(v)
		if err != nil {
			return false, err
		}
		part, err := b(v)
		return err == nil && test(text, part), err
	}
}

// matches compiles matches(), whose pattern is a constant.
func (n *native) matches(args []celast.Expr) evaluator[bool] {
	text := n.text(args[0])
	pattern, ok := textLiteral(args[1])
	if text == nil || !ok {
		return nil
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	return func(v view) (bool, error) {
		value, err := text(v)
		return err == nil && compiled.MatchString(value), err
	}
}
