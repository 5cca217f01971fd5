package rules_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// This file holds the ledger against another account of what the contract says of invitations (§4.11): a model that knows nothing of
// passes, snapshots or requests, looks at the list of all that happened, and works out by brute force what everybody should have.
// Fraud is left out, and all lies within the return window.

// inviting is a programme of the model: what its author has written, in file order.
type inviting struct {
	rules  []invitingRule
	limits []programme.Limit // over all rules
}

// invitingRule is a rule of the model.
type invitingRule struct {
	id       string
	on       string // order, joined or first_order
	referrer int64
	referee  int64 // or, with on: order, the points for each 10.00
	boosts   string
	percent  int64
	least    int64 // of the order's total, in minor units; 0: any
	code     string
	limits   []programme.Limit
	rest     string // what makes no difference in the end
}

func drawInviting(t *rapid.T) *inviting {
	p := &inviting{}
	if oneIn(t, 2, "programme limits") {
		p.limits = drawModelLimits(t, 160)
	}
	ids := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(t, "ids") // the order of ids is not the file's
	for _, id := range ids[:rapid.IntRange(1, 5).Draw(t, "rules")] {
		rule := invitingRule{id: id, on: pick(t, "on", "joined", "first_order", "first_order", "first_order", "order")}
		rule.rest = pick(t, "rest", "", "", ", hold: 2 days", ", counts: balance", ", counts: tier, hold: 30h", ", expiry: {after: 6 months}")
		named := slices.IndexFunc(p.rules, func(r invitingRule) bool { return r.on == rule.on && r.boosts == "" })
		switch {
		case rule.on == "order":
			rule.referee = int64(rapid.IntRange(1, 3).Draw(t, "for each"))
		case named >= 0 && oneIn(t, 2, "boost"):
			rule.boosts, rule.percent = p.rules[named].id, pick(t, "percent", int64(50), 100, 33)
		default:
			rule.referrer = pick(t, "referrer", int64(0), 7, 40, 40, 55)
			if rule.referee = pick(t, "referee", int64(0), 5, 21); rule.referrer+rule.referee == 0 {
				rule.referrer = 30
			}
		}
		if rule.on != "joined" && oneIn(t, 3, "least") {
			rule.least = 5000
		}
		if rule.on != "order" && oneIn(t, 4, "code") {
			rule.code = "c1"
		}
		if oneIn(t, 2, "limit") {
			rule.limits = drawModelLimits(t, 120)
		}
		p.rules = append(p.rules, rule)
	}
	return p
}

func drawModelLimits(t *rapid.T, most int) []programme.Limit {
	list := make([]programme.Limit, 0, 2)
	for _, per := range rapid.Permutation([]programme.Period{programme.PerDay, programme.PerWeek, programme.PerMonth, programme.PerEver}).Draw(t, "per")[:rapid.IntRange(1, 2).Draw(t, "limits")] {
		l := programme.Limit{Per: per}
		if oneIn(t, 2, "times") {
			l.Times = int64(rapid.IntRange(1, 3).Draw(t, "times"))
		} else {
			l.Points = int64(rapid.IntRange(60, most).Draw(t, "points"))
			l.Edge = pick(t, "edge", programme.Cut, programme.Drop, programme.Finish)
		}
		list = append(list, l)
	}
	return list
}

