package processor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// writeFile writes a test's file and returns its path.
func writeFile(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate is a key pair for 127.0.0.1 that vouches for itself, as PEM files.
type certificate struct {
	certFile, keyFile string
	pair              tls.Certificate
	pool              *x509.CertPool
}

func newCertificate(t *testing.T) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	c := certificate{certFile: writeFile(t, "cert.pem", certPEM), keyFile: writeFile(t, "key.pem", keyPEM), pool: x509.NewCertPool()}
	if c.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	c.pool.AppendCertsFromPEM(certPEM)
	return c
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func ping(t *testing.T, k KafkaConfig) error {
	t.Helper()
	options, err := k.ClientOptions()
	if err != nil {
		return err
	}
	return pingWith(t, options)
}

func pingWith(t *testing.T, options []kgo.Opt) error {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.RetryTimeout(2*time.Second))...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return client.Ping(ctx)
}

// Each way of saying who we are gets in, and a wrong password does not.
func TestConnectWithSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "accrue", "right"))
		if err != nil {
			t.Fatal(err)
		}
		k := KafkaConfig{Brokers: cluster.ListenAddrs(), SASL: SASLConfig{Mechanism: mechanism, User: "accrue"}}
		k.SASL.PasswordFile = writeFile(t, "right", []byte("right\n"))
		if err := ping(t, k); err != nil {
			t.Errorf("%s with the right password: %v", mechanism, err)
		}
		k.SASL.PasswordFile = writeFile(t, "wrong", []byte("wrong\n"))
		if err := ping(t, k); err == nil {
			t.Errorf("%s with a wrong password got in", mechanism)
		}
		cluster.Close()
	}
}

// Mutual TLS: the broker asks for our certificate, and we check its own.
func TestConnectWithTLS(t *testing.T) {
	server, client := newCertificate(t), newCertificate(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{server.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: client.pool, MinVersion: tls.VersionTLS12,
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	good := TLSConfig{CAFile: server.certFile, CertFile: client.certFile, KeyFile: client.keyFile}
	for name, tc := range map[string]struct {
		tls  TLSConfig
		want string // empty: gets in
	}{
		"both certificates": {good, ""},
		"no TLS":            {TLSConfig{}, "broker"},
		"unknown authority": {TLSConfig{CertFile: client.certFile, KeyFile: client.keyFile}, "certificate"},
		"none of ours":      {TLSConfig{CAFile: server.certFile}, "certificate required"},
		"not PEM":           {TLSConfig{CAFile: writeFile(t, "ca.pem", []byte("rubbish"))}, "holds no PEM certificate"},
		"no such file":      {TLSConfig{CertFile: "/none.pem", KeyFile: "/none.key"}, "reading our certificate: open /none.pem"},
	} {
		err := ping(t, KafkaConfig{Brokers: cluster.ListenAddrs(), TLS: tc.tls})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// The registry gets its basic auth and is checked by our authorities, through both clients.
func TestConnectToTheRegistry(t *testing.T) {
	server := newCertificate(t)
	registry := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "accrue" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/path/schemas/ids/7") {
			writeText(w, http.StatusOK, `{"schema":"\"string\""}`)
			return
		}
		writeText(w, http.StatusOK, `["a-value"]`)
	}))
	registry.TLS = &tls.Config{Certificates: []tls.Certificate{server.pair}, MinVersion: tls.VersionTLS12}
	registry.StartTLS()
	defer registry.Close()
	r := RegistryConfig{
		URL: registry.URL + "/path", User: "accrue", PasswordFile: writeFile(t, "password", []byte("secret\n")),
		TLS: TLSConfig{CAFile: server.certFile},
	}
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	if subjects, err := client.Subjects(t.Context()); err != nil || len(subjects) != 1 {
		t.Errorf("subjects %v, error %v; want the one", subjects, err)
	}
	source, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := source.SchemaByID(t.Context(), 7); err != nil || text != `"string"` {
		t.Errorf("schema %q, error %v", text, err)
	}
	r.TLS = TLSConfig{}
	if source, err = r.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := source.SchemaByID(t.Context(), 7); err == nil || strings.Contains(err.Error(), schemas.ErrSchemaUnknown.Error()) {
		t.Errorf("an unknown authority gave %v, want a refusal that may be tried again", err)
	}
}
