package scenario

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// rewriting says what a value of the file is to become.
type rewriting struct {
	value *value
	text  string
}

// rewrite puts values as they are into the file, and leaves everything else as it was written. A value that cannot be
// found in the text at its place (one that goes over several lines) stays.
func rewrite(content []byte, list []rewriting) []byte {
	out := bytes.Clone(content)
	slices.SortStableFunc(list, func(a, b rewriting) int {
		return cmp.Or(cmp.Compare(a.value.pos.Line, b.value.pos.Line), cmp.Compare(a.value.pos.Column, b.value.pos.Column))
	})
	for _, r := range slices.Backward(list) { // from the end, so that places before stay right
		from := offset(out, r.value.pos.Line, r.value.pos.Column)
		text, length := r.text, len(r.value.text)
		if r.value.quoted {
			text, length = strconv.Quote(r.text), quotedLength(out[from:])
		} else if !bytes.HasPrefix(out[from:], []byte(r.value.text)) {
			continue
		}
		if length > 0 {
			out = slices.Concat(out[:from], []byte(text), out[from+length:])
		}
	}
	return out
}

// offset is the place of a character, counted from 1 in line and column, in bytes.
func offset(content []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		end := bytes.IndexByte(content[at:], '\n')
		if end < 0 {
			return len(content)
		}
		at += end + 1
	}
	for ; column > 1 && at < len(content); column-- {
		_, size := utf8.DecodeRune(content[at:])
		at += size
	}
	return at
}

// quotedLength is how many bytes a quoted text takes at the begin of b, its quotes included; 0: there is none.
func quotedLength(b []byte) int {
	if len(b) == 0 || b[0] != '"' && b[0] != '\'' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && b[0] == '"':
			i++
		case b[i] == b[0] && b[0] == '\'' && i+1 < len(b) && b[i+1] == '\'':
			i++
		case b[i] == b[0]:
			return i + 1
		}
	}
	return 0
}
