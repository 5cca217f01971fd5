package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what the answers to an event's questions (question.go) make of it: rulings, and with the last its decision.

// takeAnswer takes in what a key or a member has said to an event.
func (a *Account) takeAnswer(d *deciding, e *schemas.Effect) error {
	for _, w := range a.waits {
		if w.key.at != e.OccurredAt.UnixMilli() || w.key.event != e.Source.EventID {
			continue
		}
		f, err := a.awaited(w)
		if err != nil {
			return err
		}
		q := f.questionOf(e.RuleID, e.FromMember)
		if q == nil { // the referrer who answers, or for whom the key has counted, may have been erased meanwhile
			nobody := *e
			if nobody.FromMember = erasedReferrer; e.RuleID == sameDevice {
				nobody.FromMember = erasedMember
			}
			if q = f.questionOf(e.RuleID, nobody.FromMember); q != nil {
				e = &nobody
			}
		}
		if q != nil && q.due != 0 {
			return a.settle(d, f, q, e)
		}
	}
	return nil
}

func (a *Account) awaited(w waiting) (*fact, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	f, err := a.factAt(w.key)
	if f == nil && err == nil {
		err = &Broken{a.member, fmt.Errorf("event %s waits for an answer and is not there", w.key.event)}
	}
	return f, err
}

// giveUp decides an event that has waited too long, up to an instant.
func (a *Account) giveUp(d *deciding, to int64) error {
	if len(a.waits) == 0 || a.waits[0].due > to {
		return nil
	}
	f, err := a.awaited(a.waits[0])
	if err != nil {
		return err
	}
	for i := range f.asks() {
		if q := &f.questions.list[i]; q.due != 0 && q.due <= to {
			return a.settle(d, f, q, nil)
		}
	}
	if given, err := a.giveUpDraws(d, f, to); given || err != nil {
		return err
	}
	return &Broken{a.member, fmt.Errorf("event %s waits for nothing", f.key.event)}
}

// settle rules by an answer, or without one (nil), and decides the event if it was the last. It needs the facts.
func (a *Account) settle(d *deciding, f *fact, q *question, e *schemas.Effect) error {
	v := a.ledger.at(f.key.at)
	now := instantUTC(f.key.at).In(a.zoneWithin(f.key.at, v.programme))
	q.due = 0
	a.change(f)
	if err := a.ruleBy(d, v, f, q, e, now); err != nil {
		return err
	}
	if f.unruled = q.threshold == sameDevice; f.waits() && !f.unruled {
		a.await(f)
		d.stamp()
		return nil
	}
	return a.decideAnswered(d, f, true)
}

// decideAnswered decides again from a fact on that has got its answer, and, if it waited as a whole, writes its decision. It needs
// the facts.
func (a *Account) decideAnswered(d *deciding, f *fact, waited bool) error {
	before, place := a.head.tier, 0
	if f.key.kind < joinedFact {
		place = a.from + a.place(f.key)
	}
	d.fact, d.answered = f, waited
	r := a.newRun()
	defer r.free()
	r.explain, r.out = f, d.out
	err := a.decideAgain(r, place, a.asOf)
	if isOverflow(err) { // later events have grown too large to let it have what it wants
		a.undecided()
		f.unruled, f.rulings = false, append(f.rulings, ruling{threshold: "overflow", action: programme.ActionDeny, measured: err.Error()})
		for i := range f.asks() {
			f.questions.list[i].due = 0
		}
		a.forgetSnapshots(0)
		err = a.decideAgain(r, place, a.asOf)
	}
	f.unruled = false
	if err != nil {
		return err
	}
	a.await(f)
	return d.finish(r, before, false)
}

// ruleBy says what follows from an answer.
func (a *Account) ruleBy(d *deciding, v *version, f *fact, q *question, e *schemas.Effect, now time.Time) error {
	if q.threshold == sameDevice {
		if q.yes = e != nil && e.Events > 0; e == nil {
			a.unanswered(d, v, &programme.Threshold{ID: sameDevice}, f, q)
		}
		return nil
	}
	i := slices.IndexFunc(v.programme.Fraud, func(t *programme.Threshold) bool { return t.ID == q.threshold })
	if i < 0 {
		return nil
	}
	t := v.programme.Fraud[i]
	if e == nil {
		a.unanswered(d, v, t, f, q)
		return nil
	}
	m, over, err := heard(v.programme, t, e)
	if over && err == nil {
		a.alert(d.out, v, t, f, now, m)
	}
	return err
}

// unanswered says that nobody has answered in time.
func (a *Account) unanswered(d *deciding, v *version, t *programme.Threshold, f *fact, q *question) {
	text := fmt.Sprintf("%s has not answered within %dh, so it counts as not passed", q.to, answerWithin/time.Hour)
	d.out.Alerts = append(d.out.Alerts, schemas.FraudAlert{
		ThresholdID: t.ID, MemberID: a.member, Measure: measureName(t), Window: windowText(t), Action: programme.ActionFlag.String(),
		Evidence: []schemas.Number{{Name: "not answered", Value: q.to}}, EventID: f.key.event, ProgrammeVersion: v.programme.Version,
		OccurredAt: instantUTC(f.key.at),
	})
	f.rulings = append(f.rulings, ruling{threshold: t.ID, action: programme.ActionFlag, measured: text})
}

// notes are what rulings say that neither hold nor deny.
func (f *fact) notes() (text string) {
	for i := range f.rulings {
		if f.rulings[i].action == programme.ActionFlag {
			text += "; " + f.rulings[i].why()
		}
	}
	return text
}

// heard is what a key has measured, and whether the threshold is passed by it.
func heard(p *programme.Programme, t *programme.Threshold, e *schemas.Effect) (measurement, bool, error) {
	_, subject, _ := strings.Cut(shown(e.FromMember), ":")
	of := " of " + t.By.String() + " " + subject
	m := measurement{told: append([]schemas.Number{{Name: t.By.String(), Value: subject}}, e.Evidence...)}
	n, what := e.Events, eventsName(t.On)
	switch t.Measure {
	case programme.MeasureCount:
	case programme.MeasureMembers:
		n, what = e.Distinct, "members"
	case programme.MeasureDevices:
		n, what = e.Distinct, "devices"
	case programme.MeasurePoints:
		n, what = e.Points, "points"
	case programme.MeasureAmount:
		m.value, m.limit = moneyText(programme.Money(e.Points), p), moneyText(programme.Money(t.Over), p)
		m.text = fmt.Sprintf("%s%s within %s, more than %s", m.value, of, t.Within, m.limit)
		return m, e.Points > t.Over, nil
	case programme.MeasureRefunds:
		over, err := m.refundShare(t, e.Refunds, e.Events, of)
		return m, over, err
	}
	m.value, m.limit = fmt.Sprint(n), fmt.Sprint(t.Over)
	m.text = fmt.Sprintf("%s %s%s within %s, more than %s", m.value, what, of, t.Within, m.limit)
	return m, n > t.Over, nil
}
