package rules

import (
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about events whose rules need an answer from elsewhere: how much a device, an address, a means of payment, a store
// or an inviting member has seen (tally.go counts that), and which devices another member has used.
//
// Such an event becomes a fact at once, and waits: its questions leave with it, it is granted nothing, and its decision is not
// written. For limits, `each` and counters later events see it as decided, for balance and tier as nothing. Each answer is
// a ruling, stored with the fact, and is given once: what comes after it, or without being waited for, changes nothing. With the
// last one everything from the fact on is decided again, and its decision is written.
//
// What is counted elsewhere follows what becomes of the event: a refunded order is told there, by a newer revision of the
// question, which nobody answers.

// answerWithin is how long an event waits. A question without an answer by then counts as not passed, which an alert and the
// decision say.
const answerWithin = 24 * time.Hour

// unsent is the due time of a question that is to be sent.
const unsent = -1

// sameDevice is how the question is called whether the two members of a referral have used one device.
const sameDevice = "referral.same_device"

// question is what an event has asked elsewhere.
type question struct {
	threshold string // that asks, or sameDevice
	to        string // the key that counts, such as "device:d1", or with sameDevice the member
	revision  int64
	adds      share
	due       int64 // when it is no longer waited for; unsent; 0: it is answered
	yes       bool  // with sameDevice: what was answered

	first *schemas.Effect // what only the first revision says; nil once it is sent
}

// share is what an event adds to what is counted under a key.
type share struct{ events, points, refunds int64 }

// waiting is a fact that waits for answers.
type waiting struct {
	key factKey
	due int64 // when the first of them is no longer waited for
}

// questions are those of a fact, in the order in which they were asked.
type questions struct {
	list []question
	ip   string // of a referral: it may be asked about when the devices are known
}

func (f *fact) asks() []question {
	if f.questions == nil {
		return nil
	}
	return f.questions.list
}

func (f *fact) ask(q question) {
	if f.questions == nil {
		f.questions = &questions{}
	}
	f.questions.list = append(f.questions.list, q)
}

// waits says that the fact is not decided yet.
func (f *fact) waits() bool {
	for i := range f.draws {
		if f.draws[i].hard && f.draws[i].waits() {
			return true
		}
	}
	for i := range f.asks() {
		if f.questions.list[i].due != 0 {
			return true
		}
	}
	return false
}

func (f *fact) questionOf(threshold, to string) *question {
	for i := range f.asks() {
		if q := &f.questions.list[i]; q.threshold == threshold && q.to == to {
			return q
		}
	}
	return nil
}

// subject is whom a threshold counts an event for; empty: the event does not say. e is nil where the event is not new any more.
func (f *fact) subject(by programme.Subject, e *Event) string {
	switch by {
	case programme.ByMember:
	case programme.ByDevice:
		return f.device
	case programme.ByIP:
		switch {
		case e == nil:
			return f.questions.ip
		case e.Order != nil:
			return e.Order.IP
		case e.Referral != nil:
			return e.Referral.IP
		}
		return e.CheckIn.IP
	case programme.ByPayment:
		return e.Order.PaymentHash
	case programme.ByReferrer:
		return f.referral.referrer
	case programme.ByStore:
		if f.order != nil {
			return f.order.store
		}
		return f.checkIn.store
	}
	return ""
}

// askKey has a threshold ask the key under which it counts the event. An event that names none is not counted.
func (r *run) askKey(v *version, t *programme.Threshold, listening []int, f *fact, now time.Time, rest remains) error {
	subject := f.subject(t.By, r.event)
	if subject == "" {
		return nil
	}
	zone := now.Location()
	q := question{threshold: t.ID, to: t.By.String() + ":" + subject, due: unsent, adds: share{events: 1}}
	q.first = &schemas.Effect{
		Measure: t.Measure.String(), Since: t.Within.SubFrom(now, zone), Limit: t.Over,
		KeepUntil: v.programme.ReturnWindow.AddTo(t.Within.AddTo(now, zone), zone).Add(slack * time.Millisecond),
	}
	switch t.Measure {
	case programme.MeasureCount:
	case programme.MeasureMembers:
		q.first.Value = r.account.member
	case programme.MeasureDevices:
		q.first.Value = f.device
	case programme.MeasurePoints:
		points, err := r.earned(v, nil, listening, f, now, rest)
		if err != nil {
			return err
		}
		q.adds.points = points
	case programme.MeasureAmount:
		q.adds.points = int64(rest.total)
	case programme.MeasureRefunds:
		q.first.Limit = t.AtLeast - 1
		if r.account.tookBack(f) {
			q.adds.refunds = 1
		}
	}
	f.ask(q)
	return nil
}

// askDevices asks the referrer's account whether one of the devices that this member has used is known there. It says whether
// the answer has to be waited for.
func (r *run) askDevices(v *version, f *fact) (bool, error) {
	if f.referral == nil || !v.asksDevices {
		return false, nil
	}
	if q := f.questionOf(sameDevice, f.referral.referrer); q != nil {
		return q.due != 0, nil
	}
	if err := r.account.load(); err != nil {
		return false, err
	}
	devices := r.account.devices(f)
	if len(devices) == 0 {
		return false, nil
	}
	f.ask(question{threshold: sameDevice, to: f.referral.referrer, due: unsent, adds: share{events: 1}, first: &schemas.Effect{Devices: devices}})
	if r.event != nil {
		f.questions.ip = r.event.Referral.IP
	}
	return true, nil
}

// mostDevices bounds the devices that another account is asked about, those used last.
const mostDevices = 20

// devices are those of an event and of the member's others within the window, the event's first, then those used last.
func (a *Account) devices(f *fact) []string {
	var list []string
	add := func(device string) {
		if device != "" && len(list) < mostDevices && !slices.Contains(list, device) {
			list = append(list, device)
		}
	}
	add(f.device)
	for _, x := range slices.Backward(a.facts) {
		add(x.device)
	}
	return list
}

// sameDevice says whether the two members of a referral have used one device, as far as is known.
func (f *fact) sameDevice() bool {
	q := f.questionOf(sameDevice, f.referral.referrer)
	return q != nil && q.yes
}

// tellDevices answers another account whether this member has used one of its devices. Nothing changes by it.
func (a *Account) tellDevices(d *deciding, e *schemas.Effect) error {
	if err := a.load(); err != nil {
		return err
	}
	answer := answerTo(e, d.now)
	for _, f := range a.facts {
		if slices.Contains(e.Devices, f.device) {
			answer.Events++
			answer.Evidence = []schemas.Number{{Name: "device", Value: f.device}}
		}
	}
	d.out.Requests = append(d.out.Requests, answer)
	return nil
}

// answerTo begins the answer to a question.
func answerTo(e *schemas.Effect, now time.Time) schemas.Effect {
	return schemas.Effect{
		Kind: schemas.EffectAnswer, MemberID: e.FromMember, FromMember: e.MemberID, RuleID: e.RuleID, Source: e.Source, OccurredAt: e.OccurredAt,
		Revision: e.Revision, Cause: e.Cause, CausedAt: e.CausedAt, ProgrammeVersion: e.ProgrammeVersion, DecidedAt: now,
	}
}

// questions sends what facts ask that is new, and what has changed of what they had asked to be counted.
func (d *deciding) questions(r *run) {
	for _, f := range r.touched {
		if len(f.asks()) == 0 {
			continue
		}
		for i := range f.asks() {
			q := &f.questions.list[i]
			if adds := d.account.adds(f, q); q.due == unsent || adds != q.adds {
				q.adds = adds
				d.question(f, q)
			}
		}
		d.account.await(f)
	}
}

// question asks, or tells of a change.
func (d *deciding) question(f *fact, q *question) {
	e := schemas.Effect{}
	if q.first != nil {
		e, q.first = *q.first, nil
	}
	if q.due == unsent {
		q.due = max(d.now.UnixMilli(), f.key.at) + answerWithin.Milliseconds()
	}
	q.revision++
	if q.to == erasedMember || q.to == erasedReferrer { // nobody is there to be asked
		d.account.change(f)
		return
	}
	e.Kind, e.MemberID, e.FromMember, e.RuleID = schemas.EffectCount, q.to, d.account.member, q.threshold
	if q.threshold == sameDevice {
		e.Kind = schemas.EffectDevices
	}
	e.Source = f.source()
	e.OccurredAt, e.Revision, e.Cause, e.CausedAt = instantUTC(f.key.at), q.revision, d.fact.causeOr(f), instantUTC(f.key.at)
	e.Events, e.Points, e.Refunds = q.adds.events, q.adds.points, q.adds.refunds
	e.ProgrammeVersion, e.DecidedAt = d.account.ledger.at(f.key.at).programme.Version, d.now
	d.account.change(f)
	d.out.Requests = append(d.out.Requests, e)
}

// causeOr is the event that is the cause, or f where time is.
func (f *fact) causeOr(other *fact) string {
	if f == nil {
		return other.cause()
	}
	return f.cause()
}

// adds is what an event adds by now to what a key counts.
func (a *Account) adds(f *fact, q *question) share {
	s, v := q.adds, a.ledger.at(f.key.at)
	i := slices.IndexFunc(v.programme.Fraud, func(t *programme.Threshold) bool { return t.ID == q.threshold })
	if i < 0 {
		return s
	}
	measure := v.programme.Fraud[i].Measure
	switch {
	case f.referral != nil:
		s.events = 0
		if by := a.head.invited; by != nil && by.event == f.key.event {
			s.events = 1
		}
	case f.order != nil && a.holds(f) && !a.isSealed(f.order.id):
		s = share{}
		rest, err := a.left(f, v.programme, nil)
		if a.standsFor(f.order.id) == f && err == nil { // an amount that is too large is said where the order is decided
			s.add(measure, &rest, a.tookBack(f))
		}
	}
	if measure != programme.MeasurePoints {
		return s
	}
	if s.points = 0; f.waits() {
		s.points = q.adds.points // what it would earn
	}
	for i := range f.grants {
		g := &f.grants[i]
		s.points += grantPoints(g.available+g.expired, g.pending, g.tier) // their sum was checked when granted
	}
	return s
}

// add counts an order with what is left of it. The share of refunded orders counts those as well of which nothing is.
func (s *share) add(measure programme.Measure, rest *remains, back bool) {
	if rest.gone == "" || measure == programme.MeasureRefunds {
		s.events = 1
	}
	if measure == programme.MeasureAmount && rest.gone == "" {
		s.points = int64(rest.total)
	}
	if measure == programme.MeasureRefunds && back {
		s.refunds = 1
	}
}

// await enters a fact among those that wait, or takes it out.
func (a *Account) await(f *fact) {
	a.waits = slices.DeleteFunc(a.waits, func(w waiting) bool { return w.key == f.key })
	w := waiting{key: f.key}
	for i := range f.asks() {
		if due := f.questions.list[i].due; due != 0 && (w.due == 0 || due < w.due) {
			w.due = due
		}
	}
	for i := range f.draws {
		if due := f.draws[i].due; due != 0 && (w.due == 0 || due < w.due) {
			w.due = due
		}
	}
	if w.due != 0 {
		i, _ := slices.BinarySearchFunc(a.waits, w, waiting.compare)
		a.waits = slices.Insert(a.waits, i, w)
	}
	a.touched = true
}

func (w waiting) compare(o waiting) int {
	if w.due != o.due {
		return int(min(max(w.due-o.due, -1), 1))
	}
	return w.key.compare(o.key)
}

func (f *fact) encodeQuestions(w *writer) {
	w.uvarint(uint64(len(f.asks())))
	for i := range f.asks() {
		q := &f.questions.list[i]
		w.string(q.threshold)
		w.string(q.to)
		w.varint(q.revision)
		w.varint(q.adds.events)
		w.varint(q.adds.points)
		w.varint(q.adds.refunds)
		w.varint(q.due)
		w.bool(q.yes)
	}
	w.string(f.questions.ip)
}

func (f *fact) decodeQuestions(r *reader) {
	list := make([]question, r.count())
	for i := range list {
		list[i] = question{
			threshold: r.string(), to: r.string(), revision: r.varint(), adds: share{r.varint(), r.varint(), r.varint()}, due: r.varint(), yes: r.bool(),
		}
	}
	f.questions = &questions{list, r.string()}
}

// saveWaits writes which facts wait, behind a head.
func (a *Account) saveWaits(w *writer) {
	if len(a.waits) == 0 {
		return
	}
	w.byte(tagWaits)
	w.uvarint(uint64(len(a.waits)))
	for _, x := range a.waits {
		w.varint(x.due)
		w.varint(x.key.at)
		w.byte(byte(x.key.kind))
		w.string(x.key.event)
	}
}

func loadWaits(r *reader) []waiting {
	list := make([]waiting, r.count())
	for i := range list {
		list[i] = waiting{due: r.varint(), key: factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()}}
	}
	return list
}

// QuestionRow is what an event has asked elsewhere.
type QuestionRow struct {
	Threshold string    `json:"threshold"`
	Of        string    `json:"of"` // a key, or a member
	Revision  int64     `json:"revision"`
	Until     time.Time `json:"answer_until,omitzero"` // while it waits
	Yes       bool      `json:"yes,omitempty"`
}

// RulingRow is what a threshold said to an event.
type RulingRow struct {
	Threshold string    `json:"threshold"`
	Action    string    `json:"action"`
	Until     time.Time `json:"until,omitzero"`
	Measured  string    `json:"measured"`
}

func (d *FactRow) describeQuestions(f *fact) {
	for i := range f.asks() {
		q := &f.questions.list[i]
		d.Questions = append(d.Questions, QuestionRow{q.threshold, shown(q.to), q.revision, momentOf(q.due), q.yes})
	}
	for i := range f.rulings {
		u := &f.rulings[i]
		d.Rulings = append(d.Rulings, RulingRow{u.threshold, u.action.String(), momentOf(u.until), u.measured})
	}
}
