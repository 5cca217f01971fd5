package processor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr"

	"accrue/schemas"
)

// TopicPlan is what has to happen so that the topics and schemas are as they should be, and what stands against it.
type TopicPlan struct {
	Steps    []TopicStep
	Refusals []string // what cannot be done, and what to do instead; a plan with any is not applied
	Notes    []string // what looks odd but is somebody else's
	Fine     int      // topics and subjects that are as they should be

	again func(ctx context.Context) (*TopicPlan, error) // plans anew
}

// TopicStep is one change.
type TopicStep struct {
	Words string // the change for a person
	apply func(ctx context.Context) error
}

// String is the plan in words, a line each.
func (p *TopicPlan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintln(&b, s.Words)
	}
	for _, n := range p.Notes {
		fmt.Fprintln(&b, "note: "+n)
	}
	for _, r := range p.Refusals {
		fmt.Fprintln(&b, "refused: "+r)
	}
	fmt.Fprintf(&b, "%d to do, %d as they should be, %d refused\n", len(p.Steps), p.Fine, len(p.Refusals))
	return b.String()
}

// topicPlanner gathers a plan from what the cluster and the registry say.
type topicPlanner struct {
	plan     *TopicPlan
	config   Config
	client   *kgo.Client
	admin    *kadm.Client
	registry *sr.Client
	existing map[string]int // partitions by topic; no entry: there is no such topic
	configs  kadm.ResourceConfigs
}

// PlanTopics compares the cluster and the registry with what the configuration asks for. It changes nothing. The error
// is about reaching them; what is wrong with the topics is in the plan's Refusals.
func PlanTopics(ctx context.Context, client *kgo.Client, registry *sr.Client, c Config) (*TopicPlan, error) {
	p := &topicPlanner{plan: &TopicPlan{}, config: c, client: client, admin: kadm.NewClient(client), registry: registry}
	p.plan.again = func(ctx context.Context) (*TopicPlan, error) { return PlanTopics(ctx, client, registry, c) }
	specs := TopicSpecs(c)
	if err := p.look(ctx, specs); err != nil {
		return nil, err
	}
	for _, spec := range specs {
		if partitions, exists := p.existing[spec.Name]; exists {
			p.planExisting(spec, partitions)
		} else {
			p.planCreate(spec)
		}
	}
	if err := p.planShards(ctx); err != nil {
		return nil, fmt.Errorf("looking how many shards the app has: %w", err)
	}
	for _, spec := range specs {
		if spec.Kind == 0 {
			continue
		}
		if err := p.planSchema(ctx, spec); err != nil {
			return nil, fmt.Errorf("asking the schema registry about %s: %w", schemas.Subject(spec.Name), err)
		}
	}
	return p.plan, nil
}

// look reads the cluster once for all topics. It asks for the metadata itself: kadm answers from what the client knew
// up to 5 s ago, which may be that a topic of a second ago does not exist.
func (p *topicPlanner) look(ctx context.Context, specs []TopicSpec) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, spec := range specs {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(spec.Name)
		request.Topics = append(request.Topics, topic)
	}
	metadata, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return fmt.Errorf("asking the cluster for its topics: %w", err)
	}
	if n, brokers := int(p.config.Topics.ReplicationFactor), len(metadata.Brokers); n > brokers {
		p.refuse("%d replicas of a topic need as many brokers and the cluster has %d: set topics.replication_factor to at most %d",
			n, brokers, brokers)
	}
	p.existing = map[string]int{}
	var there []string
	for _, topic := range metadata.Topics {
		switch err := kerr.ErrorForCode(topic.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
		case err != nil && !errors.Is(err, kerr.LeaderNotAvailable):
			return fmt.Errorf("asking the cluster for topic %s: %w", *topic.Topic, err)
		default:
			p.existing[*topic.Topic] = len(topic.Partitions)
			there = append(there, *topic.Topic)
		}
	}
	if len(there) == 0 {
		return nil
	}
	if p.configs, err = p.admin.DescribeTopicConfigs(ctx, there...); err != nil {
		return fmt.Errorf("reading the topics' configuration: %w", err)
	}
	for _, c := range p.configs {
		if c.Err != nil {
			return fmt.Errorf("reading the configuration of topic %s: %w", c.Name, c.Err)
		}
	}
	return nil
}

func (p *topicPlanner) refuse(format string, args ...any) {
	p.plan.Refusals = append(p.plan.Refusals, fmt.Sprintf(format, args...))
}

func (p *topicPlanner) step(apply func(context.Context) error, format string, args ...any) {
	p.plan.Steps = append(p.plan.Steps, TopicStep{Words: fmt.Sprintf(format, args...), apply: apply})
}

func (p *topicPlanner) planCreate(spec TopicSpec) {
	replicas := p.config.Topics.ReplicationFactor
	p.step(func(ctx context.Context) error {
		configs := map[string]*string{}
		for key, value := range spec.Configs {
			configs[key] = kadm.StringPtr(value)
		}
		_, err := p.admin.CreateTopic(ctx, spec.Partitions, replicas, configs, spec.Name)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil // someone applied the same plan at the same moment
		}
		return err
	}, "make %s topic %s: %s, %s, %s", spec.Role, spec.Name, count(int(spec.Partitions), "partition"), count(int(replicas), "replica"), keeps(spec.Configs))
}

