//go:build cgo

package state

// OutsideHeap returns how much of Options.MemoryBytes the store holds outside of Go's heap, where the collector does not see
// it: with cgo Pebble takes blocks and memtables from C.
func OutsideHeap(memory int64) int64 { return memory }
