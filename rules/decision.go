package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// only decides an event that changes nothing: a decision with its reason.
func (d *deciding) only(outcome schemas.Outcome, reason string) {
	member, event, occurredAt, source := d.head()
	version := ""
	if !occurredAt.IsZero() {
		version = d.account.ledger.at(occurredAt.UnixMilli()).programme.Version
	}
	d.out.decision = schemas.Decision{
		EventID: event, MemberID: member, Source: source, Outcome: outcome, Reason: reason,
		ProgrammeVersion: version, OccurredAt: occurredAt, DecidedAt: d.now,
	}
	d.out.Decision = &d.out.decision
}

// head is what a decision says of its event.
func (d *deciding) head() (member, event string, occurredAt time.Time, source schemas.Source) {
	if f := d.fact; d.event == nil {
		return d.account.member, f.key.event, instantUTC(f.key.at), f.source()
	}
	member, event, occurredAt = d.event.head()
	source = d.event.Source
	source.EventID = event
	if d.event.Order != nil {
		source.OrderID = d.event.Order.OrderID
	}
	return member, event, occurredAt, source
}

// answer is only, said of an event that was looked for.
func (d *deciding) answer(outcome schemas.Outcome, reason string) bool {
	d.only(outcome, reason)
	return true
}

// decide writes the decision of a fact: what it was worth, and what each rule said.
func (d *deciding) decide(r *run, entries []schemas.PointGrant) {
	d.only(schemas.OutcomeNothing, "")
	decision := d.out.Decision
	for i := range entries {
		decision.AvailablePoints += entries[i].AvailableDelta
		decision.PendingPoints += entries[i].PendingDelta
	}
	decision.Verdicts = r.passed.verdicts
	held := false
	for i := range decision.Verdicts {
		switch decision.Verdicts[i].Verdict {
		case schemas.VerdictGranted:
			decision.Outcome = schemas.OutcomeGranted
		case schemas.VerdictHeld:
			held = true
		case schemas.VerdictNothing, schemas.VerdictShadow: // grant nothing
		}
	}
	if held && decision.Outcome == schemas.OutcomeNothing {
		decision.Outcome = schemas.OutcomeHeld
	}
	if r.passed.granted {
		decision.Outcome = schemas.OutcomeGranted
	}
	if r.passed.denied != "" && !r.passed.granted {
		decision.Outcome = schemas.OutcomeDenied
	}
	decision.Reason = d.reason(r, decision) + d.fact.notes() + d.tooLate
	if d.again != "" && len(entries) == 0 {
		decision.Outcome, decision.Reason = schemas.OutcomeDuplicate, d.again
	}
}

// reason sums up a decision in one sentence.
func (d *deciding) reason(r *run, decision *schemas.Decision) string {
	if d.fact.refunds() {
		return d.refundDecision(decision)
	}
	if r.passed.reason != "" && r.passed.summary != "" { // what a command has done, and what its rise has brought
		return r.passed.reason + "; " + r.passed.summary
	}
	return r.passed.reason + r.passed.summary
}

func (d *deciding) refundDecision(decision *schemas.Decision) string {
	a, f := d.account, d.fact
	if a.isSealed(f.order.id) {
		return fmt.Sprintf("order %s is older than the %s for which refunds are honoured", f.order.id, a.ledger.at(f.key.at).programme.ReturnWindow)
	}
	var order *fact
	if a.orders != nil {
		order = a.standsFor(f.order.id)
	}
	if order == nil {
		return fmt.Sprintf("order %s is not known; if it comes, this will count", f.order.id)
	}
	p := a.ledger.at(order.key.at).programme
	if !a.honours(p, order.key.at, f.key.at) {
		return fmt.Sprintf("order %s is of %s, and refunds are honoured for %s", f.order.id,
			time.UnixMilli(order.key.at).UTC().Format(time.RFC3339), p.ReturnWindow)
	}
	text, kept := refundReason(order, f), f.keptText(p.Clawback)
	switch change := decision.AvailablePoints + decision.PendingPoints; {
	case change < 0:
		return text + ": " + pointsText(-change) + " taken back" + kept
	case change > 0:
		return text + ": " + pointsText(change) + " given back" + kept
	default:
		return text + ": no points change" + kept
	}
}

// explained notes what each rule said to the fact whose verdicts are wanted, and sums it up.
func (r *run) explained(cands []candidate, v *version) {
	out, p := r.out, v.programme
	texts := &out.texts
	texts.reset()
	out.verdicts, out.numbers = out.verdicts[:0], out.numbers[:0]
	for i := range cands {
		c := &cands[i]
		texts.reason(c, v)
		out.verdicts = append(out.verdicts, schemas.Verdict{
			RuleID: c.rule.ID, RuleTitle: c.rule.Title, Verdict: verdictKind(c), Points: c.points,
		})
		if c.met {
			texts.numbers(c, p, &out.numbers)
		}
	}
	texts.summary(cands)
	all, from, piece := string(texts.bytes), 0, 0
	next := func() string {
		text := all[from:texts.ends[piece]]
		from, piece = texts.ends[piece], piece+1
		return text
	}
	numbers := out.numbers
	for i := range cands {
		verdict := &out.verdicts[i]
		verdict.Reason = next()
		if !cands[i].met {
			continue
		}
		n := numbersOf(&cands[i])
		verdict.Numbers, numbers = numbers[:n:n], numbers[n:]
		for j := range verdict.Numbers {
			verdict.Numbers[j].Value = next()
		}
	}
	r.passed.verdicts, r.passed.summary = out.verdicts, next()
}

func verdictKind(c *candidate) schemas.VerdictKind {
	switch {
	case c.rule.Mode == programme.Shadow:
		return schemas.VerdictShadow
	case c.points > 0 && (c.review != nil || !c.rule.Hold.IsZero() && !c.atOnce):
		return schemas.VerdictHeld
	case c.points > 0:
		return schemas.VerdictGranted
	default:
		return schemas.VerdictNothing
	}
}
