package processor

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"accrue/rules/programme"
)

// schemaNode is what is looked at of a JSON Schema.
type schemaNode struct {
	Properties map[string]*schemaNode `json:"properties"`
	Additional json.RawMessage        `json:"additionalProperties"` // false, or what else is taken
	Enum       []string               `json:"enum"`
}

// paths lists the leaves of a schema's properties, as the configuration names its keys.
func (n *schemaNode) paths(t *testing.T, at string) []string {
	t.Helper()
	if len(n.Properties) == 0 {
		return []string{at}
	}
	if string(n.Additional) != "false" {
		t.Errorf("the chart takes any key in %q", at)
	}
	var all []string
	for name, below := range n.Properties {
		all = append(all, below.paths(t, strings.TrimPrefix(at+"."+name, "."))...)
	}
	return all
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The chart's values take every key of the configuration, but those that it sets itself, and no other.
func TestChartHasEveryKey(t *testing.T) {
	var root struct {
		Properties map[string]*schemaNode `json:"properties"`
	}
	if err := json.Unmarshal(readFile(t, "../deploy/helm/accrue/values.schema.json"), &root); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, key := range new(Config).keys() {
		own := key.path == "instance" || key.path == "data" || key.path == "programme" || strings.HasPrefix(key.path, "http.")
		if !own {
			want = append(want, key.path)
		}
	}
	slices.Sort(want)
	for name, node := range map[string]*schemaNode{"config": root.Properties["config"], "topicsJob.config": root.Properties["topicsJob"].Properties["config"]} {
		got := node.paths(t, "")
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s of values.schema.json (-want +got):\n%s", name, diff)
		}
	}
	kafka := root.Properties["config"].Properties["kafka"].Properties
	for _, mechanism := range kafka["sasl"].Properties["mechanism"].Enum {
		_, err := LoadConfig("", append(minimal(), "ACCRUE_KAFKA_SASL_MECHANISM="+mechanism))
		if err == nil || strings.Contains(err.Error(), "not \""+mechanism) {
			t.Errorf("the chart's mechanism %s: %v", mechanism, err)
		}
	}
}

// What the chart has as its default configuration and programme, and what Compose has, is valid.
func TestDeployedConfigurationsLoad(t *testing.T) {
	token := writeFile(t, "token", []byte("secret\n"))
	env := []string{"ACCRUE_HTTP_VIEWER_TOKEN_FILE=" + token}
	compose, err := LoadConfig("../deploy/compose/accrue.yaml", env)
	if err != nil {
		t.Fatal(err)
	}
	if compose.Topics.ReplicationFactor != 1 || compose.HTTP.Listen != ":8080" {
		t.Errorf("Compose has %+v", compose)
	}
	var values struct {
		Config    map[string]any `yaml:"config"`
		Programme struct {
			Files map[string]string `yaml:"files"`
		} `yaml:"programme"`
	}
	if err := yaml.Unmarshal(readFile(t, "../deploy/helm/accrue/values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(values.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(writeConfig(t, string(text)), env); err != nil {
		t.Error(err)
	}
	programmes := map[string][]byte{"../deploy/compose/programme.yaml": readFile(t, "../deploy/compose/programme.yaml")}
	for name, content := range maps.All(values.Programme.Files) {
		programmes["values.yaml: "+name] = []byte(content)
	}
	for name, content := range programmes {
		if p, problems := programme.Parse(map[string][]byte{"programme.yaml": content}); p == nil {
			t.Errorf("%s: %s", name, problems)
		}
	}
}
