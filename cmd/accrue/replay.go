package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accrue/processor"
	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// replay applies a programme to history, event by event, with the core of the engine and without Kafka. simulate and backtest
// are two readers of what it answers, so their totals are the same.
type replay struct {
	asOf, now time.Time
	// write takes each answer, in order; it is valid during the call. event is nil where the answer is none to an input.
	write func(event *rules.Event, o *rules.Outcome) error
	// refuse takes an input that is no event of a member, and why.
	refuse func(in *input, why string) error
	// hear is told what accounts and keys say to each other, before it is taken in, and may change it; nil: nobody is.
	hear func(e *schemas.Effect)

	shard  *processor.Shard
	newest time.Time
}

// input is one record of history.
type input struct {
	message schemas.Message
	source  schemas.Source
	written time.Time // when a null value, which says nothing else, was written; zero: at the newest event before it
	line    []byte    // what was read, until the next is read; nil: it is not kept
	place   string    // where that is, for people; empty: its number among the lines is enough
	bad     string    // why it is no record; empty: it is one
}

// seededLedger makes the ledger of a replay, with the seed of its lots.
func seededLedger(versions programme.Versions, seed string) (*rules.Ledger, error) {
	ledger, err := rules.NewLedger(versions, rules.Secret([]byte(seed)))
	var needs *rules.NeedsSecret
	if errors.As(err, &needs) {
		return nil, invalidf("rule %s draws lots (chance, random): give any text with --seed; the same text draws the same", needs.Rule)
	}
	if err != nil {
		return nil, &invalidError{err}
	}
	return ledger, nil
}

// lineInput reads a line as a record of history; number counts lines from 0. failed is what is wrong with the line itself.
func lineInput(line []byte, number int64, failed error) input {
	in := input{line: line, source: schemas.Source{Offset: number}}
	if failed != nil {
		in.bad = failed.Error()
		return in
	}
	m, err := schemas.ParseLine(line)
	if err != nil {
		in.bad = err.Error()
	}
	in.message, in.source.Topic = m, m.Topic
	return in
}

// take decides one record of history. What is no event of a member is refused, as in the engine.
func (r *replay) take(in *input) error {
	if in.bad != "" {
		return r.refuse(in, in.bad)
	}
	m := in.message
	if m.Value == nil {
		written := in.written
		if written.IsZero() {
			written = r.newest
		}
		if m.Kind != schemas.KindMember || m.Key == "" || written.IsZero() {
			return r.refuse(in, "the value is null: that says the end of a profile, on "+schemas.TopicProfiles+
				" with the member as `key`, at the time of the newest event before it")
		}
		m.Value = &rules.EndOfProfile{MemberID: m.Key, EventID: tombstoneID(in.source), OccurredAt: written}
	}
	event, err := rules.NewEvent(m.Value, in.source, r.now)
	if err != nil {
		return r.refuse(in, err.Error())
	}
	if event.Member() == "" {
		return r.refuse(in, "the record names no member, so nobody's account can decide it")
	}
	if err := r.advanceBudgets(event.OccurredAt()); err != nil {
		return err
	}
	outcome, err := r.shard.Handle(event)
	if err != nil {
		return err
	}
	r.seen(outcome)
	waiting := slices.Clone(outcome.Requests)
	if err := r.write(&event, outcome); err != nil {
		return err
	}
	return r.effects(waiting)
}

// tombstoneID is the event id that the engine gives to a null value on the topic of profiles.
func tombstoneID(at schemas.Source) string {
	return fmt.Sprintf("tombstone-%d-%d", at.Partition, at.Offset)
}

// seen takes note of the newest event, by its decision.
func (r *replay) seen(o *rules.Outcome) {
	if d := o.Decision; d != nil && d.OccurredAt.After(r.newest) && d.Outcome != schemas.OutcomeInvalid {
		r.newest = d.OccurredAt
	}
}

// effects has members' accounts take in what an event asks of them, right behind its records: the oldest request first, and
// what that asks in turn, or answers, behind all that wait. So what is counted for a device or a store is counted in the order
// of the input. (In the engine a request travels, and may come later. What is granted in the end is the same, given the same answers.)
func (r *replay) effects(waiting []schemas.Effect) error {
	for ; len(waiting) > 0; waiting = waiting[1:] {
		if r.hear != nil {
			r.hear(&waiting[0])
		}
		outcome, err := r.shard.Take(&waiting[0], r.now)
		if err != nil {
			return err
		}
		r.seen(outcome)
		waiting = append(waiting, outcome.Requests...)
		if err := r.write(nil, outcome); err != nil {
			return err
		}
	}
	return nil
}

// advanceAll advances every member that a record named to --as-of, in alphabetical order.
func (r *replay) advanceAll() error {
	if r.asOf.IsZero() {
		return nil
	}
	if r.asOf.Before(r.newest) {
		return invalidf("--as-of %s lies before the newest event, of %s", r.asOf.Format(time.RFC3339), r.newest.Format(time.RFC3339))
	}
	if err := r.advanceBudgets(r.asOf); err != nil {
		return err
	}
	for again := true; again; { // what others answer or ask for can fall due at once
		again = false
		for _, member := range r.shard.Members() {
			if due, is, err := r.shard.Due(member); err != nil {
				return err
			} else if !is || due.After(r.asOf) {
				continue
			}
			if err := r.advance(member, r.asOf); err != nil {
				return err
			}
			again = true
		}
	}
	return nil
}

// advance lets happen what falls due for a member or key, and what that asks of others.
func (r *replay) advance(name string, to time.Time) error {
	outcome, err := r.shard.Advance(name, to, to)
	if err != nil {
		return err
	}
	waiting := slices.Clone(outcome.Requests)
	if err := r.write(nil, outcome); err != nil {
		return err
	}
	return r.effects(waiting)
}

// advanceBudgets opens budgets again that were used up and of which something has come back.
func (r *replay) advanceBudgets(to time.Time) error {
	for _, name := range r.shard.DueBudgets(to) {
		if err := r.advance(name, to); err != nil {
			return err
		}
	}
	return nil
}
