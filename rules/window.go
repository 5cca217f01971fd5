package rules

import (
	"fmt"
	"slices"
)

// This file is about which facts of the window are in memory. A busy member has thousands, and most events ask for none of
// them. A refund or a late event asks for those from some place on, which is mostly near: then these are read, gapless up to the
// newest, and everything is decided again from the snapshot that stands before them. Of orders that begin before them the earlier
// facts are read one by one (outside). Only what looks at all of the past reads all of it.

// whole says that all facts of the window are in memory.
func (a *Account) whole() bool { return a.gapless && a.from == 0 }

// load makes all facts of the window and the base available.
func (a *Account) load() error {
	if a.whole() {
		return nil
	}
	facts, err := a.readFacts(nil, a.count)
	if err != nil {
		return err
	}
	if err := a.loadBase(); err != nil {
		return err
	}
	if err := a.loadKept(); err != nil {
		return err
	}
	a.hold(facts, 0, nil)
	return nil
}

// loadSince makes all facts from an instant on available, a standing before them, and of their orders all facts.
func (a *Account) loadSince(at int64) error {
	if a.whole() || a.gapless && a.snapshotAt(a.from).before(at) {
		return nil
	}
	i := len(a.snapshots) - 1
	for i >= 0 && !a.snapshots[i].before(at) {
		i--
	}
	if i < 0 || a.ledger.claws || len(a.facts) == a.count {
		return a.load()
	}
	s := a.snapshots[i]
	facts, err := a.readFacts(&s.standing.last, a.count-s.next)
	if err != nil {
		return err
	}
	if err := a.loadKept(); err != nil {
		return err
	}
	var outside []*fact
	for _, list := range [...][]*fact{a.outside, a.facts} {
		for _, f := range list {
			if f.key.compare(s.standing.last) <= 0 {
				outside = append(outside, f)
			}
		}
	}
	a.hold(facts, s.next, outside)
	for _, f := range facts {
		if err := a.completeOrder(f); err != nil {
			return err
		}
	}
	return nil
}

// loadOrder is loadSince with all facts of an order among those that are read, folded ones aside.
func (a *Account) loadOrder(id string, at int64) error {
	for _, status := range statuses {
		for _, instant := range a.instantsOf(orderHash(status, id), at) { // none, mostly
			at = min(at, instant)
		}
	}
	return a.loadSince(at)
}

// readFacts reads the facts behind a place, nil being before all of them, of which there must be so many. Those in memory stay the
// same.
func (a *Account) readFacts(after *factKey, count int) ([]*fact, error) {
	known := make(map[factKey]*fact, len(a.facts)+len(a.outside))
	for _, list := range [...][]*fact{a.outside, a.facts} {
		for _, f := range list {
			if after == nil || after.compare(f.key) < 0 {
				known[f.key] = f
			}
		}
	}
	facts := make([]*fact, 0, count)
	begin := []byte(factRows)
	if after != nil {
		begin = instantRow(after.at)
	}
	err := a.scanFacts(begin, after, known, func(f *fact) {
		delete(known, f.key)
		facts = append(facts, f)
	})
	if err != nil {
		return nil, err
	}
	for _, f := range known { // those that are not saved yet
		facts = append(facts, f)
	}
	slices.SortFunc(facts, func(x, y *fact) int { return x.key.compare(y.key) })
	if len(facts) != count {
		return nil, &Broken{a.member, fmt.Errorf("there are %d facts, the head counts %d", len(facts), count)}
	}
	return facts, nil
}

