package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

const (
	// tokenTimeout bounds one request to a token endpoint.
	tokenTimeout = 10 * time.Second
	// maxTokenBytes bounds its answer.
	maxTokenBytes = 1 << 20
)

// oauthToken returns where tokens for OAUTHBEARER come from: a file that something else keeps fresh, or a token endpoint.
func (s SASLConfig) oauthToken() func(context.Context) (string, error) {
	if s.TokenURL == "" {
		return func(context.Context) (string, error) { return readSecret(s.TokenFile) }
	}
	return newTokenEndpoint(s, time.Now).token
}

// oauthAuth is what a connection shows.
func (s SASLConfig) oauthAuth() func(context.Context) (oauth.Auth, error) {
	token := s.oauthToken()
	extensions := map[string]string{}
	for _, pair := range s.Extensions {
		name, value, _ := strings.Cut(pair, "=")
		extensions[name] = value
	}
	return func(ctx context.Context) (oauth.Auth, error) {
		text, err := token(ctx)
		return oauth.Auth{Token: text, Extensions: extensions}, err
	}
}

// tokenEndpoint gets tokens by client credentials (RFC 6749, section 4.4) and keeps the last one for most of its life. It is
// safe for concurrent use: all connections of a client share it.
type tokenEndpoint struct {
	config SASLConfig
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex // guards what follows; held while asking, so that one asks for all
	last  string
	renew time.Time // from here on another one is asked for
	ends  time.Time // and until here the last one may be used where none comes
}

func newTokenEndpoint(s SASLConfig, now func() time.Time) *tokenEndpoint {
	transport := &secureTransport{tls: TLSConfig{CAFile: s.TokenCAFile}}
	return &tokenEndpoint{config: s, client: &http.Client{Timeout: tokenTimeout, Transport: transport, CheckRedirect: noRedirect}, now: now}
}

// noRedirect: the secret goes where the configuration says, and nowhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// token returns a token that is valid now. The secret is read for each request: a rotated one needs no restart.
func (e *tokenEndpoint) token(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if now.Before(e.renew) {
		return e.last, nil
	}
	got, lifetime, err := e.ask(ctx)
	switch {
	case err != nil && now.Before(e.ends):
		return e.last, nil // an endpoint that is away for a moment harms nobody
	case err != nil:
		return "", &tokenError{e.config.TokenURL, err}
	}
	e.last, e.renew, e.ends = got, now.Add(lifetime*4/5), now.Add(lifetime)
	return got, nil
}

// tokenError says that a token endpoint gives no token. The brokers have no part in it.
type tokenError struct {
	url string
	err error
}

func (e *tokenError) Error() string { return fmt.Sprintf("getting a token from %s: %v", e.url, e.err) }
func (e *tokenError) Unwrap() error { return e.err }

// ask asks for a token. A lifetime of 0: the endpoint does not say.
func (e *tokenEndpoint) ask(ctx context.Context) (token string, lifetime time.Duration, err error) {
	secret, err := readSecret(e.config.ClientSecretFile)
	if err != nil {
		return "", 0, fmt.Errorf("reading the client's secret: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if e.config.Scope != "" {
		form.Set("scope", e.config.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// RFC 6749, section 2.3.1: both are form-encoded before they are joined.
	request.SetBasicAuth(url.QueryEscape(e.config.ClientID), url.QueryEscape(secret))
	response, err := e.client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxTokenBytes))
	if err != nil {
		return "", 0, err
	}
	return readToken(response.StatusCode, text)
}

// readToken reads an endpoint's answer. What it says of an error is shown, the answer itself is not: it may hold a token.
func readToken(status int, text []byte) (token string, lifetime time.Duration, err error) {
	var answer struct {
		Token       string      `json:"access_token"`
		Seconds     json.Number `json:"expires_in"` // some write it in quotes
		Error       string      `json:"error"`
		Description string      `json:"error_description"`
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case status != http.StatusOK && answer.Error != "":
		return "", 0, fmt.Errorf("it answers %d %s: %s", status, answer.Error, answer.Description)
	case status != http.StatusOK:
		return "", 0, fmt.Errorf("it answers %d %s", status, http.StatusText(status))
	case err != nil:
		return "", 0, errors.New("its answer is not JSON: is kafka.sasl.token_url the token endpoint?")
	case answer.Token == "":
		return "", 0, errors.New("its answer holds no access_token")
	}
	seconds, err := answer.Seconds.Int64()
	if err != nil || seconds < 0 || seconds > int64((365*24*time.Hour).Seconds()) {
		seconds = 0 // it says nothing that is of use: it is asked for each connection
	}
	return answer.Token, time.Duration(seconds) * time.Second, nil
}
