package backtest

import (
	"encoding/base32"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// flow is what a month changes in what members hold, points of the whole history.
type flow struct {
	parts
	available, pending int64
	spent              int64 // less what was given back
}

func (c *Collector) month(at time.Time) *flow {
	n := programme.PerMonth.Number(at, c.o.Zone)
	f := c.months[n]
	if f == nil {
		f = &flow{}
		c.months[n] = f
	}
	return f
}

// flow adds an entry to its month.
func (c *Collector) flow(e *schemas.PointGrant, p parts) {
	f := c.month(e.OccurredAt)
	c.add(&f.available, e.AvailableDelta)
	c.add(&f.pending, e.PendingDelta)
	c.parts(&f.parts, p)
}

// partsOf says what the points of an entry mean. What had expired of a grant that is now taken back whole is not expired any more but
// taken back, and points that come back to a grant of which some had expired are such: that is what the engine does then, but an
// entry is the plain difference.
func (c *Collector) partsOf(e *schemas.PointGrant) parts {
	var p parts
	points := e.AvailableDelta
	c.add(&points, e.PendingDelta)
	switch {
	case e.Entry == schemas.EntryExpired:
		p.Expired = -points
	case points > 0:
		p.Granted = points
	default:
		p.Reversed = -points
	}
	if !c.follows {
		return p
	}
	key, ok := keyOf(e.GrantID)
	if !ok {
		return p
	}
	was := c.expired[key]
	switch {
	case e.Entry == schemas.EntryReversed:
		c.add(&p.Reversed, was)
		p.Expired = -was
	case was > 0 && points > 0:
		back := min(was, points)
		p.Granted, p.Expired = points-back, -back
	}
	if c.add(&was, p.Expired); was == 0 {
		delete(c.expired, key)
	} else {
		c.expired[key] = was
	}
	return p
}

// grantKey is a grant_id, which is 16 bytes in base 32.
type grantKey [16]byte

// lapsing is a grant whose points end at a time that the wallet sees to.
type lapsing struct {
	available int64
	month     int32 // in which they end; 0: never
}

// lapse keeps of a grant what stands of it, where points expire and the programme leaves that to the wallet: an entry can change
// when earlier ones expire, so sums alone do not tell. This, and what expired of a grant, are kept by grant, about 60 bytes each.
func (c *Collector) lapse(e *schemas.PointGrant) {
	if !c.lapses {
		return
	}
	key, ok := keyOf(e.GrantID)
	if !ok {
		return
	}
	now := c.lapsing[key]
	c.add(&now.available, e.AvailableDelta)
	if now.month = 0; !e.ExpiresAt.IsZero() {
		now.month = programme.PerMonth.Number(e.ExpiresAt.Add(-time.Millisecond), c.o.Zone) // with the day before a midnight
	}
	if now.available == 0 {
		delete(c.lapsing, key)
		return
	}
	c.lapsing[key] = now
}

// lapses says that points of one of the versions expire by the wallet's doing.
func lapses(versions programme.Versions) bool {
	for _, v := range versions {
		p := v.Programme
		expires := !p.Expiry.Never()
		for _, rule := range p.Rules {
			expires = expires || !rule.Expiry.Never()
		}
		if p.Tiers != nil {
			for i := range p.Tiers.Levels {
				expires = expires || !p.Tiers.Levels[i].Expiry.Never()
			}
		}
		if expires && !p.Redemptions {
			return true
		}
	}
	return false
}

func keyOf(grant string) (grantKey, bool) {
	var key grantKey
	encoding := base32.HexEncoding.WithPadding(base32.NoPadding)
	if len(grant) != encoding.EncodedLen(len(key)) {
		return key, false
	}
	n, err := encoding.Decode(key[:], []byte(grant))
	return key, err == nil && n == len(key)
}

// lapsed are the points by the month in which they end.
func (c *Collector) lapsed() map[int32]int64 {
	months := map[int32]int64{}
	for _, l := range c.lapsing {
		if l.month == 0 {
			continue
		}
		n := months[l.month]
		c.add(&n, l.available)
		months[l.month] = n
	}
	return months
}

// monthDay is the last day of a month by its number, as a date.
func monthDay(n int32) string {
	return monthBegin(n).AddDate(0, 1, -1).Format(time.DateOnly)
}

// monthBegin is the first day of a month by its number, as programme.PerMonth counts.
func monthBegin(n int32) time.Time {
	return time.Date(int(n/12), time.Month(n%12+1), 1, 0, 0, 0, 0, time.UTC)
}
