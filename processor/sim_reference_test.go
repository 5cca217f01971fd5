package processor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// simReference has the rules alone decide the same events, in the order in which they were written, with the answers that were
// given. Of a member who is erased in the end it knows nothing but what that one had asked of others until then: what others are
// granted depends on nothing else of that member, and on when the erasure came only by that.
type simReference struct {
	c       *checker
	shard   *Shard
	sums    map[string][3]int64 // by grant
	pools   map[string]int64    // by grant of the rule simPool: points
	tiers   map[string]string   // by member: the last one
	waiting []schemas.Effect
	decided bool
}

// compare looks whether all that was written comes to what the rules alone make of the same events.
func (c *checker) compare() error {
	ledger := c.w.ledger
	if c.w.ample != nil && c.erased.any() {
		ledger = c.w.ample
	}
	r := &simReference{
		c: c, shard: NewMemoryShard(ledger), sums: make(map[string][3]int64), pools: make(map[string]int64), tiers: make(map[string]string),
	}
	if err := r.decide(); err != nil {
		return err
	}
	if err := r.comparePools(); err != nil {
		return err
	}
	return r.compareSums()
}

// decide decides all events, and what is due by now.
func (r *simReference) decide() error {
	for _, e := range r.c.w.shop.events {
		if r.c.erased.is(e.Member()) {
			continue
		}
		r.decided = false
		if err := r.take(r.shard.Handle(e)); err != nil {
			return err
		}
		if !r.decided {
			return fmt.Errorf("%v of %s is not decided by the rules alone", e.Source, e.Member())
		}
	}
	for i := range r.c.erased.awards {
		if e := &r.c.erased.awards[i]; r.c.erased.is(e.FromMember) && !r.c.erased.is(e.MemberID) {
			if err := r.take(r.shard.Take(e, time.Time{})); err != nil {
				return err
			}
		}
	}
	for _, member := range r.shard.Members() {
		if err := r.take(r.shard.Advance(member, r.c.w.now, r.c.w.now)); err != nil {
			return err
		}
	}
	return nil
}

// take takes in what was decided, and all that follows from it elsewhere.
func (r *simReference) take(out *rules.Outcome, err error) error {
	for r.note(out); err == nil && len(r.waiting) > 0; r.note(out) {
		next := r.c.counts.given(&r.waiting[0]) // the answers are those that were given
		r.waiting = r.waiting[1:]
		if out = nil; next != nil && !r.c.erased.is(next.MemberID) {
			out, err = r.shard.Take(next, time.Time{})
		}
	}
	return err
}

func (r *simReference) note(out *rules.Outcome) {
	if out == nil {
		return
	}
	r.decided = r.decided || out.Decision != nil
	for _, e := range out.Entries {
		if e.RuleID == simPool { // who gets how much of it depends on who came first
			r.pools[e.GrantID] += e.AvailableDelta + e.PendingDelta
			continue
		}
		sum := r.sums[e.GrantID]
		r.sums[e.GrantID] = [3]int64{sum[0] + e.AvailableDelta, sum[1] + e.PendingDelta, sum[2] + e.TierDelta}
	}
	for _, change := range out.TierChanges {
		r.tiers[change.MemberID] = change.To
	}
	r.waiting = append(r.waiting, out.Requests...)
}

// comparePools compares what was given out of the budget that is used up. Where somebody was erased it depends on when how much
// is left for others; but as long as something is left, nobody else has less than they want.
func (r *simReference) comparePools() error {
	c, wanted := r.c, int64(0)
	for _, points := range r.pools {
		wanted += points
	}
	if !c.erased.any() {
		if wanted != c.pool {
			return fmt.Errorf("%d points of a budget were given, the rules give %d", c.pool, wanted)
		}
		return nil
	}
	for _, grant := range slices.Sorted(maps.Keys(c.pools)) {
		if _, there := r.pools[grant]; !there && !c.erased.is(c.owners[grant]) && c.sums[grant] != [3]int64{} {
			return fmt.Errorf("grant %s of %s: %v was written, the rules give none", grant, c.owners[grant], c.sums[grant])
		}
	}
	left := c.left(simPool)
	for _, grant := range slices.Sorted(maps.Keys(r.pools)) {
		have, want := c.sums[grant][0]+c.sums[grant][1], r.pools[grant]
		if have > want || have < want && left > 0 {
			return fmt.Errorf("grant %s has %d points of %d that it wants of a budget that has %d left", grant, have, want, left)
		}
	}
	return nil
}

func (r *simReference) compareSums() error {
	c := r.c
	for _, grant := range slices.Sorted(maps.Keys(r.sums)) {
		if c.sums[grant] != r.sums[grant] {
			return fmt.Errorf("grant %s of %s: %v was written, the rules make it %v", grant, c.owners[grant], c.sums[grant], r.sums[grant])
		}
	}
	for grant, sum := range c.sums {
		if _, there := r.sums[grant]; !there && !c.pools[grant] && !c.erased.is(c.owners[grant]) && sum != [3]int64{} {
			return fmt.Errorf("grant %s of %s: %v was written, the rules give none", grant, c.owners[grant], sum)
		}
	}
	for member, tier := range r.tiers {
		if c.tiers[member] != tier && (c.tiers[member] != "" || tier != "member") {
			return fmt.Errorf("tier of %s: %q was written, the rules make it %q", member, c.tiers[member], tier)
		}
	}
	return nil
}
