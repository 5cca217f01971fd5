package programme_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accrue/rules/programme"
)

// What conditions mean: each holds, or does not, for the order of benchScope.
func TestConditionMet(t *testing.T) {
	scope := benchScope(t)
	scope.Order.Coupons = []string{"SPRING"}
	scope.Order.Attributes = map[string]string{"gift": "yes"}
	scope.Member.Orders, scope.Member.Pending, scope.Member.Streak = 2, 50, 4
	scope.Order.Lines[0].Tags = []string{"tea"}
	scope.Member.Segments, scope.Member.Attributes = []string{"new", "vip"}, map[string]string{"city": "上海"}
	scope.Member.JoinedAt = time.Date(2026, 5, 18, 23, 0, 0, 0, time.UTC)
	for when, want := range map[string]bool{
		`order.total == 123.45`:                                              true,
		`order.total >= 123.46`:                                              false,
		`order.total > 123.4`:                                                true,
		`order.total != 123.450`:                                             false,
		`-order.total < -123.44`:                                             true,
		`order.total + 0.55 == 124.00`:                                       true,
		`order.total - 123.45 == 0.00`:                                       true,
		`order.total * 2 == 246.90`:                                          true,
		`2 * order.total == 246.90`:                                          true,
		`order.total * 0.1 == 12.345`:                                        true,
		`order.total * -0.5 < 0.0`:                                           true,
		`order.total in [1.00, 123.45]`:                                      true,
		`order.total in [1.00, 2.00]`:                                        false,
		`(order.number > 1 ? order.total : member.spend) < 200.00`:           true,
		`member.spend == 2500.00 && member.points == 1200`:                   true,
		`member.orders + member.pending + member.streak == 56`:               true,
		`member.tier in ["gold"]`:                                            true,
		`"SPRING" in order.coupons && order.coupons.size() == 1`:             true,
		`order.coupons == []`:                                                false,
		`order.attributes.gift == "yes" && order.attributes.size() == 1`:     true,
		`has(order.attributes.gift) && !has(order.attributes.no)`:            true,
		`"gift" in order.attributes`:                                         true,
		`order.lines.exists(l, l.sku == "x" && l.amount > 20.00)`:            true,
		`order.lines.all(l, l.amount >= 100.00)`:                             false,
		`order.lines.filter(l, "tea" in l.tags).size() == 1`:                 true,
		`order.lines.exists_one(l, l.quantity == 0 && l.brand == "")`:        false,
		`order.lines[1].sku == "x"`:                                          true,
		`order.lines[0] == order.lines[1]`:                                   false,
		`order.lines.map(l, l.sku) == ["a", "x"]`:                            true,
		`order.channel.matches("^w.b$") && order.store == ""`:                true,
		`now.getDate() == 18 && now.getMonth() == 5 && now.getHours() == 10`: true, // 02:00 UTC is 10:00 in Shanghai
		`now.getDayOfWeek() == 4 && now.getDayOfYear() == 168`:               true,
		`now > timestamp("2026-06-18T01:59:59Z")`:                            true,
		`(now - duration("11h")).getDate() == 17`:                            true,
		`now.getFullYear() / 4 * 4 == 2024 && 7 % 4 == 3`:                    true,
		`order.currency == "CNY" || order.lines[9].sku == "x"`:               true,
		`"vip" in member.segments && member.segments.size() == 2`:            true,
		`member.segments.exists(s, s.startsWith("v"))`:                       true,
		`member.attributes.city == "上海" && !has(member.attributes.town)`:     true,
		`member.age_days == 30`:                                              true, // 19 May in Shanghai
		`member.joined_at < now && member.joined_at.getDate() == 19`:         true,
		`now - member.joined_at == duration("723h")`:                         true,
		`true`: true,
	} {
		met, err := compiled(t, when, "").Met(scope)
		if err != nil || met != want {
			t.Errorf("%s: %v, %v, want %v", when, met, err, want)
		}
	}
	for lines, want := range map[string]bool{
		`line.category.startsWith("food/")`:                                    true,
		`line.amount == 100.00 && line.quantity == 0 && line.tags.size() == 0`: true,
		`line.sku == "a" && order.number == 3 && member.tier == "gold"`:        true,
		`line.brand != "" || now.getHours() < 10`:                              false,
	} {
		met, err := compiled(t, "", lines).Met(scope)
		if err != nil || met != want {
			t.Errorf("lines: %s: %v, %v, want %v", lines, met, err, want)
		}
	}
}

