package state

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Shard is the part of the store that one changelog partition describes. One goroutine at a time writes
// to it, its lane or its standby; reads may come from others at the same time.
type Shard struct {
	store *Store
	n     int32

	// mu is held by whoever writes, so that the position is compared with the one that is replaced.
	mu sync.Mutex
	// position is the stored position; nil where it has not been read yet.
	position atomic.Pointer[storedPosition]
	// generation is that of the shard's hot rows.
	generation atomic.Uint32
}

// storedPosition is a position or, where it is not found, the knowledge that there is none.
type storedPosition struct {
	Position
	found bool
}

// DueMember is a member who has something to do, and since when.
type DueMember struct {
	At     time.Time
	Member string
}

// Number returns the number of the shard: its changelog partition.
func (sh *Shard) Number() int32 { return sh.n }

// Position returns where the shard's changelog stands; false: the shard holds nothing.
func (sh *Shard) Position() (Position, bool, error) {
	if p := sh.position.Load(); p != nil {
		return p.Position, p.found, nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p, err := sh.loadPosition()
	if err != nil {
		return Position{}, false, err
	}
	return p.Position, p.found, nil
}

// loadPosition returns the stored position. REQUIRES: sh.mu is held.
func (sh *Shard) loadPosition() (*storedPosition, error) {
	if p := sh.position.Load(); p != nil {
		return p, nil
	}
	row, found, err := sh.get(sh.positionKey(), nil)
	if err != nil {
		return nil, err
	}
	p := &storedPosition{found: found}
	if found {
		if p.Position, err = decodePosition(row); err != nil {
			return nil, fmt.Errorf("read position of shard %d in %s: %w: %w", sh.n, sh.store.dir, ErrCorrupt, err)
		}
	}
	sh.position.Store(p)
	return p, nil
}

// Drop deletes all that the shard holds, position and due rows with it. Like Apply it may be lost in a
// crash; then the shard is what it was at an earlier moment, position included.
func (sh *Shard) Drop() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	err := sh.write(func(b *pebble.Batch) error {
		return b.DeleteRange(appendShard(nil, sh.n), append(appendShard(nil, sh.n), classEnd), nil)
	}, &storedPosition{})
	sh.generation.Store(sh.store.hot.generation())
	return err
}

// Apply takes in a committed transaction: the overlay's rows, its due rows and the position, in one
// Pebble batch (S1). The position must be of the same log as the stored one and not before it, else
// ErrPosition. An error means that nothing was applied. The overlay can be read further on.
func (sh *Shard) Apply(o *Overlay, p Position) error { return sh.apply(o, p, sh.store.hot.apply) }

// apply is Apply, and says what becomes of the hot rows.
func (sh *Shard) apply(o *Overlay, p Position, hot func(generation uint32, shard int32, o *Overlay)) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old, err := sh.loadPosition()
	if err != nil {
		return err
	}
	if err := sh.checkPosition(old, p); err != nil {
		return err
	}
	if p.AppliedAt.IsZero() {
		p.AppliedAt = sh.store.options.Now()
	}
	p.AppliedAt = time.UnixMilli(p.AppliedAt.UnixMilli()).UTC() // as it will be read again
	if err := sh.write(func(b *pebble.Batch) error { return sh.fill(b, o, p) }, &storedPosition{Position: p, found: true}); err != nil {
		sh.generation.Store(sh.store.hot.generation()) // it is not known what of it Pebble has
		return err
	}
	hot(sh.generation.Load(), sh.n, o)
	return nil
}

// checkPosition is the guard against two writers, against a changelog that was created anew and against
// records applied twice out of order.
func (sh *Shard) checkPosition(old *storedPosition, p Position) error {
	if p.Offset < 0 {
		return fmt.Errorf("apply to shard %d: %w: offset %d is negative", sh.n, ErrPosition, p.Offset)
	}
	if old.found && !old.sameLog(p) {
		return fmt.Errorf("apply to shard %d: %w: the shard was built from cluster %q topic id %q, this comes from cluster %q topic id %q: drop the shard first",
			sh.n, ErrPosition, old.ClusterID, old.TopicID, p.ClusterID, p.TopicID)
	}
	if old.found && p.Offset < old.Offset {
		return fmt.Errorf("apply to shard %d: %w: offset %d is before the stored %d", sh.n, ErrPosition, p.Offset, old.Offset)
	}
	return nil
}

