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

// What changes is told of every two programmes of the scenarios: nothing where they are one; else each sentence that only the older
// says once as one that holds no longer, and each that only the newer says as one that holds now.
func TestChangesBetweenProgrammes(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*/programme.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatalf("no programmes: %v", err)
	}
	count := func(text, mark string) (n int) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, mark) {
				n++
			}
		}
		return n
	}
	for i, path := range paths {
		a, b := readProgramme(t, path), readProgramme(t, paths[(i+1)%len(paths)])
		for _, language := range explain.Languages() {
			if text := explain.Changes(a, a, language, 100); text != "" {
				t.Errorf("%s against itself: %s", path, text)
			}
			there, back := explain.Changes(a, b, language, 100), explain.Changes(b, a, language, 100)
			if gone, come := count(there, "    - "), count(there, "    + "); gone != count(back, "    + ") || come != count(back, "    - ") || (gone+come == 0) != sayTheSame(a, b, language) {
				t.Errorf("from %s on and back:\n%s\n%s", path, there, back)
			}
		}
	}
}

// sayTheSame tells whether two programmes have the same sentences, that of the name aside.
func sayTheSame(a, b *programme.Programme, language explain.Language) bool {
	named := func(s explain.Sentence) bool { return s.Key == "programme" }
	return slices.Equal(slices.DeleteFunc(explain.Sentences(a, language), named), slices.DeleteFunc(explain.Sentences(b, language), named))
}

func TestChangesInWords(t *testing.T) {
	const header = "programme: shop\ncurrency: CNY\ntime_zone: UTC\n"
	before := parse(t, "a.yaml", header+"rules: [{id: visit, title: A visit, on: check_in, earn: {points: 5}}]")
	after := parse(t, "b.yaml", header+"rounding: half_up\nrules: [{id: visit, title: A visit, on: check_in, earn: {points: 7}}]")
	text := explain.Changes(before, after, explain.English, 200)
	for _, want := range []string{
		"A visit (visit)\n", "    - no longer: For an activity (a check-in or any other): 5 points.\n",
		"    + now: For an activity (a check-in or any other): 7 points.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines != 6 { // rounding beside it
		t.Errorf("%d lines:\n%s", lines, text)
	}
}

func readProgramme(t *testing.T, path string) *programme.Programme {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, path, string(content))
}
