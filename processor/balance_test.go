package processor

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// Whoever comes and goes: nobody has more than one shard more than another, a shard has one owner, what need not move stays,
// and after one more round all are assigned.
func TestAssignLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := int32(rapid.IntRange(1, 40).Draw(t, "shards"))
		members := make([]balanced, rapid.IntRange(1, 7).Draw(t, "members"))
		generation := int32(0)
		for round := range rapid.IntRange(1, 8).Draw(t, "rounds") {
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what == 1 && round > 0:
				members = append(members, balanced{})
			case what == 2 && len(members) > 1:
				i := rapid.IntRange(0, len(members)-1).Draw(t, "who")
				members = slices.Delete(members, i, i+1)
			}
			for i := range members {
				members[i].grains = map[int32]int64{}
				for range rapid.IntRange(0, 3).Draw(t, "held") {
					members[i].grains[int32(rapid.IntRange(0, int(shards)-1).Draw(t, "shard"))] = int64(rapid.IntRange(0, 9).Draw(t, "grain"))
				}
			}
			for try := range 3 {
				generation++
				before := make([][]int32, len(members))
				for i := range members {
					before[i] = members[i].owned
				}
				plan := assign(members, shards)
				checkPlan(t, plan, before, shards)
				for i := range members {
					members[i].owned, members[i].generation = plan[i], generation
				}
				if try == 1 {
					checkSettled(t, plan, shards)
				}
				if try == 2 && !slices.EqualFunc(plan, before, slices.Equal[[]int32]) {
					t.Fatalf("the third round moves something again: %v, %v", before, plan)
				}
			}
		}
	})
}

func checkPlan(t *rapid.T, plan, before [][]int32, shards int32) {
	owner := map[int32]int{}
	for i, mine := range plan {
		for _, s := range mine {
			if _, taken := owner[s]; taken || s < 0 || s >= shards {
				t.Fatalf("shard %d is assigned twice or does not exist: %v", s, plan)
			}
			owner[s] = i
		}
	}
	for i, had := range before {
		for _, s := range had {
			if to, ok := owner[s]; ok && to != i {
				t.Fatalf("shard %d moves from %d to %d before it was given up", s, i, to)
			}
		}
	}
}

func checkSettled(t *rapid.T, plan [][]int32, shards int32) {
	total, least, most := 0, int(shards), 0
	for _, mine := range plan {
		total, least, most = total+len(mine), min(least, len(mine)), max(most, len(mine))
	}
	if total != int(shards) || most-least > 1 {
		t.Fatalf("after two rounds: %v", plan)
	}
}

// A shard goes to the instance that has most of it.
func TestAssignToTheMostCaughtUp(t *testing.T) {
	members := []balanced{{}, {memberData: memberData{grains: map[int32]int64{2: 5, 3: 7}}}}
	if got := assign(members, 4); !slices.Equal(got[1], []int32{2, 3}) {
		t.Errorf("assigned: %v", got)
	}
}

// Of two who say that a shard is theirs the later generation has it; of one generation neither keeps it.
func TestAssignConflictingOwners(t *testing.T) {
	members := []balanced{{owned: []int32{0, 1}, generation: 4}, {owned: []int32{0, 1}, generation: 5}}
	if got := owners(members, 2); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("owners: %v", got)
	}
	members[0].generation = 5
	if got := owners(members, 2); !slices.Equal(got, []int{nobodyOwns, nobodyOwns}) {
		t.Errorf("owners of one generation: %v", got)
	}
}

// Every partition of every topic is with the shard that it belongs to.
func TestBalanceWholeShards(t *testing.T) {
	b := &balancer{effects: "e", instance: "i", positions: func() map[int32]int64 { return map[int32]int64{1: 3 * positionGrain} }}
	var members []kmsg.JoinGroupResponseMember
	for _, id := range []string{"a", "b"} {
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
			grains: rapid.MapOf(rapid.Int32Range(0, 99), rapid.Int64Range(0, 1<<40)).Draw(t, "grains"),
		}
		data := d.append(nil)
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
		if n := rapid.IntRange(0, len(data)-1).Draw(t, "cut"); got.parse(data[:n]) == nil {
			t.Fatalf("%d of %d bytes are taken for good", n, len(data))
		}
	})
}
