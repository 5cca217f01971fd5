package programme

import "strings"

// places returns where each character of a scalar's text stands in its file, and one more for the end. The scalar is read
// a second time for it, as the parser keeps only where it begins. Should that reading give another text than the parser's
// (explicit indents, exotic line ends), every character is said to stand at the scalar's begin: less helpful, never wrong.
func (n *node) places() []Position {
	want := []rune(n.text)
	w := &placer{source: n.source, file: n.pos.File, line: n.pos.Line, column: n.pos.Column}
	switch n.style {
	case singleQuoted, doubleQuoted:
		w.column++
		w.flow(n.style, len(want))
	case literal, folded:
		w.block(n.style, len(want))
	case plain:
		w.flow(plain, len(want))
	}
	if string(w.text) != n.text {
		places := make([]Position, len(want)+1)
		for i := range places {
			places[i] = n.pos
		}
		return places
	}
	return append(w.places, w.end())
}

// placer reads a scalar from its file, character by character.
type placer struct {
	source       *source
	file         string
	line, column int // of the next character, from 1
	text         []rune
	places       []Position
}

func (w *placer) emit(r rune, line, column int) {
	w.text = append(w.text, r)
	w.places = append(w.places, Position{File: w.file, Line: line, Column: column})
}

// end is the place just after the last character, where an expression that stops too early is reported.
func (w *placer) end() Position {
	if len(w.places) == 0 {
		return Position{File: w.file, Line: w.line, Column: w.column}
	}
	last := w.places[len(w.places)-1]
	last.Column++
	return last
}

// flow reads plain and quoted scalars, which may go over several lines: the white space around a line end is one space,
// and each empty line is a line end.
func (w *placer) flow(style scalarStyle, want int) {
	chars := w.source.line(w.line)
	for len(w.text) < want {
		if w.column > len(chars) {
			if !w.foldLine() {
				return
			}
			chars = w.source.line(w.line)
			continue
		}
		c := chars[w.column-1]
		switch {
		case style == singleQuoted && c == '\'':
			if w.column >= len(chars) || chars[w.column] != '\'' {
				return
			}
			w.emit('\'', w.line, w.column)
			w.column += 2
		case style == doubleQuoted && c == '"':
			return
		case style == doubleQuoted && c == '\\':
			if w.column == len(chars) { // an escaped line end joins the lines
				w.line++
				chars = w.source.line(w.line)
				w.column = 1 + leading(chars)
				continue
			}
			r, length := escape(chars[w.column:])
			w.emit(r, w.line, w.column)
			w.column += 1 + length
		default:
			w.emit(c, w.line, w.column)
			w.column++
		}
	}
}

// foldLine goes from the end of a line to the next that is not empty.
func (w *placer) foldLine() bool {
	for len(w.text) > 0 && isBlank(w.text[len(w.text)-1]) && w.places[len(w.places)-1].Line == w.line {
		w.text, w.places = w.text[:len(w.text)-1], w.places[:len(w.places)-1]
	}
	line, column := w.line, len(w.source.line(w.line))+1
	empty := 0
	for {
		w.line++
		chars := w.source.line(w.line)
		if chars == nil {
			return false
		}
		w.column = 1 + leading(chars)
		if w.column <= len(chars) {
			break
		}
		empty++
	}
	if empty == 0 {
		w.emit(' ', line, column)
	}
	for range empty {
		w.emit('\n', line, column)
	}
	return true
}

// block reads literal (|) and folded (>) scalars, whose text begins on the next line.
func (w *placer) block(style scalarStyle, want int) {
	indent := -1
	brokeAt := -1 // in a folded scalar: index of the last line end that may become a space
	for w.line++; len(w.text) < want; w.line++ {
		chars := w.source.line(w.line)
		if chars == nil {
			return
		}
		if indent < 0 && leading(chars) < len(chars) {
			indent = leading(chars)
		}
		from := min(max(indent, 0), len(chars))
		empty := from == len(chars)
		indented := !empty && isBlank(chars[from])
		if brokeAt >= 0 && !indented {
			if empty {
				w.text, w.places = w.text[:brokeAt], w.places[:brokeAt]
			} else {
				w.text[brokeAt] = ' '
			}
		}
		brokeAt = -1
		for i := from; i < len(chars) && len(w.text) < want; i++ {
			w.emit(chars[i], w.line, i+1)
		}
		if len(w.text) < want {
			if style == folded && !empty && !indented {
				brokeAt = len(w.text)
			}
			w.emit('\n', w.line, len(chars)+1)
		}
	}
}

// escape reads an escape sequence of a double-quoted scalar after its backslash.
func escape(chars []rune) (r rune, length int) {
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[chars[0]]
	if digits > 0 {
		if len(chars) <= digits {
			return chars[0], 1
		}
		for _, c := range chars[1 : 1+digits] {
			r = r<<4 | rune(max(strings.IndexRune("0123456789abcdef", lower(c)), 0)) // below 16
		}
		return r, 1 + digits
	}
	if i := strings.IndexRune("0abtnvfre", chars[0]); i >= 0 {
		return []rune("\x00\a\b\t\n\v\f\r\x1b")[i], 1
	}
	return chars[0], 1
}

func lower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r - 'A' + 'a'
	}
	return r
}

func leading(chars []rune) int {
	n := 0
	for n < len(chars) && isBlank(chars[n]) {
		n++
	}
	return n
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }
