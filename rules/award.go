package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what another account has asked for: the points of somebody who invited. It is a fact of the account that
// takes it, a ruling: it has the place of the event that earned it, behind all other facts of that instant, and so acts only
// on what is strictly later. However members have invited each other, nothing feeds itself.
//
// An award is never late and makes nothing late. Of its revisions the newest counts. While its place is among the facts of
// the window all from there on is decided again; what comes when that is folded away is past_award.go's.

// award is what is asked for. It never changes: a newer revision takes its place.
type award struct {
	rule     string
	from     string // whose event earned it
	source   string // that event
	order    string // its order; empty: it is about none
	points   int64  // 0: it is undone
	revision int64
	heldBy   string // the threshold that holds the event's grants; empty: none does
	heldWhy  string
	cause    string // the event that made this revision be asked for
	causedAt int64
	reason   string // why it was

	corrects *correction  // it corrects one that is past; nil: it is an award itself
	named    []namedGrant // its grants, where the member was erased who had earned it
}

// awardKey is the place of an award. What one event earns by several rules is in the order of the file, as in any pass. Rule and members
// belong to the place, so that each award has one of its own; the length at its end keeps ids apart that hold what stands between.
func (l *Ledger) awardKey(e *schemas.Effect) factKey {
	kind := "referral"
	if e.Source.OrderID != "" {
		kind = "order"
	}
	at := e.OccurredAt.UnixMilli()
	event := e.Source.EventID + between + e.FromMember + between + fmt.Sprintf("%0*d", positionDigits, l.at(at).position(e.RuleID)) + e.RuleID +
		between + kind + between + strconv.Itoa(len(e.Source.EventID))
	return factKey{at, awardFact, event}
}

const (
	between        = "\x00"
	positionDigits = 5 // of a rule in the file
)

// position is where a rule stands in the file; one that this version has not stands behind all.
func (v *version) position(rule string) int {
	if i := slices.IndexFunc(v.programme.Rules, func(r *programme.Rule) bool { return r.ID == rule }); i >= 0 {
		return i
	}
	return len(v.programme.Rules)
}

// content is what of the place of a fact goes into the ids of its grants: of an award's all but where the rule stands in the file.
func (k factKey) content() string {
	if k.kind != awardFact || strings.HasPrefix(k.event, erasedEvents) {
		return k.event
	}
	from := len(k.event)
	for range 3 { // rule, kind and length, perhaps with a revision: none of them holds what stands between
		from = strings.LastIndex(k.event[:from], between)
	}
	from += len(between)
	return k.event[:from] + k.event[from+positionDigits:]
}

func awardOf(e *schemas.Effect) *award {
	return &award{
		rule: e.RuleID, from: e.FromMember, source: e.Source.EventID, order: e.Source.OrderID, points: e.Points, revision: e.Revision,
		heldBy: e.HeldBy, heldWhy: e.HeldWhy, cause: e.Cause, causedAt: e.CausedAt.UnixMilli(), reason: e.Reason,
	}
}

// newAward is the fact of what was asked for.
func newAward(key factKey, e *schemas.Effect) *fact {
	return &fact{
		key: key, semantics: semantics, topic: e.Source.Topic, partition: e.Source.Partition, offset: e.Source.Offset, award: awardOf(e),
	}
}

// Take takes in what another account asks for or answers, into out. There is no decision in it, but where an answer was the last
// that an event waited for. A revision that is not newer than what
// was taken before changes nothing, so that whoever is not sure may ask again. now is the engine's clock; zero: as Event.Now.
// Where the member has as many facts as are kept, or an amount would pass 64 bits, nothing is taken in and out.Full is set.
// Errors are as Handle's.
func (a *Account) Take(e *schemas.Effect, now time.Time, out *Outcome) error {
	out.reset()
	a.drawing.reset()
	d := &deciding{account: a, out: out, now: now}
	if now.IsZero() {
		d.now = e.DecidedAt
	}
	if a.erased != 0 {
		return a.takeErased(d, e)
	}
	switch e.Kind {
	case schemas.EffectErased:
		return a.forgetMember(d, e)
	case schemas.EffectInvited:
		a.noteLink(e.FromMember) // also where it is noted: of nothing no transaction could be committed
		return nil
	case schemas.EffectAnswer:
		return a.takeAnswer(d, e)
	case schemas.EffectDevices:
		return a.tellDevices(d, e)
	case schemas.EffectDrawn:
		return a.takeDrawn(d, e)
	}
	key := a.ledger.awardKey(e)
	f, err := a.factAt(key)
	switch {
	case err != nil:
		return err
	case f != nil && e.Revision <= f.award.revision, f == nil && e.Points == 0:
		return nil
	case f != nil && f.past, f == nil && a.folded != 0 && key.at <= a.folded:
		return a.takePast(d, f, key, e)
	case f != nil:
		return a.revise(d, f, e)
	case a.count >= MaxFacts:
		out.Full = true
		return nil
	}
	d.fact = newAward(key, e)
	return a.accept(d, d.fact)
}

