package imports

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// item is something to be sorted by its key. Keys are different.
type item struct{ key, value []byte }

// itemOverhead is about what an item takes beside its bytes.
const itemOverhead = 64

// sorter sorts more than fits into memory: pieces of at most `most` bytes are sorted and written to temporary files, which are
// merged when they are read.
type sorter struct {
	folder string
	most   int
	items  []item
	bytes  int
	pieces []*os.File
}

func newSorter(folder string, most int) *sorter { return &sorter{folder: folder, most: most} }

// add takes an item, whose bytes are the sorter's from then on.
func (s *sorter) add(key, value []byte) error {
	s.items = append(s.items, item{key, value})
	if s.bytes += len(key) + len(value) + itemOverhead; s.bytes < s.most {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	slices.SortFunc(s.items, func(a, b item) int { return bytes.Compare(a.key, b.key) })
}

// spill writes what is in memory to a temporary file.
func (s *sorter) spill() (err error) {
	s.sort()
	f, err := os.CreateTemp(s.folder, "piece-")
	if err != nil {
		return fmt.Errorf("making a temporary file: %w", err)
	}
	s.pieces = append(s.pieces, f)
	_ = os.Remove(f.Name()) // it is read through f: what is killed leaves no orders behind. Where that cannot be, the folder is removed at the end
	w := bufio.NewWriterSize(f, 1<<18)
	var length []byte
	for _, it := range s.items {
		for _, part := range [][]byte{it.key, it.value} {
			length = binary.AppendUvarint(length[:0], uint64(len(part)))
			if _, err := w.Write(length); err != nil {
				return fmt.Errorf("writing a temporary file: %w", err)
			}
			if _, err := w.Write(part); err != nil {
				return fmt.Errorf("writing a temporary file: %w", err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing a temporary file: %w", err)
	}
	clear(s.items)
	s.items, s.bytes = s.items[:0], 0
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// each hands over all items by key, and ends the sorter. An item holds until the callee has it.
func (s *sorter) each(take func(item) error) error {
	defer s.close()
	if len(s.pieces) == 0 {
		s.sort()
		for i, it := range s.items {
			s.items[i] = item{} // what was taken needs no memory any more
			if err := take(it); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	s.items = nil
	var merge pieceHeap
	for _, f := range s.pieces {
		p := &piece{in: bufio.NewReaderSize(f, 1<<16)}
		if err := p.next(); err == nil {
			merge = append(merge, p)
		} else if !errors.Is(err, io.EOF) {
			return err
		}
	}
	heap.Init(&merge)
	for len(merge) > 0 {
		p := merge[0]
		if err := take(p.first); err != nil {
			return err
		}
		switch err := p.next(); {
		case err == nil:
			heap.Fix(&merge, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&merge)
		default:
			return err
		}
	}
	return nil
}

// close gives up the temporary files.
func (s *sorter) close() {
	for _, f := range s.pieces {
		_ = f.Close() // it was read to its end
	}
	s.pieces, s.items = nil, nil
}

// piece is a temporary file that is read.
type piece struct {
	in    *bufio.Reader
	first item
}

// next reads the next item into first. io.EOF: there is none.
func (p *piece) next() error {
	var parts [2][]byte
	for i := range parts {
		n, err := binary.ReadUvarint(p.in)
		if errors.Is(err, io.EOF) && i == 0 {
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("reading a temporary file: %w", errors.Join(errDamaged, err))
		}
		parts[i] = make([]byte, n) // as spill wrote it
		if _, err := io.ReadFull(p.in, parts[i]); err != nil {
			return fmt.Errorf("reading a temporary file: %w", errors.Join(errDamaged, err))
		}
	}
	p.first = item{parts[0], parts[1]}
	return nil
}

// pieceHeap has the piece with the smallest key first.
type pieceHeap []*piece

func (h pieceHeap) Len() int           { return len(h) }
func (h pieceHeap) Less(i, j int) bool { return bytes.Compare(h[i].first.key, h[j].first.key) < 0 }
func (h pieceHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *pieceHeap) Push(x any) {
	if p, ok := x.(*piece); ok {
		*h = append(*h, p)
	}
}

// Pop implements heap.Interface.
func (h *pieceHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	return p
}
