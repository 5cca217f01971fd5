// Package houserules holds the rules of this code base that no linter knows, as tests. Each failure names the place and
// what to do instead. Its Go code only reads the source; the rules themselves are in the tests.
package houserules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// File is one parsed Go file of the project.
type File struct {
	Path   string // from the module's root, with slashes
	Text   string
	Syntax *ast.File
	Set    *token.FileSet
}

// IsTest says whether the file is compiled for tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Dir is the folder of the file, from the module's root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// At is where a node stands, as compilers write it.
func (f *File) At(n ast.Node) string {
	p := f.Set.Position(n.Pos())
	return fmt.Sprintf("%s:%d", f.Path, p.Line)
}

// Lines is the number of lines of a node.
func (f *File) Lines(n ast.Node) int {
	return f.Set.Position(n.End()).Line - f.Set.Position(n.Pos()).Line + 1
}

// Imports lists the paths that the file imports.
func (f *File) Imports() []string {
	paths := make([]string, len(f.Syntax.Imports))
	for i, spec := range f.Syntax.Imports {
		paths[i] = strings.Trim(spec.Path.Value, `"`)
	}
	return paths
}

// Comments joins all comments of the file.
func (f *File) Comments() string {
	var b strings.Builder
	for _, group := range f.Syntax.Comments {
		b.WriteString(group.Text())
	}
	return b.String()
}

// Load parses every Go file below root, except in folders that the go command does not look at either.
func Load(root string) ([]*File, error) {
	var files []*File
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			hidden := name != "." && strings.ContainsAny(entry.Name()[:1], "._")
			if hidden || entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parsing the source: %w", err)
		}
		files = append(files, &File{Path: name, Text: string(text), Syntax: syntax, Set: set})
		return nil
	})
	return files, err
}
