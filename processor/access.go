package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// reachTimeout bounds the way to one broker, accessTimeout each question to the cluster.
	reachTimeout  = 10 * time.Second
	accessTimeout = 20 * time.Second
)

// Finding is one thing that CheckAccess looked at.
type Finding struct {
	Grade Grade
	Text  string // what it is, and what is wrong with it
	Do    string // what to do about it: a command or a sentence; empty: nothing
}

// Grade is how good a finding is.
type Grade int

// The grades.
const (
	GradeFine Grade = iota
	GradeNote       // worth to know; the job works
	GradeWrong
)

// String is the word before a finding.
func (g Grade) String() string { return [...]string{"ok", "note", "wrong"}[g] }

// access looks at what a job needs.
type access struct {
	config Config
	job    Job
	report func(Finding)
	client *kgo.Client
}

// CheckAccess tries the connections of a configuration and all that a job must be allowed, and reports what it finds, in order.
// It changes nothing at the brokers or the registry, and disturbs no instance that runs. The error says that it could not
// look at all.
func CheckAccess(ctx context.Context, c Config, job Job, report func(Finding)) error {
	a := &access{config: c, job: job, report: report}
	a.checkCertificate("kafka.tls", c.Kafka.TLS)
	a.checkCertificate("registry.tls", c.Registry.TLS)
	if err := a.checkKafka(ctx); err != nil {
		return err
	}
	return a.checkRegistry(ctx)
}

func (a *access) fine(format string, args ...any) {
	a.report(Finding{Grade: GradeFine, Text: fmt.Sprintf(format, args...)})
}

func (a *access) note(do, format string, args ...any) {
	a.report(Finding{Grade: GradeNote, Text: fmt.Sprintf(format, args...), Do: do})
}

func (a *access) wrong(do, format string, args ...any) {
	a.report(Finding{Grade: GradeWrong, Text: fmt.Sprintf(format, args...), Do: do})
}

// checkKafka tries the brokers, then what is allowed there. Where none can be reached there is nothing more to ask.
func (a *access) checkKafka(ctx context.Context) error {
	options, err := a.config.Kafka.ClientOptions()
	if err != nil {
		return err
	}
	if s := a.config.Kafka.SASL.Mechanism; !a.config.Kafka.TLS.On() && (s == "PLAIN" || s == mechanismOAuth) {
		a.note("set kafka.tls.enabled, and kafka.tls.ca_file where the brokers' authority is your own", "%s without TLS sends the secret in clear", s)
	}
	if !a.checkBrokers(ctx, options, "", a.config.Kafka.Brokers) {
		return nil
	}
	if a.client, err = kgo.NewClient(kafkaOptions(options, kgo.RetryTimeout(accessTimeout))...); err != nil {
		return fmt.Errorf("making a Kafka client: %w", err)
	}
	defer a.client.Close()
	ctx, cancel := context.WithTimeout(ctx, 4*accessTimeout)
	defer cancel()
	topics, err := a.topics(ctx)
	if err != nil {
		a.wrong(adviceFor(err, "kafka"), "the cluster answers, and does not tell its topics: %v", err)
		return nil
	}
	if a.job == JobRun {
		a.checkFeatures(ctx)
	}
	a.checkAdvertised(ctx, options, topics)
	a.checkTopics(topics)
	a.checkPermissions(ctx, topics)
	return nil
}

// checkBrokers dials each address, and says of each that does not answer why. It returns whether one does.
func (a *access) checkBrokers(ctx context.Context, options []kgo.Opt, whose string, addresses []string) bool {
	errs := make([]error, len(addresses))
	var work sync.WaitGroup
	for i, address := range addresses {
		work.Go(func() { errs[i] = reach(ctx, options, address) })
	}
	work.Wait()
	var reached []string
	for i, address := range addresses {
		if errs[i] == nil {
			reached = append(reached, address)
			continue
		}
		a.wrong(adviceFor(errs[i], "kafka"), "%sbroker %s cannot be used: %v", whose, address, errs[i])
	}
	if len(reached) > 0 {
		a.fine("%s reached: %s%s", brokersOf(whose, len(reached)), strings.Join(reached, ", "), a.asWhom())
	}
	return len(reached) > 0
}

func brokersOf(whose string, n int) string {
	if n == 1 {
		return whose + "broker"
	}
	return whose + "brokers"
}

// asWhom is how we are known there.
func (a *access) asWhom() string {
	how := ""
	if a.config.Kafka.TLS.On() {
		how = ", over TLS"
	}
	if m := a.config.Kafka.SASL.Mechanism; m != "" || a.config.Kafka.TLS.CertFile != "" {
		how += ", as " + principalOf(a.config.Kafka)
	}
	return how
}

// reach opens a connection to one address, says who we are, and asks for nothing.
func reach(ctx context.Context, options []kgo.Opt, address string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	client, err := kgo.NewClient(slices.Concat(options, []kgo.Opt{kgo.SeedBrokers(address)})...)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.SeedBrokers()[0].Request(ctx, kmsg.NewPtrApiVersionsRequest())
	return err
}

