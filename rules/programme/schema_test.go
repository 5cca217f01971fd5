package programme

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// Every programme of this repository, the grammar's example among them, is valid for editors too.
func TestSchemaTakesProgrammes(t *testing.T) {
	schema := readSchema(t)
	var paths []string
	for _, pattern := range []string{
		"testdata/good/*.yaml", "testdata/doubtful/*.yaml", "../testdata/*/*.yaml", "../../cmd/accrue/demo/programme.yaml",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no programmes in %s: %v", pattern, err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		if filepath.Base(path) == "scenario.yaml" {
			continue
		}
		for _, wrong := range schema.problems(readDocument(t, path)) {
			t.Errorf("%s: %s", path, wrong)
		}
	}
}

// What the parser refuses by its tables, the schema refuses as well.
func TestSchemaRefuses(t *testing.T) {
	schema := readSchema(t)
	for name, want := range map[string]string{
		"all-at-once": "limt", "whole": "rules/17: unknown key queue", "header": "tiers/levels/3: unknown key name", "rules": "rules/4: unknown key frm",
		"fraud": "fraud/16: no on", "list": "is not an object",
	} {
		problems := schema.problems(readDocument(t, "testdata/bad/"+name+".yaml"))
		if !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("%s: want %q among %q", name, want, problems)
		}
	}
	// An unknown key is refused wherever a mapping stands.
	for _, name := range []string{"city-mart", "whole", "everything"} {
		places := 0
		eachMapping(readDocument(t, "testdata/good/"+name+".yaml"), "", func(path string, m map[string]any, document any) {
			if path == "/currencies" || path == "/tiers/becomes" {
				return // their keys are the programme's
			}
			places++
			m["unheard_of"] = "x"
			if len(schema.problems(document)) == 0 {
				t.Errorf("%s: an unknown key at %q is taken", name, path)
			}
			delete(m, "unheard_of")
		})
		if places < 10 {
			t.Errorf("%s: %d mappings", name, places)
		}
	}
}

// eachMapping calls visit with each mapping of a document.
func eachMapping(document any, path string, visit func(path string, m map[string]any, document any)) {
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			visit(path, v, document)
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], path+"/"+key)
			}
		case []any:
			for i, item := range v {
				walk(item, fmt.Sprintf("%s/%d", path, i))
			}
		}
	}
	walk(document, path)
}

// The programmes that are accepted use every key of the grammar and every word, so that the tests that read them leave none out.
func TestProgrammesUseTheWholeGrammar(t *testing.T) {
	used := map[string]bool{}
	good, err := filepath.Glob("testdata/good/*.yaml")
	doubtful, err2 := filepath.Glob("testdata/doubtful/*.yaml")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, path := range append(good, doubtful...) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		src, problem := newSource(path, content)
		if problem != nil {
			t.Fatal(problem)
		}
		useShape(readYAML(src, func(p Problem) { t.Error(p) }), &programmeShape, used)
	}
	programmeShape.walk(func(s *shape) {
		for _, k := range s.keys {
			if !used[s.name+"."+k.name] {
				t.Errorf("no programme has %s.%s", s.name, k.name)
			}
			for _, word := range s.wordsOf(k.name) {
				if !used[s.name+"."+k.name+": "+word] {
					t.Errorf("no programme has %s.%s: %s", s.name, k.name, word)
				}
			}
		}
	})
}

func useShape(n *node, s *shape, used map[string]bool) {
	for _, e := range wholeMeasure(n).entries {
		name := s.name + "." + e.key.text
		used[name] = true
		for v := s.value(e.key.text); v != nil; v = v.or {
			useValue(e.value, v, name, used)
		}
	}
}

func useValue(n *node, v *value, name string, used map[string]bool) {
	switch {
	case v.items != nil && n.kind == listNode:
		for _, item := range n.items {
			useValue(item, v.items, name, used)
		}
	case v.items != nil:
		useValue(n, v.items, name, used)
	case v.shape != nil && n.kind == mapNode:
		useShape(n, v.shape, used)
	case v.kind == oneWord && n.kind == scalarNode:
		used[name+": "+n.text] = true
	}
}

// validator is a JSON Schema, of the keywords that Schema uses.
type validator struct {
	definitions map[string]any
	root        map[string]any
}

func readSchema(t *testing.T) *validator {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	definitions, ok := root["$defs"].(map[string]any)
	if !ok || !bytes.HasSuffix(text, []byte("}\n")) {
		t.Fatalf("no definitions, or no line end:\n%s", text)
	}
	return &validator{definitions, root}
}

