package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/state"
)

// LoadChangelog writes rows into the changelog of an app that has none yet, all of them or none: in one transaction. The rows of each
// member and key go to the shard that is its home here, whatever it was where they come from. Offsets are left alone.
//
// kafka must be transactional, with kgo.ManualPartitioner. Rows hands over each row with its changelog key; it is called once.
func LoadChangelog(ctx context.Context, kafka *kgo.Client, app string, rows func(take func(state.Record) error) error) (err error) {
	shards, err := loadable(ctx, kafka, app)
	if err != nil {
		return err
	}
	if err := kafka.BeginTransaction(); err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	topic := InternalTopic(app, "state")
	failed := &acks{}
	err = rows(func(r state.Record) error {
		member, _, err := state.DecodeKey(r.Key)
		if err != nil {
			return err
		}
		homes, err := homesOf(member, shards)
		if err != nil {
			return err
		}
		for _, home := range homes {
			record := &kgo.Record{Topic: topic, Partition: home, Key: r.Key, Value: r.Value}
			kafka.Produce(ctx, record, func(_ *kgo.Record, err error) {
				if err != nil {
					failed.fail(err)
				}
			})
		}
		return failed.first()
	})
	err = errors.Join(err, kafka.Flush(ctx))
	if first := failed.first(); err == nil {
		err = first
	}
	if err != nil {
		return errors.Join(fmt.Errorf("load %s, nothing of it is committed: %w", topic, err), kafka.AbortBufferedRecords(ctx), kafka.EndTransaction(ctx, kgo.TryAbort))
	}
	if err := kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit what was loaded into %s, whether it is will show when it is loaded again: %w", topic, err)
	}
	return nil
}

// first is the first failure.
func (a *acks) first() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// errHoldsSomething ends the reading of a changelog that should be empty.
var errHoldsSomething = errors.New("it holds something")

// loadable says whether an app's changelog may be loaded into, and how many shards it has.
func loadable(ctx context.Context, kafka *kgo.Client, app string) (shards int32, err error) {
	topic := InternalTopic(app, "state")
	adm := kadm.NewClient(kafka)
	topics, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("look for the changelog: %w", err)
	}
	shards = int32(len(topics[topic].Partitions)) // a broker's number
	if shards == 0 {
		return 0, fmt.Errorf("there is no changelog %s: run accrue topics apply, or correct the key app", topic)
	}
	members, err := membersSoon(ctx, adm, app)
	if err != nil {
		return 0, err
	}
	if len(members) > 0 {
		return 0, fmt.Errorf("%d instances or lanes of %s are running: stop them, a changelog is loaded before its engine starts", len(members), app)
	}
	for shard := range shards {
		err := FoldChangelog(ctx, kafka, app, shard, func(records []state.Record, _ state.Position) error {
			if len(records) > 0 {
				return errHoldsSomething
			}
			return nil
		})
		if errors.Is(err, errHoldsSomething) {
			return 0, fmt.Errorf("%s/%d holds rows already: a dump is loaded into an app that has none, so give it a new name (the key app) and run accrue topics apply", topic, shard)
		}
		if err != nil {
			return 0, err
		}
	}
	return shards, nil
}

// homesOf are the shards in which the rows under a name, a member's or a key's, are looked for.
func homesOf(name string, shards int32) ([]int32, error) {
	key, is := state.KeyOf(name)
	if !is {
		return []int32{Home(name, shards)}, nil
	}
	if key == rules.ErasuresKey { // each shard has to know who was erased, and members may have come to other shards
		all := make([]int32, shards)
		for i := range all {
			all[i] = int32(i)
		}
		return all, nil
	}
	if shard, lease := rules.LeaseHome(key); lease {
		if shard >= shards {
			return nil, fmt.Errorf("%s is what shard %d has of a budget, and here are %d shards: load into an app with at least as many as the dump is of", key, shard, shards)
		}
		return []int32{shard}, nil
	}
	return []int32{Home(key, shards)}, nil
}
