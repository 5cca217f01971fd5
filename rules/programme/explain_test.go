package programme_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"accrue/rules/explain"
	"accrue/rules/programme"
)

// What people sign stays what it is until somebody looks at the change: the example of the grammar and the programmes that use
// every word of it, in both languages. They are explained here as the grammar can be read as a whole here, however far the
// ledger is.
func TestExplained(t *testing.T) {
	for _, path := range goodProgrammes(t) {
		p := readWhole(t, path)
		for _, language := range explain.Languages() {
			name := filepath.Base(path[:len(path)-len(".yaml")])
			golden := fmt.Sprintf("testdata/explained/%s.%s.txt", name, language)
			got := explain.Text(p, language, 100)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s in %s: -want +got:\n%s", path, language, diff)
			}
		}
	}
}

func goodProgrammes(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no programmes: %v", err)
	}
	return paths
}

func readWhole(t *testing.T, path string) *programme.Programme {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := programme.ParseWhole(map[string][]byte{path: content})
	if p == nil {
		t.Fatalf("problems:\n%s", problems)
	}
	return p
}

// Whoever signs a programme signs all of it: each key of the grammar, changed or left out, changes what is said, in each language,
// wherever it changes the programme at all. The keys come from the grammar's own tables, so a new one cannot be forgotten.
func TestEveryKeyIsExplained(t *testing.T) {
	const enough = 2 // changes of a key, as each costs a parse
	changes := map[string]int{}
	for _, path := range goodProgrammes(t) {
		before := readWhole(t, path)
		document := decoded(t, path)
		for _, place := range programme.Places(document) {
			was := place.Mapping[place.Name]
			for _, other := range append(place.Others, nil) {
				if changes[place.Key] >= enough {
					break
				}
				if place.Mapping[place.Name] = other; other == nil {
					delete(place.Mapping, place.Name)
				}
				if after := parsed(t, document); after != nil && differ(before, after) {
					changes[place.Key]++
					explainedAnew(t, fmt.Sprintf("%s: %s: %v instead of %v", path, place.Key, other, was), before, after)
				}
				place.Mapping[place.Name] = was
			}
		}
	}
	for _, key := range programme.GrammarKeys() {
		if changes[key] == 0 {
			t.Errorf("%s was never changed: give the programmes of testdata/good a value of it that can be another", key)
		}
	}
}

// explainedAnew wants two programmes to be explained otherwise in each language, and each in all languages by the same facts.
func explainedAnew(t *testing.T, change string, before, after *programme.Programme) {
	t.Helper()
	for _, language := range explain.Languages() {
		if slices.Equal(explain.Sentences(before, language), explain.Sentences(after, language)) {
			t.Errorf("%s says nothing in %s", change, language)
		}
	}
	english := explain.Sentences(after, explain.English)
	for _, language := range explain.Languages()[1:] {
		said := explain.Sentences(after, language)
		if diff := cmp.Diff(english, said, cmpopts.IgnoreFields(explain.Sentence{}, "Text")); diff != "" {
			t.Errorf("%s: facts in %s: -English +%s:\n%s", change, language, language, diff)
		}
	}
}

// differ says that two programmes mean different things. The edge of a limit by times means nothing, and to say that points
// never expire is to say nothing.
func differ(a, b *programme.Programme) bool {
	first, second := *a, *b
	for _, p := range []*programme.Programme{&first, &second} {
		if p.Expiry.Never() {
			p.Expiry = nil
		}
	}
	return !cmp.Equal(first, second,
		cmpopts.IgnoreFields(programme.Programme{}, "Version"), cmpopts.IgnoreTypes(programme.Position{}),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b *programme.Condition) bool {
			return a == nil && b == nil || a != nil && b != nil && a.Source == b.Source
		}),
		cmp.Transformer("", func(l programme.Limit) [4]int64 {
			if l.Times > 0 {
				l.Edge = programme.Cut
			}
			return [4]int64{l.Times, l.Points, int64(l.Per), int64(l.Edge)}
		}))
}

// decoded is a programme as maps and lists.
func decoded(t *testing.T, path string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	thresholds, _ := document["fraud"].([]any)
	for _, item := range thresholds {
		// YAML takes ratio(refunds, orders) apart where it stands in braces.
		if threshold := item.(map[string]any); threshold["measure"] == "ratio(refunds" {
			delete(threshold, "orders)")
			threshold["measure"] = "ratio(refunds, orders)"
		}
	}
	if parsed(t, document) == nil {
		t.Fatalf("%s cannot be written again", path)
	}
	return document
}

// parsed is the programme of a document; nil: there is something to say against it.
func parsed(t *testing.T, document map[string]any) *programme.Programme {
	t.Helper()
	content, err := yaml.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := programme.ParseWhole(map[string][]byte{"p.yaml": content})
	if len(problems) > 0 {
		return nil
	}
	return p
}
