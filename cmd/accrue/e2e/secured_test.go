package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/deploy/kafka/kafkatest"
	"accrue/processor"
	"accrue/schemas"
)

// On a broker that lets nobody in without TLS and a name, each job is done by a user who may do what the documentation lists and
// nothing else: topics are made with PLAIN, one instance runs with SCRAM and another with a certificate, an operator looks and sends. What
// is taken away is named by config check.
func TestSecuredBroker(t *testing.T) {
	b := newSecuredBroker(t)
	s := newStageOn(t, b.cluster, 1, "secured", programme(t))
	x, y, topics, operate := s.engine("x", 1, ""), s.engine("y", 1, ""), s.engine("topics", 1, ""), s.engine("operate", 1, "")
	b.speaksSCRAM(x.config, "run")
	b.speaksTLS(y.config)
	b.speaksPLAIN(topics.config, "topics")
	b.speaksSCRAM(operate.config, "operate")
	c := processor.DefaultConfig()
	c.App = s.app
	for job, users := range map[processor.Job][]string{
		processor.JobRun: {"User:run", b.certificate}, processor.JobTopics: {"User:topics"}, processor.JobOperate: {"User:operate"},
	} {
		for _, user := range users {
			b.allow(s.client, user, c.Permissions(job)...)
		}
	}
	b.allow(s.client, "User:operate", processor.Permission{Resource: kmsg.ACLResourceTypeTopic, Name: schemas.TopicOrders, Operation: kmsg.ACLOperationWrite})

	s.accrue("", "config", "check", "--for", "topics", "--config", topics.config)
	s.accrue("", "topics", "apply", "--config", topics.config)
	s.accrue("", "config", "check", "--config", x.config)
	s.accrue("", "config", "check", "--config", y.config)
	s.accrue("", "config", "check", "--for", "operate", "--config", operate.config)
	w := s.wallet()
	x.start()
	y.start()
	s.awaitReady(x, y)
	events := shopEvents(t, 1)
	if err := s.send(operate.config, events); err != nil {
		t.Fatal(err)
	}
	sent := w.awaitAnswers(time.Minute)
	want := s.simulate(events)
	w.awaitStanding(want, time.Minute)
	s.accrue("", "txn", "list", "--config", operate.config)
	s.accrue("", "rules", "list", "--config", operate.config)
	if grants := s.accrue("", "tail", schemas.TopicPointGrants, "--from", "beginning", "-n", "1", "--config", operate.config); !strings.Contains(grants, `"grant_id"`) {
		t.Errorf("the operator reads %q", grants)
	}
	x.stop()
	y.stop()
	w.finish(sent, want)

	b.deny(s.client, "User:run", schemas.TopicPointGrants)
	s.await("config check names what is missing", 30*time.Second, func() string { // brokers hear of it by and by
		out, err := s.try("", "config", "check", "--config", x.config)
		told := fmt.Sprint(out, err)
		return problem(nil, err == nil || !strings.Contains(told, "--topic "+schemas.TopicPointGrants) || !strings.Contains(told, "Write"), "%s", told)
	})
	s.write(b.password, "not this one\n")
	if out, err := s.try("", "config", "check", "--config", x.config); err == nil || !strings.Contains(fmt.Sprint(out, err), "SASL_AUTHENTICATION_FAILED") {
		t.Errorf("with a wrong password: %v\n%s", err, out)
	}
}

// securedBroker is a cluster of one node with two listeners on top: SASL over TLS, and TLS with the client's certificate. The
// test itself uses the listener without either, where everybody may do everything.
type securedBroker struct {
	t            *testing.T
	cluster      *kafkatest.Cluster
	sasl, mutual string // addresses
	ca, password string // files
	cert, key    string // the client's, files
	certificate  string // whom it names
}

const usersPassword = "secret"

