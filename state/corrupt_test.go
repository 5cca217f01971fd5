package state_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

// S6: whatever happens to one file of the store, either the content is what it was at some batch
// boundary, or Open or a read says ErrCorrupt; and then Destroy and Open give an empty store.
func TestDamageIsNoticed(t *testing.T) {
	whole := vfs.NewCrashableMem()
	boundaries := fillForDamage(t, whole)
	files, err := whole.List(storeDir + "/db")
	must(t, err)
	noticed := map[string]int{}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range files {
		for way, damage := range damages(rng) {
			for range 6 {
				fs := whole.CrashClone(vfs.CrashCloneCfg{})
				if !damage(t, fs, storeDir+"/db/"+name) {
					continue
				}
				if checkDamaged(t, fs, fmt.Sprintf("%s %s", way, name), boundaries) {
					kind, _, _ := strings.Cut(name, "-")
					noticed[kind[max(0, strings.LastIndex(kind, ".")):]]++
				}
			}
		}
	}
	if noticed[".sst"] < 10 || noticed["MANIFEST"] < 5 {
		t.Errorf("damage was noticed so often: %v", noticed)
	}
}

// fillForDamage makes a store with several tables in several levels, and returns its content after each batch.
func fillForDamage(t *testing.T, fs vfs.FS) []content {
	t.Helper()
	s := open(t, fs)
	boundaries := []content{{}}
	for offset := range int64(12) {
		o := state.NewOverlay()
		for i := range 40 {
			member := fmt.Sprint("m", (int(offset)*17+i)%150)
			o.Put(member, []byte("f"), []byte(strings.Repeat("v", int(offset)*20)))
			if i%10 == 0 {
				o.Put(member, []byte("g"), nil)
			}
		}
		must(t, s.Shard(int32(offset%2)).Apply(o, position(offset)))
		boundaries = append(boundaries, mustRead(t, s, 2))
		must(t, s.Flush())
	}
	must(t, s.Close())
	return boundaries
}

// damages are ways to damage a file; false where the file cannot be damaged so.
func damages(rng *rand.Rand) map[string]func(t *testing.T, fs vfs.FS, path string) bool {
	rewrite := func(change func(b []byte) []byte) func(*testing.T, vfs.FS, string) bool {
		return func(t *testing.T, fs vfs.FS, path string) bool {
			f, err := fs.Open(path)
			must(t, err)
			b, err := io.ReadAll(f)
			must(t, errors.Join(err, f.Close()))
			if len(b) == 0 {
				return false
			}
			b = change(b)
			f, err = fs.Create(path, vfs.WriteCategoryUnspecified)
			must(t, err)
			_, err = f.Write(b)
			must(t, errors.Join(err, f.Close()))
			return true
		}
	}
	return map[string]func(*testing.T, vfs.FS, string) bool{
		"flip a byte of": rewrite(func(b []byte) []byte { b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255)); return b }),
		"cut":            rewrite(func(b []byte) []byte { return b[:rng.IntN(len(b))] }),
		"zero half of":   rewrite(func(b []byte) []byte { clear(b[len(b)/2:]); return b }),
		"empty":          rewrite(func([]byte) []byte { return nil }),
		"remove":         func(_ *testing.T, fs vfs.FS, path string) bool { return fs.Remove(path) == nil },
	}
}

// checkDamaged says whether the damage was noticed.
func checkDamaged(t *testing.T, fs vfs.FS, what string, boundaries []content) bool {
	t.Helper()
	s, err := state.Open(storeDir, state.Identity{App: app}, options(fs))
	if err == nil {
		var got content
		got, err = read(s, 2)
		if err == nil {
			for _, c := range boundaries {
				if maps.Equal(got, c) {
					must(t, s.Close())
					return false
				}
			}
			t.Fatalf("%s: no error, but this is no state that ever was:\n%s", what, got)
		}
		if !errors.Is(s.Err(), state.ErrCorrupt) {
			t.Errorf("%s: Err is %v after %v", what, s.Err(), err)
		}
		_, err2 := s.Shard(0).View("m1", nil).Get([]byte("f"))
		mustBe(t, err2, state.ErrCorrupt)
		mustBe(t, s.Shard(0).Apply(state.NewOverlay(), position(100)), state.ErrCorrupt)
		_ = s.Close() // it cannot flush
	}
	if !errors.Is(err, state.ErrCorrupt) {
		t.Fatalf("%s: error is not ErrCorrupt: %v", what, err)
	}
	must(t, state.Destroy(storeDir, state.Identity{App: app}, options(fs)))
	s = open(t, fs)
	mustEqual(t, mustRead(t, s, 2), content{})
	must(t, s.Close())
	return true
}
