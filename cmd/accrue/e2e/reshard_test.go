package e2e_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accrue/schemas"
)

// reshardProgramme is one whose members depend on each other in each of the ways there are: what `scarce` gives depends on who came first,
// all else on the events alone.
const reshardProgramme = `programme: shop
currency: EUR
time_zone: Europe/Berlin
return_window: 30 days
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: scarce, on: order, earn: {points: 1, per: 1.00}, budget: {points: %d, queue: true}}
  - {id: plenty, on: order, earn: {points: 2, per: 1.00}, budget: 100000000}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 100, referee: 50}}
fraud:
  - {id: shared-device, on: order, measure: distinct(member), by: device, within: 24h, over: 5, action: deny}
`

// An app with budgets, a rule on devices and invitations is stopped amid its work, gets 12 shards instead of 8 by a command that is
// killed with -9 on the way, and goes on: every record is answered once, what members have is what the same events give
// without Kafka, and the budget is given to the last point.
func TestReshard(t *testing.T) {
	const budget = 20_003
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 12))
	s := newStage(t, "reshard", fmt.Sprintf(reshardProgramme, budget))
	engines := []*engine{s.engine("a", 2, ""), s.engine("b", 1, "")}
	config := engines[0].config
	s.accrue("", "topics", "apply", "--config", config)
	w := s.wallet()
	for _, e := range engines {
		e.start()
	}
	b := &reshardShop{random: random, begin: time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)}
	sent := b.invites()
	sent = append(sent, b.onDevices("x")...)
	if err := s.send(config, sent); err != nil {
		t.Fatal(err)
	}
	w.awaitAnswers(2 * time.Minute)
	if out, err := s.try("", "topics", "reshard", "--config", config, "--shards", "12", "--yes"); err == nil || !strings.Contains(err.Error(), "stop all instances") {
		t.Fatalf("resharded while instances run: %s, %v", out, err)
	}
	amid := b.plain(1500)
	if err := s.send(config, amid); err != nil {
		t.Fatal(err)
	}
	sent = append(sent, amid...)
	for _, e := range engines {
		e.stop()
	}
	before := rowsOf(s.accrue("", "state", "dump", "--config", config))
	s.reshardKilled(config)
	t.Log(s.accrue("", "topics", "reshard", "--config", config, "--shards", "12", "--yes"))
	if diff := cmp.Diff(before, rowsOf(s.accrue("", "state", "dump", "--config", config))); diff != "" || len(before) < 1000 {
		t.Errorf("%d rows were held before; now (+) and before (-): %s", len(before), diff)
	}
	engines[1].wipe()
	for _, e := range engines {
		e.start()
	}
	after := append(append(b.onDevices("y"), b.friends()...), append(b.plain(1500), b.refunds()...)...)
	if err := s.send(config, after); err != nil {
		t.Fatal(err)
	}
	sent = append(sent, after...)
	places := w.awaitAnswers(2 * time.Minute)
	want := s.simulate(sent)
	s.await("what members have is what simulate says, and the budget is given", time.Minute, func() string {
		w.read()
		given := w.givenBy("scarce")
		all := w.differences(want)
		all = slices.DeleteFunc(all, func(d string) bool { return strings.Contains(d, " by scarce: ") })
		return problem(nil, len(all) > 0 || given != budget, "%d of %d given, %d differences: %s", given, budget, len(all), strings.Join(all[:min(len(all), 10)], "\n"))
	})
	for _, e := range engines {
		e.stop()
	}
	denied := 0
	for at := range places {
		if n := len(w.answers[at]); n != 1 || w.answers[at][0].outcome == buried {
			t.Errorf("%v has the answers %v", at, w.answers[at])
		} else if w.answers[at][0].outcome == string(schemas.OutcomeDenied) {
			denied++
		}
	}
	for at, answers := range w.answers {
		if !places[at] {
			t.Errorf("%v, which nobody sent, has the answers %v", at, answers) // such as a request that was in the wrong shard
		}
	}
	if denied != reshardDevices*sharers {
		t.Errorf("%d orders are denied, want those of the second party on each device: %d", denied, reshardDevices*sharers)
	}
	for id, n := range w.entries {
		if n != 1 {
			t.Errorf("entry %s stands there %d times", id, n)
		}
	}
	for _, e := range engines {
		s.accrue("", "state", "verify", "--config", e.config)
	}
	s.accrue("", "verify", "--config", config)
}

