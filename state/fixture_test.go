package state_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

const (
	storeDir = "data/state"
	app      = "city-mart"
)

// start is the time of the tests' clock.
func start() time.Time { return time.UnixMilli(1_790_000_000_000).UTC() }

func options(fs vfs.FS) state.Options {
	return state.Options{
		FS: fs, MemoryBytes: 1 << 20, HotBytes: 1, IsHot: isHot, FlushEvery: time.Hour, Now: start,
		DueOf: dueOf, HasDue: func(key []byte) bool { return string(key) == "h" },
	}
}

// isHot says that some of the tests' rows are hot.
func isHot(key []byte) bool { return string(key) != "f" && len(key) < 2 }

// tooLargeToBeHot is more bytes than what is kept at hand of a hot row with the tests' memory.
const tooLargeToBeHot = 600

// dueOf reads the tests' heads: row "h", whose value may begin with "due=<ms> ".
func dueOf(key, value []byte) (time.Time, bool) {
	var ms int64
	if string(key) != "h" {
		return time.Time{}, false
	}
	if _, err := fmt.Sscanf(string(value), "due=%d ", &ms); err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func open(t fataler, fs vfs.FS) *state.Store {
	t.Helper()
	s, err := state.Open(storeDir, state.Identity{App: app}, options(fs))
	must(t, err)
	return s
}

// openForTest opens a store that is closed with the test.
func openForTest(t testing.TB, fs vfs.FS) *state.Store {
	t.Helper()
	s := open(t, fs)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func position(offset int64) state.Position {
	return state.Position{ClusterID: "kafka-1", TopicID: "topic-1", Offset: offset, AppliedAt: start()}
}

// content is all that shards hold, as text by text: "3/ada/h" → value, "3" → position, "3@<ms>/ada" → "due".
type content map[string]string

func (c content) String() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "%q: %.40q\n", key, c[key])
	}
	return b.String()
}

// read reads the content through the store's own methods, and checks their order on the way.
func read(s *state.Store, shards int32) (content, error) {
	c := content{}
	for n := range shards {
		if err := readShard(c, s.Shard(n), n); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func readShard(c content, sh *state.Shard, n int32) error {
	p, found, err := sh.Position()
	if err != nil {
		return err
	}
	if found {
		c[fmt.Sprint(n)] = fmt.Sprint(p)
	}
	var lastMember, lastKey, unordered string
	first := true
	err = sh.All(func(member string, key, value []byte) bool {
		name := fmt.Sprintf("%d/%s/%s", n, member, key)
		if !first && cmp.Or(cmp.Compare(lastMember, member), cmp.Compare(lastKey, string(key))) >= 0 {
			unordered = name
		}
		lastMember, lastKey, first = member, string(key), false
		c[name] = string(value)
		return true
	})
	if err != nil {
		return err
	}
	if unordered != "" {
		return fmt.Errorf("row %q is out of order", unordered)
	}
	due, err := sh.Due(start().AddDate(100, 0, 0), 1<<30)
	for _, d := range due {
		c[fmt.Sprintf("%d@%d/%s", n, d.At.UnixMilli(), d.Member)] = "due"
	}
	return err
}

func mustRead(t fataler, s *state.Store, shards int32) content {
	t.Helper()
	c, err := read(s, shards)
	must(t, err)
	return c
}

func mustEqual(t fataler, got, want content) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Fatalf("store holds:\n%s\nwant:\n%s", got, want)
	}
}
