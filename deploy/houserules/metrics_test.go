package houserules_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"accrue/deploy/houserules"
	"accrue/processor"
)

var update = flag.Bool("update", false, "write what is made from the code: deploy/docs/metrics.md")

// What is built on the metrics. The table in processor/metrics_table.go is the source; the rest is held to it.
const (
	metricsDoc = root + "/deploy/docs/metrics.md"
	dashboard  = root + "/deploy/grafana/accrue.json"
	alertsFile = root + "/deploy/prometheus/alerts.yaml"
	alertTests = root + "/deploy/prometheus/alerts_test.yaml"
	runbook    = root + "/deploy/runbook"
)

// alert is a rule of the alerts' file.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readYAML[T any](t *testing.T, path string) T {
	t.Helper()
	var into T
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &into)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return into
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	file := readYAML[struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}](t, alertsFile)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts in " + alertsFile)
	}
	return all
}

// metricTable is the table by name, a histogram under the names of its series too.
func metricTable() map[string]processor.MetricInfo {
	table := map[string]processor.MetricInfo{}
	for _, m := range processor.NewMetrics().Table() {
		if m.Type != processor.MetricHistogram {
			table[m.Name] = m
			continue
		}
		for _, series := range []string{"_bucket", "_sum", "_count"} {
			table[m.Name+series] = m
		}
	}
	return table
}

// checkExpression says what of an expression is not in the table, and returns it.
func checkExpression(t *testing.T, where, text string) houserules.Expression {
	t.Helper()
	e, err := houserules.ReadExpression(text)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return e
	}
	if len(e.Metrics) == 0 {
		t.Errorf("%s: %s asks for nothing of ours", where, text)
	}
	table := metricTable()
	labels := []string{"job", "namespace", "instance"} // every scrape adds them
	for _, use := range e.Metrics {
		info, ok := table[use.Name]
		if !ok {
			t.Errorf("%s: there is no %s", where, use.Name)
			continue
		}
		own := slices.Concat(labels[:3], []string{info.Label})
		if strings.HasSuffix(use.Name, "_bucket") {
			own = append(own, "le")
		}
		for label, values := range use.Labels {
			if !slices.Contains(own, label) {
				t.Errorf("%s: %s has no label %s", where, use.Name, label)
			}
			for _, value := range values {
				if label == info.Label && len(info.Values) > 0 && !slices.Contains(info.Values, value) {
					t.Errorf("%s: the label %s of %s is never %q", where, label, use.Name, value)
				}
			}
		}
		labels = append(labels, own[3:]...)
	}
	for _, label := range e.Groups {
		if !slices.Contains(labels, label) {
			t.Errorf("%s: none of its metrics has the label %s", where, label)
		}
	}
	return e
}

// Operators read the page, the engine has the table, the alerts ring: the page is made from the other two.
func TestMetricsPage(t *testing.T) {
	rings := map[string][]string{} // alerts by metric
	for _, a := range readAlerts(t) {
		e, err := houserules.ReadExpression(a.Expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range e.Metrics {
			name := metricTable()[use.Name].Name
			if !slices.Contains(rings[name], a.Alert) {
				rings[name] = append(rings[name], a.Alert)
			}
		}
	}
	want := metricsPage(processor.NewMetrics().Table(), rings)
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
		t.Error("deploy/docs/metrics.md is not what processor/metrics_table.go and the alerts say: run go test ./deploy/houserules -run TestMetricsPage -update")
	}
}

func metricsPage(table []processor.MetricInfo, rings map[string][]string) string {
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
		do := []string{}
		if m.Do != "" {
			do = append(do, m.Do)
		}
		for _, name := range rings[m.Name] {
			do = append(do, fmt.Sprintf("[%s](../runbook/%s.md)", name, name))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit, label, m.Meaning, strings.Join(do, " "))
	}
	return b.String()
}

// Each alert asks for what there is, says how bad it is, is tested, and leads to a page that says what to do.
func TestAlerts(t *testing.T) {
	tests := readYAML[struct {
		Tests []struct {
			Rules []struct {
				Name  string `yaml:"alertname"`
				Fires []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}](t, alertTests)
	fires := map[string]bool{}
	for _, test := range tests.Tests {
		for _, rule := range test.Rules {
			fires[rule.Name] = fires[rule.Name] || len(rule.Fires) > 0
		}
	}
	names := map[string]bool{}
	for _, a := range readAlerts(t) {
		if names[a.Alert] {
			t.Errorf("two alerts are named %s", a.Alert)
		}
		names[a.Alert] = true
		checkExpression(t, a.Alert, a.Expr)
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: its severity is critical or warning, not %q", a.Alert, severity)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", a.Alert)
		}
		if want := "deploy/runbook/" + a.Alert + ".md"; a.Annotations["runbook_url"] != want {
			t.Errorf("%s: its runbook_url is %q, want %s", a.Alert, a.Annotations["runbook_url"], want)
		}
		page, err := os.ReadFile(filepath.Join(runbook, a.Alert+".md"))
		if err != nil {
			t.Errorf("%s has no page in the runbook: %v", a.Alert, err)
		}
		for _, part := range []string{"# " + a.Alert + "\n", "\n## What it means\n", "\n## What to do\n"} {
			if err == nil && !strings.Contains(string(page), part) {
				t.Errorf("the runbook's page of %s lacks %q", a.Alert, strings.TrimSpace(part))
			}
		}
		if !fires[a.Alert] {
			t.Errorf("no test in %s lets %s fire", alertTests, a.Alert)
		}
		delete(fires, a.Alert)
	}
	if len(fires) > 0 {
		t.Errorf("%s tests alerts that do not exist: %v", alertTests, slices.Sorted(maps.Keys(fires)))
	}
	pages, err := filepath.Glob(runbook + "/Accrue*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !names[name] {
			t.Errorf("the runbook has a page for %s, which is no alert", name)
		}
	}
}

// The dashboard shows every metric there is, and asks for none that is not there.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, a := range readAlerts(t) {
		names[a.Alert] = true
	}
	shown := map[string]bool{}
	table := metricTable()
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			where := "panel " + panel.Title
			e := checkExpression(t, where, target.Expr)
			for _, use := range e.Metrics {
				shown[table[use.Name].Name] = true
			}
			for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(e.Groups, label[1]) {
					t.Errorf("%s: its legend names %s, which the expression does not keep", where, label[1])
				}
			}
		}
		for _, name := range regexp.MustCompile(`Accrue[A-Z]\w+`).FindAllString(panel.Description, -1) {
			if !names[name] {
				t.Errorf("panel %s names %s, which is no alert", panel.Title, name)
			}
		}
	}
	for _, m := range processor.NewMetrics().Table() {
		if !shown[m.Name] {
			t.Errorf("the dashboard does not show %s", m.Name)
		}
	}
}

// A page that names a metric names one that exists.
func TestPagesNameMetricsThatExist(t *testing.T) {
	table := metricTable()
	for _, m := range processor.NewMetrics().Table() {
		table[m.Name] = m
	}
	pages := []string{root + "/README.md"}
	err := filepath.WalkDir(root+"/deploy", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	for _, page := range pages {
		text, readErr := os.ReadFile(page)
		err = errors.Join(err, readErr)
		for _, name := range regexp.MustCompile(`\baccrue_[a-z_]+[a-z]`).FindAllString(string(text), -1) {
			if _, ok := table[name]; !ok {
				t.Errorf("%s names %s, which is no metric", page, name)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
