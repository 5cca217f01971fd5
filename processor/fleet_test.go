package processor

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// group is a group as it goes from one assignment to the next: what members say follows from what they were told.
type group struct {
	shards     int32
	standbys   int
	generation int32
	ends       []int64 // by shard, in grains
	members    []balanced
	stores     map[string]map[int32]int64 // by instance
	duties     []duty
}

// join is one assignment. Each member then has what it was told to have, and follows what it was told to follow.
func (g *group) join() []duty {
	g.generation++
	for i := range g.members {
		m := &g.members[i]
		m.grains = maps.Clone(g.stores[m.instance])
		for _, s := range m.owned {
			m.grains[s] = g.ends[s]
		}
	}
	g.duties = assign(g.members, g.shards, g.standbys)
	for i := range g.members {
		m := &g.members[i]
		m.owned, m.generation = slices.Clone(g.duties[i].active), g.generation
		for _, s := range m.owned {
			g.stores[m.instance][s] = g.ends[s]
		}
		follows := make(map[int32]bool)
		for _, s := range g.duties[i].standbys {
			follows[s] = m.follows[s]
		}
		m.follows = follows
	}
	return g.duties
}

func (g *group) add(instance string) {
	if g.stores[instance] == nil {
		g.stores[instance] = make(map[int32]int64)
	}
	g.members = append(g.members, balanced{memberData: memberData{instance: instance, follows: map[int32]bool{}}})
}

func (g *group) remove(i int) { g.members = slices.Delete(g.members, i, i+1) }

// catchUp lets all copies that are followed catch up, and the members say so of those that are wanted. It says whether any were.
func (g *group) catchUp() (wanted bool) {
	for i := range g.members {
		m := &g.members[i]
		for s := range m.follows {
			g.stores[m.instance][s] = g.ends[s]
		}
		for _, s := range g.duties[i].wanted {
			m.follows[s], wanted = true, true
		}
	}
	return wanted
}

// progress lets some of the copies that are followed come nearer, and some members say that they are ready for what is wanted.
func (g *group) progress(t *rapid.T) {
	for i := range g.members {
		m := &g.members[i]
		for _, s := range g.duties[i].standbys {
			at := min(g.stores[m.instance][s], g.ends[s])
			g.stores[m.instance][s] = rapid.Int64Range(at, g.ends[s]).Draw(t, "read")
			if slices.Contains(g.duties[i].wanted, s) && rapid.Bool().Draw(t, "ready") {
				m.follows[s] = true
			}
		}
	}
}

// settle goes on until an assignment changes nothing and nothing is wanted. That takes a few rounds and not more: one to have
// copies follow, one to have owners let go, one to give.
func (g *group) settle(t interface{ Fatalf(string, ...any) }, check func(before []balanced)) {
	for round := 0; ; round++ {
		before := slices.Clone(g.members)
		g.join()
		check(before)
		changed := false
		for i := range before {
			changed = changed || !slices.Equal(before[i].owned, g.members[i].owned) || !maps.Equal(before[i].follows, g.members[i].follows)
		}
		if wanted := g.catchUp(); !changed && !wanted {
			return
		}
		if round > 8 {
			t.Fatalf("it moves for ever: %s", g)
		}
	}
}

func (g *group) String() string {
	var all string
	for i, m := range g.members {
		all += fmt.Sprintf("\n%s has %v, follows %v, wants %v; store %v", m.instance, g.duties[i].active, g.duties[i].standbys, g.duties[i].wanted, g.stores[m.instance])
	}
	return all
}

func newGroup(shards int32, standbys int) *group {
	return &group{shards: shards, standbys: standbys, ends: make([]int64, shards), stores: make(map[string]map[int32]int64)}
}

// Whoever comes and goes, with whatever in its store: a shard has one owner, none is taken from one that did not give it up,
// nobody follows what its own instance has, and nothing is followed twice in one instance. When copies catch up, the group
// comes to rest, even and with all copies; what it is then is changed by no further assignment.
func TestAssignLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGroup(int32(rapid.IntRange(1, 40).Draw(t, "shards")), rapid.IntRange(0, 2).Draw(t, "standbys"))
		instance := func() string { return string(rune('a' + rapid.IntRange(0, 4).Draw(t, "instance"))) }
		g.add(instance())
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
			case what <= 1 && len(g.members) < 8:
				g.add(instance())
			case what == 2 && len(g.members) > 1:
				g.remove(rapid.IntRange(0, len(g.members)-1).Draw(t, "who"))
			case what == 3:
				delete(g.stores, instance()) // a disk is wiped
				for _, m := range g.members {
					if g.stores[m.instance] == nil {
						g.stores[m.instance] = make(map[int32]int64)
					}
				}
			default:
				g.ends[rapid.IntRange(0, int(g.shards)-1).Draw(t, "shard")] += int64(rapid.IntRange(0, 50).Draw(t, "written"))
			}
			if rapid.Bool().Draw(t, "at once") {
				g.settle(t, func(before []balanced) { g.check(t, before) })
				g.checkRest(t)
			} else {
				before := slices.Clone(g.members)
				g.join()
				g.check(t, before)
				g.progress(t)
			}
		}
		g.settle(t, func(before []balanced) { g.check(t, before) })
		g.checkRest(t)
	})
}