// topics asks for what this user may do with each topic (KIP-430).
func (a *access) topics(ctx context.Context) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	for _, spec := range TopicSpecs(a.config) {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(spec.Name)
		request.Topics = append(request.Topics, topic)
	}
	return request.RequestWith(ctx, a.client)
}

// checkAdvertised tries the addresses that the cluster hands out: a client that reaches the first one and none of these hangs.
func (a *access) checkAdvertised(ctx context.Context, options []kgo.Opt, metadata *kmsg.MetadataResponse) {
	var others []string
	for _, b := range metadata.Brokers {
		if address := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))); !slices.Contains(a.config.Kafka.Brokers, address) {
			others = append(others, address)
		}
	}
	if len(others) > 0 {
		a.checkBrokers(ctx, options, "advertised ", others)
	}
	if n, brokers := int(a.config.Topics.ReplicationFactor), len(metadata.Brokers); a.job == JobTopics && n > brokers {
		a.wrong(fmt.Sprintf("set topics.replication_factor to at most %d", brokers), "%d replicas of a topic need as many brokers and the cluster has %d", n, brokers)
	}
}

func (a *access) checkFeatures(ctx context.Context) {
	err := checkVersion(ctx, a.client)
	if setup := (*setupError)(nil); errors.As(err, &setup) {
		a.wrong("", "%v", err)
	} else if err != nil {
		a.note("", "the cluster's version is not known: %v", err)
	} else {
		a.fine("cluster has the transactions that exactly-once needs")
	}
}

