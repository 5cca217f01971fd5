package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/deploy/kafka/kafkatest"
	"accrue/processor"
	"accrue/rules"
	"accrue/state"
)

// All members want points of one budget that is not enough for them, a tenth of the orders is taken back, and engines are killed with
// -9 all the while. In the end the budget is given to the last point, and not one more: what came back went to those who
// had been refused.
//
//	go test ./cmd/accrue/e2e -run TestBudgetToTheLastPoint -trial -timeout 60m
//
// runs it with four engines, sixteen shards, three brokers and 200,000 orders.
func TestBudgetToTheLastPoint(t *testing.T) {
	budget, orders, members, rounds, patience := int64(100_003), 12_000, 3_000, 5, 2*time.Minute
	kafka, names, replicas, partitions := shared.kafka, []string{"a", "b", "c"}, 1, shards
	if shared.trial {
		budget, orders, members, rounds, patience = 1_000_003, 200_000, 20_000, 12, 20*time.Minute
		kafka, names, replicas, partitions = kafkatest.Start(t, 3), []string{"a", "b", "c", "d"}, 3, 16
	}
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 3))
	s := newStageOn(t, kafka, replicas, "budget", fmt.Sprintf(`programme: shop
currency: EUR
time_zone: Europe/Berlin
rules:
  - {id: launch, on: order, earn: {points: 1, per: 1.00}, budget: {points: %d, queue: true}}
`, budget))
	s.shards = partitions
	var engines []*engine
	for i, name := range names {
		lanes, more := 1, ""
		if i == 0 {
			lanes, more = 2, "state: {flush_every: 1s}\n"
		}
		engines = append(engines, s.engine(name, lanes, more))
	}
	s.accrue("", "topics", "apply", "--config", engines[0].config)
	w := s.wallet()
	for _, e := range engines {
		e.start()
	}
	lines, wanted := budgetOrders(random, orders, members)
	if wanted < 2*budget {
		t.Fatalf("%d points are wanted in all, too few for a budget of %d", wanted, budget)
	}
	for round := range rounds {
		part := lines[len(lines)*round/rounds : len(lines)*(round+1)/rounds]
		sending := make(chan error, 1)
		go func() { sending <- s.send(engines[0].config, part) }()
		victim := engines[random.IntN(len(engines))]
		w.awaitMoment(random)
		victim.kill()
		if random.IntN(3) == 0 {
			victim.wipe()
		}
		w.awaitMoment(random)
		victim.start()
		if err := <-sending; err != nil {
			t.Fatal(err)
		}
	}
	w.awaitAnswers(patience)
	s.await("the budget is given to the last point", patience, func() string {
		w.read()
		given := int64(0)
		for grant, sum := range w.grants {
			if strings.HasSuffix(grant, " by launch") {
				given += sum[0] + sum[1]
			}
		}
		return problem(nil, given != budget, "%d of %d are", given, budget)
	})
	s.awaitReady(engines...)
	for _, e := range engines {
		e.stop()
	}
	for id, n := range w.entries {
		if n != 1 {
			t.Errorf("entry %s stands there %d times", id, n)
		}
	}
	for _, e := range engines {
		s.accrue("", "state", "verify", "--config", e.config)
	}
	s.checkLeases(budget)
}

// checkLeases reads all that was ever committed of a budget's owner and of its leases: at no instant has the owner lent more than there is,
// nor a shard granted more than it had.
func (s *stage) checkLeases(budget int64) {
	s.t.Helper()
	topic := processor.InternalTopic(s.app, "state")
	ends, err := kadm.NewClient(s.client).ListCommittedOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Bootstrap()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	owners, leases := 0, 0
	s.await("the changelog is read", 2*time.Minute, func() string {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() || len(r.Value) == 0 {
				return
			}
			_, key, err := state.DecodeKey(r.Key)
			if err != nil {
				s.t.Fatal(err)
			}
			row, err := rules.DescribeRow(key, r.Value)
			switch {
			case err != nil:
				s.t.Fatalf("%s/%d@%d: %v", topic, r.Partition, r.Offset, err)
			case row.Budget != nil:
				owners++
				out := int64(0)
				for _, l := range row.Budget.Leases {
					if out += l.Given - l.Returned; l.Returned > l.Given {
						s.t.Errorf("at offset %d a lease gave back more than it got: %+v", r.Offset, l)
					}
				}
				if row.Budget.Size != budget || row.Budget.Left < 0 || out+row.Budget.Left != budget {
					s.t.Errorf("at offset %d of %d points %d are out and %d left", r.Offset, row.Budget.Size, out, row.Budget.Left)
				}
			case row.Lease != nil:
				leases++
				if row.Lease.Free < 0 || row.Lease.Free > row.Lease.Got-row.Lease.Returned {
					s.t.Errorf("at offset %d a lease has %d free of %d that it got, less %d", r.Offset, row.Lease.Free, row.Lease.Got, row.Lease.Returned)
				}
			}
		})
		return problem(nil, len(left) > 0, "%d partitions are left", len(left))
	})
	if owners == 0 || leases == 0 {
		s.t.Errorf("%d states of the owner and %d of leases were committed", owners, leases)
	}
	s.t.Logf("%d committed states of the owner and %d of leases are right", owners, leases)
}

// budgetOrders are orders of many members, of which a tenth is refunded soon after, and the whole points that are wanted in the end.
func budgetOrders(random *rand.Rand, orders, members int) (lines []string, wanted int64) {
	begin := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	const order = `{"topic":"commerce.orders","value":{"event_id":%q,"order_id":%q,"member_id":%q,"status":%q,"occurred_at":%q,"currency":"EUR"%s}}`
	for i := range orders {
		id, member, at := fmt.Sprint("o", i), fmt.Sprint("m", random.IntN(members)), begin.Add(time.Duration(i)*10*time.Millisecond)
		euros := int64(5 + random.IntN(50))
		lines = append(lines, fmt.Sprintf(order, id, id, member, "PAID", at.Format(time.RFC3339Nano),
			fmt.Sprintf(`,"lines":[{"line_id":"1","sku":"s","quantity":1,"amount":%d}]`, 100*euros)))
		if random.IntN(10) == 0 {
			lines = append(lines, fmt.Sprintf(order, "r"+id, id, member, "REFUNDED", at.Add(5*time.Millisecond).Format(time.RFC3339Nano), ""))
		} else {
			wanted += euros
		}
	}
	return lines, wanted
}
