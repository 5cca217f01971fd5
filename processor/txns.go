package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// OpenTransaction is a Kafka transaction that has not ended. Readers with read_committed get nothing of its partitions that
// lies behind its first record.
type OpenTransaction struct {
	ID         string // transactional id; empty: no coordinator knows the transaction, see Hanging
	ProducerID int64
	State      string // as Kafka names it: Ongoing, PrepareCommit, PrepareAbort
	Began      time.Time
	Timeout    time.Duration // after which the coordinator aborts it by itself; 0: nobody does
	Partitions []Partition   // those of the topics that were asked about, in order
	Starts     []int64       // of a hanging one: where it begins in each of Partitions
	Writer     string        // of a hanging one: the transactional id whose producer began it; empty: no coordinator knows
	Ours       bool          // its id is one that the app uses
	Alive      bool          // its owner is a member of the app's group
}

// Hanging says that no coordinator knows the transaction: its timeout will not end it either.
func (t *OpenTransaction) Hanging() bool { return t.ID == "" }

// OpenTransactions lists the cluster's open transactions that touch any of the topics or belong to the app, by age, the oldest
// first. An error beside a list says that some brokers did not answer: there may be more.
func OpenTransactions(ctx context.Context, kafka *kgo.Client, app string, topics []string) ([]OpenTransaction, error) {
	adm := kadm.NewClient(kafka)
	listed, err := adm.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit", "PrepareAbort"})
	if err != nil && len(listed) == 0 {
		return nil, fmt.Errorf("list the transactions: %w", err)
	}
	members, memberErr := membersSoon(ctx, adm, app)
	if memberErr != nil {
		return nil, memberErr
	}
	known := make(map[int64]bool)
	var open []OpenTransaction
	if len(listed) > 0 {
		described, describeErr := adm.DescribeTransactions(ctx, listed.TransactionalIDs()...)
		if describeErr != nil && len(described) == 0 {
			return nil, fmt.Errorf("describe the transactions: %w", describeErr)
		}
		err = errors.Join(err, describeErr)
		for _, d := range described.Sorted() {
			if d.Err != nil || isSettled(d.State) {
				continue // it ended meanwhile
			}
			known[d.ProducerID] = true
			t := OpenTransaction{
				ID: d.TxnID, ProducerID: d.ProducerID, State: d.State, Began: time.UnixMilli(d.StartTimestamp).UTC(),
				Timeout: time.Duration(d.TimeoutMillis) * time.Millisecond, Partitions: within(d.Topics, topics),
				Ours: isAppsID(app, d.TxnID), Alive: len(members[d.TxnID]) > 0,
			}
			if t.Ours || len(t.Partitions) > 0 {
				open = append(open, t)
			}
		}
	}
	hanging, hangErr := hangingTransactions(ctx, adm, app, topics, known)
	open = append(open, hanging...)
	slices.SortStableFunc(open, func(a, b OpenTransaction) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	if err = errors.Join(err, hangErr); err != nil {
		err = fmt.Errorf("not all brokers answered, there may be more open transactions: %w", err)
	}
	return open, err
}

// membersSoon is groupMembers for a command: a coordinator that is not there yet (of a cluster that never had a group, or that
// moves) is waited for, and a group that does not exist has no members.
func membersSoon(ctx context.Context, adm *kadm.Client, app string) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		members, err := groupMembers(ctx, adm, app)
		switch {
		case errors.Is(err, kerr.GroupIDNotFound):
			return nil, nil
		case err == nil:
			return members, nil
		case classify(err) != RemedyRetry || !sleep(ctx, retryPause):
			return nil, fmt.Errorf("look at group %s: %w", app, err)
		}
	}
}

