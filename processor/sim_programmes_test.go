package processor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
)

// simProgrammes are what simulations run with: points, limits, holds and tiers that end, so that time has something to do;
// invitations, so that accounts ask each other; and thresholds of what many share, so that events wait for answers.
// Nothing of a simulated history is ever LATE, so that its sums do not depend on the order of arrival; and whoever a budget
// has not answered in time gets it later (`queue: true`).
func simProgrammes() []string {
	header := "programme: simulated\ncurrency: EUR\ntime_zone: Europe/Berlin\nearn_on: PAID\nreturn_window: 90 days\n"
	return []string{
		header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 40, referee: 10}}
`,
		header + `tiers: {by: points, over: 6 days, then: one_down, levels: [{id: member, at: 0}, {id: gold, at: 60}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: held, on: order, when: order.total >= 20.00, earn: {points: 10}, hold: 2 days}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 30}, limit: {times: 2, per: week}, hold: 5h}
`,
		header + `limits: [{points: 90, per: month}]
rules:
  - {id: held, on: order, earn: {points: 1, per: 1.00}, hold: 3h}
  - {id: second, on: order, earn: {points: 7}, each: {orders: 2, within: 10 days}}
  - {id: visit, on: check_in, earn: {points: 3}, limit: {points: 9, per: week}}
  - {id: hello, on: referral, after: joined, when: member.points < 20, earn: {referrer: 12, referee: 4}, limit: {points: 30, per: month}}
  - {id: invite, on: referral, after: first_order, when: order.total >= 10.00, earn: {referrer: 9, referee: 3}}
`,
		header + `tiers: {by: orders, over: 8 days, then: requalify, grace: 2 days, levels: [{id: member, at: 0}, {id: gold, at: 2}, {id: top, at: 4, falls: never}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 2.00}, hold: 12h}
  - {id: gold, on: order, when: member.tier == "gold", boost: {of: [spend], by: 50%}}
  - {id: streak, on: check_in, earn: {points: 20}, each: {streak: 3}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 25, referee: 5}, limit: {times: 1, per: day}}
`,
		header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: second, on: order, earn: {points: 7}, each: {orders: 2, within: 10 days}}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 2, per: day}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 20, referee: 6}}
fraud:
  - {id: device, on: order, measure: count, by: device, within: 24h, over: 2, action: hold}
  - {id: store, on: order, measure: sum(amount), by: store, within: 12h, over: 150.00, action: deny}
  - {id: shared, on: check_in, measure: distinct(member), by: device, within: 48h, over: 2, action: block, for: 5h}
  - {id: farm, on: referral, measure: count, by: referrer, within: 3 days, over: 1, action: deny}
`,
		header + `limits: [{points: 120, per: week}]
tiers: {by: points, over: 6 days, then: one_down, levels: [{id: member, at: 0}, {id: gold, at: 60}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: visit, on: check_in, earn: {points: 5}, hold: 8h}
  - {id: hello, on: referral, after: joined, when: "!referral.same_device", earn: {referrer: 12, referee: 4}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 9}}
fraud:
  - {id: returns, on: order, measure: "ratio(refunds, orders)", by: ip, within: 5 days, over: 30%, at_least: 2, action: deny}
  - {id: harvest, on: order, measure: sum(points), by: payment, within: 1 day, over: 60, action: hold}
  - {id: self, on: referral, when: referral.same_device, action: deny}
  - {id: family, on: referral, when: referral.same_device, measure: distinct(device), by: referrer, within: 9 days, over: 0, action: flag}
`,
		header + `rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: pool, on: order, earn: {points: 1, per: 2.00}, budget: {points: 110, queue: true}, hold: 7h}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
`,
		header + `limits: [{points: 120, per: week}]
tiers: {by: points, over: 6 days, then: one_down, levels: [{id: member, at: 0}, {id: gold, at: 60}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}, budget: {points: 100000, per: day, queue: true}}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}, budget: {points: 100000, queue: true}}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 9, referee: 4}, budget: {points: 100000, queue: true}}
  - {id: rise, on: tier_up, earn: {points: 8}, counts: balance, budget: {points: 100000, per: month, queue: true}}
`,
	}
}

// simPool is the rule whose budget is used up, and simPoolPoints the most that it ever has.
const (
	simPool       = "pool"
	simPoolPoints = 150
)

// simByHand is the rule of what commands grant and take, which has to be none of a programme.
const simByHand = "by hand"

// simPointsMax is more than any grant of theirs can come to.
const simPointsMax = 240

