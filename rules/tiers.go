package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// tierStep is one change of the tier in a run.
type tierStep struct {
	at        int64
	from, to  string
	direction schemas.Direction
	value     int64 // of the metric
	until     int64 // end of the validity; 0: none
	reason    string
}

// fallsDue is the next instant at which the tier is to be judged; 0: never.
func (t tierStanding) fallsDue() int64 {
	if t.graceUntil != 0 {
		return t.graceUntil
	}
	return t.validUntil
}

// level is the index of the tier held. An id that the programme no longer has is what `becomes` makes of it, else the first level.
func (t tierStanding) level(tiers *programme.Tiers) int { return levelOf(tiers, t.id) }

// name is the id of the tier held as it was last told: of a level that the programme may no longer have.
func (t tierStanding) name(tiers *programme.Tiers) string {
	if t.id == "" {
		return tiers.Levels[0].ID
	}
	return t.id
}

func levelOf(tiers *programme.Tiers, id string) int {
	if i, known := levelNamed(tiers, id); known || id == "" {
		return i
	}
	i, _ := levelNamed(tiers, tiers.Becomes[id])
	return i
}

func levelNamed(tiers *programme.Tiers, id string) (int, bool) {
	for i := range tiers.Levels {
		if tiers.Levels[i].ID == id {
			return i, true
		}
	}
	return 0, false
}

// rename gives the level that a removed one has become, for as long as the removed one was valid. That is no rise and no fall.
func (r *run) rename(p *programme.Programme, at int64) {
	s, tiers := r.s, p.Tiers
	from := s.tier.id
	if s.tier.floor != "" {
		s.tier.floor = tiers.Levels[levelOf(tiers, s.tier.floor)].ID
	}
	if _, known := levelNamed(tiers, from); known || from == "" {
		return
	}
	level := s.tier.level(tiers)
	to := tiers.Levels[level]
	s.tier.id, s.tier.since = to.ID, at
	if level == 0 {
		s.tier.validUntil, s.tier.graceUntil = 0, 0 // the first level has no end
	}
	if to.FallsNever && (s.tier.floor == "" || levelOf(tiers, s.tier.floor) < level) {
		s.tier.floor = to.ID
	}
	if !r.silent && !r.again {
		r.tiers = append(r.tiers, tierStep{at, from, to.ID, schemas.DirectionCorrected, s.value(p, at), s.tier.validUntil, becomesText(p, from, to.ID)})
	}
}

func becomesText(p *programme.Programme, from, to string) string {
	return fmt.Sprintf("%s has no level %s any more: its members have %s", p.Version, from, to)
}

// tierID is the id of the tier held; empty where the programme has none.
func (s *standing) tierID(p *programme.Programme) string {
	if p.Tiers == nil {
		return ""
	}
	return p.Tiers.Levels[s.tier.level(p.Tiers)].ID
}

// reached is the highest level that a value of the metric reaches.
func reached(tiers *programme.Tiers, value int64) int {
	level := 0
	for i := range tiers.Levels {
		if tiers.Levels[i].At <= value {
			level = i
		}
	}
	return level
}

// look raises the member to the level that the metric reaches, and renews a tier in its grace. What rules grant for a rise, on
// account of the fact source, may raise once more.
func (r *run) look(v *version, at int64, source factKey) error {
	return r.lookAgain(v, at, source, 0)
}

// lookAgain is look where the event has raised already, so often.
func (r *run) lookAgain(v *version, at int64, source factKey, rises int) error {
	p := v.programme
	if p.Tiers == nil {
		return nil
	}
	r.rename(p, at)
	s, tiers := r.s, p.Tiers
	for rise := rises; ; rise++ {
		value := s.value(p, at)
		held := s.tier.level(tiers)
		level := reached(tiers, value)
		if level <= held {
			if s.tier.graceUntil != 0 && level == held {
				r.give(p, held, at, s.validity(p, s.tier.validUntil, false), schemas.DirectionRenewed, value, "reached again in the grace period")
			}
			if s.tier.notice == 0 {
				s.tier.notice = s.nextTierNotice(p, at) // this version may be the first that tells
			}
			return nil
		}
		r.give(p, level, at, s.validity(p, at, true), schemas.DirectionUp, value, "")
		if len(v.tierUps) == 0 {
			return nil
		}
		if err := r.tierUp(v, at, source, rise); err != nil {
			return err
		}
	}
}

