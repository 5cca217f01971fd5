package processor

import (
	"slices"
	"strings"
	"testing"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// A row that is loaded lies where it is looked for: that of a member or key in its home, what a shard has of a budget in that shard,
// and who was erased in all.
func TestLoadedRowsAreAtHome(t *testing.T) {
	const shards = 6
	lease := rules.BudgetKey{Rule: "spend"}.Lease(4)
	for name, effect := range map[string]*schemas.Effect{
		"anna":                          {MemberID: "anna"},
		state.KeyName("device:d1"):      {Kind: schemas.EffectCount, MemberID: "device:d1"},
		state.KeyName("budget:0:spend"): {Kind: schemas.EffectDraw, MemberID: "budget:0:spend"},
		state.KeyName(lease):            {Kind: schemas.EffectLease, MemberID: lease},
	} {
		got, err := homesOf(name, shards)
		if want := []int32{homeOf(effect, shards)}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q goes to %v (%v), and is looked for in %v", name, got, err, want)
		}
	}
	if got, err := homesOf(state.KeyName(rules.ErasuresKey), 3); err != nil || !slices.Equal(got, []int32{0, 1, 2}) {
		t.Errorf("who was erased goes to %v (%v)", got, err)
	}
	if _, err := homesOf(state.KeyName(lease), 4); err == nil || !strings.Contains(err.Error(), "at least as many") {
		t.Errorf("what a shard that is not there has of a budget: %v", err)
	}
}
