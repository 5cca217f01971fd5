package rules_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"accrue/rules/scenario"
)

// update is a flag of the test command.
var update = flag.Bool("update", false, "rewrite the expectations of the scenarios to what is; read the difference before you keep it")

// Every sentence of the contract about what the words of a programme mean has a scenario, which is written so that those
// who write programmes can read it. `accrue rules test` runs the same files through the same runner.
func TestScenarios(t *testing.T) {
	names, err := filepath.Glob("testdata/*/*scenario.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 35 {
		t.Fatalf("%d scenarios found below testdata, at least 35 are there", len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			runScenario(t, name)
		})
	}
}

func runScenario(t *testing.T, name string) {
	t.Helper()
	files := map[string][]byte{}
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range beside {
		if files[filepath.ToSlash(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	report := scenario.Run(files, filepath.ToSlash(name), files[filepath.ToSlash(name)])
	switch {
	case report.Title == "":
		t.Errorf("%s has no title", name)
	case report.Passed() && report.Expectations == 0:
		t.Errorf("%s expects nothing", name)
	case *update && len(report.Problems) == 0:
		if err := os.WriteFile(name, report.Updated, 0o600); err != nil {
			t.Fatal(err)
		}
	case !report.Passed():
		t.Errorf("%s\n%s", report.Title, report)
	}
}
