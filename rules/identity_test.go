package rules_test

import (
	"testing"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// An event id belongs to its topic and member (§4.15): the same id elsewhere is another event. Within one topic and member what arrives
// first stays, whatever else comes under its id.
func TestEventIDsBelongToTopicAndMember(t *testing.T) {
	w := &world{days: 90, from: []time.Time{{}}, texts: []string{`programme: ids
currency: CNY
time_zone: UTC
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: check-in, on: check_in, earn: {points: 5}}
  - {id: hello, on: referral, after: joined, earn: {referee: 50}}
`}}
	w.ready(t)
	w.end = pastDay(9)
	r := w.replay(t).stored()
	expect := func(e rules.Event, outcome schemas.Outcome, balance int64) {
		t.Helper()
		r.handle(e)
		r.reopen(e.Member())
		if has := r.members[e.Member()].balance; r.outcome != outcome || has != balance {
			r.fatalf("%s is decided %s and leaves %d points, expected %s and %d: %s", eventID(&e), r.outcome, has, outcome, balance, r.decision.Reason)
		}
	}
	order := func(member, id string, day int) rules.Event {
		e := orderOf(member, id, schemas.Paid, pastDay(day))
		e.Order.EventID = "e"
		return e
	}
	checkIn := rules.Event{Source: schemas.Source{Topic: schemas.TopicCheckIns}, CheckIn: &schemas.CheckIn{EventID: "e", MemberID: "anna", OccurredAt: pastDay(0), Activity: "check-in"}}
	expect(order("anna", "o1", 0), schemas.OutcomeGranted, 1)
	expect(checkIn, schemas.OutcomeGranted, 6)
	expect(referralEvent("e", "anna", "bert", pastDay(0)), schemas.OutcomeGranted, 56)
	expect(order("bert", "o1", 0), schemas.OutcomeGranted, 1)
	expect(order("anna", "o2", 0), schemas.OutcomeDuplicate, 56)
	expect(order("anna", "o3", 1), schemas.OutcomeDuplicate, 56)
	expect(order("anna", "o4", -1), schemas.OutcomeDuplicate, 56)
	checkIn.CheckIn = &schemas.CheckIn{EventID: "e", MemberID: "anna", OccurredAt: pastDay(2), Activity: "study"}
	expect(checkIn, schemas.OutcomeDuplicate, 56)
}
