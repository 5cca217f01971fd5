package e2e_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// place is where an input record stands.
type place struct {
	topic     string
	partition int32
	offset    int64
}

// answer is what was said to one input record: a decision, or a dead letter, whose outcome is "buried".
type answer struct {
	outcome string
	reason  string
	raw     []byte // of a dead letter
}

const buried = "buried"

// sums are the three sums of a grant: available, pending, tier.
type sums [3]int64

// ledger is what a reader of the outputs knows.
type ledger struct {
	answers map[place][]answer
	entries map[string]int  // by entry id: how often it was seen
	grants  map[string]sums // by grant id, with its member and rule for people
	tiers   map[string]string
	changes map[string][]string // of tiers, by member: direction, what from, what to, when
}

func newLedger() *ledger {
	return &ledger{answers: map[place][]answer{}, entries: map[string]int{}, grants: map[string]sums{}, tiers: map[string]string{}, changes: map[string][]string{}}
}

// take adds a record of the outputs.
func (l *ledger) take(value any) {
	switch v := value.(type) {
	case *schemas.PointGrant:
		l.entries[v.EntryID]++
		name := v.GrantID + " of " + v.MemberID + " by " + v.RuleID
		sum := l.grants[name]
		l.grants[name] = sums{sum[0] + v.AvailableDelta, sum[1] + v.PendingDelta, sum[2] + v.TierDelta}
	case *schemas.TierChange:
		l.tiers[v.MemberID] = v.To
		change := fmt.Sprintf("%s from %s to %s at %s", v.Direction, v.From, v.To, v.EffectiveAt.Format(time.RFC3339))
		l.changes[v.MemberID] = append(l.changes[v.MemberID], change)
	case *schemas.Decision:
		at := place{v.Source.Topic, v.Source.Partition, v.Source.Offset}
		l.answers[at] = append(l.answers[at], answer{outcome: string(v.Outcome), reason: v.Reason})
	}
}

// simulate says what the ledger has to be after these events, now.
func (s *stage) simulate(lines []string) *ledger {
	s.t.Helper()
	return s.simulateWith(lines, "--programme", s.programme)
}

// simulateWith is simulate with the programme and its versions as flags.
func (s *stage) simulateWith(lines []string, programmes ...string) *ledger {
	s.t.Helper()
	args := append([]string{"simulate", "--as-of", time.Now().UTC().Format(time.RFC3339)}, programmes...)
	out := s.accrue(strings.Join(lines, "\n"), args...)
	l := newLedger()
	for line := range strings.Lines(out) {
		m, err := schemas.ParseLine([]byte(strings.TrimSpace(line)))
		if err != nil {
			s.t.Fatalf("simulate wrote %s: %v", line, err)
		}
		l.take(m.Value)
	}
	return l
}

// differences compares the standing of the two. What of a grant sums up to nothing is as if it were not there: an engine that
// saw a refund before its order wrote no grant at all.
func (l *ledger) differences(want *ledger) []string {
	var all []string
	for name := range union(l.grants, want.grants) {
		if l.grants[name] != want.grants[name] {
			all = append(all, fmt.Sprintf("grant %s: %v, want %v", name, l.grants[name], want.grants[name]))
		}
	}
	for member := range union(l.tiers, want.tiers) {
		if got, expected := cmp.Or(l.tiers[member], "member"), cmp.Or(want.tiers[member], "member"); got != expected {
			all = append(all, fmt.Sprintf("tier of %s: %s, want %s", member, got, expected))
		}
	}
	slices.Sort(all)
	return all
}

func union[V any](a, b map[string]V) map[string]V {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}

// wallet reads the outputs of a stage with read_committed, from the beginning on.
type wallet struct {
	*ledger
	stage   *stage
	client  *kgo.Client
	decoder *schemas.Decoder
	next    map[string]map[int32]int64 // topic, partition: the offset after the last that was seen
}

func outputs() []string {
	return []string{schemas.TopicDecisions, schemas.TopicPointGrants, schemas.TopicTierChanges, schemas.TopicDeadLetters}
}

func (s *stage) wallet() *wallet {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Bootstrap()...), kgo.ConsumeTopics(outputs()...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	registry, err := schemas.NewRegistry(schemas.RegistryConfig{URLs: []string{shared.registry}})
	if err != nil {
		s.t.Fatal(err)
	}
	w := &wallet{ledger: newLedger(), stage: s, client: client, decoder: schemas.NewDecoder(registry), next: map[string]map[int32]int64{}}
	for _, topic := range outputs() {
		w.next[topic] = map[int32]int64{}
	}
	return w
}

// read takes what there is, and waits a moment if there is nothing.
func (w *wallet) read() {
	w.stage.t.Helper()
	ctx, cancel := context.WithTimeout(w.stage.t.Context(), 100*time.Millisecond)
	defer cancel()
	fetches := w.client.PollFetches(ctx)
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) {
			w.stage.t.Fatalf("reading %s, partition %d: %v", failed.Topic, failed.Partition, failed.Err)
		}
	}
	fetches.EachRecord(func(r *kgo.Record) {
		w.next[r.Topic][r.Partition] = r.Offset + 1
		if r.Attrs.IsControl() {
			return
		}
		if r.Topic == schemas.TopicDeadLetters {
			w.bury(r)
			return
		}
		value, err := w.decoder.Decode(w.stage.t.Context(), schemas.DefaultTopics()[r.Topic], r.Value)
		if err != nil {
			w.stage.t.Fatalf("%s, partition %d, offset %d: %v", r.Topic, r.Partition, r.Offset, err)
		}
		w.take(value)
	})
}

