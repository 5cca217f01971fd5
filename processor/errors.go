package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"accrue/schemas"
	"accrue/state"
)

// Remedy is what to do about an error. There are few, so that there are few paths to test.
type Remedy int

// The remedies, from the mildest on.
const (
	// RemedyRetry: ask the same again, after a pause. Nothing is known to be wrong with what is open.
	RemedyRetry Remedy = iota
	// RemedyAbort: abort the transaction and decide its records again; the producer goes on.
	RemedyAbort
	// RemedyDiscard: the producer is of no use any more or the outcome unknown. Take a new one with the same id, fetch the
	// stable offsets and catch up to them.
	RemedyDiscard
	// RemedyDeadLetter: the record will never do, whatever is tried.
	RemedyDeadLetter
	// RemedyReopen: the local store cannot go on. Close it, and open it anew (empty if it is damaged).
	RemedyReopen
	// RemedyStop: nothing that the engine can do helps. Say why and stop.
	RemedyStop
)

func (r Remedy) String() string {
	names := [...]string{"retry", "abort", "discard", "dead letter", "reopen", "stop"}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("Remedy(%d)", int(r))
	}
	return names[r]
}

// errUsedTwice says that another process has this one's transactional id.
var errUsedTwice = errors.New("the instance id is used twice")

// ShardRefused says that a shard cannot be served: what its changelog is and what it should be do not go together. Other
// shards are served.
type ShardRefused struct {
	Shard    int32
	Topic    string
	Found    string
	Expected string
	Hint     string
}

func (e *ShardRefused) Error() string {
	return fmt.Sprintf("restore shard %d from %s: %s, expected %s: %s", e.Shard, e.Topic, e.Found, e.Expected, e.Hint)
}

// classify is the one place where it is decided what an error asks for. What it does not know is worth another producer:
// that path settles whatever was open, and trusts nothing in memory.
func classify(err error) Remedy {
	var bad *schemas.BadRecord
	switch {
	case errors.As(err, &bad):
		return RemedyDeadLetter
	case errors.Is(err, errUsedTwice):
		return RemedyStop
	case errors.Is(err, state.ErrCorrupt), errors.Is(err, state.ErrFailed):
		return RemedyReopen
	}
	var broker *kerr.Error
	if !errors.As(err, &broker) {
		// No answer of a broker's: a deadline, a connection that broke. What was asked may or may not have been done.
		if errors.Is(err, context.Canceled) {
			return RemedyRetry
		}
		return RemedyDiscard
	}
	switch broker {
	// The coordinator moves or loads, the transaction before is still being written, or somebody's offsets are pending
	// (KIP-447): each ends by itself.
	case kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.ConcurrentTransactions,
		kerr.UnstableOffsetCommit, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.BrokerNotAvailable,
		kerr.RequestTimedOut, kerr.NetworkException, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
		return RemedyRetry

	// The group went on: this member's generation is of yesterday. Nothing of the transaction may stand.
	case kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.StaleMemberEpoch, kerr.GroupIDNotFound,
		kerr.FencedMemberEpoch:
		return RemedyAbort
	// The broker says that this transaction, and no more, must go (KIP-890).
	case kerr.TransactionAbortable, kerr.OperationNotAttempted:
		return RemedyAbort
	// A batch does not fit. Fewer records may.
	case kerr.MessageTooLarge, kerr.RecordListTooLarge:
		return RemedyAbort

	// A password or token that is being renewed: the cluster has the new one, and the file gets it in a moment. An instance that
	// works must not end for that; one that has not worked yet does (prepare).
	case kerr.SaslAuthenticationFailed:
		return RemedyDiscard

	// Retrying needs what is not ours to change: rights, versions, limits of the cluster.
	case kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.UnsupportedSaslMechanism,
		kerr.UnsupportedVersion, kerr.InvalidTransactionTimeout, kerr.InvalidGroupID, kerr.InvalidSessionTimeout,
		kerr.InconsistentGroupProtocol:
		return RemedyStop
	}
	// Fenced, epochs that do not fit, a transaction in another state than we think, and all that we do not know.
	return RemedyDiscard
}

// isFenced says whether another producer has taken this one's transactional id, or the coordinator gave its epoch away
// when the transaction timed out: the two look alike.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}
