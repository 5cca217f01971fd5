package houserules_test

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"accrue/deploy/houserules"
)

const (
	root             = "../.."
	maxFileLines     = 800
	maxFunctionLines = 70
)

// longFunctions may pass maxFunctionLines, each for a reason.
func longFunctions() map[string]string {
	return map[string]string{}
}

func load(t *testing.T) []*houserules.File {
	t.Helper()
	files, err := houserules.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go file found below " + root)
	}
	return files
}

// A file is one subject, and a reader keeps a function in mind as a whole.
func TestLengths(t *testing.T) {
	allowed := longFunctions()
	for _, f := range load(t) {
		if n := strings.Count(f.Text, "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: a second subject hides in it", f.Path, n, maxFileLines)
		}
		if f.IsTest() {
			continue
		}
		for _, decl := range f.Syntax.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := f.Dir() + "." + function.Name.Name
			if _, listed := allowed[name]; listed {
				continue
			}
			if n := f.Lines(function); n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d: split it, or list it in longFunctions with a reason",
					f.At(function), name, n, maxFunctionLines)
			}
		}
	}
}

// A file that nobody can name in a noun of the domain collects what belongs elsewhere.
func TestNames(t *testing.T) {
	vague := regexp.MustCompile(`^(utils?|helpers?|common|misc|managers?|shared|base)(_test)?\.go$`)
	vagueType := regexp.MustCompile(`(Manager|Helper|Util|Utils)$`)
	for _, f := range load(t) {
		if vague.MatchString(path.Base(f.Path)) {
			t.Errorf("%s: name the file for its subject", f.Path)
		}
		for _, decl := range f.Syntax.Decls {
			types, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range types.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && vagueType.MatchString(s.Name.Name) {
					t.Errorf("%s: type %s: name it for what it is", f.At(s), s.Name.Name)
				}
			}
		}
	}
}

// Packages point one way: cmd -> processor -> state, rules -> schemas. The rules are a pure function.
func TestDependencies(t *testing.T) {
	kafka, pebble := "github.com/twmb/franz-go", "github.com/cockroachdb/pebble"
	borders := []struct {
		folder string
		never  []string
		why    string
	}{
		{"rules", []string{"accrue/processor", "accrue/state", "accrue/cmd", kafka, pebble, "os", "net", "math/rand", "log"}, "rules is pure: values in, values out"},
		{"state", []string{"accrue/processor", "accrue/rules", "accrue/cmd", kafka}, "state knows neither rules nor Kafka"},
		{"schemas", []string{"accrue/processor", "accrue/rules", "accrue/state", "accrue/cmd", pebble}, "schemas is the bottom"},
		{"processor", []string{"accrue/cmd", "github.com/spf13/cobra"}, "the processor knows no command line"},
	}
	for _, f := range load(t) {
		for _, border := range borders {
			// A test may read testdata and start a store; the border is about the product.
			if !within(f.Path, border.folder) || f.IsTest() {
				continue
			}
			for _, imported := range f.Imports() {
				for _, never := range border.never {
					if within(imported, never) {
						t.Errorf("%s imports %s: %s", f.Path, imported, border.why)
					}
				}
			}
		}
	}
}

func within(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// The clock and floating point come into the rules through no door at all.
func TestRulesArePure(t *testing.T) {
	forbidden := map[string]string{
		"time.Now": "the clock is an argument", "time.Local": "the zone is the member's or the programme's",
		"time.LoadLocation": "the host's tables differ: use the embedded ones",
	}
	// CEL parses a decimal literal as a double and converters of foreign values see one: there a float is met, turned
	// into an exact decimal, and goes no further.
	floatsAllowed := []string{"rules/programme/"}
	for _, f := range load(t) {
		if !within(f.Path, "rules") || f.IsTest() {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					if why, no := forbidden[x.Name+"."+n.Sel.Name]; no {
						t.Errorf("%s: %s.%s in rules: %s", f.At(n), x.Name, n.Sel.Name, why)
					}
				}
			case *ast.Ident:
				isFloat := n.Name == "float64" || n.Name == "float32"
				if isFloat && !slices.ContainsFunc(floatsAllowed, func(p string) bool { return strings.HasPrefix(f.Path, p) }) {
					t.Errorf("%s: a float in rules: points and money are whole numbers and rationals", f.At(n))
				}
			}
			return true
		})
	}
}

