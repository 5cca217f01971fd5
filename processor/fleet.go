package processor

import (
	"cmp"
	"math"
	"slices"
)

// fleet is the group as its leader sees it: who there is, who has what, and how much of each shard is in whose store.
// Instances are what standby copies are spread over and whose stores count; members are their lanes. An assignment is worked
// out anew each time from what the members say, and the same words give the same assignment.
type fleet struct {
	members  []balanced
	shards   int
	standbys int

	instances int
	instance  []int          // of each member
	grains    [][]int64      // by instance and shard: how far the store is
	most      []int64        // by shard: the highest of them
	ready     []map[int]bool // by instance: shards that it follows closely, by its own word
	follows   []map[int]bool // by instance: shards that it follows
	owner     []int          // by shard: a member, nobody or contested
	target    []int          // by shard: the member that is to have it in the end
	holder    []int          // by shard: the member that is to have it for now
	duties    []duty         // by member
}

// duty is what one member is to do.
type duty struct {
	active   []int32 // whole shards that are assigned to it
	standbys []int32 // shards that it follows
	wanted   []int32 // of standbys, those that it is to have once it is near
}

// What stands in place of a member.
const (
	noMember  = -1
	contested = -2 // several say that they have the shard, with the same right: all give it up first
)

// nearGrains is how many grains of positions behind the furthest copy a store may be to be near. One alone can be a single
// offset, where a boundary lies between the two.
const nearGrains = 1

// assign says what each member is to do. A shard that has to move is with nobody this time: its owner gives it up first.
func assign(members []balanced, shards int32, standbys int) []duty {
	f := newFleet(members, int(shards), standbys)
	f.owner = owners(members, shards)
	f.target = f.targets()
	f.holder = f.holders()
	f.duties = make([]duty, len(members))
	for s, h := range f.holder {
		if f.owner[s] == noMember || f.owner[s] == h {
			f.duties[h].active = append(f.duties[h].active, int32(s))
		}
	}
	f.spread()
	return f.duties
}

func newFleet(members []balanced, shards, standbys int) *fleet {
	f := &fleet{members: members, shards: shards, standbys: standbys, instance: make([]int, len(members)), most: make([]int64, shards)}
	numbers := make(map[string]int)
	for m := range members {
		name := members[m].instance
		i, known := numbers[name]
		if !known {
			i = f.instances
			numbers[name] = i
			f.instances++
			f.grains = append(f.grains, make([]int64, shards))
			f.ready = append(f.ready, make(map[int]bool))
			f.follows = append(f.follows, make(map[int]bool))
		}
		f.instance[m] = i
		for s, g := range members[m].grains {
			if s >= 0 && int(s) < shards {
				f.grains[i][s] = max(f.grains[i][s], g)
				f.most[s] = max(f.most[s], g)
			}
		}
		for s, ready := range members[m].follows {
			f.follows[i][int(s)] = true
			if ready {
				f.ready[i][int(s)] = true
			}
		}
	}
	return f
}

// owners finds out who has each shard. Of several who say so the one of the latest generation has it; the others were
// away when it moved. If two of one generation say so, nobody may keep it: both give it up first.
func owners(members []balanced, shards int32) []int {
	owner := make([]int, shards)
	latest := make([]int32, shards)
	for s := range owner {
		owner[s], latest[s] = noMember, math.MinInt32
	}
	for i, m := range members {
		for _, s := range m.owned {
			switch {
			case s < 0 || s >= shards:
			case m.generation > latest[s]:
				owner[s], latest[s] = i, m.generation
			case m.generation == latest[s] && owner[s] != i:
				owner[s] = contested
			}
		}
	}
	return owner
}

// behind is how many grains an instance's store lacks of a shard.
func (f *fleet) behind(instance, shard int) int64 {
	if f.ready[instance][shard] {
		return 0
	}
	if lacks := f.most[shard] - f.grains[instance][shard]; lacks > nearGrains {
		return lacks
	}
	return 0
}

