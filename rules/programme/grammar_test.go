package programme

import (
	"os"
	"strings"
	"testing"
)

// read parses a programme of testdata/good as if the ledger did all that the grammar has.
func readGood(t *testing.T, name string) *Programme {
	t.Helper()
	content, err := os.ReadFile("testdata/good/" + name)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := newParser(nil).parse(map[string][]byte{name: content})
	if p == nil || len(problems) != 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	return p
}

// The grammar's example is read as a whole, and what the ledger does not do yet is refused by name, nothing else.
func TestCityMart(t *testing.T) {
	p := readGood(t, "city-mart.yaml")
	if len(p.Rules) != 16 || len(p.Fraud) != 5 {
		t.Errorf("%d rules, %d thresholds", len(p.Rules), len(p.Fraud))
	}
	content, err := os.ReadFile("testdata/good/city-mart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := Parse(map[string][]byte{"city-mart.yaml": content})
	for _, problem := range problems {
		if !strings.HasSuffix(problem.Message, "is not supported by this version") {
			t.Errorf("%s", problem)
		}
	}
}