// hangingTransactions finds transactions that partitions hold open and no coordinator knows (KIP-664), also on the partition in
// which the app's offsets are: with one of the app's there no shard is assigned any more.
func hangingTransactions(ctx context.Context, adm *kadm.Client, app string, topics []string, known map[int64]bool) ([]OpenTransaction, error) {
	there, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	asked := there.TopicsSet()
	for name, d := range there {
		if d.Err != nil {
			delete(asked, name)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	writers := make(map[int64]string)
	if all, listErr := adm.ListTransactions(ctx, nil, nil); listErr == nil { // else they go without their names
		for id := range all {
			writers[all[id].ProducerID] = id
		}
	}
	producers, err := adm.DescribeProducers(ctx, asked)
	producing := append(producers.SortedProducers(), offsetsProducers(ctx, adm, app)...)
	found := make(map[int64]*OpenTransaction)
	for _, p := range producing {
		// A transaction that began after the coordinators were asked is not known either: it is young.
		last, writer := time.UnixMilli(p.LastTimestamp).UTC(), writers[p.ProducerID]
		if p.CurrentTxnStartOffset < 0 || known[p.ProducerID] || time.Since(last) < hangingAfter ||
			p.Topic == offsetsTopic && !isAppsID(app, writer) { // of another group
			continue
		}
		t := found[p.ProducerID]
		if t == nil {
			t = &OpenTransaction{ProducerID: p.ProducerID, State: "hanging", Began: last, Writer: writer, Ours: isAppsID(app, writer)}
			found[p.ProducerID] = t
		}
		t.Partitions = append(t.Partitions, Partition{p.Topic, p.Partition})
		t.Starts = append(t.Starts, p.CurrentTxnStartOffset)
	}
	var list []OpenTransaction
	for _, t := range found {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b OpenTransaction) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return list, err
}

// offsetsProducers are those who wrote to the partition that holds the app's offsets. Who may not look there goes without: the
// permission may be left out.
func offsetsProducers(ctx context.Context, adm *kadm.Client, app string) []kadm.DescribedProducer {
	there, err := adm.ListTopicsWithInternal(ctx, offsetsTopic)
	topic := there[offsetsTopic]
	if err != nil || topic.Err != nil || len(topic.Partitions) == 0 {
		return nil
	}
	asked := make(kadm.TopicsSet)
	asked.Add(offsetsTopic, offsetsPartition(app, len(topic.Partitions)))
	producers, err := adm.DescribeProducers(ctx, asked)
	if err != nil {
		return nil
	}
	return producers.SortedProducers()
}

// offsetsTopic is where Kafka keeps what groups have committed.
const offsetsTopic = "__consumer_offsets"

// offsetsPartition is the partition of the offsets topic that belongs to a group: by Java's String.hashCode and Kafka's
// Utils.abs, as the broker does it.
func offsetsPartition(group string, partitions int) int32 {
	if partitions == 0 {
		return 0
	}
	var hash int32
	for _, unit := range utf16.Encode([]rune(group)) {
		hash = 31*hash + int32(unit)
	}
	if hash < 0 {
		hash = -hash
	}
	return int32(max(0, int(hash)) % partitions) // the least has no absolute value, and counts as 0
}

// hangingAfter is how long nothing may have come of a transaction that no coordinator knows before it is taken to hang.
const hangingAfter = 15 * time.Second

// within are the partitions of a set that belong to the topics.
func within(set kadm.TopicsSet, topics []string) []Partition {
	var parts []Partition
	for _, t := range set.IntoList() {
		if !slices.Contains(topics, t.Topic) {
			continue
		}
		for _, p := range t.Partitions {
			parts = append(parts, Partition{t.Topic, p})
		}
	}
	slices.SortFunc(parts, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return parts
}

// isSettled says that a state of a transactional id is one without an open transaction.
func isSettled(state string) bool {
	switch state {
	case "Empty", "CompleteCommit", "CompleteAbort", "Dead":
		return true
	}
	return false
}

// LoadID is the transactional id of `state load`.
func LoadID(app string) string { return app + "-load" }

// RetryID is the transactional id of `dlq retry`. All who retry dead letters of an app have the same, so that one fences the other.
func RetryID(app string) string { return app + "-retry" }

// isAppsID says whether a transactional id is one of the app's: of a lane of any instance, of a load, or of a retry.
func isAppsID(app, id string) bool {
	rest, ok := strings.CutPrefix(id, app+"-")
	if !ok {
		return false
	}
	dash := strings.LastIndexByte(rest, '-')
	_, err := strconv.ParseUint(rest[dash+1:], 10, 31)
	return id == LoadID(app) || id == RetryID(app) || dash > 0 && err == nil
}

// AbortTransaction ends the open transaction of a transactional id by taking the id over for a moment, which fences whoever had
// it: it is aborted, or committed where it was to be already.
func AbortTransaction(ctx context.Context, kafka *kgo.Client, id string) error {
	if err := fenceWriter(ctx, kafka, id, 10*time.Second); err != nil {
		return fmt.Errorf("abort the transaction of %s: %w", id, err)
	}
	return nil
}
