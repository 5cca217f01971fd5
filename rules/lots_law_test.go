package rules_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// point is one point of a grant, for a model that knows nothing of sums.
type point struct {
	grant   string
	expires time.Time // zero: never
	granted time.Time // of the grant's event
	kind    int       // and event: the place of the grant's event among those of one instant
	event   string
	nth     int // in the order in which points came
}

func (p *point) before(q *point) int {
	if p.expires.IsZero() != q.expires.IsZero() {
		if p.expires.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(p.expires.Compare(q.expires), p.granted.Compare(q.granted), cmp.Compare(p.kind, q.kind), cmp.Compare(p.event, q.event), cmp.Compare(p.nth, q.nth))
}

// wallet is a member as single points: those that can be spent, and by redemption those that it took, in that order. A nil point
// is owed.
type wallet struct {
	points []*point
	taken  map[string][]*point
	debts  []string // the redemption of each point that is owed, oldest first; empty: by hand
	gone   map[string]int64
	came   int
}

func (w *wallet) take(redemption string, n int64) {
	for range n {
		if len(w.points) == 0 {
			w.debts = append(w.debts, redemption)
			continue
		}
		w.pay(redemption)
	}
}

func (w *wallet) pay(redemption string) {
	slices.SortStableFunc(w.points, (*point).before)
	w.taken[redemption] = append(w.taken[redemption], w.points[0])
	w.points = w.points[1:]
}

func (w *wallet) add(p *point) {
	w.points = append(w.points, p)
	for len(w.debts) > 0 && len(w.points) > 0 {
		redemption := w.debts[0]
		w.debts = w.debts[1:]
		w.pay(redemption)
	}
}

func (w *wallet) giveBack(redemption string, n int64, at time.Time) {
	var back []*point
	for range n {
		if i := lastIndex(w.debts, redemption); i >= 0 {
			w.debts = slices.Delete(w.debts, i, i+1)
			continue
		}
		list := w.taken[redemption]
		if len(list) == 0 {
			break
		}
		back = append(back, list[len(list)-1])
		w.taken[redemption] = list[:len(list)-1]
	}
	for _, p := range back {
		if !p.expires.IsZero() && !p.expires.After(at) {
			w.gone[p.grant]++
			continue
		}
		w.points = append(w.points, p)
	}
	for len(w.debts) > 0 && len(w.points) > 0 {
		owed := w.debts[0]
		w.debts = w.debts[1:]
		w.pay(owed)
	}
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

func (w *wallet) expire(upTo time.Time) {
	w.points = slices.DeleteFunc(w.points, func(p *point) bool {
		if p.expires.IsZero() || p.expires.After(upTo) {
			return false
		}
		w.gone[p.grant]++
		return true
	})
}

// What expires of each grant is what a model says that moves single points about: first to expire first spent, then what was
// granted first; given back last taken first; what is owed is paid off first.
func TestExpiryIsThatOfSinglePoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{days: 30, from: []time.Time{{}}, texts: []string{`programme: drawn
currency: CNY
time_zone: Europe/Berlin
redemptions: true
return_window: 30 days
expiry: ` + drawExpiry(t) + `
rules:
  - {id: r0, on: order, earn: {points: 1, per: 10.00}, expiry: ` + drawExpiry(t) + `}
  - {id: r1, on: order, earn: {points: 6}, hold: ` + pick(t, "hold", "1 day", "5 days", "90m") + `}
  - {id: r2, on: check_in, earn: {points: 9}, expiry: ` + drawExpiry(t) + `}
  - {id: r3, on: check_in, earn: {points: 4}}
`}}
		w.ready(t)
		c := newClock(t, 29)
		c.units = min(c.units, 60)
		var events []rules.Event
		for i := range rapid.IntRange(3, 25).Draw(t, "events") {
			var e rules.Event
			switch at := c.draw(t); pick(t, "event", "order", "check-in", "redemption", "redemption", "command") {
			case "order":
				e = orderEvent("o"+strconv.Itoa(i), at, int64(rapid.IntRange(1, 9).Draw(t, "tens"))*1000)
			case "check-in":
				e = rules.Event{Source: schemas.Source{Topic: schemas.TopicCheckIns}, CheckIn: &schemas.CheckIn{MemberID: "m", OccurredAt: at}}
			case "redemption":
				e = w.drawRedemption(t, "m", at)
			default:
				e = rules.Event{Source: schemas.Source{Topic: schemas.TopicCommands}, Command: &schemas.Command{
					MemberID: "m", OccurredAt: at, Kind: pick(t, "by hand", "GRANT", "DEDUCT"), Points: int64(rapid.IntRange(1, 30).Draw(t, "points")),
				}}
			}
			setEventID(&e, fmt.Sprintf("e%02d", (i*37)%100))
			events = append(events, e)
		}
		w.events = events
		w.end = c.begin.AddDate(0, 3, 0)
		model := &wallet{taken: map[string][]*point{}, gone: map[string]int64{}}
		r := w.replay(t)
		for _, e := range inOrder(events) {
			r.handle(e)
			model.follow(r, e)
		}
		shuffled := w.replay(t).all(rapid.Permutation(events).Draw(t, "arrival"))
		want := r.finish()
		same("in another order it ends in", shuffled, r, want, shuffled.finish())
		model.end(r, w.end)
	})
}

