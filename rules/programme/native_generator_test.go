package programme

import (
	"strings"
	"time"

	"pgregory.net/rapid"
)

// drawCondition makes a condition up; nil: the programme's own checks refuse it.
func drawCondition(t *rapid.T, compilers []*compiler) *Condition {
	g := generator{T: t, on: OnOrder}
	switch rapid.IntRange(0, 7).Draw(t, "where") {
	case 0:
		g.on = OnCheckIn
	case 1, 2:
		g.lines = true
	case 3:
		g.on = OnReferral
	}
	text := g.boolean(rapid.IntRange(1, 4).Draw(t, "depth"))
	condition := rapid.SampledFrom(compilers).Draw(t, "compiler").compileText(text, g.on, g.lines)
	if condition != nil && condition.native == nil {
		t.Fatalf("not compiled: %s", text)
	}
	return condition
}

// generator writes type-correct conditions within the part of the language that is compiled.
type generator struct {
	*rapid.T
	on         Trigger
	lines      bool
	line, text string // the items of the macros around; empty: none
}

// pick returns one of the texts, made on demand so that the choice does not cost what was not chosen.
func (g *generator) pick(choices ...func() string) string {
	return choices[rapid.IntRange(0, len(choices)-1).Draw(g.T, "choice")]()
}

func (g *generator) of(texts ...string) string { return rapid.SampledFrom(texts).Draw(g.T, "text") }

func (g *generator) boolean(depth int) string {
	choices := []func() string{
		func() string { return g.compared(g.whole, depth) },
		func() string { return g.compared(g.number, depth) },
		func() string { return g.compared(g.string, depth) },
		func() string { return g.compared(g.moment, depth) },
		func() string { return g.string(depth-1) + " in " + g.list(`"web"`, `"gold"`, `"a"`, `""`, `"gift"`) },
		func() string { return g.whole(depth-1) + " in " + g.list(`1`, `2`, `-3`, `0`, `7`) },
		func() string { return g.number(depth-1) + " in " + g.list(`1.00`, `2.50`, `0.0`, `-3.20`) },
		func() string { return g.string(depth-1) + " in " + g.attributes() },
		func() string { return "has(" + g.attributes() + "." + g.of("gift", "a", "none") + ")" },
		func() string {
			return g.string(depth-1) + "." + g.of("startsWith", "endsWith", "contains") + "(" + g.string(depth-1) + ")"
		},
		func() string { return g.string(depth-1) + `.matches("` + g.of("^w", "b$", "o.d", ".") + `")` },
		func() string { return g.of("true", "false") },
	}
	if g.on == OnReferral {
		choices = append(choices, func() string { return "referral.same_device" })
	}
	if texts := g.texts(); texts != "" {
		choices = append(choices, func() string { return g.string(depth-1) + " in " + texts })
	}
	if depth > 1 {
		choices = append(choices, g.holding(depth)...)
	}
	return g.pick(choices...)
}

// holding are the forms that hold conditions.
func (g *generator) holding(depth int) []func() string {
	nested := func(operator string) func() string {
		return func() string {
			return "(" + g.boolean(depth-1) + operator + g.boolean(depth-1) + operator + g.boolean(depth-1) + ")"
		}
	}
	choices := []func() string{
		nested(" && "), nested(" || "), nested(" && "), nested(" || "),
		func() string { return "!(" + g.boolean(depth-1) + ")" },
		func() string {
			return "(" + g.boolean(depth-1) + " ? " + g.boolean(depth-1) + " : " + g.boolean(depth-1) + ")"
		},
		func() string { return g.compared(func(d int) string { return "(" + g.boolean(d) + ")" }, depth) },
	}
	if g.canLoop() {
		loop := func() string { return g.loop(g.of("exists", "all", "exists_one"), depth) }
		choices = append(choices, loop, loop, loop)
	}
	return choices
}

func (g *generator) compared(value func(int) string, depth int) string {
	return value(depth-1) + " " + g.of("==", "!=", "<", "<=", ">", ">=") + " " + value(depth-1)
}

func (g *generator) list(items ...string) string {
	n := rapid.IntRange(0, 12).Draw(g.T, "items")
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = g.of(items...)
	}
	return "[" + strings.Join(chosen, ", ") + "]"
}

// canLoop says that a macro can stand here: there is a list, and none of its kind around.
func (g *generator) canLoop() bool { return g.loopLines() || g.loopTexts() }

func (g *generator) loopLines() bool { return g.line == "" && g.on == OnOrder }
func (g *generator) loopTexts() bool { return g.text == "" && g.texts() != "" }

