package processor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// doomed is the network of a process that dies at one of the requests with which it changes something: before the broker has it, or once
// the broker has answered, which the process does not hear any more.
type doomed struct {
	*cable
	die      context.CancelFunc
	at       int  // the number of the request, from 1 on; 0: it lives
	answered bool // it dies at the answer

	mu   sync.Mutex
	seen int
	keys []kmsg.Key // of the requests
}

var errDead = errors.New("the process is dead")

// changes says whether a request changes something at the broker.
func changes(key kmsg.Key) bool {
	return slices.Contains([]kmsg.Key{kmsg.CreatePartitions, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn}, key)
}

func (d *doomed) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.cable.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &doomedConn{Conn: conn, d: d}, nil
}

type doomedConn struct {
	net.Conn
	d *doomed

	mu   sync.Mutex
	last bool // what is read next is not heard any more
}

// Write is called by kgo with one whole request.
func (c *doomedConn) Write(request []byte) (int, error) {
	if key := kmsg.Key(binary.BigEndian.Uint16(request[4:])); changes(key) {
		c.d.mu.Lock()
		c.d.seen++
		c.d.keys = append(c.d.keys, key)
		now := c.d.seen == c.d.at
		c.d.mu.Unlock()
		if now && !c.d.answered {
			return 0, c.d.end()
		}
		if now {
			c.mu.Lock()
			c.last = true
			c.mu.Unlock()
		}
	}
	return c.Conn.Write(request)
}

func (c *doomedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last {
		return 0, c.d.end()
	}
	return n, err
}

func (d *doomed) end() error {
	d.cut()
	d.die()
	return errDead
}

// reshard runs the command once as a process of its own, and returns when it has ended or died.
func (s *shop) reshard(shards int32, at int, answered bool) (died bool, requests []kmsg.Key, err error) {
	s.t.Helper()
	store, err := state.Open("state", state.Identity{App: testApp}, state.Options{FS: vfs.NewMem(), MemoryBytes: 8 << 20})
	fatal(s.t, err)
	ctx, cancel := context.WithCancel(s.t.Context())
	d := &doomed{cable: newCable(), die: cancel, at: at, answered: answered}
	r := &Reshard{
		App: testApp, Shards: shards, Topics: s.topics, Decoder: schemas.NewDecoder(s.registry), Empty: store,
		Connect: func(_ context.Context, more ...kgo.Opt) (*kgo.Client, error) {
			options := []kgo.Opt{kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.Dialer(d.dial), kgo.MetadataMinAge(20 * time.Millisecond)}
			if len(more) > 0 { // the transaction's: as few requests as can be, however slow this machine is
				options = append(options, kgo.ProducerLinger(time.Minute))
			}
			client, err := kgo.NewClient(append(options, more...)...)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, client.Close) // a record that may have been sent is given up by nothing else
			return client, client.Ping(ctx)
		},
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Run(ctx)
		ended <- errors.Join(err, store.Close()) //nolint:contextcheck // closing waits for nothing
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		// What is left of it can reach nobody. It is waited for, so that nothing outlives the test.
		s.t.Cleanup(func() { s.t.Logf("what was left of it ended with: %v", <-ended) })
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	died = ctx.Err() != nil
	cancel()
	return died, d.keys, err
}

// rowsByShard folds all changelogs: shards by row.
func (s *shop) rowsByShard() map[string][]int32 {
	s.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...)) // one that has no old metadata
	fatal(s.t, err)
	defer reader.Close()
	found, err := partitionsOf(s.t.Context(), reader, s.topics.State)
	fatal(s.t, err)
	rows := map[string][]int32{}
	for shard := range found[s.topics.State] {
		last := map[string][]byte{}
		fatal(s.t, FoldChangelog(s.t.Context(), reader, testApp, shard, func(records []state.Record, _ state.Position) error {
			for _, r := range records {
				if last[string(r.Key)] = bytes.Clone(r.Value); r.Value == nil {
					delete(last, string(r.Key))
				}
			}
			return nil
		}))
		for key, value := range last {
			row := key + "\x00=\x00" + string(value)
			rows[row] = append(rows[row], shard)
		}
	}
	return rows
}

