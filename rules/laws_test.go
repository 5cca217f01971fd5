package rules_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// short draws a history that lies within the return window, so that any order of arrival is without a LATE.
func short(t *rapid.T, versions, most int) *world {
	w := newWorld(t, versions)
	c := newClock(t, w.days-1)
	if versions > 1 {
		w.from[1] = c.draw(t)
	}
	w.ready(t)
	w.drawEvents(t, c, 2, most)
	return w
}

// long draws a history over several return windows, with an order of arrival in which nothing is LATE: each event is
// delayed by less than the window.
func long(t *rapid.T, least, most int) (*world, []rules.Event) {
	w := newWorld(t, rapid.IntRange(1, 2).Draw(t, "versions"))
	c := newClock(t, w.days*rapid.IntRange(3, 9).Draw(t, "windows"))
	if len(w.from) > 1 {
		w.from[1] = c.draw(t)
	}
	w.ready(t)
	w.drawEvents(t, c, least, most)
	w.samePersons(t, c)
	type arrival struct {
		at    time.Time
		event rules.Event
	}
	arrivals := make([]arrival, 0, len(w.events))
	window := time.Duration(w.days)*24*time.Hour - 2*time.Hour // a clock change may take an hour
	for _, e := range w.events {
		delay := time.Duration(rapid.IntRange(0, 9).Draw(t, "delay")) * window / 10
		if eventID(&e) == "first" {
			delay = -time.Second
		}
		arrivals = append(arrivals, arrival{eventTime(&e).Add(delay), e})
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })
	events := make([]rules.Event, 0, len(arrivals))
	for _, a := range arrivals {
		events = append(events, a.event)
	}
	return w, events
}

// samePersons makes all profiles of a member tell the same of when it joined and of its birthday, the first one at the very
// beginning: what another profile says of that reaches no further back than facts are kept.
func (w *world) samePersons(t *rapid.T, c clock) {
	told := map[string]*schemas.Member{}
	var first []rules.Event
	for i := range w.events {
		e := &w.events[i]
		if e.Profile == nil || e.ProfileEnds {
			continue
		}
		m := told[e.Profile.MemberID]
		if m == nil {
			m = w.drawProfile(t, e.Profile.MemberID, c.begin).Profile
			m.EventID = "first"
			m.JoinedAt = m.JoinedAt.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "joins later")) * 24 * time.Hour)
			told[m.MemberID] = m
			first = append(first, rules.Event{Profile: m, Source: schemas.Source{Topic: schemas.TopicProfiles, Offset: int64(len(w.events) + len(first))}})
		}
		e.Profile.JoinedAt, e.Profile.Birthday = m.JoinedAt, m.Birthday
	}
	w.events = append(first, w.events...)
}

// The order in which records arrive does not matter, nor does it matter that they arrive twice.
func TestArrivalOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 14)
		w.withEqualRulings(t)
		first := w.replay(t).all(inOrder(w.events))
		want := first.finish()
		shuffled := rapid.Permutation(w.events).Draw(t, "arrival")
		second := w.replay(t).all(shuffled)
		same("another order of arrival ends in", second, first, want, second.finish())
		if first.late+second.late > 0 {
			first.fatalf("the law is about histories in which nothing is late")
		}
		twice := rapid.Permutation(slices.Concat(w.events, w.events)).Draw(t, "arrival of all twice")
		third := w.replay(t).all(twice)
		same("with every record twice it ends in", third, first, want, third.finish())
	})
}

// longer says that the later version has a longer window than the one before it. Such a version reaches no further back than what is
// still kept (deploy/docs/versions.md): whether a cancellation of long before its order is, depends on what else has arrived by then.
func (w *world) longer() bool {
	first, last := w.parsed[0].Programme, w.parsed[len(w.parsed)-1].Programme
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return last.ReturnWindow.SubFrom(at, last.Zone).Before(first.ReturnWindow.SubFrom(at, first.Zone))
}

// So it is over several return windows, while what is old is folded away.
func TestArrivalOrderDoesNotMatterInLongHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, events := long(t, 20, 70)
		w.withEqualRulings(t)
		if w.longer() {
			return
		}
		first := w.replay(t).all(inOrder(w.events))
		want := first.finish()
		second := w.replay(t).all(events)
		same("another order of arrival ends in", second, first, want, second.finish())
		if first.late+second.late > 0 {
			first.fatalf("the law is about histories in which nothing is late")
		}
	})
}

// Deciding at the head is deciding from scratch: after each event the sums are those of an account that got the same
// events in their order.
func TestFastPathEqualsDecidingAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 9)
		w.withEqualRulings(t)
		until := slices.MaxFunc(w.events, func(a, b rules.Event) int { return eventTime(&a).Compare(eventTime(&b)) })
		w.end = eventTime(&until)
		grown := w.replay(t)
		for i := range w.events {
			grown.handle(w.events[i])
			fresh := w.replay(t).all(inOrder(w.events[:i+1]))
			at := w.replay(t).all(w.events[:i+1]) // advanced to the end, which grown is not yet
			same("decided one after the other it is", at, fresh, fresh.finish(), at.finish())
		}
		last := w.replay(t).all(inOrder(w.events))
		same("decided one after the other it is", grown, last, last.finish(), grown.finish())
	})
}

