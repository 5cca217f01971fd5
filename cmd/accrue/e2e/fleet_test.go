package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/state"
)

const (
	// oldRows is how many changelog records a shard has before anything happens: too many to be read in a moment.
	oldRows = 30_000
	// sessionTimeout is the fleet's, shorter than the default, so that the test need not wait for long.
	sessionTimeout = 3 * time.Second
	// pauseAtMost is for how long a shard may be served by nobody: when it moves between living instances, and from the end of
	// a dead one's session on. A second is what is promised of a machine that has nothing else to do; this one compiles and
	// tests beside it.
	pauseAtMost = 2 * time.Second
)

// A fleet of two grows to three while records arrive, and loses one to kill -9. The third gets its part of the shards once it
// follows them closely, nothing else moves, and no transaction is aborted. The shards of the dead are served again about a second
// after its session timed out, by those who have next to nothing to read. Nothing is lost or decided twice.
func TestFleetGrowsAndLosesOne(t *testing.T) {
	t.Setenv("ACCRUE_KAFKA_SESSION_TIMEOUT", sessionTimeout.String())
	s := newStage(t, "fleet", programme(t, "over: 12 months", "over: lifetime"))
	a, b, c := s.engine("a", 1, ""), s.engine("b", 1, ""), s.engine("c", 1, "")
	s.accrue("", "topics", "apply", "--config", a.config)
	s.fillChangelog()
	w := s.wallet()
	a.start()
	b.start()
	s.awaitFleet(map[*engine]int{a: 4, b: 4})
	before := s.owners(a, b)

	sender := s.sendOn(a.config, shopEvents(t, 10))
	c.start()
	s.awaitFleet(map[*engine]int{a: 3, b: 3, c: 2})
	s.checkMoved(before, a, b, c)
	for _, e := range []*engine{a, b, c} {
		if n := e.metric("accrue_aborted_transactions_total"); n != 0 {
			t.Errorf("%v transactions of instance %s were aborted when another one joined", n, e.name)
		}
	}

	lost := s.owners(c)
	killed := time.Now()
	c.kill()
	s.awaitFleet(map[*engine]int{a: 4, b: 4})
	s.checkTakenOver(lost, killed, a, b)
	events := sender()
	sent := w.awaitAnswers(time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	for _, e := range []*engine{a, b} {
		if n := e.metric("accrue_aborted_transactions_total"); n != 0 {
			t.Errorf("%v transactions of instance %s, which lived on, were aborted", n, e.name)
		}
	}
	a.stop()
	b.stop()
	w.finish(sent, want)
}

// fillChangelog writes rows of members whom nobody trades with, as if they had been there for long.
func (s *stage) fillChangelog() {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.kafka.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	value := []byte(strings.Repeat("v", 100))
	for shard := range int32(shards) {
		for i := range oldRows {
			key := state.EncodeKey(fmt.Sprintf("old-%d-%d", shard, i), []byte("row"))
			client.Produce(s.t.Context(), &kgo.Record{Topic: s.app + "-state", Partition: shard, Key: key, Value: value}, nil)
		}
	}
	if err := client.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// sendOn sends the events in the background, some at a time, until the function that it returns is called: that returns
// those that were sent.
func (s *stage) sendOn(config string, events []string) (stop func() []string) {
	const some = 100
	ask, sent := make(chan struct{}), make(chan []string)
	go func() {
		defer close(sent)
		for n := 0; n < len(events); n += some {
			select {
			case <-ask:
				sent <- events[:n]
				return
			default:
			}
			if err := s.send(config, events[n:min(n+some, len(events))]); err != nil {
				s.t.Error(err)
				return
			}
		}
		sent <- events
	}()
	return func() []string {
		close(ask)
		return <-sent
	}
}

// awaitFleet waits until each of these instances serves so many shards and follows those of the others, one copy each.
func (s *stage) awaitFleet(serve map[*engine]int) {
	s.t.Helper()
	s.await("the shards are where they should be", time.Minute, func() string {
		copies, wrong := 0, []string{}
		for e, n := range serve {
			if why := e.notReady(); why != "" {
				return why
			}
			if got := int(e.metric(`accrue_shards{state="active"}`)); got != n {
				wrong = append(wrong, fmt.Sprintf("instance %s serves %d, not %d", e.name, got, n))
			}
			copies += int(e.metric(`accrue_shards{state="standby"}`))
		}
		return problem(nil, len(wrong) > 0 || copies != shards, "%v; %d are followed", wrong, copies)
	})
}

// logged is when a log says something of a shard for the last time.
func (e *engine) logged(message string) map[int32]time.Time {
	e.stage.t.Helper()
	text, err := os.ReadFile(e.log)
	if err != nil {
		e.stage.t.Fatal(err)
	}
	at := make(map[int32]time.Time)
	line := regexp.MustCompile(`(?m)^time=(\S+) level=INFO msg="` + message + `" .*shard=(\d+)`)
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		when, err := time.Parse(time.RFC3339Nano, m[1])
		shard, err2 := strconv.ParseInt(m[2], 10, 32)
		if err != nil || err2 != nil {
			e.stage.t.Fatal(err, err2)
		}
		at[int32(shard)] = when
	}
	return at
}

// owners tells from the logs who serves which shards. Which of two lines comes later the order of the lines says: a shard may be
// restored and released within a millisecond, which is as fine as their times are.
func (s *stage) owners(engines ...*engine) map[int32]*engine {
	s.t.Helper()
	owner := make(map[int32]*engine)
	line := regexp.MustCompile(`(?m)^time=\S+ level=INFO msg="shard (restored|released)" .*shard=(\d+)`)
	for _, e := range engines {
		text, err := os.ReadFile(e.log)
		if err != nil {
			s.t.Fatal(err)
		}
		serves := make(map[int32]bool)
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			shard, err := strconv.ParseInt(m[2], 10, 32)
			if err != nil {
				s.t.Fatal(err)
			}
			serves[int32(shard)] = m[1] == "restored"
		}
		for shard, is := range serves {
			if is {
				owner[shard] = e
			}
		}
	}
	return owner
}