// follow takes over what an event did: the entries say what came when, the event what was spent.
func (w *wallet) follow(r *replay, e rules.Event) {
	w.grown(r, eventTime(&e))
	switch {
	case e.Redemption != nil && e.Redemption.Kind == "SPENT":
		w.take(e.Redemption.RedemptionID, e.Redemption.Points)
	case e.Redemption != nil:
		w.giveBack(e.Redemption.RedemptionID, e.Redemption.Points, e.Redemption.OccurredAt)
	case e.Command != nil && e.Command.Kind == "DEDUCT":
		w.take("", e.Command.Points)
	}
}

// grown adds what entries have made available since, in the order of their times, and lets points expire in between.
func (w *wallet) grown(r *replay, upTo time.Time) {
	list := r.entries
	r.entries = nil
	slices.SortStableFunc(list, func(a, b schemas.PointGrant) int { return a.OccurredAt.Compare(b.OccurredAt) })
	for _, g := range list {
		if g.Entry == schemas.EntryExpired || g.AvailableDelta <= 0 {
			continue
		}
		w.expireBefore(g.OccurredAt, g.Entry == schemas.EntryReleased)
		granted := g.OccurredAt
		if g.Entry == schemas.EntryReleased {
			granted = eventTime(r.sourceOf(r.grants[g.GrantID]))
		}
		for range g.AvailableDelta {
			w.came++
			w.add(&point{grant: g.GrantID, expires: g.ExpiresAt, granted: granted, kind: map[string]int{schemas.TopicOrders: 10, schemas.TopicCheckIns: 20, schemas.TopicCommands: 40}[g.Source.Topic], event: g.Source.EventID, nth: w.came})
		}
	}
	w.expire(upTo)
}

// expireBefore lets points expire up to an instant; a release at that instant comes before.
func (w *wallet) expireBefore(at time.Time, release bool) {
	if release {
		at = at.Add(-time.Millisecond)
	}
	w.expire(at)
}

func (w *wallet) end(r *replay, end time.Time) {
	w.grown(r, end)
	expired := map[string]int64{}
	for id, n := range r.expired {
		expired[id] = n
	}
	for id, n := range w.gone {
		if expired[id] != n {
			r.fatalf("of grant %s (%+v) %d points have expired, by the model %d", id, *r.grants[id], expired[id], n)
		}
		delete(expired, id)
	}
	if len(expired) > 0 {
		r.fatalf("points have expired that by the model have not: %v", expired)
	}
	if has, _ := r.open("m").Points(); has != int64(len(w.points)-len(w.debts)) {
		r.fatalf("%d can be spent, by the model %d less %d", has, len(w.points), len(w.debts))
	}
}

// What is owed fits into 64 bits: a redemption that would pass them is answered INVALID, and the account is as before.
func TestOverflowOfWhatIsSpentIsAnAnswer(t *testing.T) {
	w := &world{days: 90, from: []time.Time{{}}, texts: []string{`programme: huge
currency: CNY
time_zone: UTC
redemptions: true
expiry: {after: 10 days}
rules: [{id: spend, on: order, earn: {points: 1, per: 1.00}}]
`}}
	w.ready(t)
	w.end = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	r := w.replay(t).stored()
	at := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	r.handle(orderEvent("o1", at, 10000))
	r.handle(redeemed("SPENT", "s1", at.Add(time.Hour), 40))
	for i, late := range []time.Duration{2 * time.Hour, 30 * time.Minute} {
		id := "huge" + strconv.Itoa(i)
		r.handle(redeemed("SPENT", id, at.Add(late), 1<<63-1))
		r.handle(redeemed("SPENT", id+"er", at.Add(late), 1<<63-1))
		if r.outcome != schemas.OutcomeInvalid {
			r.fatalf("the second of two huge redemptions is answered %s", r.outcome)
		}
		r.reopen("m")
		r.handle(redeemed("RETURNED", id, at.Add(late+time.Minute), 1<<63-1))
		if has, _ := r.open("m").Points(); has != 60 {
			r.fatalf("after it was returned there are %d points", has)
		}
	}
	r.advance("m", w.end)
	if has, _ := r.open("m").Points(); has != 0 {
		r.fatalf("after all has expired there are %d points", has)
	}
}
