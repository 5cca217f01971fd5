package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"accrue/schemas"
)

// Records have no key, or another than their member, and the input topics have other numbers of partitions than the app: fewer
// and more. Each record is decided once, at its member's home, and the grants are those of simulate.
func TestWrongKeys(t *testing.T) {
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 2))
	s := newStage(t, "keys", programme(t))
	admin := kadm.NewClient(s.client)
	for topic, partitions := range map[string]int32{schemas.TopicOrders: 5, schemas.TopicCheckIns: 11} {
		if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	a, b := s.engine("a", 2, ""), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	topics, err := admin.ListTopics(t.Context(), schemas.TopicOrders, schemas.TopicCheckIns)
	if err != nil || len(topics[schemas.TopicOrders].Partitions) != 5 || len(topics[schemas.TopicCheckIns].Partitions) != 11 {
		t.Fatalf("topics apply changed the partitions of inputs that were there (or error %v)", err)
	}
	events := shopEvents(t, 2)
	events = append(events, checkIns(events, 5)...)
	var keyed []string
	for _, line := range disorder(events, random) {
		keyed = append(keyed, otherKey(t, line, random))
	}
	w := s.wallet()
	a.start()
	b.start()
	if err := s.send(a.config, keyed); err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(2 * time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.awaitReady(a, b)
	if forwarded := a.metric("accrue_forwarded_records_total") + b.metric("accrue_forwarded_records_total"); int(forwarded) < len(sent)/2 {
		t.Errorf("%v of %d records were forwarded: the test's keys are not what they should be", forwarded, len(sent))
	}
	a.stop()
	b.stop()
	w.finish(sent, want)
}

// otherKey gives a line an empty key, one of somebody else, or leaves it with the member's.
func otherKey(t *testing.T, line string, random *rand.Rand) string {
	t.Helper()
	var record struct {
		Topic string          `json:"topic"`
		Key   *string         `json:"key,omitempty"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Fatal(err)
	}
	switch key := ""; random.IntN(3) {
	case 0:
		record.Key = &key
	case 1:
		key = fmt.Sprintf("till-%d", random.IntN(1000))
		record.Key = &key
	}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
