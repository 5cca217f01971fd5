package state

import (
	"errors"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// pebbleFormat is Pebble's own number for its files on disk, the newest that v2.1 writes. A store of
	// an older format is raised to it when opened, and older programs then refuse it with ErrFormat, so
	// raising it is a decision: a test fails when Pebble has a newer one.
	pebbleFormat = pebble.FormatValueSeparation

	minMemoryBytes = 1 << 20
	// memtables is how many memtables may wait before writers do. One is filled while the others are
	// flushed; more only help where the disk is slower than the writers for a while.
	memtables = 3
	// memtableShare is the part of the memory that one memtable may have. Large ones are worth more than
	// blocks: each flush makes a file over all members, and the fewer there are the less is compacted.
	memtableShare    = 4
	memtableBytesMax = 32 << 20
	memtableBytesMin = 64 << 10

	blockBytes     = 4 << 10   // a row is some 200 bytes, and rows are read one by one
	indexBytes     = 256 << 10 // one level of index for a table; with 4 KiB each read went through two
	bloomBitsPer   = 10        // 1 % false positives
	openFilesMax   = 1000
	diskSlowAfter  = 5 * time.Second
	levelZeroStart = 8  // sublevels of L0 that start a compaction; each is a flush, and a compaction rewrites the level below
	levelZeroStop  = 24 // sublevels of L0 at which writers wait: four minutes of periodic flushes
)

// pebbleOptions says all that matters instead of relying on the library's defaults.
//
// Memory: Pebble takes memtables out of the block cache's budget, so the cache is given all of the
// memory; of it, up to three quarters go to memtables (each a quarter, at most 32 MiB, and growing from
// 256 KiB as it is used; mostly there is one), and the rest holds blocks. Rows that are read one by one are
// hot, and not read from blocks. The caller releases its hold on the cache once Open has returned.
func pebbleOptions(fs vfs.FS, memory int64, h *health) (opts *pebble.Options, release func()) {
	cache := pebble.NewCache(memory)
	opts = &pebble.Options{
		FS:                          fs,
		Cache:                       cache,
		DisableWAL:                  true, // S2
		FormatMajorVersion:          pebbleFormat,
		MemTableSize:                uint64(min(max(memory/memtableShare, memtableBytesMin), memtableBytesMax)), // positive
		MemTableStopWritesThreshold: memtables,
		MaxOpenFiles:                openFilesMax,
		L0CompactionThreshold:       levelZeroStart,
		L0StopWritesThreshold:       levelZeroStop,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		EventListener:               h.listener(),
		Logger:                      pebbleLog{h},
	}
	for i := range opts.Levels {
		opts.Levels[i].BlockSize = blockBytes
		opts.Levels[i].IndexBlockSize = indexBytes
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPer)
	}
	// What is flushed is soon compacted, and not worth being compressed twice.
	opts.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	opts.Levels[1].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	return opts, cache.Unref
}

// lockBusy tells a held lock from a lock file that cannot be written.
func lockBusy(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return true // held within this process: Pebble has no errno for it
	}
	return errno == syscall.EAGAIN || errno == syscall.EACCES
}

// noSpace says whether the disk is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// sameError says whether both are one error value, perhaps wrapped.
func sameError(err, target error) bool { return errors.Is(err, target) }
