package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"accrue/processor"
	"accrue/schemas"
)

// history is recorded events, in the order in which they are replayed.
type history interface {
	// next returns the next records, which stay valid; io.EOF after the last.
	next(ctx context.Context) ([]input, error)
	// reach says how far it has come, in a unit of its own; total is 0 where nobody knows.
	reach() (position, total int64)
	close()
}

// historyBatch is how many records next returns at most.
const historyBatch = 256

// openHistory opens files of JSON lines or topics, by the names of which there is at least one.
func openHistory(ctx context.Context, from []string, config string) (history, error) {
	files := 0
	for _, name := range from {
		info, err := os.Stat(name)
		switch {
		case err == nil && info.IsDir():
			return nil, invalidf("--from %s: that is a folder; name a file of JSON lines or a topic", name)
		case err == nil:
			files++
		case !errors.Is(err, fs.ErrNotExist):
			return nil, invalidf("--from: %w", err)
		}
	}
	if files == len(from) {
		return newFileHistory(from)
	}
	if files > 0 {
		return nil, invalidf("--from names files and what is no file (%s): give either files or topics", missingFile(from))
	}
	c, err := loadConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--from %s is no file, so it should be a topic, but: %w", missingFile(from), err)
	}
	if err := inputTopics(from, c); err != nil {
		return nil, err
	}
	return newTopicHistory(ctx, from, c)
}

func missingFile(from []string) string {
	for _, name := range from {
		if _, err := os.Stat(name); err != nil {
			return name
		}
	}
	return ""
}

// inputTopics demands that all are topics that the engine reads, each named once.
func inputTopics(from []string, c processor.Config) error {
	inputs := schemas.Topics{}
	for name, kind := range c.Topics.Kinds() {
		if kind.IsInput() {
			inputs[name] = kind
		}
	}
	seen := map[string]bool{}
	for _, name := range from {
		if _, is := inputs[name]; !is {
			return invalidf("--from %s is neither a file nor a topic of events; the configuration names %s", name, topicNames(inputs))
		}
		if seen[name] {
			return invalidf("--from names the topic %s twice", name)
		}
		seen[name] = true
	}
	return nil
}

// fileHistory reads files of JSON lines one after the other, as one stream of numbered lines. Packed ones (gzip) are known by how
// they begin, whatever they are called.
type fileHistory struct {
	names  []string
	now    int // which file
	file   *os.File
	packed bool
	read   *counting
	lines  *bufio.Reader
	line   int64 // of the file, from 1
	number int64 // of all files, from 0: the offset, as in simulate

	before, total int64 // bytes
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func newFileHistory(names []string) (*fileHistory, error) {
	h := &fileHistory{names: names, now: -1}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, invalidf("read events: %w", err)
		}
		h.total += info.Size()
	}
	return h, nil
}

// open goes to the next file; io.EOF after the last.
func (h *fileHistory) open() error {
	h.close()
	if h.now++; h.now >= len(h.names) {
		return io.EOF
	}
	f, err := os.Open(h.names[h.now])
	if err != nil {
		return invalidf("read events: %w", err)
	}
	h.file, h.line, h.read = f, 0, &counting{Reader: f}
	plain := bufio.NewReaderSize(h.read, 1<<20)
	h.lines = plain
	if begin, err := plain.Peek(2); err == nil && begin[0] == 0x1f && begin[1] == 0x8b { // gzip, RFC 1952
		unpacked, err := gzip.NewReader(plain)
		if err != nil {
			return invalidf("read events: %s is packed and cannot be read: %w", h.names[h.now], err)
		}
		h.packed, h.lines = true, bufio.NewReaderSize(unpacked, 1<<20)
	}
	return nil
}

func (h *fileHistory) next(ctx context.Context) ([]input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.now < 0 {
		if err := h.open(); err != nil {
			return nil, err
		}
	}
	batch := make([]input, 0, historyBatch)
	for len(batch) < historyBatch {
		if h.lines == nil { // after the last file
			break
		}
		line, err := readLine(h.lines)
		if errors.Is(err, io.EOF) {
			if err := h.open(); err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			continue
		}
		h.line++
		h.number++
		if err != nil && !errors.Is(err, errLongLine) {
			return nil, h.broken(err)
		}
		if len(line) == 0 && err == nil { // an empty line is no event
			continue
		}
		in := lineInput(line, h.number-1, err)
		in.line = nil
		if in.place = fmt.Sprintf("line %d", h.line); len(h.names) > 1 {
			in.place = fmt.Sprintf("%s:%d", h.names[h.now], h.line)
		}
		batch = append(batch, in)
	}
	if len(batch) == 0 {
		return nil, io.EOF
	}
	return batch, nil
}

// broken says where a file cannot be read on. A packed one that is cut off or damaged is wrong input.
func (h *fileHistory) broken(err error) error {
	if h.packed {
		return invalidf("%s:%d: the packed file is damaged or cut off: %w", h.names[h.now], h.line, err)
	}
	return fmt.Errorf("read %s:%d: %w", h.names[h.now], h.line, err)
}

func (h *fileHistory) reach() (position, total int64) {
	if h.read == nil {
		return h.before, h.total
	}
	return h.before + h.read.n, h.total
}

func (h *fileHistory) close() {
	if h.file == nil {
		return
	}
	h.before += h.read.n
	h.file.Close() //nolint:errcheck // only read
	h.file, h.read, h.lines, h.packed = nil, nil, nil, false
}