// Whoever uses a package reads its names, not its code.
func TestExportedNamesAreDocumented(t *testing.T) {
	packageDocs := map[string]bool{}
	for _, f := range load(t) {
		if f.IsTest() {
			continue
		}
		packageDocs[f.Dir()] = packageDocs[f.Dir()] || f.Syntax.Doc != nil
		for _, decl := range f.Syntax.Decls {
			for _, missing := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", f.At(decl), missing)
			}
		}
	}
	for dir, documented := range packageDocs {
		if !documented {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// undocumented returns the exported names that a declaration leaves without a comment. In a group of constants or
// variables the group's comment is enough, for a name also the one at the end of its line.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		exported := d.Name.IsExported() && (d.Recv == nil || isExportedReceiver(d.Recv))
		known := d.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap"}, d.Name.Name) // the library says what they do
		if exported && !known && d.Doc == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func isExportedReceiver(receiver *ast.FieldList) bool {
	kind := receiver.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.Ident:
			return k.IsExported()
		default:
			return false
		}
	}
}

// A test waits on conditions, runs everywhere, and no switch hides it.
func TestTestsDoNotHideOrSleep(t *testing.T) {
	forbidden := map[string]string{
		"time.Sleep": "wait on a condition", "os.Getenv": "no switch in the environment", "os.LookupEnv": "no switch in the environment",
		"testing.Short": "every run is the whole run", "t.Skip": "a test runs or is deleted", "t.Skipf": "a test runs or is deleted",
		"t.SkipNow": "a test runs or is deleted", "b.Skip": "a benchmark runs or is deleted",
	}
	for _, f := range load(t) {
		if !f.IsTest() {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok {
				if why, no := forbidden[x.Name+"."+s.Sel.Name]; no {
					t.Errorf("%s: %s.%s in a test: %s", f.At(s), x.Name, s.Sel.Name, why)
				}
			}
			return true
		})
	}
}

// The customer named what the top level holds.
func TestTopLevel(t *testing.T) {
	allowed := []string{"cmd", "processor", "state", "schemas", "rules", "deploy", "go.mod", "go.sum", "README.md", "LICENSE"}
	made := regexp.MustCompile(`^(accrue|demo-data|.*\.test|.*\.prof)$`) // in .gitignore
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) && !made.MatchString(name) {
			t.Errorf("%s at the top level: it belongs below one of %s", name, strings.Join(allowed, ", "))
		}
	}
}

// Each crash point C1.. and each invariant S1.. of a package is written down in its doc.go, and a test names it: so a
// reader greps S3 and finds the rule, the code and the test.
func TestNumbersOfInvariantsAndCrashPoints(t *testing.T) {
	number := regexp.MustCompile(`\b[CS][1-9][0-9]?\b`)
	for _, folder := range []string{"processor", "state"} {
		table, inCode, inTests := map[string]bool{}, map[string]string{}, map[string]bool{}
		for _, f := range load(t) {
			switch {
			case !within(f.Path, folder):
			case f.Path == folder+"/doc.go":
				for _, n := range number.FindAllString(f.Comments(), -1) {
					table[n] = true
				}
			case f.IsTest():
				for _, n := range number.FindAllString(f.Text, -1) {
					inTests[n] = true
				}
			default:
				for _, n := range number.FindAllString(f.Comments(), -1) {
					inCode[n] = f.Path
				}
			}
		}
		if len(table) == 0 {
			continue // the package has no table yet, so nothing is promised
		}
		for n, file := range inCode {
			if !table[n] {
				t.Errorf("%s names %s, which %s/doc.go does not know", file, n, folder)
			}
		}
		for n := range table {
			if !inTests[n] {
				t.Errorf("%s/doc.go has %s and no test of the package names it", folder, n)
			}
		}
	}
}