// text is the programme as its author would write it.
func (p *inviting) text(zone string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "programme: inviting\ncurrency: CNY\ntime_zone: %s\nreturn_window: 40 days\n", zone)
	b.WriteString("tiers: {by: points, over: lifetime, levels: [{id: member, at: 0}, {id: gold, at: 100}]}\n")
	if len(p.limits) > 0 {
		fmt.Fprintf(&b, "limits: %s\n", limitsText(p.limits))
	}
	b.WriteString("rules:\n")
	for _, r := range p.rules {
		fmt.Fprintf(&b, "  - {id: %s, ", r.id)
		switch {
		case r.on == "order":
			fmt.Fprintf(&b, "on: order, earn: {points: %d, per: 10.00}", r.referee)
		case r.boosts != "":
			fmt.Fprintf(&b, "on: referral, boost: {of: [%s], by: %d%%}", r.boosts, r.percent)
		default:
			fmt.Fprintf(&b, "on: referral, after: %s, earn: {", r.on)
			if r.referrer > 0 {
				fmt.Fprintf(&b, "referrer: %d, ", r.referrer)
			}
			if r.referee > 0 {
				fmt.Fprintf(&b, "referee: %d, ", r.referee)
			}
			b.WriteString("}")
		}
		var when []string
		if r.least > 0 {
			when = append(when, "order.total >= 50.00")
		}
		if r.code != "" {
			when = append(when, `referral.code == "c1"`)
		}
		if len(when) > 0 {
			fmt.Fprintf(&b, ", when: '%s'", strings.Join(when, " && "))
		}
		if len(r.limits) > 0 {
			fmt.Fprintf(&b, ", limit: %s", limitsText(r.limits))
		}
		fmt.Fprintf(&b, "%s}\n", r.rest)
	}
	return strings.ReplaceAll(b.String(), ", }", "}")
}

