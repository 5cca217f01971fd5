package state

import "bytes"

// arena is memory for many small pieces that are all let go together. Pieces are never moved: those that were cut stay
// where they are when it grows. The zero arena is ready; it belongs to one goroutine.
type arena struct {
	blocks [][]byte // those before the current one are full
	block  int      // the current one
}

const (
	// arenaBlock is how much is taken at once.
	arenaBlock = 32 << 10
	// arenaKeeps bounds the blocks that stay after a reset, so that one large transaction does not hold its memory for good.
	arenaKeeps = 64
)

// keep returns a copy of b; of nil, nil.
func (a *arena) keep(b []byte) []byte {
	if b == nil || len(b) > arenaBlock/8 {
		return bytes.Clone(b)
	}
	for a.block < len(a.blocks) && len(b) > cap(a.blocks[a.block])-len(a.blocks[a.block]) {
		a.block++
	}
	if a.block == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, 0, arenaBlock))
	}
	block := &a.blocks[a.block]
	from := len(*block)
	*block = append(*block, b...)
	return (*block)[from:len(*block):len(*block)]
}

// reset lets go of all pieces.
func (a *arena) reset() {
	if len(a.blocks) > arenaKeeps {
		clear(a.blocks[arenaKeeps:])
		a.blocks = a.blocks[:arenaKeeps]
	}
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.block = 0
}
