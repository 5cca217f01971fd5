package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about the end of an account: the command ERASE. It has no place among the facts, as none of them stays: it acts
// when it arrives, upon all that has arrived before it, whenever that happened, and is never late.
//
//   - What is held is REJECTED, and one ADJUSTED under a grant of its own takes what could be spent (of a debt a GRANTED
//     forgives it), so that the wallet comes to 0. Where the member has a tier above the first, a tier change ends it. Points
//     for the tier that were granted stay in the ledger: there is nobody left whose tier they count for.
//   - Events that waited for an answer from elsewhere are decided now: NOTHING (Outcome.Closed).
//   - All rows go. Whoever runs the account keeps its name in an Erasures, so that it opens as erased when it comes again.
//   - The accounts that name the member, and the keys that count events of theirs, are asked to forget them: unlink.go.
//
// Events that come later, late ones and new ones, are decided NOTHING, and what others ask is answered with the same request.
// A person who comes back needs another member id.

// Erased says when the account was erased, UTC; false: it was not.
func (a *Account) Erased() (time.Time, bool) { return instantUTC(a.erased), a.erased != 0 }

// New says that nothing is held of the member: nothing ever was, or it was erased.
func (a *Account) New() bool { return !a.any }

// BeErased makes a new account that of a member who was erased at that time.
func (a *Account) BeErased(at time.Time) { a.erased = at.UnixMilli() }

// sayErased answers an event of a member who was erased.
func (d *deciding) sayErased() {
	d.only(schemas.OutcomeNothing, fmt.Sprintf("the member was erased at %s: nothing is kept of them, and nothing granted; who comes back needs another member id",
		instantUTC(d.account.erased).Format(time.RFC3339)))
}

// erase decides the command that ends the account.
func (a *Account) erase(d *deciding) error {
	f := newFact(d.event)
	if err := a.load(); err != nil {
		return err
	}
	named, keys, err := a.links()
	if err != nil {
		return err
	}
	rows, err := a.rowKeys()
	if err != nil {
		return err
	}
	f.key.at = max(f.key.at, a.asOf, a.newest)
	if err := a.fallDue(d.out, f.key.at, d.now); err != nil {
		return err
	}
	d.fact = f
	text, err := a.settleUp(d, f)
	if err != nil {
		return err
	}
	if err := a.leaveBudgets(d); err != nil {
		return err
	}
	for _, w := range a.waits {
		x, err := a.awaited(w)
		if err != nil {
			return err
		}
		if !x.waits() { // it is decided, and one of its grants waits for a budget
			continue
		}
		other := &deciding{account: a, out: &Outcome{}, fact: x, now: d.now}
		other.only(schemas.OutcomeNothing, "the member was erased before it was answered")
		d.out.Closed = append(d.out.Closed, other.out.decision)
	}
	for _, list := range [...]struct {
		kind string
		to   []string
	}{{schemas.EffectErased, named}, {schemas.EffectUncount, keys}} {
		for _, to := range list.to {
			d.out.Requests = append(d.out.Requests, d.erasure(list.kind, to))
		}
	}
	d.only(schemas.OutcomeNothing, f.command.text("erased")+text)
	for i := range d.out.Entries {
		d.out.Decision.AvailablePoints += d.out.Entries[i].AvailableDelta
		d.out.Decision.PendingPoints += d.out.Entries[i].PendingDelta
	}
	*a = Account{ledger: a.ledger, member: a.member, rows: a.rows, leases: a.leases, head: a.ledger.beginning(), erased: max(d.event.OccurredAt().UnixMilli(), 1), gone: rows}
	return nil
}

// settleUp writes the entries that bring balance and pending to 0, and the end of the tier.
func (a *Account) settleUp(d *deciding, f *fact) (text string, err error) {
	r := a.newRun()
	defer r.free()
	s, at := a.head, f.key.at
	r.s, r.explain, r.out = s, f, d.out
	points, pending := s.points, s.pending
	why := f.command.text("erased")
	because := &answer{at: at, event: f.key.event, why: why}
	from := r.begin(f)
	for _, h := range slices.Clone(s.held.items) {
		if err := r.answer(h, because); err != nil {
			return "", err
		}
	}
	if points != 0 {
		r.wants = append(r.wants, wanted{rule: byHand, available: -points, booked: at, at: at})
	}
	f.want = r.wants[from:len(r.wants):len(r.wants)]
	for _, x := range r.touched {
		d.difference(r, x)
		x.decided, x.want = false, nil
	}
	if p := a.ledger.at(at).programme; p.Tiers != nil && s.tier.name(p.Tiers) != p.Tiers.Levels[0].ID {
		step := tierStep{at: at, from: s.tier.name(p.Tiers), to: p.Tiers.Levels[0].ID, direction: schemas.DirectionDown, reason: why, value: s.value(p, at)}
		change := d.tierChange(step)
		change.Cause = f.key.event
		d.out.TierChanges = append(d.out.TierChanges, change)
	}
	d.stamp()
	if points > 0 {
		text += "; " + pointsText(points) + " taken back"
	} else if points < 0 {
		text += "; a debt of " + pointsText(-points) + " forgiven"
	}
	if pending > 0 {
		text += "; " + pointsText(pending) + " held rejected"
	}
	return text, nil
}

