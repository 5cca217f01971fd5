package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accrue/cmd/accrue/backtest"
	"accrue/rules/programme"
	"accrue/schemas"
)

// The totals of a backtest are simulate's: for random programmes and histories what the report says is compared with sums over
// the records that simulate writes, added up here in another way. A programme against itself makes no difference, two make the
// difference of their records, and the number of processors changes no byte.
func TestBacktestIsSimulate(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		h := &shopHistory{Folder: folder}
		h.draw(t)
		a, b := h.write(t, "a.yaml", drawShop(t, h.redemptions)), h.write(t, "b.yaml", drawShop(t, h.redemptions))
		report := h.backtest(t, "--programme", a, "--against", b, "--procs", "2")
		if one := h.backtest(t, "--programme", a, "--against", b, "--procs", "1"); one != report {
			t.Fatalf("other bytes on one processor:\n%s", cmp.Diff(report, one))
		}
		var r backtest.Report
		if err := json.Unmarshal([]byte(report), &r); err != nil {
			t.Fatal(err)
		}
		sums := [2]*simulated{h.simulate(t, a), h.simulate(t, b)}
		for i := range sums {
			sums[i].check(t, &r.Programmes[i])
		}
		checkComparison(t, &r, sums)

		if err := json.Unmarshal([]byte(h.backtest(t, "--programme", a, "--against", a)), &r); err != nil {
			t.Fatal(err)
		}
		if c := r.Comparison; !c.Same || c.Total.Difference != 0 || c.Better.Members+c.Worse.Members != 0 {
			t.Fatalf("a programme differs from itself: %+v", c)
		}
	})
}

// shopHistory is a random history in a folder.
type shopHistory struct {
	Folder      string
	lines       []string
	redemptions bool
	asOf        string
}

var lawBegin = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // never changed

func (h *shopHistory) draw(t *rapid.T) {
	h.redemptions = rapid.Bool().Draw(t, "redemptions")
	at := lawBegin
	members := []string{"anna", "bert", "王芳", "dora"}
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	orders := 0
	for i := range rapid.IntRange(1, 60).Draw(t, "events") {
		at = at.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour)
		when := at
		if pick("late", "no", "no", "no", "yes") == "yes" {
			when = at.Add(-time.Duration(rapid.IntRange(1, 90).Draw(t, "hours late")) * time.Hour)
		}
		value := map[string]any{"event_id": fmt.Sprint("e", i), "member_id": pick("member", members...), "occurred_at": when.Format(time.RFC3339)}
		topic := schemas.TopicOrders
		switch pick("kind", "order", "order", "order", "order", "refund", "check-in", "referral", "profile", "redemption", "command", "nothing", "again") {
		case "order":
			orders++
			value["order_id"], value["status"], value["currency"] = fmt.Sprint("o", orders), pick("status", "PAID", "PAID", "PAID", "CANCELLED", "COMPLETED"), pick("currency", "CNY", "CNY", "CNY", "XAU")
			value["lines"] = []any{map[string]any{"line_id": "1", "sku": "tea", "amount": rapid.IntRange(1, 30000).Draw(t, "amount")}}
		case "refund":
			value["order_id"], value["status"], value["currency"] = fmt.Sprint("o", rapid.IntRange(1, max(orders, 1)).Draw(t, "of")), "REFUNDED", "CNY"
			value["lines"] = []any{}
			if rapid.Bool().Draw(t, "in part") {
				value["refunded_lines"] = []any{map[string]any{"line_id": "1", "quantity": 0, "amount": rapid.IntRange(1, 20000).Draw(t, "back")}}
			}
		case "check-in":
			topic, value["device_id"] = schemas.TopicCheckIns, pick("device", "d1", "d2")
		case "referral":
			topic, value["code"], value["referrer_id"], value["referee_id"] = schemas.TopicReferrals, "x", pick("referrer", members...), value["member_id"]
			delete(value, "member_id")
		case "profile":
			topic, value["segments"] = schemas.TopicProfiles, rapid.SliceOfN(rapid.SampledFrom([]string{"office", "students"}), 0, 2).Draw(t, "segments")
		case "redemption":
			topic, value["points"], value["kind"], value["redemption_id"] = schemas.TopicRedemptions, rapid.IntRange(1, 200).Draw(t, "spent"), pick("way", "SPENT", "SPENT", "RETURNED"), pick("basket", "b1", "b2", "b3")
		case "command":
			topic, value["operator"], value["reason"], value["kind"] = schemas.TopicCommands, "kim", "sorry", pick("command", "GRANT", "GRANT", "DEDUCT", "DEDUCT", "ERASE")
			value["points"] = rapid.IntRange(1, 100).Draw(t, "by hand")
		case "nothing":
			h.lines = append(h.lines, "no event")
			continue
		case "again":
			if len(h.lines) > 0 {
				h.lines = append(h.lines, rapid.SampledFrom(h.lines).Draw(t, "again"))
			}
			continue
		}
		line, err := json.Marshal(map[string]any{"topic": topic, "value": value})
		if err != nil {
			t.Fatal(err)
		}
		h.lines = append(h.lines, string(line))
	}
	// One event is certain, so that there is something to replay.
	h.lines = append(h.lines, fmt.Sprintf(`{"topic":%q,"value":{"event_id":"last","member_id":"anna","occurred_at":%q}}`, schemas.TopicCheckIns, at.Format(time.RFC3339)))
	h.asOf = at.AddDate(0, rapid.IntRange(0, 8).Draw(t, "months on"), 0).Format(time.RFC3339)
	h.write(t, "events.jsonl", strings.Join(h.lines, "\n")+"\n")
}