// check holds for every assignment.
func (g *group) check(t *rapid.T, before []balanced) {
	owner := map[int32]int{}
	for i, d := range g.duties {
		for _, s := range d.active {
			if _, taken := owner[s]; taken || s < 0 || s >= g.shards {
				t.Fatalf("shard %d is assigned twice or does not exist: %s", s, g)
			}
			owner[s] = i
		}
	}
	for i, m := range before {
		for _, s := range m.owned {
			if to, ok := owner[s]; ok && to != i {
				t.Fatalf("shard %d moves from %d to %d before it was given up", s, i, to)
			}
		}
	}
	follows := map[string]bool{}
	for i, d := range g.duties {
		for _, s := range d.standbys {
			name := g.members[i].instance
			if o, ok := owner[s]; ok && g.members[o].instance == name {
				t.Fatalf("%s follows shard %d, which it has: %s", name, s, g)
			}
			if follows[fmt.Sprint(name, s)] {
				t.Fatalf("%s follows shard %d twice: %s", name, s, g)
			}
			follows[fmt.Sprint(name, s)] = true
		}
		for _, s := range d.wanted {
			if !slices.Contains(d.standbys, s) {
				t.Fatalf("shard %d is wanted and not followed: %s", s, g)
			}
		}
	}
}

// checkRest holds when the group has come to rest.
func (g *group) checkRest(t *rapid.T) {
	total, least, most := 0, int(g.shards), 0
	lanes, has := map[string]int{}, map[string]int{}
	owner, copies := map[int32]string{}, map[string]map[int32]bool{}
	for i, d := range g.duties {
		total, least, most = total+len(d.active), min(least, len(d.active)), max(most, len(d.active))
		name := g.members[i].instance
		lanes[name]++
		has[name] += len(d.active)
		if copies[name] == nil {
			copies[name] = map[int32]bool{}
		}
		for _, s := range d.active {
			owner[s] = name
		}
		for _, s := range d.standbys {
			copies[name][s] = true
		}
	}
	if total != int(g.shards) || most-least > 1 {
		t.Fatalf("it is not even: %s", g)
	}
	for one := range has {
		for other := range has {
			if lanes[one] == lanes[other] && has[one]-has[other] > 1 {
				t.Fatalf("%s has more than %s with as many lanes: %s", one, other, g)
			}
		}
	}
	for s := range g.shards {
		n := 0
		for _, mine := range copies {
			if mine[s] {
				n++
			}
		}
		if n != min(g.standbys, len(copies)-1) {
			t.Fatalf("shard %d has %d copies: %s", s, n, g)
		}
	}
	for from, many := range copies {
		for to, few := range copies {
			for s := range many {
				if len(many)-len(few) > 1 && !few[s] && owner[s] != to {
					t.Fatalf("%s could follow shard %d for %s: %s", to, s, from, g)
				}
			}
		}
	}
}

// One that joins gets its part from the others and nothing else moves. Where one leaves, what it had goes to the others; where
// that makes one have too much for a while, it may give another shard away, of which somebody has more.
func TestAssignMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGroup(int32(rapid.IntRange(1, 40).Draw(t, "shards")), 1)
		n := rapid.IntRange(2, 7).Draw(t, "members")
		for i := range n - 1 {
			g.add(string(rune('a' + i)))
		}
		g.settle(t, func([]balanced) {})
		for s := range g.ends {
			g.ends[s] = int64(rapid.IntRange(0, 100).Draw(t, "written"))
		}
		g.catchUp()
		owner := g.owners()
		g.add("new")
		g.settle(t, func([]balanced) {
			for s, now := range g.owners() {
				if now != owner[s] && now != "new" {
					t.Fatalf("shard %d moved from %s to %s: %s", s, owner[s], now, g)
				}
			}
		})
		owner = g.owners()
		i := rapid.IntRange(0, n-1).Draw(t, "gone")
		gone, had := g.members[i].instance, len(g.members[i].owned)
		g.remove(i)
		g.settle(t, func([]balanced) {})
		g.checkRest(t)
		moved := 0
		for s, now := range g.owners() {
			if now != owner[s] && owner[s] != gone {
				moved++
			}
		}
		if moved > had {
			t.Fatalf("%d shards of others moved when one with %d left: %s", moved, had, g)
		}
	})
}

