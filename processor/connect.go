package processor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/pkg/sr"

	"accrue/schemas"
)

// registryTimeout bounds one request to the schema registry.
const registryTimeout = 10 * time.Second

// ClientOptions returns what every Kafka client of this configuration has in common: where the brokers are, TLS, who
// we are, and the compression of what we produce. The error names the file that could not be used.
func (k KafkaConfig) ClientOptions() ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID("accrue"),
		kgo.ProducerBatchCompression(k.codec()),
		// Our topics take records of MaxRecordBytes; the client's own limit is the broker's usual 1 MB.
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		// A client's metadata may be 10 s old while a topic is being made; unbounded waiting would hide a missing one.
		kgo.UnknownTopicRetries(10),
	}
	if k.TLS.On() {
		t, err := k.TLS.load()
		if err != nil {
			return nil, fmt.Errorf("setting up TLS to Kafka: %w", err)
		}
		options = append(options, kgo.DialTLSConfig(t))
	}
	mechanism, err := k.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("setting up SASL to Kafka: %w", err)
	}
	if mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}

func (k KafkaConfig) codec() kgo.CompressionCodec {
	switch k.Compression {
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	case "gzip":
		return kgo.GzipCompression()
	default:
		return kgo.NoCompression()
	}
}

// mechanism returns nil where nobody asks who we are. Passwords and tokens are read again for each new connection: a
// rotated secret needs no restart.
func (s SASLConfig) mechanism() (sasl.Mechanism, error) {
	password := func() (string, error) { return readSecret(s.PasswordFile) }
	scramAuth := func(context.Context) (scram.Auth, error) {
		pass, err := password()
		return scram.Auth{User: s.User, Pass: pass}, err
	}
	switch s.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := password()
			return plain.Auth{User: s.User, Pass: pass}, err
		}), nil
	case "SCRAM-SHA-256":
		return scram.Sha256(scramAuth), nil
	case "SCRAM-SHA-512":
		return scram.Sha512(scramAuth), nil
	case "OAUTHBEARER":
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := readSecret(s.TokenFile)
			return oauth.Auth{Token: token}, err
		}), nil
	}
	return nil, fmt.Errorf("unknown mechanism %q", s.Mechanism)
}

// load reads the certificates.
func (t TLSConfig) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the authorities: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Client returns a client of the schema registry for what only administration needs. It makes no request yet.
func (r RegistryConfig) Client() (*sr.Client, error) {
	settings, err := r.load()
	if err != nil {
		return nil, err
	}
	options := []sr.ClientOpt{
		sr.URLs(settings.URLs...),
		sr.UserAgent("accrue"),
		sr.HTTPClient(&http.Client{Timeout: registryTimeout}),
	}
	if settings.User != "" {
		options = append(options, sr.BasicAuth(settings.User, settings.Password))
	}
	if settings.TLS != nil {
		options = append(options, sr.DialTLSConfig(settings.TLS))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("making a client of the schema registry %s: %w", r.URL, err)
	}
	return client, nil
}

// Open returns the registry as the codec uses it. It makes no request yet.
func (r RegistryConfig) Open() (*schemas.Registry, error) {
	settings, err := r.load()
	if err != nil {
		return nil, err
	}
	return schemas.NewRegistry(settings)
}

// load reads the files that the configuration names.
func (r RegistryConfig) load() (schemas.RegistryConfig, error) {
	settings := schemas.RegistryConfig{URLs: []string{r.URL}, User: r.User, Timeout: registryTimeout}
	var err error
	if r.User != "" {
		if settings.Password, err = readSecret(r.PasswordFile); err != nil {
			return settings, fmt.Errorf("reading the registry's password: %w", err)
		}
	}
	if r.TLS.On() {
		if settings.TLS, err = r.TLS.load(); err != nil {
			return settings, fmt.Errorf("setting up TLS to the schema registry: %w", err)
		}
	}
	return settings, nil
}
