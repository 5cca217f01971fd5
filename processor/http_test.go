package processor

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func startServer(t *testing.T, c HTTPConfig, ready func() []string) *Server {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	metrics := NewMetrics()
	metrics.Decisions.WithLabelValues("GRANTED").Add(3)
	s, err := NewServer(c, metrics, ready, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("POST /decide", AccessOperator, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "decided\n") }))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

func ask(t *testing.T, s *Server, method, path, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestProbesAndMetrics(t *testing.T) {
	var waiting atomic.Bool
	waiting.Store(true)
	s := startServer(t, HTTPConfig{}, func() []string {
		if waiting.Load() {
			return []string{"shard 3 is being restored", "lane 1 waits for the registry"}
		}
		return nil
	})
	if status, body := ask(t, s, "GET", "/livez", ""); status != 200 || body != "alive\n" {
		t.Errorf("/livez: %d %q", status, body)
	}
	if status, body := ask(t, s, "GET", "/readyz", ""); status != 503 || body != "shard 3 is being restored\nlane 1 waits for the registry\n" {
		t.Errorf("/readyz while restoring: %d %q", status, body)
	}
	waiting.Store(false)
	if status, body := ask(t, s, "GET", "/readyz", ""); status != 200 || body != "ready\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if status, body := ask(t, s, "GET", "/metrics", ""); status != 200 || !strings.Contains(body, "accrue_decisions_total{outcome=\"GRANTED\"} 3\n") {
		t.Errorf("/metrics: %d, without the decisions:\n%s", status, body)
	}
	if status, _ := ask(t, s, "POST", "/livez", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("POST /livez: %d", status)
	}
}

// Who may do what: nobody without a token, the viewer reads, the operator reads and decides, probes stay open.
func TestTokens(t *testing.T) {
	dir := t.TempDir()
	c := HTTPConfig{ViewerTokenFile: filepath.Join(dir, "viewer"), OperatorTokenFile: filepath.Join(dir, "operator")}
	for path, text := range map[string]string{c.ViewerTokenFile: "see\n", c.OperatorTokenFile: "act\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	onlyViewer := HTTPConfig{ViewerTokenFile: c.ViewerTokenFile}
	ready := func() []string { return nil }
	none, both, viewer := startServer(t, HTTPConfig{}, ready), startServer(t, c, ready), startServer(t, onlyViewer, ready)
	for _, tc := range []struct {
		name         string
		server       *Server
		method, path string
		token        string
		want         int
	}{
		{"no tokens set, reading", none, "GET", "/metrics", "", 200},
		{"no tokens set, deciding", none, "POST", "/decide", "", 200},
		{"probe", both, "GET", "/livez", "", 200},
		{"reading without", both, "GET", "/metrics", "", 401},
		{"reading with a wrong one", both, "GET", "/metrics", "seen", 401},
		{"reading as viewer", both, "GET", "/metrics", "see", 200},
		{"reading as operator", both, "GET", "/metrics", "act", 200},
		{"deciding without", both, "POST", "/decide", "", 401},
		{"deciding as viewer", both, "POST", "/decide", "see", 401},
		{"deciding as operator", both, "POST", "/decide", "act", 200},
		{"deciding where there is no operator", viewer, "POST", "/decide", "see", 401},
		{"an empty token where there is no operator", viewer, "POST", "/decide", " ", 401},
	} {
		if status, _ := ask(t, tc.server, tc.method, tc.path, tc.token); status != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, status, tc.want)
		}
	}
}

func TestServerRefusesAnOpenPort(t *testing.T) {
	_, err := NewServer(HTTPConfig{Listen: ":0"}, NewMetrics(), func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "no viewer token is set") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// A request that runs when the process is asked to stop is answered.
func TestServerStopsGracefully(t *testing.T) {
	s, err := NewServer(HTTPConfig{Listen: "127.0.0.1:0"}, NewMetrics(), func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Handle("GET /slow", AccessViewer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		writeText(w, http.StatusOK, "done\n")
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	answer := make(chan string, 1)
	go func() {
		_, body := ask(t, s, "GET", "/slow", "")
		answer <- body
	}()
	<-entered
	stop()
	close(leave)
	if body := <-answer; body != "done\n" {
		t.Errorf("the running request was answered %q", body)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