// near says whether a member could serve a shard almost at once.
func (f *fleet) near(member, shard int) bool { return f.behind(f.instance[member], shard) == 0 }

// targets decides who is to have each shard in the end. Nobody has more than one shard more than another.
func (f *fleet) targets() []int {
	has := make([][]int, len(f.members)) // shards by owner
	target := make([]int, f.shards)
	var free []int
	for s, m := range f.owner {
		target[s] = noMember
		if m >= 0 {
			has[m] = append(has[m], s)
		} else {
			free = append(free, s)
		}
	}
	room := f.quotas(has)
	var poor []int // members that have less than they are to have
	for m, mine := range has {
		if len(mine) < room[m] {
			poor = append(poor, m)
		}
	}
	for m, mine := range has {
		f.sortFarFirst(mine, poor)
		keep := min(len(mine), room[m])
		for _, s := range mine[:keep] {
			target[s] = m
		}
		room[m] -= keep
		free = append(free, mine[keep:]...)
	}
	// Shards of which there is most choose first, before the places with those who have it are taken.
	slices.SortFunc(free, func(a, b int) int { return cmp.Or(cmp.Compare(f.most[b], f.most[a]), cmp.Compare(a, b)) })
	for _, s := range free {
		best := noMember
		for m := range f.members {
			if room[m] > 0 && (best == noMember || cmp.Or(
				cmp.Compare(f.behind(f.instance[best], s), f.behind(f.instance[m], s)),
				cmp.Compare(toInt(f.follows[f.instance[m]][s]), toInt(f.follows[f.instance[best]][s])),
				cmp.Compare(f.grains[f.instance[m]][s], f.grains[f.instance[best]][s]),
				cmp.Compare(room[m], room[best]),
			) > 0) {
				best = m
			}
		}
		target[s] = best
		room[best]--
	}
	return target
}

// sortFarFirst sorts shards so that those come last to which somebody who lacks shards is nearest: they are given away first.
func (f *fleet) sortFarFirst(shards, poor []int) {
	distance := func(s int) int64 {
		nearest := int64(math.MaxInt64)
		for _, m := range poor {
			nearest = min(nearest, f.behind(f.instance[m], s))
		}
		return nearest
	}
	slices.SortStableFunc(shards, func(a, b int) int { return cmp.Compare(distance(b), distance(a)) })
}

// quotas says how many shards each member is to have: all alike. The remainder goes to different instances, as far as there
// are, and within that to those that have most already, so that it moves nothing.
func (f *fleet) quotas(has [][]int) []int {
	room := make([]int, len(has))
	for m := range room {
		room[m] = f.shards / len(has)
	}
	more := make([]bool, len(has))     // members with one more
	extras := make([]int, f.instances) // of them, by instance
	for range f.shards % len(has) {
		best := noMember
		for m := range has {
			if !more[m] && (best == noMember || cmp.Or(
				cmp.Compare(extras[f.instance[best]], extras[f.instance[m]]),
				cmp.Compare(len(has[m]), len(has[best])),
			) > 0) {
				best = m
			}
		}
		more[best] = true
		extras[f.instance[best]]++
		room[best]++
	}
	return room
}

// holders decides who has each shard for now: its target where that is near, else its owner or, where that is gone, whoever
// is nearest and has least to do.
func (f *fleet) holders() []int {
	holder := make([]int, f.shards)
	holds := make([]int, len(f.members))
	for s, t := range f.target {
		if f.owner[s] >= 0 && !f.near(t, s) {
			t = f.owner[s]
		}
		holder[s] = t
		holds[t]++
	}
	for s, t := range f.target {
		if f.owner[s] >= 0 || f.near(t, s) {
			continue
		}
		best := t
		for m := range f.members {
			if c := cmp.Compare(f.behind(f.instance[m], s), f.behind(f.instance[best], s)); c < 0 || c == 0 && best != t && holds[m] < holds[best] {
				best = m
			}
		}
		holds[t]--
		holds[best]++
		holder[s] = best
	}
	return holder
}

