package rules_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"accrue/rules/programme"
)

// auditRow is a row of a table in testdata/README.md: what is shown, and the folder that shows it.
type auditRow struct{ what, folder string }

// auditRows reads the tables of the page, each under its heading.
func auditRows(t *testing.T) map[string][]auditRow {
	page, err := os.ReadFile("testdata/README.md")
	if err != nil {
		t.Fatal(err)
	}
	tables, heading := map[string][]auditRow{}, ""
	for line := range strings.Lines(string(page)) {
		if after, is := strings.CutPrefix(line, "## "); is {
			heading = strings.TrimSpace(after)
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.Contains(line, "---") || strings.TrimSpace(cells[len(cells)-1]) == "folder" {
			continue
		}
		tables[heading] = append(tables[heading], auditRow{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[len(cells)-1])})
	}
	return tables
}

// The page that says which folder shows what is true: each folder that it names is there, each folder is named, each numbered sentence
// of the contract has one, and each key of the grammar has one whose programme uses it.
func TestEachSentenceAndEachKeyHasAScenario(t *testing.T) {
	tables := auditRows(t)
	named := map[string]bool{}
	for heading, rows := range tables {
		for _, row := range rows {
			named[row.folder] = true
			if found, err := filepath.Glob(filepath.Join("testdata", row.folder, "*scenario.yaml")); len(found) == 0 || err != nil {
				t.Errorf("%s: %q names the folder %q, where no scenario is", heading, row.what, row.folder)
			}
		}
	}
	scenarios, err := filepath.Glob("testdata/*/*scenario.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scenarios {
		if folder := filepath.Base(filepath.Dir(path)); !named[folder] {
			t.Errorf("no table of testdata/README.md names %s: add the row of what it shows", folder)
		}
	}
	const sentences = 19
	for n := 1; n <= sentences; n++ {
		if !slices.ContainsFunc(tables["What the words mean"], func(row auditRow) bool { return row.what == strconv.Itoa(n) }) {
			t.Errorf("sentence %d of the contract has no row", n)
		}
	}
	grammar, shown := grammarKeys(t), keysShown(tables["Keys of the programme file"])
	for key, folders := range shown {
		if !slices.Contains(grammar, key) {
			t.Errorf("the grammar has no key %s", key)
		}
		for _, folder := range folders {
			if !usesKey(t, folder, key) {
				t.Errorf("no programme in %s uses the key %s", folder, key)
			}
		}
	}
	for _, key := range grammar {
		if len(shown[key]) == 0 {
			t.Errorf("the key %s has no row", key)
		}
	}
}

// keysShown are the folders that show a key. What follows a colon is one of its values. That a programme does without the key can be
// what is shown.
func keysShown(rows []auditRow) map[string][]string {
	shown := map[string][]string{}
	for _, row := range rows {
		key, value, _ := strings.Cut(row.what, ": ")
		if value != "false" {
			shown[key] = append(shown[key], row.folder)
		}
	}
	return shown
}

// grammarKeys are the keys of the grammar as the page names them: those of the header plainly, others behind what they belong to.
func grammarKeys(t *testing.T) []string {
	content, err := programme.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]json.RawMessage
		} `json:"$defs"`
	}
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for of, def := range schema.Defs {
		for key := range def.Properties {
			if strings.Contains(key, ")") { // the rest of ratio(refunds, orders), where it is written without quotes
				continue
			}
			if of != "programme" {
				key = of + "." + key
			}
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// usesKey says whether a programme of a folder has a key of that name.
func usesKey(t *testing.T, folder, key string) bool {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	has := regexp.MustCompile(`(?m)(^|[{ ,])` + key[strings.LastIndex(key, ".")+1:] + `:`)
	return slices.ContainsFunc(files, func(path string) bool {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return !strings.HasSuffix(path, "scenario.yaml") && has.Match(content)
	})
}
