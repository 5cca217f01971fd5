package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"accrue/processor"
)

// fleetEvery is how often the group is asked how it is.
const fleetEvery = 3 * time.Second

// fleet is the group of the app as the brokers see it. It never changes once made.
type fleet struct {
	At      time.Time
	State   string
	Lag     int64 // records of the inputs that are not answered
	ByTopic map[string]int64
	Owners  map[int32]owner // by shard
	Shards  []fleetShard
}

// owner is a lane of some instance.
type owner struct{ Client, Host string }

type fleetShard struct {
	Shard     int32
	Owner     owner
	Lag       int64
	Changelog int64 // the end of its changelog
}

// watchFleet asks again and again until nobody looks any more.
func (f *feed) watchFleet(ctx context.Context) {
	ticker := time.NewTicker(fleetEvery)
	defer ticker.Stop()
	for !f.idle() {
		now, err := f.askFleet(ctx)
		f.mu.Lock()
		switch {
		case err == nil:
			f.fleet = now
		case ctx.Err() == nil:
			f.trouble = err
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (f *feed) askFleet(ctx context.Context) (*fleet, error) {
	client, err := f.o.connect()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	adm := kadm.NewClient(client)
	app, topics := f.o.config.App, f.o.config.Topics
	lags, err := adm.Lag(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("ask how the group %s is: %w", app, err)
	}
	group := lags[app]
	state, effects := processor.InternalTopic(app, "state"), processor.InternalTopic(app, "effects")
	ends, err := adm.ListCommittedOffsets(ctx, state)
	if err := errors.Join(err, group.Error()); err != nil {
		return nil, fmt.Errorf("ask how the group %s is: %w", app, err)
	}
	now := &fleet{At: time.Now().UTC(), State: group.State, ByTopic: map[string]int64{}, Owners: map[int32]owner{}}
	shards := int32(len(ends[state]))
	lag := map[int32]int64{}
	kinds := topics.Kinds()
	for topic, partitions := range group.Lag {
		if kind := kinds[topic]; topic != effects && !kind.IsInput() {
			continue
		}
		for number, l := range partitions {
			if l.Member != nil && topic == effects {
				now.Owners[number] = owner{l.Member.ClientID, l.Member.ClientHost}
			}
			if l.Lag > 0 && topic != effects {
				now.Lag += l.Lag
				now.ByTopic[topic] += l.Lag
				lag[number%max(1, shards)] += l.Lag
			}
		}
	}
	for _, number := range slices.Sorted(maps.Keys(ends[state])) {
		now.Shards = append(now.Shards, fleetShard{number, now.Owners[number], lag[number], ends[state][number].Offset})
	}
	return now, nil
}