// revise puts a newer revision in the place of what was asked for, and decides again from there on.
func (a *Account) revise(d *deciding, f *fact, e *schemas.Effect) error {
	if err := a.load(); err != nil {
		return err
	}
	was, before, keeps, how := f.award, a.head.tier, slices.Clone(f.keeps), programme.ClawbackFull
	if e.Refunds > 0 && a.ledger.claws { // a friend's refund takes no more than one of the member's own
		how = a.ledger.at(f.key.at).programme.Clawback
	}
	f.award, d.fact = awardOf(e), f
	r := a.newRun()
	defer r.free()
	if err := a.decideTaking(r, f, how, a.place(f.key), a.asOf); err != nil {
		f.award, f.keeps, a.keeps = was, keeps, nil
		if a.ledger.claws {
			a.keeps = keepsOf(a.facts)
		}
		a.undecided()
		a.forgetSnapshots(0)
		if isOverflow(err) {
			d.out.Full, err = true, nil
		}
		return err
	}
	a.change(f)
	return d.finish(r, before, false)
}

// undecided takes all facts out of a run that came to nothing.
func (a *Account) undecided() {
	for _, list := range [...][]*fact{a.facts, a.outside, a.kept, a.past} {
		for _, f := range list {
			f.decided, f.want = false, nil
		}
	}
	a.undraw()
}

// passAward grants what was asked for, within the limits of this account. The member before the event is of no interest: the
// conditions were those of the other one.
func (r *run) passAward(f *fact) error {
	w, v := f.award, r.account.ledger.at(f.key.at)
	if w.corrects != nil {
		return r.passCorrection(f, v)
	}
	if w.points == 0 {
		r.unasked(f, "it is undone: %s", w.reason)
		return nil
	}
	i := v.ruleNamed(w.rule)
	if i < 0 {
		r.unasked(f, "version %s has no rule %s", v.programme.Version, w.rule)
		return nil
	}
	now := r.s.local(f.key.at, v.programme)
	if err := r.see(v, now); err != nil {
		return err
	}
	c := candidate{rule: v.programme.Rules[i], index: i, met: true, amount: exactInt(w.points), parts: 1, invited: shown(w.from), review: w.review()}
	if why := r.s.fraud.denies(f, now.Location()); why != "" {
		c.met, c.why = false, because{kind: deniedEvent, failed: errors.New(why)}
	}
	r.cands = append(r.cands, c)
	given := &r.cands[len(r.cands)-1]
	if err := r.size(given, f, v.programme, now); err != nil {
		return err
	}
	if err := r.grant(given, f, v.programme, now); err != nil {
		return err
	}
	r.tellAward(given, f, v)
	return r.look(v, f.key.at, f.key)
}

// tellAward notes why an award gives nothing: there is no decision about it that could tell, so an entry of 0 does. What a
// budget may still bring, and what is decided on trial, is not told.
func (r *run) tellAward(c *candidate, f *fact, v *version) {
	if r.silent || c.points != 0 || c.rule.Mode == programme.Shadow || c.short.waits || r.kept(f, c.rule.ID, 0, f.key.at) != 0 {
		return
	}
	var texts pieces
	texts.reason(c, v)
	r.wants = append(r.wants, wanted{rule: c.rule.ID, booked: f.key.at, at: f.key.at, told: string(texts.bytes)})
}

// ruleNamed finds a rule that is not switched off; below 0: there is none.
func (v *version) ruleNamed(id string) int {
	for i, rule := range v.programme.Rules {
		if rule.ID == id && rule.Mode != programme.Off {
			return i
		}
	}
	return -1
}

// review is the ruling about the event that earned it, which holds the award until an operator decides.
func (w *award) review() *ruling {
	if w.heldBy == "" {
		return nil
	}
	return &ruling{threshold: w.heldBy, action: programme.ActionHold, measured: w.heldWhy}
}

func (w *award) encode(out *writer) {
	out.string(w.rule)
	out.string(w.from)
	out.string(w.source)
	out.string(w.order)
	out.varint(w.points)
	out.varint(w.revision)
	out.string(w.heldBy)
	out.string(w.heldWhy)
	out.string(w.cause)
	out.varint(w.causedAt)
	out.string(w.reason)
	w.corrects.encode(out, len(w.named) > 0)
	if len(w.named) > 0 {
		out.uvarint(uint64(len(w.named)))
		for _, g := range w.named {
			out.string(g.rule)
			out.varint(int64(g.part))
			out.string(g.id)
		}
	}
}

func decodeAward(r *reader) *award {
	w := &award{
		rule: r.string(), from: r.string(), source: r.string(), order: r.string(), points: r.varint(), revision: r.varint(),
		heldBy: r.string(), heldWhy: r.string(), cause: r.string(), causedAt: r.varint(), reason: r.string(),
	}
	named := false
	if w.corrects, named = decodeCorrection(r); !named {
		return w
	}
	w.named = make([]namedGrant, r.count())
	for i := range w.named {
		w.named[i] = namedGrant{r.string(), int32(r.varint()), r.string()}
	}
	return w
}