// drawShop draws a programme; the later ones of its rules are there or not.
func drawShop(t *rapid.T, redemptions bool) string {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString("programme: drawn\ncurrency: CNY\ntime_zone: " + pick("zone", "Asia/Shanghai", "UTC") + "\nreturn_window: 5 days\n")
	b.WriteString(pick("expiry", "", "expiry: {after: 10 days}\n", "expiry: {after: 1 month, at: month_end}\n"))
	if redemptions {
		b.WriteString("redemptions: true\n" + pick("clawback", "", "clawback: within_balance\n"))
	}
	b.WriteString(pick("tiers", "", "tiers:\n  by: points\n  over: 1 month\n  levels:\n    - {id: member, at: 0}\n    - {id: gold, at: 150, expiry: {after: 20 days}}\n"))
	fmt.Fprintf(&b, "rules:\n  - {id: spend, title: 每元 1 分, on: order, campaign: base, earn: {points: %s, per: 1.00}%s}\n", pick("points", "1", "2"),
		pick("limit", "", ", limit: {points: 120, per: month}"))
	for _, rule := range []string{
		"{id: promo, on: order, boost: {of: [spend], by: 50%}, hold: 3 days}",
		"{id: pot, on: order, campaign: june, earn: {points: 40}, budget: 130}",
		"{id: daily, on: order, earn: {points: 15}, budget: {points: 20, per: day, queue: true}}",
		"{id: second, on: order, earn: {points: 25}, each: {orders: 2, within: 9 days}}",
		"{id: visit, on: check_in, earn: {points: 5}, counts: balance}",
		"{id: invite, on: referral, after: first_order, earn: {referrer: 30, referee: 20}}",
		"{id: lucky, on: order, chance: 50%, earn: {random: {from: 1, to: 9}}}",
		"{id: tiered, on: order, counts: tier, earn: {points: 10}}",
		"{id: trial, on: order, mode: shadow, earn: {points: 7}}",
	} {
		if rapid.Bool().Draw(t, rule[5:10]) {
			b.WriteString("  - " + rule + "\n")
		}
	}
	b.WriteString(pick("fraud", "", "fraud:\n  - {id: device, on: check_in, measure: distinct(member), by: device, within: 24h, over: 1, action: deny}\n  - {id: many, on: order, measure: count, by: member, within: 24h, over: 2, action: hold}\n"))
	return b.String()
}

