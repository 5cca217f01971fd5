package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errLongLine says that a line was longer than lineMax; the rest of it was passed over.
var errLongLine = fmt.Errorf("the line has more than %d bytes", lineMax)

// readLine returns the next line without its end, which holds until the next call. io.EOF comes after the last one. Of a
// line that is too long it returns the beginning with errLongLine, and goes on behind it.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return lastLine(line, err)
	}
	whole := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		if len(whole)+len(line) > lineMax {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			return whole, errLongLine
		}
		whole = append(whole, line...)
	}
	return lastLine(whole, err)
}

func lastLine(line []byte, err error) ([]byte, error) {
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), err
}