func readDocument(t *testing.T, path string) any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.UnmarshalWithOptions(content, &document, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return document
}

func (v *validator) problems(document any) []string { return v.check(document, v.root, "") }

// check returns what is wrong with a value. A keyword that it does not know is wrong too, so that none goes unchecked.
func (v *validator) check(value any, schema map[string]any, path string) []string {
	var wrong []string
	fail := func(format string, args ...any) {
		wrong = append(wrong, strings.TrimPrefix(path, "/")+": "+fmt.Sprintf(format, args...))
	}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		switch want := schema[keyword]; keyword {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			definition, ok := v.definitions[name].(map[string]any)
			if !ok {
				fail("no definition %q", name)
			}
			wrong = append(wrong, v.check(value, definition, path)...)
		case "anyOf", "oneOf":
			matching := 0
			for _, choice := range want.([]any) {
				if len(v.check(value, choice.(map[string]any), path)) == 0 {
					matching++
				}
			}
			if matching == 0 || keyword == "oneOf" && matching > 1 {
				fail("%v fits %d of %s", value, matching, keyword)
			}
		case "properties", "additionalProperties", "propertyNames", "required", "items":
		default:
			if text := simpleKeyword(keyword, want, value); text != "" {
				fail("%s", text)
			}
		}
	}
	switch value := value.(type) {
	case map[string]any:
		wrong = append(wrong, v.checkObject(value, schema, path)...)
	case []any:
		items, ok := schema["items"].(map[string]any)
		for i, item := range value {
			if ok {
				wrong = append(wrong, v.check(item, items, fmt.Sprintf("%s/%d", path, i))...)
			}
		}
	}
	return wrong
}

func (v *validator) checkObject(object, schema map[string]any, path string) []string {
	var wrong []string
	properties, _ := schema["properties"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if names, ok := schema["propertyNames"].(map[string]any); ok {
			wrong = append(wrong, v.check(key, names, path+"/"+key)...)
		}
		if property, ok := properties[key].(map[string]any); ok {
			wrong = append(wrong, v.check(object[key], property, path+"/"+key)...)
			continue
		}
		switch more := schema["additionalProperties"].(type) {
		case bool:
			if !more {
				wrong = append(wrong, strings.TrimPrefix(path, "/")+": unknown key "+key)
			}
		case map[string]any:
			wrong = append(wrong, v.check(object[key], more, path+"/"+key)...)
		}
	}
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := object[key.(string)]; !ok {
			wrong = append(wrong, strings.TrimPrefix(path, "/")+": no "+key.(string))
		}
	}
	return wrong
}

// simpleKeyword checks what concerns a single value; empty: it is right.
func simpleKeyword(keyword string, want, value any) string {
	text, isText := value.(string)
	number, isNumber := numberOf(value)
	var ok bool
	switch keyword {
	case "type":
		types, several := want.([]any)
		if !several {
			types = []any{want}
		}
		ok = slices.ContainsFunc(types, func(name any) bool { return isType(name.(string), value) })
		if !ok && want == "object" {
			return fmt.Sprintf("%v is not an object", value)
		}
	case "enum":
		ok = slices.Contains(want.([]any), value)
	case "pattern":
		ok = !isText || regexp.MustCompile(want.(string)).MatchString(text)
	case "minimum":
		ok = !isNumber || number >= want.(float64)
	case "minLength":
		ok = !isText || utf8.RuneCountInString(text) >= int(want.(float64))
	case "maxLength":
		ok = !isText || utf8.RuneCountInString(text) <= int(want.(float64))
	default:
		return "an unknown keyword " + keyword
	}
	if !ok {
		return fmt.Sprintf("%v does not fit %s %v", value, keyword, want)
	}
	return ""
}

func numberOf(value any) (float64, bool) {
	switch n := value.(type) {
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func isType(name string, value any) bool {
	number, isNumber := numberOf(value)
	switch name {
	case "string":
		_, ok := value.(string)
		return ok
	case "boolean":
		_, ok := value.(bool)
		return ok
	case "null":
		return value == nil
	case "number":
		return isNumber
	case "integer":
		return isNumber && number == math.Trunc(number)
	case "array":
		_, ok := value.([]any)
		return ok
	case "object":
		_, ok := value.(map[string]any)
		return ok
	}
	return false
}