// Time may look in between as often as it likes, and as far ahead as it likes.
func TestAdvancingInBetweenDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 14)
		w.withEqualRulings(t)
		plain := w.replay(t).all(w.events)
		want := plain.finish()
		r := w.replay(t)
		for i := range w.events {
			r.handle(w.events[i])
			if ahead := rapid.IntRange(-1, 20).Draw(t, "advance by"); ahead >= 0 {
				to := eventTime(&w.events[i]).Add(time.Duration(ahead) * 9 * time.Hour)
				if to.Before(w.end) {
					r.advance(w.events[i].Member(), to)
				}
			}
		}
		same("with timers in between it ends in", r, plain, want, r.finish())
	})
}

// Two partial refunds of an order are one of their sum.
func TestTwoPartialRefundsEqualOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 10)
		w.withFullClawback(t) // else each refund takes what it may at its moment
		o, at := w.drawOrder(t)
		line := rapid.SampledFrom(o.Lines).Draw(t, "line")
		q1, q2 := rapid.Int64Range(0, 3).Draw(t, "q1"), rapid.Int64Range(0, 3).Draw(t, "q2")
		a1, a2 := rapid.Int64Range(0, 6000).Draw(t, "a1"), rapid.Int64Range(0, 6000).Draw(t, "a2")
		refund := func(id string, quantity, amount int64) rules.Event {
			return takeBack(o, id, at, schemas.RefundedLine{LineID: line.LineID, Quantity: quantity, Amount: amount})
		}
		two := w.replay(t).all(w.events).all([]rules.Event{refund("x1", q1, a1), refund("x2", q2, a2)})
		one := w.replay(t).all(w.events).all([]rules.Event{refund("x3", q1+q2, a1+a2)})
		same("two partial refunds end in", two, one, one.finish(), two.finish())
	})
}

// drawOrder adds an order that no other event is about, and a time for what takes it back.
func (w *world) drawOrder(t *rapid.T) (o *schemas.Order, at time.Time) {
	within := rapid.SampledFrom(w.events).Draw(t, "near")
	at = eventTime(&within)
	o = &schemas.Order{
		EventID: pick(t, "order's event", "a", "x"), OrderID: "the order", MemberID: within.Member(), Status: schemas.Paid, OccurredAt: at,
		Currency: "CNY", Lines: drawLines(t), Channel: "app",
	}
	event := rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders}}
	w.events = slices.Insert(w.events, rapid.IntRange(0, len(w.events)).Draw(t, "arrives as"), event)
	back := at.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "sevens")) * 7 * time.Hour)
	if back.After(w.end) {
		w.end = back
	}
	return o, back
}

func takeBack(o *schemas.Order, event string, at time.Time, lines ...schemas.RefundedLine) rules.Event {
	return rules.Event{Source: schemas.Source{Topic: schemas.TopicOrders}, Order: &schemas.Order{
		EventID: event, OrderID: o.OrderID, MemberID: o.MemberID, Status: schemas.Refunded, OccurredAt: at, Currency: o.Currency, RefundedLines: lines,
	}}
}

// A full refund or a cancellation leaves the member as if the order had never been: all other grants, counts and the tier
// are as in a history without it, and its own grants are 0.
func TestFullRefundEqualsNeverOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 12)
		w.withFullClawback(t)
		without := w.replay(t).all(w.events)
		o, at := w.drawOrder(t)
		back := takeBack(o, "refund", at)
		switch rapid.IntRange(1, 3).Draw(t, "how") {
		case 1:
			back.Order.Status = schemas.Cancelled
		case 2: // all its lines
			for _, l := range o.Lines {
				back.Order.RefundedLines = append(back.Order.RefundedLines, schemas.RefundedLine{LineID: l.LineID, Quantity: l.Quantity})
			}
		}
		events := slices.Insert(slices.Clone(w.events), rapid.IntRange(0, len(w.events)).Draw(t, "taken back as"), back)
		with := w.replay(t).all(events)
		same("an order that was taken back leaves", with, without, without.finish(), with.finish())
	})
}

// The same input gives the same bytes, whichever ledger of the same programme decides.
func TestReplayIsByteIdentical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := short(t, rapid.IntRange(1, 2).Draw(t, "versions"), 14)
		first := w.replay(t).all(w.events)
		first.finish()
		second := w.replay(t)
		second.ledger, second.measures = w.newLedger(t), true
		second.all(w.events).finish()
		same("the second time it wrote", second, first, first.log.String(), second.log.String())
	})
}
