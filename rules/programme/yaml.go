package programme

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	mapNode
	listNode
	brokenNode // already reported; whoever reads it says nothing more
)

// scalarStyle is how a scalar is written. Only plain ones can be numbers.
type scalarStyle uint8

const (
	plain scalarStyle = iota
	singleQuoted
	doubleQuoted
	literal // |
	folded  // >
)

// node is a YAML value with its place: what is left of the parser's tree once aliases are resolved. It never changes, and
// one that is aliased is shared.
type node struct {
	kind    nodeKind
	style   scalarStyle
	source  *source
	pos     Position
	text    string // of a scalar, as written: numbers are never made floats
	entries []entry
	items   []*node
	size    int // values in it, aliases counted as often as they are used
}

type entry struct {
	key   *node // a scalar
	value *node
}

// describe says what kind of value n is, for messages.
func (n *node) describe() string {
	switch n.kind {
	case mapNode:
		return "a mapping"
	case listNode:
		return "a list"
	case nullNode:
		return "nothing"
	case scalarNode, brokenNode:
	}
	return fmt.Sprintf("%q", shorten(n.text))
}

func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

// readYAML parses one file into a tree. nil: there is none, and why is in the problems.
func readYAML(s *source, report func(Problem)) *node {
	fail := func(pos Position, format string, args ...any) {
		report(Problem{Pos: pos, Severity: Error, Message: fmt.Sprintf(format, args...)})
	}
	start := Position{File: s.name, Line: 1, Column: 1}
	file, err := parseYAML(s.text)
	if err != nil {
		pos, message := start, err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			message = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil {
				pos = tokenPosition(s, t)
			}
		}
		fail(pos, "not valid YAML: %s", yamlMessage(message))
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.DirectiveNode:
			fail(tokenPosition(s, body.GetToken()), "YAML directives are not supported")
		default:
			bodies = append(bodies, body)
		}
	}
	if len(bodies) == 0 {
		fail(start, "the file is empty")
		return nil
	}
	b := &treeBuilder{source: s, fail: fail, anchors: map[string]*node{}}
	if len(bodies) > 1 {
		second := b.build(bodies[1], 0)
		fail(second.pos, "the file holds more than one document; a programme is one")
		return nil
	}
	return b.build(bodies[0], 0)
}

// parseYAML calls the parser. It is not ours and has panicked on malformed input before; what it cannot read is an error
// like any other, and nothing of it outlives the call.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, fmt.Errorf("the parser failed: %v", r)
		}
	}()
	return parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
}

func yamlMessage(message string) string {
	if strings.Contains(message, "'\t'") {
		return "a tab cannot indent; use spaces"
	}
	if i := strings.IndexByte(message, '\n'); i >= 0 {
		message = message[:i]
	}
	return strings.ToValidUTF8(message, "?")
}

