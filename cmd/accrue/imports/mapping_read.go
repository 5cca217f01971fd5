package imports

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"accrue/rules/programme"
	"accrue/schemas"
)

// mappingReader walks the file's tree, so that every key keeps its place and one wrong key does not hide the next.
type mappingReader struct {
	file     string
	problems programme.Problems
	columns  []columnUse
}

// ReadMapping reads a mapping file. It returns every problem at once, in the order of the file; none: the mapping is good as far
// as it can be told without the orders.
func ReadMapping(file string, text []byte) (*Mapping, programme.Problems) {
	r := &mappingReader{file: file}
	root := r.parse(text)
	if root == nil {
		return nil, r.problems
	}
	m := r.mapping(root)
	m.columns = r.columns
	return m, sortProblems(r.problems)
}

func sortProblems(p programme.Problems) programme.Problems {
	slices.SortStableFunc(p, func(a, b programme.Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return p
}

func (r *mappingReader) fail(at programme.Position, suggestion, format string, args ...any) {
	r.problems = append(r.problems, programme.Problem{Pos: at, Severity: programme.Error, Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
}

func (r *mappingReader) position(t *token.Token) programme.Position {
	at := programme.Position{File: r.file, Line: 1, Column: 1}
	if t != nil && t.Position != nil {
		at.Line, at.Column = t.Position.Line, t.Position.Column
	}
	return at
}

func (r *mappingReader) at(n ast.Node) programme.Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return r.position(m.Values[0].Key.GetToken()) // the parser gives the colon
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return r.position(m.Key.GetToken())
	}
	return r.position(n.GetToken())
}

// parse calls the parser, which has panicked on malformed input before.
func (r *mappingReader) parse(text []byte) (root ast.Node) {
	defer func() {
		if p := recover(); p != nil {
			r.fail(r.position(nil), "", "not valid YAML: the parser failed: %v", p)
			root = nil
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := r.position(nil), err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			at, message = r.position(syntax.GetToken()), syntax.GetMessage()
		}
		first, _, _ := strings.Cut(message, "\n")
		r.fail(at, "", "not valid YAML: %s", first)
		return nil
	}
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		}
		if root != nil {
			r.fail(r.at(doc.Body), "", "a second document; a mapping is one")
			return root
		}
		root = doc.Body
	}
	if root == nil {
		r.fail(r.position(nil), "", "the file is empty; accrue import --help shows a mapping")
	}
	return root
}

// section is a mapping of the file whose keys are known.
type section struct {
	r      *mappingReader
	name   string
	where  programme.Position
	values map[string]ast.Node
}

// section reads the keys of a node. Keys are all that it may have.
func (r *mappingReader) section(n ast.Node, name string, keys ...string) section {
	s := section{r, name, r.at(n), map[string]ast.Node{}}
	for _, entry := range r.entries(n, name) {
		key := entry.Key.GetToken().Value
		at := r.position(entry.Key.GetToken())
		switch _, twice := s.values[key]; {
		case !slices.Contains(keys, key):
			near := schemas.Nearest(key, keys)
			if near == "" {
				r.fail(at, "", "unknown key `%s` in %s; it has %s", key, name, strings.Join(keys, ", "))
				continue
			}
			r.fail(at, near, "unknown key `%s` in %s", key, name)
		case twice:
			r.fail(at, "", "key `%s` twice", key)
		default:
			s.values[key] = entry.Value
		}
	}
	return s
}

// entries are the entries of a mapping node.
func (r *mappingReader) entries(n ast.Node, name string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	r.fail(r.at(n), "", "%s is a section: its keys belong below it, as `key: value`", name)
	return nil
}

// get is the value of a key; nil: it is not there, or empty.
func (s section) get(key string) ast.Node {
	n := s.values[key]
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	return n
}

// text is a plain value, and whether it is there.
func (s section) text(key string) (string, bool) {
	n := s.get(key)
	if n == nil {
		return "", false
	}
	text, ok := scalar(n)
	if !ok {
		s.r.fail(s.r.at(n), "", "`%s` of %s takes a plain value", key, s.name)
	}
	return text, ok
}

// one is a value of a few.
func (s section) one(key, otherwise string, of ...string) string {
	text, ok := s.text(key)
	if !ok {
		return otherwise
	}
	if !slices.Contains(of, text) {
		s.r.fail(s.r.at(s.get(key)), schemas.Nearest(text, of), "`%s` is %q; it is one of %s", key, text, strings.Join(of, ", "))
		return otherwise
	}
	return text
}

func (s section) truth(key string, otherwise bool) bool {
	return s.one(key, fmt.Sprint(otherwise), "true", "false") == "true"
}

// list is a list of plain values, or one of them.
func (s section) list(key string) []string {
	n := s.get(key)
	if n == nil {
		return nil
	}
	nodes := []ast.Node{n}
	if sequence, ok := n.(*ast.SequenceNode); ok {
		nodes = sequence.Values
	}
	var texts []string
	for _, item := range nodes {
		text, ok := scalar(item)
		if !ok {
			s.r.fail(s.r.at(item), "", "`%s` of %s takes plain values", key, s.name)
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// scalar is a plain value as it was written: 012 stays 012.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// field reads where a value comes from: a column's name, or a section.
func (r *mappingReader) field(s section, key string) *Field {
	n := s.get(key)
	if n == nil {
		return nil
	}
	f := &Field{at: r.at(n)}
	if text, ok := scalar(n); ok {
		f.Column = text
		r.use(f.Column, f.at, &f.index)
		return f
	}
	name := s.name + "." + key
	in := r.section(n, name, "column", "value", "values", "otherwise", "default", "strip_prefix", "separator")
	column, hasColumn := in.text("column")
	value, hasValue := in.text("value")
	if hasColumn == hasValue {
		r.fail(f.at, "", "%s takes either `column` or `value`, a constant", name)
		return f
	}
	f.Value, f.Column = value, column
	f.Default, _ = in.text("default")
	f.Strip, _ = in.text("strip_prefix")
	f.Separator, _ = in.text("separator")
	if hasColumn {
		r.use(column, r.at(in.get("column")), &f.index)
	}
	if text, ok := in.text("otherwise"); ok {
		f.Otherwise = &text
	}
	if table := in.get("values"); table != nil {
		f.Table = map[string]string{}
		for _, entry := range r.entries(table, name+".values") {
			text, ok := scalar(entry.Value)
			if !ok {
				r.fail(r.at(entry.Value), "", "%s.values: each takes a plain value", name)
			}
			f.Table[entry.Key.GetToken().Value] = text
		}
	}
	if f.Otherwise != nil && f.Table == nil {
		r.fail(r.at(in.get("otherwise")), "", "`otherwise` goes with a table of `values`")
	}
	return f
}

func (r *mappingReader) use(column string, at programme.Position, index *int) {
	if column == "" {
		r.fail(at, "", "a column needs a name")
		return
	}
	r.columns = append(r.columns, columnUse{column, at, index})
}

// constants are what a field can come to where that does not depend on what a column says; nil: it does.
func (f *Field) constants() []string {
	switch {
	case f.Column == "":
		return []string{f.Value}
	case f.Table == nil:
		return nil
	}
	all := slices.Sorted(maps.Values(f.Table))
	if f.Otherwise != nil {
		all = append(all, *f.Otherwise)
	}
	return all
}
