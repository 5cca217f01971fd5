package state

import "sync/atomic"

// gate lets calls in until it is closed, and tells when the last has left. A read-write lock would do the
// same but for one thing: a scan's yield reads again, and a reader that waits behind a waiting writer
// while its own outer call holds the lock never comes back. Here the inner call is turned away instead.
type gate struct {
	inside atomic.Int64 // calls inside, and gateClosed
	empty  chan struct{}
}

const gateClosed = 1 << 62

func newGate() *gate { return &gate{empty: make(chan struct{}, 1)} }

// enter says whether the call may go on; then it must leave.
func (g *gate) enter() bool {
	if g.inside.Add(1)&gateClosed != 0 {
		g.leave()
		return false
	}
	return true
}

func (g *gate) leave() {
	if g.inside.Add(-1) == gateClosed {
		select {
		case g.empty <- struct{}{}:
		default: // a call that was turned away has said so before
		}
	}
}

// close lets nobody in any more and waits until all have left. It says whether it was open.
func (g *gate) close() bool {
	before := g.inside.Or(gateClosed)
	if before&gateClosed != 0 {
		return false
	}
	for g.inside.Load() != gateClosed {
		<-g.empty
	}
	return true
}
