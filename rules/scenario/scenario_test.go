package scenario_test

import (
	"strings"
	"testing"

	"accrue/rules/scenario"
)

const shop = `programme: shop
currency: CNY
time_zone: Asia/Shanghai
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: full-100, on: order, earn: {points: 50, per: 100.00}}
`

func run(text string) *scenario.Report {
	files := map[string][]byte{"shop/programme.yaml": []byte(shop), "shop/scenario.yaml": []byte(text)}
	return scenario.Run(files, "shop/scenario.yaml", []byte(text))
}

// A scenario that is as expected says so and says nothing else.
func TestPassed(t *testing.T) {
	r := run(`title: Spending earns
member: anna
steps:
  - {order: o1, at: 2026-06-01 10:00, total: 137.50}
  - expect: {balance: 187, pending: 0, points: {spend: 137, full-100: 50}, decision: GRANTED}
`)
	if !r.Passed() || r.String() != "" || r.Title != "Spending earns" || r.Expectations != 5 {
		t.Errorf("the report is %+v", r)
	}
}

// Differences are told in words, each at its value, and -update puts what is in their place and touches nothing else.
func TestDifferences(t *testing.T) {
	const text = `title: 安娜 spends
member: 安娜
steps:
  - {order: o1, at: 2026-06-01 10:00, total: 137.50}   # a comment
  - {refund: o1, at: "2026-06-02T02:00:00Z", amount: 40.00}
  - expect: {decision: GRANTED, balance: 10, points: {spend: 97, full-100: 50}, reason: "because"}
  - expect: {at: 2026-07-01, balance: 97, pending: 3}
`
	r := run(text)
	want := `shop/scenario.yaml:6:42: after the refund of o1 of 2026-06-02 10:00 安娜 has 97 points to spend, expected 10
shop/scenario.yaml:6:24: after the refund of o1 of 2026-06-02 10:00 安娜 is answered NOTHING, expected GRANTED
shop/scenario.yaml:6:89: after the refund of o1 of 2026-06-02 10:00 安娜 is told "1 of 1 refunded lines of order o1 are honoured: 90 points taken back", expected "because" in it
shop/scenario.yaml:6:76: after the refund of o1 of 2026-06-02 10:00 安娜 has 0 points of rule full-100, expected 50
shop/scenario.yaml:7:52: at 2026-07-01 安娜 has 0 points pending, expected 3
`
	if r.String() != want {
		t.Errorf("the differences are\n%s\nexpected\n%s", r, want)
	}
	updated := strings.NewReplacer("GRANTED", "NOTHING", "balance: 10,", "balance: 97,", "full-100: 50", "full-100: 0", "pending: 3", "pending: 0",
		`"because"`, `"1 of 1 refunded lines of order o1 are honoured: 90 points taken back"`).Replace(text)
	if string(r.Updated) != updated {
		t.Errorf("updated it is\n%s\nexpected\n%s", r.Updated, updated)
	}
	if again := run(string(r.Updated)); !again.Passed() {
		t.Errorf("updated it still differs:\n%s", again)
	}
}

// What is wrong with a scenario file is told at its place, all at once.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "shop/scenario.yaml:1:1: the file is empty\n"},
		{
			"title: x\nsteps:\n  - {order: o1, member: anna, at: 2026-06-01, total: 1.00, expect: 3}\n",
			"shop/scenario.yaml:3:60: unknown key `expect`: the step `order` has order, member, at, event, status, currency, total, lines, channel, store, device, ip, payment, coupons, attributes\n",
		},
		{
			"title: x\nmember: anna\nsteps:\n  - {order: o1, at: yesterday, total: 1.00}\n  - {order: o2, at: 2026-06-01, total: 1.005}\n  - {order: o3, total: 1.00}\n  - {again: o9}\n",
			"shop/scenario.yaml:4:21: `at` must be a time such as 2026-06-01 10:00 or 2026-06-01T10:00:00Z, not \"yesterday\"\n" +
				"shop/scenario.yaml:4:6: the step `order` needs `at`: when it happened\n" +
				"shop/scenario.yaml:5:40: `total` must be an amount of CNY with at most 2 decimals, not \"1.005\"\n" +
				"shop/scenario.yaml:6:6: the step `order` needs `at`: when it happened\n" +
				"shop/scenario.yaml:7:13: no event before has the id \"o9\"\n",
		},
		{"title: x\nsteps:\n  - {order: o1, at: 2026-06-01, total: 1.00}\n", "shop/scenario.yaml:3:6: whose is it? name the `member` here or at the top of the scenario\n"},
		{"title: x\nmember: a\nsteps:\n  - expect: {points: {spent: 1}}\n", "shop/scenario.yaml:4:23: the programme has no rule \"spent\"\n"},
		{"title: x\nsteps: [{pay: o1}]\n", "shop/scenario.yaml:2:9: a step begins with order, refund, cancel, check-in, referral, profile, command, spend, return, again or expect\n"},
		{"title: x\n\tsteps: 1\n", "shop/scenario.yaml:2:1: not valid YAML"},
		{
			"title: x\nversions: [{file: july.yaml, from: 2026-07-01}]\nsteps: [{expect: {member: a, balance: 0}}]\n",
			"shop/scenario.yaml:2:12: a version is {file: a file beside the scenario, from: a time}; there is no shop/july.yaml\n",
		},
	} {
		r := run(c.text)
		if r.Passed() || len(r.Differences) > 0 || !strings.HasPrefix(r.String(), c.want) {
			t.Errorf("of\n%s\nit is said\n%s\nexpected\n%s", c.text, r, c.want)
		}
	}
}

// A programme that cannot be used is told as `accrue rules check` tells it.
func TestWrongProgramme(t *testing.T) {
	files := map[string][]byte{"p.yaml": []byte("programme: shop\ncurrency: CNY\ntime_zone: UTC\nrulez: []\n")}
	r := scenario.Run(files, "scenario.yaml", []byte("title: x\nsteps: [{expect: {member: a, balance: 0}}]\n"))
	if got := r.String(); !strings.Contains(got, "p.yaml:4:1: unknown key `rulez` (did you mean \"rules\"?)\n") {
		t.Errorf("it is said\n%s", got)
	}
}

// Scenarios are told from programmes by their names.
func TestIsFile(t *testing.T) {
	for name, want := range map[string]bool{
		"scenario.yaml": true, "a/b/scenario.yaml": true, "late.scenario.yaml": true, "programme.yaml": false, "scenario.yml": false, "myscenario.yaml": false,
	} {
		if scenario.IsFile(name) != want {
			t.Errorf("IsFile(%q) is %t", name, !want)
		}
	}
}

// Whatever the bytes are, a scenario ends with a report.
func FuzzRun(f *testing.F) {
	f.Add([]byte("title: x\nmember: a\nsteps:\n  - {order: o1, at: 2026-06-01 10:00, total: 1.00}\n  - {refund: o1, at: 2026-06-02, amount: 1}\n  - expect: {balance: 1, points: {spend: 2}, tier: x, until: never}\n"))
	f.Add([]byte("title: [\n"))
	f.Add([]byte("steps:\n  - check-in: a\n    at: 2026-06-01\n  - {again: a check-in}\n  - {cancel: o1, member: b, at: 2026-01-01}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r := run(string(text)); r.Passed() && len(r.Updated) != len(text) {
			t.Errorf("it passed and was rewritten: %q", r.Updated)
		}
	})
}
