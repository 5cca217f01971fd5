// Package kafkatest starts a real Kafka and a real schema registry for tests, with the scripts of deploy/kafka. A
// cluster has free ports of its own on 127.0.0.1 and its data in a folder of the test; it ends with the test, and with
// the test's process should that be killed.
//
// Everything that returns waits until it is true: after Start every node answers and sees the others, after Kill the
// process is gone. No caller has to sleep.
package kafkatest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// startAttempts bounds how often other ports are tried: between our look at a port and Kafka's bind someone may take it.
const startAttempts = 5

// Cluster is a running Kafka. Its methods may be used from any goroutine, but not two of them for the same node at once.
type Cluster struct {
	scripts string // the folder deploy/kafka
	dir     string
	brokers []string

	mu       sync.Mutex
	registry string // its base URL once it was started
}

// Start starts a cluster of 1 or 3 nodes for one test and stops it at the test's end. Settings are broker settings,
// KEY=VALUE. A test that failed shows the end of each node's log.
func Start(t testing.TB, nodes int, settings ...string) *Cluster {
	t.Helper()
	c, err := Launch(t.TempDir(), nodes, settings...)
	if err != nil {
		t.Fatalf("starting a Kafka: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs())
		}
		if err := c.Close(); err != nil {
			t.Errorf("stopping the Kafka: %v", err)
		}
	})
	return c
}

// Launch starts a cluster that many tests share: a TestMain calls it with a folder that it removes, and Close at the
// end.
func Launch(dir string, nodes int, settings ...string) (*Cluster, error) {
	scripts, err := findScripts()
	if err != nil {
		return nil, err
	}
	args := []string{"--nodes", strconv.Itoa(nodes), "--owner", strconv.Itoa(os.Getpid())}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	for attempt := range startAttempts {
		// A folder an attempt: a cluster keeps the ports it was made with.
		c := &Cluster{scripts: scripts, dir: filepath.Join(dir, fmt.Sprintf("kafka-%d", attempt))}
		var port int
		if port, err = freePorts(nodes); err != nil {
			return nil, err
		}
		var bootstrap string
		bootstrap, err = c.script("kafka", append([]string{"start", "--dir", c.dir, "--port", strconv.Itoa(port)}, args...)...)
		if err == nil {
			c.brokers = strings.Split(bootstrap, ",")
			return c, nil
		}
		if _, statErr := os.Stat(filepath.Join(c.dir, "cluster")); statErr == nil {
			err = errors.Join(err, c.Close())
		}
		if !strings.Contains(err.Error(), "is taken") && !strings.Contains(err.Error(), "BindException") {
			break
		}
	}
	return nil, err
}

// Bootstrap returns the brokers' addresses.
func (c *Cluster) Bootstrap() []string { return append([]string(nil), c.brokers...) }

// Kill ends a node, counted from 1, with kill -9, and returns when it is gone.
func (c *Cluster) Kill(node int) error {
	_, err := c.script("kafka", "kill", "--dir", c.dir, "--node", strconv.Itoa(node))
	return err
}

// Stop ends a node in order, and returns when it is gone.
func (c *Cluster) Stop(node int) error {
	_, err := c.script("kafka", "stop", "--dir", c.dir, "--node", strconv.Itoa(node))
	return err
}

// Start brings a node back on its data, and returns when it answers and is seen by the cluster.
func (c *Cluster) Start(node int) error {
	_, err := c.script("kafka", "start", "--dir", c.dir, "--node", strconv.Itoa(node))
	return err
}

// RegistryURL returns the base URL of a schema registry, which the first call starts (5 s); later calls share it. A
// test that only needs ids is quicker with franz-go's srfake.
func (c *Cluster) RegistryURL() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.registry != "" {
		return c.registry, nil
	}
	var err error
	for attempt := range startAttempts {
		var port int
		if port, err = freePorts(1); err != nil {
			return "", err
		}
		var url string
		url, err = c.script("registry", "start", "--dir", c.registryDir(attempt), "--port", strconv.Itoa(port), "--owner", strconv.Itoa(os.Getpid()))
		if err == nil {
			c.registry = url
			return url, nil
		}
		if !strings.Contains(err.Error(), "is taken") {
			break
		}
	}
	return "", err
}

func (c *Cluster) registryDir(attempt int) string {
	return filepath.Join(c.dir, fmt.Sprintf("registry-%d", attempt))
}

// Close ends everything with kill -9: nobody wants the data, and an orderly stop of three nodes takes long.
func (c *Cluster) Close() error {
	_, err := c.script("kafka", "kill", "--dir", c.dir)
	for attempt := range startAttempts {
		if _, statErr := os.Stat(c.registryDir(attempt)); statErr == nil {
			_, registryErr := c.script("registry", "kill", "--dir", c.registryDir(attempt))
			err = errors.Join(err, registryErr)
		}
	}
	return err
}

// Logs returns the last lines of each node's log.
func (c *Cluster) Logs() string {
	const lines = 40
	var b strings.Builder
	for node := range c.brokers {
		text, err := os.ReadFile(filepath.Join(c.dir, fmt.Sprintf("node-%d", node+1), "kafka.log"))
		if err != nil {
			fmt.Fprintf(&b, "node %d: %v\n", node+1, err)
			continue
		}
		all := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "node %d, the last lines of its log:\n%s\n", node+1, strings.Join(all[max(0, len(all)-lines):], "\n"))
	}
	return b.String()
}

// script runs one of the two scripts and returns the last line that it printed.
func (c *Cluster) script(name string, args ...string) (string, error) {
	cmd := exec.Command("bash", append([]string{filepath.Join(c.scripts, name)}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return lines[len(lines)-1], nil
}

// findScripts looks upwards from the test's folder, where `go test` runs it, for the module.
func findScripts() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for deploy/kafka: %w", err)
	}
	for {
		scripts := filepath.Join(dir, "deploy", "kafka")
		if _, err := os.Stat(filepath.Join(scripts, "pom.xml")); err == nil {
			return scripts, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("looking for deploy/kafka: no parent of the working directory has it")
		}
		dir = parent
	}
}

// FreePort returns a port that is free now, for a listener of a test's own; so is the one that is ten above it.
func FreePort() (int, error) { return freePorts(1) }

// freePorts returns a port P such that all ports of a cluster are free now. It looks below the range from which
// systems give out ports by themselves, so that no outgoing connection takes one in the meantime.
func freePorts(nodes int) (int, error) {
	const low, high, tries = 20_000, 32_000, 100
	for range tries {
		port := low + rand.IntN((high-low)/20)*20
		free := true
		for i := range nodes {
			free = free && isFree(port+i) && isFree(port+10+i)
		}
		if free {
			return port, nil
		}
	}
	return 0, fmt.Errorf("found no free ports from %d to %d", low, high)
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
