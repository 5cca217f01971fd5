package processor

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// OwnerAddress asks the brokers which instance serves a shard of an app, and returns where its HTTP port is. Empty: nobody serves it now, or
// whoever does tells no address. The group changes at any time: who is asked there may not serve it any more. Client must not be consuming.
func OwnerAddress(ctx context.Context, client *kgo.Client, app string, shard int32) (string, error) {
	groups, err := kadm.NewClient(client).DescribeGroups(ctx, app)
	if err == nil {
		err = groups[app].Err
	}
	if err != nil {
		return "", fmt.Errorf("ask who serves shard %d of %s: %w", shard, app, err)
	}
	effects := InternalTopic(app, "effects")
	for _, member := range groups[app].Members {
		assigned, ok := member.Assigned.AsConsumer()
		joined, known := member.Join.AsConsumer()
		if !ok || !known {
			continue
		}
		for _, t := range assigned.Topics {
			if t.Topic != effects || !slices.Contains(t.Partitions, shard) {
				continue
			}
			var about memberData
			if err := about.parse(joined.UserData); err != nil {
				return "", fmt.Errorf("ask who serves shard %d of %s: %w", shard, app, err)
			}
			if about.address != "" && !isBase(about.address) {
				return "", fmt.Errorf("ask who serves shard %d of %s: instance %s tells an address that is none: %q", shard, app, about.instance, about.address)
			}
			return about.address, nil
		}
	}
	return "", nil
}
