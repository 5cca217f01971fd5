package explain_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"accrue/rules/explain"
	"accrue/rules/programme"
)

func parse(t *testing.T, name, content string) *programme.Programme {
	t.Helper()
	p, problems := programme.Parse(map[string][]byte{name: []byte(content)})
	if p == nil {
		t.Fatalf("problems:\n%s", problems)
	}
	return p
}

// An example is what the ledger gives: with the programme's rounding and the decimals of its currency. Where the points depend on no
// amount there is none.
func TestExamples(t *testing.T) {
	for _, c := range []struct{ header, rule, want string }{
		{"currency: CNY\nrounding: half_up", "on: order, earn: {rate: 1.5}", "For example, 37.50 CNY that counts gives 56 points."}, // 56.25
		{"currency: JPY\nrounding: half_up", "on: order, earn: {rate: 0.5}", "For example, 35 JPY that counts gives 18 points."},    // 17.5
		{"currency: JPY\nrounding: half_even", "on: order, earn: {rate: 0.3}", "For example, 35 JPY that counts gives 10 points."},  // 10.5
		{"currency: KWD", "on: order, earn: {points: 2, per: 0.5}", "For example, 18.750 KWD that counts gives 74 points."},         // 37 steps
		{"currency: CNY\ncurrencies: {JPY: 0.0478}", "on: order, earn: {points: 3, per: 30.00}", "For example, 75 CNY that counts gives 6 points."},
		{"currency: CNY", "on: order, earn: {points: 50}", ""},
		{"currency: CNY", "on: check_in, earn: {points: 50}", ""},
		{"currency: CNY", `on: order, earn: {rate: 1}, mode: "off"`, ""},
		{"currency: CNY", "on: order, earn: {points: 1, per: 9000000000000.00}", ""}, // more than anybody spends
	} {
		p := parse(t, "p.yaml", "programme: p\n"+c.header+"\ntime_zone: Asia/Tokyo\nrules: [{id: r, "+c.rule+"}]\n")
		var examples []string
		for _, s := range explain.Sentences(p, explain.English) {
			if strings.HasPrefix(s.Text, "For example") {
				examples = append(examples, s.Text)
			}
		}
		if want := []string{c.want}; c.want == "" && len(examples) > 0 || c.want != "" && !slices.Equal(examples, want) {
			t.Errorf("%s, %s: %q, want %q", c.header, c.rule, examples, c.want)
		}
	}
}

// Every programme of the scenarios can be explained: no name is left unfilled, no sentence is empty, sentences are about what the
// programme has, and the text is the same each time.
func TestProgrammesOfScenarios(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*/programme.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no programmes: %v", err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p := parse(t, path, string(content))
		for _, language := range explain.Languages() {
			told := map[string]bool{}
			for _, s := range explain.Sentences(p, language) {
				if s.Text == "" || s.Key == "" || strings.ContainsAny(s.Text, "{}\n") {
					t.Errorf("%s in %s: %+v", path, language, s)
				}
				if s.About.Kind == explain.Rule {
					told[s.About.ID] = true
				}
			}
			for _, rule := range p.Rules {
				if !told[rule.ID] {
					t.Errorf("%s in %s: nothing about rule %s", path, language, rule.ID)
				}
			}
			first := explain.Text(p, language, 80)
			if again := explain.Text(p, language, 80); first != again {
				t.Errorf("%s in %s: another text each time", path, language)
			}
		}
	}
}
