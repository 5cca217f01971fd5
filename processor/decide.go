package processor

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"accrue/rules"
	"accrue/schemas"
)

var (
	errNoMember  = errors.New("the record names no member")
	errTombstone = errors.New("the record has no value (a tombstone), which means something only on the profiles topic and with a member as its key")
)

// decideTimeout bounds how long looks into the schema registry may hold the lane up; then it looks after the rest of its
// duties and tries again.
const decideTimeout = 2 * time.Second

// decide decides records of the backlog until none can be for now, the transaction is full, or it is time to commit.
func (l *Lane) decide(ctx context.Context, now time.Time) error {
	if !l.upToDate(now) {
		return nil
	}
	unapplied := l.ending != nil && l.ending.stage == committed
	if l.waiting != nil && !now.Before(l.retryAt) && l.producer == open && !unapplied {
		l.goOn()
	}
	ctx, cancel := context.WithTimeout(ctx, decideTimeout)
	defer cancel()
	done := 0
	for l.deciding() && done < l.o.PollRecords {
		p, _ := l.oldest(now)
		if p == nil {
			break
		}
		err := l.decideRecord(ctx, &p.queue.records[0], now)
		var later *notNow
		if errors.As(err, &later) {
			l.wait(UnreadyRegistry, later.why, now.Add(l.pause()))
			break
		}
		if err != nil {
			return err
		}
		l.backlog.done(p, now)
		done++
		// A transaction is bounded by work, too: a thousand refunds of a member with as many orders as are kept take minutes.
		if l.o.Now().Sub(now) > l.o.CommitInterval {
			break
		}
	}
	if done > 0 {
		l.resumeDrained()
		if l.producer == open {
			l.attempts = 0
		}
	}
	return nil
}

// begun notes where partitions begin that nothing is committed of yet. It is noted when their records are polled, not when
// they are decided: what is polled and then dropped with a transaction must be read again from there.
func (l *Lane) begun(records []Record) {
	for i := range records {
		if p := l.parts[records[i].Partition]; p != nil && p.first == NoOffset {
			p.first = records[i].Offset
		}
	}
}

// notNow says that a record cannot be decided for now, through no fault of its own.
type notNow struct{ why error }

func (e *notNow) Error() string { return e.why.Error() }

// decideRecord decides one record: exactly one decision, dead letter or forwarded record comes of it, the decision perhaps only
// when what it asks elsewhere is answered.
func (l *Lane) decideRecord(ctx context.Context, r *Record, now time.Time) error {
	p := l.parts[r.Partition]
	if p == nil || (p.next != NoOffset && r.Offset < p.next) {
		return nil // polled before the partition was let go, or set back
	}
	h := l.shards[p.shard]
	if h.state != serving {
		h.seek = true // it will be polled again
		return nil
	}
	if !r.Control {
		if err := l.decideContent(ctx, h, r, now); err != nil {
			return err
		}
	}
	t := l.begin(now)
	p.next = r.Offset + 1
	t.next[p] = p.next
	return nil
}

// decideContent finds out what a record says, and where it belongs.
func (l *Lane) decideContent(ctx context.Context, h *held, r *Record, now time.Time) error {
	if l.o.Topics.isEffect(r) {
		return l.takeEffect(ctx, h, r, now)
	}
	o, err := l.o.Topics.originOf(r, now)
	if err != nil {
		return l.bury(h, r, &o, BuriedRoute, err, now)
	}
	if c := l.isCondemned(r); c != nil {
		return l.letter(h, r, &o, BuriedTooLarge, c.why, l.letterBytes(c), now)
	}
	value, err := l.decode(ctx, r, &o)
	if err != nil {
		if classify(err) != RemedyDeadLetter && !errors.Is(err, errTombstone) {
			return &notNow{fmt.Errorf("decode record of %s/%d at offset %d: %w", r.Topic, r.Partition.Partition, r.Offset, err)}
		}
		return l.bury(h, r, &o, BuriedUnreadable, err, now)
	}
	e, err := rules.NewEvent(value, o.source, o.seen)
	if err != nil {
		return l.bury(h, r, &o, BuriedUnreadable, err, now)
	}
	member := e.Member()
	if member == "" {
		return l.bury(h, r, &o, BuriedNoMember, errNoMember, now)
	}
	if n := idBytes(&e); n > maxIDBytes {
		return l.bury(h, r, &o, BuriedTooLarge, fmt.Errorf("its ids have %d bytes, more than %d: they are part of all that is written about it", n, maxIDBytes), now)
	}
	if home := Home(member, l.o.Shards); home != h.id {
		return l.send(h, r, &o, home, now)
	}
	t := l.begin(now)
	t.overlay(h)
	out, err := h.shard.Handle(e)
	if one, why := oneAccount(member, err); one {
		l.stopped(h, member, why)
		return l.bury(h, r, &o, BuriedAccount, why, now)
	}
	if err != nil {
		return fmt.Errorf("decide record of %s/%d at offset %d in shard %d: %w", r.Topic, r.Partition.Partition, r.Offset, h.id, err)
	}
	delete(h.stopped, member)
	if out.Full {
		t.report.Full++
		l.said.warn(l.log, now, "a member has as many events as are kept, more are decided INVALID", "shard", h.id, "event", out.Decision.EventID)
	}
	l.count(t, r, &o, 0)
	if d := out.Decision; d == nil || d.Outcome != schemas.OutcomeInvalid { // that may be for its very time
		l.parts[r.Partition].happened(e.OccurredAt(), now, l.o.TimersQuiet)
	}
	return l.stageOutcome(t, out)
}

