package schemas

import "sync"

// cache is a map of bounded size, safe for concurrent use. When it is full an arbitrary entry makes room: what is still
// needed comes back at the cost of one look-up.
type cache[K comparable, V any] struct {
	mu      sync.RWMutex
	entries map[K]V // guarded by mu
	size    int     // the most entries
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{entries: make(map[K]V), size: size}
}

// get returns the entry of a key.
func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[key]
	return v, ok
}

// put sets the entry of a key.
func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; !known && len(c.entries) >= c.size {
		for old := range c.entries {
			delete(c.entries, old)
			break
		}
	}
	c.entries[key] = v
}

// drop removes the entry of a key.
func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}
