package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
)

// The ports that are taken where they are free, so that the addresses are the same from start to start; else others are.
const (
	brokerPort   = 19092
	registryPort = 18081
	httpPort     = 18080
)

// Ground is what the demo stands on: a folder with all its data, a broker and a schema registry.
type Ground struct {
	Dir       string // absolute
	Config    string // the configuration file that others use
	Programme string // the programme file
	Broker    string // host:port
	Registry  string // URL

	lock     io.Closer
	cluster  *kfake.Cluster
	registry *registry
}

// Open starts the broker and the registry on the data in dir, which is made where it is missing. A programme file wins over
// the one in the folder; without both the embedded one is put there.
func Open(ctx context.Context, dir, programme string, embedded []byte) (g *Ground, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("open demo: %w", err)
	}
	g = &Ground{Dir: dir, Config: filepath.Join(dir, "accrue.yaml"), Programme: filepath.Join(dir, "programme.yaml")}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open demo in %s: %w", dir, err), g.Close())
		}
	}()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return g, err
	}
	if g.lock, err = vfs.Default.Lock(filepath.Join(dir, "lock")); err != nil {
		return g, fmt.Errorf("another demo uses the folder, stop it or choose another --data: %w", err)
	}
	if err := g.chooseProgramme(programme, embedded); err != nil {
		return g, err
	}
	return g, g.start(ctx)
}

func (g *Ground) chooseProgramme(programme string, embedded []byte) (err error) {
	if programme != "" {
		g.Programme, err = filepath.Abs(programme)
		return err
	}
	if _, err := os.Stat(g.Programme); err == nil {
		return nil // perhaps changed by whoever plays with it
	}
	return os.WriteFile(g.Programme, embedded, 0o600)
}

func (g *Ground) start(ctx context.Context) (err error) {
	g.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1), kfake.ClusterID("accrue-demo"), kfake.DataDir(filepath.Join(g.Dir, "broker")),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return listen(network, brokerPort) }),
		// The engine's records may be as large as its topics take.
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}),
	)
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	g.Broker = g.cluster.ListenAddrs()[0]
	listener, err := listen("tcp", registryPort)
	if err != nil {
		return fmt.Errorf("start the registry: %w", err)
	}
	if g.registry, err = openRegistry(ctx, filepath.Join(g.Dir, "registry.jsonl"), listener); err != nil {
		return errors.Join(err, listener.Close())
	}
	g.Registry = g.registry.url
	return nil
}

// listen takes the port on loopback, or any other where it is taken.
func listen(network string, port int) (net.Listener, error) {
	if l, err := net.Listen(network, fmt.Sprintf("127.0.0.1:%d", port)); err == nil { //nolint:noctx // it waits for nothing
		return l, nil
	}
	return net.Listen(network, "127.0.0.1:0") //nolint:noctx // it waits for nothing
}

// Configure writes the configuration file for the engine, and for other commands to reach the demo. The port for HTTP was
// free when it was looked at; where somebody is quicker, Configure finds another.
func (g *Ground) Configure() error {
	probe, err := listen("tcp", httpPort)
	if err != nil {
		return fmt.Errorf("look for a port for HTTP: %w", err)
	}
	http := probe.Addr().String()
	if err := probe.Close(); err != nil {
		return fmt.Errorf("look for a port for HTTP: %w", err)
	}
	key := filepath.Join(g.Dir, "random.key")
	if err := makeKey(key); err != nil {
		return err
	}
	text := fmt.Sprintf(`# Written by accrue demo at each start. Use it while the demo runs: accrue tail rewards.point-grants --config %s
app: demo
programme: %q
data: %q
lanes: 2
point_value: "0.01"
kafka:
  brokers: [%q]
registry:
  url: %q
topics:
  partitions: 4
  replication_factor: 1
state:
  memory: 128MiB
random:
  key_file: %q
http:
  listen: %q
`, g.Config, g.Programme, filepath.Join(g.Dir, "engine"), g.Broker, g.Registry, key, http)
	if err := os.WriteFile(g.Config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// makeKey makes the secret under which rules draw lots, if there is none yet.
func makeKey(file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.WriteFile(file, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the secret for lots: %w", err)
	}
	return nil
}

// Close stops registry and broker; what they hold is on disk then.
func (g *Ground) Close() error {
	var err error
	if g.registry != nil {
		err = g.registry.close()
	}
	if g.cluster != nil {
		g.cluster.Close()
	}
	if g.lock != nil {
		err = errors.Join(err, g.lock.Close())
	}
	return err
}
