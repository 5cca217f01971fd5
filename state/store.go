package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Defaults of Options.
const (
	DefaultMemoryBytes = 64 << 20
	DefaultFlushEvery  = 10 * time.Second
)

// Options say how a store works. The zero value is usable.
type Options struct {
	// FS is where the store lives; nil: the disk.
	FS vfs.FS
	// MemoryBytes bounds block cache and memtables together; 0: DefaultMemoryBytes, at least 1 MiB. See
	// pebbleOptions for how they share it. Overlays and the accounts of the caller are not in it.
	MemoryBytes int64
	// HotBytes is the memory, beside MemoryBytes, for rows that IsHot names; 0: none.
	HotBytes int64
	// IsHot says which rows (by their keys without member) are read one by one, again and again.
	IsHot func(key []byte) bool
	// FlushEvery bounds what a kill costs: so much of the changelog is read again. 0: DefaultFlushEvery.
	FlushEvery time.Duration
	// DueOf tells from a row (its key without member) when its member has something to do next. Replay
	// calls it for each row; nil: no row says so.
	DueOf func(key, value []byte) (time.Time, bool)
	// HasDue says of which rows DueOf may tell something, by their keys: only of these Replay reads what it
	// replaces. nil: of all.
	HasDue func(key []byte) bool
	// Log hears of changes of state; nil: nobody does.
	Log *slog.Logger
	// Now is the clock for AppliedAt; nil: the wall clock.
	Now func() time.Time
}

// withDefaults fills in what the zero value leaves open.
func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = DefaultMemoryBytes
	}
	o.MemoryBytes = max(o.MemoryBytes, minMemoryBytes)
	if o.FlushEvery <= 0 {
		o.FlushEvery = DefaultFlushEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store is the state of one process: the shards that it serves and those that it keeps as a standby. Its
// methods may be called from many goroutines.
type Store struct {
	dir     string
	id      Identity
	options Options
	db      *pebble.DB
	health  *health
	gate    *gate
	closeFS func() error
	hot     *hotRows

	dirty        atomic.Bool // something was written since the last periodic flush began
	rowsWritten  atomic.Int64
	bytesWritten atomic.Int64

	mu     sync.Mutex
	shards map[int32]*Shard

	stopFlushing  context.CancelFunc
	stopReporting context.CancelFunc
	flushing      sync.WaitGroup // the goroutine of flushPeriodically
	reporting     sync.WaitGroup // the goroutine of health.report
}

// Open opens the store in dir, or creates it. Errors: ErrLocked, ErrForeign, ErrFormat, ErrCorrupt, or
// what the disk said.
func Open(dir string, id Identity, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	if _, err := checkIdentity(o.FS, dir, id); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	s := &Store{
		dir: dir, id: id, options: o, gate: newGate(), shards: make(map[int32]*Shard),
		health: newHealth(dir, o.Log, o.Now), hot: newHotRows(o.HotBytes, o.IsHot),
	}
	began := o.Now()
	if err := s.openPebble(); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	// Only now is the directory ours alone: two apps that start at once on an empty one meet here.
	if err := s.claim(id); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, errors.Join(err, s.closePebble()))
	}
	s.start()
	o.Log.Info("state store opened", "dir", dir, "app", id.App,
		"disk_bytes", s.Metrics().DiskBytes, "took", o.Now().Sub(began))
	return s, nil
}

// openPebble opens the database and sorts the error.
func (s *Store) openPebble() error {
	fs, closer := vfs.WithDiskHealthChecks(s.options.FS, diskSlowAfter, nil, s.health.listener().DiskSlow)
	s.closeFS = closer.Close
	path := databasePath(fs, s.dir)
	opts, release := pebbleOptions(fs, s.options.MemoryBytes, s.health)
	defer release()
	db, err := pebble.Open(path, opts)
	if err != nil {
		_ = s.closeFS()
		return openError(s.options.FS, path, err)
	}
	s.db = db
	return nil
}

// openError says what an error of pebble.Open means.
func openError(fs vfs.FS, path string, err error) error {
	// The lock comes first in Open, so if it cannot be had now, that was it.
	lock, lockErr := pebble.LockDirectory(path, fs)
	if lockErr == nil {
		_ = lock.Close()
	}
	var errno syscall.Errno
	switch {
	case lockErr != nil && lockBusy(lockErr):
		return fmt.Errorf("%w: another process, or another store of this one, holds it: stop it, or give each its own directory: %w", ErrLocked, err)
	case errors.As(err, &errno) && errno != syscall.ENOENT:
		return err // no permission, no space, no device: the data may be whole
	}
	if _, peekErr := pebble.Peek(path, fs); peekErr != nil {
		return fmt.Errorf("%w: run the version that wrote it, or remove the directory (it is restored from the changelog): %w", ErrFormat, err)
	}
	return fmt.Errorf("%w: destroy it and restore it from the changelog: %w", ErrCorrupt, err)
}

