package processor

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Bounds of the keys. They are wide: they catch a slip of the pen, not a choice.
const (
	maxLanes      = 256
	maxStandbys   = 16
	maxPartitions = 4096
	maxNameLength = 200 // Kafka allows 249; the internal topics and transactional ids add to it
)

// check finds what is wrong with the configuration as a whole, and each problem at the key that has to change.
func (l *configLoader) check(c *Config) {
	l.checkNames(c)
	l.checkKafka(c.Kafka)
	l.checkRegistry(c.Registry)
	l.checkRandom(c.Random)
	l.checkHTTP(c.HTTP)
	l.checkRange("lanes", int64(c.Lanes), 1, maxLanes)
	l.checkRange("standbys", int64(c.Standbys), 0, maxStandbys)
	l.checkRange("topics.partitions", int64(c.Topics.Partitions), 1, maxPartitions)
	l.checkRange("topics.replication_factor", int64(c.Topics.ReplicationFactor), 1, 32)
	l.checkRange("commit.max_records", int64(c.Commit.MaxRecords), 1, 1_000_000)
	l.checkRange("commit.max_bytes", c.Commit.MaxBytes, 1<<16, 1<<28)
	if c.Commit.Interval > c.Kafka.TransactionTimeout/2 {
		l.at("commit.interval", "must be at most half of kafka.transaction_timeout (%s), else transactions time out before they commit", c.Kafka.TransactionTimeout)
	}
	if c.State.FlushEvery > time.Hour {
		l.at("state.flush_every", "must be at most 1h: after a kill all that came since the last flush is read again")
	}
	if c.Timers.Quiet < time.Second || c.Timers.Quiet > time.Hour {
		l.at("timers.quiet", "must be from 1s to 1h: for so long after an import nothing falls due")
	}
	if c.Data == "" {
		l.at("data", "must name a folder")
	}
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) != nil {
		l.at("log.level", "must be debug, info, warn or error, not %q", c.LogLevel)
	}
}

func (l *configLoader) checkRange(path string, value, low, high int64) {
	if value < low || value > high {
		l.at(path, "must be from %d to %d, not %d", low, high, value)
	}
}

func (l *configLoader) checkNames(c *Config) {
	if !isLegalName(c.App) {
		l.at("app", "must be 1 to %d letters, digits, '.', '_' or '-', not %q", maxNameLength, c.App)
	}
	if c.Instance != "" && !isLegalName(c.Instance) {
		l.at("instance", "must be at most %d letters, digits, '.', '_' or '-', not %q", maxNameLength, c.Instance)
	}
	taken := map[string]string{
		InternalTopic(c.App, "state"): "the changelog", InternalTopic(c.App, "effects"): "the effects", InternalTopic(c.App, "control"): "the control topic",
	}
	for _, key := range l.keys {
		name, ok := c.topicOf(key.path)
		if !ok {
			continue
		}
		if !isLegalName(name) {
			l.at(key.path, "must be 1 to %d letters, digits, '.', '_' or '-', not %q", maxNameLength, name)
			continue
		}
		if other := taken[name]; other != "" {
			l.at(key.path, "is %q, as is %s: each topic needs a name of its own", name, other)
			continue
		}
		taken[name] = key.path
	}
}

// topicOf returns the topic name that the key at path holds.
func (c *Config) topicOf(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, "topics.")
	if !ok {
		return "", false
	}
	names := c.Topics.Names()
	for standard, configured := range names {
		// commerce.orders is orders, engagement.check-ins is check_ins.
		if strings.ReplaceAll(standard[strings.LastIndex(standard, ".")+1:], "-", "_") == name {
			return configured, true
		}
	}
	return "", false
}

func (l *configLoader) checkKafka(k KafkaConfig) {
	if len(k.Brokers) == 0 {
		l.at("kafka.brokers", "must name at least one broker, such as [kafka-1:9092]")
	}
	for _, broker := range k.Brokers {
		if _, port, err := net.SplitHostPort(broker); err != nil || port == "" {
			l.at("kafka.brokers", "must be host:port each, not %q", broker)
		}
	}
	l.checkTLS("kafka.tls", k.TLS)
	l.checkSASL(k.SASL)
	switch k.Compression {
	case "none", "snappy", "lz4", "zstd", "gzip":
	default:
		l.at("kafka.compression", "must be none, snappy, lz4, zstd or gzip, not %q", k.Compression)
	}
	if k.SessionTimeout < time.Second || k.SessionTimeout > 10*time.Minute {
		l.at("kafka.session_timeout", "must be from 1s to 10m, not %s", k.SessionTimeout)
	}
	if k.TransactionTimeout < time.Second || k.TransactionTimeout > 10*time.Minute {
		l.at("kafka.transaction_timeout", "must be from 1s to 10m, not %s", k.TransactionTimeout)
	}
}

