package wording

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accrue/rules/explain"
)

func words(t *testing.T, language explain.Language) Words {
	t.Helper()
	w, err := In(language)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Both languages say everything, with the same places to fill in.
func TestLanguagesSayTheSame(t *testing.T) {
	en, zh := words(t, explain.English), words(t, explain.Chinese)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh))); diff != "" {
		t.Errorf("the languages have different keys (-en +zh):\n%s", diff)
	}
	places := regexp.MustCompile(`\{\d\}`)
	for key := range en {
		a, b := places.FindAllString(en[key], -1), places.FindAllString(zh[key], -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) || en[key] == "" || zh[key] == "" {
			t.Errorf("%s: %q and %q do not fill in the same", key, en[key], zh[key])
		}
	}
	if w, err := In("xx"); err == nil {
		t.Errorf("a language that is none has %d words", len(w))
	}
}

// Every key that the sources say has words, and no words stand here that nobody says.
func TestKeysAreSaid(t *testing.T) {
	en := words(t, explain.English)
	var sources strings.Builder
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".html") {
			return err
		}
		text, err := os.ReadFile("../" + path)
		sources.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := sources.String()
	for _, m := range regexp.MustCompile(`\.T\(?\s?"([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if en[m[1]] == "" && !strings.HasSuffix(m[1], ".") {
			t.Errorf("%q is said, and has no words", m[1])
		}
	}
	groups := map[string]bool{} // of words of the engine, of which a value is the last part
	for _, m := range regexp.MustCompile(`(?:Word\(?\s?|(?:T\(?|print )\s?)"([a-z.]+)"`).FindAllStringSubmatch(text, -1) {
		groups[strings.TrimSuffix(m[1], ".")] = true
	}
	for key := range en {
		group := key
		if i := strings.LastIndex(key, "."); i >= 0 {
			group = key[:i]
		}
		if !strings.Contains(text, `"`+key+`"`) && !groups[group] && !strings.HasPrefix(key, "kind.") {
			t.Errorf("nobody says %s", key)
		}
	}
}

func TestFillingIn(t *testing.T) {
	w := Words{"both": "{0} of {1}", "outcome.HELD": "held", "kind.order": "Order", "kind.order.PAID": "paid", "kind.joined": "Joined"}
	for got, want := range map[string]string{
		w.T("both", "{1}", 2):        "{1} of 2", // what a member wrote is no place
		w.T("none"):                  "none",
		w.Word("outcome", "HELD"):    "held",
		w.Word("outcome", "LATER"):   "LATER",
		w.Kind("order PAID"):         "Order paid",
		w.Kind("order LOST"):         "Order LOST",
		w.Kind("joined"):             "Joined",
		w.Kind("a walk in the park"): "a walk in the park",
	} {
		if got != want {
			t.Errorf("%q is said, not %q", got, want)
		}
	}
}