// maxStopped bounds how many stopped accounts are remembered, a shard.
const maxStopped = 10_000

// stopped remembers an account that goes no further because an invariant of its own broke, and says so once.
func (l *Lane) stopped(h *held, member string, why error) {
	if broken := (*rules.Broken)(nil); !errors.As(why, &broken) || h.stopped[member] || len(h.stopped) >= maxStopped {
		return
	}
	if h.stopped == nil {
		h.stopped = make(map[string]bool)
	}
	h.stopped[member] = true
	l.log.Error("account cannot go on, its records go to the dead letters", "shard", h.id, "err", why)
}

// maxIDBytes bounds what a record's producer can put into everything that is written about it.
const maxIDBytes = 8 << 10

// idBytes is how long the ids of an event are.
func idBytes(e *rules.Event) int {
	n := len(e.Member())
	switch {
	case e.Order != nil:
		n += len(e.Order.EventID) + len(e.Order.OrderID)
	case e.CheckIn != nil:
		n += len(e.CheckIn.EventID)
	case e.Referral != nil:
		n += len(e.Referral.EventID) + len(e.Referral.ReferrerID)
	case e.Profile != nil:
		n += len(e.Profile.EventID)
	case e.Command != nil:
		n += len(e.Command.EventID) + len(e.Command.GrantID)
	case e.Redemption != nil:
		n += len(e.Redemption.EventID) + len(e.Redemption.RedemptionID)
	}
	return n
}

// decode turns a record into one of the input types.
func (l *Lane) decode(ctx context.Context, r *Record, o *origin) (any, error) {
	return decodeInput(ctx, l.o.Decoder, r, o)
}

func decodeInput(ctx context.Context, decoder Decoder, r *Record, o *origin) (any, error) {
	if r.Value == nil {
		if o.kind == schemas.KindMember && len(r.Key) > 0 && utf8.Valid(r.Key) {
			return endOfProfile(r, o), nil
		}
		return nil, errTombstone
	}
	return decoder.Decode(ctx, o.kind, r.Value)
}

// count takes a record into the transaction's account.
func (l *Lane) count(t *transaction, r *Record, o *origin, forwarded int) {
	t.records++
	t.last = place{r.Partition, r.Offset}
	t.report.Records++
	if o.kind != schemas.KindEffect {
		n := t.report.ByTopic[o.source.Topic]
		t.report.ByTopic[o.source.Topic] = Counts{n.Records + 1, n.Forwarded + forwarded}
	}
	if t.oldest.IsZero() || r.Timestamp.Before(t.oldest) {
		t.oldest = r.Timestamp
	}
}

// bury puts a record among the dead letters.
func (l *Lane) bury(h *held, r *Record, o *origin, word string, why error, now time.Time) error {
	return l.letter(h, r, o, word, why, l.o.MaxRecordBytes, now)
}

// letter is bury with a bound for the dead letter.
func (l *Lane) letter(h *held, r *Record, o *origin, word string, why error, maxBytes int64, now time.Time) error {
	t := l.begin(now)
	t.overlay(h)
	l.count(t, r, o, 0)
	t.report.DeadLetters[word]++
	t.add(deadLetter(l.o.Topics.DeadLetters, r, o, word, why, maxBytes))
	return nil
}

