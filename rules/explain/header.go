package explain

import (
	"maps"
	"slices"

	"accrue/rules/programme"
	"accrue/schemas"
)

// header tells the keys that stand once, also those that are left out.
func (t *teller) header() {
	p := t.p
	t.about = Subject{Kind: Header}
	t.tell("programme", name, "name", p.ID)
	t.currencies()
	t.tell("time_zone", zone, "zone", p.Zone.String())
	t.tell("earn_on", earnOn, "status", t.status(p.EarnOn))
	t.tell("rounding", []phrase{roundFloor, roundHalfUp, roundHalfEven}[p.Rounding])
	t.tell("stacking", []phrase{stackAdd, stackMultiply, stackBest}[p.Stacking])
	t.expiry(p.Expiry, allPoints)
	t.tell("return_window", refundsWithin, "window", t.duration(p.ReturnWindow))
	t.tell("return_window", lateBeyond, "window", t.duration(p.ReturnWindow))
	t.tell("remember_orders", rememberOrders, "time", t.duration(p.RememberOrders))
	if len(p.Limits) == 0 {
		t.tell("limits", noLimits)
	}
	for _, limit := range p.Limits {
		t.limit("limits", limit, limitWords{timesOfAll, pointsOfAll, grants})
	}
	t.tell("clawback", []phrase{clawbackFull, clawbackBalance, clawbackPending}[p.Clawback])
	if p.Redemptions {
		t.tell("redemptions", redemptionsHere)
		t.tell("redemptions", redemptionsReturned)
	} else {
		t.tell("redemptions", redemptionsElsewhere)
	}
}

// currencies tells in what orders may be paid.
func (t *teller) currencies() {
	p := t.p
	t.tell("currency", currency, "code", p.Currency.Code)
	others := 0
	for _, code := range slices.Sorted(maps.Keys(p.Rates)) {
		if code == p.Currency.Code {
			continue
		}
		rate := p.Rates[code]
		// One major unit of it has 10^digits minor units.
		value := decimalText(rate.UnitsPerMinor, p.Scale-rate.Currency.Digits, 0)
		t.tell("currencies", exchange, "one", t.inCurrency("1", code), "value", t.inCurrency(value, p.Currency.Code))
		others++
	}
	if others == 0 {
		t.tell("currencies", noOtherCurrency)
	} else {
		t.tell("currencies", noFurtherCurrency)
	}
}

func (t *teller) status(status schemas.OrderStatus) string {
	switch status {
	case schemas.Placed:
		return t.say(statusPlaced)
	case schemas.Completed:
		return t.say(statusCompleted)
	default:
		return t.say(statusPaid)
	}
}

// expiry tells until when some points can be spent.
func (t *teller) expiry(e *programme.Expiry, whose phrase) {
	what := t.say(whose)
	switch {
	case e.Never():
		t.tell("expiry", expiresNever, "what", what)
		return
	case e.MonthEnd:
		t.tell("expiry", expiresMonthEnd, "what", what, "after", t.duration(e.After))
	default:
		t.tell("expiry", expires, "what", what, "after", t.duration(e.After))
	}
	if len(e.Notice) > 0 {
		t.tell("expiry", expiryNotice, "times", t.durations(e.Notice))
	}
}

// limitWords are the words of a limit by what it bounds.
type limitWords struct {
	times, points phrase
	unit          noun // what `times` counts
}

// limit tells a limit. The edge of a limit by times makes no difference: there is no part of a time.
func (t *teller) limit(key string, l programme.Limit, words limitWords) {
	per := t.say([]phrase{perDay, perWeek, perMonth, perYear, perEver}[l.Per-programme.PerDay])
	if l.Times > 0 {
		t.tell(key, words.times, "most", t.count(words.unit, whole(l.Times)), "per", per)
		return
	}
	edge := t.say([]phrase{edgeCut, edgeDrop, edgeFinish}[l.Edge])
	t.tell(key, words.points, "most", t.points(l.Points), "per", per, "edge", edge)
}
