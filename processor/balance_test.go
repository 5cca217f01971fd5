package processor

import (
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// Every partition of every topic is with the shard that it belongs to.
func TestBalanceWholeShards(t *testing.T) {
	told := Standbys{}
	b := &balancer{
		effects: "e", standbys: 1,
		positions: func() map[int32]int64 { return map[int32]int64{1: 3 * positionGrain} },
		follows:   func() map[int32]bool { return nil },
		told:      func(s Standbys) { told = s },
	}
	var members []kmsg.JoinGroupResponseMember
	for _, id := range []string{"a", "b"} {
		b.instance = id
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID = id
		m.ProtocolMetadata = b.JoinGroupMetadata([]string{"e", "in"}, map[string][]int32{}, -1)
		members = append(members, m)
	}
	mb, topics, err := b.MemberBalancer(members)
	if err != nil || len(topics) != 2 {
		t.Fatal(topics, err)
	}
	cb, ok := mb.(*kgo.ConsumerBalancer)
	if !ok {
		t.Fatalf("a %T", mb)
	}
	plan, err := cb.BalanceOrError(map[string]int32{"e": 2, "in": 5})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string][]int32{}
	for _, a := range plan.IntoSyncAssignment() {
		if got[a.MemberID], err = b.ParseSyncAssignment(a.MemberAssignment); err != nil {
			t.Fatal(err)
		}
		if len(told.Shards) != 1 || len(told.Wanted) != 0 || slices.Contains(got[a.MemberID]["e"], told.Shards[0]) {
			t.Errorf("%s has %v and is to follow %v", a.MemberID, got[a.MemberID], told)
		}
	}
	for id, mine := range got {
		for _, p := range mine["in"] {
			if len(mine["e"]) != 1 || p%2 != mine["e"][0] {
				t.Errorf("%s has %v", id, mine)
			}
		}
	}
	if n := len(got["a"]["in"]) + len(got["b"]["in"]); n != 5 {
		t.Errorf("%d of 5 partitions are assigned: %v", n, got)
	}
	if _, err := cb.BalanceOrError(map[string]int32{"in": 5}); err == nil {
		t.Error("shards without the topic that counts them")
	}
}

func TestMemberDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := memberData{
			instance: rapid.StringMatching(`[a-z.-]{0,20}`).Draw(t, "instance"), lane: rapid.IntRange(0, 99).Draw(t, "lane"),
			grains:  rapid.MapOf(rapid.Int32Range(0, 99), rapid.Int64Range(0, 1<<40)).Draw(t, "grains"),
			follows: rapid.MapOf(rapid.Int32Range(0, 99), rapid.Bool()).Draw(t, "follows"),
			address: rapid.StringMatching(`(http://[a-z.:0-9]{1,20})?`).Draw(t, "address"),
		}
		data := d.append(nil)
		silent := len(data) - len(d.address) - 1 // as a version wrote it that told no address
		old := memberData{instance: d.instance, lane: d.lane, grains: d.grains}.append(nil)
		old = old[:len(old)-2] // as a version wrote it that knew no standbys
		var got memberData
		if err := got.parse(append(data, "later fields"...)); err != nil {
			t.Fatal(err)
		}
		if got.instance != d.instance || got.lane != d.lane || len(got.grains) != len(d.grains) {
			t.Fatalf("%+v became %+v", d, got)
		}
		for s, g := range d.grains {
			if got.grains[s] != g {
				t.Fatalf("%+v became %+v", d, got)
			}
		}
		if !maps.Equal(got.follows, d.follows) || got.address != d.address {
			t.Fatalf("%+v became %+v", d, got)
		}
		got = memberData{}
		if err := got.parse(data[:silent]); err != nil || got.address != "" || !maps.Equal(got.follows, d.follows) {
			t.Fatalf("%+v of an older version became %+v, %v", d, got, err)
		}
		if err := got.parse(old); err != nil || len(got.follows) != 0 || !maps.Equal(got.grains, d.grains) {
			t.Fatalf("%+v of an older version became %+v, %v", d, got, err)
		}
		if n := rapid.IntRange(0, len(data)-1).Draw(t, "cut"); n != len(old) && n != silent && got.parse(data[:n]) == nil {
			t.Fatalf("%d of %d bytes are taken for good", n, len(data))
		}
	})
}

// What a leader says of standbys is read as it was written; what is cut off or of another format says nothing.
func TestStandbysRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.MapOfN(rapid.Int32Range(0, 999), rapid.Bool(), 1, 20).Draw(t, "standbys")
		var s Standbys
		for _, shard := range slices.Sorted(maps.Keys(marks)) {
			s.Shards = append(s.Shards, shard)
			if marks[shard] {
				s.Wanted = append(s.Wanted, shard)
			}
		}
		data := appendStandbys(nil, s)
		if got := parseStandbys(append(data, "later fields"...)); !slices.Equal(got.Shards, s.Shards) || !slices.Equal(got.Wanted, s.Wanted) {
			t.Fatalf("%+v became %+v", s, got)
		}
		if got := parseStandbys(data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]); len(got.Shards)+len(got.Wanted) > 0 {
			t.Fatalf("of %x, cut off, %+v is taken for good", data, got)
		}
	})
}