// spread decides who follows what.
func (f *fleet) spread() {
	has := make([]map[int]bool, f.instances) // shards by instance that follows them
	for i := range has {
		has[i] = make(map[int]bool)
	}
	lacks := make([]int, f.shards)
	total := 0
	for s, h := range f.holder {
		t, o := f.target[s], f.owner[s]
		lacks[s] = min(f.standbys, f.instances-1)
		switch {
		case f.instance[t] != f.instance[h]:
			f.duties[t].standbys = append(f.duties[t].standbys, int32(s))
			f.duties[t].wanted = append(f.duties[t].wanted, int32(s))
			has[f.instance[t]][s] = true
			lacks[s] = max(0, lacks[s]-1)
			total++
		case o >= 0 && f.instance[o] != f.instance[h]:
			// It gets the shard with the next assignment, and goes on following it until then.
			f.duties[h].standbys = append(f.duties[h].standbys, int32(s))
		}
		total += lacks[s]
	}
	most := (total + f.instances - 1) / f.instances
	var placed []copyAt
	for s, n := range lacks {
		for range n {
			i := f.follower(s, has, most)
			has[i][s] = true
			placed = append(placed, copyAt{i, s})
		}
	}
	f.even(placed, has)
	for _, c := range placed {
		m := f.lane(c)
		f.duties[m].standbys = append(f.duties[m].standbys, int32(c.shard))
	}
	for m := range f.duties {
		slices.Sort(f.duties[m].standbys)
	}
}

// copyAt is a standby copy of a shard.
type copyAt struct{ instance, shard int }

// may says whether an instance may follow a shard: it neither holds nor follows it.
func (f *fleet) may(i, shard int, has []map[int]bool) bool {
	return i != f.instance[f.holder[shard]] && !has[i][shard]
}

// follower chooses an instance for a copy: one that has fewer than most, has it in its store, follows it now, has few.
func (f *fleet) follower(shard int, has []map[int]bool, most int) int {
	best := noMember
	worse := func(i, j int) bool {
		full := func(i int) int { return toInt(len(has[i]) >= most) }
		return cmp.Or(
			cmp.Compare(full(i), full(j)),
			cmp.Compare(f.behind(i, shard), f.behind(j, shard)),
			cmp.Compare(toInt(f.follows[j][shard]), toInt(f.follows[i][shard])),
			cmp.Compare(len(has[i]), len(has[j])),
		) > 0
	}
	for i := range f.instances {
		if f.may(i, shard, has) && (best == noMember || worse(best, i)) {
			best = i
		}
	}
	return best
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// followsNow returns the member of an instance that says that it follows a shard.
func (f *fleet) followsNow(i, shard int) int {
	for m := range f.members {
		if _, follows := f.members[m].follows[int32(shard)]; follows && f.instance[m] == i {
			return m
		}
	}
	return noMember
}

// even moves copies from instances with many to instances with few, as long as one has two more than another that may take
// one of them. Each move makes the fleet more even, so it ends.
func (f *fleet) even(placed []copyAt, has []map[int]bool) {
	for moved := true; moved; {
		moved = false
		for n := range placed {
			c := &placed[n]
			for i := range f.instances {
				if len(has[i])+1 < len(has[c.instance]) && f.may(i, c.shard, has) {
					delete(has[c.instance], c.shard)
					has[i][c.shard] = true
					c.instance, moved = i, true
				}
			}
		}
	}
}

// lane chooses the member of an instance that follows: the one that does now, else the one with least to do.
func (f *fleet) lane(c copyAt) int {
	if m := f.followsNow(c.instance, c.shard); m != noMember {
		return m
	}
	best := noMember
	work := func(m int) int { return len(f.duties[m].active) + len(f.duties[m].standbys) }
	for m := range f.members {
		if f.instance[m] == c.instance && (best == noMember || work(m) < work(best)) {
			best = m
		}
	}
	return best
}
