package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The programme that README shows is one that has a scenario, so that what it shows works.
func TestReadmeShowsAScenario(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(readme), "```yaml\n")
	shown, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("README shows no programme")
	}
	tested, err := os.ReadFile(filepath.Join("..", "..", "rules", "testdata", "readme-city-mart", "programme.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(tested), shown); diff != "" {
		t.Errorf("README shows another programme than the scenario tests (-tested +shown):\n%s", diff)
	}
}