// planExisting compares a topic that is there. An input belongs to others: it is looked at, never changed.
func (p *topicPlanner) planExisting(spec TopicSpec, partitions int) {
	before := len(p.plan.Steps) + len(p.plan.Refusals)
	actual := p.topicConfigs(spec.Name)
	if spec.Role == RoleInput {
		if spec.Configs["cleanup.policy"] == "delete" && actual["cleanup.policy"] != "delete" {
			p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("input topic %s has cleanup.policy %s: events may be compacted away before they are read",
				spec.Name, actual["cleanup.policy"]))
		}
		p.noteAway(spec.Name, int32(partitions))
		p.plan.Fine++
		return
	}
	p.planPartitions(spec, int32(partitions))
	var changes []kadm.AlterConfig
	var words []string
	for _, key := range sortedKeys(spec.Configs) {
		if want := spec.Configs[key]; actual[key] != want {
			changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: kadm.StringPtr(want)})
			words = append(words, fmt.Sprintf("%s from %s to %s", key, orText(actual[key], "unset"), want))
		}
	}
	if len(changes) > 0 {
		p.step(func(ctx context.Context) error {
			answers, err := p.admin.AlterTopicConfigs(ctx, changes, spec.Name)
			for _, a := range answers {
				err = errors.Join(err, a.Err)
			}
			return err
		}, "change %s topic %s: %s", spec.Role, spec.Name, strings.Join(words, ", "))
	}
	if len(p.plan.Steps)+len(p.plan.Refusals) == before {
		p.plan.Fine++
	}
}

// noteAway says how many records of an input topic are away from home, if its keys are members and its partitioner is Kafka's own.
func (p *topicPlanner) noteAway(name string, partitions int32) {
	shards := p.config.Topics.Partitions
	if n, exists := p.existing[InternalTopic(p.config.App, "state")]; exists {
		shards = int32(n)
	}
	if partitions%shards == 0 {
		return
	}
	away, all := 0, int(partitions)*int(shards) // hashes go round once in as many
	for hash := range all {
		if int32(hash)%partitions%shards != int32(hash)%shards {
			away++
		}
	}
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("input topic %s has %s and the app %s: about %d in 100 of its records are read away from home, "+
		"each of them is written and read once more; to avoid it give the topic %d partitions, or a multiple of that",
		name, count(int(partitions), "partition"), count(int(shards), "shard"), (100*away+all/2)/all, shards))
}

// planShards compares the internal topics with the number of shards that the app has by its control topic.
func (p *topicPlanner) planShards(ctx context.Context) error {
	control := InternalTopic(p.config.App, "control")
	if _, exists := p.existing[control]; !exists {
		return nil
	}
	read, err := ReadControl(ctx, p.client, p.config.App, nil)
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("%s may not be read by this user: whether a change of the number of shards is unfinished is not known", control))
		return nil
	case err != nil:
		return err
	case read.App == nil:
		return nil
	}
	most := 0
	for _, what := range []string{"state", "effects"} {
		most = max(most, p.existing[InternalTopic(p.config.App, what)])
	}
	if most > int(read.App.Shards) {
		p.refuse("to give the app %s instead of %d was begun and is not finished, and no instance starts before it is: run `accrue topics reshard --shards %d`",
			count(most, "shard"), read.App.Shards, most)
	}
	return nil
}

func (p *topicPlanner) planPartitions(spec TopicSpec, actual int32) {
	switch {
	case actual == spec.Partitions:
	case spec.Role == RoleInternal && actual < spec.Partitions && spec.Partitions > 1:
		p.refuse("internal topic %s has %s and %d are asked for: to give the app more shards stop its instances and run `accrue topics reshard --shards %d`, which moves what it holds; or set topics.partitions to %d",
			spec.Name, count(int(actual), "partition"), spec.Partitions, spec.Partitions, actual)
	case spec.Role == RoleInternal:
		p.refuse("internal topic %s has %s and %d are asked for: an app never has fewer shards than it had; set topics.partitions to %d, or choose another app",
			spec.Name, count(int(actual), "partition"), spec.Partitions, actual)
	case actual > spec.Partitions:
		p.refuse("output topic %s has %s and %d are asked for: partitions cannot be taken away; use another topic name, or delete the topic when nobody needs it",
			spec.Name, count(int(actual), "partition"), spec.Partitions)
	default:
		p.step(func(ctx context.Context) error {
			answers, err := p.admin.UpdatePartitions(ctx, int(spec.Partitions), spec.Name)
			for _, a := range answers {
				err = errors.Join(err, a.Err)
			}
			return err
		}, "grow %s topic %s from %d to %d partitions (most members' records then go to another partition than before)",
			spec.Role, spec.Name, actual, spec.Partitions)
	}
}

