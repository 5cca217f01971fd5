package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Two instances decide while versions are published: one for later, with the command; one that is broken; and one that takes
// effect within the history that is sent. (No test can wait until a time that is ten minutes ahead, so that one is put on the topic
// with a time stamp of its day.) Both instances take the good ones and ignore the broken one, one of them is killed with -9 and
// reads the topic anew, and in the end grants and tiers are those of simulate with both versions, whatever came late.
func TestVersionsWhileRunning(t *testing.T) {
	random := rand.New(rand.NewPCG(shared.seed, 5))
	first := programme(t, "over: 12 months", "over: lifetime")
	s := newStage(t, "versions", first)
	a, b := s.engine("a", 1, ""), s.engine("b", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	events := shopEvents(t, 2)
	events = append(events, checkIns(events, 20)...)
	w := s.wallet()
	a.start()
	b.start()
	s.awaitReady(a, b)

	second := strings.Replace(first, "visit, on: check_in, earn: {points: 5}", "visit, on: check_in, earn: {points: 8}", 1)
	later := filepath.Join(t.TempDir(), "later.yaml")
	s.write(later, second+"  - {id: study, on: check_in, when: check_in.activity == \"study\", earn: {points: 1}}\n")
	in := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	out := s.accrue("", "rules", "publish", later, "--effective", in.Format(time.RFC3339), "--yes", "--config", a.config)
	for _, want := range []string{"changed: rule visit: earn.points was 5, becomes 8", "new: rule study: on check_in", "published: "} {
		if !strings.Contains(out, want) {
			t.Errorf("rules publish does not say %q:\n%s", want, out)
		}
	}
	s.append(t, `{"format":1,"programme":{"version":"broken@00000000","grammar":1,"effective":"2126-01-01T00:00:00Z","by":"nobody","files":[{"name":"p.yaml","content":"cnVsZXM6IFs="}]}}`, time.Time{})
	s.awaitMetric("accrue_programme_versions", 2, a, b)
	s.awaitMetric("accrue_programme_ignored_records", 1, a, b)

	// Half of the history, then the version of that day, then the rest and what is late.
	effective := time.Date(2011, 6, 1, 0, 0, 0, 0, time.UTC)
	var before, after []string
	for _, line := range events {
		if occurredAt(t, line).Before(effective) && random.IntN(5) > 0 {
			before = append(before, line)
		} else {
			after = append(after, line)
		}
	}
	sending := make(chan error, 1)
	go func() { sending <- s.send(a.config, disorder(before, random)) }()
	s.publishBackdated(second, effective)
	s.awaitMetric("accrue_programme_versions", 3, a, b)
	if err := <-sending; err != nil {
		t.Fatal(err)
	}
	go func() { sending <- s.send(a.config, disorder(after, random)) }()
	w.awaitMoment(random)
	b.kill()
	b.start()
	if err := <-sending; err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(2 * time.Minute)
	path := filepath.Join(t.TempDir(), "second.yaml")
	s.write(path, second)
	want := s.simulateWith(events, "--programme", s.programme, "--programme", path+"@"+effective.Format(time.RFC3339))
	if len(want.differences(s.simulate(events))) == 0 {
		t.Fatal("the second version changes nothing: the test shows nothing")
	}
	w.awaitStanding(want, time.Minute)
	s.awaitReady(a, b)
	s.awaitMetric("accrue_programme_versions", 3, a, b)
	list := s.accrue("", "rules", "list", "--config", b.config)
	for _, state := range []string{" past ", " in force ", " to come ", "ignored: the record at offset"} {
		if !strings.Contains(list, state) {
			t.Errorf("rules list does not say %q:\n%s", state, list)
		}
	}
	a.stop()
	b.stop()
	w.finish(sent, want)
}

func (s *stage) awaitMetric(name string, want float64, engines ...*engine) {
	s.t.Helper()
	for _, e := range engines {
		s.await(fmt.Sprintf("%s of instance %s is %v", name, e.name, want), time.Minute, func() string {
			if why := e.notReady(); why != "" {
				return why
			}
			n := e.metric(name)
			return problem(nil, n != want, "it is %v", n)
		})
	}
}

// append puts a record on the control topic.
func (s *stage) append(t testing.TB, value string, at time.Time) {
	t.Helper()
	record := &kgo.Record{Topic: s.app + "-control", Value: []byte(value), Timestamp: at}
	if err := s.client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// publishBackdated puts a version on the control topic as if a month before it takes effect. The topic has the broker's time
// otherwise; a broker hears of a topic's other settings a moment later.
func (s *stage) publishBackdated(text string, effective time.Time) {
	s.t.Helper()
	topic, creation := s.app+"-control", "CreateTime"
	changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &creation}}
	if answers, err := kadm.NewClient(s.client).AlterTopicConfigs(s.t.Context(), changes, topic); err != nil || answers[0].Err != nil {
		s.t.Fatal(err, answers)
	}
	sum := sha256.Sum256([]byte(text))
	id, _, _ := strings.Cut(strings.TrimPrefix(text[strings.Index(text, "programme: "):], "programme: "), "\n")
	record := fmt.Sprintf(`{"format":1,"programme":{"version":"%s@%s","grammar":1,"effective":%q,"by":"a test","files":[{"name":"p.yaml","content":%q}]}}`,
		id, hex.EncodeToString(sum[:4]), effective.Format(time.RFC3339), base64.StdEncoding.EncodeToString([]byte(text)))
	s.await("the version counts", time.Minute, func() string {
		s.append(s.t, record, effective.AddDate(0, -1, 0))
		list, err := s.try("", "rules", "list", "--config", s.engines[0].config)
		return problem(err, !strings.Contains(list, effective.Format(time.RFC3339)+"  in force"), "%s", list)
	})
}

func occurredAt(t *testing.T, line string) time.Time {
	t.Helper()
	_, rest, _ := strings.Cut(line, `"occurred_at":"`)
	text, _, _ := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
