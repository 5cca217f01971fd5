package processor

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// ConfigError is what is wrong with a configuration: all of it, in the order of the file, then of the environment.
type ConfigError struct {
	Problems []ConfigProblem
}

// Error prints one problem a line.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// ConfigProblem is one thing that is wrong, and where.
type ConfigProblem struct {
	Where        string // a file, an environment variable, or empty: nothing was written, the key is missing
	Line, Column int    // of a file, from 1; 0: none
	Text         string
}

// String is "file:line:column: what", as compilers write it.
func (p ConfigProblem) String() string {
	switch {
	case p.Where == "":
		return p.Text
	case p.Line == 0:
		return p.Where + ": " + p.Text
	default:
		return fmt.Sprintf("%s:%d:%d: %s", p.Where, p.Line, p.Column, p.Text)
	}
}

// configSource is where a key's value was written.
type configSource struct {
	where        string
	line, column int
}

// configLoader gathers values and problems from the file and the environment.
type configLoader struct {
	file     string
	keys     []configKey
	set      map[string]configSource // by the key's path
	problems []ConfigProblem
}

func (l *configLoader) problem(at configSource, format string, args ...any) {
	l.problems = append(l.problems, ConfigProblem{Where: at.where, Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...)})
}

// at reports a problem of a key where its value was written.
func (l *configLoader) at(path, format string, args ...any) {
	source, written := l.set[path]
	if !written {
		source = configSource{where: l.file}
		format = path + " " + format
	}
	l.problem(source, format, args...)
}

// sorted keeps the problems of the file in the order of its lines, before those of the environment.
func (l *configLoader) sorted() []ConfigProblem {
	sort.SliceStable(l.problems, func(i, j int) bool {
		a, b := l.problems[i], l.problems[j]
		if (a.Line > 0) != (b.Line > 0) {
			return a.Line > 0
		}
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	return l.problems
}

func (l *configLoader) position(t *token.Token) configSource {
	return configSource{where: l.file, line: t.Position.Line, column: t.Position.Column}
}

// readYAML walks the file's tree itself instead of decoding into a struct: so every key keeps its position, and one
// wrong key does not hide the next.
func (l *configLoader) readYAML(text []byte) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			l.problem(l.position(syntax.Token), "%s", syntax.Message)
			return
		}
		l.problem(configSource{where: l.file}, "%v", err)
		return
	}
	for i, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case i > 0:
			l.problem(l.position(doc.Body.GetToken()), "a second document; a configuration is one")
		default:
			l.readSection("", doc.Body)
		}
	}
}

func (l *configLoader) readSection(section string, node ast.Node) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		if node.Type() != ast.NullType {
			l.problem(l.position(node.GetToken()), "%s is a section: its keys belong on lines of their own below it", orText(section, "the configuration"))
		}
		return
	}
	for _, entry := range mapping.Values {
		name := entry.Key.GetToken().Value
		path := name
		if section != "" {
			path = section + "." + name
		}
		key, isKey := l.key(path)
		switch {
		case isKey:
			l.readValue(key, entry.Value)
		case l.isSection(path):
			l.readSection(path, entry.Value)
		default:
			l.problem(l.position(entry.Key.GetToken()), "unknown key %q%s", path, didYouMean(path, l.names()))
		}
	}
}

func (l *configLoader) readValue(key configKey, node ast.Node) {
	at := l.position(node.GetToken())
	var texts []string
	switch n := node.(type) {
	case *ast.SequenceNode:
		if !key.list {
			l.problem(at, "%s takes one value, not a list", key.path)
			return
		}
		for _, item := range n.Values {
			text, ok := scalarText(item)
			if !ok {
				l.problem(l.position(item.GetToken()), "%s: each item is a plain text; write it in quotes", key.path)
				return
			}
			texts = append(texts, text)
		}
	case *ast.NullNode:
		return // an empty key means its default
	default:
		text, ok := scalarText(node)
		if !ok {
			l.problem(at, "%s takes a plain value", key.path)
			return
		}
		texts = []string{text}
	}
	l.assign(key, texts, at)
}

// scalarText returns a scalar as it was written: 012 stays 012, 1e3 stays 1e3, and each key reads it its own way.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// readEnv takes the ACCRUE_ variables. One that is no key is a problem only where it looks like a misspelt one: a
// cluster may hand out variables of its own with this prefix (Kubernetes does for a Service named accrue).
func (l *configLoader) readEnv(env []string) {
	byVariable := map[string]configKey{}
	var known []string
	for _, key := range l.keys {
		byVariable[key.variable()] = key
		known = append(known, key.variable())
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "ACCRUE_") {
			continue
		}
		at := configSource{where: name}
		key, ok := byVariable[name]
		switch {
		case !ok && nearest(name, known) != "":
			l.problem(at, "no such key%s", didYouMean(name, known))
		case !ok || value == "":
		case key.list:
			l.assign(key, strings.Split(value, ","), at)
		default:
			l.assign(key, []string{value}, at)
		}
	}
}

func (l *configLoader) assign(key configKey, texts []string, at configSource) {
	for i := range texts {
		texts[i] = strings.TrimSpace(texts[i])
	}
	l.set[key.path] = at
	if err := key.set(texts); err != nil {
		l.problem(at, "%s: %v", key.path, err)
	}
}

func (l *configLoader) key(path string) (configKey, bool) {
	for _, key := range l.keys {
		if key.path == path {
			return key, true
		}
	}
	return configKey{}, false
}

func (l *configLoader) isSection(path string) bool {
	for _, key := range l.keys {
		if strings.HasPrefix(key.path, path+".") {
			return true
		}
	}
	return false
}

func (l *configLoader) names() []string {
	var names []string
	for _, key := range l.keys {
		names = append(names, key.path)
		for i, r := range key.path {
			if r == '.' {
				names = append(names, key.path[:i])
			}
		}
	}
	return names
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
