package programme

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The head promise of native.go: a compiled condition gives what CEL's interpreter gives, for every condition and every
// scope, in the words of errors too. Conditions and scopes are made up; each condition is built from the part of the
// language that is compiled, so one that is not compiled is a failure as well.

// nativeCompilers compile for programmes whose money has the currency's decimals, and more.
func nativeCompilers(tb testing.TB) []*compiler {
	tb.Helper()
	compilers := make([]*compiler, 0, 2)
	for _, scale := range []int{2, 5} {
		compilers = append(compilers,
			newCompiler(Currency{Code: "CNY", Digits: 2}, scale, []string{"member", "gold"}, func(Problem) {}))
	}
	return compilers
}

func (c *compiler) compileText(text string, on Trigger, lines bool) *Condition {
	where := sight(on, 0)
	if lines {
		where |= inLines
	}
	return c.compile(text, make([]Position, len([]rune(text))+1), where)
}

// agree compares both ways of running a condition. It returns whether there was an error.
func agree(tb interface{ Fatalf(string, ...any) }, c *Condition, s *Scope) (met, failed bool) {
	got, gotErr := c.Met(s)
	want, wantErr := c.interpreted(s)
	if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		tb.Fatalf("%s\ncompiled: %v, %v\ninterpreted: %v, %v\nscope: %s", c.Source, got, gotErr, want, wantErr, shown(s))
	}
	return got, gotErr != nil
}

func shown(s *Scope) string {
	return fmt.Sprintf("%+v\norder %+v\nline %+v\ncheck-in %+v\nreferral %+v", *s, s.Order, s.Line, s.CheckIn, s.Referral)
}

// TestNativeAgrees also counts, so that it cannot become a test of conditions that are all refused or all false.
func TestNativeAgrees(t *testing.T) {
	compilers := nativeCompilers(t)
	var compiled, met, failed, all int
	rapid.Check(t, func(t *rapid.T) {
		for range 12 {
			condition := drawCondition(t, compilers)
			if condition == nil {
				continue
			}
			compiled++
			for range 8 {
				isMet, isFailed := agree(t, condition, drawScope(t))
				all++
				met += count(isMet)
				failed += count(isFailed)
			}
		}
	})
	t.Logf("%d conditions, %d evaluations: %d met, %d errors", compiled, all, met, failed)
	if compiled < 600 || met < all/10 || failed < all/50 || met+failed > all*9/10 {
		t.Error("the made-up conditions say too little")
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// FuzzNativeAgrees is TestNativeAgrees with the fuzzer choosing.
func FuzzNativeAgrees(f *testing.F) {
	compilers := nativeCompilers(f)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		if condition := drawCondition(t, compilers); condition != nil {
			for range 4 {
				agree(t, condition, drawScope(t))
			}
		}
	}))
}

// FuzzNativeText takes any text for a condition, so it finds what the generator never writes.
func FuzzNativeText(f *testing.F) {
	for _, text := range append(nativeConditions(), interpretedConditions()...) {
		f.Add(text, false)
		f.Add(text, true)
	}
	compilers := nativeCompilers(f)
	scopes := nativeScopes(20)
	f.Fuzz(func(t *testing.T, text string, lines bool) {
		condition := compilers[0].compileText(text, OnOrder, lines)
		if condition == nil || condition.native == nil {
			return
		}
		for _, s := range scopes {
			agree(t, condition, s)
		}
	})
}

// nativeScopes are the same scopes in each run.
func nativeScopes(n int) []*Scope {
	scopes := []*Scope{{}}
	for i := range n {
		scopes = append(scopes, rapid.Custom(drawScope).Example(i))
	}
	return scopes
}

