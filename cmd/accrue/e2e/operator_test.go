package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What an operator does about a transaction that nobody ends, and about a store: real brokers list and end the first, and the
// second is what its changelog says. A dump of it, loaded under another name, is the same.
func TestOperatorsWaysOut(t *testing.T) {
	s := newStage(t, "operated", programme(t))
	e := s.engine("a", 1, "")
	s.accrue("", "topics", "apply", "--config", e.config)
	hanging, err := kgo.NewClient(kgo.SeedBrokers(shared.kafka.Bootstrap()...), kgo.TransactionalID("operated-b-0"), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	if err := hanging.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := hanging.ProduceSync(t.Context(), &kgo.Record{Topic: "operated-state", Key: []byte{1}, Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if out := s.accrue("", "txn", "list", "--config", e.config); !strings.Contains(out, "operated-b-0") || !strings.Contains(out, "gone") || !strings.Contains(out, "operated-state/") {
		t.Errorf("open transactions:\n%s", out)
	}
	s.accrue("", "txn", "abort", "operated-b-0", "--config", e.config)
	s.await("the transaction has ended", time.Minute, func() string {
		out, err := s.try("", "txn", "list", "--config", e.config)
		return problem(err, !strings.Contains(out, "no transaction is open"), "%s", out)
	})

	events := shopEvents(t, 1)
	w := s.wallet()
	e.start()
	if err := s.send(e.config, events); err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	e.stop()
	w.finish(sent, want)
	if out := s.accrue("", "state", "verify", "--config", e.config, "--data", e.data); !strings.Contains(out, " 0 differences") {
		t.Errorf("verify says:\n%s", out)
	}
	dump := s.accrue("", "state", "dump", "--config", e.config)
	copied := s.renamed(e.config, "copied")
	s.accrue("", "topics", "apply", "--config", copied)
	s.accrue(dump, "state", "load", "--config", copied)
	_, rows, _ := strings.Cut(dump, "\n")
	if _, got, _ := strings.Cut(s.accrue("", "state", "dump", "--config", copied), "\n"); got != rows {
		t.Errorf("the dump of what was loaded is another: %d bytes, %d were loaded", len(got), len(rows))
	}
}

// renamed is a configuration for an app of another name.
func (s *stage) renamed(config, app string) string {
	s.t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.t.TempDir(), "renamed.yaml")
	s.write(path, strings.Replace(string(text), "app: "+s.app, "app: "+app, 1))
	return path
}
