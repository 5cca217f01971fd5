package processor

import "sync"

// Writers says which lane of a process writes to each shard of the store that the lanes share (L9). Assignments reach the
// lanes of a process at different moments: one can be given a shard while another still follows it or, with its session
// timed out, still believes to have it. Whoever is assigned a shard takes it; the others find out at their next write, which
// is not made. Safe for all lanes at once.
type Writers struct {
	mu     sync.Mutex // guards the map
	shards map[int32]*writer
}

// writer is who writes to one shard.
type writer struct {
	mu   sync.Mutex // held during a write
	lane int
	held bool  // by lane
	turn int64 // counts who took it or followed it
}

// NewWriters returns Writers for the lanes over one store.
func NewWriters() *Writers { return &Writers{shards: make(map[int32]*writer)} }

func (w *Writers) of(shard int32) *writer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shards[shard] == nil {
		w.shards[shard] = &writer{}
	}
	return w.shards[shard]
}

// take makes a lane the writer, whoever was it before. A write under way is waited for.
func (w *Writers) take(shard int32, lane int) {
	x := w.of(shard)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lane, x.held = lane, true
	x.turn++
}

// follow makes a lane the writer unless another one is, and says whether it is now.
func (w *Writers) follow(shard int32, lane int) bool {
	x := w.of(shard)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.held {
		x.lane, x.held = lane, true
		x.turn++
	}
	return x.lane == lane
}

// leave ends a lane's being the writer, if it is.
func (w *Writers) leave(shard int32, lane int) {
	x := w.of(shard)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lane == lane {
		x.held = false
	}
}

// write does a write if the lane is the writer, and says whether it is.
func (w *Writers) write(shard int32, lane int, f func() error) (is bool, err error) {
	x := w.of(shard)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.held || x.lane != lane {
		return false, nil
	}
	return true, f()
}

// unheld does a write if no lane is the writer, nor was since the turn that an earlier call gave. Whoever becomes it meanwhile
// waits. Turns begin at 0, which is that of a shard nobody had yet.
func (w *Writers) unheld(shard int32, since int64, f func() error) (turn int64, err error) {
	x := w.of(shard)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held || x.turn != since {
		return x.turn, nil
	}
	return x.turn, f()
}
