package houserules_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"accrue/processor"
)

var update = flag.Bool("update", false, "write what is made from the code: deploy/docs/metrics.md")

// metricsDoc is the page that is made from the table in processor/metrics_table.go.
const metricsDoc = root + "/deploy/docs/metrics.md"

// Operators read the page, the engine has the table: one is made from the other.
func TestMetricsPage(t *testing.T) {
	want := metricsPage(processor.NewMetrics().Table())
	if *update {
		if err := os.WriteFile(metricsDoc, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("deploy/docs/metrics.md is not what processor/metrics_table.go says: run go test ./deploy/houserules -run TestMetricsPage -update")
	}
}

func metricsPage(table []processor.MetricInfo) string {
	var b strings.Builder
	b.WriteString("<!-- Made from processor/metrics_table.go by: go test ./deploy/houserules -run TestMetricsPage -update -->\n\n" +
		"# Metrics\n\n" +
		"`GET /metrics` on the port of `http.listen` gives these in Prometheus' text format, beside the Go runtime's and the\n" +
		"process's own (`go_...`, `process_...`). With a viewer token set, a scrape has to show it (`Authorization: Bearer TOKEN`).\n" +
		"Names, labels and units are part of the interface: a change of one is said in the release notes. The\n" +
		"[dashboard](../grafana/accrue.json) and the [alerts](../prometheus/alerts.yaml), each with a page in the\n" +
		"[runbook](../runbook), are built on them; a test holds all of them together.\n\n" +
		"| metric | type | unit | label | what it tells | what to do |\n" +
		"| --- | --- | --- | --- | --- | --- |\n")
	for _, m := range table {
		label := ""
		if m.Label != "" {
			label = "`" + m.Label + "`"
		}
		if len(m.Values) > 0 {
			label += ": `" + strings.Join(m.Values, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit, label, m.Meaning, cmp.Or(m.Do, "It explains others."))
	}
	return b.String()
}
