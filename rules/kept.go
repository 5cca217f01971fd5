package rules

import (
	"fmt"
	"slices"
)

// This file is about the facts that stand beside those of the window: what time made of a member (joined, birthdays). They
// have rows of their own, found by their name, because their instant may change; what was written for them is theirs like any
// fact's.

// keptAt finds a fact beside the window; nil: there is none.
func (a *Account) keptAt(key factKey) (*fact, error) {
	for _, f := range a.kept {
		if f.key == key {
			return f, nil
		}
	}
	if a.whole {
		return nil, nil
	}
	f, err := a.read(key, key.keptRow())
	if f != nil {
		f.kept = true
		a.kept = append(a.kept, f)
	}
	return f, err
}

// loadKept reads all of them.
func (a *Account) loadKept() error {
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
	return nil
}

// forgetKept drops those that the base has behind it and of which nothing can change any more.
func (a *Account) forgetKept() {
	var left []*fact
	for _, f := range a.kept {
		if f.pending() || f.at() > a.folded || f.byTime() && f.due > 0 && !a.base.profile.coming.has(f) {
			left = append(left, f)
			continue
		}
		f.changed = false
		a.keptDropped = append(a.keptDropped, f.key)
	}
	a.kept = left
}