// simEdits make the second version of each programme: old and new text.
func simEdits() [][]string {
	return [][]string{
		{"{points: 1, per: 1.00}", "{points: 2, per: 1.00}", "{points: 5}", "{points: 3}", "referrer: 40", "referrer: 35"},
		{"at: 60", "at: 45", "{points: 10}, hold: 2 days", "{points: 15}, hold: 1 days", "{times: 2, per: week}", "{times: 1, per: week}"},
		{"{points: 90, per: month}", "{points: 130, per: month}", "{points: 7}, each: {orders: 2,", "{points: 9}, each: {orders: 3,"},
		{"by: 50%", "by: 100%", "{points: 20}", "{points: 10}", "referee: 5", "referee: 8"},
		{"over: 2, action: hold", "over: 1, action: deny", "{points: 7}", "{points: 9}", "over: 150.00", "over: 90.00"},
		{"over: 60", "over: 45", "at_least: 2", "at_least: 3", "hold: 8h", "hold: 5h"},
		{"points: 110", "points: 150", "{points: 5}", "{points: 3}"},
		{"at: 60", "at: 45", "points: 100000", "points: 90000", "{points: 5}", "{points: 3}"},
	}
}

func simBegin() time.Time { return time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC) }

// simEffective are the times from which a second version may be in force. It is published PublishAhead before.
func simEffective() []time.Time {
	var all []time.Time
	for _, minutes := range []int{11, 2 * 60, 7 * 60, 26 * 60, 70 * 60} {
		all = append(all, simBegin().Add(time.Duration(minutes)*time.Minute))
	}
	return all
}

// simLedger is a programme: its first version, and that with a second one, by simEffective.
type simLedger struct {
	first *rules.Ledger
	both  []*rules.Ledger
	ample []*rules.Ledger // with a budget of simPool for everybody; nil: there is none
}

// simLedgers makes ready what can be shared by all simulations.
func simLedgers() ([]simLedger, error) {
	var ledgers []simLedger
	for i, text := range simProgrammes() {
		l, err := simVersions(text, simEdits()[i])
		if err != nil {
			return nil, err
		}
		l.ample = make([]*rules.Ledger, len(l.both))
		if small := "points: 110, queue"; strings.Contains(text, small) {
			of, err := simVersions(strings.Replace(text, small, "points: 1000000, queue", 1), simEdits()[i])
			if err != nil {
				return nil, err
			}
			l.ample = of.both
		}
		ledgers = append(ledgers, l)
	}
	return ledgers, nil
}

func simVersions(text string, edits []string) (l simLedger, err error) {
	first, err := simVersion(text)
	if err != nil {
		return l, err
	}
	second, err := simVersion(strings.NewReplacer(edits...).Replace(text))
	if err != nil {
		return l, err
	}
	versions := programme.Versions{{Programme: first}}
	if l.first, err = rules.NewLedger(versions); err != nil {
		return l, err
	}
	for _, from := range simEffective() {
		both, err := rules.NewLedger(versions.With(programme.Version{From: from, Programme: second}))
		if err != nil {
			return l, err
		}
		l.both = append(l.both, both)
	}
	return l, nil
}

func simVersion(text string) (*programme.Programme, error) {
	p, problems := programme.Parse(map[string][]byte{"simulated.yaml": []byte(text)})
	if p == nil {
		return nil, fmt.Errorf("programme: %s\n%s", problems, text)
	}
	return p, nil
}

// simControl is a process's knowledge of the control topic: it reads it now and then.
type simControl struct {
	w      *world
	random *rand.Rand
	seenAt time.Time
}

// follow reads the topic, sometimes.
func (s *simControl) follow(w *world) {
	if s.w == nil {
		s.w, s.random = w, rand.New(rand.NewPCG(w.seed, 4))
	}
	if w.broker.down || !w.calm && s.random.IntN(12) > 0 {
		return
	}
	s.seenAt = w.now
}

// Known implements Programmes. The lanes' clock may be wrong, but it is the same that the topic was read by.
func (s *simControl) Known() (*rules.Ledger, time.Time) {
	w, seen := s.w, s.seenAt.Add(s.w.defect.skew)
	if w.defect.sure {
		seen = w.laneClock()
	}
	if published := simEffective()[w.plan.effective].Add(-PublishAhead); s.seenAt.Before(published) {
		if !w.now.Before(published) {
			w.seen("C13")
		}
		return w.early, seen
	}
	w.seen("the second version")
	return w.ledger, seen
}

// pooled says whether events may have to wait for a budget.
func (w *world) pooled() bool { return strings.Contains(simProgrammes()[w.plan.programme], "budget:") }
