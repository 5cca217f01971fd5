package rules

import (
	"errors"
	"math"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file holds what a fraud threshold does to a member. How it measures is in measure.go.
//
// A threshold is asked once about an event, when that first arrives. What it says is stored with the fact as a ruling and is
// never worked out again: so decisions of the past do not change with what arrives later, nor with a new version.

// noDue is the due time of a grant that is held until somebody decides; it never comes. It is stored.
const noDue = math.MaxInt64

// ruling is what one threshold said to one event. An alert alone leaves none.
type ruling struct {
	threshold string
	action    programme.Action // ActionHold, ActionDeny or ActionBlock; the numbers are stored
	until     int64            // with ActionBlock: the instant at which it ends; noDue: when somebody ends it
	measured  string           // in words
}

func (u *ruling) why() string { return "threshold " + u.threshold + ": " + u.measured }

// guards are the thresholds that listen to each trigger, as indices into Programme.Fraud.
type guards [programme.OnReferral + 1][]int

// guard takes the thresholds of a version in. What they count is counted among the facts, so these are kept as long.
func (v *version) guard(thresholds []*programme.Threshold) {
	for i, t := range thresholds {
		v.guards[t.On] = append(v.guards[t.On], i)
		v.longest = longer(v.longest, t.Within)
		v.asksDevices = v.asksDevices || t.On == programme.OnReferral && asksDevices(t.When)
	}
}

// asksDevices says whether a condition asks if the two members of a referral have used one device.
func asksDevices(when *programme.Condition) bool {
	return when != nil && slices.Contains(when.References(), sameDevice)
}

// fraudStanding is what thresholds have done to a member that outlasts the event.
type fraudStanding struct {
	blocked int64  // the instant until which events are denied; 0: they are not; noDue: until somebody ends it
	by      string // the threshold that blocked; empty: an operator did
	event   string // the event that it was about
}

// block takes in the rulings of an event that is decided. A ruling stays though the event itself may be gone by now: who orders
// on and sends everything back is still who was blocked for it.
func (s *fraudStanding) block(f *fact) {
	for i := range f.rulings {
		if u := &f.rulings[i]; u.action == programme.ActionBlock && u.until > s.blocked {
			*s = fraudStanding{u.until, u.threshold, f.key.event}
		}
	}
}

// denies says why an event may grant nothing; empty: it may.
func (s *fraudStanding) denies(f *fact, zone *time.Location) string {
	for i := range f.rulings {
		if u := &f.rulings[i]; u.action == programme.ActionDeny || u.action == programme.ActionBlock {
			return "denied by " + u.why()
		}
	}
	who := "threshold " + s.by
	if s.by == "" {
		who = "an operator"
	}
	switch {
	case s.blocked <= f.at():
		return ""
	case s.blocked == noDue:
		return "denied: " + who + " blocked the member at event " + s.event + ", until an operator ends it"
	default:
		return "denied: " + who + " blocked the member at event " + s.event + ", until " + time.UnixMilli(s.blocked).In(zone).Format("2006-01-02 15:04")
	}
}

// review is the ruling that holds an event's grants; nil: none does.
func (f *fact) review() *ruling {
	for i := range f.rulings {
		if f.rulings[i].action == programme.ActionHold {
			return &f.rulings[i]
		}
	}
	return nil
}

// deny tells each rule that listens why it grants nothing. The rules are not asked, and count nothing.
func (r *run) deny(v *version, listening []int, f *fact, why string) {
	if r.explain != f {
		return
	}
	for _, index := range listening {
		because := because{kind: deniedEvent, failed: errors.New(why)}
		r.cands = append(r.cands, candidate{rule: v.programme.Rules[index], index: index, why: because})
	}
	r.passed.denied = why
}

// alert writes what a threshold measured, and rules by its action.
func (a *Account) alert(out *Outcome, v *version, t *programme.Threshold, f *fact, now time.Time, m measurement) {
	p := v.programme
	out.Alerts = append(out.Alerts, schemas.FraudAlert{
		ThresholdID: t.ID, MemberID: a.member, Measure: measureName(t), MeasuredValue: m.value, Limit: m.limit,
		Window: windowText(t), Action: t.Action.String(), Evidence: m.evidence(t), EventID: f.key.event, ProgrammeVersion: p.Version,
		OccurredAt: time.UnixMilli(f.key.at).UTC(),
	})
	u := ruling{threshold: t.ID, action: t.Action, measured: m.text}
	switch t.Action {
	case programme.ActionFlag:
		return
	case programme.ActionBlock:
		u.until = noDue
		if !t.For.IsZero() {
			u.until = t.For.AddTo(now, now.Location()).UnixMilli()
		}
	case programme.ActionHold, programme.ActionDeny:
	}
	f.rulings = append(f.rulings, u)
}

func measureName(t *programme.Threshold) string {
	if t.Measure == 0 {
		return ""
	}
	return t.Measure.String()
}

func windowText(t *programme.Threshold) string {
	if t.Within.IsZero() {
		return ""
	}
	return t.Within.String()
}

func (s *fraudStanding) save(w *writer) {
	w.varint(s.blocked)
	if s.blocked != 0 {
		w.string(s.by)
		w.string(s.event)
	}
}

func loadFraud(r *reader) fraudStanding {
	s := fraudStanding{blocked: r.varint()}
	if s.blocked != 0 {
		s.by, s.event = r.string(), r.string()
	}
	return s
}

// What of a fact is stored only where it is there, as bits.
const (
	hasDevice  = 1 << iota
	hasRulings // a list
	hasMet     // a list
	hasKeeps   // a list
	hasAsked   // a list
	hasQuestions
	hasDraws // a list
)

// encodeGuarded writes what thresholds need of a fact, and what they said to it: one byte for most facts.
func (f *fact) encodeGuarded(w *writer) {
	var flags byte
	if f.device != "" {
		flags |= hasDevice
	}
	if len(f.rulings) > 0 {
		flags |= hasRulings
	}
	if len(f.met) > 0 {
		flags |= hasMet
	}
	if len(f.keeps) > 0 {
		flags |= hasKeeps
	}
	if f.asked != nil {
		flags |= hasAsked
	}
	if f.questions != nil {
		flags |= hasQuestions
	}
	if len(f.draws) > 0 {
		flags |= hasDraws
	}
	w.byte(flags)
	if flags&hasDevice != 0 {
		w.string(f.device)
	}
	if flags&hasRulings != 0 {
		w.uvarint(uint64(len(f.rulings)))
		for i := range f.rulings {
			u := &f.rulings[i]
			w.string(u.threshold)
			w.byte(byte(u.action))
			w.varint(u.until)
			w.string(u.measured)
		}
	}
	if flags&hasMet != 0 {
		w.strings(f.met)
	}
	if flags&hasKeeps != 0 {
		encodeKeeps(w, f.keeps)
	}
	if flags&hasAsked != 0 {
		f.encodeAsked(w)
	}
	if flags&hasQuestions != 0 {
		f.encodeQuestions(w)
	}
	if flags&hasDraws != 0 {
		f.encodeDraws(w)
	}
}

func (f *fact) decodeGuarded(r *reader) {
	flags := r.byte()
	if flags&hasDevice != 0 {
		f.device = r.string()
	}
	if flags&hasRulings != 0 {
		if n := r.count(); n > 0 {
			f.rulings = make([]ruling, n)
		}
		for i := range f.rulings {
			f.rulings[i] = ruling{threshold: r.string(), action: programme.Action(r.byte()), until: r.varint(), measured: r.string()}
		}
	}
	if flags&hasMet != 0 {
		f.met = r.strings()
	}
	if flags&hasKeeps != 0 {
		f.keeps = decodeKeeps(r)
	}
	if flags&hasAsked != 0 {
		f.decodeAsked(r)
	}
	if flags&hasQuestions != 0 {
		f.decodeQuestions(r)
	}
	if flags&hasDraws != 0 {
		f.decodeDraws(r)
	}
	if flags >= hasDraws<<1 {
		r.fail("kinds of guards")
	}
}

// metCondition says whether the event met a threshold's condition when it first arrived.
func (f *fact) metCondition(id string) bool { return slices.Contains(f.met, id) }
