package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// registry is a schema registry that keeps a journal: every change that it took, in order, taken again at the next start. So
// a schema has the same id for ever, as records that are on the topics need it.
type registry struct {
	handler http.Handler
	server  *http.Server
	url     string

	mu      sync.Mutex // held over a change, so that the journal has the order in which they were taken
	journal *os.File
	known   map[string]bool // changes in the journal
}

// change is one line of the journal.
type change struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

// openRegistry takes the journal's changes again and begins to answer on the listener.
func openRegistry(ctx context.Context, path string, listener net.Listener) (*registry, error) {
	r := &registry{
		handler: srfake.NewRegistry().Handler(), url: "http://" + listener.Addr().String(), known: map[string]bool{},
	}
	if err := r.replay(ctx, path); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	var err error
	if r.journal, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with Close; a listener that breaks shows in whoever asks
	return r, nil
}

// replay takes what the journal holds. A last line that a kill cut short was never answered: it is left out.
func (r *registry) replay(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if whole < len(text) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(text[:whole]))
	lines.Buffer(nil, maxChange)
	for n := 1; lines.Scan(); n++ {
		var c change
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if status := r.take(ctx, c, discard{}); status != http.StatusOK {
			return fmt.Errorf("%s:%d: %s %s was taken once and is answered with status %d now", path, n, c.Method, c.Path, status)
		}
		r.known[lines.Text()] = true
	}
	return lines.Err()
}

// maxChange bounds the body of a request; our schemas have some 30 KB.
const maxChange = 4 << 20

// take hands a change to the registry proper.
func (r *registry) take(ctx context.Context, c change, w http.ResponseWriter) (status int) {
	request, err := http.NewRequestWithContext(ctx, c.Method, c.Path, bytes.NewReader(c.Body))
	if err != nil {
		return http.StatusBadRequest
	}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	r.handler.ServeHTTP(answer, request)
	return answer.status
}

// ServeHTTP answers. Registrations and levels of compatibility are kept in the journal once they are taken.
func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet {
		r.handler.ServeHTTP(w, request)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxChange/2))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var line bytes.Buffer
	if err := json.Compact(&line, body); err != nil && len(body) > 0 {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	c := change{Method: request.Method, Path: request.URL.RequestURI(), Body: line.Bytes()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if status := r.take(request.Context(), c, w); status == http.StatusOK {
		r.keep(c)
	}
}

// keep writes a change to the journal, once.
func (r *registry) keep(c change) {
	if len(c.Body) == 0 {
		c.Body = json.RawMessage("null")
	}
	text, err := json.Marshal(c)
	if err != nil || r.known[string(text)] {
		return
	}
	r.known[string(text)] = true
	// A journal that cannot be written shows at the next start: ids are then given anew, and old records cannot be read.
	_, _ = r.journal.Write(append(text, '\n'))
}

func (r *registry) close() error { return errors.Join(r.server.Close(), r.journal.Close()) }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// discard is a ResponseWriter that nobody listens to.
type discard struct{}

func (discard) Header() http.Header            { return http.Header{} }
func (discard) Write(text []byte) (int, error) { return len(text), nil }
func (discard) WriteHeader(int)                {}
