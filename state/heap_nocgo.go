//go:build !cgo

package state

// OutsideHeap returns how much of Options.MemoryBytes the store holds outside of Go's heap, where the collector does not see
// it: nothing, as without cgo Pebble takes blocks and memtables from the heap too.
func OutsideHeap(int64) int64 { return 0 }
