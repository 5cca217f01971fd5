package explain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// Every phrase is there in every language, fills in the same, and is written in that language alone, so that no fact is told in
// one language only. The phrases are found in the source, so that none can be forgotten.
func TestPhrases(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	files := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			texts := textsOf(literal)
			if len(texts) != len(literal.Elts) || len(texts) < 2 {
				return true // texts alone are phrases and nouns
			}
			found++
			at := files.Position(literal.Pos())
			chinese := texts[len(texts)-1]
			for _, english := range texts[:len(texts)-1] {
				if strings.ContainsFunc(english, isHan) || english == "" || chinese == "" {
					t.Errorf("%s: %q", at, texts)
				}
				// English may leave the number of one out, and both the form of a date or name that is the other's.
				if missing := difference(namesIn(chinese), namesIn(english)); len(missing) > 0 && !tolerated(missing) {
					t.Errorf("%s: only in Chinese: %v", at, missing)
				}
				if missing := difference(namesIn(english), namesIn(chinese)); len(missing) > 0 && !tolerated(missing) {
					t.Errorf("%s: only in English: %v", at, missing)
				}
			}
			rest := placeholder.ReplaceAllString(chinese, "")
			for _, sign := range []string{",", ";", ":", "?", "(", ")"} {
				if strings.Contains(rest, sign) && !strings.Contains(rest, ":00") {
					t.Errorf("%s: %q has the sign %q of English", at, chinese, sign)
				}
			}
			if strings.HasSuffix(texts[0], ".") != strings.HasSuffix(chinese, "。") {
				t.Errorf("%s: a sentence in one language only: %q", at, texts)
			}
			return true
		})
	}
	if found < 200 {
		t.Errorf("only %d phrases found", found)
	}
}

// textsOf are the elements of a literal that are texts.
func textsOf(literal *ast.CompositeLit) []string {
	var texts []string
	for _, e := range literal.Elts {
		if basic, ok := e.(*ast.BasicLit); ok && basic.Kind == token.STRING {
			if text, err := strconv.Unquote(basic.Value); err == nil {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

var placeholder = regexp.MustCompile(`\{[a-z]*\}`)

func namesIn(text string) []string { return placeholder.FindAllString(text, -1) }

func difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

// tolerated says that of a number, month or ordinal each language has a form of its own.
func tolerated(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.Contains([]string{"{n}", "{nth}", "{name}", "{month}"}, name)
	})
}

// A line is never wider than the terminal where it can be broken, and breaking it changes nothing else.
func TestLines(t *testing.T) {
	for _, text := range []string{
		"Points can be spent until the end of the day that lies 18 months after the day on which they become available.",
		"积分自可用之日起满 18 个月的当天结束时过期（含最后一天），退款时收回退款部分所得的全部积分；已花掉的积分记为欠分。",
	} {
		for width := 20; width < 120; width++ {
			p := &page{width: width}
			p.line("  - ", "    ", text)
			whole := ""
			for i, line := range strings.Split(strings.TrimSuffix(p.text.String(), "\n"), "\n") {
				if Columns(line) > width {
					t.Fatalf("%d columns in %q", Columns(line), line)
				}
				if first := []rune(line[4:])[0]; strings.ContainsRune("，。；：）", first) {
					t.Errorf("a line begins with a closing sign: %q", line)
				}
				if i > 0 {
					whole += " "
				}
				whole += line[4:]
			}
			same := func(text string) string {
				return strings.Map(func(r rune) rune {
					if unicode.IsSpace(r) {
						return -1
					}
					return r
				}, text)
			}
			if same(whole) != same(text) {
				t.Fatalf("%q became %q", text, whole)
			}
		}
	}
}

// Amounts and points are exact, whatever they are.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		coefficient     int64
		digits, atLeast int
		want            string
	}{
		{0, 2, 2, "0"},
		{5, 2, 2, "0.05"},
		{100000, 2, 2, "1,000"},
		{999950, 2, 2, "9,999.50"},
		{-123456, 3, 2, "-123.456"},
		{23, -1, 0, "230"},
		{478, 4, 0, "0.0478"},
		{9223372036854775807, 0, 0, "9,223,372,036,854,775,807"},
		{-9223372036854775808, 9, 2, "-9,223,372,036.854775808"},
	} {
		if got := decimalText(c.coefficient, c.digits, c.atLeast); got != c.want {
			t.Errorf("%d at %d: %s, want %s", c.coefficient, c.digits, got, c.want)
		}
	}
}