// fill writes overlay and position to the batch.
func (sh *Shard) fill(b *pebble.Batch, o *Overlay, p Position) error {
	for _, row := range o.rows {
		if row.Value == nil {
			op := b.DeleteDeferred(shardLen + len(row.Key))
			appendShard(op.Key[:0], sh.n)
			copy(op.Key[shardLen:], row.Key)
			if err := op.Finish(); err != nil {
				return err
			}
			continue
		}
		op := b.SetDeferred(shardLen+len(row.Key), len(row.Value))
		appendShard(op.Key[:0], sh.n)
		copy(op.Key[shardLen:], row.Key)
		copy(op.Value, row.Value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	var key []byte
	for _, due := range o.dues {
		key = append(append(appendShard(key[:0], sh.n), classDue), due.key...)
		var err error
		if due.set {
			err = b.Set(key, nil, nil)
		} else {
			err = b.Delete(key, nil)
		}
		if err != nil {
			return err
		}
	}
	return b.Set(sh.positionKey(), p.encode(), nil)
}

// write commits one batch and then holds p as the stored position. REQUIRES: sh.mu is held.
func (sh *Shard) write(fill func(b *pebble.Batch) error, p *storedPosition) error {
	s := sh.store
	if err := s.enterWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // returns it to its pool; a closed batch has no error
	if err := fill(b); err != nil {
		return fmt.Errorf("apply to shard %d: %w", sh.n, err)
	}
	rows, size := b.Count(), b.Len()
	// NoSync said aloud: nil means Sync, which fails without a log. The changelog is the log.
	if err := b.Commit(pebble.NoSync); err != nil {
		sh.position.Store(nil)
		return s.readError(fmt.Sprintf("apply to shard %d", sh.n), err)
	}
	sh.position.Store(p)
	s.dirty.Store(true)
	s.rowsWritten.Add(int64(rows))
	s.bytesWritten.Add(int64(size))
	return nil
}

// Replay takes in changelog records, as Apply would have: one batch, the last record of a row wins. Due
// rows come from Options.DueOf: that of a row which is replaced or deleted goes, or it would keep the
// member's name for as long as nobody looks at it, in a copy for good.
func (sh *Shard) Replay(records []Record, p Position) error {
	o := NewOverlay()
	for i, r := range records {
		_, row, err := splitMember(r.Key)
		if err != nil {
			return fmt.Errorf("replay record %d of %d below offset %d to shard %d: %w", i, len(records), p.Offset, sh.n, err)
		}
		o.put(r.Key, len(r.Key)-len(row), r.Value)
	}
	if sh.store.options.DueOf != nil {
		if err := sh.replaceDue(o); err != nil {
			return fmt.Errorf("replay below offset %d to shard %d: %w", p.Offset, sh.n, err)
		}
	}
	return sh.apply(o, p, sh.store.hot.forget)
}

// replaceDue puts the due rows in the place of those that follow from the rows which o replaces.
func (sh *Shard) replaceDue(o *Overlay) error {
	options := &sh.store.options
	var key, value []byte
	var set []DueMember        // after all that are dropped: two rows of a member may name one time
	for _, r := range o.rows { // the last value of each row only
		member, row, err := splitMember(r.Key)
		if err != nil {
			return err
		}
		if options.HasDue != nil && !options.HasDue(row) {
			continue
		}
		key = append(appendShard(key[:0], sh.n), r.Key...)
		before, found, err := sh.get(key, value)
		if err != nil {
			return err
		}
		if found {
			value = before
			if due, ok := options.DueOf(row, before); ok {
				o.DropDue(member, due)
			}
		}
		if r.Value == nil {
			continue
		}
		if due, ok := options.DueOf(row, r.Value); ok {
			set = append(set, DueMember{due, member})
		}
	}
	for _, d := range set {
		o.SetDue(d.Member, d.At)
	}
	return nil
}

// Due returns members with due rows up to and including until, oldest first, at most limit. Overlays,
// newest first, are looked through: what they set is included, what they drop is not. A member can
// appear with several times.
func (sh *Shard) Due(until time.Time, limit int, overlays ...*Overlay) ([]DueMember, error) {
	if limit <= 0 {
		return nil, nil
	}
	lower := append(appendShard(nil, sh.n), classDue)
	upper := appendDueTime(bytes.Clone(lower), until.Add(time.Millisecond))
	last := upper[shardLen+1:]

	var due []DueMember
	add := func(key []byte) {
		if d, ok := splitDue(key); ok {
			due = append(due, d)
		}
	}
	for i, o := range overlays {
		for _, c := range o.dues {
			if c.set && c.key < string(last) && !changedBy(overlays[:i], c.key) {
				add([]byte(c.key))
			}
		}
	}
	fromStore := 0
	err := sh.iterate("read due rows", lower, upper, func(it *pebble.Iterator) error {
		for ; it.Valid() && fromStore < limit; it.Next() {
			key := it.Key()[shardLen+1:]
			if !changedBy(overlays, string(key)) {
				add(key)
				fromStore++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(due, func(a, b DueMember) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Member, b.Member))
	})
	return due[:min(limit, len(due))], nil
}

// changedBy says whether one of the overlays has its own word on the due row.
func changedBy(overlays []*Overlay, key string) bool {
	return slices.ContainsFunc(overlays, func(o *Overlay) bool {
		_, ok := o.due[key]
		return ok
	})
}

// Members yields all members with rows, ascending by their bytes.
func (sh *Shard) Members(yield func(member string) bool) error {
	return sh.eachRow("list members", classMember, func(it *pebble.Iterator, member string, _, _ []byte) bool {
		if !yield(member) {
			return false
		}
		next := appendMember(appendShard(nil, sh.n), member)
		next[len(next)-1] = memberPastEnd
		it.SeekGE(next)
		return true
	})
}

// Rows yields a member's rows as they are in the store, ascending by key. The bytes are valid during the call.
func (sh *Shard) Rows(member string, yield func(key, value []byte) bool) error {
	return sh.View(member, nil).Scan(nil, yield)
}

// All yields all rows of all members, and then of all keys (KeyName), ascending by member and key. The bytes are valid during
// the call.
func (sh *Shard) All(yield func(member string, key, value []byte) bool) error {
	return sh.eachRow("read all rows", classKey, func(it *pebble.Iterator, member string, key, value []byte) bool {
		if !yield(member, key, value) {
			return false
		}
		it.Next()
		return true
	})
}

func (sh *Shard) positionKey() []byte { return append(appendShard(nil, sh.n), classPosition) }

// eachRow visits member rows, and all up to a class; visit moves the iterator and says whether to go on.
func (sh *Shard) eachRow(
	doing string, last byte, visit func(it *pebble.Iterator, member string, key, value []byte) bool,
) error {
	lower, upper := append(appendShard(nil, sh.n), classMember), append(appendShard(nil, sh.n), last+1)
	return sh.iterate(doing, lower, upper, func(it *pebble.Iterator) error {
		for it.Valid() {
			member, row, err := splitMember(it.Key()[shardLen:])
			if err != nil {
				return fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			if !visit(it, member, row, value) {
				break
			}
		}
		return nil
	})
}

// iterate calls visit with an iterator on the first key of [lower, upper).
func (sh *Shard) iterate(doing string, lower, upper []byte, visit func(it *pebble.Iterator) error) error {
	s := sh.store
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err == nil {
		it.First()
		err = visit(it)
		// Close returns what made the iterator invalid before its end.
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		return s.readError(fmt.Sprintf("%s of shard %d", doing, sh.n), err)
	}
	return nil
}

// getRow is get, for a row that may be hot. It makes the row's key among those in scratch.
func (sh *Shard) getRow(key, row, buf []byte, scratch *[]byte) (value []byte, found bool, err error) {
	s := sh.store
	if s.hot == nil || !s.hot.isHot(row) {
		return sh.get(key, buf)
	}
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	*scratch = hotKey((*scratch)[:0], sh.generation.Load(), key)
	value, found = s.hot.get(*scratch, buf)
	s.gate.leave()
	if found {
		return value, true, nil
	}
	return sh.get(key, buf)
}

// get reads one row into buf.
func (sh *Shard) get(key, buf []byte) (value []byte, found bool, err error) {
	s := sh.store
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.gate.leave()
	stored, closer, err := s.db.Get(key)
	if err == pebble.ErrNotFound { //nolint:errorlint // Pebble returns it as it is, and this is the hot path
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.readError(fmt.Sprintf("read a row of shard %d", sh.n), err)
	}
	value = append(buf[:0], stored...)
	if err := closer.Close(); err != nil {
		return nil, false, s.readError(fmt.Sprintf("read a row of shard %d", sh.n), err)
	}
	return value, true, nil
}
