package rules_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// However late answers come, and whatever happens meanwhile, what everybody has in the end is what they would have had if each had
// been there at once, and each event has one decision.
func TestAnswersMayComeLate(t *testing.T) {
	asked, waited := 0, 0
	for tries := 0; tries < 20 && (asked == 0 || waited == 0); tries++ { // histories are drawn, and a few may have nothing of it
		rapid.Check(t, func(t *rapid.T) {
			w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 14)
			w.withEqualRulings(t)
			slow := w.replay(t)
			if oneIn(t, 2, "stored") {
				slow.stored()
			}
			slow.mail = &[]schemas.Effect{}
			byName := map[string]rules.Event{}
			for _, e := range rapid.Permutation(w.events).Draw(t, "arrival") {
				byName[e.Member()+e.Source.Topic+eventID(&e)] = e
				before := len(slow.decided)
				slow.handle(e)
				if len(slow.decided) == before {
					waited++
				}
				for len(*slow.mail) > 0 && oneIn(t, 2, "delivered") {
					slow.deliverOne(t)
				}
			}
			for len(*slow.mail) > 0 {
				slow.deliverOne(t)
			}
			asked += slow.asked
			for name, e := range byName {
				if n := slow.decided[name]; n != 1 {
					slow.fatalf("event %s has %d decisions", name, n)
				}
				w.rulings[name] = slow.open(e.Member()).RulingsOf(e)
			}
			slow.mail = nil
			got := slow.finish()
			at := w.replay(t).all(inOrder(w.events))
			same("with answers that come late it ends in", slow, at, at.finish(), got)
		})
	}
	if asked == 0 || waited == 0 {
		t.Errorf("%d questions were answered, %d events have waited", asked, waited)
	}
}

// deliverOne delivers one of the requests that are on their way. Those from one to another keep their order.
func (r *replay) deliverOne(t *rapid.T) {
	i := rapid.IntRange(0, len(*r.mail)-1).Draw(t, "delivered next")
	e := (*r.mail)[i]
	i = slices.IndexFunc(*r.mail, func(x schemas.Effect) bool { return x.FromMember == e.FromMember && x.MemberID == e.MemberID })
	e = (*r.mail)[i]
	*r.mail = slices.Delete(*r.mail, i, i+1)
	*r.mail = append(*r.mail, r.deliver(e)...)
}

// An event that nobody answers about is decided when it has waited for a day, as if no threshold were passed. The decision and an alert say
// so, and an answer that comes then changes nothing.
func TestNoAnswerIsAnAnswer(t *testing.T) {
	w := &world{days: 3, from: []time.Time{{}}, texts: []string{`programme: drawn
currency: CNY
time_zone: UTC
rules: [{id: check-in, on: check_in, earn: {points: 1}, limit: {times: 1, per: day}}]
fraud:
  - {id: burst, on: check_in, measure: count, by: device, within: 1h, over: 0, action: deny}
`}}
	w.ready(t)
	r := w.replay(t).stored()
	r.mail = &[]schemas.Effect{}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	visit := func(id, device string, at time.Time) {
		c := &schemas.CheckIn{EventID: id, MemberID: "m", Activity: "check-in", OccurredAt: at, DeviceID: device}
		r.handle(rules.Event{CheckIn: c, Source: schemas.Source{Topic: schemas.TopicCheckIns}})
	}
	visit("waits", "d", at)
	if len(r.decided) != 0 || r.members["m"].balance != 0 || len(*r.mail) != 1 {
		t.Fatalf("it does not wait: %v, %+v", r.decided, r.members["m"])
	}
	visit("later", "", at.Add(time.Hour)) // for the limit the first counts
	if r.decision == nil || r.decision.Outcome != schemas.OutcomeNothing || !strings.Contains(r.decision.Reason, "used up") {
		t.Fatalf("the later event: %+v", r.decision)
	}
	r.reopen("m")
	due, waits := r.open("m").Due()
	if !waits || !due.Equal(at.Add(24*time.Hour)) {
		t.Fatalf("it is due at %v (%v)", due, waits)
	}
	var out rules.Outcome
	for _, to := range []time.Time{due.Add(-time.Millisecond), due} {
		r.decision = nil
		if err := r.open("m").Advance(to, to, &out); err != nil {
			t.Fatal(err)
		}
		r.take("m", &out)
		if is := r.decision != nil; is != to.Equal(due) {
			t.Fatalf("at %s: %+v", to, r.decision)
		}
	}
	if d := r.decision; d.EventID != "waits" || d.Outcome != schemas.OutcomeGranted || !strings.Contains(d.Reason, "device:d has not answered within 24h") {
		t.Errorf("the decision is %+v", d)
	}
	if len(r.alerts) != 1 || r.alerts[0].Action != "flag" || r.members["m"].balance != 1 {
		t.Errorf("alerts %+v, balance %d", r.alerts, r.members["m"].balance)
	}
	r.decision = nil
	for _, answer := range r.count(&(*r.mail)[0]) {
		r.deliver(answer)
	}
	if _, waits := r.open("m").Due(); waits || r.decision != nil || r.members["m"].balance != 1 {
		t.Errorf("a late answer changes something: %+v, %+v", r.decision, r.members["m"])
	}
}

// A tally forgets what nobody can count any more, leaves no rows behind, and keeps no more than it says.
func TestTalliesAreBounded(t *testing.T) {
	w := &world{days: 3, from: []time.Time{{}}, texts: []string{"programme: drawn\ncurrency: CNY\ntime_zone: UTC\nrules: [{id: check-in, on: check_in, earn: {points: 1}}]\n"}}
	w.ready(t)
	rows := rowStore{}
	tally, err := w.ledger.OpenTally("device:d", rows)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	var out rules.Outcome
	var buffer rules.Buffer
	last := at
	for i := range rules.MostCounted + 50 {
		last = at.Add(time.Duration(i) * time.Second)
		e := &schemas.Effect{
			Kind: schemas.EffectCount, MemberID: "device:d", FromMember: "m", RuleID: "burst", OccurredAt: last, Revision: 1, Events: 1, Measure: "count",
			Since: at.Add(-time.Hour), KeepUntil: last.Add(48 * time.Hour), Source: schemas.Source{EventID: strconv.Itoa(i)},
		}
		if err := tally.Take(e, last, &out); err != nil {
			t.Fatal(err)
		}
		if want := min(int64(i)+1, rules.MostCounted+1); out.Requests[0].Events != want {
			t.Fatalf("event %d: %d are counted, it should be %d", i, out.Requests[0].Events, want)
		}
		tally.Save(&buffer, rows.put)
	}
	if len(rows) != rules.MostCounted+1 {
		t.Errorf("there are %d rows", len(rows))
	}
	for hour := range 4 { // what was counted from 10:00 to 12:48 is dropped two days later, hour by hour
		due, ok := tally.Due()
		if want := at.Add(time.Duration(48+hour) * time.Hour); !ok || !due.Equal(want) {
			t.Fatalf("something is to be dropped at %s (%v), it should be %s", due, ok, want)
		}
		before := len(rows)
		if tally, err = w.ledger.OpenTally("device:d", rows); err != nil {
			t.Fatal(err)
		}
		if err := tally.Advance(due, due, &out); err != nil {
			t.Fatal(err)
		}
		if tally.Save(&buffer, rows.put); len(rows) >= before && hour > 0 { // those of 10:00 have made room for the last
			t.Fatalf("nothing is dropped at %s", due)
		}
	}
	if _, ok := tally.Due(); ok || len(rows) != 0 {
		t.Errorf("in the end there are %d rows, more to come: %v", len(rows), ok)
	}
}
