package explain

import (
	"testing"
	"time"

	"accrue/rules/programme"
)

// The shapes of conditions that programmes use, in words of both languages, and what is quoted because there are no words for it.
func TestConditions(t *testing.T) {
	shanghai, err := programme.LoadZone("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := &programme.Programme{Currency: programme.Currency{Code: "CNY", Digits: 2}, Scale: 2, Zone: shanghai}
	for _, c := range []struct{ source, en, zh string }{
		// comparisons
		{`order.total >= 10.00`, "the order's total is at least 10 CNY", "订单金额至少为 10 元"},
		{`order.total > 9999.5`, "the order's total is more than 9,999.50 CNY", "订单金额大于 9,999.50 元"},
		{`order.total > -0.5`, "the order's total is more than -0.50 CNY", "订单金额大于 -0.50 元"},
		{`100.00 > order.total`, "the order's total is less than 100 CNY", "订单金额小于 100 元"},
		{`!(order.total <= 20.00)`, "the order's total is more than 20 CNY", "订单金额大于 20 元"},
		{`member.points < 20000`, "the number of points that the member can spend is less than 20,000", "会员可用积分小于 20,000"},
		{`order.channel == "app"`, `the order's channel is "app"`, "订单渠道为“app”"},
		{`order.channel != 'web'`, `the order's channel is not "web"`, "订单渠道不为“web”"},
		{`referral.code != ""`, "the invitation code is not empty", "邀请码不为空"},
		{`order.store == ""`, "the order's store is empty", "订单门店为空"},
		{`member.tier == "gold"`, "the member's level is gold", "会员等级为 gold"},
		{`member.tier in ["gold", "platinum"]`, "the member's level is gold or platinum", "会员等级为 gold 或 platinum"},
		{
			`!(line.category in ["charity", "fee", "manual"])`, `the line's category is neither "charity", "fee" nor "manual"`,
			"商品行的类目不为“charity”、“fee”或“manual”",
		},
		{`order.store in ["x"]`, `the order's store is "x"`, "订单门店为“x”"},

		// which order, and when
		{`order.number == 1`, "it is the member's first order", "该订单是会员的首单"},
		{`order.number > 1`, "it is not the member's first order", "该订单不是会员的首单"},
		{`order.number == 3`, "it is the member's 3rd order", "该订单是会员的第 3 单"},
		{`order.number == 11`, "it is the member's 11th order", "该订单是会员的第 11 单"},
		{`order.number < 4`, "it is one of the member's first 3 orders", "该订单是会员的前 3 单之一"},
		{
			`order.number != 3`, "the number of the order among the member's (the first is 1) is not 3",
			"订单在会员订单中的序号（首单为 1）不为 3",
		},
		{`now.getDate() == 8`, "it is the 8th of a month", "当天是每月 8 日"},
		{`now.getDate() in [1, 22]`, "it is the 1st or 22nd of a month", "当天是每月 1 日或 22 日"},
		{`!(now.getDayOfMonth() == 7)`, "it is not the 8th of a month", "当天不是每月 8 日"},
		{`now.getDate() <= 7`, "the day of the month is at most 7", "当月日期不超过 7"},
		{`now.getMonth() == 5`, "the month is June", "当月是 6 月"},
		{`now.getMonth() >= 5`, "the month (January is 1) is at least 6", "月份至少为 6"},
		{`now.getDayOfWeek() in [0, 6]`, "it is a Sunday or Saturday", "当天是周日或周六"},
		{`now.getHours() >= 17`, "it is 17:00 or later", "时间不早于 17:00"},
		{`now.getHours() <= 8`, "it is before 9:00", "时间早于 9:00"},
		{`now.getFullYear() == 2026`, "the year is 2026", "年份为 2026"},
		{
			`now < timestamp("2026-06-18T10:00:00+08:00")`, "the time of the event is before 18 June 2026, 10:00",
			"事件时间早于 2026 年 6 月 18 日 10:00",
		},
		{
			`now - member.joined_at <= duration("720h")`,
			"the time from the time at which the member joined to the time of the event is at most 720 hours",
			"自会员入会时间至事件时间的时长不超过 720 小时",
		},

		// joined
		{
			`order.number == 1 && order.total >= 50.00`, "it is the member's first order, and the order's total is at least 50 CNY",
			"该订单是会员的首单，且订单金额至少为 50 元",
		},
		{
			`(order.channel == "app" || order.store == "x") && member.orders >= 5`,
			`(the order's channel is "app", or the order's store is "x"), and the number of the member's earlier orders is at least 5`,
			"（订单渠道为“app”，或订单门店为“x”），且会员此前的订单数至少为 5",
		},
		{
			`!(order.channel == "app" && order.number == 1)`,
			`the order's channel is not "app", or it is not the member's first order`,
			"订单渠道不为“app”，或该订单不是会员的首单",
		},

		// texts, lists and attributes
		{`!line.category.startsWith("gift-card")`, `the line's category does not begin with "gift-card"`, "商品行的类目不以“gift-card”开头"},
		{`line.sku.endsWith("X") || line.brand.contains("茶")`, `the line's product number ends with "X", or the line's brand contains "茶"`, "商品行的商品编号以“X”结尾，或商品行的品牌含有“茶”"},
		{`!("staff" in order.coupons)`, `the order's coupons do not include "staff"`, "订单所用优惠券不包含“staff”"},
		{`"vip" in member.segments`, `the member's segments include "vip"`, "会员所属人群包含“vip”"},
		{`"new" in line.tags`, `the line's tags include "new"`, "商品行的标签包含“new”"},
		{`order.attributes["gift"] == "yes"`, `the attribute "gift" of the order is "yes"`, "订单的属性“gift”为“yes”"},
		{`member.attributes.city == "上海"`, `the attribute "city" of the member is "上海"`, "会员的属性“city”为“上海”"},
		{`has(order.attributes.gift)`, `the order has the attribute "gift"`, "订单有属性“gift”"},
		{`!("gift" in check_in.attributes)`, `the activity has no attribute "gift"`, "活动没有属性“gift”"},
		{
			`order.lines.exists(l, l.category.startsWith("food/tea"))`,
			`at least one of the order's lines is such that its category begins with "food/tea"`,
			"订单商品行中至少有一项其类目以“food/tea”开头",
		},
		{
			`!order.lines.exists(l, l.brand == "A" && l.amount >= 5.00)`,
			`none of the order's lines is such that (its brand is "A", and its amount is at least 5 CNY)`,
			"订单商品行中没有一项（其品牌为“A”，且其金额至少为 5 元）",
		},
		{`order.coupons.all(c, c.matches("^S[0-9]+$"))`, `each of the order's coupons is such that it matches the pattern "^S[0-9]+$"`, "订单所用优惠券中每一项均其符合模式“^S[0-9]+$”"},
		{`size(order.lines) >= 20`, "the number of the order's lines is at least 20", "订单商品行的数量至少为 20"},
		{`order.lines.filter(l, l.quantity > 1).size() == 2`, "the number of the order's lines such that its quantity is more than 1 is 2", "订单商品行中其数量大于 1 的数量为 2"},
		{`order.total * 2 >= member.spend`, "the order's total times 2 is at least the amount of the member's earlier orders", "订单金额乘以 2 至少为会员此前的订单金额合计"},
		{`order.total - 5.00 > 1.5 * member.spend`, "the order's total minus 5 CNY is more than 1.5 times the amount of the member's earlier orders", "订单金额减 5 元大于 1.5 乘以会员此前的订单金额合计"},

		// truths
		{`referral.same_device`, "the two members have used one device", "邀请人与受邀会员使用同一设备"},
		{`!referral.same_device`, "the two members have not used one device", "邀请人与受邀会员未使用同一设备"},
		{`referral.same_device == false`, "the two members have not used one device", "邀请人与受邀会员未使用同一设备"},
		{`true`, "in any case", "任何情况"},

		// what has no words is quoted as it is written, and only that
		{
			`member.tier == "gold" && order.total % 2 == 0`, "the member's level is gold, and the condition `order.total % 2 == 0` holds",
			"会员等级为 gold，且满足表达式 `order.total % 2 == 0`",
		},
		{
			"(order.number > 1 ? 2 : 3) == 2\n  && order.channel == \"a && b\"",
			"the condition `(order.number > 1 ? 2 : 3) == 2` holds, and the order's channel is \"a && b\"",
			"满足表达式 `(order.number > 1 ? 2 : 3) == 2`，且订单渠道为“a && b”",
		},
		{
			`order.store == "x" || order.channel < "b"`, "the condition `order.store == \"x\" || order.channel < \"b\"` holds",
			"满足表达式 `order.store == \"x\" || order.channel < \"b\"`",
		},
		{
			`order.lines.exists(a, order.lines.exists(b, a.sku == b.sku))`,
			"the condition `order.lines.exists(a, order.lines.exists(b, a.sku == b.sku))` holds",
			"满足表达式 `order.lines.exists(a, order.lines.exists(b, a.sku == b.sku))`",
		},
	} {
		condition := &programme.Condition{Source: c.source}
		for language, want := range map[Language]string{English: c.en, Chinese: c.zh} {
			teller := &teller{p: p, language: language}
			if got := teller.condition(condition); got != want {
				t.Errorf("%s in %s:\n got %s\nwant %s", c.source, language, got, want)
			}
		}
	}
}

// A rule's dates are those of the programme's zone; where it ends as a day begins, the last day is named.
func TestInForce(t *testing.T) {
	shanghai, err := programme.LoadZone("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour int) time.Time { return programme.Instant(2026, time.June, day, hour, 0, 0, 0, shanghai) }
	none := time.Time{}
	for _, c := range []struct {
		from, to time.Time
		en, zh   string
	}{
		{at(18, 0), at(19, 0), "Only on 18 June 2026.", "仅限 2026 年 6 月 18 日当天。"},
		{at(18, 0), at(21, 0), "From 18 June 2026 to 20 June 2026, the last day included.", "自 2026 年 6 月 18 日起至 2026 年 6 月 20 日止（含最后一天）。"},
		{at(18, 10), at(19, 0), "From 18 June 2026, 10:00 to 18 June 2026, the last day included.", "自 2026 年 6 月 18 日 10:00 起至 2026 年 6 月 18 日止（含最后一天）。"},
		{at(18, 0), at(18, 12), "From 18 June 2026 until 18 June 2026, 12:00, the last moment not included.", "自 2026 年 6 月 18 日起至 2026 年 6 月 18 日 12:00 止（不含最后时刻）。"},
		{at(1, 0), none, "From 1 June 2026 on.", "自 2026 年 6 月 1 日起。"},
		{none, at(1, 0), "Until 31 May 2026, that day included.", "至 2026 年 5 月 31 日止（含当天）。"},
		{none, at(1, 9), "Until 1 June 2026, 09:00, that moment not included.", "至 2026 年 6 月 1 日 09:00 止（不含该时刻）。"},
	} {
		for language, want := range map[Language]string{English: c.en, Chinese: c.zh} {
			teller := &teller{p: &programme.Programme{Zone: shanghai}, language: language}
			teller.inForce(c.from, c.to)
			if len(teller.told) != 1 || teller.told[0].Text != want {
				t.Errorf("%v: want %s", teller.told, want)
			}
		}
	}
}