// owners are the instances that have the shards.
func (g *group) owners() map[int32]string {
	owner := make(map[int32]string)
	for _, m := range g.members {
		for _, s := range m.owned {
			owner[s] = m.instance
		}
	}
	return owner
}

// three is a fleet of two instances with 9 shards that hold much, and of a third that is about to join.
func three(t *testing.T) *group {
	t.Helper()
	g := newGroup(9, 1)
	g.add("a")
	g.add("b")
	g.settle(t, func([]balanced) {})
	for s := range g.ends {
		g.ends[s] = 1000
	}
	g.catchUp()
	g.add("c")
	return g
}

// An instance that joins with nothing in its store gets no shard before it has caught up with it; then it gets a third, which
// is all that moves.
func TestAssignWaitsForTheJoiner(t *testing.T) {
	g := three(t)
	before := slices.Clone(g.members)
	g.join()
	if d := g.duties[2]; len(d.active) != 0 || len(d.wanted) != 3 {
		t.Fatalf("it is given shards that it has nothing of, or none are wanted for it: %s", g)
	}
	for i := range before[:2] {
		if !slices.Equal(before[i].owned, g.members[i].owned) {
			t.Fatalf("something is taken away: %s", g)
		}
	}
	// Others come and ask meanwhile; that changes nothing.
	wanted := slices.Clone(g.duties[2].wanted)
	g.join()
	if !slices.Equal(g.duties[2].wanted, wanted) {
		t.Errorf("something else is wanted of it now: %v, then %s", wanted, g)
	}
	g.settle(t, func([]balanced) {})
	if got := g.duties[2].active; !slices.Equal(got, wanted) {
		t.Errorf("it has %v, wanted were %v: %s", got, wanted, g)
	}
}

// Shards of one that is gone go to who follows them, even where that is uneven: the rest of the fleet follows until it is near.
func TestAssignToTheCopy(t *testing.T) {
	g := three(t)
	g.join()
	gone := slices.Clone(g.members[0].owned)
	g.remove(0) // c has nothing yet, b follows all that a had
	g.join()
	for _, s := range gone {
		if !slices.Contains(g.duties[0].active, s) {
			t.Fatalf("shard %d is not with b: %s", s, g)
		}
	}
	if d := g.duties[1]; len(d.active) != 0 || len(d.wanted) != 4 {
		t.Errorf("c is given shards that it has nothing of, or not wanted to have its part: %s", g)
	}
	g.settle(t, func([]balanced) {})
	if n := len(g.duties[1].active); n < 4 {
		t.Errorf("c has %d shards in the end: %s", n, g)
	}
}

// Of two that are near, a shard goes to the one that follows it: an old copy may lack a grain or two.
func TestAssignToTheFollower(t *testing.T) {
	members := []balanced{
		{memberData: memberData{instance: "a", grains: map[int32]int64{0: 7, 1: 7}, follows: map[int32]bool{1: false}}},
		{memberData: memberData{instance: "b", grains: map[int32]int64{0: 7, 1: 7}, follows: map[int32]bool{0: false}}},
	}
	if d := assign(members, 2, 1); !slices.Equal(d[0].active, []int32{1}) || !slices.Equal(d[1].active, []int32{0}) {
		t.Errorf("assigned: %v", d)
	}
}

// The lanes of a process share a store: what one of them has, the other takes over at once.
func TestAssignAmongLanesOfAnInstance(t *testing.T) {
	g := newGroup(4, 1)
	g.add("a")
	g.settle(t, func([]balanced) {})
	for s := range g.ends {
		g.ends[s] = 1000
	}
	g.add("a")
	g.join()
	g.join()
	if len(g.duties[0].active) != 2 || len(g.duties[1].active) != 2 || len(g.duties[1].standbys) != 0 {
		t.Errorf("after two assignments: %s", g)
	}
}

// A copy that will never be near is taken as it is once its member says so.
func TestAssignToTheReady(t *testing.T) {
	g := three(t)
	g.join()
	for _, s := range g.duties[2].wanted {
		g.members[2].follows[s] = true
	}
	g.join()
	g.join()
	if n := len(g.duties[2].active); n != 3 {
		t.Errorf("it has %d shards: %s", n, g)
	}
}

// Of two who say that a shard is theirs the later generation has it; of one generation neither keeps it, and nobody gets it
// before both gave it up.
func TestAssignConflictingOwners(t *testing.T) {
	members := []balanced{{owned: []int32{0, 1}, generation: 4}, {owned: []int32{0, 1}, generation: 5}}
	if got := owners(members, 2); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("owners: %v", got)
	}
	members[0].generation = 5
	if got := owners(members, 2); !slices.Equal(got, []int{contested, contested}) {
		t.Errorf("owners of one generation: %v", got)
	}
	for _, d := range assign(members, 2, 0) {
		if len(d.active) > 0 {
			t.Errorf("contested shards are assigned: %v", d.active)
		}
	}
}
