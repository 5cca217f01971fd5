package processor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bounds of what is asked beside the streams.
const (
	offsetsTimeout   = 5 * time.Second        // then the lane is told that nobody can say yet
	changelogWait    = 500 * time.Millisecond // for an open transaction to end
	changelogBytes   = 8 << 20                // a piece of a changelog
	changelogTimeout = 30 * time.Second
	fenceTimeout     = time.Second // to see that a writer is gone, and to fence it; else it is looked at again
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// topicIDs are the ids of the topics that are read and committed.
type topicIDs struct {
	byName map[string][16]byte
	names  map[[16]byte]string
}

// topicIDs returns the topics' ids, asked for once a client: a topic that is created anew under its name is another topic,
// and what was begun on the first one ends in an error.
func (c *client) topicIDs(ctx context.Context) (topicIDs, error) {
	c.mu.Lock()
	ids := c.ids
	c.mu.Unlock()
	if ids.byName != nil {
		return ids, nil
	}
	details, err := c.adm.ListTopics(ctx, append(c.topics.Consumed(), c.topics.State)...)
	if err != nil {
		return ids, err
	}
	ids = topicIDs{byName: make(map[string][16]byte), names: make(map[[16]byte]string)}
	for name, d := range details {
		if d.Err != nil {
			return topicIDs{}, fmt.Errorf("topic %s: %w", name, d.Err)
		}
		ids.byName[name] = d.ID
		ids.names[d.ID] = name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = ids
	return ids, nil
}

func (c *client) topicName(id [16]byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids.names[id]
}

// FetchOffsets implements Kafka.
func (c *client) FetchOffsets(token int64, parts []Partition) {
	c.start(func(ctx context.Context) Event {
		ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
		defer cancel()
		for {
			found, err := c.fetchOffsets(ctx, parts, true)
			if err == nil || !errors.Is(err, kerr.UnstableOffsetCommit) || !sleep(ctx, 20*time.Millisecond) {
				return Offsets{Token: token, Parts: found, Err: err}
			}
		}
	})
}

// sleep waits; false: the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetchOffsets asks the coordinator. Stable ones are there only when no transaction on them is open (KIP-447).
func (c *client) fetchOffsets(ctx context.Context, parts []Partition, stable bool) (map[Partition]Committed, error) {
	ids, err := c.topicIDs(ctx)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = stable
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = c.group
	for topic, ps := range grouped(parts) {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = topic, ids.byName[topic], ps
		g.Topics = append(g.Topics, t)
	}
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, c.admin)
	if err != nil {
		return nil, err
	}
	found, err := c.committed(resp)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if _, ok := found[p]; !ok {
			return nil, fmt.Errorf("the coordinator says nothing about %s/%d", p.Topic, p.Partition)
		}
	}
	return found, nil
}

// FetchEnds implements Kafka.
func (c *client) FetchEnds(token int64, parts []Partition) {
	c.start(func(ctx context.Context) Event {
		ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
		defer cancel()
		var topics []string
		for topic := range grouped(parts) {
			topics = append(topics, topic)
		}
		starts, err := c.adm.ListStartOffsets(ctx, topics...)
		if err != nil {
			return Ends{Token: token, Err: err}
		}
		ends, err := c.adm.ListCommittedOffsets(ctx, topics...)
		if err != nil {
			return Ends{Token: token, Err: err}
		}
		found := make(map[Partition]Extent, len(parts))
		for _, p := range parts {
			start, ok := starts.Lookup(p.Topic, p.Partition)
			end, also := ends.Lookup(p.Topic, p.Partition)
			if !ok || !also || start.Err != nil || end.Err != nil {
				return Ends{Token: token, Err: fmt.Errorf("nobody says where %s/%d ends", p.Topic, p.Partition)}
			}
			found[p] = Extent{Start: start.Offset, End: end.Offset}
		}
		return Ends{Token: token, Parts: found}
	})
}

// ReadChangelog implements Kafka.
func (c *client) ReadChangelog(token int64, shard int32, from int64) {
	c.start(func(ctx context.Context) Event {
		ctx, cancel := context.WithTimeout(ctx, changelogTimeout)
		defer cancel()
		piece, err := c.readChangelog(ctx, shard, from)
		piece.Token, piece.Shard, piece.Err = token, shard, err
		return piece
	})
}

