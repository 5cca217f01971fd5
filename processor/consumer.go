package processor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchWait bounds a fetch that finds nothing. Partitions that are resumed are in the next fetch only, so it also bounds how
// long a shard that is restored waits for its first records.
const fetchWait = 100 * time.Millisecond

// fetchBytes bounds the answer to a fetch, and fetchPartitionBytes a partition's part in it. The client holds two answers, of
// each broker: one that is read out and one that is under way.
const (
	fetchBytes          = 256 << 10
	fetchPartitionBytes = 32 << 10
)

// How often it is looked whether offsets are stable, and for how long at most.
const (
	stablePause = 10 * time.Millisecond
	stableWait  = 2 * time.Second
)

// Join implements Kafka.
func (c *client) Join() {
	c.balancer.follows, c.balancer.told = c.follows, c.follow
	answers := newAnswers(c.heartbeat)
	options := kafkaOptions(c.base,
		kgo.ClientID(c.name),
		kgo.WithLogger(c.kafkaLog),
		kgo.WithHooks(answers),
		kgo.ConsumerGroup(c.group),
		kgo.ConsumeTopics(c.topics.Consumed()...),
		kgo.Balancers(c.balancer),
		kgo.SessionTimeout(c.sessionTimeout),
		kgo.HeartbeatInterval(c.heartbeat),
		kgo.RebalanceTimeout(c.rebalanceTimeout),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A log can end in a marker. Only who sees it knows that he has read all.
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.OnPartitionsAssigned(c.onAssigned),
		kgo.OnPartitionsRevoked(c.onRevoked),
		kgo.OnPartitionsLost(c.onLost),
		kgo.OnOffsetsFetched(c.onOffsets),
	)
	consumer, err := kgo.NewClient(options...)
	if err != nil {
		c.post(Trouble{err}) // not with options that made a producer already
		return
	}
	c.mu.Lock()
	c.consumer = consumer
	c.mu.Unlock()
	c.work.Go(func() { answers.watch(c.ctx, c.post) })
}

// onAssigned is called by kgo after a rebalance with what was added, also with nothing. Offsets are not fetched yet, so none
// of it is polled before the pause.
func (c *client) onAssigned(_ context.Context, cl *kgo.Client, added map[string][]int32) {
	if len(added) > 0 {
		cl.PauseFetchPartitions(added)
	}
	parts := ungrouped(added)
	c.mu.Lock()
	standbys := c.standbys
	c.mu.Unlock()
	c.post(Assigned{parts})
	c.post(standbys)
	if len(parts) > 0 {
		c.awaitStable(parts) //nolint:contextcheck // it ends with the client, as all that the client does
	}
}

// awaitStable waits, for a moment, until no transaction is open on the offsets of what was assigned. kgo asks for them next,
// and after a no it waits for a second. Most often the transaction is that of the owner before, which is over but for a
// marker, or one that FenceGone is about to end.
func (c *client) awaitStable(parts []Partition) {
	ctx, cancel := context.WithTimeout(c.ctx, stableWait)
	defer cancel()
	for {
		_, err := c.fetchOffsets(ctx, parts, true)
		if !errors.Is(err, kerr.UnstableOffsetCommit) || !sleep(ctx, stablePause) {
			return
		}
	}
}

// follow takes in what the leader says that is to be followed. The lane learns of it once what the same assignment takes
// away is released (onAssigned).
func (c *client) follow(s Standbys) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standbys = s
}

// follows returns the shards that are followed, and of each whether the lane said that it could take it over.
func (c *client) follows() map[int32]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int32]bool, len(c.standbys.Shards))
	for _, shard := range c.standbys.Shards {
		all[shard] = slices.Contains(c.ready, shard)
	}
	return all
}

// Rejoin implements Kafka.
func (c *client) Rejoin(ready []int32) {
	c.mu.Lock()
	c.ready = ready
	consumer := c.consumer
	c.mu.Unlock()
	if consumer != nil {
		consumer.ForceRebalance()
	}
}

// onRevoked is called by kgo before partitions go to others, and at the end of each session with none.
func (c *client) onRevoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	if len(gone) > 0 {
		c.awaitRelease(Revoked{ungrouped(gone)}, false)
	}
}

// onLost is called by kgo when the group went on without this member, before it joins again.
func (c *client) onLost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	if len(gone) > 0 {
		c.epoch.Add(1) // at once: a commit under way must not be made for partitions that are others' by now
		c.awaitRelease(Lost{ungrouped(gone)}, true)
	}
}

// awaitRelease tells the lane and waits until it has let go, or the client is closed.
func (c *client) awaitRelease(e Event, lost bool) {
	if c.ctx.Err() != nil {
		return
	}
	r := release{done: make(chan struct{}), lost: lost}
	c.mu.Lock()
	c.releases = append(c.releases, r)
	c.mu.Unlock()
	c.post(e)
	select {
	case <-r.done:
	case <-c.ctx.Done():
	}
}

// Release implements Kafka.
func (c *client) Release() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.releases) > 0 {
		if !c.releases[0].lost {
			c.epoch.Add(1)
		}
		close(c.releases[0].done)
		c.releases = c.releases[1:]
	}
	return c.epoch.Load()
}

// onOffsets is called by kgo with the stable offsets of what was assigned, before it is fetched from.
func (c *client) onOffsets(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	parts, err := c.committed(resp)
	if err != nil {
		return err
	}
	c.post(Offsets{Parts: parts})
	return nil
}

// committed reads an answer to OffsetFetch. An error of one partition is one of all: offsets are of use together only.
func (c *client) committed(resp *kmsg.OffsetFetchResponse) (map[Partition]Committed, error) {
	parts := make(map[Partition]Committed)
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, err
		}
		for _, t := range g.Topics {
			topic := t.Topic
			if topic == "" {
				topic = c.topicName(t.TopicID)
			}
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, err
				}
				found := Committed{Offset: NoOffset}
				if p.Offset >= 0 {
					found.Offset = p.Offset
				}
				if p.Metadata != nil {
					found.Metadata = *p.Metadata
				}
				parts[Partition{topic, p.Partition}] = found
			}
		}
	}
	return parts, kerr.ErrorForCode(resp.ErrorCode)
}

// Pause implements Kafka.
func (c *client) Pause(parts []Partition) {
	if len(parts) > 0 { // none would mean: say which are paused
		c.consuming().PauseFetchPartitions(grouped(parts))
	}
}

// Resume implements Kafka.
func (c *client) Resume(parts []Partition) {
	if len(parts) > 0 {
		c.consuming().ResumeFetchPartitions(grouped(parts))
	}
}

// Seek implements Kafka.
func (c *client) Seek(next map[Partition]int64) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for p, offset := range next {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	c.consuming().SetOffsets(offsets)
}

// consuming is the consumer. Partitions were assigned, so there is one.
func (c *client) consuming() *kgo.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.consumer
}
