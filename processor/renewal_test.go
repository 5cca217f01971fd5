package processor

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, to, string(text))
}

// A certificate that is renewed in its file is shown by the next connection of the options that exist already.
func TestRenewedCertificateNeedsNoRestart(t *testing.T) {
	server, old, renewed := newCertificate(t), newCertificate(t), newCertificate(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{server.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: renewed.pool, MinVersion: tls.VersionTLS12,
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c := TLSConfig{CAFile: server.certFile, CertFile: old.certFile, KeyFile: old.keyFile}
	k := KafkaConfig{Brokers: cluster.ListenAddrs(), TLS: c}
	options, err := k.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	if err := pingWith(t, options); err == nil {
		t.Fatal("a certificate that the broker does not know got in")
	}
	copyFile(t, renewed.certFile, old.certFile)
	copyFile(t, renewed.keyFile, old.keyFile)
	if err := pingWith(t, options); err != nil {
		t.Errorf("the renewed certificate: %v", err)
	}
}

// Password and authorities of the registry are those that the files hold at each request.
func TestRenewedRegistryAccessNeedsNoRestart(t *testing.T) {
	first, second := newCertificate(t), newCertificate(t)
	want := "old"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != want {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		writeText(w, http.StatusOK, `["a-value"]`)
	})
	pair := &first.pair
	registry := httptest.NewUnstartedServer(handler)
	registry.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}}, nil
	}}
	registry.StartTLS()
	defer registry.Close()
	password := writeFile(t, "password", []byte("old\n"))
	r := RegistryConfig{URL: registry.URL, User: "accrue", PasswordFile: password, TLS: TLSConfig{CAFile: first.certFile}}
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := client.Subjects(t.Context())
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	want = "new"
	if err := ask(); err == nil {
		t.Error("the old password got in")
	}
	rewrite(t, password, "new\n")
	if err := ask(); err != nil {
		t.Errorf("the new password: %v", err)
	}
	pair = &second.pair
	registry.CloseClientConnections()
	if err := ask(); err == nil {
		t.Error("a certificate of an unknown authority was taken")
	}
	copyFile(t, second.certFile, first.certFile)
	if err := ask(); err != nil {
		t.Errorf("the renewed authority: %v", err)
	}
}

// A token that is changed in its file lets in who shows the new one, and nobody else; a file that is gone lets nobody in.
func TestRenewedTokenNeedsNoRestart(t *testing.T) {
	viewer := writeFile(t, "viewer", []byte("one\n"))
	s := startServer(t, HTTPConfig{ViewerTokenFile: viewer}, func() []string { return nil })
	status := func(token string) int {
		code, _ := ask(t, s, http.MethodGet, "/metrics", token)
		return code
	}
	if status("one") != http.StatusOK || status("two") != http.StatusUnauthorized {
		t.Error("the first token does not hold")
	}
	rewrite(t, viewer, "two\n")
	if status("one") != http.StatusUnauthorized || status("two") != http.StatusOK {
		t.Error("the second token does not hold")
	}
	if err := os.Remove(viewer); err != nil {
		t.Fatal(err)
	}
	if status("two") != http.StatusUnauthorized || status("") != http.StatusUnauthorized {
		t.Error("a token that cannot be read lets somebody in")
	}
}

// tokens is a token endpoint.
type tokens struct {
	answer func(w http.ResponseWriter)
	asked  []string // what each request showed: client, secret, form
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	_ = r.ParseForm() // what it lacks shows in the text
	s.asked = append(s.asked, user+" "+password+" "+r.PostForm.Encode())
	s.answer(w)
}

func tokenAnswer(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { writeText(w, status, text) }
}