// Over a clock change, a time moved within a condition shows what clocks show then.
func TestNowMovedOverClockChange(t *testing.T) {
	scope := benchScope(t)
	scope.Now = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC).In(zone(t, "Europe/London"))
	for when, want := range map[string]bool{
		`now.getHours() == 13`:                                true,
		`(now - duration("24h")).getHours() == 12`:            true,
		`now.getHours() == 13 && now - duration("24h") < now`: true,
	} {
		if met, err := compiled(t, when, "").Met(scope); err != nil || met != want {
			t.Errorf("%s: %v, %v", when, met, err)
		}
	}
}

// A condition that fails when run says why, in words for a decision.
func TestConditionErrors(t *testing.T) {
	scope := benchScope(t)
	scope.Order.Total = 9_000_000_000_000_000_001
	scope.Member.Points = 9_000_000_000_000_000_000
	for when, want := range map[string]string{
		`order.total * 2000 > 0.00`:         "the number is too large: 90000000000000000.01 * 2000",
		`order.total + order.total > 0.00`:  "the number is too large: 90000000000000000.01 + 90000000000000000.01",
		`-order.total - order.total > 0.00`: "the number is too large: -90000000000000000.01 - 90000000000000000.01",
		`member.points + member.points > 0`: "a whole number is too large",
		`member.points / member.orders > 0`: "division by zero",
		`member.points % member.orders > 0`: "division by zero",
		`order.lines[7].sku == "x"`:         "there is no item 7",
		`order.attributes["gift"] == "x"`:   `there is no "gift"`,
		`order.attributes.gift == "x"`:      `there is no "gift"`,
		`member.age_days > 30`:              "it is not known when the member joined",
		`member.joined_at < now`:            "it is not known when the member joined",
		`member.joined_at.getDate() == 1`:   "it is not known when the member joined",
		`member.attributes.city == "x"`:     `there is no "city"`,
		`int(order.channel) == 1`:           `type conversion error from 'string' to 'int'`,
	} {
		met, err := compiled(t, when, "").Met(scope)
		if met || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", when, met, err, want)
		}
	}
	if _, err := compiled(t, `order.number == 1`, "").Met(&programme.Scope{}); err == nil {
		t.Error("a condition on an order was met without one")
	}
}

// Conditions that must not compile, with what is said about each.
func TestConditionRefused(t *testing.T) {
	for when, want := range map[string]string{
		`order.total >= 1000`:                                        "write 1000.00",
		`1000 <= order.total`:                                        "write 1000.00",
		`order.total == 0`:                                           "write 0.00",
		`order.total in [5.00, 10.005]`:                              "10.005: CNY has two decimals",
		`order.lines.exists(l, l.amount > 0.001)`:                    "0.001: CNY has two decimals",
		`order.total > 1234567890123456.5`:                           "more than 15 digits",
		`order.total > 1e3`:                                          "exponent",
		`order.total / 2 > 1.00`:                                     "`/` does not take money or a decimal, int",
		`double("1.5") > order.total`:                                "no floating point",
		`dyn(order.total) > 1.00`:                                    "unknown function `dyn`",
		`type(order.total) == string`:                                "unknown",
		`order.total`:                                                "a condition must be true or false",
		`now.getHours("Asia/Tokyo") == 1`:                            "takes no time zone",
		`order.store.matches(order.channel)`:                         "must be a text in quotes",
		`order.store.matches("(")`:                                   "the pattern of matches() is wrong",
		`duration("1 day") > duration("1h")`:                         "duration",
		`timestamp("yesterday") < now`:                               "timestamp",
		`check_in.activity == "x"`:                                   "`check_in` can be seen in rules `on: check_in` only",
		`line.sku == "x"`:                                            "`line` can be seen in `lines` only",
		`line == line`:                                               "`line` can be seen in `lines` only",
		`has(member.joined_at)`:                                      "has() asks for an attribute: a condition on `member.joined_at` is not met where that is not known",
		`referral.same_device`:                                       "`referral` can be seen in rules `on: referral` only",
		`member.tier == "goldd"`:                                     `there is no level "goldd" (did you mean "gold"?)`,
		`member.tier in ["member", "silver"]`:                        `there is no level "silver"`,
		`order.lines.exists(order, order.sku == "x")`:                "`order` has a meaning already",
		`order.lines.exists(l, l.totl > 1.00)`:                       "there is no field `totl`",
		`order.lines.exists(l, l.amnt > 1.00)`:                       `did you mean "amount"?`,
		`order.lines.exists(l, order.lines.exists(k, k == l))`:       "may cost too much",
		`order.line{sku: "x"} == order.lines[0]`:                     "cannot build objects",
		`order.`:                                                     "unexpected '.'",
		`order.total >= 1.00 &`:                                      "not valid CEL",
		`(((((order.number))))) == `:                                 "it ends too early",
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300): "not valid CEL",
		strings.Repeat("order.number == 1 && ", 300) + "true":        "at most 4000 are read",
		`order.coupons.size() == 1.0`:                                "`==` does not take",
		`ordr.total > 1.00`:                                          `did you mean "order"?`,
		`order.store.startWith("x")`:                                 `did you mean "startsWith"?`,
		`{1: 2}[1] == 2 && {"a": 1, 2: 3}.size() == 2`:               "different types",
		`@decimal(1, 2) == order.total`:                              "not valid CEL",
		`order.total.cents == 1`:                                     "there is no field `cents`",
	} {
		text := "programme: p\ncurrency: CNY\ntime_zone: UTC\n" +
			"tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 1000}]}\n" +
			"rules:\n- id: r\n  on: order\n  earn: {points: 1}\n  when: |-\n    " + when + "\n"
		p, problems := programme.ParseWhole(map[string][]byte{"p.yaml": []byte(text)})
		if p != nil || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: want %q among:\n%s", shortened(when), want, problems)
		}
	}
}

