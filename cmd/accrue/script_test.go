package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/demo"
	"accrue/processor"
	"accrue/state"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"accrue": main})
}

// Every command as a person types it: what is right, misuse, bad input, help. The scripts in testdata are transcripts, and may
// be read as the manual. Beside testscript's own commands they have:
//
//	exits CODE COMMAND...   runs a command that ends with this exit code
//	broker DIR              the broker and registry of a demo's folder, without engine and shop, until the script ends
//	port VARIABLE           a port of this machine that is free
//	answers URL TEXT        waits until the page holds the text
//	hang CONFIG ID TOPIC    opens a transaction that writes to the topic and is left open
//	rubbish CONFIG TOPIC    writes a record to the topic that no schema reads
//	damage DATA APP         takes a member's head out of the store of an instance that is stopped
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Deadline:            time.Now().Add(3 * time.Minute), // a script that waits for what never comes is cut, and says where
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "broker": broker, "port": freePort, "answers": answers, "damage": damage, "hang": hang, "rubbish": rubbish,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Logf("%s%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func broker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: broker DIR")
	}
	ground, err := demo.Open(context.Background(), ts.MkAbs(args[0]), "", demoProgramme)
	ts.Check(err)
	ts.Defer(func() { ts.Check(ground.Close()) })
	ts.Check(ground.Configure())
}

func hang(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: hang CONFIG ID TOPIC")
	}
	c, err := processor.LoadConfig(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka.Brokers...), kgo.TransactionalID(args[1]), kgo.TransactionTimeout(5*time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ts.Check(err)
	ts.Defer(client.Close)
	ts.Check(client.BeginTransaction())
	ts.Check(client.ProduceSync(context.Background(), &kgo.Record{Topic: args[2], Partition: 1, Value: []byte("open")}).FirstErr())
}

func rubbish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rubbish CONFIG TOPIC")
	}
	c, err := processor.LoadConfig(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ts.Check(err)
	defer client.Close()
	ts.Check(client.ProduceSync(context.Background(), &kgo.Record{
		Topic: args[1], Partition: 1, Key: []byte("m1"), Value: []byte("rubbish\x00\x1b[31m"), Headers: []kgo.RecordHeader{{Key: "by", Value: []byte("till-3")}},
	}).FirstErr())
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage DATA APP")
	}
	store, err := state.Open(filepath.Join(ts.MkAbs(args[0]), "state"), state.Identity{App: args[1]}, state.Options{})
	ts.Check(err)
	shards, err := store.Shards()
	ts.Check(err)
	shard := store.Shard(shards[0])
	position, _, err := shard.Position()
	ts.Check(err)
	lost := state.NewOverlay()
	ts.Check(shard.Members(func(member string) bool {
		lost.Put(member, []byte("h"), nil)
		return false
	}))
	ts.Check(shard.Apply(lost, position))
	ts.Check(store.Close())
}

func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers URL TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		if last = page(ctx, args[0]); strings.Contains(last, args[1]) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s never held %q; last: %s", args[0], args[1], last)
		case <-tick.C:
		}
	}
}

func page(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Each command has a transcript that shows its help, and the help of each that does something has an example.
func TestEveryCommandHasATranscript(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var transcripts strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		transcripts.Write(text)
	}
	commands := []*cobra.Command{newRootCmd()}
	for len(commands) > 0 {
		cmd := commands[0]
		commands = append(commands[1:], cmd.Commands()...)
		if !strings.Contains(transcripts.String(), "exec "+cmd.CommandPath()+" --help\n") {
			t.Errorf("no transcript has: exec %s --help", cmd.CommandPath())
		}
		if cmd.Example == "" && !cmd.HasSubCommands() {
			t.Errorf("%s --help has no example", cmd.CommandPath())
		}
	}
}
