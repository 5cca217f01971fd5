package processor

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// balancerName is the group protocol. Members with another one cannot be in the group; a change of what members tell each
// other that older ones cannot read needs a new name, offered beside the old one for a release.
const balancerName = "accrue-shards-1"

// positionGrain is how coarse positions are in what members announce. Exact ones would differ at every join, and a follower
// that joins again with other metadata makes the group rebalance once more.
const positionGrain = 1 << 13

// balancer assigns whole shards: partition p of every topic together, since a member's state lies with its inputs. It is
// cooperative (a shard that stays is not interrupted, one that moves is withheld until its owner gave it up), sticky, even,
// and gives what is free to the instance that has most of it on its disk.
type balancer struct {
	effects  string // the topic whose partitions are the shards
	instance string
	lane     int
	// positions tells how far this instance's store is with each shard that it holds something of.
	positions func() map[int32]int64
}

var _ kgo.GroupBalancer = (*balancer)(nil)

// ProtocolName implements kgo.GroupBalancer.
func (b *balancer) ProtocolName() string { return balancerName }

// IsCooperative implements kgo.GroupBalancer.
func (b *balancer) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer: topics, what is owned, and what the leader needs to know of this member.
func (b *balancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 2 // with Generation
	meta.Topics = topics
	meta.Generation = generation
	for _, part := range ungrouped(current) {
		n := len(meta.OwnedPartitions)
		if n == 0 || meta.OwnedPartitions[n-1].Topic != part.Topic {
			owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
			owned.Topic = part.Topic
			meta.OwnedPartitions = append(meta.OwnedPartitions, owned)
			n++
		}
		owned := &meta.OwnedPartitions[n-1]
		owned.Partitions = append(owned.Partitions, part.Partition)
	}
	about := memberData{instance: b.instance, lane: b.lane, grains: make(map[int32]int64)}
	for shard, at := range b.positions() {
		about.grains[shard] = at / positionGrain
	}
	meta.UserData = about.append(nil)
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer. The user data of an assignment is left for standby shards.
func (b *balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	return kgo.ParseConsumerSyncAssignment(assignment)
}

// MemberBalancer implements kgo.GroupBalancer.
func (b *balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	cb, err := kgo.NewConsumerBalancer(b, members)
	if err != nil {
		return nil, nil, err
	}
	return cb, cb.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance.
func (b *balancer) Balance(cb *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	shards := topics[b.effects]
	if shards == 0 {
		cb.SetError(fmt.Errorf("assign shards: topic %s is not there, and it says how many there are", b.effects))
		return nil
	}
	members := make([]balanced, 0, len(cb.Members()))
	var failed error
	cb.EachMember(func(_ *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		m := balanced{generation: meta.Generation}
		if err := m.parse(meta.UserData); err != nil {
			failed = errors.Join(failed, err)
		}
		for _, owned := range meta.OwnedPartitions {
			if owned.Topic == b.effects {
				m.owned = append(m.owned, owned.Partitions...)
			}
		}
		members = append(members, m)
	})
	if failed != nil {
		cb.SetError(fmt.Errorf("assign shards: read what a member says of itself: %w", failed))
		return nil
	}
	plan := cb.NewPlan()
	for i, mine := range assign(members, shards) {
		member, _ := cb.MemberAt(i)
		for _, shard := range mine {
			for topic, n := range topics {
				for p := shard; p < n; p += shards {
					plan.AddPartition(member, topic, p)
				}
			}
		}
	}
	return plan
}

// balanced is one member as the leader sees it.
type balanced struct {
	memberData
	owned      []int32
	generation int32
}

// assign deals the shards out: by member, in order. A shard that has to move is with nobody this time.
func assign(members []balanced, shards int32) [][]int32 {
	owner := owners(members, shards)
	target := targets(members, owner)
	plan := make([][]int32, len(members))
	for shard, to := range target {
		if owner[shard] == nobodyOwns || owner[shard] == to {
			plan[to] = append(plan[to], int32(shard)) //nolint:gosec // there are as many as partitions
		}
	}
	return plan
}

const nobodyOwns = -1

// owners finds out who has each shard. Of several who say so the one of the latest generation has it; the others were
// away when it moved. If two of one generation say so, nobody may keep it: both give it up first.
func owners(members []balanced, shards int32) []int {
	owner := make([]int, shards)
	latest := make([]int32, shards)
	for s := range owner {
		owner[s] = nobodyOwns
	}
	for i, m := range members {
		for _, s := range m.owned {
			if s < 0 || s >= shards {
				continue
			}
			switch {
			case owner[s] == nobodyOwns && latest[s] == 0, m.generation > latest[s]:
				owner[s], latest[s] = i, m.generation
			case m.generation == latest[s]:
				owner[s] = nobodyOwns
			}
		}
	}
	return owner
}

// targets decides who is to have each shard in the end. Nobody has more than one shard more than another.
func targets(members []balanced, owner []int) []int {
	has := make([][]int, len(members)) // shards by owner
	for s, m := range owner {
		if m != nobodyOwns {
			has[m] = append(has[m], s)
		}
	}
	room := quotas(has, len(owner))
	target := make([]int, len(owner))
	var free []int
	for s := range target {
		target[s] = nobodyOwns
	}
	for m, mine := range has {
		keep := min(len(mine), room[m])
		for _, s := range mine[:keep] {
			target[s] = m
		}
		room[m] -= keep
		free = append(free, mine[keep:]...)
	}
	for s, m := range owner {
		if m == nobodyOwns {
			free = append(free, s)
		}
	}
	// Shards that somebody has much of choose first, before the places with him are taken.
	most := func(s int) (grain int64) {
		for _, m := range members {
			grain = max(grain, m.grains[int32(s)]) //nolint:gosec // there are as many as partitions
		}
		return grain
	}
	slices.SortFunc(free, func(a, b int) int { return cmp.Or(cmp.Compare(most(b), most(a)), cmp.Compare(a, b)) })
	for _, s := range free {
		best := nobodyOwns
		for m := range members {
			if room[m] == 0 {
				continue
			}
			if best == nobodyOwns || cmp.Or(
				cmp.Compare(members[m].grains[int32(s)], members[best].grains[int32(s)]), //nolint:gosec // as above
				cmp.Compare(room[m], room[best]),
			) > 0 {
				best = m
			}
		}
		target[s] = best
		room[best]--
	}
	return target
}

// quotas says how many shards each member is to have: all alike, and one more for those that have most already, so that the
// remainder moves nothing.
func quotas(has [][]int, shards int) []int {
	order := make([]int, len(has))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(has[b]), len(has[a])) })
	room := make([]int, len(has))
	for rank, m := range order {
		room[m] = shards / len(has)
		if rank < shards%len(has) {
			room[m]++
		}
	}
	return room
}

