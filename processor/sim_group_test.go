package processor

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// simGroup is the group's coordinator: members, generations, committed offsets. Who gets what is decided by the engine's own
// balancer.
type simGroup struct {
	b          *simBroker
	generation int32
	members    []*simMember // in the order in which they came
	made       int
	joining    bool          // members are waited for
	deadline   time.Duration // then those that did not join again are out
	committed  map[Partition]Committed
	pending    []*simTxn // with offsets, and not marked yet
}

// simMember is a member as the coordinator sees it.
type simMember struct {
	id         string
	client     string // client id
	seen       time.Duration
	joined     bool // in the rebalance under way
	generation int32
	owned      []int32 // shards, as it said when it joined
	last       int32   // generation of what it owns
	about      memberData
	assigned   duty
}

func (g *simGroup) member(id string) *simMember {
	i := slices.IndexFunc(g.members, func(m *simMember) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return g.members[i]
}

// check is what a TxnOffsetCommit must get past (KIP-447).
func (g *simGroup) check(id string, generation int32) error {
	m := g.member(id)
	switch {
	case m == nil:
		g.b.w.seen("C7")
		return kerr.UnknownMemberID
	case generation != g.generation:
		return kerr.IllegalGeneration
	}
	return nil
}

// join is JoinGroup: the id of the member, which is new if it has none that is known.
func (g *simGroup) join(id, client string, owned []int32, last int32, about memberData) string {
	m := g.member(id)
	if m == nil {
		g.made++
		m = &simMember{id: fmt.Sprintf("member-%d", g.made), client: client}
		g.members = append(g.members, m)
	}
	m.joined, m.seen, m.owned, m.last, m.about = true, g.b.w.ticks, owned, last, about
	g.rebalance()
	return m.id
}

// rebalance makes all members join again.
func (g *simGroup) rebalance() {
	if !g.joining {
		g.joining = true
		g.deadline = g.b.w.ticks + simRebalanceTimeout
	}
}

// leave takes a member out.
func (g *simGroup) leave(id string) {
	before := len(g.members)
	g.members = slices.DeleteFunc(g.members, func(m *simMember) bool { return m.id == id })
	if len(g.members) != before {
		g.b.w.tracef("%s is out of the group", id)
		g.rebalance()
	}
}

// heartbeat says whether the member is known, and whether it must join again.
func (g *simGroup) heartbeat(id string) (known, again bool) {
	m := g.member(id)
	if m == nil {
		return false, false
	}
	m.seen = g.b.w.ticks
	return true, g.joining && !m.joined
}

// pass takes out who was not heard of, and ends a rebalance when all are there or too late.
func (g *simGroup) pass() {
	for _, m := range slices.Clone(g.members) {
		if !m.joined && g.b.w.ticks-m.seen > simSessionTimeout {
			g.b.w.seen("session timed out")
			g.leave(m.id)
		}
	}
	if !g.joining {
		return
	}
	late := func(m *simMember) bool { return !m.joined }
	if slices.ContainsFunc(g.members, late) {
		if g.b.w.ticks < g.deadline {
			return
		}
		g.b.w.seen("rebalance timed out")
		g.members = slices.DeleteFunc(g.members, late)
	}
	g.complete()
}

// complete begins a generation.
func (g *simGroup) complete() {
	g.joining = false
	g.generation++
	all := make([]balanced, len(g.members))
	for i, m := range g.members {
		all[i] = balanced{memberData: m.about, owned: m.owned, generation: m.last}
	}
	if len(all) == 0 {
		return
	}
	plan := assign(all, g.b.w.plan.shards, g.b.w.plan.standbys)
	for i, m := range g.members {
		m.assigned, m.generation, m.joined, m.seen = plan[i], g.generation, false, g.b.w.ticks
	}
	g.b.w.tracef("generation %d: %v", g.generation, plan)
}

// settle learns the end of a transaction that has offsets.
func (g *simGroup) settle(t *simTxn) {
	g.pending = slices.DeleteFunc(g.pending, func(have *simTxn) bool { return have == t })
	if t.outcome != OutcomeCommitted {
		return
	}
	for p, c := range t.offsets {
		g.committed[p] = c
	}
}

// live are the client ids of the members.
func (g *simGroup) live(client string) bool {
	return slices.ContainsFunc(g.members, func(m *simMember) bool { return m.client == client })
}
