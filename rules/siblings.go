package rules

import "slices"

// siblings are the facts in memory that are of one order, ascending. Each of them knows them, as deciding again asks all facts
// for theirs, and looking them up by the order's id would take longer than most of the rest.
type siblings struct {
	facts []*fact
	first [1]*fact // the memory of facts, as long as there is one, as there mostly is
}

// indexAll enters all facts in memory; those that are outside are entered when they are asked for.
func (a *Account) indexAll() {
	a.orders = make(map[string]*siblings, len(a.facts))
	for _, f := range a.outside {
		if f.order != nil {
			f.order.siblings = nil
		}
	}
	made := make([]siblings, 0, len(a.facts))
	for _, f := range a.facts {
		if f.order == nil {
			continue
		}
		if a.orders[f.order.id] == nil {
			made = append(made, siblings{})
			a.orders[f.order.id] = &made[len(made)-1]
		}
		a.index(f)
	}
}

// index enters a fact of an order among those of the same order.
func (a *Account) index(f *fact) {
	if f.order == nil {
		return
	}
	s := a.orders[f.order.id]
	if s == nil {
		s = &siblings{}
		a.orders[f.order.id] = s
	}
	if s.facts == nil {
		s.facts = s.first[:0]
	}
	for _, other := range s.facts { // what is left of them may be another now
		other.memo = nil
	}
	i, _ := findFact(s.facts, f.key)
	s.facts = slices.Insert(s.facts, i, f)
	f.order.siblings = s
}

// unindex takes a fact of an order out again.
func (a *Account) unindex(f *fact) {
	s := a.orders[f.order.id]
	if s == nil {
		return
	}
	f.order.siblings = nil
	s.facts = slices.DeleteFunc(s.facts, func(x *fact) bool { return x == f })
	if len(s.facts) == 0 {
		delete(a.orders, f.order.id)
	}
	for _, other := range s.facts {
		other.memo = nil
	}
}

// ofOrder are the facts of an order, ascending; none where the facts of the window are not in memory.
func (a *Account) ofOrder(id string) []*fact {
	if s := a.orders[id]; s != nil {
		return s.facts
	}
	return nil
}

// siblingsOf are the facts of the order that a fact is of, itself among them if it is entered.
func (a *Account) siblingsOf(f *fact) []*fact {
	if s := f.order.siblings; s != nil {
		return s.facts
	}
	return a.ofOrder(f.order.id)
}
