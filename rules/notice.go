package rules

import (
	"crypto/sha256"
	"fmt"
	"slices"
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
		return m.total - sumOf(&m.rolling, m.rolling.notAfter(cut))
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

// expiringAt is an instant at which it is to be told that points will expire.
type expiringAt struct {
	instant int64
	expires int64
	points  int64 // granted with that end; what is left of them lots know, where the programme follows what is spent
}

func (e expiringAt) at() int64 { return e.instant }

func (e expiringAt) put(w *writer, previous int64) {
	w.varint(e.instant - previous)
	w.varint(e.expires - e.instant)
	w.varint(e.points)
}

func getExpiringAt(r *reader, previous int64) expiringAt {
	e := expiringAt{instant: previous + r.varint()}
	e.expires, e.points = e.instant+r.varint(), r.varint()
	return e
}

// announce notes when the end of what is granted at an instant is to be told. Points that end together are told together.
func (s *standing) announce(expiry *programme.Expiry, w *wanted, at int64, p *programme.Programme) error {
	for _, ahead := range expiry.Notice {
		e := expiringAt{ahead.SubFrom(time.UnixMilli(w.expires), s.zone(p)).UnixMilli(), w.expires, w.available}
		if e.instant <= at {
			continue
		}
		same := slices.IndexFunc(s.expiring.items, func(x expiringAt) bool { return x.instant == e.instant && x.expires == e.expires })
		if same < 0 {
			s.expiring.add(e)
			continue
		}
		points, err := addInt(e.points, s.expiring.items[same].points)
		if err != nil {
			return err
		}
		e.points = points
		s.expiring.set(same, e)
	}
	return nil
}

func (s *standing) firstExpiring() int64 {
	if s.expiring.len() == 0 {
		return 0
	}
	return s.expiring.items[0].instant
}

// tellExpiry tells which points will expire. Of what was spent without the engine's knowing it says nothing.
func (r *run) tellExpiry(p *programme.Programme, at int64) {
	s := r.s
	n := s.expiring.notAfter(at)
	for _, e := range s.expiring.items[:n] {
		points, but := e.points, ""
		if s.lots != nil {
			points = s.lots.leftUntil(e.expires)
		} else {
			but = ", less what was spent of them"
		}
		if points <= 0 || r.silent || r.again {
			continue
		}
		r.notices = append(r.notices, schemas.Notice{
			NoticeID: noticeID(r.account.member, schemas.NoticePointsExpire, "", e.expires, at), MemberID: r.account.member,
			Kind: schemas.NoticePointsExpire, DueAt: time.UnixMilli(e.expires).UTC(), Points: points,
			Reason:     fmt.Sprintf("%s expire at %s%s", pointsText(points), s.local(e.expires, p).Format("2006-01-02 15:04"), but),
			OccurredAt: time.UnixMilli(at).UTC(),
		})
	}
	s.expiring.takeFront(n)
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
