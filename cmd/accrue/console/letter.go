package console

import (
	"encoding/hex"
	"fmt"
	"unicode"
	"unicode/utf8"

	"accrue/processor"
)

// Bounds of what is kept of a dead letter, in bytes.
const (
	valuePreview  = 2 << 10
	keyPreview    = 256
	wordsPreview  = 4 << 10
	headerPreview = 512
	shownHeaders  = 20
)

// letterOf makes what is shown of a dead letter.
func letterOf(l *processor.Letter, topics processor.Topics) letter {
	x := letter{
		ID: l.ID, At: l.Written, Reason: l.Reason, Error: preview([]byte(l.Why), wordsPreview), Bytes: max(l.WholeSize, int64(len(l.Value))),
		Key: preview(l.Key, keyPreview), Value: preview(l.Value, valuePreview), Binary: !readable(l.Value), Short: len(l.Value) > valuePreview || l.WholeSize > 0,
	}
	if l.Source.Topic != "" {
		x.Topic = preview([]byte(l.Source.Topic), keyPreview)
		x.From = fmt.Sprintf("%s/%d@%d", l.Source.Topic, l.Source.Partition, l.Source.Offset)
	}
	if why := l.Retryable(topics); why != nil {
		x.Cannot = why.Error()
	}
	for _, cause := range l.Causes[:min(len(l.Causes), shownHeaders)] {
		x.Causes = append(x.Causes, preview([]byte(cause), wordsPreview))
	}
	for i, h := range l.Headers {
		if i == shownHeaders {
			x.Headers = append(x.Headers, fmt.Sprintf("… %d", len(l.Headers)-i))
			break
		}
		x.Headers = append(x.Headers, preview([]byte(h.Key), keyPreview)+": "+preview(h.Value, headerPreview))
	}
	return x
}

// readable says whether bytes are text for people.
func readable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

// preview is the beginning of bytes: text as it is, without half a character at the cut, and anything else as a dump in hex.
func preview(b []byte, most int) string {
	if readable(b) {
		for most < len(b) && most > 0 && !utf8.RuneStart(b[most]) {
			most--
		}
		return string(b[:min(len(b), most)])
	}
	return hex.Dump(b[:min(len(b), most)])
}