// checkMoved demands that the joiner has two or three shards of eight, that it had followed them closely, that nothing else moved,
// and that none of them was served by nobody for long.
func (s *stage) checkMoved(before map[int32]*engine, a, b, c *engine) {
	s.t.Helper()
	after := s.owners(a, b, c)
	begun := c.logged("shard restored")
	var pauses []time.Duration
	for shard, owner := range after {
		switch {
		case owner == before[shard]:
		case owner != c:
			s.t.Errorf("shard %d moved from %s to %s", shard, before[shard].name, owner.name)
		default:
			pause := begun[shard].Sub(before[shard].logged("shard released")[shard])
			pauses = append(pauses, pause)
			if pause > pauseAtMost {
				s.t.Errorf("shard %d was served by nobody for %s when it moved", shard, pause)
			}
		}
	}
	for shard, r := range c.restorations() {
		if r.why != "followed so far: the tail" || r.records > 8192 {
			s.t.Errorf("shard %d was restored with %d records: %s", shard, r.records, r.why)
		}
	}
	s.t.Logf("grown from 2 to 3: %d of %d shards moved, each served by nobody for %v", len(pauses), shards, pauses)
	if len(pauses) < 2 || len(pauses) > 3 {
		s.t.Errorf("%d of %d shards moved", len(pauses), shards)
	}
}

// checkTakenOver demands that the shards of a dead instance were served again soon after its session timed out, and that their
// new owners had read nearly all of them before.
func (s *stage) checkTakenOver(lost map[int32]*engine, killed time.Time, rest ...*engine) {
	s.t.Helper()
	owner := s.owners(rest...)
	took := make(map[int32]time.Duration)
	records := make(map[int32]int64)
	for shard := range lost {
		e := owner[shard]
		if e == nil {
			s.t.Errorf("shard %d is served by nobody", shard)
			continue
		}
		took[shard] = e.logged("shard restored")[shard].Sub(killed)
		r := e.restorations()[shard]
		records[shard] = r.records
		// By its follower or, where that would have too many, by its owner of a moment ago.
		if r.records > 2000 {
			s.t.Errorf("shard %d was restored with %d records: %s", shard, r.records, r.why)
		}
	}
	s.t.Logf("kill -9: served again after %v, with a session timeout of %s; changelog records read: %v",
		slices.Sorted(maps.Values(took)), sessionTimeout, slices.Sorted(maps.Values(records)))
	for shard, d := range took {
		if d > sessionTimeout+pauseAtMost {
			s.t.Errorf("shard %d was served again %s after its owner was killed", shard, d)
		}
	}
}
