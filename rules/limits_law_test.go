package rules_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
)

// Limits bind: what was finally granted, counted anew from the entries with the calendar of the standard library, passes
// no limit in any period; with the edge finish only its last grant may.
func TestLimitsBind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, 1, 25)
		w.withoutProfiles()     // the standard library counts in one zone
		w.withoutRedemptions(t) // of what has expired entries do not tell how much of it was granted in the end
		r := w.replay(t).all(w.events)
		r.finish()
		p := w.parsed[0].Programme
		for _, rule := range p.Rules {
			for _, l := range rule.Limits {
				r.checkLimit(p, l, "rule "+rule.ID, time.Time{}, r.boundBy(rule))
			}
		}
		for _, l := range p.Limits {
			r.checkLimit(p, l, "the programme", time.Time{}, byRules)
		}
	})
}

// boundBy says what the limits of a rule bind: those of a referral are the referrer's.
func (r *replay) boundBy(rule *programme.Rule) func(*grantSum) bool {
	return func(g *grantSum) bool {
		return g.rule == rule.ID && (rule.On != programme.OnReferral || r.sourceOf(g).Member() != g.member)
	}
}

func byRules(g *grantSum) bool { return g.rule != "by hand" }

// A version that brings limits finds counted what was granted without them, whenever it became known: in a period in which more
// was granted than they allow it grants nothing.
func TestNewLimitsFindCountedWhatWasGranted(t *testing.T) {
	limit := regexp.MustCompile(`(?m)^limits: .*\n|, limit: \[[^]]*\]`)
	unlimited := regexp.MustCompile(`(?m)^(  - \{id: r.*)\}$`)
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1)
		without, with := limit.ReplaceAllString(w.texts[0], ""), w.texts[0]
		if !oneIn(t, 4, "limits as they were drawn") {
			with = unlimited.ReplaceAllString(without, "$1, limit: [{times: 3, per: year}]}")
		}
		w.texts, w.from = []string{without, with}, append(w.from, time.Time{})
		c := newClock(t, w.days-1)
		w.from[1] = c.draw(t)
		w.ready(t)
		w.drawEvents(t, c, 2, 25)
		w.withoutProfiles()
		w.withoutRedemptions(t)
		w.knownLater(t)
		r := w.replay(t).all(w.events)
		r.finish()
		p := w.parsed[1].Programme
		for _, rule := range p.Rules {
			for _, l := range rule.Limits {
				if rule.On != programme.OnTierUp { // a release may raise long after the event
					found += r.checkLimit(p, l, "rule "+rule.ID, w.from[1], r.boundBy(rule))
				}
			}
		}
	})
	if found == 0 {
		t.Error("no period had grants of before and after")
	}
}

// checkLimit looks at the periods in which something was granted from an instant on. It says how many of them had grants of before.
func (r *replay) checkLimit(p *programme.Programme, l programme.Limit, whose string, from time.Time, counts func(*grantSum) bool) (both int) {
	type count struct {
		times, points, largest int64
		before, after          bool
	}
	periods := map[string]*count{}
	for _, g := range r.grants {
		if g.points() == 0 || !counts(g) {
			continue
		}
		at := eventTime(r.sourceOf(g))
		key := g.member + " " + periodOf(l.Per, at.In(p.Zone))
		if periods[key] == nil {
			periods[key] = &count{}
		}
		c := periods[key]
		c.times++
		c.points += g.points()
		c.largest = max(c.largest, g.points())
		c.before, c.after = c.before || at.Before(from), c.after || !at.Before(from)
	}
	for period, c := range periods {
		if !c.after {
			continue
		}
		if c.before {
			both++
		}
		points := c.points
		if l.Edge == programme.Finish {
			points -= c.largest - 1 // without the last grant there was at least 1 left
		}
		if l.Times > 0 && c.times > l.Times || l.Points > 0 && points > l.Points {
			r.fatalf("%s has granted %d points in %d grants to %s, its limit is %+v", whose, c.points, c.times, period, l)
		}
	}
	return both
}

// withoutProfiles leaves all members in the programme's zone.
func (w *world) withoutProfiles() {
	w.events = slices.DeleteFunc(w.events, func(e rules.Event) bool { return e.Profile != nil })
}

