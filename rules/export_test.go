package rules

import "slices"

// Rulings are what thresholds said to an event when it first arrived.
type Rulings struct {
	said  []ruling
	asked []question
}

// RulingsOf returns the rulings of an event that the account has decided and not folded away.
func (a *Account) RulingsOf(e Event) Rulings {
	f, err := a.factAt(newFact(&e).key)
	if f == nil || err != nil {
		return Rulings{}
	}
	return Rulings{f.rulings, slices.DeleteFunc(slices.Clone(f.questions), func(q question) bool { return q.threshold != sameDevice })}
}

// HandleRuled is Handle for an event about which no threshold is asked: it has the rulings already.
func (a *Account) HandleRuled(e Event, given Rulings, out *Outcome) error {
	d := a.begin(&e, out)
	if a.invalid(&e) != "" {
		return a.Handle(e, out)
	}
	f := newFact(&e)
	f.unruled, f.rulings, f.questions = false, given.said, given.asked
	return a.handle(d, f)
}

// GrantIDOf is the id of the first grant of a rule for an event.
func GrantIDOf(e Event, rule string) string { return grantID(e.Member(), rule, newFact(&e).key, 0) }
