package processor

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// minimal is what a configuration cannot do without.
func minimal() []string {
	return []string{"ACCRUE_KAFKA_BROKERS=k:9092", "ACCRUE_REGISTRY_URL=http://r:8081"}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accrue.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The example is the documentation: it must load as it stands, and no key may lack in it.
func TestExampleHasEveryKey(t *testing.T) {
	const example = "../deploy/accrue.yaml"
	c, err := LoadConfig(example, nil)
	if err != nil {
		t.Fatalf("the example does not load:\n%v", err)
	}
	if c.App != "city-mart" || len(c.Kafka.Brokers) != 3 || c.Commit.MaxBytes != 2<<20 || c.Topics.Retention != 0 {
		t.Errorf("the example was read as %+v", c)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range new(Config).keys() {
		name := key.path[strings.LastIndex(key.path, ".")+1:]
		indent := strings.Repeat("  ", strings.Count(key.path, "."))
		if !regexp.MustCompile(`(?m)^` + indent + name + `:`).Match(text) {
			t.Errorf("%s has no key %s", example, key.path)
		}
	}
}

// What the example says of a key without a value of its own is the default that the code has.
func TestExampleShowsDefaults(t *testing.T) {
	example, err := LoadConfig("../deploy/accrue.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	if example.Topics != want.Topics || example.Commit != want.Commit || example.HTTP != want.HTTP || example.LogLevel != want.LogLevel {
		t.Errorf("the example differs from the defaults:\n%+v\n%+v", example, want)
	}
	if example.State.Memory != want.State.Memory || example.State.FlushEvery != want.State.FlushEvery {
		t.Errorf("the example's state is %+v, the default %+v", example.State, want.State)
	}
	k := example.Kafka
	if k.SessionTimeout != want.Kafka.SessionTimeout || k.TransactionTimeout != want.Kafka.TransactionTimeout || k.Compression != want.Kafka.Compression {
		t.Errorf("the example's kafka is %+v, the default %+v", k, want.Kafka)
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	path := writeConfig(t, "app: from-file\nlanes: 3\nkafka:\n  brokers: [a:1]\nregistry: {url: http://r}\n")
	c, err := LoadConfig(path, []string{"ACCRUE_APP=from-env", "ACCRUE_KAFKA_BROKERS=b:1, c:2", "ACCRUE_TOPICS_RETENTION=90 days", "HOME=/x"})
	if err != nil {
		t.Fatal(err)
	}
	if c.App != "from-env" || c.Lanes != 3 || strings.Join(c.Kafka.Brokers, " ") != "b:1 c:2" || c.Topics.Retention != 90*24*time.Hour {
		t.Errorf("read as app %q, lanes %d, brokers %q, retention %s", c.App, c.Lanes, c.Kafka.Brokers, c.Topics.Retention)
	}
}

// Every key takes its value from the variable named for it, and only that one changes.
func TestEveryKeyHasItsVariable(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range new(Config).keys() {
		variable := key.variable()
		if seen[variable] {
			t.Errorf("two keys have the variable %s", variable)
		}
		seen[variable] = true
		c := DefaultConfig()
		l := &configLoader{keys: c.keys(), set: map[string]configSource{}}
		l.readEnv([]string{variable + "=2"})
		if _, ok := l.set[key.path]; !ok || len(l.set) != 1 {
			t.Errorf("%s set %v, want %s alone", variable, l.set, key.path)
		}
	}
}

// All that is wrong is said at once, each at its place, with what was probably meant.
func TestAllProblemsAtOnce(t *testing.T) {
	path := writeConfig(t, `app: "city mart"
lanes: many
kafka:
  broker: [a:1]
  compression: brotli
  sasl: {mechanism: PLAIN}
registri:
  url: http://r
topics:
  orders: rewards.decisions
  partitions: 0
commit:
  interval: 100
state:
  memory: 95%
  data: /x
http:
  listen: 0.0.0.0:8080
`)
	_, err := LoadConfig(path, []string{"ACCRUE_LANE=2", "ACCRUE_SERVICE_HOST=10.0.0.1", "ACCRUE_LOG_LEVEL=loud"})
	var problems *ConfigError
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want a *ConfigError", err)
	}
	want := []string{
		`accrue.yaml: kafka.brokers must name at least one broker`,
		`accrue.yaml: kafka.sasl.user must be set for PLAIN`,
		`accrue.yaml: kafka.sasl.password_file must name a file for PLAIN`,
		`accrue.yaml: registry.url must be set`,
		`accrue.yaml:1:6: must be 1 to 200 letters`,
		`accrue.yaml:2:8: lanes: "many" is not a whole number`,
		`accrue.yaml:4:3: unknown key "kafka.broker"; did you mean "kafka.brokers"?`,
		`accrue.yaml:5:16: must be none, snappy, lz4, zstd or gzip, not "brotli"`,
		`accrue.yaml:7:1: unknown key "registri"; did you mean "registry"?`,
		`accrue.yaml:11:15: must be from 1 to 4096, not 0`,
		`accrue.yaml:13:13: commit.interval: "100" is not a duration`,
		`accrue.yaml:15:11: state.memory: "95%" is not a share from 1% to 90%`,
		`accrue.yaml:16:3: unknown key "state.data"`,
		`accrue.yaml:18:11: is reachable from other machines`,
		`ACCRUE_LANE: no such key; did you mean "ACCRUE_LANES"?`,
		`ACCRUE_LOG_LEVEL: must be debug, info, warn or error, not "loud"`,
		// Which of two equal names is at fault cannot be known: the later key is named.
		`topics.decisions is "rewards.decisions", as is topics.orders`,
	}
	got := err.Error()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("missing: %s", w)
		}
	}
	if n := len(problems.Problems); n != len(want) {
		t.Errorf("%d problems, want %d", n, len(want))
	}
	if t.Failed() {
		t.Logf("all problems:\n%s", got)
	}
}

