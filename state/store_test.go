package state_test

import (
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

func mustBe(t fataler, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error is %v, want %v", err, target)
	}
}

// applyOne puts one row and moves the position to the offset.
func applyOne(t fataler, sh *state.Shard, offset int64, member, key, value string) {
	t.Helper()
	o := state.NewOverlay()
	o.Put(member, []byte(key), []byte(value))
	must(t, sh.Apply(o, position(offset)))
}

// S3: Close flushes, which Pebble's own Close does not.
func TestCloseFlushes(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, fs)
	applyOne(t, s.Shard(7), 1, "ada", "h", "1")
	want := mustRead(t, s, 8)
	must(t, s.Close())
	s = openForTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	mustEqual(t, mustRead(t, s, 8), want)
}

// S3: what was applied becomes durable without a call, and an idle store is left alone.
func TestFlushesPeriodically(t *testing.T) {
	o := options(vfs.NewMem())
	o.FlushEvery = time.Millisecond
	s, err := state.Open(storeDir, state.Identity{App: app}, o)
	must(t, err)
	for offset := range int64(3) {
		flushes := s.Metrics().Flushes
		applyOne(t, s.Shard(0), offset, "ada", "h", "1")
		waitFor(t, func() bool { return s.Metrics().Flushes > flushes })
	}
	must(t, s.Close())
}

// waitFor waits for a condition that another goroutine brings about.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for 20 s")
		}
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s := open(t, vfs.NewMem())
	sh, view := s.Shard(0), s.Shard(0).View("ada", nil)
	must(t, s.Close())
	must(t, s.Close())
	_, _, err := sh.Position()
	mustBe(t, err, state.ErrClosed)
	_, err = view.Get([]byte("h"))
	mustBe(t, err, state.ErrClosed)
	mustBe(t, view.Scan(nil, nil), state.ErrClosed)
	mustBe(t, sh.Apply(state.NewOverlay(), position(1)), state.ErrClosed)
	mustBe(t, sh.Drop(), state.ErrClosed)
	mustBe(t, s.Flush(), state.ErrClosed)
	mustBe(t, s.Checkpoint("copy"), state.ErrClosed)
	mustBe(t, s.Dump(io.Discard, state.DumpOptions{}), state.ErrClosed)
	if m := s.Metrics(); m != (state.Metrics{}) {
		t.Errorf("metrics of a closed store are %+v", m)
	}
}

// Close waits for a scan that is under way; what the scan reads inside is turned away, not left waiting.
func TestCloseWaitsForCalls(t *testing.T) {
	s := open(t, vfs.NewMem())
	applyOne(t, s.Shard(0), 1, "ada", "h", "1")
	view, inner := s.Shard(0).View("ada", nil), s.Shard(0).View("ada", nil)
	closed := make(chan error)
	must(t, view.Scan(nil, func(_, value []byte) bool {
		go func() { closed <- s.Close() }()
		waitFor(t, func() bool {
			_, err := inner.Get([]byte("h"))
			return errors.Is(err, state.ErrClosed)
		})
		select {
		case err := <-closed:
			t.Errorf("Close did not wait: %v", err)
		default:
		}
		return string(value) == "1"
	}))
	must(t, <-closed)
}

// S7: one Store at a time, in one process...
func TestSecondOpenerIsRefused(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "deep", "state")
			s, err := state.Open(dir, state.Identity{App: app}, options(fs))
			must(t, err)
			_, err = state.Open(dir, state.Identity{App: app}, options(fs))
			mustBe(t, err, state.ErrLocked)
			mustBe(t, state.Destroy(dir, state.Identity{App: app}, options(fs)), state.ErrLocked)
			applyOne(t, s.Shard(0), 1, "ada", "h", "1") // the first is none the worse
			must(t, s.Close())
			s, err = state.Open(dir, state.Identity{App: app}, options(fs))
			must(t, err)
			must(t, s.Close())
		})
	}
}

// S7: ... and in two. The second process is this test again, with the directory as its argument.
func TestSecondProcessIsRefused(t *testing.T) {
	if flag.NArg() == 1 {
		_, err := state.Open(flag.Arg(0), state.Identity{App: app}, options(nil))
		mustBe(t, err, state.ErrLocked)
		return
	}
	dir := t.TempDir()
	s, err := state.Open(dir, state.Identity{App: app}, options(nil))
	must(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSecondProcessIsRefused$", "-test.v", "--", dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSecondProcessIsRefused") {
		t.Errorf("second process: %v\n%s", err, out)
	}
	must(t, s.Close())
}

