package rules

import (
	"fmt"
	"slices"
	"strings"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what accounts hold of other members, and how they forget one who was erased (erase.go). Who was invited
// holds who invited: in the invitation, in what was asked for, in what was counted. Who invited holds who was invited: in awards.
// Both have a row for the other, which outlasts the invitation, so that each can be told.
//
// Points stay: an award keeps its place, its amount and the ids of its grants, and loses the member, the event and the order that earned
// it. It is never revised any more, as the account that could is gone.

// erasedMember stands where a member was named who was erased.
const erasedMember = "\x00erased"

// erasedEvents begins the events of awards that such a member had earned.
const erasedEvents = erasedMember + "\x00"

// shown is a member's name for people.
func shown(member string) string {
	if strings.HasSuffix(member, erasedMember) {
		return strings.TrimSuffix(member, erasedMember) + "(erased)"
	}
	return member
}

// namedGrant is the id of a grant whose source has another name by now.
type namedGrant struct {
	rule string
	part int32
	id   string
}

// idOf is the id of a grant of a fact.
func (a *Account) idOf(f *fact, rule string, part int32) string {
	if f.award != nil {
		for _, g := range f.award.named {
			if g.rule == rule && g.part == part {
				return g.id
			}
		}
	}
	return grantID(a.member, rule, f.key, part)
}

// heldID is the id of a held grant.
func (a *Account) heldID(h *heldAt) string {
	if strings.HasPrefix(h.fact.event, erasedEvents) {
		if f, err := a.holder(h.fact); f != nil && err == nil { // else whoever answers it will say so
			return a.idOf(f, h.rule, h.part)
		}
	}
	return grantID(a.member, h.rule, h.fact, h.part)
}

// tellReferrer tells whoever is named as having invited this member, so that they can be told of an erasure when one of the two
// is erased. Once is enough.
func (d *deciding) tellReferrer(f *fact) error {
	if f.referral == nil || f.referral.referrer == d.account.member {
		return nil
	}
	fresh, err := d.account.link(f.referral.referrer)
	if !fresh {
		return err
	}
	d.out.Requests = append(d.out.Requests, schemas.Effect{
		Kind: schemas.EffectInvited, MemberID: f.referral.referrer, FromMember: d.account.member, Source: f.source(), OccurredAt: instantUTC(f.key.at),
		Revision: 1, Cause: f.key.event, CausedAt: instantUTC(f.key.at), DecidedAt: d.now,
	})
	return nil
}

func linkedRow(member string) []byte { return append([]byte(linkedRows), member...) }

// link notes that this account and another member's name each other, or did: an invitation that is folded away leaves the name here
// until then, and there.
func (a *Account) link(member string) (fresh bool, err error) {
	if a.linked[member] {
		return false, nil
	}
	row, err := a.rows.Get(linkedRow(member))
	if err != nil {
		return false, fmt.Errorf("read whether members %q and %q are linked: %w", a.member, member, err)
	}
	if row != nil {
		return false, nil
	}
	a.noteLink(member)
	return true, nil
}

func (a *Account) noteLink(member string) {
	if a.linked == nil {
		a.linked = map[string]bool{}
	}
	a.linked[member] = true
}

// linkedMembers are those with whose accounts this one is linked.
func (a *Account) linkedMembers() ([]string, error) {
	list := sortedKeys(a.linked)
	err := a.rows.Scan([]byte(linkedRows), func(key, _ []byte) bool {
		list = append(list, string(key[len(linkedRows):]))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read whom member %q has invited: %w", a.member, err)
	}
	return list, nil
}

// saveLinks writes which accounts name this one, and which do no more.
func (a *Account) saveLinks(rows *rowWriter) {
	for _, who := range sortedKeys(a.linked) {
		rows.emit(linkedRow(who), []byte{formatVersion})
	}
	for _, who := range a.unlinked {
		rows.delete(linkedRow(who))
	}
	a.linked, a.unlinked = nil, nil
}

// pastAwards reads all awards whose place is folded away.
func (a *Account) pastAwards() ([]*fact, error) {
	known := make(map[factKey]*fact, len(a.past))
	for _, f := range a.past {
		known[f.key] = f
	}
	var failed error
	err := a.rows.Scan([]byte(pastRows), func(key, value []byte) bool {
		f, err := a.stored(key, value, known)
		if err != nil {
			failed = err
			return false
		}
		if known[f.key] == nil {
			f.past = true
			a.past = append(a.past, f)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("read old awards of member %q: %w", a.member, err)
	}
	return a.past, nil
}

// forgetMember takes the name of a member who was erased out of the account.
func (a *Account) forgetMember(d *deciding, e *schemas.Effect) error {
	delete(a.linked, e.FromMember)
	a.unlinked = append(a.unlinked, e.FromMember)
	if !a.any {
		return nil
	}
	if err := a.load(); err != nil {
		return err
	}
	past, err := a.pastAwards()
	if err != nil {
		return err
	}
	u := &unlinking{account: a, who: e.FromMember, keys: map[factKey]factKey{}}
	for _, f := range slices.Concat(a.facts, a.kept) {
		u.fact(f)
	}
	for _, f := range past {
		u.fact(f)
	}
	u.base()
	if u.asked { // perhaps after the key had forgotten the member
		uncount := d.erasure(schemas.EffectUncount, programme.ByReferrer.String()+":"+u.who)
		uncount.FromMember, uncount.OccurredAt, uncount.CausedAt = u.who, e.OccurredAt, e.CausedAt
		d.out.Requests = append(d.out.Requests, uncount)
	}
	if u.cause == nil && !u.based {
		return nil
	}
	u.keeps()
	slices.SortFunc(a.facts, func(x, y *fact) int { return x.key.compare(y.key) })
	a.hold(a.facts, 0, nil)
	before := a.head.tier
	if d.fact = u.cause; d.fact == nil {
		d.fact = &fact{award: &award{}}
	}
	d.cause = "a member was erased who is named here"
	r := a.newRun()
	defer r.free()
	a.snapshots = nil
	if err := a.decideAgain(r, 0, a.asOf); err != nil {
		return &Broken{a.member, fmt.Errorf("decide again without the name of a member who was erased: %w", err)}
	}
	a.touched, a.rebased = true, a.rebased || u.based
	return d.finish(r, before, false) // nothing but what was due to be written otherwise: the points are the same
}

// unlinking takes one member's name out of an account, all of whose facts are in memory.
type unlinking struct {
	account *Account
	who     string
	keys    map[factKey]factKey // of awards: what their places were, and are
	cause   *fact               // the first that named the member; nil: none did
	based   bool                // the base did
	asked   bool                // the key that counts for the member was asked
}

func (u *unlinking) changed(f *fact) {
	if u.cause == nil {
		u.cause = f
	}
	u.account.change(f)
}

// fact takes the name out of one.
func (u *unlinking) fact(f *fact) {
	a := u.account
	if f.award != nil && f.award.from == u.who {
		u.award(f)
	}
	if f.referral != nil && f.referral.referrer == u.who {
		f.referral = &referralEvent{referrer: erasedMember, code: a.ledger.keptCode(f.referral.code)}
		for i := range f.rulings {
			f.rulings[i].measured = u.without(f.rulings[i].measured)
		}
		u.changed(f)
	}
	for i := range f.asked.all() {
		if q := &(*f.asked)[i]; q.to == u.who {
			q.to = erasedMember
			u.changed(f)
		}
	}
	for i := range f.asks() {
		switch q := &f.questions.list[i]; q.to {
		case u.who:
			q.to = erasedMember
			u.changed(f)
		case programme.ByReferrer.String() + ":" + u.who:
			q.to, u.asked = erasedReferrer, true
			u.changed(f)
		}
	}
}

// erasedReferrer is the key that has counted for a referrer who was erased.
const erasedReferrer = "referrer:" + erasedMember

// without takes the name out of what a threshold has said in words.
func (u *unlinking) without(text string) string {
	for _, asked := range [...]string{"", programme.ByReferrer.String() + ":"} {
		if rest, is := strings.CutPrefix(text, asked+u.who+notAnswered); is {
			return asked + shown(erasedMember) + notAnswered + rest
		}
	}
	return strings.ReplaceAll(text, " of referrer "+u.who+" ", " of referrer "+shown(erasedMember)+" ")
}

// award makes an award that of nobody. Its grants keep their ids.
func (u *unlinking) award(f *fact) {
	a, was, w := u.account, f.key, *f.award
	for i := range f.grants {
		g := &f.grants[i]
		w.named = append(w.named, namedGrant{g.rule, g.part, grantID(a.member, g.rule, was, g.part)})
	}
	f.key = u.renamed(was, w.rule)
	if w.corrects != nil {
		c := *w.corrects
		c.of = u.renamed(c.of, w.rule)
		w.corrects = &c
	}
	w.from, w.source, w.order, w.cause, w.reason = erasedMember, "", "", "", "the member whose event had earned it was erased"
	f.award, f.topic, f.partition, f.offset = &w, defaultTopic(awardFact), 0, 0
	if f.past {
		a.pastDropped = append(a.pastDropped, was)
	} else {
		a.dropped = append(a.dropped, was)
		a.forgetID(eventHash(was.kind, was.event), was.at)
		a.remember(eventHash(f.key.kind, f.key.event), f.key.at)
	}
	u.changed(f)
}

// renamed is the place of an award that is nobody's. It follows from the place that it had, and no more can be told from it than from the
// id of its grant.
func (u *unlinking) renamed(key factKey, rule string) factKey {
	is := factKey{key.at, key.kind, erasedEvents + grantID(u.account.member, rule, key, 0)}
	u.keys[key] = is
	return is
}

// base takes the name out of the standing before the window.
func (u *unlinking) base() {
	b := u.account.base
	if by := b.invited; by != nil && by.referrer == u.who {
		other := *by
		other.referrer, other.code = erasedMember, u.account.ledger.keptCode(by.code)
		other.heldWhy, other.denied = u.without(by.heldWhy), u.without(by.denied)
		b.invited, u.based = &other, true
	}
	if b.last.kind == awardFact && strings.Contains(b.last.event, "\x00"+u.who+"\x00") {
		b.last.event, u.based = erasedEvents, true
	}
	for i, h := range b.held.items {
		if is, found := u.keys[h.fact]; found {
			h.fact, u.based = is, true
			b.held.set(i, h)
		}
	}
	if b.lots == nil {
		return
	}
	b.lots.own()
	for _, list := range [...][]lot{b.lots.open, b.lots.closed} {
		for i := range list {
			if is, found := u.keys[list[i].fact]; found {
				list[i].fact, u.based = is, true
				b.lots.touch(list[i].number)
			}
		}
	}
}

// keeps takes the places that awards had out of what refunds were not allowed to take.
func (u *unlinking) keeps() {
	for _, f := range u.account.facts {
		for i := range f.keeps {
			if is, found := u.keys[f.keeps[i].fact]; found {
				f.keeps[i].fact = is
				u.account.change(f)
			}
		}
	}
}

// keptCode is what stays of the code of an invitation whose referrer was erased: it may be as good as a name, so it stays only where
// a condition reads it, without which the points could not be explained.
func (l *Ledger) keptCode(code string) string {
	const read = "referral.code"
	reads := func(when *programme.Condition) bool { return when != nil && slices.Contains(when.References(), read) }
	for i := range l.versions {
		p := l.versions[i].programme
		if slices.ContainsFunc(p.Rules, func(rule *programme.Rule) bool { return reads(rule.When) }) ||
			slices.ContainsFunc(p.Fraud, func(t *programme.Threshold) bool { return reads(t.When) }) {
			return code
		}
	}
	return ""
}