// start runs the store's two goroutines; Close ends them.
func (s *Store) start() {
	flush, stopFlushing := context.WithCancel(context.Background())
	report, stopReporting := context.WithCancel(context.Background())
	s.stopFlushing, s.stopReporting = stopFlushing, stopReporting
	s.flushing.Go(func() { s.flushPeriodically(flush) })
	s.reporting.Go(func() { s.health.report(report.Done()) }) //nolint:contextcheck // a log line waits for nothing
}

// flushPeriodically bounds how much a crash loses (S3). A flush that fails has been said by health, and
// is tried again at the next turn.
func (s *Store) flushPeriodically(ctx context.Context) {
	ticker := time.NewTicker(s.options.FlushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if s.dirty.Swap(false) && s.flush(ctx) != nil {
				s.dirty.Store(true)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Flush makes all that was applied before the call durable. It does not wait out a failing disk: the
// first failed attempt is its error.
func (s *Store) Flush() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.flush(context.Background())
}

func (s *Store) flush(ctx context.Context) error {
	failed := s.health.failure() // before the flush begins, lest its failure be missed
	// Where flushes fail Pebble is trying again already. One more would only add a memtable to the queue.
	if err := s.health.writeErr(); err != nil {
		return err
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush %s: %w", s.dir, err)
	}
	for {
		select {
		case <-done:
			return nil
		case <-failed:
			failed = s.health.failure()
			if err := s.health.writeErr(); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("flush %s: %w", s.dir, ctx.Err())
		}
	}
}

// Close waits for calls that are under way, flushes, and closes. Later calls return ErrClosed. The
// store is closed and the directory free also where Close returns an error; what could not be flushed is
// then read again from the changelog. Closing twice does nothing.
func (s *Store) Close() error {
	if !s.gate.close() {
		return nil
	}
	s.stopFlushing()
	s.flushing.Wait()
	// Pebble's Close forgets the memtable when there is no log.
	err := s.flush(context.Background())
	err = errors.Join(err, s.closePebble())
	s.stopReporting()
	s.reporting.Wait()
	if err != nil {
		return fmt.Errorf("close state in %s: %w", s.dir, err)
	}
	s.options.Log.Info("state store closed", "dir", s.dir)
	return nil
}

func (s *Store) closePebble() error {
	close(s.health.stop)
	err := s.db.Close()
	return errors.Join(err, s.closeFS())
}

// Err returns what ails the store, nil if it is well: ErrCorrupt or ErrFailed, which stay and which every
// call returns from then on; or why flushes or compactions fail at present, which goes away when the next
// one succeeds. While flushes fail, Apply, Replay and Drop return the same error: they could only fill
// the memory until they block.
func (s *Store) Err() error { return s.health.err() }

// Dir returns the directory that the store was opened in.
func (s *Store) Dir() string { return s.dir }

// Shard returns shard n, which need not hold anything. There is one Shard for each n.
func (s *Store) Shard(n int32) *Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[n]
	if sh == nil {
		sh = &Shard{store: s, n: n}
		sh.generation.Store(s.hot.generation())
		s.shards[n] = sh
	}
	return sh
}

// Shards returns the numbers of all shards that hold anything, ascending.
func (s *Store) Shards() ([]int32, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, s.readError("list shards", err)
	}
	var shards []int32
	for it.First(); it.Valid(); {
		n := shardOf(it.Key())
		shards = append(shards, n)
		it.SeekGE(append(appendShard(nil, n), classEnd))
	}
	if err := it.Close(); err != nil {
		return nil, s.readError("list shards", err)
	}
	return shards, nil
}

// enter lets a call in, unless the store is closed or broken. It must leave the gate.
func (s *Store) enter() error {
	if !s.gate.enter() {
		return fmt.Errorf("%w: %s", ErrClosed, s.dir)
	}
	if err := s.health.broken.Load(); err != nil {
		s.gate.leave()
		return *err
	}
	return nil
}

// enterWrite is enter for calls that write.
func (s *Store) enterWrite() error {
	if err := s.enter(); err != nil {
		return err
	}
	if err := s.health.writeErr(); err != nil {
		s.gate.leave()
		return err
	}
	return nil
}
