package state

import (
	"bytes"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// View is what a member's rows look like through overlays over the store. It is used by one goroutine and
// may be kept as long as the store is open: every call looks at the overlays and the store as they are.
type View struct {
	shard    *Shard
	overlays func() []*Overlay
	key      []byte // shard, member, and behind them the row's key of the current call
	fixed    int    // length of shard and member in key
	value    []byte // the last value read from the store
	hot      []byte // memory for its key among the hot rows
}

// View returns a view of the member's rows. The overlays are asked for at each call, newest first; nil
// means none. Where a committed overlay is applied, Apply must come before the overlay leaves the list.
func (sh *Shard) View(member string, overlays func() []*Overlay) *View {
	key := appendMember(appendShard(make([]byte, 0, shardLen+len(member)+32), sh.n), member)
	if overlays == nil {
		overlays = func() []*Overlay { return nil }
	}
	return &View{shard: sh, overlays: overlays, key: key, fixed: len(key), value: []byte{}}
}

// Get returns a row, nil if there is none. The bytes are valid until the next call and must not be changed.
func (v *View) Get(key []byte) ([]byte, error) {
	v.key = append(v.key[:v.fixed], key...)
	for _, o := range v.overlays() {
		if value, ok := o.get(v.key[shardLen:]); ok {
			return value, nil
		}
	}
	value, found, err := v.shard.getRow(v.key, key, v.value, &v.hot)
	if err != nil || !found {
		return nil, err
	}
	v.value = value
	return value, nil
}

// Scan yields all rows whose keys have the prefix, ascending by key, until yield returns false. The bytes
// are valid during the call of yield, which may read through the view but must not Put to its overlays.
func (v *View) Scan(prefix []byte, yield func(key, value []byte) bool) error {
	return v.ScanFrom(prefix, prefix, yield)
}

// ScanFrom is Scan from a key on, which begins with prefix and need not be there.
func (v *View) ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	row := func(key []byte) []byte { return append(slices.Clip(v.key[:v.fixed]), key...) }
	lower, all := row(from), row(prefix)

	var layers []layer
	for _, o := range v.overlays() {
		rows := o.scan(all[shardLen:], v.fixed-shardLen)
		for len(rows) > 0 && bytes.Compare(o.rows[rows[0]].Key, lower[shardLen:]) < 0 {
			rows = rows[1:]
		}
		if len(rows) > 0 {
			layers = append(layers, layer{overlay: o, rows: rows})
		}
	}
	return v.shard.iterate("scan a member's rows", lower, successor(all), func(it *pebble.Iterator) error {
		merge := merge{store: it, layers: layers}
		for merge.next() {
			if merge.value != nil && !yield(merge.key[v.fixed-shardLen:], merge.value) {
				break
			}
		}
		return merge.err
	})
}

// layer is one overlay's rows that a scan has not passed yet.
type layer struct {
	overlay *Overlay
	rows    []int32
}

func (l *layer) head() *Record { return &l.overlay.rows[l.rows[0]] }

// merge walks overlays, newest first, and the store below them in the order of their keys. Of rows with
// one key the newest counts and the others are passed over with it. There are two overlays at most
// (this transaction and the one being committed), so the smallest key is found by looking at all.
type merge struct {
	store  *pebble.Iterator // positioned on its first row
	layers []layer

	key   []byte // changelog key of the current row
	value []byte // nil: deleted
	err   error

	onStore bool // the current key is also the store's, which moves with the next call
}

func (m *merge) next() bool {
	if m.onStore {
		m.store.Next()
		m.onStore = false
	}
	newest := -1
	for i := range m.layers {
		if len(m.layers[i].rows) > 0 &&
			(newest < 0 || bytes.Compare(m.layers[i].head().Key, m.layers[newest].head().Key) < 0) {
			newest = i
		}
	}
	if m.store.Valid() {
		key := m.store.Key()[shardLen:]
		order := -1
		if newest >= 0 {
			order = bytes.Compare(key, m.layers[newest].head().Key)
		}
		m.onStore = order <= 0
		if order < 0 {
			m.key = key
			m.value, m.err = m.store.ValueAndErr()
			if m.value == nil {
				m.value = []byte{} // a row of no bytes is a row
			}
			return m.err == nil
		}
	}
	if newest < 0 {
		return false
	}
	row := m.layers[newest].head()
	m.key, m.value = row.Key, row.Value
	for i := newest; i < len(m.layers); i++ {
		if l := &m.layers[i]; len(l.rows) > 0 && bytes.Equal(l.head().Key, m.key) {
			l.rows = l.rows[1:]
		}
	}
	return true
}
