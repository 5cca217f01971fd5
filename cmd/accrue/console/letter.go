package console

import (
	"encoding/hex"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
)

// letterOf reads a dead letter.
func letterOf(r *kgo.Record) letter {
	l := letter{At: r.Timestamp.UTC(), Partition: r.Partition, Offset: r.Offset, Key: shown(r.Key)}
	from := map[string]string{}
	for _, h := range r.Headers {
		switch h.Key {
		case processor.HeaderError:
			l.Error = string(h.Value)
		case processor.HeaderCause:
			l.Causes = append(l.Causes, string(h.Value))
		default:
			if _, known := from[h.Key]; !known { // ours come first; the producer's own follow
				from[h.Key] = string(h.Value)
			}
		}
	}
	l.From = from[processor.HeaderTopic] + "/" + from[processor.HeaderPartition] + "@" + from[processor.HeaderOffset]
	value := r.Value
	l.Shorts = len(value) > valuePreview
	value = value[:min(len(value), valuePreview)]
	l.Value, l.Binary = shown(value), !readable(value)
	return l
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

// shown is text as it is, and anything else as a dump in hex.
func shown(b []byte) string {
	if readable(b) {
		return string(b)
	}
	return hex.Dump(b)
}