// reshardKilled runs the command and kills it with -9 once it has said that both topics have grown.
func (s *stage) reshardKilled(config string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), shared.accrue, "topics", "reshard", "--config", config, "--shards", "12", "--yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "reshard-effects has 12 partitions") {
			break
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	if err := cmd.Wait(); err == nil {
		s.t.Fatal("the command had ended before it was killed")
	}
}

// rowsOf are the rows of a dump wherever they lie, each once: who was erased is known to all shards.
func rowsOf(dump string) []string {
	var rows []string
	for line := range strings.Lines(dump) {
		if row, found := strings.CutPrefix(line, `{"shard":`); found {
			_, row, _ = strings.Cut(row, ",")
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// givenBy adds up what a rule has given.
func (l *ledger) givenBy(rule string) (points int64) {
	for grant, sum := range l.grants {
		if strings.HasSuffix(grant, " by "+rule) {
			points += sum[0] + sum[1]
		}
	}
	return points
}

// reshardShop makes events, of which each is later than the one before.
type reshardShop struct {
	random *rand.Rand
	begin  time.Time
	made   int
	orders []string // lines that may be refunded
}

// How many devices there are, and how many members order on each: as many as may.
const (
	reshardDevices = 40
	sharers        = 5
)

func (b *reshardShop) line(topic, format string, args ...any) string {
	b.made++
	at := b.begin.Add(time.Duration(b.made) * 200 * time.Millisecond)
	return fmt.Sprintf(`{"topic":%q,"value":{"event_id":"e%d","occurred_at":%q,`, topic, b.made, at.Format(time.RFC3339Nano)) + fmt.Sprintf(format, args...) + "}}"
}

func (b *reshardShop) order(member, device string) string {
	line := b.line("commerce.orders", `"order_id":"o%d","member_id":%q,"status":"PAID","currency":"EUR","device_id":%q,"lines":[{"line_id":"1","sku":"s","quantity":1,"amount":%d}]`,
		b.made, member, device, 100*(5+b.random.IntN(50)))
	if device == "" {
		b.orders = append(b.orders, line)
	}
	return line
}

// plain are orders of members who share nothing but budgets.
func (b *reshardShop) plain(n int) (lines []string) {
	for range n {
		lines = append(lines, b.order(fmt.Sprint("m", b.random.IntN(400)), ""))
	}
	return lines
}

// onDevices are orders on all devices of as many members as may be on one. Those of a second party are denied, each of them.
func (b *reshardShop) onDevices(party string) (lines []string) {
	for i := range reshardDevices * sharers {
		lines = append(lines, b.order(fmt.Sprint(party, i), fmt.Sprint("d", i%reshardDevices)))
	}
	return lines
}

func (b *reshardShop) invites() (lines []string) {
	for i := range 200 {
		lines = append(lines, b.line("engagement.referrals", `"referrer_id":"m%d","referee_id":"f%d"`, i, i))
	}
	return lines
}

// friends are the first orders of those who were invited.
func (b *reshardShop) friends() (lines []string) {
	for i := range 200 {
		lines = append(lines, b.order(fmt.Sprint("f", i), ""))
	}
	return lines
}

var orderOf = regexp.MustCompile(`"order_id":"([^"]+)","member_id":"([^"]+)"`)

// refunds take every tenth order back that may be.
func (b *reshardShop) refunds() (lines []string) {
	for i := 0; i < len(b.orders); i += 10 {
		of := orderOf.FindStringSubmatch(b.orders[i])
		lines = append(lines, b.line("commerce.orders", `"order_id":%q,"member_id":%q,"status":"REFUNDED","currency":"EUR"`, of[1], of[2]))
	}
	return lines
}