// readChangelog fetches one piece by hand, because only the fetch's own answer tells how far it got: a consumer is given no
// records for markers, for what was aborted and for what compaction took, and cannot tell that from having to wait.
func (c *client) readChangelog(ctx context.Context, shard int32, from int64) (piece Changelog, err error) {
	meta, err := c.adm.Metadata(ctx, c.topics.State)
	if err != nil {
		return piece, err
	}
	topic := meta.Topics[c.topics.State]
	partition, ok := topic.Partitions[shard]
	if topic.Err != nil || !ok {
		return piece, fmt.Errorf("changelog %s/%d is not there: %w", c.topics.State, shard, errors.Join(topic.Err, kerr.UnknownTopicOrPartition))
	}
	id := [16]byte(topic.ID)
	piece.ClusterID, piece.TopicID = meta.Cluster, base64.RawURLEncoding.EncodeToString(id[:])
	piece.Next = from
	if piece.LogStart, err = c.listOffset(ctx, shard, -2); err != nil {
		return piece, err
	}
	if piece.HighWatermark, err = c.listOffset(ctx, shard, -1); err != nil {
		return piece, err
	}
	if from >= piece.HighWatermark || from < piece.LogStart {
		return piece, nil
	}
	return piece, c.fetchChangelog(ctx, &piece, id, partition.Leader, shard)
}

// listOffset asks for the start (-2) or the high watermark (-1) of a shard's changelog.
func (c *client) listOffset(ctx context.Context, shard int32, which int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = c.topics.State
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = shard, which
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.admin)
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("the broker says nothing about %s/%d", c.topics.State, shard)
	}
	answer := resp.Topics[0].Partitions[0]
	return answer.Offset, kerr.ErrorForCode(answer.ErrorCode)
}

// fetchChangelog asks the leader for records from piece.Next on, and sets it to what comes next.
func (c *client) fetchChangelog(ctx context.Context, piece *Changelog, id [16]byte, leader, shard int32) error {
	from := piece.Next
	got, err := fetchPiece(ctx, c.admin, place{Partition{c.topics.State, shard}, from}, id, leader, changelogWait, kgo.ReadCommitted())
	if err != nil {
		return err
	}
	piece.Next = got.next
	if got.empty && got.stable > from {
		// Nothing is left of what lay here: compaction took all up to what can be read.
		piece.Next = got.stable
	}
	piece.Records = got.records
	return nil
}

// piece is what one fetch of a partition brought.
type piece struct {
	records []Record
	next    int64 // the offset after what was looked at
	empty   bool  // no batch was there
	start   int64 // of the log
	stable  int64 // the last stable offset
	end     int64 // the high watermark
}

// fetchPiece asks the leader of a partition for what comes from a place on.
func fetchPiece(
	ctx context.Context, client *kgo.Client, at place, id [16]byte, leader int32, wait time.Duration, isolation kgo.IsolationLevel,
) (out piece, err error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(wait.Milliseconds()), 1, changelogBytes
	if isolation == kgo.ReadCommitted() {
		req.IsolationLevel = 1
	}
	req.SessionEpoch = -1 // no session
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = at.Topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = at.Partition.Partition, at.offset, changelogBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	answer, err := client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return out, err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return out, errors.Join(fmt.Errorf("the broker says nothing about %s/%d", at.Topic, at.Partition.Partition), kerr.ErrorForCode(resp.ErrorCode))
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return out, err
	}
	options := kgo.ProcessFetchPartitionOpts{Offset: at.offset, IsolationLevel: isolation, Topic: at.Topic, Partition: at.Partition.Partition}
	records, next := kgo.ProcessFetchPartition(options, got, kgo.DefaultDecompressor(), nil)
	if records.Err != nil {
		return out, records.Err
	}
	out = piece{
		next: max(at.offset, next), empty: len(got.RecordBatches) == 0, start: got.LogStartOffset, stable: got.LastStableOffset,
		end: got.HighWatermark, records: make([]Record, len(records.Records)),
	}
	for i, r := range records.Records {
		out.records[i] = fromKgo(r)
	}
	return out, nil
}

// FenceGone implements Kafka.
func (c *client) FenceGone(shards []int32) {
	if !c.fence.CompareAndSwap(false, true) {
		return
	}
	c.start(func(ctx context.Context) Event {
		defer c.fence.Store(false)
		ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
		defer cancel()
		if err := c.fenceGone(ctx, shards); err != nil {
			c.log.Debug("who wrote the shards last cannot be found out", "err", err)
		}
		return nil
	})
}

