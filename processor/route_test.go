package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"accrue/schemas"
	"accrue/state"
)

// A member's home is where Kafka's own clients put a record with the member as its key. franz-go's default partitioner is
// the witness.
func TestHomeIsWhereKafkaPutsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.String().Draw(t, "member")
		n := rapid.IntRange(1, 200).Draw(t, "shards")
		if member == "" {
			return // no key: any partition
		}
		theirs := kgo.StickyKeyPartitioner(nil).ForTopic("t").Partition(&kgo.Record{Key: []byte(member)}, n)
		if ours := Home(member, int32(n)); int(ours) != theirs { // small
			t.Fatalf("member %q of %d: %d, theirs %d", member, n, ours, theirs)
		}
	})
	// org.apache.kafka.common.utils.UtilsTest has these.
	for text, want := range map[string]uint32{"21": 0xffffffff - 973932308 + 1, "foobar": 0xffffffff - 790332482 + 1, "a-little-bit-long-string": 0xffffffff - 985981536 + 1} {
		if got := murmur2([]byte(text)); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", text, got, want)
		}
	}
}

// What is forwarded arrives with its place, its own headers and timestamp, and the time when it was first seen. What was forwarded
// by an engine that did not send the timestamp is taken with that of the record that it was forwarded in.
func TestForwardRoundTrip(t *testing.T) {
	topics := DefaultTopics("a")
	seen := time.UnixMilli(1_700_000_000_123).UTC()
	r := &Record{
		Partition: Partition{schemas.TopicOrders, 7}, Offset: 42, Key: []byte("k"), Value: []byte("v"), Timestamp: seen.Add(-time.Hour),
		Headers: []Header{{headerTopic, []byte("the producer's own")}},
	}
	o, err := topics.originOf(r, seen)
	if err != nil {
		t.Fatal(err)
	}
	out := topics.forward(r, &o, 3)
	back, err := topics.originOf(&Record{Partition: Partition{topics.Effects, 3}, Offset: 9, Headers: out.Headers}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := o
	want.forwarded = true
	if diff := cmp.Diff(want, back, cmp.AllowUnexported(origin{})); diff != "" || out.Partition != 3 || out.Topic != topics.Effects {
		t.Error(diff, out)
	}
	before := Record{Partition: Partition{topics.Effects, 3}, Timestamp: seen, Headers: slices.Delete(slices.Clone(out.Headers), 4, 5)}
	want.written = seen
	if back, err = topics.originOf(&before, time.Time{}); err != nil || cmp.Diff(want, back, cmp.AllowUnexported(origin{})) != "" {
		t.Errorf("without a timestamp: %+v, %v", back, err)
	}
	for _, headers := range [][]Header{nil, out.Headers[1:], {{headerTopic, nil}, {headerPartition, []byte("x")}, {headerOffset, nil}, {headerSeen, nil}}, append(slices.Clone(out.Headers[:4]), Header{headerWritten, nil})} {
		if _, err := topics.originOf(&Record{Partition: Partition{topics.Effects, 3}, Headers: headers}, seen); err == nil {
			t.Errorf("headers %v are taken for good", headers)
		}
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	m := metadata{Position: 812, Writer: "app-i-0", ClusterID: "c", TopicID: "t"}
	got, there, err := parseMetadata(m.String())
	if err != nil || !there || got != m {
		t.Errorf("%v, %v, %v", got, there, err)
	}
	if _, there, err := parseMetadata(""); there || err != nil {
		t.Errorf("nothing is there: %v, %v", there, err)
	}
	for _, bad := range []string{"accrue/2 1 a b c", "accrue/1 -1 a b c", "accrue/1 x a b c", "accrue/1 1 a b", "something else"} {
		if _, _, err := parseMetadata(bad); err == nil {
			t.Errorf("%q is taken for good", bad)
		}
	}
}

// A dead letter always fits: one that would not keeps the beginning, and what is needed to find the rest.
func TestDeadLetterFits(t *testing.T) {
	r := &Record{
		Partition: Partition{schemas.TopicOrders, 1}, Offset: 5, Key: []byte(strings.Repeat("k", 100_000)), Value: []byte(strings.Repeat("v", 900_000)),
		Headers: []Header{{"own", []byte(strings.Repeat("h", 100_000))}},
	}
	o := &origin{source: schemas.Source{Topic: schemas.TopicOrders, Partition: 1, Offset: 5}, headers: r.Headers}
	why := fmt.Errorf("outer: %w", errors.New(strings.Repeat("ä", 10_000)))
	letter := deadLetter("dlq", r, o, BuriedTooLarge, why, 1_000_000)
	headers := map[string]string{}
	for _, h := range letter.Headers {
		headers[h.Key] = string(h.Value)
	}
	if n := letter.bytes(); n > 1_000_000 || n < deadLetterPrefix {
		t.Errorf("%d bytes", n)
	}
	if headers[HeaderBytes] != "900000" || len(headers[HeaderSHA256]) != 64 || headers[HeaderOffset] != "5" || headers[HeaderCause] == "" {
		t.Errorf("headers: %v", headers)
	}
	whole := deadLetter("dlq", &Record{Partition: r.Partition}, o, BuriedUnreadable, why, 1_000_000)
	if whole.Value == nil {
		t.Error("a dead letter is a tombstone")
	}
}

// A decision always fits, and says what was left out.
func TestDecisionFits(t *testing.T) {
	d := &schemas.Decision{Reason: "because"}
	for range 1000 {
		d.Verdicts = append(d.Verdicts, schemas.Verdict{Verdict: schemas.VerdictNothing, Reason: strings.Repeat("x", 100)})
	}
	d.Verdicts[3].Verdict = schemas.VerdictGranted
	encode := func(v any) ([]byte, error) {
		d, ok := v.(*schemas.Decision)
		if !ok {
			return nil, errors.New("no decision")
		}
		n := len(d.Reason)
		for _, verdict := range d.Verdicts {
			n += len(verdict.Reason)
		}
		return []byte(d.Reason + strings.Repeat(".", n-len(d.Reason))), nil
	}
	for limit, want := range map[int]string{1 << 20: "because", 500: "because (999 of 1000 verdicts left out", 90: "because (all 1000 verdicts left out"} {
		value, err := fitDecision(d, encode, limit)
		if err != nil || len(value) > limit || !strings.HasPrefix(string(value), want) {
			t.Errorf("limit %d: %d bytes %.60q, %v", limit, len(value), value, err)
		}
	}
	if len(d.Verdicts) != 1000 || d.Verdicts[3].Verdict != schemas.VerdictGranted {
		t.Error("the decision itself was changed")
	}
}

// What each error asks for is decided in one place, also when it is wrapped.
func TestClassify(t *testing.T) {
	for remedy, errs := range map[Remedy][]error{
		RemedyRetry:      {kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.ConcurrentTransactions, kerr.UnstableOffsetCommit},
		RemedyAbort:      {kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.TransactionAbortable, kerr.MessageTooLarge},
		RemedyDiscard:    {kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.UnknownServerError, kerr.SaslAuthenticationFailed, errors.New("connection reset")},
		RemedyDeadLetter: {&schemas.BadRecord{Reason: "x"}},
		RemedyReopen:     {state.ErrCorrupt, state.ErrFailed},
		RemedyStop:       {kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed, errUsedTwice},
	} {
		for _, err := range errs {
			if got := classify(fmt.Errorf("doing something: %w", err)); got != remedy {
				t.Errorf("%v: %s, want %s", err, got, remedy)
			}
		}
	}
}