func limitsText(limits []programme.Limit) string {
	list := make([]string, 0, len(limits))
	for _, l := range limits {
		per := map[programme.Period]string{programme.PerDay: "day", programme.PerWeek: "week", programme.PerMonth: "month", programme.PerEver: "ever"}[l.Per]
		if l.Times > 0 {
			list = append(list, fmt.Sprintf("{times: %d, per: %s}", l.Times, per))
			continue
		}
		list = append(list, fmt.Sprintf("{points: %d, per: %s, edge: %s}", l.Points, per, [...]string{"cut", "drop", "finish"}[l.Edge]))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// drawInvitations draws what happens to five members: invitations in circles and of oneself, orders that come twice, and what takes
// them back.
func drawInvitations(t *rapid.T) []rules.Event {
	begin := time.Date(2026, 5, 20, 9, 0, 0, 0, time.UTC)
	unit := pick(t, "unit", 5*time.Hour, 11*time.Hour, 24*time.Hour)
	members := []string{"m1", "m2", "m3", "m4", "m5"}
	var events []rules.Event
	for n := range rapid.IntRange(2, 30).Draw(t, "events") {
		member := rapid.SampledFrom(members).Draw(t, "member")
		at := begin.Add(time.Duration(rapid.IntRange(0, int(30*24*time.Hour/unit)).Draw(t, "at")) * unit)
		var e rules.Event
		if kind := pick(t, "kind", "referral", "referral", "order", "order", "order", "refund", "refund", "cancel"); kind == "referral" {
			e = referralEvent("", member, rapid.SampledFrom(members).Draw(t, "by"), at)
			e.Referral.Code = pick(t, "code", "c1", "c2")
		} else {
			e = rules.Event{Source: schemas.Source{Topic: schemas.TopicOrders}, Order: &schemas.Order{
				MemberID: member, OrderID: pick(t, "order", "o1", "o2", "o3"), Status: schemas.Paid, OccurredAt: at, Currency: "CNY",
			}}
			switch o := e.Order; kind {
			case "order":
				o.Lines = []schemas.Line{{LineID: "1", Quantity: 3, Amount: pick(t, "amount", int64(0), 3000, 5000, 12345)}}
			case "cancel":
				o.Status = schemas.Cancelled
			default:
				o.Status = schemas.Refunded
				if !oneIn(t, 2, "everything") {
					o.RefundedLines = []schemas.RefundedLine{{LineID: "1", Quantity: int64(rapid.IntRange(0, 2).Draw(t, "pieces")), Amount: pick(t, "back", int64(0), 1000, 4000, 20000)}}
				}
			}
		}
		setEventID(&e, fmt.Sprintf("e%02d", n*37%100)) // so that the order of ids is not that of anything else
		e.Source.Offset = int64(n)
		events = append(events, e)
	}
	return events
}

// offer is what a rule would give a member before limits, at its place.
type offer struct {
	at     time.Time
	kind   int // that of the event it is for, or 60: it is the referrer's
	event  string
	topic  string
	from   string // whose event it is
	rule   int
	points int64
}

// modelOrder is an order of which something is left.
type modelOrder struct {
	event *rules.Event
	total int64
}

// standing is the orders of a member that are not gone, in their order: each at its earliest event that pays it.
func (p *inviting) standing(member string, events []rules.Event) (list []modelOrder) {
	for _, id := range []string{"o1", "o2", "o3"} {
		var paid *rules.Event
		of := inOrder(slices.DeleteFunc(slices.Clone(events), func(e rules.Event) bool {
			return e.Order == nil || e.Order.MemberID != member || e.Order.OrderID != id
		}))
		pieces, back, gone := int64(3), int64(0), false
		for i := range of {
			switch o := of[i].Order; {
			case o.Status == schemas.Paid && paid == nil:
				paid = &of[i]
			case o.Status == schemas.Cancelled, o.Status == schemas.Refunded && len(o.RefundedLines) == 0:
				gone = true
			case o.Status == schemas.Refunded:
				pieces, back = pieces-o.RefundedLines[0].Quantity, back+o.RefundedLines[0].Amount
			}
		}
		if paid == nil || gone || pieces <= 0 {
			continue
		}
		total := max(paid.Order.Lines[0].Amount-back, 0)
		if total == 0 && paid.Order.Lines[0].Amount > 0 {
			continue
		}
		list = append(list, modelOrder{paid, total})
	}
	slices.SortFunc(list, func(a, b modelOrder) int {
		return cmp.Or(eventTime(a.event).Compare(eventTime(b.event)), cmp.Compare(eventID(a.event), eventID(b.event)))
	})
	return list
}

// invitation is the earliest invitation of a member by somebody else; nil: there is none.
func (p *inviting) invitation(member string, events []rules.Event) *rules.Event {
	for _, e := range inOrder(events) {
		if e.Referral != nil && e.Referral.RefereeID == member && e.Referral.ReferrerID != member {
			return &e
		}
	}
	return nil
}

// offers is what everybody would get without limits.
func (p *inviting) offers(events []rules.Event) map[string][]offer {
	all := map[string][]offer{}
	for _, member := range []string{"m1", "m2", "m3", "m4", "m5"} {
		invited := p.invitation(member, events)
		if invited != nil {
			p.offer(all, "joined", member, invited, invited, 0)
		}
		for i, order := range p.standing(member, events) {
			p.offer(all, "order", member, nil, order.event, order.total)
			before := invited != nil && eventTime(invited).Before(eventTime(order.event)) // at one instant the order comes first
			if i == 0 && before {
				p.offer(all, "first_order", member, invited, order.event, order.total)
			}
		}
	}
	return all
}

// offer adds what the rules of one kind give at an event, to both.
func (p *inviting) offer(all map[string][]offer, on, member string, invited, e *rules.Event, total int64) {
	met := func(r *invitingRule) bool {
		return r.on == on && total >= r.least && (r.code == "" || invited.Referral.Code == r.code)
	}
	for i := range p.rules {
		r := &p.rules[i]
		if !met(r) {
			continue
		}
		referrer, referee := r.referrer, r.referee
		if on == "order" {
			referee *= total / 1000
		}
		if r.boosts != "" {
			of := &p.rules[slices.IndexFunc(p.rules, func(x invitingRule) bool { return x.id == r.boosts })]
			if !met(of) {
				continue
			}
			referrer, referee = of.referrer*r.percent/100, of.referee*r.percent/100
		}
		o := offer{at: eventTime(e), kind: kindOf(e), event: eventID(e), topic: e.Source.Topic, from: member, rule: i}
		if o.points = referee; referee > 0 {
			all[member] = append(all[member], o)
		}
		if o.points, o.kind = referrer, 60; referrer > 0 {
			by := invited.Referral.ReferrerID
			all[by] = append(all[by], o)
		}
	}
}

// granted is what limits leave of it, by member, rule and source event.
func (p *inviting) granted(events []rules.Event, zone *time.Location) map[string]int64 {
	type used struct{ times, points int64 }
	list := map[string]int64{}
	for member, offers := range p.offers(events) {
		slices.SortStableFunc(offers, func(a, b offer) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.event, b.event), cmp.Compare(a.from, b.from), cmp.Compare(a.rule, b.rule))
		})
		counted := map[string]used{}
		for _, o := range offers {
			points, local := o.points, o.at.In(zone)
			bind := func(whose string, limits []programme.Limit) {
				for _, l := range limits {
					u := counted[whose+periodOf(l.Per, local)]
					switch left := max(l.Points-u.points, 0); {
					case points == 0:
					case l.Times > 0 && u.times >= l.Times, l.Points > 0 && left == 0, l.Points > 0 && points > left && l.Edge == programme.Drop:
						points = 0
					case l.Points > 0 && points > left && l.Edge == programme.Cut:
						points = left
					}
				}
			}
			count := func(whose string, limits []programme.Limit) {
				for _, l := range limits {
					u := counted[whose+periodOf(l.Per, local)]
					counted[whose+periodOf(l.Per, local)] = used{u.times + 1, u.points + points}
				}
			}
			r := &p.rules[o.rule]
			own := r.limits
			if r.on != "order" && o.kind != 60 {
				own = nil // limits of an invitation are the referrer's
			}
			bind(r.id, own)
			bind("", p.limits)
			if points == 0 {
				continue
			}
			count(r.id, own)
			count("", p.limits)
			list[fmt.Sprintf("%s has by %s for %s %s of %s", member, r.id, o.topic, o.event, o.from)] += points
		}
	}
	return list
}

