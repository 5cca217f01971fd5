package processor

import (
	"context"
	"time"
)

// Kafka is all that a lane knows of Kafka. Every method except Poll gives an order and returns at once; what came of it is
// an Event of a later Poll. So a lane needs no goroutine, and whoever stands behind the interface decides what happens when:
// the real clients (consumer.go, producer.go) by their own goroutines, a simulator by its seed.
//
// A lane calls it from one goroutine. At most one of Open, Flush, Commit and Abort is under way at a time.
type Kafka interface {
	// Poll returns what has happened since the last call, in the order in which it happened. It waits for at most wait if
	// nothing has, and brings at most max records; with max 0 it brings none (they stay where they are). An ended context
	// ends the wait, nothing else.
	Poll(ctx context.Context, wait time.Duration, max int) []Event

	// Join begins to consume as a member of the group. Called once, after the first Opened.
	Join()
	// Release answers the oldest Revoked or Lost that was polled: the lane holds nothing of those partitions any more, and
	// no transaction. It returns the assignment epoch from now on; the first one is 0.
	Release() int64
	// Pause stops partitions from being polled, and Resume lets them. Partitions are paused when they are assigned.
	Pause(parts []Partition)
	Resume(parts []Partition)
	// Seek sets what is polled next of partitions that are assigned. Of what was fetched before, nothing is polled any more.
	Seek(next map[Partition]int64)
	// FetchOffsets asks for the stable committed offsets of partitions: Offsets. It waits for open transactions to end.
	FetchOffsets(token int64, parts []Partition)
	// FetchEnds asks between which offsets the partitions can be read by now: Ends.
	FetchEnds(token int64, parts []Partition)
	// ReadChangelog asks for the committed records of a shard's changelog from an offset on: Changelog.
	ReadChangelog(token int64, shard int32, from int64)
	// Rejoin asks for another assignment, and tells which of the shards that it follows the lane could take over at once.
	// That is also told at later joins, for as long as they are followed.
	Rejoin(ready []int32)
	// FenceGone ends the transactions of those who wrote the shards last and are no members of the group any more, so that
	// their transactions need not be waited for. Best effort, without an event.
	FenceGone(shards []int32)
	// Trim lets the records of `<app>-effects` below the offsets go. Best effort, without an event.
	Trim(below map[int32]int64)

	// Open takes a new producer with the lane's transactional id: Opened. Whatever the one before it had open is settled
	// (aborted, or committed if its commit had got through) once it is Opened without an error.
	Open()
	// Produce adds records to the transaction, and begins one if none is open. Their bytes belong to Kafka from then on.
	Produce(records []Output)
	// Flush waits until all that was produced is acknowledged: Flushed.
	Flush()
	// Commit commits offsets inside the transaction and ends it: Ended.
	Commit(c Commit)
	// Abort drops the transaction: Ended.
	Abort()

	// Close leaves the group and lets go of everything. What is open is left to be fenced.
	Close(ctx context.Context)
}