// scanFacts hands over the stored facts from a row on that lie behind a place; those that are known as they are in memory.
func (a *Account) scanFacts(begin []byte, after *factKey, known map[factKey]*fact, take func(f *fact)) error {
	var failed error
	err := a.rows.ScanFrom([]byte(factRows), begin, func(key, value []byte) bool {
		place, err := factKeyOf(key)
		if err == nil && after != nil && place.compare(*after) <= 0 {
			return true
		}
		f := known[place]
		if err == nil && f == nil {
			a.factsRead++
			f, err = decodeFact(place, value)
		}
		if err != nil {
			failed = err
			return false
		}
		take(f)
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("read facts of member %q: %w", a.member, err)
	}
	return nil
}

// hold makes these the facts in memory, gapless from a place on.
func (a *Account) hold(facts []*fact, from int, outside []*fact) {
	a.facts, a.gapless, a.from, a.outside, a.profiles = facts, true, from, outside, profilesOf(facts)
	if a.ledger.claws {
		a.keeps = keepsOf(facts)
	}
	a.indexAll()
}

// completeOrder reads what lies before the facts in memory of the order that a fact is of, one of them or one that will be. Only
// what can stand for an order needs the others.
func (a *Account) completeOrder(f *fact) error {
	if !a.gapless || a.from == 0 || !a.earns(f) {
		return nil
	}
	id, last := f.order.id, a.snapshotAt(a.from).standing.last
	for _, status := range a.ledger.matter {
		hash := orderHash(status, id)
		there := 0
		for _, x := range a.ofOrder(id) {
			if x.order.status == status {
				there++
			}
		}
		if a.carrying(hash) <= there {
			continue
		}
		for _, at := range a.instantsOf(hash, last.at) {
			if err := a.fetchOrder(id, at, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchOrder reads the facts of an order at one instant, none behind last.
func (a *Account) fetchOrder(id string, at int64, last factKey) error {
	take := func(f *fact) {
		if f.order == nil || f.order.id != id || last.compare(f.key) < 0 || slices.Contains(a.ofOrder(id), f) {
			return
		}
		if i, found := findFact(a.outside, f.key); !found {
			a.outside = slices.Insert(a.outside, i, f)
		}
		a.index(f)
	}
	for _, f := range a.outside {
		if f.key.at == at {
			take(f)
		}
	}
	var failed error
	err := a.rows.Scan(instantRow(at), func(key, value []byte) bool {
		var f *fact
		place, err := factKeyOf(key)
		if err == nil {
			if i, found := findFact(a.outside, place); found {
				f = a.outside[i]
			} else {
				f, err = decodeFact(place, value)
			}
		}
		if err != nil {
			failed = err
			return false
		}
		take(f)
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("read order %s of member %q: %w", id, a.member, err)
	}
	return nil
}

// instantsOf are the instants up to one, which is included, at which facts may carry an id.
func (a *Account) instantsOf(hash uint32, to int64) []int64 {
	items, left := a.ids.items, a.carrying(hash)
	var list []int64
	for i := len(items) - 1; i >= 0 && left > 0; i-- {
		if items[i].hash != hash {
			continue
		}
		left--
		if items[i].at() <= to {
			list = append(list, items[i].at())
		}
	}
	return list
}

func findFact(list []*fact, key factKey) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(f *fact, k factKey) int { return f.key.compare(k) })
}

func (a *Account) stored(key, value []byte, known map[factKey]*fact) (*fact, error) {
	place, err := factKeyOf(key)
	if err != nil {
		return nil, err
	}
	if f := known[place]; f != nil {
		return f, nil
	}
	return decodeFact(place, value)
}

func (a *Account) loadBase() error {
	if a.base != nil {
		return nil
	}
	row, err := a.rows.Get([]byte(baseRow))
	if err != nil {
		return fmt.Errorf("read base of member %q: %w", a.member, err)
	}
	if row == nil {
		a.base = a.ledger.beginning()
		return nil
	}
	r := &reader{rest: slices.Clone(row)}
	r.version()
	a.first = r.varint()
	a.base = loadStanding(r, baseOwner, a.rows)
	a.base.loadMore(r, baseOwner, a.rows)
	if err := r.end(); err != nil {
		return &Broken{a.member, fmt.Errorf("read base: %w", err)}
	}
	return nil
}

// factAt finds a fact by its place; nil where it is folded away.
func (a *Account) factAt(key factKey) (*fact, error) {
	if key.kind >= joinedFact {
		return a.keptAt(key)
	}
	list := &a.facts
	i, found := findFact(*list, key)
	before := a.gapless && i == 0 && a.from > 0
	if !found && before {
		list = &a.outside
		i, found = findFact(*list, key)
	}
	if found {
		return (*list)[i], nil
	}
	var f *fact
	var err error
	if !a.gapless || before {
		f, err = a.read(key, key.row())
	}
	if f != nil {
		*list = slices.Insert(*list, i, f)
	}
	if f == nil && err == nil && key.kind == awardFact {
		return a.pastAt(key)
	}
	return f, err
}

// read reads the row of one fact; nil: there is none.
func (a *Account) read(place factKey, key []byte) (*fact, error) {
	row, err := a.rows.Get(key)
	if err != nil || row == nil {
		return nil, err
	}
	f, err := decodeFact(place, row)
	if err != nil {
		return nil, &Broken{a.member, err}
	}
	return f, nil
}

// place is where a fact stands among those in memory, or would stand.
func (a *Account) place(key factKey) int {
	i, _ := findFact(a.facts, key)
	return i
}

// insert puts a new fact in its place; with gapless none of those that are not in memory may lie behind it.
func (a *Account) insert(f *fact) {
	i := a.place(f.key)
	a.facts = slices.Insert(a.facts, i, f)
	a.count++
	if a.gapless {
		a.index(f)
		a.forgetSnapshots(a.from + i + 1)
		if f.keeps != nil {
			a.keeps = keepsOf(a.facts)
		}
		if f.profile != nil {
			a.profiles = profilesOf(a.facts)
		}
	}
	a.change(f)
}

// remove takes a fact out that was just put in.
func (a *Account) remove(f *fact) {
	i := a.place(f.key)
	if i >= len(a.facts) || a.facts[i] != f {
		return
	}
	a.facts = slices.Delete(a.facts, i, i+1)
	a.count--
	f.changed = false
	if !a.gapless {
		return
	}
	a.forgetSnapshots(a.from + i + 1)
	if f.keeps != nil {
		a.keeps = keepsOf(a.facts)
	}
	if f.profile != nil {
		a.profiles = profilesOf(a.facts)
	}
	if f.order != nil {
		a.unindex(f)
	}
}

// holds says that a fact of the window is in memory with all others of its order that matter to it.
func (a *Account) holds(f *fact) bool {
	_, found := findFact(a.facts, f.key)
	return a.gapless && found
}

// instantRow is how the keys of all facts of an instant begin.
func instantRow(at int64) []byte {
	w := &writer{bytes: make([]byte, 0, 9)}
	w.keyOf(factRows, factKey{at: at})
	return w.bytes[:9]
}
