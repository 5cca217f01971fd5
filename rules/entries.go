package rules

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// deciding is one call of Handle or Advance, on its way to records.
type deciding struct {
	account *Account
	out     *Outcome
	event   *Event // nil: time is the cause
	fact    *fact  // nil: the event is none
	// answered says that fact was waiting, and is decided by an answer.
	answered bool
	drawn    string // the rule whose budget is the cause; empty: none is
	again    string // why the event is a duplicate if it changes nothing; it is a fact all the same
	now      time.Time
	cause    string // causeText, once it was asked for
	tooLate  string // what a profile tells too late, in words
	undo     func() // takes back what was learnt of the person; nil: nothing was
}

// finish turns what a run wants into records: the entries are the difference to what was written.
func (d *deciding) finish(r *run, before tierStanding, atHead bool) error {
	out := d.out
	first := len(out.Entries)
	if !atHead { // in which order they came up depends on the snapshot from which all was decided again
		slices.SortFunc(r.touched, func(x, y *fact) int { return x.key.compare(y.key) })
	}
	for _, f := range r.touched {
		d.difference(r, f)
		f.decided, f.want = false, nil
	}
	d.requests(r)
	d.questions(r)
	if err := d.draws(r); err != nil {
		return err
	}
	if atHead {
		d.tierSteps(r)
	} else {
		d.tierCorrection(before)
	}
	out.Notices = append(out.Notices, r.notices...)
	for i := range out.Notices {
		out.Notices[i].DecidedAt = d.now
	}
	d.stamp()
	if d.fact != nil && (d.event != nil || d.answered) && !d.fact.waits() {
		d.decide(r, out.Entries[first:])
	}
	return nil
}

// stamp says of alerts when they were decided.
func (d *deciding) stamp() {
	for i := range d.out.Alerts {
		d.out.Alerts[i].DecidedAt = d.now
	}
}

// difference writes what is missing between what the grants of a fact should be and what was written for them.
func (d *deciding) difference(r *run, f *fact) {
	if f.grants == nil && len(f.want) > 0 {
		f.grants = make([]grant, 0, len(f.want))
	}
	for i := range f.want {
		w := &f.want[i]
		g := f.grantOf(w.rule, w.part)
		if g == nil {
			if w.available == 0 && w.pending == 0 && w.tier == 0 && w.due == 0 && w.expired == 0 && w.told == "" {
				continue
			}
			f.grants = append(f.grants, grant{rule: w.rule, part: w.part})
			g = &f.grants[len(f.grants)-1]
		}
		d.write(r, f, g, w)
	}
	for i := range f.grants {
		g := &f.grants[i]
		if !wants(f, g) {
			d.write(r, f, g, &wanted{rule: g.rule, part: g.part, booked: g.booked, at: g.at, expires: g.expires})
		}
	}
}

func wants(f *fact, g *grant) bool {
	for i := range f.want {
		if f.want[i].rule == g.rule && f.want[i].part == g.part {
			return true
		}
	}
	return false
}

// write makes the entry that brings a grant from what was written to what is wanted, if the two differ.
func (d *deciding) write(r *run, f *fact, g *grant, w *wanted) {
	if expired := w.expired - g.expired; expired > 0 {
		d.write(r, f, g, w.unexpired(expired)) // first what else has changed
	}
	available, pending, tier := w.available-g.available, w.pending-g.pending, w.tier-g.tier
	telling := w.told != "" && g.revision == 0
	if available == 0 && pending == 0 && tier == 0 && w.due == g.due && w.expires == g.expires && !telling {
		if w.expired != g.expired {
			g.expired = w.expired
			d.account.change(f)
		}
		return
	}
	kind, late := entryKind(f, g, w), int64(0)
	if kind == schemas.EntryExpired {
		late = w.expires
	}
	was, revived := grantPoints(g.available+g.expired, g.pending, g.tier), g.expired-w.expired
	*g = grant{
		rule: w.rule, part: w.part, available: w.available, pending: w.pending, tier: w.tier, due: w.due, booked: w.booked, at: w.at, expires: w.expires,
		expired: w.expired, revision: g.revision + 1,
	}
	d.account.change(f)
	p := d.account.ledger.at(g.booked).programme
	rule := ruleOf(p, w.rule)
	id := entryID(d.account.member, w.rule, f.key, w.part, g.revision)
	if f.award != nil && f.award.named != nil {
		id = d.account.idOf(f, w.rule, w.part) + "-" + strconv.Itoa(int(g.revision))
	}
	d.out.Entries = append(d.out.Entries, schemas.PointGrant{
		EntryID: id, GrantID: id[:grantIDLength], MemberID: d.account.member, Entry: kind,
		AvailableDelta: available, PendingDelta: pending, TierDelta: tier,
		AvailableAt: time.UnixMilli(g.at).UTC(), RuleID: w.rule, RuleTitle: rule.Title, ProgrammeVersion: p.Version, Campaign: rule.Campaign,
		Source: f.source(), DecidedAt: d.now,
	})
	e := &d.out.Entries[len(d.out.Entries)-1]
	if g.at == noDue {
		e.AvailableAt = time.Time{}
	}
	if g.expires != 0 {
		e.ExpiresAt = time.UnixMilli(g.expires).UTC()
	}
	at := max(g.booked, late)
	if d.fact != nil {
		e.Cause = d.fact.cause()
		at = max(at, d.fact.causedAt())
	}
	if w.answered != nil && (kind == schemas.EntryReleased || kind == schemas.EntryRejected) {
		at = max(at, w.answered.at)
		e.Cause = w.answered.event
	}
	if w.rule == byHand {
		e.RuleTitle = byHand
	}
	e.OccurredAt = time.UnixMilli(at).UTC()
	if kind == schemas.EntryExpired {
		e.Reason = d.expiryReason(f, g, -available)
		return
	}
	is := grantPoints(w.available+w.expired, w.pending, w.tier)
	if telling {
		e.Reason = w.told
		return
	}
	if kind == schemas.EntryAdjusted && was == is && revived > 0 {
		e.Reason = d.causeText() + ": " + pointsText(revived) + " fewer of it had expired"
		return
	}
	e.Reason = d.entryReason(r, f, g, w, kind, rule, was, is, tier)
}

