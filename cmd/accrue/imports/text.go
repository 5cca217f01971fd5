package imports

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// encodings are the words for how a file's text is encoded.
func encodings() []string {
	return []string{"utf-8", "utf-16", "utf-16le", "utf-16be", "gbk", "gb18030", "latin-1", "windows-1252"}
}

func encodingOf(name string) encoding.Encoding {
	switch name {
	case "utf-16", "utf-16le": // a byte order mark wins
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "gbk":
		return simplifiedchinese.GBK
	case "gb18030":
		return simplifiedchinese.GB18030
	case "latin-1":
		return charmap.ISO8859_1
	case "windows-1252":
		return charmap.Windows1252
	}
	return encoding.Nop
}

// textReader returns a file's text in UTF-8, unpacked. What is no text in the encoding comes as U+FFFD; in UTF-8 it comes as
// it is, and lineReader replaces it.
func textReader(in io.Reader, name string) (io.Reader, error) {
	packed := bufio.NewReaderSize(in, 1<<16)
	if magic, err := packed.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(packed)
		if err != nil {
			return nil, fmt.Errorf("unpacking the file: %w", err)
		}
		packed = bufio.NewReaderSize(unpacked, 1<<16)
	}
	if name == "" || name == "utf-8" {
		if mark, err := packed.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
			if _, err := packed.Discard(len(mark)); err != nil {
				return nil, err
			}
		}
		return packed, nil
	}
	return transform.NewReader(packed, encodingOf(name).NewDecoder()), nil
}

// maxLine bounds a line of the file, maxQuoted a row whose quoted text runs over several.
const (
	maxLine   = 1 << 20
	maxQuoted = 64 << 10
)

// lineReader hands over lines without their ends, with their numbers. Lines can be put back.
type lineReader struct {
	in     *bufio.Reader
	number int64      // of the last one
	back   []textLine // to be handed over again, the first one first
}

// textLine is a line, or the beginning of one that is too long.
type textLine struct {
	text string
	long bool
}

func newLineReader(in io.Reader) *lineReader { return &lineReader{in: bufio.NewReaderSize(in, 1<<16)} }

// next returns io.EOF after the last line. Of a line that is too long it returns the beginning, and true.
func (l *lineReader) next() (line string, long bool, err error) {
	if len(l.back) > 0 {
		first := l.back[0]
		l.back = l.back[1:]
		l.number++
		return first.text, first.long, nil
	}
	var whole []byte
	for {
		part, err := l.in.ReadSlice('\n')
		if room := maxLine - len(whole); len(part) > room {
			part, long = part[:room], true
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
		case err == bufio.ErrBufferFull: //nolint:errorlint // ReadSlice returns it as it is
			continue
		case err == io.EOF && len(whole) > 0:
		default:
			return "", false, err
		}
		l.number++
		return string(bytes.ToValidUTF8(bytes.TrimRight(whole, "\r\n"), []byte("\uFFFD"))), long, nil
	}
}

// putBack hands lines over again, of which the first has the given number.
func (l *lineReader) putBack(number int64, lines []textLine) {
	l.back = append(lines, l.back...)
	l.number = number - 1
}