// Partition names a partition of a topic.
type Partition struct {
	Topic     string
	Partition int32
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is one consumed record. Its bytes must not be changed.
type Record struct {
	Partition
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
	// End is up to where its partition could be read when it was fetched (the last stable offset); 0: not known.
	End int64
	// Control says that the record is a transaction's marker: there is nothing to decide, the position passes it.
	Control bool
}

// Output is one record to produce.
type Output struct {
	Topic     string
	Partition int32 // ByKey: the key decides, as Kafka's own clients do it
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
}

// ByKey leaves the partition of an Output to its key.
const ByKey int32 = -1

// bytes is about what the record takes in a request.
func (o *Output) bytes() int64 {
	n := len(o.Key) + len(o.Value) + recordOverhead
	for _, h := range o.Headers {
		n += len(h.Key) + len(h.Value) + headerOverhead
	}
	return int64(n)
}

// What a record and a header take besides their bytes: lengths, attributes, offset and time as varints.
const (
	recordOverhead = 32
	headerOverhead = 8
)

// Committed is what the group's coordinator holds of a partition.
type Committed struct {
	Offset   int64 // next record to read; NoOffset: nothing was ever committed
	Metadata string
}

// Extent is what a partition holds: records from Start on and below End.
type Extent struct{ Start, End int64 }

// NoOffset stands where no offset was ever committed. That the coordinator cannot say yet is another thing: Offsets.Err.
const NoOffset int64 = -1

// Commit is what ends a transaction.
type Commit struct {
	// Epoch is the assignment epoch in which the transaction was begun. If shards were let go since, it is aborted.
	Epoch   int64
	Offsets map[Partition]Committed
}

// Outcome is how a transaction ended.
type Outcome int

// The outcomes of a transaction.
const (
	// OutcomeUnknown: it was to be committed, and nobody can say yet whether it was.
	OutcomeUnknown Outcome = iota
	OutcomeCommitted
	OutcomeAborted
)

func (o Outcome) String() string {
	switch o {
	case OutcomeCommitted:
		return "committed"
	case OutcomeAborted:
		return "aborted"
	case OutcomeUnknown:
	}
	return "unknown"
}

// Event is one thing that Poll reports: one of the types below.
type Event interface{ event() }

type (
	// Records are consumed records, each partition's in the order of its offsets.
	Records []Record

	// Assigned says that partitions came to this lane. They are paused, and Offsets for them follows.
	Assigned struct{ Parts []Partition }

	// Standbys says which shards this lane is to follow from now on, all of them: to keep copies of, so that it can take them
	// over quickly. It comes with each assignment, after what that takes away was released.
	Standbys struct {
		Shards []int32
		Wanted []int32 // of them, those that come to this lane as soon as it says that it could take them over
	}

	// Revoked says that partitions will go to another member after Release; until then the lane may commit for them.
	Revoked struct{ Parts []Partition }

	// Lost says that partitions are gone already: the group went on without this member. A Commit begun before is aborted.
	// It waits for Release, too.
	Lost struct{ Parts []Partition }

	// Offsets are committed offsets and metadata, all of one answer. Token is 0 when they follow an Assigned.
	Offsets struct {
		Token int64
		Parts map[Partition]Committed
		Err   error // cannot say; ask again
	}

	// Ends says where partitions begin and how far they can be read (the last stable offset).
	Ends struct {
		Token int64
		Parts map[Partition]Extent
		Err   error
	}

	// Changelog is a piece of a shard's changelog.
	Changelog struct {
		Token   int64
		Shard   int32
		Records []Record // committed ones, in order; none of them need be there although Next moved
		// Next is the offset up to which all that is committed is in Records or was before. It also passes what is never
		// delivered: markers, aborted and compacted records.
		Next int64
		// LogStart and HighWatermark bound what the broker has.
		LogStart, HighWatermark int64
		// ClusterID and TopicID say which changelog it is.
		ClusterID, TopicID string
		Err                error
	}

	// Opened answers Open.
	Opened struct{ Err error }

	// Flushed answers Flush. Acked holds the highest acknowledged offset of each shard's changelog.
	Flushed struct {
		Acked map[int32]int64
		Err   error
	}

	// Ended answers Commit and Abort. Discard says that the producer cannot go on and must be opened anew.
	Ended struct {
		Outcome Outcome
		Discard bool
		Err     error // why it is not Committed
	}

	// Silence says that no broker has answered the consumer for longer than one that is well would leave it without an answer;
	// nil: they answer again.
	Silence struct{ Err error }

	// Trouble is an error that the client goes on from by itself, for logs and readiness.
	Trouble struct{ Err error }
)

func (Records) event()   {}
func (Assigned) event()  {}
func (Standbys) event()  {}
func (Revoked) event()   {}
func (Lost) event()      {}
func (Offsets) event()   {}
func (Ends) event()      {}
func (Changelog) event() {}
func (Opened) event()    {}
func (Flushed) event()   {}
func (Ended) event()     {}
func (Silence) event()   {}
func (Trouble) event()   {}
