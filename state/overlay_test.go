package state_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

// What goes to the changelog has one record a row, its last value, in the order of the first puts.
func TestOverlayRecords(t *testing.T) {
	o := state.NewOverlay()
	key := []byte("h")
	o.Put("bob", key, []byte("1"))
	o.Put("ada", []byte("f"), []byte("2"))
	o.Put("bob", []byte("h"), nil)
	o.Put("bob", []byte("f"), []byte{})
	o.Put("ada", []byte("f"), []byte("345"))
	key[0] = 'x' // the key was copied
	var got string
	for _, r := range o.Records() {
		member, row, err := state.DecodeKey(r.Key)
		must(t, err)
		got += fmt.Sprintf("%s %s %q %v; ", member, row, r.Value, r.Value == nil)
	}
	if want := `bob h "" true; ada f "345" false; bob f "" false; `; got != want {
		t.Errorf("records are %s, want %s", got, want)
	}
	if o.Len() != 3 {
		t.Errorf("Len is %d", o.Len())
	}
	size := 0
	for _, r := range o.Records() {
		size += len(r.Key) + len(r.Value)
	}
	if o.Bytes() != size {
		t.Errorf("Bytes is %d, want %d", o.Bytes(), size)
	}
	o.SetDue("bob", start())
	if o.Len() != 3 || o.Bytes() <= size {
		t.Errorf("with a due row Len is %d and Bytes %d", o.Len(), o.Bytes())
	}
	// Whoever appends to the records must not reach into the overlay.
	_ = append(o.Records(), state.Record{Key: []byte("stray")})
	o.Put("eve", []byte("h"), []byte("6"))
	if r := o.Records(); len(r) != 4 || string(r[3].Value) != "6" {
		t.Errorf("records are %q", r)
	}
}

// Keys longer than what is cut from an arena, and more than fit into one, stay whole.
func TestOverlayKeepsKeys(t *testing.T) {
	o := state.NewOverlay()
	want := map[string]bool{}
	for i := range 3000 {
		key := fmt.Sprintf("%0*d", 1+i, i)
		want[key] = true
		o.Put("ada", []byte(key), []byte("v"))
	}
	for _, r := range o.Records() {
		_, key, err := state.DecodeKey(r.Key)
		must(t, err)
		if !want[string(key)] {
			t.Fatalf("key %.40q was not put", key)
		}
		delete(want, string(key))
	}
	if len(want) > 0 {
		t.Errorf("%d keys are missing", len(want))
	}
}

// What a view has read stays what it is while the overlays change: the overlay's values are never written to.
func TestViewThroughApply(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	sh := s.Shard(0)
	var overlays []*state.Overlay
	view := sh.View("ada", func() []*state.Overlay { return overlays })
	get := func(want string) {
		t.Helper()
		value, err := view.Get([]byte("h"))
		must(t, err)
		if string(value) != want || (want == "") != (value == nil) {
			t.Errorf("row is %q, want %q", value, want)
		}
	}
	get("")
	first := state.NewOverlay()
	first.Put("ada", []byte("h"), []byte("1"))
	overlays = []*state.Overlay{first}
	get("1")
	second := state.NewOverlay()
	second.Put("ada", []byte("h"), nil)
	overlays = []*state.Overlay{second, first}
	get("")
	must(t, sh.Apply(first, position(1)))
	overlays = []*state.Overlay{second}
	get("")
	overlays = nil // the second transaction was aborted
	get("1")
}

// A position says when it was taken in, by the store's clock unless the caller knows better, in whole ms.
func TestPositionTime(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	p := position(1)
	p.AppliedAt = time.Time{}
	must(t, s.Shard(0).Apply(state.NewOverlay(), p))
	p.AppliedAt = start().Add(1500 * time.Microsecond)
	must(t, s.Shard(1).Apply(state.NewOverlay(), p))
	for range 2 { // from memory, then from disk
		for n, want := range []time.Time{start(), start().Add(time.Millisecond)} {
			got, found, err := s.Shard(int32(n)).Position()
			must(t, err)
			if !found || got.AppliedAt != want || !got.AppliedAt.Equal(want) {
				t.Errorf("shard %d was applied at %v, want %v", n, got.AppliedAt, want)
			}
		}
		must(t, s.Close())
		s = open(t, fs)
	}
	shards, err := s.Shards()
	must(t, err)
	if fmt.Sprint(shards) != "[0 1]" {
		t.Errorf("shards are %v", shards)
	}
	must(t, s.Close())
}

// A changelog record that no row can have stops the replay before anything is written.
func TestReplayRefusesForeignKeys(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	records := []state.Record{{Key: state.EncodeKey("ada", []byte("h")), Value: []byte("1")}, {Key: []byte("zzz")}}
	mustBe(t, s.Shard(0).Replay(records, position(2)), state.ErrKey)
	mustEqual(t, mustRead(t, s, 1), content{})
}

// Nothing is left of a member whose rows a replay deletes, nor of a due time that it replaces: a copy is looked at by nobody.
func TestReplayLeavesNoDueTimesBehind(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	head := func(value string) []state.Record {
		return []state.Record{{Key: state.EncodeKey("ada", []byte("h")), Value: []byte(value)}}
	}
	mustBeDue := func(want ...int64) {
		t.Helper()
		list, err := s.Shard(0).Due(start(), 100)
		must(t, err)
		var got []int64
		for _, d := range list {
			got = append(got, d.At.UnixMilli())
		}
		if !slices.Equal(got, want) {
			t.Errorf("due are %v, want %v", got, want)
		}
	}
	must(t, s.Shard(0).Replay(head("due=5 a"), position(1)))
	must(t, s.Shard(0).Replay(head("due=9 b"), position(2)))
	mustBeDue(9)
	must(t, s.Shard(0).Replay(head("due=9 c"), position(3)))
	mustBeDue(9)
	gone := head("")
	gone[0].Value = nil
	must(t, s.Shard(0).Replay(gone, position(4)))
	mustBeDue()
}
