package programme_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accrue/rules/programme"
	"accrue/schemas"
)

var update = flag.Bool("update", false, "rewrite the expected problems in testdata")

// Each programme in testdata/bad and testdata/doubtful has, beside it, exactly the problems that are reported about it. The bad
// ones are refused, the doubtful ones are accepted with warnings.
func TestProblems(t *testing.T) {
	for _, folder := range []string{"bad", "doubtful"} {
		paths, err := filepath.Glob("testdata/" + folder + "/*.yaml")
		if err != nil || len(paths) == 0 {
			t.Fatalf("no programmes: %v", err)
		}
		for _, path := range paths {
			name := filepath.Base(path)
			t.Run(folder+"/"+strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				p, problems := programme.ParseWhole(map[string][]byte{name: content})
				if refused := p == nil; refused != (folder == "bad") || refused != problems.Failed() {
					t.Errorf("refused: %v", refused)
				}
				compareGolden(t, strings.TrimSuffix(path, ".yaml")+".txt", problems.String())
			})
		}
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("problems differ (-want +got); go test -update rewrites them:\n%s", diff)
	}
}

// A misspelt name is reported where it stands, in every style of YAML scalars.
func TestPlacesPointAtTheName(t *testing.T) {
	content, err := os.ReadFile("testdata/bad/places.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	_, problems := programme.ParseWhole(map[string][]byte{"places.yaml": content})
	found := 0
	for _, p := range problems {
		if p.Suggestion != "order.total" {
			continue
		}
		found++
		if strings.HasSuffix(lines[p.Pos.Line-1], "|2-") {
			continue // with an explicit indent, the scalar's begin has to do
		}
		if rest := string([]rune(lines[p.Pos.Line-1])[p.Pos.Column-1:]); !strings.HasPrefix(rest, "order.totl") {
			t.Errorf("%s points at %q", p, rest)
		}
	}
	if found != 8 {
		t.Errorf("%d of 8 misspelt names were found:\n%s", found, problems)
	}
}

func parse(tb testing.TB, text string) *programme.Programme {
	tb.Helper()
	p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(text)})
	if p == nil {
		tb.Fatalf("refused:\n%s", problems)
	}
	return p
}

