package processor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
	"accrue/state"
)

// Config is everything that an operator decides about one instance. Its keys in YAML and in the environment are in
// config_keys.go, what each means for the person who sets it in deploy/accrue.yaml.
//
// A Config is a plain value: it holds no connection and may be copied. Secrets are not in it, only the files that hold
// them, so a Config may be logged.
type Config struct {
	App       string // names the consumer group, the internal topics and the transactional ids
	Instance  string // names this process among those of App; the same after a restart, unlike every other's
	Programme string // a programme file or a folder of them
	Data      string // the folder of the local store
	Lanes     int    // consumers with a producer each, in this process
	Standbys  int    // copies of each shard that other instances keep up to date; the same on all instances
	// PointValue is what a point is worth: in it the console and backtests tell what points cost. It changes nothing that is granted.
	PointValue programme.PointValue

	Kafka    KafkaConfig
	Registry RegistryConfig
	Topics   TopicsConfig
	Commit   CommitConfig
	State    StateConfig
	Timers   TimersConfig
	Random   RandomConfig
	HTTP     HTTPConfig
	LogLevel string // debug, info, warn or error
}

// KafkaConfig says how to reach the cluster.
type KafkaConfig struct {
	Brokers            []string // host:port
	TLS                TLSConfig
	SASL               SASLConfig
	SessionTimeout     time.Duration // a member that is silent for so long loses its shards
	TransactionTimeout time.Duration // an open transaction of a dead instance holds readers up for so long
	Compression        string        // none, snappy, lz4, zstd or gzip
}

// TLSConfig is one side's certificates, as PEM files. The zero value: no TLS.
type TLSConfig struct {
	Enabled  bool   // also true when any of the files is given
	CAFile   string // empty: the system's authorities
	CertFile string // with KeyFile: what we show (mutual TLS)
	KeyFile  string
}

// On says whether TLS is to be used.
func (t TLSConfig) On() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.KeyFile != ""
}

// SASLConfig says who we are to the brokers. An empty Mechanism: nobody asks.
type SASLConfig struct {
	Mechanism    string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	User         string
	PasswordFile string
	// OAUTHBEARER: a token from a file that something else renews, or by client credentials from a token endpoint.
	TokenFile        string
	TokenURL         string
	TokenCAFile      string // PEM; of the token endpoint; empty: the system's authorities
	ClientID         string
	ClientSecretFile string
	Scope            string
	Extensions       []string // name=value, which some brokers ask for
}

// RegistryConfig says how to reach the schema registry.
type RegistryConfig struct {
	URL          string
	User         string // basic auth, with PasswordFile
	PasswordFile string
	TLS          TLSConfig
}

// TopicsConfig holds the names of the topics and how `topics apply` makes them.
type TopicsConfig struct {
	Orders, CheckIns, Referrals, Profiles, Commands, Redemptions           string
	PointGrants, TierChanges, Decisions, FraudAlerts, Notices, DeadLetters string
	Partitions                                                             int32         // shards: partitions of the internal topics and the outputs
	ReplicationFactor                                                      int16         // of every topic that we make
	Retention                                                              time.Duration // of outputs, and of inputs that we make; 0: for ever
}

// CommitConfig bounds a transaction: whichever is reached first ends it.
type CommitConfig struct {
	Interval   time.Duration
	MaxRecords int   // input records
	MaxBytes   int64 // produced bytes
}

// StateConfig is about the local store.
type StateConfig struct {
	Memory      Memory        // as it was written
	MemoryBytes int64         // what Memory comes to on this machine; set by LoadConfig
	HeapBytes   int64         // what Go's heap should stay within, for the process to stay within its container; set by LoadConfig
	FlushEvery  time.Duration // bounds what is read again from the changelog after a kill
}

// TimersConfig says when time may decide.
type TimersConfig struct {
	// Quiet is how long ago the last event must be that had happened longer ago than this: while an input brings nothing but
	// such, history is coming in, and more of it may be on its way.
	Quiet time.Duration
}

// RandomConfig is about the lots that rules draw (chance, random).
type RandomConfig struct {
	KeyFile string // the secret under which they are drawn; empty: no rule may draw lots
}

// minKey is the least length of the secret, in bytes: it must not be found by trying.
const minKey = 16

// Key reads the secret; nil where no file is named.
func (r RandomConfig) Key() ([]byte, error) {
	if r.KeyFile == "" {
		return nil, nil
	}
	key, err := readSecret(r.KeyFile)
	if err == nil && len(key) < minKey {
		err = fmt.Errorf("%s holds %d bytes, at least %d are needed: make one with `openssl rand -hex 32`", r.KeyFile, len(key), minKey)
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret for lots: %w", err)
	}
	return []byte(key), nil
}

