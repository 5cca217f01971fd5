package processor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/deploy/kafka/kafkatest"
	"accrue/schemas"
)

// What an event costs beside what Kafka's client alone costs, on one real broker in one run. Absolute figures say nothing;
// the ratio does.

// costShards is how many partitions all topics have.
const costShards = 8

// costs is what a run used and wrote.
type costs struct {
	cpu, took    time.Duration
	peak         int64 // bytes of memory that the process had at most
	transactions int
	records      int   // read
	outputs      int   // written, without the changelog
	rows         int   // written to the changelog
	bytes        int64 // of both
}

// measured runs f and returns what this process used for it.
func measured(b *testing.B, c *costs, f func()) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // sets the peak back
		b.Logf("the peak of memory is that of all runs: %v", err)
	}
	before, begun := cpuUsed(b), time.Now()
	f()
	c.cpu, c.took = cpuUsed(b)-before, time.Since(begun)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(rest, "%d kB", &c.peak); err != nil {
		b.Fatal(err)
	}
	c.peak <<= 10
}

func cpuUsed(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// costStage is a broker with the topics of an app, and events in them.
type costStage struct {
	b       *testing.B
	brokers []kgo.Opt
	admin   *kgo.Client
	topics  Topics
	events  int
}

func newCostStage(b *testing.B, app string, cluster *kafkatest.Cluster) *costStage {
	b.Helper()
	topics := DefaultTopics(app)
	topics.Inputs = map[string]schemas.Kind{app + "-orders": schemas.KindOrder, app + "-check-ins": schemas.KindCheckIn}
	for _, out := range []*string{&topics.PointGrants, &topics.TierChanges, &topics.Decisions, &topics.FraudAlerts, &topics.Notices, &topics.DeadLetters} {
		*out = app + "-" + *out
	}
	s := &costStage{b: b, brokers: []kgo.Opt{kgo.SeedBrokers(cluster.Bootstrap()...), kgo.ProducerBatchCompression(kgo.NoCompression())}, topics: topics}
	admin, err := kgo.NewClient(s.brokers...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(admin.Close)
	s.admin = admin
	forever := "-1" // the events are older than what a broker keeps by default
	made, err := kadm.NewClient(admin).CreateTopics(b.Context(), costShards, 1, map[string]*string{"retention.ms": &forever}, append(topics.Consumed(), topics.Produced()[:7]...)...)
	if err == nil {
		err = made.Error()
	}
	if err == nil {
		_, err = kadm.NewClient(admin).CreateTopic(b.Context(), 1, 1, nil, topics.Control)
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// load writes events of a shop.
func (s *costStage) load(members, events int) {
	source := newBenchEvents(members)
	writer, err := kgo.NewClient(append(s.brokers, kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(partitioner)))...)
	if err != nil {
		s.b.Fatal(err)
	}
	defer writer.Close()
	names := make(map[schemas.Kind]string)
	for name, kind := range s.topics.Inputs {
		names[kind] = name
	}
	for range events {
		_, member, value := source.next()
		kind, _ := schemas.KindOf(value)
		body, err := source.encoder.Append(nil, value)
		if err != nil {
			s.b.Fatal(err)
		}
		r := &kgo.Record{Topic: names[kind], Partition: Home(member, costShards), Key: []byte(member), Value: body, Timestamp: source.at}
		writer.Produce(s.b.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				s.b.Error(err)
			}
		})
	}
	if err := writer.Flush(s.b.Context()); err != nil {
		s.b.Fatal(err)
	}
	s.events = events
}

func (s *costStage) client(app, name string) *client {
	return newClient(clientOptions{
		base: s.brokers, admin: s.admin, group: app, name: name, siblings: []string{name}, shards: costShards, topics: s.topics,
		log: slog.New(slog.DiscardHandler), kafkaLog: newKgoLog(slog.New(slog.DiscardHandler)),
		balancer:       &balancer{effects: s.topics.Effects, instance: name, positions: func() map[int32]int64 { return nil }},
		sessionTimeout: 10 * time.Second, heartbeat: time.Second, rebalanceTimeout: time.Minute, transactionTimeout: 10 * time.Second,
		maxRecordBytes: 1_000_000,
	})
}

// reports hands on what an engine has committed.
type reports struct {
	nobody
	committed chan Report
}

func (r reports) Committed(report Report) { r.committed <- report }

func (c *costs) add(r Report) {
	c.transactions++
	c.records += r.Records
	c.rows += r.Rows
	c.bytes += r.Bytes
	for _, n := range r.Ledger.Decisions {
		c.outputs += n
	}
	for _, n := range r.Ledger.Entries {
		c.outputs += n
	}
}

// engine lets the engine decide all events.
func (s *costStage) engine(app string) costs {
	s.b.Helper()
	var c costs
	done := reports{committed: make(chan Report, 1000)}
	e, err := New(Options{
		App: app, Instance: "cost", DataDir: s.b.TempDir(), Topics: s.topics, Kafka: s.brokers, Programme: map[string][]byte{"bench.yaml": []byte(benchProgramme)},
		Decoder: schemas.NewDecoder(&testSchemas{}), Encoder: testEncoder(), Observer: done,
	})
	if err != nil {
		s.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.b.Context())
	defer cancel()
	ended := make(chan error, 1)
	measured(s.b, &c, func() {
		go func() { ended <- e.Run(ctx) }()
		for c.records < s.events {
			select {
			case report := <-done.committed:
				c.add(report)
			case err := <-ended:
				s.b.Fatalf("the engine ended: %v", err)
			}
		}
	})
	cancel()
	if err := <-ended; err != nil {
		s.b.Fatal(err)
	}
	return c
}

// passthrough reads all events with the engine's own client, and for each writes as many records and bytes as the engine did,
// in transactions of the same size: no rules, no state.
func (s *costStage) passthrough(app string, like costs) costs {
	s.b.Helper()
	var c costs
	size := like.bytes/int64(like.outputs+like.rows) - recordOverhead
	value := make([]byte, size)
	perTransaction := like.records/like.transactions + 1
	k := s.client(app, "passthrough")
	next := make(map[Partition]int64)
	var inTransaction, outputs, rows int
	ending := false
	take := func(e Event) {
		switch e := e.(type) {
		case Opened:
			if e.Err != nil {
				s.b.Fatal(e.Err)
			}
			k.Join()
		case Offsets:
			var parts []Partition
			for p := range e.Parts {
				parts = append(parts, p)
			}
			k.Resume(parts)
		case Records:
			var out []Output
			for i := range e {
				next[e[i].Partition] = e[i].Offset + 1
				if e[i].Control {
					continue
				}
				c.records++
				inTransaction++
				for ; outputs*like.records < c.records*like.outputs; outputs++ {
					out = append(out, Output{Topic: s.topics.PointGrants, Partition: ByKey, Key: e[i].Key, Value: value})
				}
				for ; rows*like.records < c.records*like.rows; rows++ {
					out = append(out, Output{Topic: s.topics.State, Partition: e[i].Partition.Partition, Key: e[i].Key, Value: value})
				}
			}
			k.Produce(out)
		case Flushed:
			if e.Err != nil {
				s.b.Fatal(e.Err)
			}
			offsets := make(map[Partition]Committed, len(next))
			for p, offset := range next {
				offsets[p] = Committed{Offset: offset}
			}
			k.Commit(Commit{Offsets: offsets})
		case Ended:
			if e.Outcome != OutcomeCommitted {
				s.b.Fatalf("a transaction ended %s: %v", e.Outcome, e.Err)
			}
			c.transactions++
			ending, inTransaction = false, 0
		}
	}
	measured(s.b, &c, func() {
		k.Open()
		for c.records < s.events || ending {
			most := 500
			if ending {
				most = 0
			}
			for _, e := range k.Poll(s.b.Context(), 100*time.Millisecond, most) {
				take(e)
			}
			if !ending && (inTransaction >= perTransaction || inTransaction > 0 && c.records == s.events) {
				ending = true
				k.Flush()
			}
		}
	})
	k.Close(s.b.Context())
	return c
}

// BenchmarkCost sets the engine beside passthrough.
func BenchmarkCost(b *testing.B) {
	cluster := kafkatest.Start(b, 1)
	const events = 200_000
	for _, facts := range []int{1, 10, 1_000, 40_000} { // of a member, on average; 50,000 are kept at most
		b.Run(fmt.Sprintf("facts=%d", facts), func(b *testing.B) {
			for n := range b.N {
				app := fmt.Sprintf("cost%d-%d-%d", facts, b.N, n)
				s := newCostStage(b, app, cluster)
				s.load(events/facts, events)
				engine := s.engine(app)
				bound := s.passthrough(app+"-bound", engine)
				million := func(d time.Duration) float64 { return d.Seconds() * 1e6 / events }
				b.ReportMetric(million(engine.cpu), "engine-cpu-s/M")
				b.ReportMetric(million(bound.cpu), "passthrough-cpu-s/M")
				b.ReportMetric(engine.cpu.Seconds()/bound.cpu.Seconds(), "ratio")
				b.ReportMetric(float64(engine.outputs)/events, "outputs/event")
				b.ReportMetric(float64(engine.rows)/events, "rows/event")
				b.ReportMetric(float64(engine.bytes)/events, "B/event")
				b.ReportMetric(float64(engine.peak>>20), "engine-peak-MiB")
				b.ReportMetric(float64(bound.peak>>20), "passthrough-peak-MiB")
				b.ReportMetric(events/engine.took.Seconds(), "events/s")
			}
		})
	}
}