func (p *topicPlanner) topicConfigs(name string) map[string]string {
	values := map[string]string{}
	resource, err := p.configs.On(name, nil)
	if err != nil {
		return values
	}
	for _, c := range resource.Configs {
		values[c.Key] = c.MaybeValue()
	}
	return values
}

// planSchema compares the registry's subject of a topic with our schema.
func (p *topicPlanner) planSchema(ctx context.Context, spec TopicSpec) error {
	subject := schemas.Subject(spec.Name)
	schema := sr.Schema{Schema: spec.Kind.SchemaText(), Type: sr.TypeAvro}
	before := len(p.plan.Steps) + len(p.plan.Refusals)
	level, err := p.compatibility(ctx, subject)
	if err != nil {
		return err
	}
	_, err = p.registry.LookupSchema(ctx, subject, schema)
	registered := err == nil
	if err != nil && !isMissing(err) {
		return err
	}
	if !registered {
		fits, why, err := p.fits(ctx, subject, spec.Kind, schema)
		if err != nil {
			return err
		}
		if !fits {
			p.refuse("the %s schema of this version would break readers of subject %s: %s; use another topic name, or delete the subject when nobody needs it",
				spec.Kind, subject, why)
			return nil
		}
	}
	// The level is set after the first schema: some registries know no level of a subject that does not exist.
	if !registered {
		p.step(func(ctx context.Context) error {
			_, err := p.registry.CreateSchema(ctx, subject, schema)
			return err
		}, "register the %s schema as subject %s", spec.Kind, subject)
	}
	if level != sr.CompatBackward {
		p.step(func(ctx context.Context) error {
			return p.registry.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackward}, subject)[0].Err
		}, "set the compatibility of subject %s to BACKWARD", subject)
	}
	if len(p.plan.Steps)+len(p.plan.Refusals) == before {
		p.plan.Fine++
	}
	return nil
}

// compatibility returns the subject's own level, 0 where it has none.
func (p *topicPlanner) compatibility(ctx context.Context, subject string) (sr.CompatibilityLevel, error) {
	answer := p.registry.Compatibility(ctx, subject)[0]
	if answer.Err != nil {
		if isMissing(answer.Err) {
			return 0, nil
		}
		return 0, answer.Err
	}
	return answer.Level, nil
}

// fits asks whether the schema may follow the subject's latest one; it may where there is none. We look ourselves
// whether we could read what the latest one wrote, since a registry only answers by the subject's present level, which
// may be NONE; the registry's own answer comes on top.
func (p *topicPlanner) fits(ctx context.Context, subject string, kind schemas.Kind, schema sr.Schema) (fits bool, why string, err error) {
	const latest = -1
	found, err := p.registry.SchemaByVersion(ctx, subject, latest)
	if isMissing(err) {
		return true, "", nil
	}
	if err != nil {
		return false, "", err
	}
	if found.Type != sr.TypeAvro {
		return false, fmt.Sprintf("its latest schema is of type %s, not Avro", found.Type), nil
	}
	if err := schemas.CheckReadable(kind, found.Schema.Schema); err != nil {
		return false, err.Error(), nil //nolint:nilerr // the error is the answer
	}
	result, err := p.registry.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, latest, schema)
	if err != nil {
		return false, "", err
	}
	return result.Is, orText(strings.Join(result.Messages, "; "), "the registry gives no reason"), nil
}

// isMissing says whether the registry answered that there is no such subject, version, schema or level, as opposed to a
// proxy's page for a wrong address, which has no such code.
func isMissing(err error) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound && answer.ErrorCode/100 == http.StatusNotFound
}

// ApplyTopics carries a plan out, step by step in its order, calls done after each, and returns when the cluster shows
// all of it. It refuses a plan with refusals before the first step. After an error the steps already done stay; a new plan
// goes on from there.
func ApplyTopics(ctx context.Context, plan *TopicPlan, done func(TopicStep)) error {
	if len(plan.Refusals) > 0 {
		return fmt.Errorf("the plan holds %s: nothing was changed", count(len(plan.Refusals), "refusal"))
	}
	for _, s := range plan.Steps {
		if err := s.apply(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.Words, err)
		}
		done(s)
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	return plan.settle(ctx)
}

// settle waits until there is nothing left to do. A controller confirms a change before every broker knows of it; whoever
// starts an engine on the next line of a script should not meet a broker that does not.
func (p *TopicPlan) settle(ctx context.Context) error {
	const patience, between = 30 * time.Second, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(between)
	defer tick.Stop()
	for {
		left, err := p.again(ctx)
		if err == nil && len(left.Steps) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("still to do: %s", left.Steps[0].Words)
			}
			return fmt.Errorf("waiting for the cluster to show the changes: %w", err)
		}
	}
}

func keeps(configs map[string]string) string {
	if configs["cleanup.policy"] == "compact" {
		return "compacted"
	}
	ms, err := strconv.ParseInt(configs["retention.ms"], 10, 64)
	if err != nil || ms < 0 {
		return "kept for ever"
	}
	return "kept for " + (time.Duration(ms) * time.Millisecond).String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
