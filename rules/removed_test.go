package rules_test

import (
	"testing"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// A rule and a threshold are removed while what they asked is under way. What holds is the version of the event's own time: the
// answer counts, the event has its one decision, and the budget gives what it was asked for. Events of the later version ask nobody.
func TestARuleIsRemovedWhileItIsAsked(t *testing.T) {
	const header = "programme: drawn\ncurrency: CNY\ntime_zone: UTC\nrules:\n  - {id: spend, on: check_in, earn: {points: 1}}\n"
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	later := at.Add(2 * time.Hour)
	w := &world{days: 3, from: []time.Time{{}, later}, texts: []string{
		header + `  - {id: launch, on: check_in, earn: {points: 5}, budget: 100}
fraud:
  - {id: burst, on: check_in, measure: count, by: device, within: 1h, over: 1, action: deny}
`, header,
	}}
	w.ready(t)
	r := w.replay(t).stored()
	r.mail = &[]schemas.Effect{}
	visit := func(id, member string, at time.Time) {
		t.Helper()
		r.decision = nil
		c := &schemas.CheckIn{EventID: id, MemberID: member, Activity: "check-in", OccurredAt: at, DeviceID: "d"}
		r.handle(rules.Event{CheckIn: c, Source: schemas.Source{Topic: schemas.TopicCheckIns}})
	}
	visit("first", "m", at)
	visit("second", "n", at.Add(time.Minute)) // of the same device
	if len(r.decided) != 0 || len(*r.mail) == 0 {
		t.Fatalf("nobody waits: %v, %d requests", r.decided, len(*r.mail))
	}
	visit("after", "m", later.Add(time.Hour))
	if d := r.decision; d == nil || d.EventID != "after" || d.AvailablePoints != 1 {
		t.Fatalf("of the later version: %+v", d)
	}
	r.reopen("m") // both are read from their rows meanwhile
	r.reopen("n")
	for n := 0; len(*r.mail) > 0; n++ {
		if n > 100 {
			t.Fatalf("there is no end of requests: %+v", *r.mail)
		}
		e := (*r.mail)[0]
		*r.mail = append((*r.mail)[1:], r.deliver(e)...)
	}
	for name, want := range map[string]int{"first": 1, "second": 1, "after": 1} {
		n := 0
		for key, times := range r.decided {
			if len(key) > len(name) && key[len(key)-len(name):] == name {
				n += times
			}
		}
		if n != want {
			t.Errorf("event %s has %d decisions", name, n)
		}
	}
	if m, n := r.members["m"].balance, r.members["n"].balance; m != 7 || n != 0 {
		t.Errorf("the first member has %d points, 1 and 5 and 1 are due; the second, whose event is denied, has %d", m, n)
	}
}
