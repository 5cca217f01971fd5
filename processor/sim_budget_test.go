package processor

import (
	"maps"
	"slices"
	"strings"

	"accrue/rules"
	"accrue/state"
)

// simBudget is where the points of a rule's budgets lie, over all periods.
type simBudget struct {
	left  int64 // with nobody
	out   int64 // with leases, and granted
	free  int64 // of that, in leases
	owed  int64 // points that somebody waits for, or was refused
	owner bool
}

// budgets looks where the points of all budgets are, once all is quiet: what is neither left nor in a lease is granted.
func (c *checker) budgets() {
	found := c.budgetRows()
	for _, rule := range slices.Sorted(maps.Keys(found)) {
		switch b := found[rule]; {
		case b.out-b.free != c.given[rule]:
			c.w.fail("budget", "of the budget of rule %s %d points are out, %d of them free: %d are to be granted, it is %d", rule, b.out, b.free, b.out-b.free, c.given[rule])
		case b.owed > 0 && max(b.left, 0)+b.free > 0:
			c.w.fail("budget", "of the budget of rule %s %d points are owed while %d are left and %d free", rule, b.owed, b.left, b.free)
		}
	}
}

// left is what could still be granted of a rule's budget.
func (c *checker) left(rule string) int64 {
	b := c.budgetRows()[rule]
	if !b.owner {
		return 1 // nobody has asked for any
	}
	return max(b.left, 0) + b.free
}

// budgetRows adds up what the shards that are served hold of budgets.
func (c *checker) budgetRows() map[string]simBudget {
	found := make(map[string]simBudget)
	c.served(func(_ int32, name string, row, value []byte) {
		key, is := state.KeyOf(name)
		if !is {
			return
		}
		d, err := rules.DescribeRow(row, value)
		if err != nil {
			c.w.fail("budget", "%q: %v", key, err)
			return
		}
		rule := key[strings.LastIndex(key, ":")+1:] // at the end of the keys of owners and leases
		b := found[rule]
		switch {
		case d.Budget != nil:
			b.owner, b.left = true, b.left+d.Budget.Left
			for _, l := range d.Budget.Leases {
				b.out += l.Given - l.Returned
			}
		case d.Lease != nil:
			b.free += d.Lease.Free
		case d.Wish != nil:
			b.owed += d.Wish.Missing
			if _, lease := rules.LeaseHome(key); lease { // what it has already lies there until it has all
				b.free += d.Wish.Points - d.Wish.Missing
			}
		default:
			return
		}
		found[rule] = b
	})
	return found
}

// served yields all rows of all shards that are served.
func (c *checker) served(yield func(shard int32, name string, row, value []byte)) {
	for _, p := range c.w.processes {
		for _, l := range p.lanes {
			for h := range l.inOrder() {
				err := h.store.All(func(name string, row, value []byte) bool {
					yield(h.id, name, row, value)
					return true
				})
				if err != nil {
					c.w.fail("store", "read shard %d of %s: %v", h.id, p.name, err)
				}
			}
		}
	}
}
