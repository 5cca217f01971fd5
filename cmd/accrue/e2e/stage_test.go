package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/deploy/kafka/kafkatest"
	"accrue/schemas"
)

// stage is one test's app on a cluster: topics, programme, configurations. Its topics are gone when the test ends.
type stage struct {
	t         testing.TB
	kafka     *kafkatest.Cluster
	replicas  int           // of the topics that the command makes
	shards    int           // and their partitions
	quiet     time.Duration // for how long what happened long ago keeps timers waiting
	app       string
	programme string
	client    *kgo.Client // for what no command does
	engines   []*engine
}

// shards is how many partitions all topics have that the command makes, if the test does not say.
const shards = 8

// newStage makes one on the shared broker.
func newStage(t testing.TB, app, programme string) *stage {
	t.Helper()
	return newStageOn(t, shared.kafka, 1, app, programme)
}

func newStageOn(t testing.TB, kafka *kafkatest.Cluster, replicas int, app, programme string) *stage {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Bootstrap()...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchMaxBytes(16<<20), kgo.MaxBufferedBytes(128<<20))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, kafka: kafka, replicas: replicas, shards: shards, quiet: time.Second, app: app, programme: filepath.Join(t.TempDir(), "programme.yaml"), client: client}
	t.Cleanup(s.strike)
	s.write(s.programme, programme)
	return s
}

// strike ends what the test started, and deletes its topics, so that the next test finds the default names free.
func (s *stage) strike() {
	for _, e := range s.engines {
		e.kill()
		if s.t.Failed() {
			s.t.Logf("the end of the log of instance %s:\n%s", e.name, e.logTail(60))
		}
	}
	defer s.client.Close()
	admin := kadm.NewClient(s.client)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		s.t.Errorf("looking for the topics of the test: %v", err)
		return
	}
	if _, err := admin.DeleteTopics(ctx, topics.Names()...); err != nil {
		s.t.Errorf("deleting the topics of the test: %v", err)
	}
	s.await("topics are deleted", time.Minute, func() string {
		left, err := admin.ListTopics(ctx)
		return problem(err, len(left) > 0, "%d topics are still there", len(left))
	})
}

func (s *stage) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// config writes the configuration of an instance. More is further YAML at its end.
func (s *stage) config(instance, data string, lanes int, more string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "accrue.yaml")
	s.write(path, fmt.Sprintf(`
app: %s
instance: %s
programme: %s
data: %s
lanes: %d
kafka:
  brokers: [%s]
registry:
  url: %s
topics:
  partitions: %d
  replication_factor: %d
timers:
  quiet: %s
http:
  listen: 127.0.0.1:0
%s`, s.app, instance, s.programme, data, lanes, strings.Join(s.kafka.Bootstrap(), ", "), shared.registry, s.shards, s.replicas, s.quiet, more))
	return path
}

// accrue runs a command with a configuration, and demands that it ends with 0.
func (s *stage) accrue(in string, args ...string) (out string) {
	s.t.Helper()
	out, err := s.try(in, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// try runs a command. It may be used from any goroutine.
func (s *stage) try(in string, args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.accrue, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("accrue %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// send sends lines with `accrue send`. It may be used from any goroutine.
func (s *stage) send(config string, lines []string) error {
	_, err := s.try(strings.Join(lines, "\n"), "send", "--config", config)
	return err
}

// sent lists the places of all records of the input topics.
func (s *stage) sent() map[place]bool {
	s.t.Helper()
	places := make(map[place]bool)
	var inputs []string
	for _, k := range schemas.Kinds() {
		if k.IsInput() {
			inputs = append(inputs, k.Topic())
		}
	}
	ends, err := kadm.NewClient(s.client).ListEndOffsets(s.t.Context(), inputs...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.t.Fatalf("looking for the ends of the inputs: %v", err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		for offset := range end.Offset {
			places[place{end.Topic, end.Partition, offset}] = true
		}
	})
	return places
}

// await looks again and again until what says that nothing is missing, and fails the test with what still is when it takes
// too long, or when an engine has ended that nobody ended.
func (s *stage) await(until string, atMost time.Duration, missing func() string) {
	s.t.Helper()
	deadline := time.After(atMost)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		why := missing()
		if why == "" {
			return
		}
		for _, e := range s.engines {
			if e.died() {
				s.t.Fatalf("while waiting until %s (%s): instance %s ended by itself, exit code %d", until, why, e.name, e.cmd.ProcessState.ExitCode())
			}
		}
		select {
		case <-look.C:
		case <-deadline:
			s.t.Fatalf("waited %s in vain until %s: %s", atMost, until, why)
		}
	}
}

// problem is the answer of a function for await.
func problem(err error, missing bool, format string, args ...any) string {
	switch {
	case err != nil:
		return err.Error()
	case missing:
		return fmt.Sprintf(format, args...)
	}
	return ""
}
