package processor

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A name says what it counts in: operators write expressions without looking a metric up.
func TestMetricNames(t *testing.T) {
	for _, info := range NewMetrics().Table() {
		if !regexp.MustCompile(`^accrue_[a-z]+(_[a-z]+)*$`).MatchString(info.Name) {
			t.Errorf("%s: names are accrue_ and lower-case words", info.Name)
		}
		if (info.Type == MetricCounter) != strings.HasSuffix(info.Name, "_total") {
			t.Errorf("%s is a %s: counters, and they alone, end in _total", info.Name, info.Type)
		}
		base := strings.TrimSuffix(info.Name, "_total")
		for unit, suffix := range map[string]string{unitSeconds: "_seconds", unitBytes: "_bytes"} {
			if (info.Unit == unit) != strings.HasSuffix(base, suffix) {
				t.Errorf("%s counts in %s: what is in %s ends in %s", info.Name, info.Unit, unit, suffix)
			}
		}
		if info.Unit == "" || !strings.HasSuffix(info.Meaning, ".") || info.Do != "" && !strings.HasSuffix(info.Do, ".") {
			t.Errorf("%s: its unit, meaning or what to do is not whole: %+v", info.Name, info)
		}
		if len(info.Values) > 0 && info.Label == "" {
			t.Errorf("%s has values and no label", info.Name)
		}
	}
}

// What a scrape brings is what the table says: each name with its help and label, and the series that have to be there from the start.
func TestMetricsAreWhatTheTableSays(t *testing.T) {
	m := NewMetrics()
	described := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(described)
		close(described)
	}()
	labels := map[string]string{}
	form := regexp.MustCompile(`fqName: "(accrue_[a-z_]+)".*variableLabels: \{([a-z]*)\}`)
	for d := range described {
		if match := form.FindStringSubmatch(d.String()); match != nil {
			labels[match[1]] = match[2]
		}
	}
	table := m.Table()
	if len(labels) != len(table) {
		t.Errorf("%d metrics of ours are registered, the table has %d", len(labels), len(table))
	}
	for _, info := range table {
		if label, ok := labels[info.Name]; !ok || label != info.Label {
			t.Errorf("%s is registered %v with the label %q, the table says %q", info.Name, ok, label, info.Label)
		}
	}
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string][]string{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			for _, label := range one.GetLabel() {
				series[f.GetName()] = append(series[f.GetName()], label.GetValue())
			}
		}
	}
	for _, info := range table {
		want := slices.Sorted(slices.Values(info.Values))
		got := slices.Sorted(slices.Values(series[info.Name]))
		if !slices.Equal(got, want) {
			t.Errorf("%s begins with the series %q, want %q", info.Name, got, want)
		}
	}
}
