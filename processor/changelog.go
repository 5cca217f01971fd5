package processor

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/state"
)

// FoldChangelog reads the committed records of a shard's changelog from its beginning up to what is committed at the time of
// the call, and hands them over piece by piece, each with the position behind it: what state.Shard.Replay takes. It is for
// those who look at the state beside the engine; they belong to no group and disturb nobody.
func FoldChangelog(
	ctx context.Context, kafka *kgo.Client, app string, shard int32, take func([]state.Record, state.Position) error,
) error {
	return foldChangelog(ctx, kafka, app, shard, 0, take)
}

// foldChangelog is FoldChangelog from an offset on, which must not be before the log's start if it is not 0.
func foldChangelog(
	ctx context.Context, kafka *kgo.Client, app string, shard int32, from int64, take func([]state.Record, state.Position) error,
) error {
	topic := InternalTopic(app, "state")
	c := newClient(clientOptions{admin: kafka, topics: Topics{State: topic}})
	defer c.cancel()
	// Beyond the last stable offset nothing is committed yet.
	ends, err := c.adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("look for the end of %s/%d: %w", topic, shard, err)
	}
	end, ok := ends.Lookup(topic, shard)
	if !ok || end.Err != nil {
		return fmt.Errorf("look for the end of %s/%d: %w", topic, shard, orUnknown(end))
	}
	for at := from; ; {
		piece, err := c.readChangelog(ctx, shard, at)
		switch {
		case err != nil:
			return fmt.Errorf("read %s/%d from offset %d: %w", topic, shard, at, err)
		case at < piece.LogStart:
			return fmt.Errorf("read %s/%d: it begins at offset %d, what was before it was deleted: its cleanup.policy should be compact", topic, shard, piece.LogStart)
		}
		records := make([]state.Record, len(piece.Records))
		for i, r := range piece.Records {
			records[i] = state.Record{Key: r.Key, Value: r.Value}
		}
		at = piece.Next
		position := state.Position{ClusterID: piece.ClusterID, TopicID: piece.TopicID, Offset: at, AppliedAt: time.Now()}
		if err := take(records, position); err != nil {
			return err
		}
		if at >= end.Offset {
			return nil
		}
	}
}

func orUnknown(end kadm.ListedOffset) error {
	if end.Err != nil {
		return end.Err
	}
	return kerr.UnknownTopicOrPartition
}
