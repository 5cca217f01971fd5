package processor

// wire is memory for the encoded records of a transaction, cut from blocks that the next transaction uses again. The zero wire
// is ready.
type wire struct {
	blocks [][]byte // those before the current one are full
	block  int      // the current one
}

const (
	wireBlock = 64 << 10
	// Nearly all records fit into wireRoom; a larger one makes memory of its own.
	wireRoom = 4 << 10
	// wireKeeps bounds the blocks that stay: one large transaction does not hold its memory for good.
	wireKeeps = 128
)

// append adds what write appends, and returns it alone.
func (w *wire) append(write func([]byte) ([]byte, error)) ([]byte, error) {
	for w.block < len(w.blocks) && cap(w.blocks[w.block])-len(w.blocks[w.block]) < wireRoom {
		w.block++
	}
	if w.block == len(w.blocks) {
		w.blocks = append(w.blocks, make([]byte, 0, wireBlock))
	}
	block := w.blocks[w.block]
	all, err := write(block)
	if err != nil {
		return nil, err
	}
	if cap(all) == cap(block) { // else it did not fit, and was moved
		w.blocks[w.block] = all
	}
	return all[len(block):len(all):len(all)], nil
}

// reset lets go of all records.
func (w *wire) reset() {
	if len(w.blocks) > wireKeeps {
		clear(w.blocks[wireKeeps:])
		w.blocks = w.blocks[:wireKeeps]
	}
	for i := range w.blocks {
		w.blocks[i] = w.blocks[i][:0]
	}
	w.block = 0
}
