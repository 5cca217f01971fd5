package processor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"accrue/schemas"
)

// simCounts knows what keys were asked in committed transactions, in the order in which they took it in, and counts for itself.
type simCounts struct {
	events   map[string]map[string]*schemas.Effect // by threshold and key, and by member and event: the newest revision
	expected map[string]*schemas.Effect            // answers that are to be there, as far as they are counted here
	answers  map[string]*schemas.Effect            // those that were given
	gaveUp   map[string]bool                       // by member, event and threshold
}

func newSimCounts() simCounts {
	return simCounts{
		events: make(map[string]map[string]*schemas.Effect), expected: make(map[string]*schemas.Effect), answers: make(map[string]*schemas.Effect),
		gaveUp: make(map[string]bool),
	}
}

// simQuestion names a question by its answer, or by itself.
func simQuestion(member, key string, e *schemas.Effect) string {
	return fmt.Sprint(member, " ", e.Source.Topic, " ", e.Source.EventID, " ", e.RuleID, " ", key)
}

func simGaveUp(member, event, threshold string) string {
	return fmt.Sprint(member, " ", event, " ", threshold)
}

// taken counts what a key has taken in.
func (c *simCounts) taken(e *schemas.Effect) {
	if e.Kind == schemas.EffectUncount {
		c.uncounted(e)
	}
	if e.Kind != schemas.EffectCount {
		return
	}
	list := e.RuleID + " " + e.MemberID
	if c.events[list] == nil {
		c.events[list] = make(map[string]*schemas.Effect)
	}
	event := e.FromMember + " " + e.Source.EventID
	if first := c.events[list][event]; first != nil { // what it is of stays
		next := *e
		next.Value = first.Value
		c.events[list][event] = &next
		return
	}
	if e.Revision > 1 { // it was forgotten
		return
	}
	c.events[list][event] = e
	want := &schemas.Effect{}
	values := make(map[string]bool)
	for _, x := range c.events[list] {
		if x.Events == 0 || x.OccurredAt.After(e.OccurredAt) || !x.OccurredAt.After(e.Since) {
			continue
		}
		want.Events++
		want.Points += x.Points
		want.Refunds += x.Refunds
		values[x.Value] = true
	}
	delete(values, "")
	want.Distinct = int64(len(values))
	c.expected[simQuestion(e.FromMember, e.MemberID, e)] = want
}

// uncounted forgets the events of a member who was erased, all where the key has the member's name.
func (c *simCounts) uncounted(e *schemas.Effect) {
	for list, events := range c.events {
		if strings.HasSuffix(list, " "+e.MemberID) {
			maps.DeleteFunc(events, func(event string, _ *schemas.Effect) bool {
				return strings.HasPrefix(event, e.FromMember+" ") || e.MemberID == "referrer:"+e.FromMember
			})
		}
	}
}

// answered takes note of an answer that is committed.
func (c *simCounts) answered(e *schemas.Effect) {
	c.answers[simQuestion(e.MemberID, e.FromMember, e)] = e
}

// alert takes note of what was given up.
func (c *simCounts) alert(w *world, a *schemas.FraudAlert) {
	if len(a.Evidence) > 0 && a.Evidence[0].Name == "not answered" {
		w.seen("an answer was given up")
		c.gaveUp[simGaveUp(a.MemberID, a.EventID, a.ThresholdID)] = true
		return
	}
	w.seen("a threshold was passed: " + a.Action)
}

// compare looks whether each question that was taken in is answered, rightly, once the transaction is committed in which it was.
func (c *simCounts) compare(w *world) {
	for _, name := range slices.Sorted(maps.Keys(c.expected)) {
		want, got := c.expected[name], c.answers[name]
		switch {
		case got == nil:
			w.fail("counts", "%s is not answered", name)
		case got.Events != want.Events || got.Points != want.Points || got.Refunds != want.Refunds || got.Distinct != want.Distinct:
			w.fail("counts", "%s is answered %d events, sum %d, %d refunded, %d different, it should be %d, %d, %d, %d", name,
				got.Events, got.Points, got.Refunds, got.Distinct, want.Events, want.Points, want.Refunds, want.Distinct)
		default:
			w.seen("a key has answered")
		}
	}
	clear(c.expected)
}

// given is what whoever decides the same events by the rules alone has to take in for a request: itself, or instead of a question
// the answer that was given. Where none was, nothing was counted; nil: nothing is waited for.
func (c *simCounts) given(e *schemas.Effect) *schemas.Effect {
	if e.Kind != schemas.EffectCount && e.Kind != schemas.EffectDevices {
		return e
	}
	if e.Revision > 1 {
		return nil
	}
	answer := c.answers[simQuestion(e.FromMember, e.MemberID, e)]
	if answer == nil || c.gaveUp[simGaveUp(e.FromMember, e.Source.EventID, e.RuleID)] {
		return &schemas.Effect{
			Kind: schemas.EffectAnswer, MemberID: e.FromMember, FromMember: e.MemberID, RuleID: e.RuleID, Source: e.Source, OccurredAt: e.OccurredAt,
		}
	}
	return answer
}