// fenceGone reads who wrote the shards last. The metadata is that of the last committed transaction, which is why the fetch
// need not be stable; ids are stable over restarts, so it most often names the writer of the one that is open, too. Who died
// within its first transaction is found among those that are open.
func (c *client) fenceGone(ctx context.Context, shards []int32) error {
	parts := make([]Partition, len(shards))
	for i, s := range shards {
		parts[i] = Partition{c.topics.Effects, s}
	}
	found, err := c.fetchOffsets(ctx, parts, false)
	if err != nil {
		return err
	}
	writers := make(map[string]bool)
	for _, at := range found {
		m, there, err := parseMetadata(at.Metadata)
		// A lane of this process settles what its predecessor left open when it opens its producer, and may have done so
		// without being a member yet.
		if err == nil && there && !slices.Contains(c.siblings, m.Writer) {
			writers[m.Writer] = true
		}
	}
	for _, writer := range c.openWriters(ctx, shards) {
		if !slices.Contains(c.siblings, writer) {
			writers[writer] = true
		}
	}
	if len(writers) == 0 {
		return nil
	}
	for writer := range writers {
		if c.settled(ctx, writer) {
			continue
		}
		if err := c.fenceIfGone(ctx, writer); err != nil {
			return fmt.Errorf("fence %s: %w", writer, err)
		}
	}
	return nil
}

// fenceIfGone ends the transaction of a writer if no member of the group has its name. Between the look and the deed as
// little as possible may happen, since the writer may join meanwhile.
func (c *client) fenceIfGone(ctx context.Context, writer string) error {
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	live, err := groupMembers(ctx, c.adm, c.group)
	if err != nil || len(live[writer]) > 0 {
		return err
	}
	if err := fenceWriter(ctx, c.admin, writer, c.transactionTimeout); err != nil {
		return err
	}
	c.log.Info("transaction of a member that is gone is ended", "writer", writer)
	return nil
}

// settled says that a writer has nothing open. Then it holds nobody up, and fencing it would only hit the process of that name
// that has started again and is about to join. Where nobody can tell, it is taken to have something open.
func (c *client) settled(ctx context.Context, writer string) bool {
	found, err := c.adm.DescribeTransactions(ctx, writer)
	if err != nil {
		return false
	}
	return found[writer].Err == nil && isSettled(found[writer].State)
}

// openWriters returns which writers of this app have a transaction open that wrote to the shards' changelogs. Where nobody can
// tell, there is none, and the timeout of what is open ends it.
func (c *client) openWriters(ctx context.Context, shards []int32) []string {
	open, err := c.adm.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return nil
	}
	// Another app's name may begin with this one's. Whose transaction it is, its topics say.
	ids := slices.DeleteFunc(open.TransactionalIDs(), func(id string) bool { return !strings.HasPrefix(id, c.group+"-") })
	if len(ids) == 0 {
		return nil
	}
	found, err := c.adm.DescribeTransactions(ctx, ids...)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(ids, func(id string) bool {
		wrote := found[id].Topics[c.topics.State]
		return !slices.ContainsFunc(shards, func(s int32) bool { _, ok := wrote[s]; return ok })
	})
}

// groupMembers returns the ids of a group's members by their client id, which is the transactional id of a lane. (What a
// member announces to the balancer would say the same, but is shown only while the group is stable.)
func groupMembers(ctx context.Context, adm *kadm.Client, group string) (map[string][]string, error) {
	groups, err := adm.DescribeGroups(ctx, group)
	if err != nil {
		return nil, err
	}
	g, ok := groups[group]
	if !ok {
		return nil, fmt.Errorf("nobody says anything about group %s", group)
	}
	if g.Err != nil {
		return nil, g.Err
	}
	members := make(map[string][]string)
	for _, m := range g.Members {
		members[m.ClientID] = append(members[m.ClientID], m.MemberID)
	}
	return members, nil
}

// fenceWriter takes a transactional id over for a moment, which aborts whatever it had open.
func fenceWriter(ctx context.Context, client *kgo.Client, writer string, timeout time.Duration) error {
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = kmsg.StringPtr(writer)
		req.TransactionTimeoutMillis = int32(timeout.Milliseconds()) // minutes at most
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := req.RequestWith(ctx, client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil || classify(err) != RemedyRetry || !sleep(ctx, 50*time.Millisecond) {
			return err
		}
	}
}

// Trim implements Kafka.
func (c *client) Trim(below map[int32]int64) {
	c.start(func(ctx context.Context) Event {
		ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
		defer cancel()
		offsets := make(kadm.Offsets)
		for shard, at := range below {
			offsets.AddOffset(c.topics.Effects, shard, at, -1)
		}
		if _, err := c.adm.DeleteRecords(ctx, offsets); err != nil {
			c.log.Debug("effects are not trimmed, later again", "err", err)
		}
		return nil
	})
}