func (g *generator) loop(macro string, depth int) string {
	inner := *g
	name := g.of("x", "y")
	list := "order.lines"
	if g.loopLines() && (!g.loopTexts() || rapid.Bool().Draw(g.T, "lines")) {
		inner.line = name
		if inner.text == name {
			inner.text = "-" // hidden by the new one
		}
	} else {
		list = g.texts()
		inner.text = name
		if inner.line == name {
			inner.line = "-"
		}
	}
	if g.line != "" || g.text != "" {
		depth = 2 // one macro in another is refused as too costly unless what it asks is simple
	}
	return list + "." + macro + "(" + name + ", " + inner.boolean(depth-1) + ")"
}

func (g *generator) texts() string {
	lists := []string{"member.segments"}
	if g.on == OnOrder {
		lists = append(lists, "order.coupons")
	}
	if g.lines {
		lists = append(lists, "line.tags")
	}
	if g.line != "" && g.line != "-" {
		lists = append(lists, g.line+".tags")
	}
	return g.of(lists...)
}

func (g *generator) attributes() string {
	switch g.on { //nolint:exhaustive // the generator writes for three triggers
	case OnCheckIn:
		return g.of("check_in.attributes", "member.attributes")
	case OnOrder:
		return g.of("order.attributes", "order.attributes", "member.attributes")
	}
	return "member.attributes"
}

func (g *generator) string(depth int) string {
	variables := []string{"member.tier", g.attributes() + ".gift", g.attributes() + `["a"]`}
	switch g.on {
	case OnCheckIn:
		variables = append(variables, "check_in.activity", "check_in.channel", "check_in.store")
	case OnReferral:
		variables = append(variables, "referral.code")
	default:
		variables = append(variables, "order.channel", "order.store", "order.currency")
	}
	if g.lines {
		variables = append(variables, "line.sku", "line.category", "line.brand")
	}
	if g.line != "" && g.line != "-" {
		variables = append(variables, g.line+".sku", g.line+".category", g.line+".brand")
	}
	if g.text != "" && g.text != "-" {
		variables = append(variables, g.text, g.text, g.text)
	}
	choices := []func() string{
		func() string { return g.of(variables...) },
		func() string { return g.of(variables...) },
		func() string { return g.of(`"web"`, `"gold"`, `"a"`, `""`, `"店"`, `"gift"`, `"CNY"`) },
	}
	if depth > 1 {
		choices = append(choices, func() string {
			return "(" + g.boolean(depth-1) + " ? " + g.string(depth-1) + " : " + g.string(depth-1) + ")"
		})
	}
	return g.pick(choices...)
}

func (g *generator) whole(depth int) string {
	variables := []string{"member.points", "member.pending", "member.orders", "member.streak", "member.age_days"}
	if g.on == OnOrder {
		variables = append(variables, "order.number", "order.lines.size()", "size(order.coupons)")
	}
	if g.lines {
		variables = append(variables, "line.quantity")
	}
	if g.line != "" && g.line != "-" {
		variables = append(variables, g.line+".quantity")
	}
	choices := []func() string{
		func() string { return g.of(variables...) },
		func() string { return g.of(variables...) },
		func() string {
			return g.of("0", "1", "2", "-3", "9223372036854775807", "-9223372036854775808", "1000000007")
		},
		func() string {
			return "now." + g.of("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
				"getMilliseconds", "getMinutes", "getMonth", "getSeconds") + "()"
		},
		func() string { return g.attributes() + ".size()" },
	}
	if depth > 1 {
		choices = append(choices,
			func() string {
				return "(" + g.whole(depth-1) + g.of(" + ", " - ", " * ", " / ", " % ") + g.whole(depth-1) + ")"
			},
			func() string { return "-(" + g.whole(depth-1) + ")" },
			func() string { return "size(" + g.string(depth-1) + ")" },
			func() string {
				return "(" + g.boolean(depth-1) + " ? " + g.whole(depth-1) + " : " + g.whole(depth-1) + ")"
			})
		if g.canLoop() {
			choices = append(choices, func() string { return g.loop("filter", depth) + ".size()" })
		}
	}
	return g.pick(choices...)
}

