package state

import "bytes"

// Arena is memory for many small pieces that are all let go together: those of a transaction. Pieces are never moved; those that
// were cut stay where they are when it grows. The zero Arena is ready; it belongs to one goroutine.
type Arena struct {
	blocks [][]byte // those before the current one are full
	block  int      // the current one
}

const (
	// arenaBlock is how many bytes are taken at once.
	arenaBlock = 64 << 10
	// arenaKeeps bounds the blocks that stay after a reset, so that one large transaction does not hold its memory for good.
	arenaKeeps = 128
)

// Keep returns a copy of b; of nil, nil. A long one has memory of its own.
func (a *Arena) Keep(b []byte) []byte {
	if b == nil || len(b) > arenaBlock/8 {
		return bytes.Clone(b)
	}
	block := a.withRoom(len(b))
	from := len(*block)
	*block = append(*block, b...)
	return (*block)[from:len(*block):len(*block)]
}

// Append returns what write appends to the slice that it is given, that alone. Most pieces should fit into room bytes, which is
// at most a block; one that does not has memory of its own. After an error nothing is kept.
func (a *Arena) Append(room int, write func([]byte) ([]byte, error)) ([]byte, error) {
	block := a.withRoom(room)
	from := len(*block)
	all, err := write(*block)
	if err != nil {
		return nil, err
	}
	if cap(all) == cap(*block) { // else it did not fit, and was moved
		*block = all
	}
	return all[from:len(all):len(all)], nil
}

// withRoom returns the current block, another one where fewer than n bytes are left in it.
func (a *Arena) withRoom(n int) *[]byte {
	for a.block < len(a.blocks) && cap(a.blocks[a.block])-len(a.blocks[a.block]) < n {
		a.block++
	}
	if a.block == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, 0, arenaBlock))
	}
	return &a.blocks[a.block]
}

// Reset lets go of all pieces: none may be used after it.
func (a *Arena) Reset() {
	if len(a.blocks) > arenaKeeps {
		clear(a.blocks[arenaKeeps:])
		a.blocks = a.blocks[:arenaKeeps]
	}
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.block = 0
}