// A token is asked for as RFC 6749 says, kept for most of its life, and survives an endpoint that is away for a moment.
func TestTokensByClientCredentials(t *testing.T) {
	endpoint := &tokens{answer: tokenAnswer(200, `{"access_token":"first","token_type":"Bearer","expires_in":100}`)}
	server := httptest.NewTLSServer(endpoint)
	defer server.Close()
	secret := writeFile(t, "secret", []byte("s:1/é\n"))
	s := SASLConfig{
		Mechanism: mechanismOAuth, TokenURL: server.URL + "/token", ClientID: "accrue", ClientSecretFile: secret, Scope: "kafka write",
		TokenCAFile: writeFile(t, "ca.pem", pemOf(server.Certificate())),
	}
	now := time.Now()
	e := newTokenEndpoint(s, func() time.Time { return now })
	expect := func(why, token, wrong string, asked int) {
		t.Helper()
		got, err := e.token(t.Context())
		if got != token || (wrong == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), wrong) || len(endpoint.asked) != asked {
			t.Errorf("%s: token %q, error %v, asked %d times; want %q, %q, %d", why, got, err, len(endpoint.asked), token, wrong, asked)
		}
	}
	expect("the first", "first", "", 1)
	if want := "accrue s%3A1%2F%C3%A9 grant_type=client_credentials&scope=kafka+write"; endpoint.asked[0] != want {
		t.Errorf("asked %q, want %q", endpoint.asked[0], want)
	}
	now = now.Add(79 * time.Second)
	expect("while it is young", "first", "", 1)
	now = now.Add(2 * time.Second)
	endpoint.answer = tokenAnswer(503, "away")
	expect("old, and the endpoint is away", "first", "", 2)
	now = now.Add(20 * time.Second)
	expect("over, and the endpoint is away", "", "it answers 503 Service Unavailable", 3)
	endpoint.answer = tokenAnswer(401, `{"error":"invalid_client","error_description":"who?"}`)
	expect("a wrong secret", "", "it answers 401 invalid_client: who?", 4)
	rewrite(t, secret, "other\n")
	endpoint.answer = tokenAnswer(200, `{"access_token":"second"}`)
	expect("without an end", "second", "", 5)
	if !strings.HasPrefix(endpoint.asked[4], "accrue other ") {
		t.Errorf("the changed secret was not shown: %q", endpoint.asked[4])
	}
	expect("so it is asked for again", "second", "", 6)
	endpoint.answer = tokenAnswer(200, "<html>")
	expect("another page", "", "not JSON", 7)
	endpoint.answer = tokenAnswer(200, "{}")
	expect("no token", "", "no access_token", 8)
	endpoint.answer = func(w http.ResponseWriter) {
		w.Header().Set("Location", server.URL+"/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	expect("sent elsewhere", "", "it answers 307", 9)
}

// What a connection shows to a broker by OAUTHBEARER: the token of the file as it is now, and the extensions (RFC 7628).
func TestTokenFromFile(t *testing.T) {
	file := writeFile(t, "token", []byte("abc\n"))
	m, err := SASLConfig{Mechanism: mechanismOAuth, TokenFile: file, Extensions: []string{"logicalCluster=lkc-1"}}.mechanism()
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"abc", "def"} {
		rewrite(t, file, token+"\n")
		_, first, err := m.Authenticate(context.Background(), "broker")
		if want := "n,,\x01auth=Bearer " + token + "\x01logicalCluster=lkc-1\x01\x01"; err != nil || string(first) != want {
			t.Errorf("shows %q, error %v; want %q", first, err, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Authenticate(context.Background(), "broker"); err == nil {
		t.Error("a token that is not there was shown")
	}
}

// Each way of saying who we are demands its own keys, and no others.
func TestSASLKeys(t *testing.T) {
	secret := writeFile(t, "secret", []byte("s\n"))
	for _, tc := range []struct {
		keys string // NAME=VALUE, by blanks
		want string // empty: loads
	}{
		{"MECHANISM=PLAIN USER=u PASSWORD_FILE=" + secret, ""},
		{"MECHANISM=PLAIN USER=u PASSWORD_FILE=" + secret + " CLIENT_ID=c", "which knows a user and a password"},
		{"MECHANISM=OAUTHBEARER TOKEN_FILE=" + secret, ""},
		{"MECHANISM=OAUTHBEARER", "token_file must name a file for OAUTHBEARER (or set token_url"},
		{"MECHANISM=OAUTHBEARER USER=u TOKEN_FILE=" + secret, "which knows no user and password"},
		{"MECHANISM=OAUTHBEARER TOKEN_URL=https://id/token CLIENT_ID=c CLIENT_SECRET_FILE=" + secret, ""},
		{"MECHANISM=OAUTHBEARER TOKEN_URL=http://127.0.0.1/token CLIENT_ID=c CLIENT_SECRET_FILE=" + secret, ""},
		{"MECHANISM=OAUTHBEARER TOKEN_URL=http://id/token CLIENT_ID=c CLIENT_SECRET_FILE=" + secret, "must be an https address"},
		{"MECHANISM=OAUTHBEARER TOKEN_URL=https://id/token CLIENT_ID=c", "client_secret_file must name a file"},
		{"MECHANISM=OAUTHBEARER TOKEN_URL=https://id/token TOKEN_FILE=" + secret, "exclude each other"},
		{"MECHANISM=OAUTHBEARER SCOPE=x CLIENT_ID=c CLIENT_SECRET_FILE=" + secret, "token_url must be set"},
		{"MECHANISM=OAUTHBEARER EXTENSIONS=a=1,b TOKEN_FILE=" + secret, `must be name=value each, and not auth, not "b"`},
		{"CLIENT_ID=c", "must be PLAIN, SCRAM-SHA-256"},
	} {
		env := minimal()
		for _, key := range strings.Fields(tc.keys) {
			env = append(env, "ACCRUE_KAFKA_SASL_"+key)
		}
		_, err := LoadConfig("", env)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.keys, err, tc.want)
		}
	}
}