// send forwards a record to the shard where its member is at home, where it is decided.
func (l *Lane) send(h *held, r *Record, o *origin, home int32, now time.Time) error {
	if o.forwarded {
		// The number of shards changed, or the record was forged. Sending it around would never end.
		return l.bury(h, r, o, BuriedRoute, fmt.Errorf("it was forwarded to shard %d, its member is at home in %d", h.id, home), now)
	}
	out := l.o.Topics.forward(r, o, home)
	if n := out.bytes(); n > l.o.MaxRecordBytes {
		return l.bury(h, r, o, BuriedTooLarge, fmt.Errorf("it is away from home and too large to be forwarded: %d bytes of %d", n, l.o.MaxRecordBytes), now)
	}
	t := l.begin(now)
	t.overlay(h)
	l.count(t, r, o, 1)
	t.add(out)
	return nil
}

// stageOutcome adds what was decided to the transaction's outputs. All records of a member have its id as their key.
func (l *Lane) stageOutcome(t *transaction, out *rules.Outcome) error {
	topics := &l.o.Topics
	encode := func(value any) ([]byte, error) { return l.encode(t, value) }
	for i := range out.Entries {
		if err := l.stageOutput(t, topics.PointGrants, out.Entries[i].MemberID, &out.Entries[i]); err != nil {
			return err
		}
	}
	for i := range out.TierChanges {
		if err := l.stageOutput(t, topics.TierChanges, out.TierChanges[i].MemberID, &out.TierChanges[i]); err != nil {
			return err
		}
	}
	for i := range out.Alerts {
		if err := l.stageOutput(t, topics.FraudAlerts, out.Alerts[i].MemberID, &out.Alerts[i]); err != nil {
			return err
		}
	}
	for i := range out.Notices {
		if err := l.stageOutput(t, topics.Notices, out.Notices[i].MemberID, &out.Notices[i]); err != nil {
			return err
		}
	}
	for i := range out.Closed {
		if err := l.stageOutput(t, topics.Decisions, out.Closed[i].MemberID, &out.Closed[i]); err != nil {
			return err
		}
	}
	if d := out.Decision; d != nil {
		value, err := fitDecision(d, encode, int(l.o.MaxRecordBytes)-len(d.MemberID)-recordOverhead)
		if err != nil {
			return fmt.Errorf("encode decision: %w", err)
		}
		t.add(Output{Topic: topics.Decisions, Partition: ByKey, Key: []byte(d.MemberID), Value: value})
	}
	for i := range out.Requests {
		if err := l.stageEffect(t, &out.Requests[i]); err != nil {
			return err
		}
	}
	t.report.Ledger.count(out)
	return nil
}

func (l *Lane) stageOutput(t *transaction, topic, member string, value any) error {
	bytes, err := l.encode(t, value)
	if err != nil {
		return fmt.Errorf("encode %T: %w", value, err)
	}
	t.add(Output{Topic: topic, Partition: ByKey, Key: []byte(member), Value: bytes})
	return nil
}

// wireRoom is into how many bytes nearly all records fit.
const wireRoom = 4 << 10

// encode returns the wire form of a record, in the transaction's memory.
func (l *Lane) encode(t *transaction, value any) ([]byte, error) {
	return t.wire.Append(wireRoom, func(to []byte) ([]byte, error) { return l.o.Encoder.Append(to, value) })
}

// trimEvery is how often the records of `<app>-effects` that every reader is past are let go.
const trimEvery = time.Minute

// trim lets the effects that are committed go. The topic has no retention of its own: a record must stay until it is decided,
// however long that takes.
func (l *Lane) trim(now time.Time) {
	if now.Before(l.trimAt) || l.producer != open {
		return
	}
	first := l.trimAt.IsZero()
	l.trimAt = now.Add(trimEvery)
	if first {
		return
	}
	below := make(map[int32]int64)
	for h := range l.inOrder() {
		p := l.parts[Partition{l.o.Topics.Effects, h.id}]
		if h.state == serving && p != nil && p.committed > h.trimmed {
			below[h.id] = p.committed
			h.trimmed = p.committed
		}
	}
	if len(below) > 0 {
		l.kafka.Trim(below)
	}
}