func (g *generator) number(depth int) string {
	variables := []string{"member.spend"}
	if g.on == OnOrder {
		variables = append(variables, "order.total")
	}
	if g.lines {
		variables = append(variables, "line.amount")
	}
	if g.line != "" && g.line != "-" {
		variables = append(variables, g.line+".amount")
	}
	choices := []func() string{
		func() string { return g.of(variables...) },
		func() string { return g.of(variables...) },
		func() string { return g.of("0.00", "1.00", "-2.50", "10.0", "99999999999.25", "123.45") },
	}
	if depth > 1 {
		choices = append(choices,
			func() string { return "(" + g.number(depth-1) + g.of(" + ", " - ", " * ") + g.number(depth-1) + ")" },
			func() string { return "(" + g.number(depth-1) + " * " + g.whole(depth-1) + ")" },
			func() string { return "(" + g.whole(depth-1) + " * " + g.number(depth-1) + ")" },
			func() string { return "(" + g.number(depth-1) + " * 0.333333)" },
			func() string { return "-(" + g.number(depth-1) + ")" },
			func() string {
				return "(" + g.boolean(depth-1) + " ? " + g.number(depth-1) + " : " + g.number(depth-1) + ")"
			})
	}
	return g.pick(choices...)
}

func (g *generator) moment(int) string {
	return g.of("now", "now", "member.joined_at", `timestamp("2026-06-18T00:00:00Z")`, `timestamp("2026-06-18T10:00:00.5+08:00")`)
}

// drawScope makes up what a condition sees. Values are few, so that comparisons hold often; parts are left out, and numbers
// are as large as they get, so that there are errors.
func drawScope(t *rapid.T) *Scope {
	whole := rapid.OneOf(rapid.Int64Range(-3, 12), rapid.SampledFrom([]int64{-1 << 63, 1<<63 - 1, 4_000_000_000, 12_345}))
	money := func(name string) Money { return Money(whole.Draw(t, name)) }
	text := rapid.SampledFrom([]string{"", "web", "gold", "a", "店", "food/tea", "CNY", "x", "\xff\xfe", "gift"})
	texts := func(name string) []string { return rapid.SliceOfN(text, 0, 4).Draw(t, name) }
	attributes := func() map[string]string {
		return rapid.MapOfN(rapid.SampledFrom([]string{"gift", "a", "web", ""}), text, 0, 3).Draw(t, "attributes")
	}
	line := func() LineView {
		return LineView{
			SKU: text.Draw(t, "sku"), Category: text.Draw(t, "category"), Brand: text.Draw(t, "brand"),
			Quantity: whole.Draw(t, "quantity"), Amount: money("amount"), Tags: texts("tags"),
		}
	}
	zones := rapid.SampledFrom([]string{"UTC", "Asia/Shanghai", "Europe/London", "America/St_Johns"})
	location, err := LoadZone(zones.Draw(t, "zone"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	instants := rapid.OneOf(rapid.Int64Range(1_500_000_000_000, 2_000_000_000_000),
		rapid.SampledFrom([]int64{1_781_740_800_000, 1_781_748_000_500, -62_135_596_800_000, 7_500_000_000_000}))
	s := &Scope{
		Now: time.UnixMilli(instants.Draw(t, "now")).In(location),
		Member: MemberView{
			Tier: text.Draw(t, "tier"), Points: whole.Draw(t, "points"), Pending: whole.Draw(t, "pending"),
			Orders: whole.Draw(t, "orders"), Spend: money("spend"), Streak: whole.Draw(t, "streak"),
		},
	}
	if present := rapid.Bool().Draw(t, "joined"); present {
		s.Member.JoinedAt = time.UnixMilli(instants.Draw(t, "joined_at")).UTC()
	}
	s.Member.Segments, s.Member.Attributes = texts("segments"), attributes()
	present := func(name string) bool { return rapid.IntRange(0, 19).Draw(t, name) != 7 }
	if present("order") {
		s.Order = &OrderView{
			Total: money("total"), Number: whole.Draw(t, "number"), Channel: text.Draw(t, "channel"), Store: text.Draw(t, "store"),
			Coupons: texts("coupons"), Currency: text.Draw(t, "currency"), Attributes: attributes(),
		}
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			s.Order.Lines = append(s.Order.Lines, line())
		}
	}
	if present("line") {
		l := line()
		s.Line = &l
	}
	if present("check-in") {
		s.CheckIn = &CheckInView{
			Activity: text.Draw(t, "activity"), Channel: text.Draw(t, "channel"), Store: text.Draw(t, "store"),
			Attributes: attributes(),
		}
	}
	if present("referral") {
		s.Referral = &ReferralView{SameDevice: rapid.Bool().Draw(t, "same device"), Code: text.Draw(t, "code")}
	}
	return s
}