// S7: a directory is one app's. Nothing that is not a store is written to or removed.
func TestForeignDirectoryIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	must(t, open(t, fs).Close())
	other := state.Identity{App: "metro"}
	_, err := state.Open(storeDir, other, options(fs))
	mustBe(t, err, state.ErrForeign)
	for _, want := range []string{storeDir, `"city-mart"`, `"metro"`, "directory of its own"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %s: %v", want, err)
		}
	}
	mustBe(t, state.Destroy(storeDir, other, options(fs)), state.ErrForeign)

	home := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(home, "db"), 0o700))
	must(t, os.WriteFile(filepath.Join(home, "db", "letters.sst"), []byte("dear"), 0o600))
	mustBe(t, state.Destroy(home, state.Identity{App: app}, state.Options{}), state.ErrForeign)
	must(t, os.WriteFile(filepath.Join(home, "notes.txt"), []byte("mine"), 0o600))
	_, err = state.Open(home, state.Identity{App: app}, state.Options{})
	mustBe(t, err, state.ErrForeign)
	mustBe(t, state.Destroy(home, state.Identity{App: app}, state.Options{}), state.ErrForeign)
	for _, name := range []string{"notes.txt", "db/letters.sst"} {
		if _, err := os.Stat(filepath.Join(home, name)); err != nil {
			t.Error(err)
		}
	}
	_, err = state.Open(storeDir, state.Identity{}, options(fs))
	if err == nil {
		t.Error("an empty app id is accepted")
	}
}

// A directory written by a later version is refused, not taken for damage that could be destroyed.
func TestOtherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := state.Open(dir, state.Identity{App: app}, options(nil))
	must(t, err)
	must(t, s.Close())
	text, err := os.ReadFile(filepath.Join(dir, "STATE.json"))
	must(t, err)
	if string(text) != `{"format":1,"app":"city-mart"}`+"\n" {
		t.Errorf("STATE.json is %s", text)
	}
	markers, err := filepath.Glob(filepath.Join(dir, "db", "marker.format-version.*"))
	must(t, err)
	if len(markers) != 1 {
		t.Fatalf("markers: %q", markers)
	}
	newer := strings.TrimRight(markers[0], "0123456789") + "999"
	must(t, os.Rename(markers[0], newer))
	_, err = state.Open(dir, state.Identity{App: app}, options(nil))
	mustBe(t, err, state.ErrFormat)
	must(t, os.Rename(newer, markers[0]))

	must(t, os.WriteFile(filepath.Join(dir, "STATE.json"), []byte(`{"format":2,"app":"city-mart"}`), 0o600))
	_, err = state.Open(dir, state.Identity{App: app}, options(nil))
	mustBe(t, err, state.ErrFormat)
}

func TestDestroy(t *testing.T) {
	fs := vfs.NewCrashableMem()
	must(t, state.Destroy(storeDir, state.Identity{App: app}, options(fs))) // nothing there
	s := open(t, fs)
	applyOne(t, s.Shard(0), 1, "ada", "h", "1")
	must(t, s.Close())
	must(t, state.Destroy(storeDir, state.Identity{App: app}, options(fs)))
	s = openForTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	mustEqual(t, mustRead(t, s, 1), content{})
}

// A crash at any moment of the first Open leaves a directory that the same app opens, and destroys.
func TestCrashWhileCreating(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var kept []*vfs.MemFS
	watched := watchFS{FS: fs, wrote: func() { kept = append(kept, fs.CrashClone(vfs.CrashCloneCfg{})) }}
	must(t, open(t, watched).Close())
	for i, fs := range kept {
		must(t, state.Destroy(storeDir, state.Identity{App: app}, options(fs.CrashClone(vfs.CrashCloneCfg{}))))
		s := open(t, fs)
		applyOne(t, s.Shard(0), int64(i), "ada", "h", "1")
		must(t, s.Close())
	}
	if len(kept) < 5 {
		t.Errorf("only %d moments were tried", len(kept))
	}
}

// watchFS calls wrote before each new file and rename.
type watchFS struct {
	vfs.FS
	wrote func()
}

func (w watchFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	w.wrote()
	return w.FS.Create(name, category)
}

func (w watchFS) Rename(from, to string) error {
	w.wrote()
	return w.FS.Rename(from, to)
}

func TestCheckpointIsAStore(t *testing.T) {
	fs := vfs.NewMem()
	s := openForTest(t, fs)
	applyOne(t, s.Shard(0), 1, "ada", "h", "1")
	applyOne(t, s.Shard(1), 1, "bob", "h", "1")
	want := mustRead(t, s, 2)
	must(t, s.Checkpoint("copy"))
	applyOne(t, s.Shard(0), 2, "ada", "h", "2")
	duplicate, err := state.Open("copy", state.Identity{App: app}, options(fs))
	must(t, err)
	mustEqual(t, mustRead(t, duplicate, 2), want)
	must(t, duplicate.Close())
	if err := s.Checkpoint("copy"); err == nil {
		t.Error("a directory that exists was written over")
	}
}
