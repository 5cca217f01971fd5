package backtest

import (
	"encoding/base32"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// flow is what a month changes in what members hold, points of the whole history.
type flow struct {
	available, pending                int64 // of entries
	granted, reversed, expired, spent int64
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
func (c *Collector) flow(e *schemas.PointGrant) {
	f, sums := c.month(e.OccurredAt), Sums{}
	c.adder.entry(&sums, e)
	c.add(&f.available, sums.Available)
	c.add(&f.pending, sums.Pending)
	c.add(&f.granted, sums.Granted)
	c.add(&f.reversed, sums.Reversed)
	c.add(&f.expired, sums.Expired)
}

// grantKey is a grant_id, which is 16 bytes in base 32.
type grantKey [16]byte

// lapsing is a grant whose points end at a time that the wallet sees to.
type lapsing struct {
	available int64
	month     int32 // in which they end; 0: never
}

// lapse keeps of a grant what stands of it, where points expire and the programme leaves that to the wallet: an entry can change
// when earlier ones expire, so sums alone do not tell. It is the one thing that is kept of each grant, about 60 bytes.
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
