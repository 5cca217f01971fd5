package programme

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Where a variable can be seen.
const (
	inOrder    = 1 << iota // on: order, and on: referral with after: first_order, which earns at that order
	inCheckIn              // on: check_in
	inReferral             // on: referral
	inMember               // on: joined, birthday, tier_up
	inLines                // `lines` only
	everywhere = inOrder | inCheckIn | inReferral | inMember
)

// sight is what the conditions of a trigger see.
func sight(on Trigger, after After) int {
	switch on {
	case OnOrder:
		return inOrder
	case OnCheckIn:
		return inCheckIn
	case OnReferral:
		if after == AfterFirstOrder {
			return inReferral | inOrder
		}
		return inReferral
	case OnJoined, OnBirthday, OnTierUp:
	}
	return inMember
}

// variable is one name that a condition may read. Names hold a dot and are variables of their own: the evaluator then
// fetches `order.total` in one step and computes nothing that the condition does not read.
type variable struct {
	name  string
	typ   *cel.Type
	where int
	money bool
}

// lineType is the type of an item of order.lines. Its name is no word that a condition could mean otherwise.
//
//nolint:gochecknoglobals // never changed
var lineType = types.NewObjectType("order.line")

//nolint:gochecknoglobals // never changed
var variables = []variable{
	{"order.total", decimalType, inOrder, true},
	{"order.number", cel.IntType, inOrder, false},
	{"order.channel", cel.StringType, inOrder, false},
	{"order.store", cel.StringType, inOrder, false},
	{"order.coupons", cel.ListType(cel.StringType), inOrder, false},
	{"order.currency", cel.StringType, inOrder, false},
	{"order.lines", cel.ListType(lineType), inOrder, false},
	{"order.attributes", cel.MapType(cel.StringType, cel.StringType), inOrder, false},
	{"line.sku", cel.StringType, inLines, false},
	{"line.category", cel.StringType, inLines, false},
	{"line.brand", cel.StringType, inLines, false},
	{"line.quantity", cel.IntType, inLines, false},
	{"line.amount", decimalType, inLines, true},
	{"line.tags", cel.ListType(cel.StringType), inLines, false},
	{"check_in.activity", cel.StringType, inCheckIn, false},
	{"check_in.channel", cel.StringType, inCheckIn, false},
	{"check_in.store", cel.StringType, inCheckIn, false},
	{"check_in.attributes", cel.MapType(cel.StringType, cel.StringType), inCheckIn, false},
	{"referral.same_device", cel.BoolType, inReferral, false},
	{"referral.code", cel.StringType, inReferral, false},
	{"member.tier", cel.StringType, everywhere, false},
	{"member.points", cel.IntType, everywhere, false},
	{"member.pending", cel.IntType, everywhere, false},
	{"member.orders", cel.IntType, everywhere, false},
	{"member.spend", decimalType, everywhere, true},
	{"member.streak", cel.IntType, everywhere, false},
	{"member.segments", cel.ListType(cel.StringType), everywhere, false},
	{"member.joined_at", cel.TimestampType, everywhere, false},
	{"member.age_days", cel.IntType, everywhere, false},
	{"member.attributes", cel.MapType(cel.StringType, cel.StringType), everywhere, false},
	{"now", cel.TimestampType, everywhere, false},
}

// roots are the words before the dot.
//
//nolint:gochecknoglobals // never changed
var roots = []string{"order", "line", "check_in", "member", "referral"}

func variableOf(name string) (variable, bool) {
	i := slices.IndexFunc(variables, func(v variable) bool { return v.name == name })
	if i < 0 {
		return variable{}, false
	}
	return variables[i], true
}

// bindings gives the evaluator the values of one Scope, each made when it is asked for.
type bindings struct {
	scope    *Scope
	scale    int
	registry *types.Registry
	askOnly  bool // `now` is asked for dates and times only, never moved
}

