package processor

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// sendEffect writes to the effects what says that it is a request.
func (s *shop) sendEffect(what string, partition int32, value []byte) {
	s.t.Helper()
	r := &kgo.Record{
		Topic: s.topics.Effects, Partition: partition, Key: []byte("anna"), Value: value,
		Headers: []kgo.RecordHeader{{Key: headerEffect, Value: []byte(what)}},
	}
	if err := s.writer.ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	s.sent = append(s.sent, schemas.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
}

// A request of which nothing can be made (of a newer version, of a number of shards that was another, or no request at all) goes
// to the dead letters, and what comes behind it is taken in.
func TestRequestsThatCannotBeTakenIn(t *testing.T) {
	s := newShop(t, 4)
	at := s.started
	effect := &schemas.Effect{
		MemberID: "anna", FromMember: "bert", RuleID: "invite", Source: schemas.Source{Topic: schemas.TopicOrders, EventID: "e", OrderID: "o"},
		OccurredAt: at, Revision: 1, Points: 30, Cause: "e", CausedAt: at, Reason: "an order", DecidedAt: at,
	}
	value, err := s.encoder.Append(nil, effect)
	if err != nil {
		t.Fatal(err)
	}
	home := Home("anna", testShards)
	s.sendEffect("something else", home, value)
	s.sendEffect(effectAward, (home+1)%testShards, value)
	s.sendEffect(effectAward, home, []byte("rubbish"))
	s.sendEffect(effectAward, home, nil)
	s.send(schemas.TopicReferrals, "bert", &schemas.Referral{EventID: "i", ReferrerID: "anna", RefereeID: "bert", OccurredAt: at})
	s.buy("bert", at.Add(time.Minute))
	e := s.run(newMachine("a"))
	w := s.read()
	s.check(w)
	if len(w.buried) != 4 {
		t.Errorf("%d dead letters of 4", len(w.buried))
	}
	if len(w.sums) < 4 {
		t.Errorf("the grants are %v; anna and bert have two each", w.sums)
	}
	e.end()
}