// What everybody has of invitations in the end is what the model says, in whatever order records arrive, and however often.
func TestInvitationsAreAsTheContractSays(t *testing.T) {
	invited, cut := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawInviting(t)
		zone := pick(t, "zone", "UTC", "Asia/Shanghai", "America/New_York")
		w := &world{days: 40, from: []time.Time{{}}, texts: []string{p.text(zone)}, end: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)}
		w.ready(t)
		w.events = drawInvitations(t)
		arrival := slices.Clone(w.events)
		for _, e := range w.events {
			if oneIn(t, 5, "twice") {
				arrival = append(arrival, e)
			}
		}
		r := w.replay(t)
		if oneIn(t, 2, "stored") {
			r.stored()
		}
		r.all(rapid.Permutation(arrival).Draw(t, "arrival")).finish()
		if r.late > 0 {
			r.fatalf("the law is about histories in which nothing is late")
		}

		has := map[string]int64{}
		for _, g := range r.grants {
			if g.points() != 0 {
				e := r.sourceOf(g)
				has[fmt.Sprintf("%s has by %s for %s %s of %s", g.member, g.rule, g.topic, g.event, e.Member())] += g.points()
			}
		}
		want := p.granted(w.events, w.parsed[0].Programme.Zone)
		var differ []string
		for _, what := range slices.Sorted(maps.Keys(mergedKeys(want, has))) {
			if want[what] != has[what] {
				differ = append(differ, fmt.Sprintf("%s: %d, by the contract %d", what, has[what], want[what]))
			}
		}
		if len(differ) > 0 {
			r.fatalf("the ledger and the contract differ:\n%s", strings.Join(differ, "\n"))
		}
		for member, offers := range p.offers(w.events) {
			for _, o := range offers {
				if o.kind == 60 {
					invited++
					if want[fmt.Sprintf("%s has by %s for %s %s of %s", member, p.rules[o.rule].id, o.topic, o.event, o.from)] != o.points {
						cut++
					}
				}
			}
		}
	})
	if !t.Failed() && (invited == 0 || cut == 0) {
		t.Errorf("%d times somebody was to get something for inviting, %d times a limit cut it: the law says nothing", invited, cut)
	}
}

func mergedKeys(a, b map[string]int64) map[string]int64 {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
