package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// This file is about what accounts ask of each other and of keys that many share (a device, a store), and what these answer
// (rules: Outcome.Requests, Account.Take, Tally.Take). A request leaves with the transaction
// that decided the event, as a record of `<app>-effects` in the home of the member or key that is asked. There it is read like an
// input, by whoever holds the shard then, and its offset is committed with what came of it: so each request is taken in once,
// whatever dies in between. What it asks in turn, or answers, goes the same way. No decision is about it; but the last answer that an
// event waited for brings the decision of that event.
//
// Forwarded records (route.go) are on the same topic. A request is told apart by its header.

// headerEffect marks a request. Its value says what is asked for, so that what only a later version knows is told at once.
const headerEffect = "accrue.effect"

// effectAward is the word for schemas.EffectAward; the other kinds are words.
const effectAward = "award"

// effectWord is the value of headerEffect.
func effectWord(kind string) string {
	if kind == schemas.EffectAward {
		return effectAward
	}
	return kind
}

// knownEffect says whether this version takes in such requests.
func knownEffect(word string) bool {
	switch word {
	case effectAward, schemas.EffectCount, schemas.EffectDevices, schemas.EffectAnswer, schemas.EffectDraw, schemas.EffectLease, schemas.EffectDrawn,
		schemas.EffectInvited, schemas.EffectErased, schemas.EffectUncount:
		return true
	}
	return false
}

// isEffect says that a record is a request of another account, not a forwarded input.
func (t *Topics) isEffect(r *Record) bool {
	return r.Topic == t.Effects && len(r.Headers) > 0 && r.Headers[0].Key == headerEffect
}

// homeOf is the shard in which a request is taken in. The lease of a budget has the number of its shard in its name.
func homeOf(e *schemas.Effect, shards int32) int32 {
	if e.Kind == schemas.EffectLease {
		if shard, is := rules.LeaseHome(e.MemberID); is {
			return shard
		}
	}
	return Home(e.MemberID, shards)
}

// waitingHome is the shard in which a request that waits is taken in, by what is told beside its value; false: it is no request.
func waitingHome(headers []Header, key []byte, shards int32) (home int32, is bool) {
	if len(headers) == 0 || headers[0].Key != headerEffect {
		return 0, false
	}
	return homeOf(&schemas.Effect{Kind: string(headers[0].Value), MemberID: string(key)}, shards), true
}

// stageEffect adds a request to the transaction's outputs.
func (l *Lane) stageEffect(t *transaction, e *schemas.Effect) error {
	value, err := l.encode(t, e)
	if err != nil {
		return fmt.Errorf("encode %T: %w", e, err)
	}
	t.add(Output{
		Topic: l.o.Topics.Effects, Partition: homeOf(e, l.o.Shards), Key: []byte(e.MemberID), Value: value,
		Headers: []Header{{headerEffect, []byte(effectWord(e.Kind))}},
	})
	return nil
}

// takeEffect has the account that is asked take a request in. One that cannot be read, or whose account cannot go on, becomes a
// dead letter like an input.
func (l *Lane) takeEffect(ctx context.Context, h *held, r *Record, now time.Time) error {
	o := origin{
		source: schemas.Source{Topic: r.Topic, Partition: r.Partition.Partition, Offset: r.Offset}, kind: schemas.KindEffect, seen: now, headers: r.Headers,
	}
	if c := l.isCondemned(r); c != nil {
		return l.letter(h, r, &o, BuriedTooLarge, c.why, l.letterBytes(c), now)
	}
	if what := string(r.Headers[0].Value); !knownEffect(what) {
		return l.bury(h, r, &o, BuriedUnreadable, fmt.Errorf("it asks for %q, which this version does not know", what), now)
	}
	value, err := l.decode(ctx, r, &o)
	if err != nil && classify(err) != RemedyDeadLetter && !errors.Is(err, errTombstone) {
		return &notNow{fmt.Errorf("decode record of %s/%d at offset %d: %w", r.Topic, r.Partition.Partition, r.Offset, err)}
	}
	e, ok := value.(*schemas.Effect)
	if err == nil && !ok {
		err = fmt.Errorf("it holds a %T", value)
	}
	if err != nil {
		return l.bury(h, r, &o, BuriedUnreadable, err, now)
	}
	if word := effectWord(e.Kind); word != string(r.Headers[0].Value) {
		return l.bury(h, r, &o, BuriedUnreadable, fmt.Errorf("it asks for %q, its header says otherwise", word), now)
	}
	if home := homeOf(e, l.o.Shards); home != h.id {
		return l.bury(h, r, &o, BuriedRoute, fmt.Errorf("it is in shard %d, its member is at home in %d", h.id, home), now)
	}
	t := l.begin(now)
	t.overlay(h)
	out, err := h.shard.Take(e, now)
	if one, why := oneAccount(e.MemberID, err); one {
		l.stopped(h, e.MemberID, why)
		return l.bury(h, r, &o, BuriedAccount, why, now)
	}
	if err != nil {
		return fmt.Errorf("take in record of %s/%d at offset %d in shard %d: %w", r.Topic, r.Partition.Partition, r.Offset, h.id, err)
	}
	delete(h.stopped, e.MemberID)
	if out.Budget != nil {
		t.report.Budgets = append(t.report.Budgets, BudgetReport{h.id, *out.Budget})
	}
	if out.Full {
		t.report.Full++
		l.said.warn(l.log, now, "a member has as many events as are kept, what others ask for is not granted", "shard", h.id, "event", e.Source.EventID)
	}
	l.count(t, r, &o, 0)
	t.report.Effects++
	err = l.stageOutcome(t, out)
	if t.empty() { // nothing came of it, such as of an answer that was given up: a transaction of nothing cannot be committed, nor be full
		t.records = 0
	}
	return err
}
