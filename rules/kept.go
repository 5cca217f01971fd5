package rules

import (
	"fmt"
	"slices"
)

// This file is about the facts that stand beside those of the window: what time made of a member (joined, birthdays), and what
// was folded away while something of it may still expire, or an operator may still release it. The first have rows of their own because their instant may change; of
// the others no more is kept than entries need. What was written for them is theirs like any fact's.

// keptAt finds a fact beside the window; nil: there is none.
func (a *Account) keptAt(key factKey) (*fact, error) {
	i, found := slices.BinarySearchFunc(a.kept, key, func(f *fact, k factKey) int { return f.key.compare(k) })
	if found {
		return a.kept[i], nil
	}
	if a.allKept {
		return nil, nil
	}
	f, err := a.read(key, key.keptRow())
	if f != nil {
		a.keep(f)
	}
	return f, err
}

// keep puts a fact among those beside the window.
func (a *Account) keep(f *fact) {
	f.kept = true
	i, _ := slices.BinarySearchFunc(a.kept, f.key, func(x *fact, k factKey) int { return x.key.compare(k) })
	a.kept = slices.Insert(a.kept, i, f)
}

// holder is the fact of a grant of which something is left, wherever it stands; nil: nothing is left, and it is folded away.
func (a *Account) holder(key factKey) (*fact, error) {
	f, err := a.factAt(key)
	if f != nil || err != nil || key.kind >= joinedFact {
		return f, err
	}
	return a.keptAt(key)
}

// loadKept reads all of them.
func (a *Account) loadKept() error {
	if a.allKept {
		return nil
	}
	known := make(map[factKey]*fact, len(a.kept))
	for _, f := range a.kept {
		known[f.key] = f
	}
	var failed error
	err := a.rows.Scan([]byte(keptRows), func(key, value []byte) bool {
		f, err := a.stored(key, value, known)
		if err != nil {
			failed = err
			return false
		}
		if known[f.key] == nil {
			f.kept = true
			a.kept = append(a.kept, f)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("read what is kept of member %q: %w", a.member, err)
	}
	slices.SortFunc(a.kept, func(x, y *fact) int { return x.key.compare(y.key) })
	a.allKept = true
	return nil
}

// keptWaits is when the first of them happened that waits for points of a budget. When they come it is decided again, so all behind it
// has to be there.
func (a *Account) keptWaits() (at int64, waits bool) {
	if len(a.waits) == 0 {
		return 0, false
	}
	for _, f := range a.kept {
		if slices.ContainsFunc(f.draws, func(d allotment) bool { return d.waits() }) && (!waits || f.at() < at) {
			at, waits = f.at(), true
		}
	}
	return at, waits
}

// forgetKept drops those that the base has behind it and of which nothing can change any more.
func (a *Account) forgetKept() {
	var left []*fact
	held := a.base.facts()
	for _, f := range a.kept {
		if held[f.key] || f.pending() || f.at() > a.folded || f.byTime() && f.due > 0 && !a.base.profile.coming.has(f) {
			left = append(left, f)
			continue
		}
		f.changed = false
		a.keptDropped = append(a.keptDropped, f.key)
	}
	a.kept = left
}