// source is the event that the grants of a fact come from.
func (f *fact) source() schemas.Source {
	s := schemas.Source{Topic: f.topic, Partition: f.partition, Offset: f.offset, EventID: f.key.event}
	switch {
	case f.award != nil && f.award.from == erasedMember:
		return schemas.Source{}
	case f.order != nil:
		s.OrderID = f.order.id
	case f.award != nil:
		s.EventID, s.OrderID = f.award.source, f.award.order
	}
	return s
}

func entryKind(f *fact, g *grant, w *wanted) schemas.EntryKind {
	switch {
	case w.expired > g.expired:
		return schemas.EntryExpired
	case w.told != "" && g.revision == 0, // there is nothing but a reason
		f.past && w.answered == nil && (w.due == 0 || !g.untouched()): // its place is settled
		return schemas.EntryAdjusted
	case g.untouched() && w.due != 0:
		return schemas.EntryHeld
	case w.answered != nil && !w.answered.released:
		return schemas.EntryRejected
	case w.available < 0:
		return schemas.EntryAdjusted
	case g.untouched():
		return schemas.EntryGranted
	case w.available == 0 && w.pending == 0 && w.tier == 0 && w.due == 0:
		return schemas.EntryReversed
	case g.due != 0 && w.due == 0:
		return schemas.EntryReleased
	default:
		return schemas.EntryAdjusted
	}
}

// grantPoints is the size of a grant, what has expired of it included: a grant that counts for the tier alone has no other sums.
func grantPoints(available, pending, tier int64) int64 {
	if available+pending != 0 {
		return available + pending
	}
	return tier
}

// ruleOf finds a rule; where the version in force at the source has none of that id any more, one that says nothing.
func ruleOf(p *programme.Programme, id string) *programme.Rule {
	for _, rule := range p.Rules {
		if rule.ID == id {
			return rule
		}
	}
	return &programme.Rule{}
}

func (d *deciding) entryReason(r *run, f *fact, g *grant, w *wanted, kind schemas.EntryKind, rule *programme.Rule, was, is, tier int64) string {
	switch {
	case w.answered != nil && (kind == schemas.EntryReleased || kind == schemas.EntryRejected):
		return answerText(w.answered, rule.Hold)
	case f.command != nil && f.command.kind == commandErase:
		return f.command.text("erased")
	case was == is && kind == schemas.EntryAdjusted && tier != 0:
		return d.causeText() + ": " + pointsText(max(tier, -tier)) + map[bool]string{true: " more", false: " fewer"}[tier > 0] + " count for the tier" + d.keptText(f)
	case was == is && kind == schemas.EntryAdjusted:
		return d.causeText() + ": the points expire at another time"
	case w.rule == byHand && f.command != nil && g.revision == 1:
		return f.command.text(map[bool]string{true: "granted", false: "deducted"}[w.available > 0])
	case f.byTime() && was == 0:
		return fmt.Sprintf("%s: %s", dueText(f, d.account.head.zone(d.account.ledger.at(f.at()).programme)), pointsText(is))
	case f == d.fact && f == r.explain:
		if v := r.passed.verdictOf(rule, w.part); v != nil && v.Points > 0 { // else a refund has left it to the member
			return v.Reason
		}
	}
	if g.revision == 1 && rule.On == programme.OnTierUp && g.booked != f.key.at {
		return "the release of held points has raised the tier: " + pointsText(is)
	}
	var buffer [128]byte
	text := append(append(buffer[:0], d.causeText()...), ": "...)
	text = append(appendPoints(text, is), " instead of "...)
	text = strconv.AppendInt(text, was, 10)
	if kind == schemas.EntryHeld && w.due == noDue {
		text = append(text, ", held until an operator decides"...)
	}
	if w.told != "" {
		text = append(append(text, ": "...), w.told...)
	}
	return string(text) + d.keptText(f)
}