func (h *shopHistory) write(t *rapid.T, name, text string) string {
	name = filepath.Join(h.Folder, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (h *shopHistory) run(t *rapid.T, args ...string) string {
	var out, errs bytes.Buffer
	if code := run(t.Context(), append(args, "--as-of", h.asOf, "--seed", "s"), strings.NewReader(""), &out, &errs); code != exitDone {
		t.Fatalf("%v ended with %d: %s", args, code, errs.String())
	}
	return out.String()
}

func (h *shopHistory) backtest(t *rapid.T, args ...string) string {
	return h.run(t, append([]string{"backtest", "--from", filepath.Join(h.Folder, "events.jsonl"), "--json", "-"}, args...)...)
}

// simulated are sums over the records that simulate wrote.
type simulated struct {
	entries                  int64
	available, pending, tier int64
	rules, days, campaigns   map[string][3]int64 // available, pending, tier
	outcomes, alerts         map[string]int64
	members                  map[string]int64 // points, without what expired
	tiers                    map[string]string
	dead, changes, expired   int64
	months                   map[string]int64 // available
}

func (h *shopHistory) simulate(t *rapid.T, file string) *simulated {
	s := &simulated{
		rules: map[string][3]int64{}, days: map[string][3]int64{}, campaigns: map[string][3]int64{}, outcomes: map[string]int64{},
		alerts: map[string]int64{}, members: map[string]int64{}, tiers: map[string]string{}, months: map[string]int64{},
	}
	p, problems := programme.Parse(map[string][]byte{"p.yaml": readFile(t, filepath.Join(h.Folder, "a.yaml"))})
	if problems.Failed() {
		t.Fatal(problems)
	}
	out := h.run(t, "simulate", "--programme", file, "--in", filepath.Join(h.Folder, "events.jsonl"))
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		if strings.HasPrefix(line, `{"topic":"`+schemas.TopicDeadLetters+`"`) {
			s.dead++
			continue
		}
		m, err := schemas.ParseLine([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch v := m.Value.(type) {
		case *schemas.PointGrant:
			s.entry(v, p.Zone)
		case *schemas.TierChange:
			s.changes++
			s.tiers[v.MemberID] = v.To
		case *schemas.Decision:
			s.outcomes[string(v.Outcome)]++
		case *schemas.FraudAlert:
			s.alerts[v.ThresholdID]++
		}
	}
	return s
}

func readFile(t *rapid.T, name string) []byte {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *simulated) entry(e *schemas.PointGrant, zone *time.Location) {
	s.entries++
	s.available += e.AvailableDelta
	s.pending += e.PendingDelta
	s.tier += e.TierDelta
	add := func(to map[string][3]int64, key string) {
		have := to[key]
		to[key] = [3]int64{have[0] + e.AvailableDelta, have[1] + e.PendingDelta, have[2] + e.TierDelta}
	}
	add(s.rules, e.RuleID)
	local := e.OccurredAt.In(zone)
	add(s.days, local.Format(time.DateOnly))
	s.months[local.Format("2006-01")] += e.AvailableDelta
	if e.Campaign != "" {
		add(s.campaigns, e.Campaign)
	}
	s.members[e.MemberID] += e.AvailableDelta + e.PendingDelta
	if e.Entry == schemas.EntryExpired {
		s.expired -= e.AvailableDelta
	}
}

// check compares the report of a programme.
func (s *simulated) check(t *rapid.T, side *backtest.Side) {
	same := func(what string, got, want any) {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s of %s (-simulate +backtest):\n%s", what, side.Name, diff)
		}
	}
	sums := func(rows []backtest.Row) map[string][3]int64 {
		all := map[string][3]int64{}
		for _, row := range rows {
			if row.Entries > 0 {
				all[row.Key] = [3]int64{row.Available, row.Pending, row.TierPoints}
			}
			if row.Net != row.Granted-row.Reversed || row.Net-row.Expired != row.Available+row.Pending {
				t.Fatalf("the parts of %s do not add up: %+v", row.Key, row)
			}
		}
		return all
	}
	same("total", []int64{side.Total.Entries, side.Total.Available, side.Total.Pending, side.Total.TierPoints}, []int64{s.entries, s.available, s.pending, s.tier})
	same("rules", sums(side.Rules), s.rules)
	same("days", sums(side.Days), s.days)
	same("campaigns", sums(side.Campaigns), s.campaigns)
	outcomes, alerts := map[string]int64{}, map[string]int64{}
	events := s.dead
	for _, row := range side.Outcomes {
		outcomes[row.Outcome] = row.Events
		events += row.Events
	}
	for _, row := range side.Alerts {
		alerts[row.Threshold] = row.Alerts
	}
	same("outcomes", outcomes, s.outcomes)
	same("alerts", alerts, s.alerts)
	same("dead letters and changes", []int64{side.DeadLetters, side.TierChanges, side.Events}, []int64{s.dead, s.changes, events})
	if len(side.Tiers) > 0 {
		total := backtest.Row{}
		holding := map[string]int64{}
		for _, row := range side.Tiers {
			total.Available += row.Available
			total.Entries += row.Entries
			if holding[row.Key] = row.Members; row.Key == "member" || row.Members == 0 {
				delete(holding, row.Key)
			}
		}
		tiers := map[string]int64{}
		for _, tier := range s.tiers {
			if tier != "member" {
				tiers[tier]++
			}
		}
		same("tiers", holding, tiers)
		same("sums by tier", []int64{total.Available, total.Entries}, []int64{s.available, s.entries})
	}
	s.checkBalances(t, side)
}

// checkBalances compares what is left at the end and at each month's.
func (s *simulated) checkBalances(t *rapid.T, side *backtest.Side) {
	b := side.Balances
	if b.Outstanding+b.Spent != s.available || b.Pending != s.pending || b.Granted-b.Reversed-b.Expired != s.available+s.pending {
		t.Fatalf("balances of %s are %+v, simulate has %d available and %d pending", side.Name, b, s.available, s.pending)
	}
	if b.Expired > s.expired {
		t.Fatalf("%d have expired, simulate says at most %d", b.Expired, s.expired)
	}
	available, spent := int64(0), int64(0)
	for _, month := range side.Months {
		available += s.months[month.Month]
		spent += month.Spent
		if month.Outstanding != available-spent {
			t.Fatalf("%d are outstanding at the end of %s, want %d less %d", month.Outstanding, month.Month, available, spent)
		}
	}
	if n := len(side.Months); n > 0 && side.Months[n-1].Outstanding != b.Outstanding {
		t.Fatalf("the last month ends with %d, the history with %d", side.Months[n-1].Outstanding, b.Outstanding)
	}
}

// checkComparison compares what the report says of both with their records.
func checkComparison(t *rapid.T, r *backtest.Report, sums [2]*simulated) {
	c := r.Comparison
	if c.Total.Difference != r.Programmes[1].Total.Net-r.Programmes[0].Total.Net {
		t.Fatalf("the difference is %+v", c.Total)
	}
	for what, rows := range map[string][]backtest.Delta{"rules": c.Rules, "days": c.Days} {
		total := int64(0)
		for _, row := range rows {
			total += row.Difference
		}
		if total != c.Total.Difference {
			t.Fatalf("the differences of %s come to %d, in all to %d", what, total, c.Total.Difference)
		}
	}
	if got := c.Better.Points + c.Worse.Points; got != c.Total.Difference {
		t.Fatalf("members differ by %d, the programmes by %d", got, c.Total.Difference)
	}
	if sums[0].expired+sums[1].expired == 0 { // then what simulate has of a member is what the report says
		better := 0
		for _, name := range slices.Concat(keysOf(sums[0].members), keysOf(sums[1].members)) {
			if sums[1].members[name] > sums[0].members[name] {
				better++
			}
			sums[0].members[name] = sums[1].members[name] // so that it is not counted twice
		}
		if int64(better) != c.Better.Members {
			t.Fatalf("%d members are better off, the report says %d", better, c.Better.Members)
		}
	}
	for _, most := range [][]backtest.MemberDelta{c.Better.Most, c.Worse.Most} {
		for _, m := range most {
			total := int64(0)
			for _, rule := range m.Rules {
				total += rule.Difference
			}
			if total != m.Difference || m.B-m.A != total {
				t.Fatalf("%s differs by %d, the rules by %d", strconv.Quote(m.Member), m.Difference, total)
			}
		}
	}
}

func keysOf(m map[string]int64) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
