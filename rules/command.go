package rules

import (
	"fmt"
	"slices"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what a person does to an account by a command. A command has its place among the facts, so that one about
// what comes in later acts upon it all the same.

// byHand is the rule id of what commands grant and deduct: no rule of a programme can have it.
const byHand = "by hand"

// commandKind is what a command does. The numbers are stored.
type commandKind byte

const (
	commandGrant commandKind = iota + 1
	commandDeduct
	commandRelease
	commandReject
	commandBlock
	commandUnblock
	commandSetTier
	commandErase // it is never stored
)

// commandWords are the kinds in the order of their numbers.
//
//nolint:gochecknoglobals // never changed
var commandWords = [...]string{"GRANT", "DEDUCT", "RELEASE", "REJECT", "BLOCK", "UNBLOCK", "SET_TIER", "ERASE"}

func commandKindOf(word string) commandKind {
	return commandKind(slices.Index(commandWords[:], word) + 1)
}

func (k commandKind) String() string {
	if k == 0 || int(k) > len(commandWords) {
		return ""
	}
	return commandWords[k-1]
}

// commandEvent is what decisions need of a Command.
type commandEvent struct {
	kind     commandKind
	operator string
	reason   string
	points   int64
	grant    string // grant_id
	tier     string
	until    int64 // 0: without end
}

func commandOf(c *schemas.Command) *commandEvent {
	e := &commandEvent{kind: commandKindOf(c.Kind), operator: c.Operator, reason: c.Reason, points: c.Points, grant: c.GrantID, tier: c.Tier}
	if !c.Until.IsZero() {
		e.until = c.Until.UnixMilli()
	}
	return e
}

func (a *Account) invalidCommand(c *schemas.Command) string {
	kind := commandKindOf(c.Kind)
	switch kind {
	case 0:
		return fmt.Sprintf("kind is %q, which is none of GRANT, DEDUCT, RELEASE, REJECT, BLOCK, UNBLOCK, SET_TIER, ERASE", c.Kind)
	case commandGrant, commandDeduct:
		if c.Points <= 0 {
			return fmt.Sprintf("points are %d; a %s needs at least 1", c.Points, c.Kind)
		}
	case commandRelease, commandReject:
		if c.GrantID == "" {
			return fmt.Sprintf("grant_id is missing: a %s names the held grant that it is about", c.Kind)
		}
	case commandSetTier:
		tiers := a.ledger.at(c.OccurredAt.UnixMilli()).programme.Tiers
		if tiers == nil {
			return "the programme has no tiers"
		}
		if !slices.ContainsFunc(tiers.Levels, func(l programme.Level) bool { return l.ID == c.Tier }) {
			return fmt.Sprintf("tier is %q, which is no level of the programme", c.Tier)
		}
	case commandBlock, commandUnblock, commandErase:
	}
	if (kind == commandBlock || kind == commandSetTier) && !c.Until.IsZero() && !c.Until.After(c.OccurredAt) {
		return fmt.Sprintf("until is %s, which is not after the command", c.Until.UTC().Format(time.RFC3339))
	}
	return ""
}

// passCommand does what a command says.
func (r *run) passCommand(f *fact) error {
	c, v := f.command, r.account.ledger.at(f.key.at)
	switch c.kind {
	case commandGrant:
		return r.byHand(f, v, c.points)
	case commandDeduct:
		return r.byHand(f, v, -c.points)
	case commandRelease, commandReject:
		released := c.kind == commandRelease
		r.unasked(f, "grant %s is not held then, so there is nothing to %s", c.grant, map[bool]string{true: "release", false: "reject"}[released])
		because := &answer{at: f.key.at, released: released, event: f.key.event, why: c.text(map[bool]string{true: "released", false: "rejected"}[released])}
		return r.answerSome(f, because, func(h *heldAt) bool { return r.account.heldID(h) == c.grant })
	case commandBlock:
		r.block(f)
	case commandUnblock:
		if s := r.s; s.fraud.blocked <= f.key.at {
			r.unasked(f, "the member is not blocked then")
		} else {
			s.fraud = fraudStanding{}
			r.unasked(f, "%s", c.text("unblocked"))
		}
	case commandSetTier:
		return r.setTier(f, v)
	case commandErase: // it is no fact
	}
	return nil
}

// text says who did something, and why.
func (c *commandEvent) text(did string) string {
	text := did
	if c.operator != "" {
		text += " by " + c.operator
	} else {
		text += " by hand"
	}
	if c.reason != "" {
		text += ": " + c.reason
	}
	return text
}

// byHand grants points, or takes them: a grant of its own, bound by no limit. What is granted counts for the tier.
func (r *run) byHand(f *fact, v *version, points int64) error {
	s, at, did := r.s, f.key.at, "granted"
	if err := r.see(v, s.local(at, v.programme)); err != nil {
		return err
	}
	w := wanted{rule: byHand, available: points, booked: at, at: at}
	expiry := expiryOf(&programme.Rule{}, v.programme, r.level) // no rule has a say
	if points > 0 {
		w.tier, w.expires = points, endOf(expiry, s.local(at, v.programme))
		if err := r.count(v.programme, at, programme.ByPoints, points); err != nil {
			return err
		}
	} else {
		did = "deducted"
	}
	if err := r.earn(f.key, &w, at, expiry); err != nil {
		return err
	}
	if err := s.releasable(); err != nil {
		return err
	}
	r.wants = append(r.wants, w)
	if r.explain == f {
		r.passed.granted = points > 0
		r.passed.reason = f.command.text(pointsText(max(points, -points)) + " " + did)
	}
	return r.look(v, at, f.key)
}

// block denies the member's events until an instant.
func (r *run) block(f *fact) {
	s, until := &r.s.fraud, f.command.until
	if until == 0 {
		until = noDue
	}
	if s.blocked >= until {
		r.unasked(f, "the member is blocked as long already")
		return
	}
	*s = fraudStanding{blocked: until, event: f.key.event}
	r.unasked(f, "%s", f.command.text("blocked"))
}

// setTier gives a level until an instant. A lower one than the metric reaches would be raised at once, so it is not given.
func (r *run) setTier(f *fact, v *version) error {
	s, p, c, at := r.s, v.programme, f.command, f.key.at
	r.rename(p, at)
	level, held := levelOf(p.Tiers, c.tier), s.tier.level(p.Tiers)
	value := s.value(p, at)
	if level < held && reached(p.Tiers, value) > level {
		r.unasked(f, "%s %s reach %s: a lower tier would be raised at once", metricName(p.Tiers.By), metricText(p, value), p.Tiers.Levels[reached(p.Tiers, value)].ID)
		return nil
	}
	if err := r.see(v, s.local(at, p)); err != nil {
		return err
	}
	direction := schemas.DirectionRenewed
	switch {
	case level > held:
		direction = schemas.DirectionUp
	case level < held:
		direction = schemas.DirectionDown
	}
	r.give(p, level, at, c.until, direction, value, "")
	if n := len(r.tiers); n > 0 && !r.silent && !r.again {
		r.tiers[n-1].reason = c.text(c.tier + " given")
	}
	r.unasked(f, "%s", c.text(c.tier+" given"))
	if level <= held || len(v.tierUps) == 0 {
		return r.look(v, at, f.key)
	}
	if err := r.tierUp(v, at, f.key, 0); err != nil {
		return err
	}
	return r.lookAgain(v, at, f.key, 1)
}

func (c *commandEvent) encode(w *writer) {
	w.byte(byte(c.kind))
	w.string(c.operator)
	w.string(c.reason)
	w.varint(c.points)
	w.string(c.grant)
	w.string(c.tier)
	w.varint(c.until)
}

func decodeCommand(r *reader) *commandEvent {
	c := &commandEvent{
		kind: commandKind(r.byte()), operator: r.string(), reason: r.string(), points: r.varint(), grant: r.string(), tier: r.string(), until: r.varint(),
	}
	if c.kind.String() == "" {
		r.fail("kind of command")
	}
	return c
}
