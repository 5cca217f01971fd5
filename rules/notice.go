package rules

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// Notices tell ahead of time what will happen if nothing else does. They are no part of the ledger: each is told at its own
// instant, once, and nothing takes it back. What becomes known later of the time before a notice comes too late for it.

// nextTierNotice is the first instant after another at which a fall of the tier that is held is to be told; 0: none is.
func (s *standing) nextTierNotice(p *programme.Programme, after int64) int64 {
	if p.Tiers == nil || len(p.Tiers.Notice) == 0 || s.tier.validUntil == 0 {
		return 0
	}
	fall, next := time.UnixMilli(s.fall(p)), int64(0)
	for _, ahead := range p.Tiers.Notice {
		at := ahead.SubFrom(fall, s.zone(p)).UnixMilli()
		if at > after && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// fall is the instant at which the tier falls that is held, if it does: at the end of the validity, or of the grace after it.
func (s *standing) fall(p *programme.Programme) int64 {
	if s.tier.graceUntil != 0 || p.Tiers.Grace.IsZero() {
		return s.tier.fallsDue()
	}
	return p.Tiers.Grace.AddTo(time.UnixMilli(s.tier.validUntil), s.zone(p)).UnixMilli()
}

// ahead is the metric that an end of the validity will find if nothing else is counted until then; in the grace after that end it
// is the metric of the moment, as an event reaches the level there.
func (s *standing) ahead(p *programme.Programme, at int64) int64 {
	end, now := s.tier.validUntil, s.value(p, at)
	switch {
	case p.Tiers.Span == programme.Rolling && at < end:
		cut := p.Tiers.Over.SubFrom(time.UnixMilli(end), s.zone(p)).UnixMilli()
		m := s.metricOf(kindOf(p.Tiers))
		value := m.total
		for _, e := range m.rolling.items[:m.rolling.notAfter(cut)] {
			value -= e.amount
		}
		return value
	case p.Tiers.Span == programme.CalendarYear && at < end:
		if programme.PerYear.Number(time.UnixMilli(end-1), s.zone(p)) != s.metricOf(kindOf(p.Tiers)).year {
			return 0 // the year that will be judged has not begun
		}
	case p.Tiers.Span == programme.CalendarYear:
		return max(s.yearEnded(p, end), now)
	}
	return now
}

// tellTier tells that the tier will fall, and what is still missing to keep it. Who has enough, or would keep the tier without it,
// is told nothing.
func (r *run) tellTier(p *programme.Programme, at int64) {
	s := r.s
	s.tier.notice = s.nextTierNotice(p, at)
	if p.Tiers == nil || len(p.Tiers.Notice) == 0 || r.silent || r.again {
		return
	}
	held := s.tier.level(p.Tiers)
	value, asked := s.ahead(p, at), p.Tiers.Levels[held].At
	if value >= asked {
		return
	}
	level := s.fallTo(p.Tiers, held, value)
	short, err := addInt(asked, -value)
	if level >= held || err != nil {
		return
	}
	tier, fall := p.Tiers.Levels[held].ID, s.fall(p)
	missing := fmt.Sprintf("%s %s", metricText(p, short), metricUnit(p))
	r.notices = append(r.notices, schemas.Notice{
		NoticeID: noticeID(r.account.member, schemas.NoticeTierFalls, tier, fall, at), MemberID: r.account.member,
		Kind: schemas.NoticeTierFalls, DueAt: time.UnixMilli(fall).UTC(), Tier: tier, Missing: missing,
		Reason: fmt.Sprintf("%s falls to %s on %s: %s more are needed to keep it, %s of %s count",
			tier, p.Tiers.Levels[level].ID, s.local(fall, p).Format(time.DateOnly), missing, metricText(p, value), metricText(p, asked)),
		OccurredAt: time.UnixMilli(at).UTC(),
	})
}

// metricUnit is what the tier metric is counted in.
func metricUnit(p *programme.Programme) string {
	if p.Tiers.By == programme.BySpend {
		return p.Currency.Code
	}
	return metricName(p.Tiers.By)
}

// noticeID follows from what is told of what and when, so that it is the same wherever it is told again.
func noticeID(member, kind, what string, due, at int64) string {
	var buffer [256]byte
	b := buffer[:0]
	for _, s := range [...]string{member, kind, what} {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(append(b, ':'), s...)
	}
	b = append(strconv.AppendInt(b, due, 10), ' ')
	sum := sha256.Sum256(strconv.AppendInt(b, at, 10))
	return grantIDText.EncodeToString(sum[:16])
}
