package programme

import (
	"testing"

	"pgregory.net/rapid"
)

// What is certain about a condition: N it never holds, A it always does, ? neither is known.
func TestReach(t *testing.T) {
	c := newCompiler(Currency{Code: "CNY", Digits: 2}, 2, []string{"member", "gold"}, func(p Problem) { t.Error(p) })
	c.currencies = []string{"CNY", "USD"}
	for text, want := range map[string]string{
		`order.total >= 10.00`:                                      "?",
		`order.total > 10.00 && order.total < 10.01`:                "?", // between two minor units, but a sum may have more decimals
		`order.total > 10.00 && order.total <= 10.00`:               "N",
		`order.total >= 10.00 && order.total <= 10.00`:              "?",
		`order.total == 10.00 && order.total != 10.00`:              "N",
		`order.number > 1 && order.number < 3`:                      "?",
		`order.number > 1 && order.number < 2`:                      "N",
		`1 < order.number && 2 > order.number`:                      "N",
		`order.number in [1, 2] && order.number == 3`:               "N",
		`order.number in []`:                                        "N",
		`!(order.number in [])`:                                     "A",
		`order.number >= 1`:                                         "A",
		`order.number > 0 || order.channel == "web"`:                "A",
		`!(order.number < 1)`:                                       "A",
		`order.total < 5.00 || order.total >= 5.00`:                 "A",
		`order.total < 5.00 || order.total > 5.00`:                  "?",
		`order.channel == "web" && order.channel == "app"`:          "N",
		`order.channel == "web" || order.channel == "app"`:          "?",
		`order.channel in ["web", "app"] && order.channel != "web"`: "?",
		`order.channel in ["web"] && !(order.channel == "web")`:     "N",
		`order.channel == "web" && order.store == "app"`:            "?",
		`member.tier in ["member", "gold"]`:                         "A",
		`member.tier != "member" && member.tier != "gold"`:          "N",
		`order.currency in ["CNY", "USD"]`:                          "A",
		`order.currency == "JPY"`:                                   "N",
		`now.getDate() == 31`:                                       "?",
		`now.getDate() == 32`:                                       "N",
		`now.getDayOfWeek() in [7]`:                                 "N",
		`now.getHours() < 24`:                                       "A",
		`now.getMonth() == 5 && now.getDate() == 18`:                "?",
		`member.joined_at.getDate() >= 1`:                           "?", // it may not be known
		`member.age_days >= 0`:                                      "?",
		`member.points >= 0`:                                        "?", // a debt
		`member.pending >= 0 && member.spend >= 0.00`:               "A",
		`order.coupons.size() < 0`:                                  "N",
		`size(order.coupons) >= 0`:                                  "A",
		`order.lines.exists(l, l.amount < 0.00)`:                    "?",
		`order.channel.startsWith("a") && order.number == 0`:        "N",
		`order.channel.startsWith("a") || order.number == 0`:        "?",
		`(order.number == 0 || order.number == 1) && order.total > 1.00 && (order.total < 1.00 || order.number > 0)`: "?",
		`order.number == 1 && (order.total < 0.00 || order.number == 0)`:                                             "N",
		`order.total + 1.00 < 0.00`:                     "?",
		`order.number == 1 ? false : true`:              "?",
		`false || order.number == 2`:                    "?",
		`false && order.channel == "x"`:                 "N",
		`true`:                                          "A",
		`1 + 1 == 3`:                                    "N",
		`"a" == "a"`:                                    "A",
		`order.number != 1 && order.number <= 1`:        "N",
		`order.number >= 1 && order.channel != "web"`:   "?",
		`order.total > order.total`:                     "?",
		`has(order.attributes.a) && order.number == -1`: "N",
	} {
		condition := c.compileText(text, OnOrder, false)
		if condition == nil {
			continue
		}
		got := "?"
		switch {
		case condition.reach.never && condition.reach.always:
			got = "both"
		case condition.reach.never:
			got = "N"
		case condition.reach.always:
			got = "A"
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%s)", text, got, want, condition.reach.why)
		}
	}
	same := c.compileText(`referral.same_device && !referral.same_device`, OnReferral, false)
	either := c.compileText(`referral.same_device || !referral.same_device`, OnReferral, false)
	if !same.reach.never || !either.reach.always {
		t.Errorf("same_device: %+v, %+v", same.reach, either.reach)
	}
}

// What is said about a condition is true for every event that can be: made-up conditions, asked about made-up events.
func TestReachIsCertain(t *testing.T) {
	compilers := nativeCompilers(t)
	var never, always int
	rapid.Check(t, func(t *rapid.T) {
		for range 12 {
			condition := drawCondition(t, compilers)
			if condition == nil || !condition.reach.never && !condition.reach.always {
				continue
			}
			never += count(condition.reach.never)
			always += count(condition.reach.always)
			for range 8 {
				s := lawful(drawScope(t))
				met, err := condition.Met(s)
				if condition.reach.never && met || condition.reach.always && !met && err == nil {
					t.Fatalf("%s is certain to be %+v\nscope: %s", condition.Source, condition.reach, shown(s))
				}
			}
		}
	})
	t.Logf("%d conditions that never hold, %d that always do", never, always)
	if never < 20 || always < 20 {
		t.Error("the made-up conditions say too little")
	}
}

// lawful makes of a made-up scope one that can be: what cannot be negative is not, and the tier is one of the programme's.
func lawful(s *Scope) *Scope {
	atLeast := func(n *int64, least int64) { *n = max(*n, least) }
	money := func(m *Money) { *m = max(*m, 0) }
	atLeast(&s.Member.Pending, 0)
	atLeast(&s.Member.Orders, 0)
	atLeast(&s.Member.Streak, 0)
	money(&s.Member.Spend)
	if s.Member.Tier != "gold" {
		s.Member.Tier = "member"
	}
	lines := []*LineView{}
	if s.Line != nil {
		lines = append(lines, s.Line)
	}
	if s.Order != nil {
		atLeast(&s.Order.Number, 1)
		money(&s.Order.Total)
		for i := range s.Order.Lines {
			lines = append(lines, &s.Order.Lines[i])
		}
	}
	for _, line := range lines {
		atLeast(&line.Quantity, 0)
		money(&line.Amount)
	}
	return s
}