// withoutRedemptions makes it the wallet's to follow what is spent.
func (w *world) withoutRedemptions(t rapid.TB) {
	w.parsed = nil
	for i := range w.texts {
		w.texts[i] = strings.ReplaceAll(w.texts[i], "redemptions: true\n", "")
	}
	w.withFullClawback(t)
}

// withFullClawback lets refunds take all.
func (w *world) withFullClawback(t rapid.TB) {
	w.parsed = nil
	for i := range w.texts {
		w.texts[i] = strings.NewReplacer("clawback: within_balance\n", "", "clawback: pending_only\n", "").Replace(w.texts[i])
	}
	w.ready(t)
}

// sourceOf is the event that earned a grant, perhaps another member's.
func (r *replay) sourceOf(g *grantSum) *rules.Event {
	i := slices.IndexFunc(r.sent, func(e rules.Event) bool {
		return eventID(&e) == g.event && e.Source.Topic == g.topic && e.Source.Offset == g.offset
	})
	if i < 0 {
		r.fatalf("grant %+v is of no event", *g)
	}
	return &r.sent[i]
}

func periodOf(per programme.Period, local time.Time) string {
	switch per {
	case programme.PerDay:
		return local.Format("2006-01-02")
	case programme.PerWeek:
		year, week := local.ISOWeek() // weeks from Monday
		return fmt.Sprintf("%d-W%d", year, week)
	case programme.PerMonth:
		return local.Format("2006-01")
	case programme.PerYear:
		return local.Format("2006")
	default:
		return "ever"
	}
}

// What the points of a programme can add up to does not fit into 64 bits only with absurd amounts. Then the event that
// would pass it is answered INVALID, the account is as before, and the next event is decided.
func TestOverflowIsAnAnswer(t *testing.T) {
	w := &world{days: 90, from: []time.Time{{}}, texts: []string{`programme: huge
currency: CNY
time_zone: UTC
rules:
  - {id: huge, on: order, when: order.total >= 100.00, earn: {points: 5000000000000000000}}
  - {id: small, on: order, earn: {points: 1, per: 1.00}}
`}}
	w.ready(t)
	w.end = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := w.replay(t).stored()
	send := func(id string, day int, amount int64) {
		at := time.Date(2026, 6, day, 0, 0, 0, 0, time.UTC)
		r.handle(orderEvent(id, at, amount))
	}
	send("o1", 10, 10000)
	before := r.finish()
	send("o2", 20, 10000) // at the head
	same("after an order too large it is", r, r, before, r.finish())
	send("o3", 5, 10000) // in the past
	same("after a late order too large it is", r, r, before, r.finish())
	r.reopen("m")
	send("o4", 21, 10000) // at the head of an account just opened
	same("after an order too large it is", r, r, before, r.finish())
	send("o5", 22, 500)
	if m := r.members["m"]; m.balance != 5000000000000000000+105 {
		r.fatalf("the next order was decided otherwise: %+v", m)
	}
	if _, ok := r.accounts["m"].Due(); ok {
		r.fatalf("something is due, though nothing is held")
	}
}

// What is held is refused at once where its release would not fit, as time cannot be refused.
func TestOverflowOfHeldPointsIsAnAnswer(t *testing.T) {
	for _, counts := range []string{"both", "tier"} {
		w := &world{days: 90, from: []time.Time{{}}, texts: []string{`programme: huge
currency: CNY
time_zone: UTC
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 1000000000000000000}]}
rules:
  - {id: huge, on: order, when: order.total >= 100.00, earn: {points: 5000000000000000000}, hold: 30 days, counts: ` + counts + `}
`}}
		w.ready(t)
		w.end = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		r := w.replay(t).stored()
		for i, id := range []string{"o1", "o2", "o3"} {
			r.handle(orderEvent(id, time.Date(2026, 6, 1+i, 0, 0, 0, 0, time.UTC), 10000))
			r.reopen("m")
		}
		r.finish()
		m := r.members["m"]
		if balance := map[string]int64{"both": 5000000000000000000, "tier": 0}[counts]; m.balance != balance || m.tier != "gold" {
			r.fatalf("counts %s: the first of three orders alone was to count: %+v", counts, m)
		}
	}
}

func orderEvent(id string, at time.Time, amount int64) rules.Event {
	return rules.Event{Source: ordersTopic(), Order: paid(id, at, amount)}
}