// validity is the end of a validity that begins at an instant; 0: none. A rise in calendar years lasts to the end of the
// next year, a level given at the end of another validity to the end of the year that begins there.
func (s *standing) validity(p *programme.Programme, from int64, rise bool) int64 {
	switch p.Tiers.Span {
	case programme.Rolling:
		return p.Tiers.Over.AddTo(time.UnixMilli(from), s.zone(p)).UnixMilli()
	case programme.CalendarYear:
		year := s.local(from, p).Year() + 1
		if rise {
			year++
		}
		return programme.Instant(year, time.January, 1, 0, 0, 0, 0, s.zone(p)).UnixMilli()
	default:
		return 0
	}
}

// endTier judges a tier at the end of its validity, or at the end of the grace after it.
func (r *run) endTier(p *programme.Programme, at int64) error {
	s := r.s
	if p.Tiers == nil {
		s.tier.validUntil, s.tier.graceUntil, s.tier.notice = 0, 0, 0
		return nil
	}
	if r.rename(p, at); s.tier.fallsDue() != at {
		return nil // it has become the first level
	}
	tiers, ended := p.Tiers, s.tier.validUntil
	held := s.tier.level(tiers)
	var value int64
	if tiers.Span == programme.CalendarYear {
		value = s.yearEnded(p, ended)
		if s.tier.graceUntil != 0 {
			value = max(value, s.metricOf(kindOf(tiers)).current)
		}
	} else {
		value = s.value(p, at)
	}
	until := s.validity(p, ended, false)
	level := reached(tiers, value)
	switch {
	case level >= held:
		r.give(p, held, at, until, schemas.DirectionRenewed, value, "still reached")
		return nil
	case s.tier.graceUntil == 0 && !tiers.Grace.IsZero():
		s.tier.graceUntil = tiers.Grace.AddTo(time.UnixMilli(ended), s.zone(p)).UnixMilli()
		return nil
	}
	level = s.fallTo(tiers, held, value)
	if level == held {
		r.give(p, held, at, until, schemas.DirectionRenewed, value, "kept")
		return nil
	}
	r.give(p, level, at, until, schemas.DirectionDown, value, "")
	return nil
}

// fallTo is the level to which a held one falls whose members are no longer qualified; itself where they keep it.
func (s *standing) fallTo(tiers *programme.Tiers, held int, value int64) int {
	level := reached(tiers, value)
	switch tiers.Then {
	case programme.Requalify: // what the metric reaches
	case programme.Keep:
		level = held
	case programme.OneDown:
		level = held - 1
	}
	if s.tier.floor != "" {
		level = max(level, min(held, levelOf(tiers, s.tier.floor)))
	}
	return level
}

// give sets the tier and notes the step.
func (r *run) give(p *programme.Programme, level int, at, until int64, direction schemas.Direction, value int64, why string) {
	s, tiers := r.s, p.Tiers
	from := s.tierID(p)
	to := tiers.Levels[level]
	if level == 0 {
		until = 0 // the first level has no end
	}
	s.tier.id, s.tier.validUntil, s.tier.graceUntil, s.tier.since, s.tier.value = to.ID, until, 0, at, value
	s.tier.notice = s.nextTierNotice(p, at)
	if to.FallsNever && (s.tier.floor == "" || levelOf(tiers, s.tier.floor) < level) {
		s.tier.floor = to.ID
	}
	if r.silent || r.again { // deciding again tells the difference at the end, not each step
		return
	}
	reason := fmt.Sprintf("%s %s", metricName(tiers.By), metricText(p, value))
	switch direction {
	case schemas.DirectionUp:
		reason = fmt.Sprintf("%s reach %s, %s begins at %s", reason, to.ID, to.ID, metricText(p, to.At))
	case schemas.DirectionDown:
		held := levelOf(tiers, from)
		reason = fmt.Sprintf("%s are short of the %s that %s asks for", reason, metricText(p, tiers.Levels[held].At), from)
	case schemas.DirectionRenewed:
		reason = fmt.Sprintf("%s: %s is %s", reason, to.ID, why)
	case schemas.DirectionCorrected: // tierCorrection's
	}
	r.tiers = append(r.tiers, tierStep{at, from, to.ID, direction, value, until, reason})
}