// home demands that all rows lie where an app with so many shards looks for them, and says where they do not.
func (s *shop) atHome(rows map[string][]int32, shards int32) (why string) {
	for row, in := range rows {
		key, _, _ := strings.Cut(row, "\x00=\x00")
		member, _, err := state.DecodeKey([]byte(key))
		fatal(s.t, err)
		homes, err := homesOf(member, shards)
		fatal(s.t, err)
		if key, is := state.KeyOf(member); is && key == rules.ErasuresKey {
			continue // it is in all shards in which somebody was erased, and after a change in all
		}
		if !slices.Equal(in, homes) {
			return fmt.Sprintf("a row of %q lies in %v, with %d shards its home is %v", member, in, shards, homes)
		}
	}
	return ""
}

// forwarded puts an order among the effects that an engine that is stopped had forwarded and not taken in.
func (s *shop) forwarded(member string, shards int32, value []byte) {
	s.t.Helper()
	source := schemas.Source{Topic: schemas.TopicOrders, Partition: 0, Offset: int64(1_000_000 + len(s.sent))}
	var order *schemas.Order
	if value == nil {
		order = &schemas.Order{
			EventID: s.id("w"), OrderID: s.id("order-w"), MemberID: member, Status: schemas.Paid, OccurredAt: s.started.Add(23 * time.Hour), Currency: "EUR",
			Lines: []schemas.Line{{LineID: "1", SKU: "a", Quantity: 1, Amount: 1200}},
		}
		var err error
		value, err = s.encoder.Append(nil, order)
		fatal(s.t, err)
		e, err := rules.NewEvent(order, source, time.Time{})
		fatal(s.t, err)
		s.events = append(s.events, e)
	}
	r := Record{Partition: Partition{Topic: schemas.TopicOrders}, Key: []byte("other"), Value: value}
	out := s.topics.forward(&r, &origin{source: source, seen: time.Now(), written: s.started}, Home(member, shards))
	record := &kgo.Record{Topic: out.Topic, Partition: out.Partition, Key: out.Key, Value: out.Value}
	for _, h := range out.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	fatal(s.t, s.writer.ProduceSync(s.t.Context(), record).FirstErr())
	s.sent = append(s.sent, source)
}

// C14: the change of the number of shards dies at every request with which it changes something, before the broker has it and after. Each
// time all rows are where they were or all are where they are to be, byte for byte, and the command, run again, ends the
// work. Requests that waited are taken in once, local stores go on, and a second run changes nothing.
func TestReshardDiesAnywhere(t *testing.T) {
	s := newShop(t, 4)
	s.trade(250)
	m := newMachine("a")
	e := s.run(m, func(o *Options) { o.Lanes = 2 })
	s.check(s.read())
	s.send(schemas.TopicCommands, "m3", &schemas.Command{EventID: "erase", MemberID: "m3", OccurredAt: s.started.Add(22 * time.Hour), Operator: "li", Reason: "asked", Kind: "ERASE"})
	s.check(s.read())
	e.end()
	for _, member := range []string{"m1", "m2", "m4", "m5", "m6", "m7"} {
		s.forwarded(member, testShards, nil)
	}
	s.forwarded("m8", testShards, []byte("rubbish"))
	before := s.rowsByShard()
	if why := s.atHome(before, testShards); why != "" || len(before) < 100 {
		t.Fatalf("%d rows to begin with: %s", len(before), why)
	}
	same := func(rows map[string][]int32) bool {
		return slices.Equal(slices.Sorted(maps.Keys(rows)), slices.Sorted(maps.Keys(before)))
	}
	shards, hit := int32(testShards), map[kmsg.Key]bool{}
	for _, answered := range []bool{false, true} {
		for at := 1; ; at++ {
			died, requests, err := s.reshard(shards+1, at, answered)
			rows := s.rowsByShard()
			if was, is := s.atHome(rows, shards), s.atHome(rows, shards+1); !same(rows) || was != "" && is != "" {
				t.Fatalf("dead at request %d (answered: %t) on the way to %d shards: %s; %s; the rows are the same: %t", at, answered, shards+1, was, is, same(rows))
			}
			if died {
				hit[requests[at-1]] = true
				_, _, err = s.reshard(shards+1, 0, false)
			}
			if err != nil {
				t.Fatalf("after a death at request %d (answered: %t) on the way to %d shards: %v", at, answered, shards+1, err)
			}
			shards++
			if rows := s.rowsByShard(); !same(rows) || s.atHome(rows, shards) != "" {
				t.Fatalf("with %d shards: %s; the rows are the same: %t", shards, s.atHome(rows, shards), same(rows))
			}
			if !died {
				break
			}
		}
	}
	for _, key := range []kmsg.Key{kmsg.CreatePartitions, kmsg.InitProducerID, kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		if !hit[key] {
			t.Errorf("it never died at %s", key.Name())
		}
	}
	if _, requests, err := s.reshard(shards, 0, false); err != nil || len(requests) > 0 {
		t.Errorf("once more: %v, with %v", err, requests)
	}
	t.Logf("%d shards in the end", shards)
	s.goesOn(m)
}

