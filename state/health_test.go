package state_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"accrue/state"
)

// faults is a disk on which writes to files of one kind fail while it is told so.
type faults struct {
	kind atomic.Pointer[string] // part of the file's name; nil: none
	hits atomic.Int64
}

func (f *faults) set(kind string) { f.kind.Store(&kind) }
func (f *faults) clear()          { f.kind.Store(nil) }

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	kind := f.kind.Load()
	if kind == nil || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !strings.Contains(op.Path, *kind) {
		return nil
	}
	f.hits.Add(1)
	return syscall.ENOSPC
}

// openWithFaults opens a store on such a disk, with what it logs.
func openWithFaults(t *testing.T) (*state.Store, *faults, *logged, *vfs.MemFS) {
	t.Helper()
	mem, f, log := vfs.NewCrashableMem(), &faults{}, &logged{}
	o := options(errorfs.Wrap(mem, f))
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	s, err := state.Open(storeDir, state.Identity{App: app}, o)
	must(t, err)
	return s, f, log, mem
}

// logged is a log that is written by one goroutine and read by another.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

// A full disk: Flush says so instead of waiting, Err says so, Apply refuses before memory fills up, reads
// go on; when there is room again all is well by itself, and nothing is lost. It is said once each way.
func TestFullDiskComesAndGoes(t *testing.T) {
	s, f, log, _ := openWithFaults(t)
	sh := s.Shard(0)
	applyOne(t, sh, 1, "ada", "h", "1")
	must(t, s.Err())
	f.set(".sst")
	mustBe(t, s.Flush(), syscall.ENOSPC)
	mustBe(t, s.Err(), syscall.ENOSPC)
	mustBe(t, s.Flush(), syscall.ENOSPC)
	o := state.NewOverlay()
	o.Put("ada", []byte("h"), []byte("2"))
	mustBe(t, sh.Apply(o, position(2)), syscall.ENOSPC)
	mustBe(t, sh.Drop(), syscall.ENOSPC)
	value, err := sh.View("ada", nil).Get([]byte("h"))
	must(t, err)
	if string(value) != "1" {
		t.Errorf("row is %q", value)
	}
	waitFor(t, func() bool { return f.hits.Load() >= 3 }) // Pebble tries again
	f.clear()
	waitFor(t, func() bool { return s.Err() == nil })
	must(t, sh.Apply(o, position(2)))
	must(t, s.Flush())
	waitFor(t, func() bool { return log.count("flushes again") == 1 })
	if n := log.count("cannot flush"); n != 1 {
		t.Errorf("said %d times that it cannot flush", n)
	}
	must(t, s.Close())
}

// A store that is closed while its disk is full loses what was not flushed, says so, and lets go of its
// directory: the next one finds an earlier batch boundary.
func TestCloseOnFullDisk(t *testing.T) {
	s, f, _, mem := openWithFaults(t)
	applyOne(t, s.Shard(0), 1, "ada", "h", "1")
	must(t, s.Flush())
	want := mustRead(t, s, 1)
	applyOne(t, s.Shard(0), 2, "ada", "h", "2")
	f.set(".sst")
	mustBe(t, s.Close(), syscall.ENOSPC)
	again := openForTest(t, mem)
	mustEqual(t, mustRead(t, again, 1), want)
}

// S6: when the MANIFEST cannot be written, Pebble's memory and disk may differ. Nothing is served any
// more, nothing hangs, the process lives, and the next store is at a batch boundary.
func TestManifestFailureEndsTheStore(t *testing.T) {
	s, f, log, mem := openWithFaults(t)
	sh := s.Shard(0)
	applyOne(t, sh, 1, "ada", "h", "1")
	must(t, s.Flush())
	applyOne(t, sh, 2, "ada", "h", "2")
	f.set("MANIFEST")
	mustBe(t, s.Flush(), state.ErrFailed)
	f.clear()
	mustBe(t, s.Err(), state.ErrFailed)
	_, err := sh.View("ada", nil).Get([]byte("h"))
	mustBe(t, err, state.ErrFailed)
	mustBe(t, sh.Apply(state.NewOverlay(), position(3)), state.ErrFailed)
	mustBe(t, s.Close(), state.ErrFailed)
	if n := log.count("unusable"); n != 1 {
		t.Errorf("said %d times that the store is unusable", n)
	}
	again, err := state.Open(storeDir, state.Identity{App: app}, options(mem))
	if errors.Is(err, state.ErrCorrupt) { // the MANIFEST may name a table that was taken back
		must(t, state.Destroy(storeDir, state.Identity{App: app}, options(mem)))
		again, err = state.Open(storeDir, state.Identity{App: app}, options(mem))
	}
	must(t, err)
	p, found, err := again.Shard(0).Position()
	must(t, err)
	value, err := again.Shard(0).View("ada", nil).Get([]byte("h"))
	must(t, err)
	if found && (p.Offset < 1 || string(value) != map[int64]string{1: "1", 2: "2"}[p.Offset]) {
		t.Errorf("position is %d, row %q", p.Offset, value)
	}
	must(t, again.Close())
}

// No line is logged for a write, a flush or a compaction that went well.
func TestQuietWhenWell(t *testing.T) {
	s, _, log, _ := openWithFaults(t)
	for offset := range int64(30) {
		applyOne(t, s.Shard(0), offset, "ada", "h", strings.Repeat("v", 10_000))
		must(t, s.Flush())
	}
	must(t, s.Close())
	if n := log.count("\n"); n != 2 || log.count("store opened") != 1 || log.count("store closed") != 1 {
		t.Errorf("%d lines:\n%s", n, log.text.String())
	}
}