// checkTopics looks whether the topics are there.
func (a *access) checkTopics(metadata *kmsg.MetadataResponse) {
	if a.job == JobTopics {
		return // it makes them
	}
	var missing []string
	for _, t := range metadata.Topics {
		if t.ErrorCode == kerr.UnknownTopicOrPartition.Code {
			missing = append(missing, *t.Topic)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		a.wrong("run accrue topics apply with this configuration, as a user who has the permissions of --for topics", "topics are missing: %s", strings.Join(missing, ", "))
	}
}

// checkPermissions holds what is allowed against what the job needs, a resource at a time.
func (a *access) checkPermissions(ctx context.Context, metadata *kmsg.MetadataResponse) {
	allowed := map[string]int32{}
	for _, t := range metadata.Topics {
		allowed[*t.Topic] = t.AuthorizedOperations
		if t.ErrorCode == kerr.TopicAuthorizationFailed.Code {
			allowed[*t.Topic] = 0
		}
	}
	cluster := a.clusterOperations(ctx)
	var fine int
	needs := a.config.Permissions(a.job)
	for len(needs) > 0 {
		first := needs[0]
		var same []Permission
		needs = slices.DeleteFunc(needs, func(p Permission) bool {
			is := p.Resource == first.Resource && p.Name == first.Name && p.Prefixed == first.Prefixed
			if is {
				same = append(same, p)
			}
			return is
		})
		lacks, why := a.lacking(ctx, same, allowed[first.Name], cluster)
		switch {
		case why != nil:
			a.note("", "%s: cannot be told: %v", permissionsText(same), why)
		case len(lacks) > 0:
			a.reportLacking(lacks)
		}
		if why == nil {
			fine += len(same) - len(lacks)
		}
	}
	a.fine("%d of %s to %s are given", fine, count(len(a.config.Permissions(a.job)), "permission"), a.job)
}

func permissionsText(all []Permission) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// reportLacking says what is missing on one resource, what it is for, and how to give it.
func (a *access) reportLacking(lacks []Permission) {
	bootstrap, principal := a.config.Kafka.Brokers[0], principalOf(a.config.Kafka)
	for _, optional := range []bool{false, true} {
		some := slices.Collect(func(yield func(Permission) bool) {
			for _, p := range lacks {
				if p.Optional == optional && !yield(p) {
					return
				}
			}
		})
		if len(some) == 0 {
			continue
		}
		var why []string
		for _, p := range some {
			if !slices.Contains(why, p.Why) {
				why = append(why, p.Why)
			}
		}
		report := a.wrong
		if optional {
			report = a.note
		}
		report(GrantCommand(bootstrap, principal, some...), "not allowed: %s (%s)", permissionsText(some), strings.Join(why, "; "))
	}
}

// lacking returns which of the permissions on one resource are not given; an error: nobody can tell.
func (a *access) lacking(ctx context.Context, needed []Permission, topic, cluster int32) ([]Permission, error) {
	var lacks []Permission
	for _, p := range needed {
		given, err := false, error(nil)
		switch p.Resource {
		case kmsg.ACLResourceTypeGroup:
			given, err = a.groupAllows(ctx, p)
		case kmsg.ACLResourceTypeTransactionalId:
			given, err = a.idsAllow(ctx, p)
		default:
			if topic == math.MinInt32 {
				return nil, errors.New("the brokers do not tell what is allowed")
			}
			given = has(topic, p.Operation) || p.Operation == kmsg.ACLOperationCreate && has(cluster, p.Operation)
		}
		if err != nil {
			return nil, err
		}
		if !given {
			lacks = append(lacks, p)
		}
	}
	return lacks, nil
}

// has reads a bit field of operations; that nothing is known of them is the least number there is, and no operation.
func has(operations int32, operation kmsg.ACLOperation) bool {
	return operations != math.MinInt32 && operations>>uint(operation)&1 == 1
}

// clusterOperations asks for what is allowed on the cluster itself; 0: nothing, or nobody says.
func (a *access) clusterOperations(ctx context.Context) int32 {
	request := kmsg.NewPtrDescribeClusterRequest()
	request.IncludeClusterAuthorizedOperations = true
	response, err := request.RequestWith(ctx, a.client)
	if err != nil || response.ErrorCode != 0 || response.ClusterAuthorizedOperations == math.MinInt32 {
		return 0
	}
	return response.ClusterAuthorizedOperations
}

// groupAllows asks something of the group that must fail for another reason: for Read a heartbeat of a member that nobody
// knows, for Describe a description. What a group allows is not told of one that does not exist yet.
func (a *access) groupAllows(ctx context.Context, p Permission) (bool, error) {
	if p.Operation == kmsg.ACLOperationDescribe {
		request := kmsg.NewPtrDescribeGroupsRequest()
		request.Groups = []string{p.Name}
		response, err := request.RequestWith(ctx, a.client)
		if err == nil && len(response.Groups) == 1 {
			err = kerr.ErrorForCode(response.Groups[0].ErrorCode)
		}
		return permitted(err, kerr.GroupAuthorizationFailed)
	}
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.MemberID, request.Generation = p.Name, "accrue-config-check", -1
	response, err := request.RequestWith(ctx, a.client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	return permitted(err, kerr.GroupAuthorizationFailed)
}

// idsAllow asks to end a transaction of a producer that does not exist: for Write with a producer id that no broker ever gave,
// for Describe a description. An instance that runs under such an id does not notice. The instance's own ids are asked for,
// and one that no instance has: with permissions for single ids the instances that are gone could not be succeeded.
func (a *access) idsAllow(ctx context.Context, p Permission) (bool, error) {
	ids := []string{transactionalID(a.config.App, a.config.Instance, 0), transactionalID(a.config.App, "config-check", 0)}
	if !p.Prefixed {
		ids = []string{p.Name}
	}
	for _, id := range ids {
		var err error
		if p.Operation == kmsg.ACLOperationDescribe {
			request := kmsg.NewPtrDescribeTransactionsRequest()
			request.TransactionalIDs = []string{id}
			var response *kmsg.DescribeTransactionsResponse
			if response, err = request.RequestWith(ctx, a.client); err == nil && len(response.TransactionStates) == 1 {
				err = kerr.ErrorForCode(response.TransactionStates[0].ErrorCode)
			}
		} else {
			request := kmsg.NewPtrEndTxnRequest()
			request.TransactionalID, request.ProducerID, request.ProducerEpoch = id, math.MaxInt64, 0
			var response *kmsg.EndTxnResponse
			if response, err = request.RequestWith(ctx, a.client); err == nil {
				err = kerr.ErrorForCode(response.ErrorCode)
			}
		}
		if given, err := permitted(err, kerr.TransactionalIDAuthorizationFailed); !given || err != nil {
			return given, err
		}
	}
	return true, nil
}

// permitted reads an answer. A broker looks at permissions first: any other refusal says that they are given.
func permitted(err, refusal error) (bool, error) {
	var broker *kerr.Error
	switch {
	case errors.Is(err, refusal):
		return false, nil
	case err == nil, errors.As(err, &broker) && !broker.Retriable:
		return true, nil
	}
	return false, err
}

// checkRegistry looks the schemas up, as the engine does at its start.
func (a *access) checkRegistry(ctx context.Context) error {
	registry, err := a.config.Registry.Open()
	if err != nil {
		return err
	}
	subjects := a.config.SubjectsOf(a.job)
	var missing []string
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		_, found, err := registry.LookUp(ctx, subject, subjects[subject].SchemaText())
		if err != nil {
			a.wrong(adviceFor(err, "registry"), "the schema registry %s cannot be used: %v", a.config.Registry.URL, err)
			return nil
		}
		if !found {
			missing = append(missing, subject)
		}
	}
	a.fine("schema registry %s reached, %d of %s are there", a.config.Registry.URL, len(subjects)-len(missing), count(len(subjects), "schema"))
	switch {
	case len(missing) > 0 && a.job == JobRun:
		a.wrong("run accrue topics apply with this configuration", "the schemas of this version are not registered for %s", strings.Join(missing, ", "))
	case a.job == JobTopics:
		a.note("", "whether its user may register schemas shows only when it does")
	}
	return nil
}