func newSecuredBroker(t *testing.T) *securedBroker {
	t.Helper()
	port, err := kafkatest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := &securedBroker{t: t, sasl: fmt.Sprint("127.0.0.1:", port), mutual: fmt.Sprint("127.0.0.1:", port+10), certificate: "User:CN=instance-y"}
	b.password = b.file("password", usersPassword+"\n")
	authority, authorityKey := b.issue("an authority", nil, nil)
	_, brokerPEM := b.issueFiles("127.0.0.1", authority, authorityKey)
	b.cert, b.key = b.splitPEM(b.issueFiles("instance-y", authority, authorityKey))
	b.ca = b.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})))
	listeners := fmt.Sprintf("=,SASL://%s,MUTUAL://%s", b.sasl, b.mutual)
	const jaas = "org.apache.kafka.common.security."
	b.cluster = kafkatest.Start(t, 1,
		"listeners+"+listeners, "advertised.listeners+"+listeners, "listener.security.protocol.map+=,SASL:SASL_SSL,MUTUAL:SSL",
		"ssl.keystore.type=PEM", "ssl.keystore.location="+brokerPEM, "ssl.truststore.type=PEM", "ssl.truststore.location="+b.ca,
		"listener.name.mutual.ssl.client.auth=required", "listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
		"listener.name.sasl.scram-sha-512.sasl.jaas.config="+jaas+"scram.ScramLoginModule required;",
		"listener.name.sasl.plain.sasl.jaas.config="+jaas+`plain.PlainLoginModule required user_topics="`+usersPassword+`";`,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS")
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Bootstrap()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, user := range []string{"run", "operate"} {
		answers, err := kadm.NewClient(client).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: usersPassword}})
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *securedBroker) file(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// issue makes a certificate and its key. Without an issuer it is an authority's own.
func (b *securedBroker) issue(name string, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		b.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: issuer == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		b.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		b.t.Fatal(err)
	}
	return certificate, key
}

// issueFiles writes a certificate and its key into one file, as brokers want them.
func (b *securedBroker) issueFiles(name string, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (text, path string) {
	b.t.Helper()
	certificate, key := b.issue(name, issuer, issuerKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	return text, b.file(name+".pem", text)
}

// splitPEM writes what issueFiles wrote into two files, as clients want them.
func (b *securedBroker) splitPEM(text, _ string) (cert, key string) {
	b.t.Helper()
	at := strings.Index(text, "-----BEGIN CERTIFICATE")
	return b.file("cert.pem", text[at:]), b.file("key.pem", text[:at])
}

// speaks rewrites a configuration so that it uses a listener of the broker's.
func (b *securedBroker) speaks(config, address, lines string) {
	b.t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		b.t.Fatal(err)
	}
	was := "  brokers: [" + strings.Join(b.cluster.Bootstrap(), ", ") + "]\n"
	if strings.Count(string(text), was) != 1 {
		b.t.Fatalf("the brokers are not in\n%s", text)
	}
	is := strings.Replace(string(text), was, "  brokers: ["+address+"]\n"+lines, 1)
	if err := os.WriteFile(config, []byte(is), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *securedBroker) speaksSCRAM(config, user string) {
	b.speaks(config, b.sasl, fmt.Sprintf("  tls: {ca_file: %s}\n  sasl: {mechanism: SCRAM-SHA-512, user: %s, password_file: %s}\n", b.ca, user, b.password))
}

func (b *securedBroker) speaksPLAIN(config, user string) {
	b.speaks(config, b.sasl, fmt.Sprintf("  tls: {ca_file: %s}\n  sasl: {mechanism: PLAIN, user: %s, password_file: %s}\n", b.ca, user, b.password))
}

func (b *securedBroker) speaksTLS(config string) {
	b.speaks(config, b.mutual, fmt.Sprintf("  tls: {ca_file: %s, cert_file: %s, key_file: %s}\n", b.ca, b.cert, b.key))
}

// allow gives a user permissions.
func (b *securedBroker) allow(client *kgo.Client, user string, permissions ...processor.Permission) {
	b.t.Helper()
	request := kmsg.NewPtrCreateACLsRequest()
	for _, p := range permissions {
		acl := kmsg.NewCreateACLsRequestCreation()
		acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = p.Resource, p.Name, kmsg.ACLResourcePatternTypeLiteral
		if p.Prefixed {
			acl.ResourcePatternType = kmsg.ACLResourcePatternTypePrefixed
		}
		acl.Principal, acl.Host, acl.Operation, acl.PermissionType = user, "*", p.Operation, kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, acl)
	}
	answer, err := request.RequestWith(b.t.Context(), client)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range answer.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			b.t.Fatal(err)
		}
	}
}

// deny takes away what a user may do with a topic.
func (b *securedBroker) deny(client *kgo.Client, user, topic string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	builder := kadm.NewACLs().Topics(topic).Allow(user).AllowHosts("*").Operations(kmsg.ACLOperationAny).ResourcePatternType(kadm.ACLPatternLiteral)
	results, err := kadm.NewClient(client).DeleteACLs(ctx, builder)
	if err != nil {
		b.t.Fatal(err)
	}
	deleted := 0
	for _, r := range results {
		deleted += len(r.Deleted)
	}
	if deleted == 0 {
		b.t.Fatalf("%s had no permission on %s", user, topic)
	}
}
