package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"accrue/state"
)

// Whatever lanes, standbys and restarts do to them, rows that are kept at hand are what the store has: S10.
func TestHotRowsAreWhatTheStoreHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		s := open(t, fs)
		defer func() { must(t, s.Close()) }()
		type place struct {
			shard       int32
			member, key string
		}
		var places []place
		for _, member := range []string{"a", "a\x00\x01"} {
			for _, key := range []string{"h", "b", "fact"} {
				places = append(places, place{0, member, key}, place{1, member, key})
			}
		}
		want := map[place]string{}
		for offset := range rapid.Int64Range(1, 25).Draw(t, "steps") {
			shard := rapid.Int32Range(0, 1).Draw(t, "shard")
			what := rapid.SampledFrom([]string{"apply", "apply", "apply", "replay", "drop", "reopen", "refused"}).Draw(t, "what")
			o, records := state.NewOverlay(), []state.Record(nil)
			for n := range rapid.IntRange(1, 4).Draw(t, "rows") {
				p := rapid.SampledFrom(places).Draw(t, "row")
				value := fmt.Appendf(nil, "%d of %d", n, offset)
				switch rapid.IntRange(0, 5).Draw(t, "value") {
				case 0:
					value = nil
				case 1:
					value = []byte(strings.Repeat(string(value), tooLargeToBeHot))
				}
				o.Put(p.member, []byte(p.key), value)
				if what == "apply" || what == "replay" {
					p.shard = shard
					if want[p] = string(value); value == nil {
						delete(want, p)
					}
				}
			}
			position := state.Position{ClusterID: "c", TopicID: "t", Offset: offset}
			switch what {
			case "apply":
				must(t, s.Shard(shard).Apply(o, position))
			case "replay":
				records = o.Records()
				must(t, s.Shard(shard).Replay(records, position))
			case "drop":
				must(t, s.Shard(shard).Drop())
				for p := range want {
					if p.shard == shard {
						delete(want, p)
					}
				}
			case "refused":
				position.Offset = -1
				if s.Shard(shard).Apply(o, position) == nil {
					t.Fatalf("a negative offset is taken")
				}
			case "reopen":
				must(t, s.Close())
				s = open(t, fs)
			}
			for _, p := range places {
				got, err := s.Shard(p.shard).View(p.member, nil).Get([]byte(p.key))
				must(t, err)
				if row, ok := want[p]; ok != (got != nil) || row != string(got) {
					t.Fatalf("after %s: row %q of %q in shard %d is %.20q, want %.20q (%v)", what, p.key, p.member, p.shard, got, row, ok)
				}
			}
		}
	})
}

// Rows at hand are no way around a store that is closed.
func TestHotRowsOfAClosedStore(t *testing.T) {
	s := open(t, vfs.NewMem())
	o := state.NewOverlay()
	o.Put("a", []byte("h"), []byte("here"))
	must(t, s.Shard(0).Apply(o, state.Position{ClusterID: "c", TopicID: "t", Offset: 1}))
	view := s.Shard(0).View("a", nil)
	must(t, s.Close())
	if got, err := view.Get([]byte("h")); err == nil {
		t.Errorf("%q is read of a closed store", got)
	}
}
