package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// prepare looks at the cluster before the first record is read: its version, the topics, and what a process of the same name
// left behind. Brokers that do not answer are waited for; what is wrong with the cluster is an error that says what to do.
func (e *Engine) prepare(ctx context.Context) error {
	e.setPhase(waitingForBrokers)
	pause := retryPause
	var said quiet
	for tries := 1; ; tries++ {
		err := e.look(ctx)
		var wrong *setupError
		if errors.As(err, &wrong) && wrong.mayPass && tries < setupTries {
			wrong = nil
		}
		if err == nil || wrong != nil || classify(err) == RemedyStop || errors.Is(err, kerr.SaslAuthenticationFailed) {
			return err // a password that never worked is said at once
		}
		said.warn(e.o.Log, e.o.Now(), "waiting for the brokers", "err", err)
		e.setPhase(waitingForBrokers + ": " + err.Error())
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, retryPauseMax)
	}
}

// waitingForBrokers is how the phase begins in which they do not answer.
const waitingForBrokers = "waiting for the brokers"

// setupTries is how often something is looked at that may be right in a moment: a broker can hear late of a topic that was
// just made.
const setupTries = 5

// setupError is something that a person has to set right.
type setupError struct {
	text    string
	mayPass bool
}

func (e *setupError) Error() string { return e.text }

func (e *Engine) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
	defer cancel()
	if err := checkVersion(ctx, e.admin); err != nil {
		return err
	}
	if err := e.checkTopics(ctx); err != nil {
		return err
	}
	if err := e.programmes.load(ctx, e.shards); err != nil {
		return err
	}
	return e.succeed(ctx)
}

// checkVersion demands transactions of the second version (KIP-890): before it, a late request of a transaction that was
// aborted could become part of the next one.
func checkVersion(ctx context.Context, client *kgo.Client) error {
	const feature, needed = "transaction.version", 2
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "accrue", "1"
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("ask for the cluster's version: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == feature && f.MaxVersionLevel >= needed {
			return nil
		}
	}
	return &setupError{text: fmt.Sprintf("the cluster does not have %s %d, which exactly-once needs: use Kafka 4.0 or later, and raise it with `kafka-features.sh upgrade --feature %s=%d`",
		feature, needed, feature, needed)}
}

// checkTopics demands that all topics are there and that the internal ones have the same number of partitions: N.
func (e *Engine) checkTopics(ctx context.Context) error {
	t := e.o.Topics
	names := append(append(t.Consumed(), t.Produced()...), t.Control)
	slices.Sort(names)
	names = slices.Compact(names)
	details, err := e.adm.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list the topics: %w", err)
	}
	const apply = "run `accrue topics apply` with this configuration"
	var missing []string
	for _, name := range names {
		switch d := details[name]; {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition), d.Err == nil && len(d.Partitions) == 0:
			missing = append(missing, name)
		case d.Err != nil:
			return fmt.Errorf("look at topic %s: %w", name, d.Err)
		}
	}
	if len(missing) > 0 {
		return &setupError{fmt.Sprintf("topics are missing: %s: %s", strings.Join(missing, ", "), apply), true}
	}
	state, effects := len(details[t.State].Partitions), len(details[t.Effects].Partitions)
	if state != effects {
		return &setupError{fmt.Sprintf("%s has %d partitions and %s has %d, and both have one a shard: a change of the number of shards is not finished, run `accrue topics reshard --shards %d` with this configuration; "+
			"or delete the one that is wrong if it holds nothing, and %s", t.State, state, t.Effects, effects, max(state, effects), apply), true}
	}
	if n := len(details[t.Control].Partitions); n != 1 {
		return &setupError{text: fmt.Sprintf("%s has %d partitions and must have one, so that versions have an order: delete it if it holds nothing, and %s", t.Control, n, apply)}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shards = int32(state) // a broker's number
	return nil
}

// succeed makes the group forget the process that had this one's name before. It is gone: its data folder is locked by us.
// Else its shards would be waited for until its session times out.
func (e *Engine) succeed(ctx context.Context) error {
	members, err := groupMembers(ctx, e.adm, e.o.App)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at group %s: %w", e.o.App, err)
	}
	var gone []string
	for name, ids := range members {
		if e.isOurs(name) {
			gone = append(gone, ids...)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := leave(ctx, e.admin, e.o.App, gone); err != nil {
		return fmt.Errorf("leave group %s for the process before: %w", e.o.App, err)
	}
	e.o.Log.Info("members of the process before are taken out of the group", "members", len(gone))
	return nil
}

// isOurs says whether a client id is that of a lane of this instance, of however many it had.
func (e *Engine) isOurs(name string) bool {
	number, ok := strings.CutPrefix(name, e.o.App+"-"+e.o.Instance+"-")
	_, err := strconv.ParseUint(number, 10, 31)
	return ok && err == nil
}

// leave takes members out of a group.
func leave(ctx context.Context, client *kgo.Client, group string, ids []string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, id := range ids {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID, m.Reason = id, kmsg.StringPtr("its process is gone, the next one of its name is here")
		req.Members = append(req.Members, m)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, m := range resp.Members {
		if err := kerr.ErrorForCode(m.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownMemberID) {
			return err
		}
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}
