package processor

import (
	"context"
	"fmt"
	"net/http"
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
	compression, err := k.compression()
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID("accrue"),
		compression,
		// Our topics take records of MaxRecordBytes; the client's own limit is the broker's usual 1 MB.
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		// A client's metadata may be 10 s old while a topic is being made; unbounded waiting would hide a missing one.
		kgo.UnknownTopicRetries(10),
	}
	if k.TLS.On() {
		if _, err := k.TLS.load(); err != nil { // said at once, not only at the first connection
			return nil, fmt.Errorf("setting up TLS to Kafka: %w", err)
		}
		options = append(options, kgo.Dialer(k.TLS.dial))
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

// compression is an option that many clients may share: kgo writes into the list of ProducerBatchCompression when a client is made, so that
// two that are made at the same time would race for it.
func (k KafkaConfig) compression() (kgo.Opt, error) {
	var codec kgo.CompressionCodec
	switch k.Compression {
	case "snappy":
		codec = kgo.SnappyCompression()
	case "lz4":
		codec = kgo.Lz4Compression()
	case "zstd":
		codec = kgo.ZstdCompression()
	case "gzip":
		codec = kgo.GzipCompression()
	default:
		return kgo.ProducerBatchCompression(), nil // none
	}
	compressor, err := kgo.DefaultCompressor(codec)
	if err != nil {
		return nil, fmt.Errorf("setting up compression by %s: %w", k.Compression, err)
	}
	return kgo.WithCompressor(compressor), nil
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
		return oauth.Oauth(s.oauthAuth()), nil
	}
	return nil, fmt.Errorf("unknown mechanism %q", s.Mechanism)
}

// Client returns a client of the schema registry for what only administration needs. It makes no request yet.
func (r RegistryConfig) Client() (*sr.Client, error) {
	connection, err := r.http()
	if err != nil {
		return nil, err
	}
	client, err := sr.NewClient(sr.URLs(r.URL), sr.UserAgent("accrue"), sr.HTTPClient(connection))
	if err != nil {
		return nil, fmt.Errorf("making a client of the schema registry %s: %w", r.URL, err)
	}
	return client, nil
}

// Open returns the registry as the codec uses it. It makes no request yet.
func (r RegistryConfig) Open() (*schemas.Registry, error) {
	connection, err := r.http()
	if err != nil {
		return nil, err
	}
	return schemas.NewRegistry(schemas.RegistryConfig{URLs: []string{r.URL}, HTTP: connection})
}

// http returns the way to the registry, with the password and the certificates that the files hold at each request. It reads
// them once now, so that a file that is wrong is said at once.
func (r RegistryConfig) http() (*http.Client, error) {
	transport := &secureTransport{tls: r.TLS}
	if _, err := transport.current(); err != nil {
		return nil, fmt.Errorf("setting up TLS to the schema registry: %w", err)
	}
	if r.User != "" {
		transport.authorize = func(request *http.Request) error {
			password, err := readSecret(r.PasswordFile)
			if err != nil {
				return fmt.Errorf("reading the registry's password: %w", err)
			}
			request.SetBasicAuth(r.User, password)
			return nil
		}
		if _, err := readSecret(r.PasswordFile); err != nil {
			return nil, fmt.Errorf("reading the registry's password: %w", err)
		}
	}
	return &http.Client{Timeout: registryTimeout, Transport: transport}, nil
}