func TestEverything(t *testing.T) {
	content, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, problems := programme.Parse(map[string][]byte{"everything.yaml": content})
	if p == nil || len(problems) != 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	// The finest minor unit is a sen: 0.0478 fen needs 4 decimals; a fil is 0.0235.
	rates := map[string]programme.Rate{}
	for code, units := range map[string]int64{"CNY": 100, "USD": 710, "JPY": 478, "KWD": 235} {
		currency, _ := programme.CurrencyOf(code)
		rates[code] = programme.Rate{Currency: currency, UnitsPerMinor: units}
	}
	want := &programme.Programme{
		ID: "city-mart", Version: p.Version, Currency: programme.Currency{Code: "CNY", Digits: 2}, Rates: rates, Scale: 4,
		Zone: zone(t, "Asia/Shanghai"), EarnOn: schemas.Completed, Rounding: programme.HalfEven, Stacking: programme.Multiply,
		ReturnWindow: programme.Duration{Days: 90}, RememberOrders: programme.Duration{Months: 36},
		Limits: []programme.Limit{
			{Points: 20000, Per: programme.PerMonth}, {Times: 50, Per: programme.PerDay, Edge: programme.Drop},
		},
		Tiers: &programme.Tiers{
			By: programme.BySpend, Span: programme.Rolling, Over: programme.Duration{Months: 12}, Then: programme.OneDown,
			Grace:  programme.Duration{Days: 30},
			Levels: []programme.Level{{ID: "member"}, {ID: "gold", At: 10_000_000}, {ID: "铂金", At: 50_000_000, FallsNever: true}},
		},
		Rules: p.Rules,
	}
	if diff := cmp.Diff(want, p, cmp.Comparer(func(a, b *time.Location) bool { return a == b }),
		cmp.Comparer(func(a, b *programme.Rule) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	compareRules(t, p)
}

func compareRules(t *testing.T, p *programme.Programme) {
	t.Helper()
	june := time.Date(2026, 6, 17, 16, 0, 0, 0, time.UTC)
	flat := &programme.Earn{Points: 1, Per: 10_000}
	want := []*programme.Rule{
		{
			ID: "spend", Title: "每消费 1 元积 1 分", On: programme.OnOrder, Earn: flat, Hold: programme.Hold{For: programme.Duration{Days: 7}},
			Limits: []programme.Limit{{Points: 1000, Per: programme.PerWeek, Edge: programme.Finish}},
		},
		{ID: "rate", On: programme.OnOrder, Earn: &programme.Earn{Rate: programme.Ratio{Num: 3, Den: 2}}, Counts: programme.CountsBalance},
		{ID: "half", On: programme.OnOrder, Boost: &programme.Boost{Of: []int{0, 1}, By: programme.Ratio{Num: 1, Den: 8}}, Group: "promo"},
		{
			ID: "june-18", On: programme.OnOrder, Boost: &programme.Boost{Of: []int{0}, By: programme.Ratio{Num: 1, Den: 1}}, Group: "promo",
			From: june, To: june.Add(34*time.Hour + 30*time.Minute),
		},
		{ID: "again", On: programme.OnOrder, Earn: flat, From: june.Add(10 * time.Hour), Mode: programme.Off},
		{ID: "second", On: programme.OnOrder, Earn: &programme.Earn{Points: 100}, Each: &programme.Each{Orders: 2, Within: programme.Duration{Days: 30}}},
		{
			ID: "half-year", On: programme.OnOrder, Earn: &programme.Earn{Points: 20},
			Each: &programme.Each{Spend: 5_000_000, Within: programme.Duration{Months: 6}},
		},
		{
			ID: "check-in", On: programme.OnCheckIn, Earn: &programme.Earn{Points: 5},
			Limits: []programme.Limit{{Times: 1, Per: programme.PerDay}, {Times: 9, Per: programme.PerEver}},
		},
		{
			ID: "streak", On: programme.OnCheckIn, Earn: &programme.Earn{Points: 30}, Each: &programme.Each{Streak: 7},
			Counts: programme.CountsBalance, Hold: programme.Hold{For: programme.Duration{Elapsed: 36 * time.Hour}}, Mode: programme.Shadow,
		},
	}
	for _, rule := range want {
		if rule.Title == "" {
			rule.Title = rule.ID
		}
	}
	ignore := cmp.FilterPath(func(path cmp.Path) bool {
		last := path.Last().String()
		return last == ".When" || last == ".Lines" || last == ".Pos"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, p.Rules, ignore); diff != "" {
		t.Errorf("rules: -want +got:\n%s", diff)
	}
	for _, rule := range p.Rules {
		if (rule.When != nil) != (rule.ID == "spend" || rule.ID == "half" || rule.ID == "check-in") || (rule.Lines != nil) != (rule.ID == "spend") {
			t.Errorf("rule %s: when %v, lines %v", rule.ID, rule.When, rule.Lines)
		}
	}
}

func TestDefaults(t *testing.T) {
	p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte("programme: p\ncurrency: JPY\nrules: [{id: a, on: order, earn: {points: 1, per: 100}}]\n")})
	if p == nil || len(problems) != 1 || problems[0].Severity != programme.Warning || !strings.Contains(problems[0].Message, "time_zone") {
		t.Fatalf("a warning about time_zone is wanted:\n%s", problems)
	}
	if p.Scale != 0 || p.EarnOn != schemas.Paid || p.Zone != time.UTC || p.ReturnWindow != (programme.Duration{Days: 90}) ||
		p.RememberOrders != (programme.Duration{Months: 36}) || p.Rates["JPY"].UnitsPerMinor != 1 || p.Rules[0].Earn.Per != 100 {
		t.Errorf("defaults: %+v", p)
	}
}

// A folder is one programme: rules in the order of the file names, a key in one file only.
func TestFolder(t *testing.T) {
	files := map[string][]byte{
		"b.yaml": []byte("rules: [{id: second, on: order, boost: {of: [first], by: 5%}}]\n"),
		"a.yaml": []byte("programme: p\ncurrency: CNY\ntime_zone: UTC\nrules: [{id: first, on: order, earn: {points: 1}}]\n"),
	}
	p, problems := programme.Parse(files)
	if p == nil || len(p.Rules) != 2 || p.Rules[0].ID != "first" || p.Rules[1].Boost.Of[0] != 0 {
		t.Fatalf("%+v\n%s", p, problems)
	}
	files["c.yaml"] = []byte("currency: USD\nrules:\n- {id: second, on: order, earn: {points: 1}}\n")
	_, problems = programme.Parse(files)
	want := "c.yaml:1:1: key `currency` twice, first in a.yaml:2\nc.yaml:3:8: duplicate rule id \"second\", first in b.yaml:1\n"
	if problems.String() != want {
		t.Errorf("got:\n%swant:\n%s", problems, want)
	}
}

func TestVersionFollowsContent(t *testing.T) {
	text := "programme: p\ncurrency: CNY\ntime_zone: UTC\nrules: []\n"
	one, same, other := parse(t, text), parse(t, text), parse(t, text+"# changed\n")
	if one.Version != same.Version || one.Version == other.Version || !strings.HasPrefix(one.Version, "p@") || len(one.Version) != len("p@12345678") {
		t.Errorf("versions: %s, %s, %s", one.Version, same.Version, other.Version)
	}
}

// Windows editors write a byte order mark and CR LF; some old ones CR alone.
func TestByteOrderMarkAndLineEnds(t *testing.T) {
	text := "\xef\xbb\xbfprogramme: p\r\ncurrency: CNY\r\ntime_zone: UTC\r\nrules:\r\n- id: a\r\n  on: order\r\n  when: |\r\n    order.total > 1.00 &&\r\n    order.totl > 1.00\r\n  earn: {points: 1}\r\n"
	_, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(text)})
	if len(problems) != 1 || problems[0].Pos != (programme.Position{File: "p.yaml", Line: 9, Column: 5}) {
		t.Errorf("problems:\n%s", problems)
	}
	_, old := programme.Parse(map[string][]byte{"p.yaml": []byte(strings.ReplaceAll(text, "\r\n", "\r"))})
	if old.String() != problems.String() {
		t.Errorf("with CR alone:\n%s", old)
	}
}

