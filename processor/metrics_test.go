package processor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The table for operators and the code say the same: names, labels, types' suffixes.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../deploy/docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // the label by name
	for _, row := range regexp.MustCompile("(?m)^\\| `(accrue_[a-z_]+)` \\| ([a-z]+) \\| (?:`([a-z]+)`)? ?\\|").FindAllStringSubmatch(string(text), -1) {
		name, kind, label := row[1], row[2], row[3]
		if (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is documented as a %s: counters, and they alone, end in _total", name, kind)
		}
		documented[name] = label
	}
	m := NewMetrics()
	labels := describedLabels(m)
	for _, name := range m.names {
		label, ok := documented[name]
		switch {
		case !ok:
			t.Errorf("%s is not in deploy/docs/metrics.md", name)
		case label != labels[name]:
			t.Errorf("%s has the label %q, documented is %q", name, labels[name], label)
		}
	}
	for name := range documented {
		if !slices.Contains(m.names, name) {
			t.Errorf("deploy/docs/metrics.md names %s, which does not exist", name)
		}
	}
}

func describedLabels(m *Metrics) map[string]string {
	described := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(described)
		close(described)
	}()
	labels := map[string]string{}
	form := regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: \{([a-z]*)\}`)
	for d := range described {
		if match := form.FindStringSubmatch(d.String()); match != nil {
			labels[match[1]] = match[2]
		}
	}
	return labels
}