// bury notes a dead letter under the place that its headers name. A note that one was sent again is none.
func (w *wallet) bury(r *kgo.Record) {
	w.stage.t.Helper()
	if letter, _, _ := processor.ParseLetter(r); letter == nil {
		return
	}
	headers := map[string]string{}
	for _, h := range slices.Backward(r.Headers) { // the engine's own stand first
		headers[h.Key] = string(h.Value)
	}
	partition, err := strconv.ParseInt(headers[processor.HeaderPartition], 10, 32)
	offset, err2 := strconv.ParseInt(headers[processor.HeaderOffset], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		w.stage.t.Fatalf("dead letter with the headers %v: %v", headers, err)
	}
	at := place{headers[processor.HeaderTopic], int32(partition), offset}
	w.answers[at] = append(w.answers[at], answer{buried, headers[processor.HeaderError], r.Value})
}

// awaitAnswers reads until every record of the inputs has an answer, and returns their places.
func (w *wallet) awaitAnswers(atMost time.Duration) map[place]bool {
	w.stage.t.Helper()
	sent := w.stage.sent()
	w.stage.await("every record is answered", atMost, func() string {
		w.read()
		if len(w.answers) >= len(sent) {
			return ""
		}
		return problem(nil, true, "%d of %d are; none for %v", len(w.answers), len(sent), w.unanswered(sent))
	})
	return sent
}

// awaitPoints reads until members have so many points that can be spent, in the order of names: "m0 10, m1 10".
func (w *wallet) awaitPoints(want string, atMost time.Duration) {
	w.stage.t.Helper()
	w.stage.await("members have "+want, atMost, func() string {
		w.read()
		points := map[string]int64{}
		for name, sum := range w.grants {
			_, rest, _ := strings.Cut(name, " of ")
			member, _, _ := strings.Cut(rest, " by ")
			points[member] += sum[0]
		}
		var told []string
		for _, member := range slices.Sorted(maps.Keys(points)) {
			told = append(told, fmt.Sprintf("%s %d", member, points[member]))
		}
		got := strings.Join(told, ", ")
		return problem(nil, got != want, "they have %s", got)
	})
}

// unanswered counts the records without an answer by partition.
func (w *wallet) unanswered(sent map[place]bool) map[string]int {
	counts := make(map[string]int)
	for at := range sent {
		if len(w.answers[at]) == 0 {
			counts[fmt.Sprintf("%s/%d", at.topic, at.partition)]++
		}
	}
	return counts
}

// awaitStanding reads until the ledger is what it has to be: then timers have also done their work.
func (w *wallet) awaitStanding(want *ledger, atMost time.Duration) {
	w.stage.t.Helper()
	w.stage.await("the ledger is that of simulate", atMost, func() string {
		w.read()
		all := w.differences(want)
		return problem(nil, len(all) > 0, "%d differences: %s", len(all), strings.Join(all[:min(len(all), 10)], "\n"))
	})
}

// finish reads all that there is, after the engines were stopped, and demands one answer to each record, each entry once, and
// the standing that simulate gives.
func (w *wallet) finish(sent map[place]bool, want *ledger) {
	t := w.stage.t
	t.Helper()
	ends, err := kadm.NewClient(w.stage.client).ListEndOffsets(t.Context(), outputs()...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatalf("looking for the ends of the outputs: %v", err)
	}
	w.stage.await("the outputs are read to their ends", time.Minute, func() string {
		w.read()
		behind := 0
		ends.Each(func(end kadm.ListedOffset) {
			if w.next[end.Topic][end.Partition] < end.Offset {
				behind++
			}
		})
		return problem(nil, behind > 0, "%d partitions are not (an open transaction of a process that is gone?)", behind)
	})
	for at := range sent {
		switch answers := w.answers[at]; {
		case len(answers) != 1:
			t.Errorf("%s/%d at %d has %d answers: %v", at.topic, at.partition, at.offset, len(answers), answers)
		case answers[0].reason == "":
			t.Errorf("%s/%d at %d is %s without a reason", at.topic, at.partition, at.offset, answers[0].outcome)
		}
	}
	for at, answers := range w.answers {
		if !sent[at] {
			t.Errorf("%s/%d at %d was answered and never sent: %v", at.topic, at.partition, at.offset, answers)
		}
	}
	for id, n := range w.entries {
		if n != 1 {
			t.Errorf("entry %s is there %d times", id, n)
		}
	}
	if all := w.differences(want); len(all) > 0 {
		t.Errorf("%d differences from what simulate says:\n%s", len(all), strings.Join(all[:min(len(all), 20)], "\n"))
	}
	t.Logf("%d records answered, %d entries of %d grants, %d members with a tier change", len(sent), len(w.entries), len(w.grants), len(w.tiers))
}
