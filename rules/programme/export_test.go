package programme

import (
	"os"
	"path/filepath"
	"testing"
)

// ParseWhole parses a programme as if the ledger did all that the grammar has, so that tests of the grammar do not depend on how
// far the ledger is.
func ParseWhole(files map[string][]byte) (*Programme, Problems) { return newParser(nil).parse(files) }

// GrammarKeys are the keys of the grammar, as shape.key, but for those that only hold other keys.
func GrammarKeys() []string {
	var all []string
	programmeShape.walk(func(s *shape) {
		for _, k := range s.keys {
			if k.value.kind != aMapping || k.value.or != nil {
				all = append(all, s.name+"."+k.name)
			}
		}
	})
	return all
}

// Place is where a key of the grammar stands in a programme that was decoded to maps and lists.
type Place struct {
	Key     string // shape.key
	Mapping map[string]any
	Name    string // of the key in Mapping
	Others  []any  // what may stand there instead, more or less
}

// Places are the keys of a decoded programme.
func Places(document map[string]any) []Place { return placesIn(document, &programmeShape) }

func placesIn(m map[string]any, s *shape) []Place {
	var all []Place
	for i := range s.keys {
		k := &s.keys[i]
		found, ok := m[k.name]
		if !ok {
			continue
		}
		place := Place{Key: s.name + "." + k.name, Mapping: m, Name: k.name}
		for v := &k.value; v != nil; v = v.or {
			place.Others = append(place.Others, othersOf(v, found)...)
			all = append(all, placesBelow(v, found)...)
		}
		all = append(all, place)
	}
	return all
}

// placesBelow are the keys of the mappings that stand at a key.
func placesBelow(v *value, found any) []Place {
	switch found := found.(type) {
	case map[string]any:
		if v.items != nil {
			return placesBelow(v.items, found)
		}
		if v.shape != nil {
			return placesIn(found, v.shape)
		}
	case []any:
		var all []Place
		for _, item := range found {
			if v.items != nil {
				all = append(all, placesBelow(v.items, item)...)
			}
		}
		return all
	}
	return nil
}

// othersOf are values of a kind, of which at least one can stand at most keys of that kind.
func othersOf(v *value, found any) []any {
	var others []any
	if list, ok := found.([]any); ok && len(list) > 1 {
		others = append(others, list[:len(list)-1])
	}
	switch v.kind {
	case oneWord:
		for _, word := range v.words {
			others = append(others, word)
		}
	case oneOrMore:
		others = append(others, othersOf(v.items, nil)...)
	case aText:
		others = append(others, "Asia/Tokyo")
	case aName:
		others = append(others, "another")
	case aCurrency:
		others = append(others, "USD")
	case aWhole:
		others = append(others, 3, 7)
	case aNumber:
		others = append(others, 3, 1500)
	case aPercent:
		others = append(others, "40%")
	case aDuration:
		others = append(others, "11 days", "5 months", "2h")
	case aTime:
		others = append(others, "2026-06-10", "2026-06-25T08:00")
	case aCondition:
		others = append(others, "member.points > 7")
	case yesNo:
		others = append(others, true, false)
	case byCurrency:
		others = append(others, map[string]any{"EUR": "8"})
	case byName:
		others = append(others, map[string]any{"silver": "member"})
	case aMapping, aList:
	}
	return others
}

// TestdataFiles are the programmes in folders of testdata, by path.
func TestdataFiles(t testing.TB, folders ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, folder := range folders {
		paths, err := filepath.Glob("testdata/" + folder + "/*.yaml")
		if err != nil || len(paths) == 0 {
			t.Fatalf("no programmes in %s: %v", folder, err)
		}
		for _, path := range paths {
			if files[path], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}
