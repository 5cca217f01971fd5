package state

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/coocood/freecache"
)

// hotRows keep the rows that are read one by one, again and again, beside Pebble: the heads of members. A head lies among the facts
// of its member, so that a cache of Pebble's blocks holds mostly what nobody asks for. And here a row is bytes in a large piece of
// memory, which cost the collector nothing.
//
// A row gets here when a transaction is applied, after Pebble has it, by whoever holds the shard's lock. Nobody puts here what they
// have read: it could be older by then than what is here. So what is found here is what Pebble has. Where that is not certain, the
// shard goes on to another generation, and nothing of the earlier ones is found any more. A nil hotRows holds nothing.
type hotRows struct {
	cache *freecache.Cache
	isHot func(row []byte) bool
	ticks ticks
	made  atomic.Uint32 // generations
}

// ticks are the clock by which the cache tells what was used lately. It counts transactions, and no seconds, so that the same calls
// always do the same.
type ticks struct{ n atomic.Uint32 }

// Now implements freecache.Timer.
func (t *ticks) Now() uint32 { return t.n.Load() }

// newHotRows returns nil where there is no memory for them or no row is hot.
func newHotRows(bytes int64, isHot func(row []byte) bool) *hotRows {
	if bytes <= 0 || isHot == nil {
		return nil
	}
	h := &hotRows{isHot: isHot}
	h.cache = freecache.NewCacheCustomTimer(int(bytes/4*3), &h.ticks) // with rows of some 200 bytes its index takes the rest
	return h
}

// generation returns another one, under which nothing is kept yet.
func (h *hotRows) generation() uint32 {
	if h == nil {
		return 0
	}
	return h.made.Add(1)
}

// hotKey appends the key of a row in a generation: of a row's key with its shard and member.
func hotKey(dst []byte, generation uint32, key []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, generation), key...)
}

// get reads a row by the key that hotKey made, into buf.
func (h *hotRows) get(key, buf []byte) (value []byte, found bool) {
	value, err := h.cache.GetWithBuf(key, buf)
	return value, err == nil
}

// apply takes in what a transaction has changed in a shard.
func (h *hotRows) apply(generation uint32, shard int32, o *Overlay) {
	h.each(generation, shard, o, func(key []byte, r *Record) {
		if r.Value == nil || h.cache.Set(key, r.Value, 0) != nil { // it may be too large
			h.cache.Del(key)
		}
	})
}

// forget lets go of what was changed in a shard that is only followed here: nobody reads it.
func (h *hotRows) forget(generation uint32, shard int32, o *Overlay) {
	h.each(generation, shard, o, func(key []byte, _ *Record) { h.cache.Del(key) })
}

func (h *hotRows) each(generation uint32, shard int32, o *Overlay, f func(key []byte, r *Record)) {
	if h == nil {
		return
	}
	h.ticks.n.Add(1)
	var key []byte
	for i := range o.rows {
		if r := &o.rows[i]; h.isHot(rowOf(r.Key)) {
			key = appendShard(binary.BigEndian.AppendUint32(key[:0], generation), shard)
			key = append(key, r.Key...)
			f(key, r)
		}
	}
}