// Files that would take a parser's memory or stack are refused by their bounds.
func TestHostileFiles(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":       {laughs, "more than 200000 values"},
		"nested":        {"a: " + strings.Repeat("[\n", 100_000), "nested more than 256 deep"},
		"long line":     {"a: " + strings.Repeat("x", 70_000), "at most 65536 are read"},
		"large":         {strings.Repeat("# x\n", 1_000_000), "at most 524288 are read"},
		"many lines":    {strings.Repeat("#\n", 30_000), "more than 20000 lines"},
		"documents":     {strings.Repeat("---\na: 1\n", 5000), "10 documents"},
		"nul":           {"a: \x00", "control character: U+0000"},
		"deep sequence": {"a: " + strings.Repeat("- ", 30_000), "not valid YAML"},
		"deep":          {"a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested more than 32 deep"},
		"many brackets": {"a: 'x'\nb: " + strings.Repeat("{", 300), "nested more than 256 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(c.text)})
			if p != nil || !strings.Contains(problems.String(), c.want) {
				t.Errorf("want %q among:\n%.2000s", c.want, problems)
			}
		})
	}
	if p, problems := programme.Parse(nil); p != nil || !problems.Failed() {
		t.Error("no files were accepted")
	}
}

// What a programme costs to load grows with its rules and no faster: 500 of them, some 300 µs each, load in well under a
// second. Counted in allocations, which no machine's load changes.
func TestLoadingIsLinear(t *testing.T) {
	work := func(rules int) float64 {
		files := map[string][]byte{"p.yaml": []byte(manyRules(rules))}
		return testing.AllocsPerRun(1, func() {
			if p, problems := programme.Parse(files); p == nil {
				t.Fatalf("%s", problems)
			}
		})
	}
	few, many := work(100), work(500)
	if perRule := (many - few) / 400; perRule > 2000 || many > 5.5*few {
		t.Errorf("%.0f allocations for 100 rules, %.0f for 500, %.0f for each more", few, many, perRule)
	}
}

// Expected: some 300 µs a rule, most of it CEL's parser and planner.
func BenchmarkParse500Rules(b *testing.B) {
	files := map[string][]byte{"p.yaml": []byte(manyRules(500))}
	for b.Loop() {
		if p, problems := programme.Parse(files); p == nil {
			b.Fatalf("%s", problems)
		}
	}
}

func manyRules(n int) string {
	var text strings.Builder
	text.WriteString("programme: p\ncurrency: CNY\ntime_zone: UTC\nrules:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {id: r%d, on: order, when: order.total >= %d.50 && order.channel == \"web\", lines: '!line.category.startsWith(\"x%d\")', earn: {points: 1, per: 1.00}}\n", i, i, i)
	}
	return text.String()
}

func FuzzParse(f *testing.F) {
	for _, content := range programme.TestdataFiles(f, "bad", "good", "doubtful") {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		p, problems := programme.ParseWhole(map[string][]byte{"p.yaml": content})
		if (p == nil) != problems.Failed() {
			t.Errorf("programme %v, problems:\n%s", p, problems)
		}
		again, same := programme.ParseWhole(map[string][]byte{"p.yaml": content})
		if problems.String() != same.String() || p != nil && p.Version != again.Version {
			t.Errorf("two readings differ:\n%s\n%s", problems, same)
		}
		lines := strings.Count(string(content), "\n") + strings.Count(string(content), "\r") + 1 // a few too many for CR LF
		for _, problem := range problems {
			if problem.Pos.Line < 1 || problem.Pos.Line > lines+1 || problem.Pos.Column < 1 || problem.Message == "" {
				t.Errorf("no place in a file of %d lines: %s", lines, problem)
			}
		}
	})
}
