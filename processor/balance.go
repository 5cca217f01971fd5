package processor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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
// cooperative: a shard that stays is not interrupted, one that moves is withheld until its owner gave it up. Here is what
// members and leader tell each other; what the leader makes of it is in fleet.go.
type balancer struct {
	effects  string // the topic whose partitions are the shards
	instance string
	address  string // of its HTTP port, for the other instances; empty: none
	lane     int
	standbys int // copies of each shard beside its owner's; the leader's word counts
	// positions tells how far this instance's store is with each shard that it holds something of.
	positions func() map[int32]int64
	// follows tells which shards this lane follows, and of each whether it could take it over at once.
	follows func() map[int32]bool
	// told is given the shards that this lane is to follow from now on.
	told func(Standbys)
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
	about := memberData{instance: b.instance, address: b.address, lane: b.lane, grains: make(map[int32]int64)}
	for shard, at := range b.positions() {
		about.grains[shard] = at / positionGrain
	}
	about.follows = b.follows()
	meta.UserData = about.append(nil)
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer. What the leader says of standby shards is in the user data; where it says
// nothing that can be read, none are followed, which costs time and nothing else.
func (b *balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	var found kmsg.ConsumerMemberAssignment
	if err := found.ReadFrom(assignment); err != nil {
		return nil, fmt.Errorf("read the assignment: %w", err)
	}
	parts := make(map[string][]int32, len(found.Topics))
	for _, t := range found.Topics {
		parts[t.Topic] = t.Partitions
	}
	b.told(parseStandbys(found.UserData))
	return parts, nil
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
	plan := &fleetPlan{BalancePlan: cb.NewPlan(), follow: make(map[string]Standbys)}
	for i, d := range assign(members, shards, b.standbys) {
		member, _ := cb.MemberAt(i)
		plan.follow[member.MemberID] = Standbys{Shards: d.standbys, Wanted: d.wanted}
		for _, shard := range d.active {
			for topic, n := range topics {
				for p := shard; p < n; p += shards {
					plan.AddPartition(member, topic, p)
				}
			}
		}
	}
	return plan
}

// fleetPlan is kgo's plan, and what each member is to follow.
type fleetPlan struct {
	*kgo.BalancePlan
	follow map[string]Standbys // by member id
}

// IntoSyncAssignment implements kgo.IntoSyncAssignment.
func (p *fleetPlan) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment {
	all := p.BalancePlan.IntoSyncAssignment()
	for i := range all {
		var a kmsg.ConsumerMemberAssignment
		if err := a.ReadFrom(all[i].MemberAssignment); err != nil {
			continue // kgo has just written it
		}
		a.UserData = appendStandbys(nil, p.follow[all[i].MemberID])
		all[i].MemberAssignment = a.AppendTo(nil)
	}
	return all
}

// balanced is one member as the leader sees it.
type balanced struct {
	memberData
	owned      []int32
	generation int32
}

// memberData is what a member tells the leader: who it is, and how far its store is with each shard. Whoever asks the brokers
// about the group reads it too.
type memberData struct {
	instance string
	address  string // of its HTTP port; empty: none is told
	lane     int
	grains   map[int32]int64 // by shard, in units of positionGrain
	follows  map[int32]bool  // shards that it follows; true: closely enough to take it over
}

// memberDataFormat is the first byte. A later format may add fields behind these; a reader passes over what it does not know.
const memberDataFormat = 1

func (d memberData) append(dst []byte) []byte {
	dst = append(dst, memberDataFormat)
	dst = binary.AppendUvarint(dst, uint64(len(d.instance)))
	dst = append(dst, d.instance...)
	dst = binary.AppendUvarint(dst, uint64(d.lane))
	dst = binary.AppendUvarint(dst, uint64(len(d.grains)))
	for _, s := range slices.Sorted(maps.Keys(d.grains)) {
		dst = binary.AppendUvarint(dst, uint64(s))
		dst = binary.AppendUvarint(dst, uint64(d.grains[s]))
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.follows)))
	for _, s := range slices.Sorted(maps.Keys(d.follows)) {
		dst = appendMarked(dst, s, d.follows[s])
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.address)))
	return append(dst, d.address...)
}

// appendMarked appends a shard and a mark.
func appendMarked(dst []byte, shard int32, marked bool) []byte {
	n := uint64(shard) << 1
	if marked {
		n |= 1
	}
	return binary.AppendUvarint(dst, n)
}

// parse is the inverse of append. It takes nothing for granted: it is read by whoever leads the group.
func (d *memberData) parse(data []byte) error {
	if len(data) == 0 || data[0] != memberDataFormat {
		return fmt.Errorf("its user data does not begin with format %d", memberDataFormat)
	}
	r := dataReader{rest: data[1:]}
	d.instance = r.text()
	d.lane = int(r.number())
	d.grains = make(map[int32]int64)
	for n := r.number(); n > 0 && !r.broken; n-- {
		shard, grain := r.number(), r.number()
		d.grains[int32(shard)] = int64(grain)
	}
	d.follows = make(map[int32]bool)
	if len(r.rest) > 0 && !r.broken { // a version that knew no standbys ends before
		for n := r.number(); n > 0 && !r.broken; n-- {
			shard, ready := r.marked()
			d.follows[shard] = ready
		}
	}
	if len(r.rest) > 0 && !r.broken { // a version that told no address ends before
		d.address = r.text()
	}
	if r.broken {
		return fmt.Errorf("its user data %x is cut off", data)
	}
	return nil
}

// appendStandbys writes what a member is to follow, for the user data of its assignment.
func appendStandbys(dst []byte, s Standbys) []byte {
	dst = append(dst, memberDataFormat)
	dst = binary.AppendUvarint(dst, uint64(len(s.Shards)))
	for _, shard := range s.Shards {
		dst = appendMarked(dst, shard, slices.Contains(s.Wanted, shard))
	}
	return dst
}

// parseStandbys is the inverse of appendStandbys. What cannot be read says nothing.
func parseStandbys(data []byte) (s Standbys) {
	if len(data) == 0 || data[0] != memberDataFormat {
		return Standbys{}
	}
	r := dataReader{rest: data[1:]}
	for n := r.number(); n > 0 && !r.broken; n-- {
		shard, wanted := r.marked()
		s.Shards = append(s.Shards, shard)
		if wanted {
			s.Wanted = append(s.Wanted, shard)
		}
	}
	if r.broken {
		return Standbys{}
	}
	return s
}

// dataReader reads user data in order; after the first that is cut off, all is zero.
type dataReader struct {
	rest   []byte
	broken bool
}

func (r *dataReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.broken || size <= 0 {
		r.broken = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *dataReader) text() string {
	n := r.number()
	if r.broken || n > uint64(len(r.rest)) {
		r.broken = true
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

// marked reads a shard and its mark.
func (r *dataReader) marked() (shard int32, mark bool) {
	n := r.number()
	return int32(n >> 1), n&1 == 1
}