func tokenPosition(s *source, t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: s.name, Line: 1, Column: 1}
	}
	return Position{File: s.name, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

// treeBuilder turns the parser's tree into ours.
type treeBuilder struct {
	source  *source
	fail    func(pos Position, format string, args ...any)
	anchors map[string]*node
	values  int
	full    bool // the bound on values was reported
}

func (b *treeBuilder) build(n ast.Node, depth int) *node {
	if n == nil {
		return b.leaf(nullNode, nil)
	}
	if depth > maxDepth {
		return b.broken(n, "values are nested more than %d deep", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.mapping(n, n.Values, n.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		return b.mapping(n, []*ast.MappingValueNode{n}, false, depth)
	case *ast.SequenceNode:
		return b.sequence(n, depth)
	case *ast.AnchorNode:
		return b.anchor(n, depth)
	case *ast.AliasNode:
		return b.alias(n)
	case *ast.NullNode:
		return b.leaf(nullNode, n.GetToken())
	case *ast.LiteralNode:
		out := b.leaf(scalarNode, n.Start)
		out.text, out.style = n.Value.Value, literal
		if n.Start.Type == token.FoldedType {
			out.style = folded
		}
		return out
	case *ast.StringNode:
		return b.text(n)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out := b.leaf(scalarNode, n.GetToken())
		out.text = n.GetToken().Value
		return out
	case *ast.TagNode:
		return b.broken(n, "YAML tags are not supported: leave out %s", shorten(n.Start.Value))
	default:
		return b.broken(n, "this YAML is not supported here: %s", n.Type())
	}
}

func (b *treeBuilder) leaf(kind nodeKind, t *token.Token) *node {
	b.count(1, tokenPosition(b.source, t))
	return &node{kind: kind, source: b.source, pos: tokenPosition(b.source, t), size: 1}
}

func (b *treeBuilder) broken(n ast.Node, format string, args ...any) *node {
	out := b.leaf(brokenNode, n.GetToken())
	if !b.full {
		b.fail(out.pos, format, args...)
	}
	return out
}

func (b *treeBuilder) count(values int, pos Position) bool {
	b.values += values
	if b.values > maxValues && !b.full {
		b.full = true
		b.fail(pos, "the file has more than %d values, aliases counted as often as they are used", maxValues)
	}
	return !b.full
}

func (b *treeBuilder) text(n *ast.StringNode) *node {
	out := b.leaf(scalarNode, n.GetToken())
	out.text = n.Value
	switch n.GetToken().Type { // all other tokens are plain scalars
	case token.SingleQuoteType:
		out.style = singleQuoted
	case token.DoubleQuoteType:
		out.style = doubleQuoted
	default:
		out.style = plain
	}
	return out
}

func (b *treeBuilder) mapping(n ast.Node, values []*ast.MappingValueNode, flow bool, depth int) *node {
	out := b.leaf(mapNode, n.GetToken())
	for i, v := range values {
		key := b.key(v.Key)
		if i == 0 && !flow {
			out.pos = key.pos // the parser gives the colon
		}
		e := entry{key: key, value: b.build(v.Value, depth+1)}
		if e.value.kind == nullNode {
			e.value.pos = key.pos // the parser gives the end of the line
		}
		out.size += e.value.size
		if key.kind != brokenNode {
			out.entries = append(out.entries, e)
		}
		if b.full {
			break
		}
	}
	return out
}

func (b *treeBuilder) key(k ast.MapKeyNode) *node {
	switch k := k.(type) {
	case *ast.StringNode:
		return b.text(k)
	case *ast.MergeKeyNode:
		return b.broken(k, "merge keys (<<) are not supported: write the keys out")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		out := b.leaf(scalarNode, k.GetToken())
		out.text = k.GetToken().Value
		return out
	default:
		return b.broken(k, "a key must be a plain word")
	}
}

func (b *treeBuilder) sequence(n *ast.SequenceNode, depth int) *node {
	out := b.leaf(listNode, n.GetToken())
	for _, v := range n.Values {
		item := b.build(v, depth+1)
		out.size += item.size
		out.items = append(out.items, item)
		if b.full {
			break
		}
	}
	return out
}

// anchor remembers a value under a name. The name is set only when the value is complete, so that no value can hold
// itself; used again, it is another value from there on.
func (b *treeBuilder) anchor(n *ast.AnchorNode, depth int) *node {
	value := b.build(n.Value, depth+1)
	if n.Name != nil && n.Name.GetToken() != nil {
		b.anchors[n.Name.GetToken().Value] = value
	}
	return value
}

func (b *treeBuilder) alias(n *ast.AliasNode) *node {
	if n.Value == nil || n.Value.GetToken() == nil {
		return b.broken(n, "an alias needs a name")
	}
	name := n.Value.GetToken().Value
	value, ok := b.anchors[name]
	if !ok {
		return b.broken(n, "no anchor &%s before this alias", name)
	}
	if !b.count(value.size, tokenPosition(b.source, n.GetToken())) {
		return &node{kind: brokenNode, source: b.source, pos: value.pos, size: 1}
	}
	return value
}