// keptText says of an award what a refund was not allowed to take of it; there is no decision that could.
func (d *deciding) keptText(f *fact) string {
	if f != d.fact || f.award == nil {
		return ""
	}
	return f.keptText(d.account.ledger.at(f.key.at).programme.Clawback)
}

// causeText says in words what made the past be decided again.
func (d *deciding) causeText() string {
	if d.cause == "" {
		d.cause = d.describeCause()
	}
	return d.cause
}

func (d *deciding) describeCause() string {
	f := d.fact
	switch {
	case f == nil:
		return "time"
	case d.drawn != "":
		return fmt.Sprintf("the budget of rule %s has answered", d.drawn)
	case f.award != nil:
		return f.award.reason
	case f.profile != nil && f.profile.ends:
		return "the profile ended"
	case f.profile != nil:
		return fmt.Sprintf("profile %s came in", f.key.event)
	case f.order != nil && f.order.status == schemas.Cancelled:
		return fmt.Sprintf("order %s was cancelled", f.order.id)
	case f.order != nil && f.order.status == schemas.Refunded:
		return fmt.Sprintf("order %s was refunded", f.order.id)
	case d.answered:
		return fmt.Sprintf("event %s of %s was answered", f.key.event, time.UnixMilli(f.key.at).UTC().Format(time.RFC3339))
	default:
		return fmt.Sprintf("event %s of %s came in", f.key.event, time.UnixMilli(f.key.at).UTC().Format(time.RFC3339))
	}
}

// tierSteps writes each change of the tier as it happened.
func (d *deciding) tierSteps(r *run) {
	for _, step := range r.tiers {
		d.out.TierChanges = append(d.out.TierChanges, d.tierChange(step))
	}
}

func (d *deciding) tierChange(step tierStep) schemas.TierChange {
	p := d.account.ledger.at(step.at).programme
	c := schemas.TierChange{
		MemberID: d.account.member, From: step.from, To: step.to, Direction: step.direction, Reason: step.reason,
		Metric: metricName(p.Tiers.By), MetricValue: metricText(p, step.value), EffectiveAt: time.UnixMilli(step.at).UTC(),
		ProgrammeVersion: p.Version, DecidedAt: d.now,
	}
	if step.until != 0 {
		c.ValidUntil = time.UnixMilli(step.until).UTC()
	}
	if d.fact != nil && d.fact.key.at == step.at {
		c.Cause = d.fact.cause()
	}
	return c
}

// tierCorrection writes one record where deciding the past again has left another tier, or another end of it, than was
// written: the last record's `to` is the tier that stands. A late event that raises is a rise, all else a correction.
func (d *deciding) tierCorrection(before tierStanding) {
	a := d.account
	p := a.ledger.at(a.asOf).programme
	if p.Tiers == nil {
		return
	}
	old, now := before.level(p.Tiers), a.head.tier.level(p.Tiers)
	from, to := before.name(p.Tiers), a.head.tier.name(p.Tiers)
	if from == to && before.validUntil == a.head.tier.validUntil {
		return
	}
	tier := a.head.tier
	step := tierStep{
		at: tier.since, from: from, to: to, direction: schemas.DirectionCorrected,
		value: tier.value, until: tier.validUntil,
	}
	if tier.since == 0 { // nothing but the first level was ever given
		step.at = max(a.asOf, d.fact.key.at)
		step.value = a.head.value(p, step.at)
	}
	if now > old && !d.fact.refunds() {
		step.direction = schemas.DirectionUp
	}
	step.reason = fmt.Sprintf("%s: %s were %s when %s was given", d.causeText(), metricName(p.Tiers.By), metricText(p, step.value), step.to)
	if tier.since == 0 {
		step.reason = fmt.Sprintf("%s: %s are %s", d.causeText(), metricName(p.Tiers.By), metricText(p, step.value))
	}
	if old == now && from != to {
		step.reason = becomesText(p, from, to)
	}
	c := d.tierChange(step)
	c.Cause = d.fact.cause()
	d.out.TierChanges = append(d.out.TierChanges, c)
}