func TestFilesOfTheWrongShape(t *testing.T) {
	for text, want := range map[string]string{
		"app: [a, b]\n":                          "accrue.yaml:1:6: app takes one value, not a list",
		"kafka: here\n":                          "accrue.yaml:1:8: kafka is a section",
		"- app\n":                                "the configuration is a section",
		"app: {a: b}\n":                          "accrue.yaml:1:6: app takes a plain value",
		"app: a\napp: b\n":                       `accrue.yaml:2:1: mapping key "app" already defined`,
		"app: \"a\n":                             "accrue.yaml:1:6: could not find end character",
		"app: a\n---\napp: b\n":                  "accrue.yaml:3:4: a second document",
		"kafka: {tls: {cert_file: /none.pem}}\n": "accrue.yaml:1:26: and kafka.tls.key_file belong together",
	} {
		_, err := LoadConfig(writeConfig(t, text), minimal())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave\n%v\nwant %s", text, err, want)
		}
	}
}

// A port that others can reach is refused until a token guards it; an empty token file guards nothing.
func TestListeningBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	token, empty := filepath.Join(dir, "token"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{token: "secret\n", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		listen, token string
		want          string // empty: loads
	}{
		{"127.0.0.1:8080", "", ""},
		{"[::1]:8080", "", ""},
		{"localhost:8080", "", ""},
		{"off", "", ""},
		{":8080", "", "is reachable from other machines"},
		{"accrue.example:8080", "", "is reachable from other machines"},
		{":8080", token, ""},
		{":8080", empty, "is empty"},
		{":8080", filepath.Join(dir, "none"), "no such file"},
		{"8080", "", "must be host:port"},
	} {
		_, err := LoadConfig("", append(minimal(), "ACCRUE_HTTP_LISTEN="+tc.listen, "ACCRUE_HTTP_VIEWER_TOKEN_FILE="+tc.token))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("listen %q with token file %q: %v, want %q", tc.listen, tc.token, err, tc.want)
		}
	}
}

// Two processes of one machine never share a name by accident, and a restart keeps it.
func TestDefaultInstance(t *testing.T) {
	load := func(data string) string {
		c, err := LoadConfig("", append(minimal(), "ACCRUE_DATA="+data))
		if err != nil {
			t.Fatal(err)
		}
		return c.Instance
	}
	if a, b := load("/data/a"), load("/data/b"); a == b || a != load("/data/a") {
		t.Errorf("instances %q and %q: want two names, each the same again", a, b)
	}
}

func TestContainerMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemTotal:        1000 kB\nMemFree: 1 kB\n")
	for name, tc := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"version 2":          {fstest.MapFS{"sys/fs/cgroup/memory.max": file("500000\n"), "proc/meminfo": meminfo}, 500_000},
		"version 2, no end":  {fstest.MapFS{"sys/fs/cgroup/memory.max": file("max\n"), "proc/meminfo": meminfo}, 1_024_000},
		"version 1":          {fstest.MapFS{"sys/fs/cgroup/memory/memory.limit_in_bytes": file("400000\n"), "proc/meminfo": meminfo}, 400_000},
		"version 1, no end":  {fstest.MapFS{"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"), "proc/meminfo": meminfo}, 1_024_000},
		"nothing to be read": {fstest.MapFS{}, 1 << 30},
	} {
		if got := containerMemory(tc.root); got != tc.want {
			t.Errorf("%s: %d bytes, want %d", name, got, tc.want)
		}
	}
	if got := (Memory{Percent: 25}).Of(400); got != 100 {
		t.Errorf("25%% of 400 is %d", got)
	}
}

// What the store holds outside of the heap and the heap stay within the container together, and the heap has something to work with
// also where the store was promised more than there is.
func TestHeapWithinContainer(t *testing.T) {
	for _, tc := range []struct{ container, outside, want int64 }{
		{1000, 0, 900}, {1000, 125, 775}, {1000, 800, 250}, {1000, 4000, 250},
	} {
		if got := heapWithin(tc.container, tc.outside); got != tc.want {
			t.Errorf("of %d bytes with %d outside of the heap it may have %d, want %d", tc.container, tc.outside, got, tc.want)
		}
	}
}