// erasure asks an account or a key to forget the member.
func (d *deciding) erasure(kind, to string) schemas.Effect {
	at, cause := d.account.erased, ""
	if d.event != nil {
		at, cause = d.event.OccurredAt().UnixMilli(), d.fact.key.event
	}
	return schemas.Effect{
		Kind: kind, MemberID: to, FromMember: d.account.member, Revision: 1, OccurredAt: instantUTC(at), CausedAt: instantUTC(at),
		Source: schemas.Source{EventID: cause}, Cause: cause, Reason: "the member was erased", DecidedAt: d.now,
	}
}

// links are the members whose accounts name this one, as far as this one knows of them, and the keys that may count its events, that
// have its name or that remember it. Both ascending.
func (a *Account) links() (members, keys []string, err error) {
	some := map[string]bool{}
	counts := map[string]bool{}
	name := func(who string) { some[who] = true }
	for _, list := range [...][]*fact{a.facts, a.kept} {
		for _, f := range list {
			f.links(name, func(key string) { counts[key] = true })
		}
	}
	if by := a.base.invited; by != nil {
		name(by.referrer)
	}
	past, err := a.pastAwards()
	if err != nil {
		return nil, nil, err
	}
	for _, f := range past {
		f.links(name, nil)
	}
	linked, err := a.linkedMembers()
	if err != nil {
		return nil, nil, err
	}
	for _, who := range linked {
		name(who)
	}
	delete(some, a.member)
	delete(some, erasedMember)
	if a.ledger.countsReferrers() {
		counts[programme.ByReferrer.String()+":"+a.member] = true
	}
	delete(counts, programme.ByReferrer.String()+":"+erasedMember)
	return sortedKeys(some), sortedKeys(counts), nil
}

// links names the members whom a fact is about, and the keys that were asked about it.
func (f *fact) links(name, key func(string)) {
	if f.referral != nil {
		name(f.referral.referrer)
	}
	if f.award != nil {
		name(f.award.from)
	}
	for _, q := range f.asked.all() {
		name(q.to)
	}
	if key == nil {
		return
	}
	for i := range f.asks() {
		if q := &f.questions.list[i]; q.threshold != sameDevice {
			key(q.to)
		}
	}
	for i := range f.draws {
		if x := &f.draws[i]; len(x.wishes) > 0 { // the owner of the budget may remember them
			key(BudgetKey{x.rule, x.period}.owner())
		}
	}
}

// leaveBudgets gives back what was taken out of budgets and is not granted, and has the leases forget what was wished for. What was
// granted stays given out.
func (a *Account) leaveBudgets(d *deciding) error {
	for _, list := range [...][]*fact{a.facts, a.kept} {
		for _, f := range list {
			for i := range f.draws {
				x := &f.draws[i]
				lease, err := a.borrow(BudgetKey{x.rule, x.period})
				if err != nil {
					return err
				}
				lease.forget(a.member)
				lease.give(x.points-f.used(x), terms{})
			}
		}
	}
	d.settleLeases()
	return nil
}

// countsReferrers says whether a threshold of any version counts under the referrer.
func (l *Ledger) countsReferrers() bool {
	return slices.ContainsFunc(l.versions, func(v version) bool {
		return slices.ContainsFunc(v.programme.Fraud, func(t *programme.Threshold) bool { return t.By == programme.ByReferrer })
	})
}

// rowKeys are the keys of all rows of the account.
func (a *Account) rowKeys() ([][]byte, error) {
	var keys [][]byte
	err := a.rows.Scan(nil, func(key, _ []byte) bool {
		keys = append(keys, slices.Clone(key))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list the rows of member %q: %w", a.member, err)
	}
	return keys, nil
}

// takeErased answers what is asked of a member who was erased: whoever asks is to forget them. Who waits for an answer gets one.
func (a *Account) takeErased(d *deciding, e *schemas.Effect) error {
	switch e.Kind {
	case schemas.EffectDrawn:
		lease, err := a.borrowFrom(e.FromMember)
		if err != nil {
			return err
		}
		lease.give(e.Points, terms{})
		d.settleLeases()
		return nil
	case schemas.EffectDevices:
		d.out.Requests = append(d.out.Requests, answerTo(e, d.now))
	case schemas.EffectAward, schemas.EffectInvited:
	default:
		return nil
	}
	d.out.Requests = append(d.out.Requests, d.erasure(schemas.EffectErased, e.FromMember))
	if e.Kind == schemas.EffectInvited && a.ledger.countsReferrers() { // the key was asked about the invitation
		d.out.Requests = append(d.out.Requests, d.erasure(schemas.EffectUncount, programme.ByReferrer.String()+":"+a.member))
	}
	return nil
}

func sortedKeys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	slices.SortFunc(list, strings.Compare)
	return list
}