// HTTPConfig is about the one HTTP port.
type HTTPConfig struct {
	Listen            string // host:port, or "off"
	Advertise         string // where the other instances reach this one: http://host:port; empty: they read its members from the changelog
	ViewerTokenFile   string // whoever shows this token may read
	OperatorTokenFile string // whoever shows this token may read and decide
}

// EngineTopics names the topics as the engine wants them.
func (c *Config) EngineTopics() Topics {
	t := c.Topics
	topics := Topics{
		Inputs:      map[string]schemas.Kind{},
		PointGrants: t.PointGrants, TierChanges: t.TierChanges, Decisions: t.Decisions, FraudAlerts: t.FraudAlerts,
		Notices: t.Notices, DeadLetters: t.DeadLetters,
		State: InternalTopic(c.App, "state"), Effects: InternalTopic(c.App, "effects"), Control: InternalTopic(c.App, "control"),
	}
	for name, kind := range t.Kinds() {
		if kind.IsInput() {
			topics.Inputs[name] = kind
		}
	}
	return topics
}

// DefaultConfig is what holds for every key that nobody sets.
func DefaultConfig() Config {
	return Config{
		App:      "accrue",
		Data:     "accrue-data",
		Lanes:    max(1, runtime.GOMAXPROCS(0)/2),
		Standbys: 1,
		LogLevel: "info",
		Kafka: KafkaConfig{
			SessionTimeout:     10 * time.Second,
			TransactionTimeout: 10 * time.Second,
			Compression:        "none",
		},
		Topics: TopicsConfig{
			Orders: schemas.TopicOrders, CheckIns: schemas.TopicCheckIns, Referrals: schemas.TopicReferrals,
			Profiles: schemas.TopicProfiles, Commands: schemas.TopicCommands, Redemptions: schemas.TopicRedemptions,
			PointGrants: schemas.TopicPointGrants, TierChanges: schemas.TopicTierChanges, Decisions: schemas.TopicDecisions,
			FraudAlerts: schemas.TopicFraudAlerts, Notices: schemas.TopicNotices, DeadLetters: schemas.TopicDeadLetters,
			Partitions: 8, ReplicationFactor: 3,
		},
		Commit: CommitConfig{Interval: 100 * time.Millisecond, MaxRecords: 10_000, MaxBytes: 2 << 20},
		State:  StateConfig{Memory: Memory{Percent: 25}, FlushEvery: 10 * time.Second},
		Timers: TimersConfig{Quiet: time.Minute},
		HTTP:   HTTPConfig{Listen: "127.0.0.1:8080"},
	}
}

// LoadConfig reads the YAML file at path, lets the ACCRUE_... variables of env (as os.Environ gives them) override it,
// and checks the whole. An empty path means that everything comes from env. The error is a *ConfigError with every
// problem found, or says why the file could not be read.
func LoadConfig(path string, env []string) (Config, error) {
	c := DefaultConfig()
	l := &configLoader{file: path, keys: c.keys(), set: map[string]configSource{}}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("reading the configuration: %w", err)
		}
		l.readYAML(text)
	}
	l.readEnv(env)
	l.check(&c)
	if len(l.problems) > 0 {
		return Config{}, &ConfigError{Problems: l.sorted()}
	}
	if c.Instance == "" {
		c.Instance = defaultInstance(c.Data)
	}
	container := containerMemory(os.DirFS("/"))
	c.State.MemoryBytes = c.State.Memory.Of(container)
	c.State.HeapBytes = heapWithin(container, state.OutsideHeap(storeMemory(c.State.MemoryBytes)))
	return c, nil
}

// defaultInstance names the process by its host and its data folder: the store holds a lock on the folder, so no two
// processes of a host can have the same name, and the name is the same after a restart.
func defaultInstance(data string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	if full, err := filepath.Abs(data); err == nil {
		data = full
	}
	return fmt.Sprintf("%s-%08x", legalName(host), fnv32(data))
}

// Names returns the configured name of each topic by its default name, which is how the other packages know a topic.
func (t TopicsConfig) Names() map[string]string {
	return map[string]string{
		schemas.TopicOrders: t.Orders, schemas.TopicCheckIns: t.CheckIns, schemas.TopicReferrals: t.Referrals,
		schemas.TopicProfiles: t.Profiles, schemas.TopicCommands: t.Commands, schemas.TopicRedemptions: t.Redemptions,
		schemas.TopicPointGrants: t.PointGrants, schemas.TopicTierChanges: t.TierChanges, schemas.TopicDecisions: t.Decisions,
		schemas.TopicFraudAlerts: t.FraudAlerts, schemas.TopicNotices: t.Notices, schemas.TopicDeadLetters: t.DeadLetters,
	}
}

// DefaultName returns the default name of the topic that is configured as name, or false when it is none of ours.
func (t TopicsConfig) DefaultName(name string) (string, bool) {
	for standard, configured := range t.Names() {
		if configured == name {
			return standard, true
		}
	}
	return "", false
}