func shortened(text string) string { return text[:min(len(text), 80)] }

func TestReferences(t *testing.T) {
	got := compiled(t, `order.total > 1.00 && (member.tier == "gold" || order.lines.exists(l, l.sku == "x")) && order.total < 9.00`, "").References()
	if diff := cmp.Diff([]string{"member.tier", "order.lines", "order.total"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// One condition may be evaluated by many goroutines, each with a scope of its own.
func TestConditionConcurrently(t *testing.T) {
	condition := compiled(t, `order.total * 2 >= 10.00 && order.lines.exists(l, l.sku == "x")`, "")
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			scope := benchScope(t)
			scope.Order.Total = programme.Money(100 * i)
			for range 500 {
				if met, err := condition.Met(scope); err != nil || met != (i >= 5) {
					t.Errorf("total %d: %v, %v", scope.Order.Total, met, err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// The targets of speed that do not depend on the machine.
func TestConditionAllocations(t *testing.T) {
	scope := benchScope(t)
	for _, c := range []struct{ when, lines string }{
		{when: `order.total >= 10.00 && member.tier == "gold"`},
		{lines: `!line.category.startsWith("gift-card")`},
	} {
		condition := compiled(t, c.when, c.lines)
		if got := testing.AllocsPerRun(200, func() { _, _ = condition.Met(scope) }); got != 0 {
			t.Errorf("%s%s: %v allocations", c.when, c.lines, got)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		`order.total >= 10.00 && member.tier == "gold"`, `!line.category.startsWith("gift-card")`, `order.totl`,
		`order.lines.exists(l, l.amount * 2 > 1.5)`, `now.getDate() == 8`, `[1, 2.5].size() == {"a": 1}.size()`,
		`order.total * 99999999999.5 * 1.25 > 0.1`, `-9223372036854775808 == order.number`, "a\n+\n\"中", `x.map(y, z)`,
		`order.store.matches("(a+)+$")`, `int(order.channel) / 0 == 1u`, `b"x" == b'\xff'`, `has(order.attributes.a)`,
		`timestamp("2026-01-01T00:00:00Z") - now < duration("9999999h")`, `order.lines[order.number].tags[-1] == ""`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	scope := benchScope(f)
	f.Fuzz(func(t *testing.T, condition string, lines bool) {
		key := "when"
		if lines {
			key = "lines"
		}
		text := "programme: p\ncurrency: CNY\ntime_zone: UTC\nrules:\n- id: r\n  on: order\n  earn: {points: 1}\n  " +
			key + ": " + quote(condition) + "\n"
		p, problems := programme.ParseWhole(map[string][]byte{"p.yaml": []byte(text)})
		if p == nil {
			if !problems.Failed() {
				t.Error("refused without an error")
			}
			return
		}
		rule := p.Rules[0]
		compiled := rule.When
		if lines {
			compiled = rule.Lines
		}
		if compiled == nil || compiled.Source == "" {
			t.Fatalf("no condition in %q", text)
		}
		first, err := compiled.Met(scope)
		second, again := compiled.Met(scope)
		if first != second || (err == nil) != (again == nil) || err != nil && first {
			t.Errorf("%q: %v, %v, then %v, %v", condition, first, err, second, again)
		}
	})
}

// quote writes a text as a double-quoted YAML scalar.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(text) + `"`
}
