package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"accrue/schemas"
)

// shop is an embedded broker and registry with a configuration file for them.
type shop struct {
	config  string
	brokers []string
}

func startShop(t *testing.T) shop {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	config := filepath.Join(t.TempDir(), "accrue.yaml")
	text := fmt.Sprintf("app: shop\nkafka:\n  brokers: [%s]\nregistry:\n  url: %s\ntopics:\n  partitions: 4\n  replication_factor: 1\n",
		strings.Join(cluster.ListenAddrs(), ", "), registry.URL())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return shop{config: config, brokers: cluster.ListenAddrs()}
}

// accrue runs a command line with the shop's configuration.
func (s shop) accrue(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = run(ctx, append(args, "--config", s.config), strings.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs a command that has to succeed.
func (s shop) must(t *testing.T, in string, args ...string) string {
	t.Helper()
	code, out, errs := s.accrue(t, in, args...)
	if code != exitDone {
		t.Fatalf("accrue %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

const (
	orderLine   = `{"topic":"commerce.orders","key":"m1","value":{"event_id":"e1","order_id":"o1","member_id":"m1","status":"PAID","occurred_at":"2026-11-01T10:00:00Z","currency":"CNY","lines":[{"line_id":"1","sku":"s","quantity":1,"amount":1250}]}}`
	checkInLine = `{"topic":"engagement.check-ins","value":{"event_id":"e2","member_id":"m2","occurred_at":"2026-11-01T10:00:00Z"}}`
)

// What a person sends comes back as it was, each line from its own topic, under the member's key.
func TestSendAndTail(t *testing.T) {
	s := startShop(t)
	if out := s.must(t, "", "topics", "apply"); !strings.Contains(out, "done: make internal topic shop-state: 4 partitions") {
		t.Errorf("topics apply printed\n%s", out)
	}
	if out := s.must(t, "", "topics", "plan"); !strings.HasPrefix(out, "0 to do, ") {
		t.Errorf("a plan after apply is\n%s", out)
	}
	s.must(t, orderLine+"\n\n"+checkInLine+"\n", "send")

	out := s.must(t, "", "tail", "engagement.check-ins", "--until-end")
	if !strings.HasPrefix(out, `{"topic":"engagement.check-ins","key":"m2","value":{"event_id":"e2","member_id":"m2",`) {
		t.Errorf("tail of check-ins printed\n%s", out)
	}
	out = s.must(t, "", "tail", "commerce.orders", "--from", "beginning", "-n", "1")
	sent, err := schemas.ParseLine([]byte(orderLine))
	if err != nil {
		t.Fatal(err)
	}
	want, err := schemas.AppendLine(nil, sent.Topic, sent.Key, sent.Value)
	if err != nil {
		t.Fatal(err)
	}
	if out != string(want)+"\n" {
		t.Errorf("tail of orders printed\n%swant\n%s", out, want)
	}
	// Its own output is input again.
	s.must(t, out, "send", "commerce.orders")
	if again := s.must(t, "", "tail", "commerce.orders", "--until-end"); again != out+out {
		t.Errorf("after the line was sent again tail printed\n%s", again)
	}
}

// A wrong line stops the command; it is named, and so is what was sent before it.
func TestSendStopsAtAWrongLine(t *testing.T) {
	s := startShop(t)
	if code, _, errs := s.accrue(t, orderLine, "send"); code != exitFailed || !strings.Contains(errs, "is not registered for commerce.orders: run accrue topics apply") {
		t.Errorf("before topics apply: exit code %d, %s", code, errs)
	}
	s.must(t, "", "topics", "apply")
	misspelt := strings.Replace(orderLine, "order_id", "order_ld", 1)
	for _, tc := range []struct {
		in   string
		args []string
		code int
		want string
	}{
		{orderLine + "\n" + misspelt + "\n", []string{"send"}, exitUsage, `standard input:2: `},
		{orderLine + "\n" + misspelt + "\n", []string{"send"}, exitUsage, `the 1 records before it are sent: mend the line, then send the rest with tail -n +2`},
		{misspelt, []string{"send"}, exitUsage, `nothing was sent`},
		{checkInLine, []string{"send", "commerce.orders"}, exitUsage, `it is of topic engagement.check-ins, not commerce.orders`},
		{"", []string{"send", "orders"}, exitUsage, `"orders" is no topic of records; the configuration names commerce.orders,`},
		{"", []string{"send", "--in", "/none.jsonl"}, exitUsage, `no such file`},
		{"", []string{"send", "a", "b"}, exitUsage, `see accrue send --help`},
	} {
		code, _, errs := s.accrue(t, tc.in, tc.args...)
		if code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("accrue %s: exit code %d, want %d\n%s\nwant %s", strings.Join(tc.args, " "), code, tc.code, errs, tc.want)
		}
	}
	if out := s.must(t, "", "tail", "commerce.orders", "--until-end"); strings.Count(out, "\n") != 2 {
		t.Errorf("want the two good lines of the runs above, got\n%s", out)
	}
}

// Tail shows what is committed, dead letters with their reasons, and goes on past what is no record.
func TestTailOfOddRecords(t *testing.T) {
	s := startShop(t)
	s.must(t, "", "topics", "apply")
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.TransactionalID("odd"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	transact := func(end kgo.TransactionEndTry, records ...*kgo.Record) {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	letter := func(value string) *kgo.Record {
		return &kgo.Record{Topic: "rewards.dead-letters", Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "accrue.error", Value: []byte("not Avro")}}}
	}
	transact(kgo.TryCommit, letter("plain"), letter("\xff\x00"), &kgo.Record{Topic: "commerce.orders", Key: []byte("k"), Value: []byte("rubbish")})
	transact(kgo.TryAbort, letter("never"))

	out := s.must(t, "", "tail", "rewards.dead-letters", "--until-end")
	for _, want := range []string{`"value":{"headers":{"accrue.error":["not Avro"]},"text":"plain"}}`, `"base64":"/wA="`} {
		if !strings.Contains(out, want) {
			t.Errorf("tail printed\n%swant %s", out, want)
		}
	}
	if strings.Contains(out, "never") || strings.Count(out, "\n") != 2 {
		t.Errorf("tail printed what was aborted, or not all:\n%s", out)
	}
	code, _, errs := s.accrue(t, "", "tail", "commerce.orders", "--until-end")
	if code != exitFailed || !strings.Contains(errs, "offset 0 is no Order: ") || !strings.Contains(errs, "1 records could not be read") {
		t.Errorf("tail of rubbish: exit code %d\n%s", code, errs)
	}
	if _, err := kadm.NewClient(client).DeleteTopic(ctx, "rewards.notices"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"tail", "rewards.notices", "--until-end"}, exitFailed, "accrue topics apply makes the topics"},
		{[]string{"tail", "shop-state"}, exitUsage, `"shop-state" is no topic of records`},
		{[]string{"tail", "commerce.orders", "--from", "middle"}, exitUsage, `--from is beginning or end, not "middle"`},
		{[]string{"tail", "commerce.orders", "--from", "end", "--until-end"}, exitUsage, "leave nothing to print"},
		{[]string{"tail"}, exitUsage, "see accrue tail --help"},
	} {
		code, _, errs := s.accrue(t, "", tc.args...)
		if code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("accrue %s: exit code %d, want %d\n%s\nwant %s", strings.Join(tc.args, " "), code, tc.code, errs, tc.want)
		}
	}
}
