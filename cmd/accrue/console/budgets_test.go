package console

import (
	"math"
	"testing"
	"time"

	"accrue/processor"
	"accrue/rules"
	"accrue/rules/programme"
)

// What is left of a budget is exact where all of its period was read; else it is the most that can be left, by its owner's word and by what was
// read, whichever is less. A word about another period says nothing.
func TestBudgetIsNeverGuessed(t *testing.T) {
	zone := time.FixedZone("east", 8*3600)
	p := &programme.Programme{Zone: zone}
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	november := int32(2026*12 + 10)
	rule := func(per programme.Period) *programme.Rule {
		return &programme.Rule{ID: "r", Budget: &programme.Budget{Points: 1000, Per: per}}
	}
	for _, tc := range []struct {
		name  string
		per   programme.Period
		since time.Time
		told  []processor.BudgetReport
		left  int64
		known string
	}{
		{"a day of which all was read", programme.PerDay, now.Add(-20 * time.Hour), nil, 700, "whole"},
		{"a month of which the end was read", programme.PerMonth, now.Add(-20 * time.Hour), nil, 700, "part"},
		{"its owner knows of more", programme.PerMonth, now.Add(-20 * time.Hour), []processor.BudgetReport{{BudgetLevel: rules.BudgetLevel{Rule: "r", Period: november, Size: 1000, Left: 100}}}, 100, "owner"},
		{"its owner has not heard of all", programme.PerMonth, now.Add(-20 * time.Hour), []processor.BudgetReport{{BudgetLevel: rules.BudgetLevel{Rule: "r", Period: november, Size: 1000, Left: 990}}}, 700, "owner"},
		{"last month's owner", programme.PerMonth, now.Add(-20 * time.Hour), []processor.BudgetReport{{BudgetLevel: rules.BudgetLevel{Rule: "r", Period: november - 1, Size: 1000, Left: 5}}}, 700, "part"},
		{"a budget for ever", programme.PerEver, now.Add(-20 * time.Hour), nil, 700, "part"},
	} {
		tally := newTally()
		tally.since = tc.since
		tally.cells[cell{hour: now.Unix()/3600 - 1, rule: "r"}] = &points{Granted: 350, Taken: 50}
		row := budgetOf(tally, tc.told, rule(tc.per), p, now)
		if row.Left != tc.left || row.Known != tc.known || row.Used != (1000-tc.left)/10 {
			t.Errorf("%s: %d left, known by %s, %d %% used; not %d by %s", tc.name, row.Left, row.Known, row.Used, tc.left, tc.known)
		}
		if row.RateDay != 420 { // 350 in 20 hours
			t.Errorf("%s: %d points a day", tc.name, row.RateDay)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tc := range [][4]int64{{7, 100, 3, 233}, {math.MaxInt64, 100, math.MaxInt64, 100}, {math.MaxInt64, 2, 1, math.MaxInt64}, {0, 5, 7, 0}, {-3, 5, 7, 0}} {
		if got := scale(tc[0], tc[1], tc[2]); got != tc[3] {
			t.Errorf("%d times %d divided by %d is %d, not %d", tc[0], tc[1], tc[2], got, tc[3])
		}
	}
}
