package houserules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accrue/deploy/houserules"
)

// Names are found wherever PromQL lets them stand, and texts in quotes are none.
func TestReadExpression(t *testing.T) {
	e, err := houserules.ReadExpression(`sum by (job, why) (rate(accrue_a_total{why=~"x|y", job=~"$job"}[5m])) # accrue_no
		/ on(job) group_left(version) accrue_b > 1e3 and label_replace(accrue_c{}, "accrue_d", "$1", "job", "(.*)")`)
	if err != nil {
		t.Fatal(err)
	}
	want := houserules.Expression{
		Metrics: []houserules.MetricUse{
			{Name: "accrue_a_total", Labels: map[string][]string{"why": {"x", "y"}, "job": nil}},
			{Name: "accrue_b", Labels: map[string][]string{}},
			{Name: "accrue_c", Labels: map[string][]string{}},
		},
		Groups: []string{"job", "why", "job", "version"},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, text := range []string{"sum(accrue_a", "accrue_a)", "accrue_a[5m)"} {
		if _, err := houserules.ReadExpression(text); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