// memberData is what a member tells the leader: who it is, and how far its store is with each shard.
type memberData struct {
	instance string
	lane     int
	grains   map[int32]int64 // by shard, in units of positionGrain
}

// memberDataFormat is the first byte. A later format may add fields behind these; a reader passes over what it does not know.
const memberDataFormat = 1

func (d *memberData) append(dst []byte) []byte {
	dst = append(dst, memberDataFormat)
	dst = binary.AppendUvarint(dst, uint64(len(d.instance)))
	dst = append(dst, d.instance...)
	dst = binary.AppendUvarint(dst, uint64(d.lane)) //nolint:gosec // never negative
	shards := make([]int32, 0, len(d.grains))
	for s := range d.grains {
		shards = append(shards, s)
	}
	slices.Sort(shards)
	dst = binary.AppendUvarint(dst, uint64(len(shards)))
	for _, s := range shards {
		dst = binary.AppendUvarint(dst, uint64(s))           //nolint:gosec // never negative
		dst = binary.AppendUvarint(dst, uint64(d.grains[s])) //nolint:gosec // never negative
	}
	return dst
}

// parse is the inverse of append. It takes nothing for granted: it is read by whoever leads the group.
func (d *memberData) parse(data []byte) error {
	if len(data) == 0 || data[0] != memberDataFormat {
		return fmt.Errorf("its user data does not begin with format %d", memberDataFormat)
	}
	rest, broken := data[1:], false
	number := func() uint64 {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			broken = true
			return 0
		}
		rest = rest[size:]
		return n
	}
	if n := number(); n <= uint64(len(rest)) {
		d.instance, rest = string(rest[:n]), rest[n:]
	} else {
		broken = true
	}
	d.lane = int(number()) //nolint:gosec // only shown
	count := number()
	d.grains = make(map[int32]int64)
	for i := uint64(0); i < count && !broken; i++ {
		shard, grain := number(), number()
		d.grains[int32(shard)] = int64(grain) //nolint:gosec // a shard that does not exist is never asked for
	}
	if broken {
		return fmt.Errorf("its user data %x is cut off", data)
	}
	return nil
}
