package processor

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// GroupLane is a lane of some instance, as it stands in the group.
type GroupLane struct {
	Instance string
	Lane     int
	Address  string         // of the instance's HTTP port: http://host:port; empty: it tells none
	Host     string         // as the brokers see it
	Serves   []int32        // shards that are assigned to it
	Follows  map[int32]bool // shards of which it keeps a copy; true: it could take the shard over at once
}

// GroupLanes asks the brokers which instances an app has and what each serves. The group changes at any time: who is asked there may not serve a
// shard any more. Lanes that say nothing of themselves that can be read have no Instance.
func GroupLanes(ctx context.Context, client *kgo.Client, app string) ([]GroupLane, error) {
	groups, err := kadm.NewClient(client).DescribeGroups(ctx, app)
	if err == nil {
		err = groups[app].Err
	}
	if err != nil {
		return nil, fmt.Errorf("ask which instances %s has: %w", app, err)
	}
	effects := InternalTopic(app, "effects")
	var lanes []GroupLane
	for _, member := range groups[app].Members {
		lane := GroupLane{Host: member.ClientHost}
		var about memberData
		if joined, ok := member.Join.AsConsumer(); ok && about.parse(joined.UserData) == nil {
			lane.Instance, lane.Lane, lane.Follows = about.instance, about.lane, about.follows
			if isBase(about.address) {
				lane.Address = about.address
			}
		}
		if assigned, ok := member.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				if t.Topic == effects {
					lane.Serves = append(lane.Serves, t.Partitions...)
				}
			}
		}
		lanes = append(lanes, lane)
	}
	return lanes, nil
}
