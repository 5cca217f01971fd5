package processor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
)

// configKey is one key of the configuration: its path in YAML, and how its text becomes a value. A key takes one text,
// a list key several (in YAML a sequence, in the environment separated by commas).
type configKey struct {
	path string
	list bool
	set  func(texts []string) error
}

// variable is the key's name in the environment: kafka.tls.ca_file is ACCRUE_KAFKA_TLS_CA_FILE.
func (k configKey) variable() string {
	return "ACCRUE_" + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// keys lists every key there is, bound to the fields of c. It is the only place that knows the names.
func (c *Config) keys() []configKey {
	return []configKey{
		text("app", &c.App),
		text("instance", &c.Instance),
		text("programme", &c.Programme),
		text("data", &c.Data),
		integer("lanes", &c.Lanes),
		integer("standbys", &c.Standbys),
		{path: "point_value", set: func(texts []string) (err error) { c.PointValue, err = programme.ParsePointValue(texts[0]); return err }},
		list("kafka.brokers", &c.Kafka.Brokers),
		boolean("kafka.tls.enabled", &c.Kafka.TLS.Enabled),
		text("kafka.tls.ca_file", &c.Kafka.TLS.CAFile),
		text("kafka.tls.cert_file", &c.Kafka.TLS.CertFile),
		text("kafka.tls.key_file", &c.Kafka.TLS.KeyFile),
		text("kafka.sasl.mechanism", &c.Kafka.SASL.Mechanism),
		text("kafka.sasl.user", &c.Kafka.SASL.User),
		text("kafka.sasl.password_file", &c.Kafka.SASL.PasswordFile),
		text("kafka.sasl.token_file", &c.Kafka.SASL.TokenFile),
		text("kafka.sasl.token_url", &c.Kafka.SASL.TokenURL),
		text("kafka.sasl.token_ca_file", &c.Kafka.SASL.TokenCAFile),
		text("kafka.sasl.client_id", &c.Kafka.SASL.ClientID),
		text("kafka.sasl.client_secret_file", &c.Kafka.SASL.ClientSecretFile),
		text("kafka.sasl.scope", &c.Kafka.SASL.Scope),
		list("kafka.sasl.extensions", &c.Kafka.SASL.Extensions),
		duration("kafka.session_timeout", &c.Kafka.SessionTimeout),
		duration("kafka.transaction_timeout", &c.Kafka.TransactionTimeout),
		text("kafka.compression", &c.Kafka.Compression),
		text("registry.url", &c.Registry.URL),
		text("registry.user", &c.Registry.User),
		text("registry.password_file", &c.Registry.PasswordFile),
		boolean("registry.tls.enabled", &c.Registry.TLS.Enabled),
		text("registry.tls.ca_file", &c.Registry.TLS.CAFile),
		text("registry.tls.cert_file", &c.Registry.TLS.CertFile),
		text("registry.tls.key_file", &c.Registry.TLS.KeyFile),
		text("topics.orders", &c.Topics.Orders),
		text("topics.check_ins", &c.Topics.CheckIns),
		text("topics.referrals", &c.Topics.Referrals),
		text("topics.profiles", &c.Topics.Profiles),
		text("topics.commands", &c.Topics.Commands),
		text("topics.redemptions", &c.Topics.Redemptions),
		text("topics.point_grants", &c.Topics.PointGrants),
		text("topics.tier_changes", &c.Topics.TierChanges),
		text("topics.decisions", &c.Topics.Decisions),
		text("topics.fraud_alerts", &c.Topics.FraudAlerts),
		text("topics.notices", &c.Topics.Notices),
		text("topics.dead_letters", &c.Topics.DeadLetters),
		integer("topics.partitions", &c.Topics.Partitions),
		integer("topics.replication_factor", &c.Topics.ReplicationFactor),
		{path: "topics.retention", set: func(texts []string) error { return setRetention(&c.Topics.Retention, texts[0]) }},
		duration("commit.interval", &c.Commit.Interval),
		integer("commit.max_records", &c.Commit.MaxRecords),
		{path: "commit.max_bytes", set: func(texts []string) (err error) { c.Commit.MaxBytes, err = parseBytes(texts[0]); return err }},
		{path: "state.memory", set: func(texts []string) (err error) { c.State.Memory, err = ParseMemory(texts[0]); return err }},
		duration("state.flush_every", &c.State.FlushEvery),
		duration("timers.quiet", &c.Timers.Quiet),
		text("random.key_file", &c.Random.KeyFile),
		text("http.listen", &c.HTTP.Listen),
		text("http.advertise", &c.HTTP.Advertise),
		text("http.viewer_token_file", &c.HTTP.ViewerTokenFile),
		text("http.operator_token_file", &c.HTTP.OperatorTokenFile),
		text("log.level", &c.LogLevel),
	}
}

func text(path string, to *string) configKey {
	return configKey{path: path, set: func(texts []string) error { *to = texts[0]; return nil }}
}

func list(path string, to *[]string) configKey {
	return configKey{path: path, list: true, set: func(texts []string) error { *to = texts; return nil }}
}

func integer[T int | int16 | int32](path string, to *T) configKey {
	return configKey{path: path, set: func(texts []string) error {
		n, err := strconv.ParseInt(texts[0], 10, 64)
		if err != nil || int64(T(n)) != n {
			return fmt.Errorf("%q is not a whole number in range", texts[0])
		}
		*to = T(n)
		return nil
	}}
}

func boolean(path string, to *bool) configKey {
	return configKey{path: path, set: func(texts []string) error {
		if texts[0] != "true" && texts[0] != "false" {
			return fmt.Errorf("%q is neither true nor false", texts[0])
		}
		*to = texts[0] == "true"
		return nil
	}}
}

func duration(path string, to *time.Duration) configKey {
	return configKey{path: path, set: func(texts []string) error {
		d, err := time.ParseDuration(texts[0])
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration such as 100ms, 10s or 5m", texts[0])
		}
		*to = d
		return nil
	}}
}

// setRetention reads "forever", or a span in days such as "90 days", or in hours and minutes.
func setRetention(to *time.Duration, written string) error {
	if written == "forever" {
		*to = 0
		return nil
	}
	if number, ok := strings.CutSuffix(strings.TrimSuffix(written, "s"), " day"); ok {
		// Above a hundred years a count of days would not fit a time.Duration.
		days, err := strconv.ParseInt(number, 10, 64)
		if err == nil && days > 0 && days <= 36_500 {
			*to = time.Duration(days) * 24 * time.Hour
			return nil
		}
	}
	d, err := time.ParseDuration(written)
	if err != nil || d < time.Hour {
		return fmt.Errorf("%q is neither forever nor a span of at least an hour such as 90 days or 36h", written)
	}
	*to = d
	return nil
}
