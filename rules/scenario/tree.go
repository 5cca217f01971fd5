package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"accrue/rules/programme"
)

// What a scenario file may be at most. It is written by people; the parser's recursion has to end somewhere.
const (
	maxBytes   = 2 << 20
	maxNesting = 64
)

type kind uint8

const (
	nothing kind = iota
	scalar
	mapping
	list
)

// value is a YAML value with its place.
type value struct {
	kind   kind
	pos    programme.Position
	text   string // of a scalar; numbers are never made floats
	quoted bool
	fields []field
	items  []*value
}

type field struct {
	key   *value
	value *value
}

// readTree parses the file; nil: it cannot be read, and why is in problems.
func readTree(name string, content []byte, problems *Problems) *value {
	start := programme.Position{File: name, Line: 1, Column: 1}
	switch {
	case len(content) > maxBytes:
		problems.add(start, "the file has %d bytes; at most %d are read", len(content), maxBytes)
		return nil
	case !utf8.Valid(content):
		problems.add(start, "the file is not UTF-8")
		return nil
	case nesting(content) > maxNesting:
		problems.add(start, "brackets are nested more than %d deep", maxNesting)
		return nil
	}
	file, err := parse(content)
	if err != nil {
		pos, message := start, err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			message = syntax.GetMessage()
			pos = place(name, syntax.GetToken())
		}
		message, _, _ = strings.Cut(message, "\n")
		problems.add(pos, "not valid YAML: %s", message)
		return nil
	}
	b := &builder{name: name, problems: problems}
	for _, doc := range file.Docs {
		if _, comment := doc.Body.(*ast.CommentGroupNode); doc.Body != nil && !comment {
			return b.build(doc.Body, 0)
		}
	}
	problems.add(start, "the file is empty")
	return nil
}

// parse calls the parser. It is not ours and has panicked on malformed input before; what it cannot read is an error like
// any other.
func parse(content []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, fmt.Errorf("the parser failed: %v", r)
		}
	}()
	return parser.ParseBytes(content, 0)
}

func nesting(content []byte) int {
	depth, most := 0, 0
	for _, line := range bytes.Split(content, []byte("\n")) {
		indent := len(line) - len(bytes.TrimLeft(line, " -"))
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
		}
		most = max(most, depth, indent/2)
	}
	return most
}

func place(name string, t *token.Token) programme.Position {
	if t == nil || t.Position == nil {
		return programme.Position{File: name, Line: 1, Column: 1}
	}
	return programme.Position{File: name, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

// builder turns the parser's tree into ours.
type builder struct {
	name     string
	problems *Problems
}

func (b *builder) build(n ast.Node, depth int) *value {
	v := &value{pos: programme.Position{File: b.name, Line: 1, Column: 1}}
	if n == nil {
		return v
	}
	v.pos = place(b.name, n.GetToken())
	if depth > maxNesting {
		b.problems.add(v.pos, "values are nested more than %d deep", maxNesting)
		return v
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		b.mapping(v, n.Values, n.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		b.mapping(v, []*ast.MappingValueNode{n}, false, depth)
	case *ast.SequenceNode:
		v.kind = list
		for _, item := range n.Values {
			v.items = append(v.items, b.build(item, depth+1))
		}
	case *ast.StringNode:
		t := n.GetToken().Type
		v.kind, v.text, v.quoted = scalar, n.Value, t == token.SingleQuoteType || t == token.DoubleQuoteType
	case *ast.LiteralNode:
		v.kind, v.text, v.quoted = scalar, strings.TrimSpace(n.Value.Value), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		v.kind, v.text = scalar, n.GetToken().Value
	default:
		b.problems.add(v.pos, "this YAML is not supported here: %s", n.Type())
	}
	return v
}

func (b *builder) mapping(v *value, values []*ast.MappingValueNode, flow bool, depth int) {
	v.kind = mapping
	for i, entry := range values {
		key := &value{kind: scalar, pos: place(b.name, entry.Key.GetToken())}
		if t := entry.Key.GetToken(); t != nil {
			key.text = t.Value
		}
		if i == 0 && !flow {
			v.pos = key.pos // the parser gives the colon
		}
		f := field{key, b.build(entry.Value, depth+1)}
		if f.value.kind == nothing {
			f.value.pos = key.pos
		}
		v.fields = append(v.fields, f)
	}
}