// checkSASL demands what a mechanism needs, and refuses what it does not know: a password beside a token would be of no use.
func (l *configLoader) checkSASL(s SASLConfig) {
	password := s.User != "" || s.PasswordFile != ""
	endpoint := s.TokenURL != "" || s.TokenCAFile != "" || s.ClientID != "" || s.ClientSecretFile != "" || s.Scope != ""
	token := endpoint || s.TokenFile != "" || len(s.Extensions) > 0
	switch s.Mechanism {
	case "":
		if password || token {
			l.at("kafka.sasl.mechanism", "must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER when other kafka.sasl keys are set")
		}
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if s.User == "" {
			l.at("kafka.sasl.user", "must be set for %s", s.Mechanism)
		}
		l.checkSecret("kafka.sasl.password_file", s.PasswordFile, s.Mechanism)
		if token {
			l.at("kafka.sasl.mechanism", "is %s, which knows a user and a password: the keys for tokens and clients are OAUTHBEARER's", s.Mechanism)
		}
	case mechanismOAuth:
		if password {
			l.at("kafka.sasl.mechanism", "is OAUTHBEARER, which knows no user and password: set token_file, or token_url with client_id and client_secret_file")
		}
		l.checkOAuth(s, endpoint)
	default:
		l.at("kafka.sasl.mechanism", "must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, not %q", s.Mechanism)
	}
}

// mechanismOAuth is the one mechanism with tokens.
const mechanismOAuth = "OAUTHBEARER"

func (l *configLoader) checkOAuth(s SASLConfig, endpoint bool) {
	for _, pair := range s.Extensions {
		if name, value, ok := strings.Cut(pair, "="); !ok || name == "" || name == "auth" || value == "" {
			l.at("kafka.sasl.extensions", "must be name=value each, and not auth, not %q", pair)
		}
	}
	switch {
	case s.TokenFile != "" && endpoint:
		l.at("kafka.sasl.token_file", "and the keys of a token endpoint exclude each other: a token comes from one of them")
		return
	case !endpoint:
		l.checkSecret("kafka.sasl.token_file", s.TokenFile, "OAUTHBEARER (or set token_url, client_id and client_secret_file)")
		return
	}
	switch u, err := url.Parse(s.TokenURL); {
	case s.TokenURL == "":
		l.at("kafka.sasl.token_url", "must be set for a token by client credentials")
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		l.at("kafka.sasl.token_url", "must be an https address without a password in it (the client's secret goes there), not %q", s.TokenURL)
	}
	if s.ClientID == "" {
		l.at("kafka.sasl.client_id", "must be set for a token by client credentials")
	}
	l.checkSecret("kafka.sasl.client_secret_file", s.ClientSecretFile, "a token by client credentials")
	if _, err := (TLSConfig{CAFile: s.TokenCAFile}).load(); err != nil {
		l.at("kafka.sasl.token_ca_file", "cannot be used: %v", err)
	}
}

func (l *configLoader) checkRegistry(r RegistryConfig) {
	switch u, err := url.Parse(r.URL); {
	case r.URL == "":
		l.at("registry.url", "must be set, such as http://registry:8081")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.at("registry.url", "must be an http or https address, not %q", r.URL)
	case u.User != nil:
		l.at("registry.url", "must not hold a password: use registry.user and registry.password_file")
	}
	if r.User != "" || r.PasswordFile != "" {
		if r.User == "" {
			l.at("registry.user", "must be set when registry.password_file is")
		}
		l.checkSecret("registry.password_file", r.PasswordFile, "registry.user")
	}
	l.checkTLS("registry.tls", r.TLS)
}

func (l *configLoader) checkTLS(section string, t TLSConfig) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		l.at(section+".cert_file", "and %s.key_file belong together: set both or none", section)
		return
	}
	for _, f := range []struct {
		key  string
		part TLSConfig
	}{{section + ".ca_file", TLSConfig{CAFile: t.CAFile}}, {section + ".cert_file", TLSConfig{CertFile: t.CertFile, KeyFile: t.KeyFile}}} {
		if _, err := f.part.load(); err != nil {
			l.at(f.key, "cannot be used: %v", err)
		}
	}
}

// checkRandom looks at the secret now, not when the first lot is drawn.
func (l *configLoader) checkRandom(r RandomConfig) {
	if _, err := r.Key(); err != nil {
		l.at("random.key_file", "cannot be used: %v", err)
	}
}

// checkHTTP keeps the port closed to other machines until somebody has to show a token.
func (l *configLoader) checkHTTP(h HTTPConfig) {
	if h.ViewerTokenFile != "" {
		l.checkSecret("http.viewer_token_file", h.ViewerTokenFile, "reading")
	}
	if h.OperatorTokenFile != "" {
		l.checkSecret("http.operator_token_file", h.OperatorTokenFile, "deciding")
	}
	if h.Listen == "off" {
		return
	}
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		l.at("http.listen", "must be host:port, or off, not %q", h.Listen)
		return
	}
	if !isLoopback(host) && h.ViewerTokenFile == "" {
		l.at("http.listen", "is reachable from other machines (%q): set http.viewer_token_file, and http.operator_token_file for who may decide, or listen on 127.0.0.1", h.Listen)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (l *configLoader) checkSecret(path, file, neededBy string) {
	if file == "" {
		l.at(path, "must name a file for %s", neededBy)
		return
	}
	if _, err := readSecret(file); err != nil {
		l.at(path, "cannot be used: %v", err)
	}
}

// readSecret returns the text of a secret's file without the line end that editors add.
func readSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}

// isLegalName says whether Kafka takes the name for a topic or a group.
func isLegalName(name string) bool {
	return name != "" && len(name) <= maxNameLength && name != "." && name != ".." && legalName(name) == name
}

// legalName replaces what a Kafka name must not hold.
func legalName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, name)
}

func fnv32(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()
}
