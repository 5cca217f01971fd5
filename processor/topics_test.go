package processor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"accrue/deploy/kafka/kafkatest"
	"accrue/schemas"
)

// topicsUnderTest is a real cluster of one broker with a real registry, and a configuration for it.
type topicsUnderTest struct {
	config   Config
	client   *kgo.Client
	admin    *kadm.Client
	registry *sr.Client
}

func startTopics(ctx context.Context, t *testing.T) *topicsUnderTest {
	t.Helper()
	cluster := kafkatest.Start(t, 1)
	url, err := cluster.RegistryURL()
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.App = "shop"
	c.Kafka.Brokers = cluster.Bootstrap()
	c.Registry.URL = url
	c.Topics.Partitions, c.Topics.ReplicationFactor = 4, 1
	options, err := c.Kafka.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	registry, err := c.Registry.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	return &topicsUnderTest{config: c, client: client, admin: kadm.NewClient(client), registry: registry}
}

func (u *topicsUnderTest) plan(ctx context.Context, t *testing.T, c Config) *TopicPlan {
	t.Helper()
	plan, err := PlanTopics(ctx, u.client, u.registry, c)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// planOf plans until the plan has so many steps: a broker shows a change a moment after it has confirmed it.
func (u *topicsUnderTest) planOf(ctx context.Context, t *testing.T, steps int) *TopicPlan {
	t.Helper()
	for {
		plan := u.plan(ctx, t, u.config)
		if len(plan.Steps) == steps {
			return plan
		}
		if ctx.Err() != nil {
			t.Fatalf("the plan never had %d steps:\n%s", steps, plan)
		}
	}
}

func (u *topicsUnderTest) apply(ctx context.Context, t *testing.T, plan *TopicPlan) {
	t.Helper()
	steps := 0
	if err := ApplyTopics(ctx, plan, func(TopicStep) { steps++ }); err != nil {
		t.Fatal(err)
	}
	if steps != len(plan.Steps) {
		t.Errorf("%d of %d steps were reported", steps, len(plan.Steps))
	}
}

// The life of a cluster's topics, on a real broker and a real registry: made from nothing, found as they should be,
// brought back after somebody changed one, and each refusal.
func TestTopicsOnARealKafka(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	u := startTopics(ctx, t)
	// An input that its producers made, with a partition count of their own, is left alone.
	if _, err := u.admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("3600000")}, u.config.Topics.Orders); err != nil {
		t.Fatal(err)
	}
	u.makesAllThenNothing(ctx, t)
	u.mendsWhatWasChanged(ctx, t)
	u.refuses(ctx, t)
}

func (u *topicsUnderTest) makesAllThenNothing(ctx context.Context, t *testing.T) {
	first := u.plan(ctx, t, u.config)
	if len(first.Refusals) > 0 {
		t.Fatalf("the first plan refuses:\n%s", first)
	}
	for _, want := range []string{
		"make internal topic shop-state: 4 partitions, 1 replica, compacted",
		"make internal topic shop-control: 1 partition, 1 replica, kept for ever",
		"register the PointGrant schema as subject rewards.point-grants-value",
		"set the compatibility of subject commerce.orders-value to BACKWARD",
	} {
		if !strings.Contains(first.String(), want+"\n") {
			t.Errorf("the first plan lacks %q:\n%s", want, first)
		}
	}
	if strings.Contains(first.String(), "topic commerce.orders:") {
		t.Errorf("the plan touches an input that exists:\n%s", first)
	}
	u.apply(ctx, t, first)

	again := u.plan(ctx, t, u.config)
	if len(again.Steps) > 0 || len(again.Refusals) > 0 {
		t.Errorf("a second plan is not empty:\n%s", again)
	}
	// The planner agrees with itself; the broker has to agree as well.
	details, err := u.admin.DescribeTopicConfigs(ctx, u.config.Topics.Orders, InternalTopic("shop", "control"))
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string][2]string{u.config.Topics.Orders: {"retention.ms", "3600000"}, "shop-control": {"message.timestamp.type", "LogAppendTime"}} {
		resource, err := details.On(topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resource.Configs {
			if c.Key == want[0] && c.MaybeValue() != want[1] {
				t.Errorf("topic %s has %s %s, want %s", topic, c.Key, c.MaybeValue(), want[1])
			}
		}
	}
}

func (u *topicsUnderTest) mendsWhatWasChanged(ctx context.Context, t *testing.T) {
	state := InternalTopic("shop", "state")
	_, err := u.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: kadm.StringPtr("1000")}}, state)
	if err != nil {
		t.Fatal(err)
	}
	if result := u.registry.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, "rewards.decisions-value")[0]; result.Err != nil {
		t.Fatal(result.Err)
	}
	plan := u.planOf(ctx, t, 2)
	want := "change internal topic shop-state: delete.retention.ms from 1000 to 604800000\n" +
		"set the compatibility of subject rewards.decisions-value to BACKWARD\n"
	if !strings.HasPrefix(plan.String(), want) {
		t.Errorf("the plan is\n%s\nwant\n%s", plan, want)
	}
	u.apply(ctx, t, plan)
	if again := u.plan(ctx, t, u.config); len(again.Steps) > 0 {
		t.Errorf("not mended:\n%s", again)
	}

	grown := u.config
	grown.Topics.Retention = 48 * time.Hour
	if plan := u.plan(ctx, t, grown); !strings.Contains(plan.String(), "change output topic rewards.notices: retention.ms from -1 to 172800000\n") {
		t.Errorf("another retention is not planned:\n%s", plan)
	}
}

func (u *topicsUnderTest) refuses(ctx context.Context, t *testing.T) {
	fewer, more, replicas, broken := u.config, u.config, u.config, u.config
	fewer.Topics.Partitions = 2
	more.Topics.Partitions = 8
	replicas.Topics.ReplicationFactor = 3
	// A registry of somebody else's, whose latest schema our records could not be read with.
	broken.Topics.Notices = "taken.notices"
	foreign := sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"record","name":"Notice","fields":[{"name":"notice_id","type":"long"}]}`}
	if _, err := u.registry.CreateSchema(ctx, schemas.Subject(broken.Topics.Notices), foreign); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"fewer partitions":    {fewer, "refused: output topic rewards.decisions has 4 partitions and 2 are asked for"},
		"more shards":         {more, "refused: internal topic shop-state has 4 partitions and 8 are asked for"},
		"replicas":            {replicas, "refused: 3 replicas of a topic need as many brokers and the cluster has 1: set topics.replication_factor to at most 1"},
		"incompatible schema": {broken, "refused: the Notice schema of this version would break readers of subject taken.notices-value"},
	} {
		plan := u.plan(ctx, t, tc.config)
		if !strings.Contains(plan.String(), tc.want) {
			t.Errorf("%s: the plan is\n%s\nwant %s", name, plan, tc.want)
		}
		err := ApplyTopics(ctx, plan, func(s TopicStep) { t.Errorf("%s: done although refused: %s", name, s.Words) })
		if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: applying gave %v, want a refusal", name, err)
		}
	}
}