// goesOn starts the engine again, on the disk that it had and on an empty one.
func (s *shop) goesOn(had *machine) {
	s.t.Helper()
	for _, m := range []*machine{had.restarted(), newMachine("b")} {
		e := s.run(m, func(o *Options) { o.Lanes = 2 })
		s.trade(60)
		s.check(s.read())
		e.end()
	}
}

// The number of shards is not changed while somebody may write, nor to fewer, nor where nothing was begun to be kept; what is half done
// is finished first, by this command and by nobody else.
func TestReshardRefuses(t *testing.T) {
	s := newShop(t, 4)
	refuses := func(shards int32, want string) {
		t.Helper()
		_, requests, err := s.reshard(shards, 0, false)
		if err == nil || !strings.Contains(err.Error(), want) || slices.Contains(requests, kmsg.CreatePartitions) || slices.Contains(requests, kmsg.Produce) {
			t.Errorf("to %d shards: %v, after %v; want %q", shards, err, requests, want)
		}
	}
	refuses(6, "no instance of test was ever started: delete test-state and test-effects")
	e := s.run(newMachine("a"))
	s.trade(20)
	s.check(s.read())
	refuses(6, "1 lane of test in the group: stop all instances")
	e.end()
	refuses(3, "test has 4 shards, and there are never fewer")

	open, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.TransactionalID(transactionalID(testApp, "gone", 0)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	fatal(t, err)
	defer open.Close()
	fatal(t, open.BeginTransaction())
	fatal(t, open.ProduceSync(t.Context(), &kgo.Record{Topic: s.topics.State, Key: state.EncodeKey("m1", []byte("h")), Value: []byte("never")}).FirstErr())
	refuses(6, "a transaction is open, of "+transactionalID(testApp, "gone", 0))
	fatal(t, open.EndTransaction(t.Context(), kgo.TryAbort))

	if died, _, err := s.reshard(6, 2, false); !died {
		t.Fatalf("it has not died between the two topics: %v", err)
	}
	refuses(7, "to give test 6 shards was begun and is not finished")
	refuses(5, "to give test 6 shards was begun and is not finished")
	half := s.run(newMachine("a"))
	if err := <-half.done; err == nil || !strings.Contains(err.Error(), "run `accrue topics reshard --shards 6`") {
		t.Errorf("an instance starts on what is half done: %v", err)
	}
	if died, _, err := s.reshard(6, 4, false); !died {
		t.Fatalf("it has not died in the transaction: %v", err)
	}
	half = s.run(newMachine("a"))
	if err := <-half.done; err == nil || !strings.Contains(err.Error(), "run `accrue topics reshard --shards 6`") {
		t.Errorf("an instance starts where nothing is moved yet: %v", err)
	}
	_, _, err = s.reshard(6, 0, false)
	fatal(t, err)
}

// An instance that runs on a number of shards that the app had before ends, and says why.
func TestInstanceOfFewerShardsEnds(t *testing.T) {
	s := newShop(t, 4)
	e := s.run(newMachine("a"))
	s.trade(5)
	s.check(s.read())
	value, err := encodeApp(AppRecord{ID: testApp, Shards: testShards + 1, Formats: ourFormats()})
	fatal(t, err)
	s.appendControl(value)
	if err := <-e.done; err == nil || !strings.Contains(err.Error(), "app test has been given 5 shards while this instance ran with 4: start it again") {
		t.Errorf("it ended with %v", err)
	}
}
