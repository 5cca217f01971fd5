package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What deploy/docs/import.md shows is what comes of its example.
func TestImportPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "deploy", "docs", "import.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, after, found := strings.Cut(string(page), "```"+language+"\n")
		text, _, closed := strings.Cut(after, "```")
		if !found || !closed {
			t.Fatalf("the page shows no %s", language)
		}
		return text
	}
	t.Chdir(t.TempDir())
	for name, language := range map[string]string{"map.yaml": "yaml", "orders.csv": "csv"} {
		if err := os.WriteFile(name, []byte(block(language)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"import", "--orders", "orders.csv", "--map", "map.yaml", "--to", "events.jsonl"}, nil, &out, &errs); code != exitDone {
		t.Fatalf("it ended with %d: %s", code, &errs)
	}
	events, err := os.ReadFile("events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(block("json"), "\n"), strings.Split(string(events), "\n")); diff != "" {
		t.Errorf("events (-page +made):\n%s", diff)
	}
	if told := errs.String(); !strings.HasPrefix(told, block("text")) {
		t.Errorf("the page says\n%s\nand it tells\n%s", block("text"), told)
	}
}