// delicateConditions are those in which a small mistake shows in few scopes only: which of several errors counts, what
// makes up for an error, where calendars begin to count, the edges of numbers.
func delicateConditions() []string {
	conditions := []string{
		`order.channel.endsWith("a")`, `order.channel.startsWith("go")`, `order.channel.contains("o")`, `order.store.size() == 1`,
		`size(order.channel) < 3`, `order.channel < "b"`, `"b" <= order.channel`, `order.number <= -1`, `5 >= order.number`,
		`member.points % member.orders == 0`, `member.points / member.orders == 0`, `member.points - member.orders < 0`,
		`member.points * member.orders < 0`, `-member.points < 0`, `member.points % -1 == 0`, `member.points / -1 < 0`,
		`-order.total < 1.00`, `order.total - member.spend > 0.00`, `order.total * member.points < 5.00`,
		`order.total * 3.75 == member.spend`, `order.total + member.spend != 0.10`,
		`order.number / member.orders > 0 && order.total * 99999999999.5 > 0.00`,
		`order.number / member.orders > 0 || order.total * 99999999999.5 > 0.00`,
		`order.number / member.orders > 0 && order.total * 99999999999.5 > 0.00 && has(order.attributes.a)`,
		`order.attributes.a == "x" || order.attributes.gift == "x"`, `order.attributes.a == "x" ? false : order.attributes.gift != "x"`,
		`order.attributes.a in order.attributes || order.attributes["gift"].startsWith(order.attributes["web"])`,
		`order.attributes.a in []`, `!(order.attributes.a == "x")`, `order.attributes.a == order.attributes.gift`,
		`order.number / member.orders + order.number * 4611686018427387904 > 0`,
	}
	for _, macro := range []string{"exists(l, %s)", "all(l, %s)", "exists_one(l, %s)", "filter(l, %s).size() == 1"} {
		for _, predicate := range []string{
			`10 / l.quantity > 1`, `l.amount * 99999999999.5 > 0.00`, `l.amount * l.quantity * 1.5 <= 0.00`,
			`l.sku == "a" || l.amount * 9999999999.5 > 0.00`, `order.attributes.a == l.brand`, `l.tags.exists(l, l == "x")`,
		} {
			conditions = append(conditions, "order.lines."+fmt.Sprintf(macro, predicate))
		}
	}
	for _, question := range []string{
		"getDate() == 1", "getDayOfMonth() == 1", "getDayOfWeek() == 1", "getDayOfYear() < 100", "getFullYear() > 2025",
		"getHours() < 9", "getMilliseconds() < 500", "getMinutes() < 30", "getMonth() < 5", "getSeconds() < 30",
	} {
		conditions = append(conditions, "now."+question)
	}
	return conditions
}

// Each of them gives what the interpreter gives, in some hundreds of scopes.
func TestNativeDelicate(t *testing.T) {
	compilers := nativeCompilers(t)
	scopes := nativeScopes(400)
	for _, text := range append(delicateConditions(), nativeConditions()...) {
		for _, compiler := range compilers {
			condition := compiler.compileText(text, OnOrder, false)
			if condition == nil || condition.native == nil {
				t.Errorf("%s: not compiled", text)
				continue
			}
			for _, scope := range scopes {
				agree(t, condition, scope)
			}
		}
	}
}

// nativeConditions are one condition for each form that is compiled; they hold the sentence "this form is quick".
func nativeConditions() []string {
	return []string{
		`true`, `order.total >= 10.00 && member.tier == "gold"`, `order.total < 5.00 || !(order.number == 1)`,
		`10.00 <= order.total`, `5 > member.points`, `"web" != order.channel`, `order.channel < order.store`,
		`(order.total > 1.00) == (member.orders > 1)`, `(order.total > 1.00) > false`,
		`2 * order.total > member.spend * 0.05`, `order.total * order.total > 100.00`, `-order.total + 1.00 - 2.50 < 0.00`,
		`member.points + member.pending - 1 > -member.orders`, `member.points / 3 * 3 == member.points % 7`,
		`member.tier in ["gold", "member"]`, `order.number in [1, 10, 100]`, `order.total in [1.00, 2.50]`,
		`order.channel in []`, `"SPRING" in order.coupons`, `order.channel in order.attributes`,
		`order.number in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]`,
		`order.store.startsWith("s") && order.store.endsWith("9") && order.store.contains("-") && order.store.matches("^s.*9$")`,
		`order.store.contains(order.channel)`, `matches(order.channel, "web")`,
		`order.store.size() == 3`, `size(order.coupons) > 0 && order.attributes.size() == 1 && size(order.lines) < 3`,
		`order.number > 1 ? order.total > 1.00 : member.tier == "gold"`, `(order.number > 1 ? order.total : member.spend) < 200.00`,
		`(order.number > 1 ? 3 : member.orders) == 3 && (order.number > 1 ? "a" : order.store) != "b"`,
		`order.attributes["gift"] == "yes"`, `order.attributes.gift == "yes"`, `has(order.attributes.gift)`,
		`now.getDate() == 8 && now.getDayOfMonth() == 7 && now.getDayOfWeek() in [0, 6] && now.getMonth() == 5`,
		`now.getFullYear() == 2026 && now.getDayOfYear() > 100 && now.getHours() >= 9 && now.getMinutes() < 30`,
		`now.getSeconds() == 0 && now.getMilliseconds() == 0`,
		`now >= timestamp("2026-06-18T00:00:00+08:00")`, `timestamp("2026-06-18T00:00:00Z") == now`,
		`order.lines.exists(l, l.sku == "x" && l.amount > 20.00)`, `order.lines.all(l, l.quantity >= 1 && l.brand != "")`,
		`order.lines.exists_one(l, l.category.startsWith("food/"))`,
		`order.lines.filter(l, "tea" in l.tags).size() >= 2`, `size(order.coupons.filter(c, c != "")) == 1`,
		`order.lines.exists(l, l.quantity > 2 && l.tags.all(t, t != "x"))`,
		`order.lines.exists(l, order.coupons.all(l, l != "x"))`,
	}
}

