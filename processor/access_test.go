package processor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// acls turns permissions into a cluster's.
func acls(permissions []Permission) []kfake.ACL {
	list := make([]kfake.ACL, len(permissions))
	for i, p := range permissions {
		list[i] = kfake.ACL{Resource: p.Resource, Name: p.Name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: p.Operation, Allow: true}
		if p.Prefixed {
			list[i].Pattern = kmsg.ACLResourcePatternTypePrefixed
		}
	}
	return list
}

// knowsEverything is a registry that has every schema.
func knowsEverything(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		writeText(w, http.StatusOK, `{"subject":"s","id":1,"version":1,"schema":"\"string\""}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// guarded is a cluster that has all topics and lets a user do only what is given, and a configuration for it.
func guarded(t *testing.T, given []Permission) Config {
	t.Helper()
	c := DefaultConfig()
	c.App, c.Instance = "shop", "a"
	c.Topics.ReplicationFactor = 1
	var names []string
	for _, spec := range TopicSpecs(c) {
		names = append(names, spec.Name)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, names...),
		kfake.Superuser("SCRAM-SHA-256", "admin", "admin"), kfake.User("SCRAM-SHA-256", "accrue", "secret", acls(given)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c.Kafka.Brokers = cluster.ListenAddrs()
	c.Kafka.SASL = SASLConfig{Mechanism: "SCRAM-SHA-256", User: "accrue", PasswordFile: writeFile(t, "password", []byte("secret\n"))}
	c.Registry.URL = knowsEverything(t)
	return c
}

func findings(t *testing.T, c Config, job Job) (wrong, notes []Finding) {
	t.Helper()
	err := CheckAccess(t.Context(), c, job, func(f Finding) {
		switch f.Grade {
		case GradeWrong:
			wrong = append(wrong, f)
		case GradeNote:
			notes = append(notes, f)
		case GradeFine:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return wrong, notes
}

// With what a job needs nothing is missing; of each single permission that is taken away the check says just that, what it is for,
// and the command that gives it back. An optional one is a note.
func TestEachMissingPermissionIsNamed(t *testing.T) {
	for _, job := range Jobs() {
		needed := DefaultConfig()
		needed.App = "shop"
		all := needed.Permissions(job)
		if wrong, notes := findings(t, guarded(t, all), job); len(wrong) > 0 || len(notes) > len(all) || job == JobRun && len(notes) > 0 {
			t.Errorf("%s with all permissions: wrong %v, notes %v", job, wrong, notes)
		}
		for i, p := range all {
			c := guarded(t, slices.Delete(slices.Clone(all), i, i+1))
			wrong, notes := findings(t, c, job)
			if implied(all, p) {
				continue // taken away it is still given
			}
			said := wrong
			if p.Optional {
				said = notes
			}
			// A topic that cannot even be seen tells nothing: all that is needed on it is asked for.
			same := slices.DeleteFunc(slices.Clone(all), func(q Permission) bool { return q.Resource != p.Resource || q.Name != p.Name })
			commands := []string{GrantCommand(c.Kafka.Brokers[0], "User:accrue", p), GrantCommand(c.Kafka.Brokers[0], "User:accrue", same...)}
			found := slices.ContainsFunc(said, func(f Finding) bool { return strings.Contains(f.Text, p.String()) && strings.Contains(f.Text, p.Why) })
			exact := slices.ContainsFunc(said, func(f Finding) bool { return slices.Contains(commands, f.Do) })
			if !found || !exact || !p.Optional && len(wrong) != 1 || p.Optional && len(wrong) > 0 {
				t.Errorf("%s without %s: wrong %v, notes %v", job, p, wrong, notes)
			}
		}
	}
}

// implied says that another permission gives this one too.
func implied(all []Permission, p Permission) bool {
	return p.Operation == kmsg.ACLOperationDescribe && slices.ContainsFunc(all, func(q Permission) bool {
		return q.Resource == p.Resource && q.Name == p.Name && (q.Operation == kmsg.ACLOperationRead || q.Operation == kmsg.ACLOperationWrite)
	})
}

// Nothing of what a job lists is given by another of its permissions, but where the other is optional.
func TestPermissionsAreTheLeast(t *testing.T) {
	c := DefaultConfig()
	for _, job := range Jobs() {
		all := c.Permissions(job)
		seen := map[string]bool{}
		for _, p := range all {
			if seen[p.String()] {
				t.Errorf("%s lists %s twice", job, p)
			}
			seen[p.String()] = true
			required := slices.DeleteFunc(slices.Clone(all), func(q Permission) bool { return q.Optional })
			if implied(required, p) {
				t.Errorf("%s lists %s, which another one gives", job, p)
			}
		}
	}
}

// Permissions for single transactional ids let an instance run and leave it unable to succeed one that is gone.
func TestPermissionsForSingleIDsAreTooFew(t *testing.T) {
	c := DefaultConfig()
	c.App = "shop"
	all := c.Permissions(JobRun)
	for i, p := range all {
		if p.Prefixed {
			all[i].Prefixed, all[i].Name = false, "shop-a-0"
		}
	}
	wrong, _ := findings(t, guarded(t, all), JobRun)
	if len(wrong) != 1 || !strings.Contains(wrong[0].Do, "--transactional-id shop- --resource-pattern-type prefixed") {
		t.Errorf("found %v", wrong)
	}
}

// A check leaves an instance alone that runs under the same name: its transaction goes on.
func TestCheckDisturbsNobody(t *testing.T) {
	s := newShop(t, 2)
	s.trade(20)
	e := s.run(newMachine("a"))
	s.check(s.read())
	c := DefaultConfig()
	c.App, c.Instance = "test", "a"
	c.Kafka.Brokers = s.cluster.ListenAddrs()
	c.Registry.URL = knowsEverything(t)
	for range 3 {
		wrong, _ := findings(t, c, JobRun)
		for _, f := range wrong {
			if !strings.Contains(f.Text, "topics are missing") { // the test's topics have names of their own
				t.Errorf("found %v", f)
			}
		}
		s.trade(20)
		s.check(s.read())
	}
	e.end()
}

// What keeps a connection from being made is said with what to change.
func TestAdviceForConnections(t *testing.T) {
	server, stranger := newCertificate(t), newCertificate(t)
	plainCluster := guarded(t, nil).Kafka
	tlsCluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{server.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: server.pool, MinVersion: tls.VersionTLS12,
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer tlsCluster.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	gone := strings.TrimPrefix(refusing.URL, "http://")
	refusing.Close()
	over := KafkaConfig{Brokers: tlsCluster.ListenAddrs()}
	with := func(k KafkaConfig, change func(*KafkaConfig)) KafkaConfig {
		change(&k)
		return k
	}
	for name, tc := range map[string]struct {
		kafka KafkaConfig
		want  string
	}{
		"nobody listens": {KafkaConfig{Brokers: []string{gone}}, "nothing listens there"},
		"no such name":   {KafkaConfig{Brokers: []string{"broker.invalid:9092"}}, "that name is not known here"},
		"wrong password": {
			with(plainCluster, func(k *KafkaConfig) { k.SASL.PasswordFile = writeFile(t, "wrong", []byte("no\n")) }),
			"it does not accept who we are (kafka.sasl)",
		}, // kfake hangs up; Kafka says SASL_AUTHENTICATION_FAILED
		"other mechanism": {
			with(plainCluster, func(k *KafkaConfig) { k.SASL.Mechanism, k.SASL.TokenFile = mechanismOAuth, k.SASL.PasswordFile }),
			"have other mechanisms than kafka.sasl.mechanism",
		},
		"nobody said who":      {with(plainCluster, func(k *KafkaConfig) { k.SASL = SASLConfig{} }), "it does not accept who we are (kafka.sasl)"},
		"no TLS where some is": {over, "TLS is on one side only (kafka.tls)"},
		"unknown authority":    {with(over, func(k *KafkaConfig) { k.TLS.Enabled = true }), "put its certificate into kafka.tls.ca_file"},
		"no certificate":       {with(over, func(k *KafkaConfig) { k.TLS.CAFile = server.certFile }), "set kafka.tls.cert_file"},
		"a strange certificate": {with(over, func(k *KafkaConfig) {
			k.TLS = TLSConfig{CAFile: server.certFile, CertFile: stranger.certFile, KeyFile: stranger.keyFile}
		}), "set kafka.tls.cert_file"},
	} {
		c := DefaultConfig()
		c.App, c.Instance, c.Kafka, c.Registry.URL = "shop", "a", tc.kafka, knowsEverything(t)
		c.Kafka.SessionTimeout, c.Kafka.TransactionTimeout = DefaultConfig().Kafka.SessionTimeout, DefaultConfig().Kafka.TransactionTimeout
		wrong, _ := findings(t, c, JobRun)
		if len(wrong) != 1 || !strings.Contains(wrong[0].Do, tc.want) {
			t.Errorf("%s: %q, want the advice %q", name, wrong, tc.want)
		}
	}
}

// What brokers and TLS answer in words of their own.
func TestAdviceForAnswers(t *testing.T) {
	for want, err := range map[string]error{
		"do not know this user with this secret": fmt.Errorf("ask: %w", kerr.SaslAuthenticationFailed),
		"does not speak TLS":                     fmt.Errorf("ask: %w", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}),
		"use the name that is in it":             fmt.Errorf("ask: %w", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "broker"}),
		"this machine's clock is wrong":          fmt.Errorf("ask: %w", x509.CertificateInvalidError{Reason: x509.Expired}),
		"look at kafka.sasl.token_url":           fmt.Errorf("dial: %w", &tokenError{"https://id", errors.New("it answers 401")}),
		"the file cannot be read":                fmt.Errorf("dial: %w", &tokenError{"https://id", &os.PathError{Op: "open", Path: "/none", Err: os.ErrNotExist}}),
		"TLS on one side only":                   fmt.Errorf("ask: %w", os.ErrDeadlineExceeded),
	} {
		if got := adviceFor(err, "kafka"); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestAdviceForTheRegistry(t *testing.T) {
	for status, want := range map[int]string{401: "set registry.user", 403: "let it read subjects", 404: "need a path", 500: "registry's own log"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, status, "no") }))
		c := guarded(t, DefaultConfig().Permissions(JobRun))
		c.Registry.URL = server.URL
		wrong, _ := findings(t, c, JobOperate)
		if last := wrong[len(wrong)-1]; !strings.Contains(last.Do, want) || !strings.Contains(last.Text, server.URL) {
			t.Errorf("%d: %v, want the advice %q", status, last, want)
		}
		server.Close()
	}
}

// The name that permissions are given to is the one that the brokers know: of SASL, of a token, or of a certificate.
func TestPrincipals(t *testing.T) {
	own := newCertificate(t)
	token := writeFile(t, "token", []byte("e30.eyJzdWIiOiJzaG9wIn0.sig\n")) // {"sub":"shop"}
	for want, k := range map[string]KafkaConfig{
		"User:ANONYMOUS":            {},
		"User:u":                    {SASL: SASLConfig{Mechanism: "PLAIN", User: "u"}},
		"User:shop":                 {SASL: SASLConfig{Mechanism: mechanismOAuth, TokenFile: token}},
		"User:client":               {SASL: SASLConfig{Mechanism: mechanismOAuth, TokenURL: "https://x", ClientID: "client"}},
		"User:SUBJECT-OF-THE-TOKEN": {SASL: SASLConfig{Mechanism: mechanismOAuth, TokenFile: own.certFile}},
		"User:CN=test":              {TLS: TLSConfig{CertFile: own.certFile, KeyFile: own.keyFile}},
	} {
		if got := principalOf(k); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// deploy/docs/security.md has the commands that give each job what it needs, for the app of the example.
func TestPermissionsAreDocumented(t *testing.T) {
	c, err := LoadConfig("../deploy/accrue.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../deploy/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range Jobs() {
		if want := permissionsTable(c.Permissions(job)); !strings.Contains(string(page), want) {
			t.Errorf("deploy/docs/security.md lacks for %s:\n%s", job, want)
		}
	}
}

// permissionsTable is a row a resource.
func permissionsTable(all []Permission) string {
	var b strings.Builder
	b.WriteString("| on | operations | what for |\n| --- | --- | --- |\n")
	for len(all) > 0 {
		first := all[0]
		var operations, why []string
		all = slices.DeleteFunc(all, func(p Permission) bool {
			if p.Resource != first.Resource || p.Name != first.Name {
				return false
			}
			name := operationName(p.Operation)
			if p.Optional {
				name += " (may be left out)"
			}
			operations = append(operations, name)
			if !slices.Contains(why, p.Why) {
				why = append(why, p.Why)
			}
			return true
		})
		on := strings.TrimPrefix(first.resourceFlag(), "--") + " `" + first.Name + "`"
		if first.Prefixed {
			on += ", prefixed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", on, strings.Join(operations, ", "), strings.Join(why, "; "))
	}
	return b.String()
}
