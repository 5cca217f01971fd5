package programme

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a file may be at most. A programme is written by people, and may have many files; beyond these it is an accident or
// an attack. The YAML parser's recursion has to end somewhere, and its time grows with the square of a mapping's keys.
const (
	maxFiles     = 1000
	maxFileBytes = 512 << 10
	maxLineBytes = 64 << 10
	maxLines     = 20_000
	maxDocuments = 10      // that are parsed to say that one is allowed
	maxNesting   = 256     // of brackets, as they stand in the text
	maxDepth     = 32      // of values; the grammar needs 7
	maxValues    = 200_000 // in a file, aliases counted as often as they are used
)

// source is one file as text.
type source struct {
	name  string
	text  string   // without a byte order mark, each line ended by a line feed
	lines [][]rune // without their ends, split when first needed
}

// newSource takes the bytes of a file, or says why they are no text that can be parsed.
func newSource(name string, content []byte) (*source, *Problem) {
	at := func(line, column int, format string, args ...any) *Problem {
		return &Problem{
			Pos: Position{File: name, Line: line, Column: column}, Severity: Error,
			Message: fmt.Sprintf(format, args...),
		}
	}
	if len(content) > maxFileBytes {
		return nil, at(1, 1, "the file has %d bytes; at most %d are read", len(content), maxFileBytes)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	for _, end := range []string{"\r\n", "\r"} { // YAML ends lines with each of the three
		content = bytes.ReplaceAll(content, []byte(end), []byte("\n"))
	}
	if bad := invalidUTF8(content); bad >= 0 {
		line, column := lineColumn(content, bad)
		return nil, at(line, column, "the file is not UTF-8: byte 0x%02x", content[bad])
	}
	if i := bytes.IndexFunc(content, forbidden); i >= 0 {
		line, column := lineColumn(content, i)
		r, _ := utf8.DecodeRune(content[i:])
		return nil, at(line, column, "the file has a control character: %U", r)
	}
	depth, documents := 0, 0
	for i, line := range bytes.Split(content, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("---")) {
			documents++
		}
		if i >= maxLines || documents > maxDocuments {
			return nil, at(i+1, 1, "the file has more than %d lines or %d documents", maxLines, maxDocuments)
		}
		if len(line) > maxLineBytes {
			return nil, at(i+1, 1, "the line has %d bytes; at most %d are read", len(line), maxLineBytes)
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxNesting {
				return nil, at(i+1, 1, "brackets are nested more than %d deep", maxNesting)
			}
		}
	}
	return &source{name: name, text: string(content)}, nil
}

// forbidden says which characters YAML does not allow as they are.
func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' || r == 0x7f
}

func invalidUTF8(content []byte) int {
	for i := 0; i < len(content); {
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// lineColumn is the place of a byte, counted in characters from 1.
func lineColumn(content []byte, offset int) (line, column int) {
	before := content[:offset]
	line = bytes.Count(before, []byte("\n")) + 1
	column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return line, column
}

// line returns the characters of a line, counted from 1, without its end; nil past the last.
func (s *source) line(n int) []rune {
	if s.lines == nil {
		for _, line := range strings.Split(s.text, "\n") {
			s.lines = append(s.lines, []rune(line))
		}
	}
	if n < 1 || n > len(s.lines) {
		return nil
	}
	return s.lines[n-1]
}