// Parent implements interpreter.Activation.
func (b *bindings) Parent() cel.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (b *bindings) ResolveName(name string) (any, bool) {
	s := b.scope
	switch {
	case strings.HasPrefix(name, "order.") && s.Order != nil:
		return b.order(s.Order, name)
	case strings.HasPrefix(name, "line.") && s.Line != nil:
		return b.line(s.Line, name[len("line."):])
	case strings.HasPrefix(name, "referral.") && s.Referral != nil:
		return b.referral(s.Referral, name)
	case strings.HasPrefix(name, "member."):
		return b.member(s, name)
	case strings.HasPrefix(name, "check_in.") && s.CheckIn != nil:
		return b.checkIn(s.CheckIn, name)
	case name == "now" && b.askOnly:
		return types.Timestamp{Time: shownIn(s.Now)}, true
	case name == "now":
		return types.Timestamp{Time: s.Now}, true
	}
	return nil, false
}

func (b *bindings) order(o *OrderView, name string) (any, bool) {
	switch name {
	case "order.total":
		return decimal{int64(o.Total), b.scale}, true
	case "order.number":
		return types.Int(o.Number), true
	case "order.channel":
		return types.String(o.Channel), true
	case "order.store":
		return types.String(o.Store), true
	case "order.coupons":
		return types.NewStringList(b.registry, o.Coupons), true
	case "order.currency":
		return types.String(o.Currency), true
	case "order.lines":
		lines := make([]ref.Val, len(o.Lines))
		for i := range o.Lines {
			lines[i] = lineValue{&o.Lines[i]}
		}
		return types.NewRefValList(b.registry, lines), true
	case "order.attributes":
		return types.NewStringStringMap(b.registry, o.Attributes), true
	}
	return nil, false
}

// line reads a field of a line; also of one in order.lines.
func (b *bindings) line(l *LineView, field string) (any, bool) {
	switch field {
	case "sku":
		return types.String(l.SKU), true
	case "category":
		return types.String(l.Category), true
	case "brand":
		return types.String(l.Brand), true
	case "quantity":
		return types.Int(l.Quantity), true
	case "amount":
		return decimal{int64(l.Amount), b.scale}, true
	case "tags":
		return types.NewStringList(b.registry, l.Tags), true
	}
	return nil, false
}

func (b *bindings) referral(r *ReferralView, name string) (any, bool) {
	switch name {
	case "referral.same_device":
		return types.Bool(r.SameDevice), true
	case "referral.code":
		return types.String(r.Code), true
	}
	return nil, false
}

func (b *bindings) member(s *Scope, name string) (any, bool) {
	m := &s.Member
	switch name {
	case "member.tier":
		return types.String(m.Tier), true
	case "member.points":
		return types.Int(m.Points), true
	case "member.pending":
		return types.Int(m.Pending), true
	case "member.orders":
		return types.Int(m.Orders), true
	case "member.spend":
		return decimal{int64(m.Spend), b.scale}, true
	case "member.streak":
		return types.Int(m.Streak), true
	case "member.segments":
		return types.NewStringList(b.registry, m.Segments), true
	case "member.joined_at":
		at, err := joinedAt(s)
		if err != nil {
			return types.WrapErr(err), true
		}
		return types.Timestamp{Time: at}, true
	case "member.age_days":
		days, err := ageDays(s)
		if err != nil {
			return types.WrapErr(err), true
		}
		return types.Int(days), true
	case "member.attributes":
		return types.NewStringStringMap(b.registry, m.Attributes), true
	}
	return nil, false
}

func (b *bindings) checkIn(c *CheckInView, name string) (any, bool) {
	switch name {
	case "check_in.activity":
		return types.String(c.Activity), true
	case "check_in.channel":
		return types.String(c.Channel), true
	case "check_in.store":
		return types.String(c.Store), true
	case "check_in.attributes":
		return types.NewStringStringMap(b.registry, c.Attributes), true
	}
	return nil, false
}