// interpretedConditions are some that are left to the interpreter.
func interpretedConditions() []string {
	return []string{
		`order.lines[0].sku == "x"`, `order.lines.map(l, l.sku) == ["a"]`, `order.coupons == []`,
		`(now - duration("11h")).getDate() == 17`, `int(order.channel) == 1`, `order.channel + "x" == "webx"`,
		`order.number in [member.orders]`, `{"a": 1}["a"] == 1`, `1u < 2u`, `order.attributes[order.channel] == "x"`,
		`order.lines.filter(l, l.quantity > 1).exists(k, k.sku == "x")`, `order.attributes.exists(k, k == "gift")`,
		`order.coupons.map(c, c != "", c + "!").size() == 1`, `order.coupons.exists(c, order.coupons.exists(d, d < c))`,
		`order.coupons.filter(c, true) == order.coupons`, `now.getHours() == 1 && string(now) == ""`,
	}
}

// What is compiled stays compiled, and what is not agrees trivially: this test says which is which.
func TestNativeForms(t *testing.T) {
	compilers := nativeCompilers(t)
	scope := rapid.Custom(drawScope).Example(1)
	for isNative, texts := range map[bool][]string{true: nativeConditions(), false: interpretedConditions()} {
		for _, text := range texts {
			condition := compilers[0].compileText(text, OnOrder, false)
			if condition == nil {
				t.Errorf("%s: refused", text)
				continue
			}
			if (condition.native != nil) != isNative {
				t.Errorf("%s: compiled: %v, want %v", text, condition.native != nil, isNative)
			}
			agree(t, condition, scope)
			agree(t, condition, &Scope{})
		}
	}
}

// No compiled condition allocates, unless a decimal overflows and the error tells its numbers.
func TestNativeAllocations(t *testing.T) {
	compilers := nativeCompilers(t)
	scope := nativeScope(t)
	for _, text := range nativeConditions() {
		condition := compilers[0].compileText(text, OnOrder, false)
		if got := testing.AllocsPerRun(100, func() { _, _ = condition.Met(scope) }); got != 0 {
			t.Errorf("%s: %v allocations", text, got)
		}
	}
}

// What compiling is worth: the same conditions compiled and interpreted, in one run.
func BenchmarkNative(b *testing.B) {
	compilers := nativeCompilers(b)
	scope := nativeScope(b)
	for _, c := range []struct {
		name, text string
		lines      bool
	}{
		{name: "money and tier", text: `order.total >= 10.00 && member.tier == "gold"`},
		{name: "lines", text: `!line.category.startsWith("gift-card")`, lines: true},
		{name: "number", text: `order.number == 1 && order.total >= 50.00`},
		{name: "now", text: `now.getDate() == 18`},
		{name: "exists", text: `order.lines.exists(l, l.sku == "x")`},
		{name: "arithmetic", text: `2 * order.total > member.spend * 0.05`},
	} {
		condition := compilers[0].compileText(c.text, OnOrder, c.lines)
		for _, way := range []struct {
			name string
			met  func(*Scope) (bool, error)
		}{{"compiled", condition.Met}, {"interpreted", condition.interpreted}} {
			b.Run(c.name+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := way.met(scope); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// nativeScope is an order without anything unusual.
func nativeScope(tb testing.TB) *Scope {
	tb.Helper()
	zone, err := LoadZone("Asia/Shanghai")
	if err != nil {
		tb.Fatal(err)
	}
	line := LineView{SKU: "a", Category: "food/tea", Amount: 10_000, Tags: []string{"a", "tea"}}
	return &Scope{
		Now:    time.Date(2026, 6, 18, 2, 0, 0, 0, time.UTC).In(zone),
		Member: MemberView{Tier: "gold", Points: 1200, Spend: 250_000},
		Order: &OrderView{
			Total: 12_345, Number: 3, Channel: "web", Store: "s-9", Currency: "CNY", Coupons: []string{"SPRING"},
			Lines: []LineView{line, {SKU: "x", Amount: 2_345}},
		},
		Line: &line,
	}
}
