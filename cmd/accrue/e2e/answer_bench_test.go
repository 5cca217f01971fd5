package e2e_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// BenchmarkAnswer is how long an event waits for its decision, at a steady rate: from the moment it was due to be sent until a
// read_committed reader holds the decision. Every other event is an order, which waits for the answer of its device's shard;
// the others are check-ins, which are decided as they are. What lies between the two in one run is the price of the question.
//
//	go test ./cmd/accrue/e2e -run xxx -bench Answer -benchtime 1x
func BenchmarkAnswer(b *testing.B) {
	for n := range b.N {
		timeAnswers(b, fmt.Sprint("answer", n))
	}
}

// What is sent, a second and in all, and how much of it comes first and is not measured.
const (
	answerRate = 2000
	answerWarm = 10 * answerRate
	answerAll  = 30 * answerRate
)

// timeAnswers is one run of an app of its own.
func timeAnswers(b *testing.B, app string) {
	b.Helper()
	s := newStage(b, app, `programme: shop
currency: EUR
time_zone: Europe/Berlin
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: visit, on: check_in, earn: {points: 5}}
fraud:
  - {id: shared-device, on: order, measure: distinct(member), by: device, within: 24h, over: 5, action: flag}
`)
	x, y := s.engine("x", 1, ""), s.engine("y", 1, "")
	s.accrue("", "topics", "apply", "--config", x.config)
	w := s.wallet()
	x.start()
	y.start()
	s.awaitReady(x, y)
	registry, err := schemas.NewRegistry(schemas.RegistryConfig{URLs: []string{shared.registry}})
	if err != nil {
		b.Fatal(err)
	}
	ids := map[schemas.Kind]int{}
	for topic, kind := range map[string]schemas.Kind{schemas.TopicOrders: schemas.KindOrder, schemas.TopicCheckIns: schemas.KindCheckIn} {
		if ids[kind], _, err = registry.LatestID(b.Context(), schemas.Subject(topic)); err != nil {
			b.Fatal(err)
		}
	}
	encoder := schemas.NewEncoder(ids)

	due, seen := w.timesOf(func() map[place]time.Time { return sendSteadily(b, s.client, encoder) })
	waited := map[string][]time.Duration{}
	for at, from := range due {
		if until, ok := seen[at]; ok {
			waited[at.topic] = append(waited[at.topic], until.Sub(from))
		}
	}
	for topic, name := range map[string]string{schemas.TopicOrders: "asked", schemas.TopicCheckIns: "not-asked"} {
		list := waited[topic]
		if len(list) == 0 {
			b.Fatalf("nothing of %s was decided", topic)
		}
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(list[len(list)*99/100].Microseconds())/1000, name+"-p99-ms")
		b.ReportMetric(float64(len(list)), name+"-events")
	}
}

// timesOf lets send run, and returns what it says and when the decision of each of those was read. It waits until all are, for half a
// minute at most.
func (w *wallet) timesOf(send func() map[place]time.Time) (due, seen map[place]time.Time) {
	seen = map[place]time.Time{}
	sent := make(chan map[place]time.Time, 1)
	go func() { sent <- send() }()
	missing := func() int {
		n := 0
		for at := range due {
			if _, is := seen[at]; !is {
				n++
			}
		}
		return n
	}
	var until time.Time
	for due == nil || missing() > 0 && time.Now().Before(until) {
		w.read()
		now := time.Now()
		for at := range w.answers {
			seen[at] = now
		}
		clear(w.answers)
		select {
		case due = <-sent:
			until = now.Add(30 * time.Second)
		default:
		}
	}
	return due, seen
}

// sendSteadily sends events, each when it is due, and returns when that was.
func sendSteadily(b *testing.B, client *kgo.Client, encoder *schemas.Encoder) map[place]time.Time {
	b.Helper()
	var mu sync.Mutex
	due := map[place]time.Time{}
	begin := time.Now()
	for i := range answerAll {
		at := begin.Add(time.Duration(i) * time.Second / answerRate)
		<-time.After(time.Until(at))
		topic, member, body := answerEvent(b, encoder, i, at)
		client.Produce(b.Context(), &kgo.Record{Topic: topic, Key: []byte(member), Value: body}, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Error(err)
			} else if i >= answerWarm {
				due[place{r.Topic, r.Partition, r.Offset}] = at
			}
		})
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Error(err) // this may be another goroutine than the benchmark's
	}
	return due
}

// answerEvent is the i-th event: an order, or a check-in.
func answerEvent(b *testing.B, encoder *schemas.Encoder, i int, at time.Time) (topic, member string, body []byte) {
	b.Helper()
	id, member := fmt.Sprint("e", i), fmt.Sprint("m", i%20_000)
	var value any = &schemas.CheckIn{EventID: id, MemberID: member, OccurredAt: at.UTC(), Activity: "check-in"}
	topic = schemas.TopicCheckIns
	if i%2 == 0 {
		topic = schemas.TopicOrders
		value = &schemas.Order{
			EventID: id, OrderID: "o" + id, MemberID: member, Status: schemas.Paid, OccurredAt: at.UTC(), Currency: "EUR", DeviceID: fmt.Sprint("d", i%19_000),
			Lines: []schemas.Line{{LineID: "1", SKU: "s", Quantity: 1, Amount: 1200}},
		}
	}
	body, err := encoder.Append(nil, value)
	if err != nil {
		b.Error(err)
	}
	return topic, member, body
}
