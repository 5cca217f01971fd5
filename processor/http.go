package processor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Timeouts of the HTTP port. A probe or a scrape takes milliseconds; these end what a broken client leaves open.
const (
	httpReadTimeout  = 10 * time.Second
	httpWriteTimeout = 30 * time.Second
	httpIdleTimeout  = 2 * time.Minute
	httpStopTimeout  = 5 * time.Second
	httpHeaderBytes  = 16 << 10
)

// Access is what a request has to show.
type Access int

// The three kinds of access. Where no viewer token is set the port listens on loopback only, and all may do all.
const (
	AccessOpen     Access = iota // probes: anyone
	AccessViewer                 // reading: the viewer's or the operator's token
	AccessOperator               // deciding: the operator's token
)

// Server is the one HTTP port of a process: /livez, /readyz, /metrics, and what others add with Handle.
type Server struct {
	listener net.Listener
	server   *http.Server
	mux      *http.ServeMux
	viewer   string // the file of the viewer token; empty: reading needs no token
	operator string // of the operator token; empty: without a viewer token all may decide, with one nobody may
	log      *slog.Logger
}

// NewServer binds the port that c names, and answers nothing before Run. Ready returns why the process is not ready, a
// reason each; none: it is. It is called on each request, from many goroutines. NewServer must not be called where
// c.Listen is "off".
func NewServer(c HTTPConfig, metrics *Metrics, ready func() []string, log *slog.Logger) (*Server, error) {
	s := &Server{mux: http.NewServeMux(), viewer: c.ViewerTokenFile, operator: c.OperatorTokenFile, log: log}
	for _, file := range []string{s.viewer, s.operator} {
		if file == "" {
			continue
		}
		if _, err := readSecret(file); err != nil {
			return nil, fmt.Errorf("reading a token: %w", err)
		}
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %q: %w", c.Listen, err)
	}
	// LoadConfig has said this already, with the place. This is the last door, for a Config built in code.
	if !isLoopback(host) && s.viewer == "" {
		return nil, fmt.Errorf("listening on %q: it is reachable from other machines and no viewer token is set", c.Listen)
	}
	s.Handle("GET /livez", AccessOpen, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "alive\n") }))
	s.Handle("GET /readyz", AccessOpen, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if reasons := ready(); len(reasons) > 0 {
			writeText(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	}))
	s.Handle("GET /metrics", AccessViewer, metrics.Handler())
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(context.Background(), "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listening for HTTP: %w", err)
	}
	s.server = &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: httpReadTimeout,
		ReadTimeout:       httpReadTimeout,
		WriteTimeout:      httpWriteTimeout,
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    httpHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Handle adds a page. The pattern is http.ServeMux's. It must be called before Run.
func (s *Server) Handle(pattern string, access Access, handler http.Handler) {
	s.mux.Handle(pattern, s.guard(access, handler))
}

// URL is where the server answers, for people.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run answers until ctx ends, then lets running requests finish for a few seconds. It returns nil after that.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpStopTimeout)
	defer cancel()
	if err := s.server.Shutdown(stop); err != nil {
		s.log.Debug("requests cut off at the stop", "err", err)
		err = s.server.Close()
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}

// Close gives the port back where Run was never called.
func (s *Server) Close() error { return s.listener.Close() }

func (s *Server) guard(access Access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !s.allows(access, r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="accrue"`)
			writeText(w, http.StatusUnauthorized, "show a token: Authorization: Bearer TOKEN\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) allows(access Access, r *http.Request) bool { return access <= s.Allowed(Bearer(r)) }

// holds says whether a token's file holds what was shown. It is read for each request, so that a token can be changed without a
// restart. A file that cannot be read lets nobody in.
func (s *Server) holds(file, shown string) bool {
	if file == "" {
		return false
	}
	token, err := readSecret(file)
	if err != nil {
		s.log.Error("nobody is let in by a token that cannot be read", "err", err)
		return false
	}
	return sameToken(shown, token)
}

// sameToken takes the same time wherever the two differ, so that a token cannot be guessed letter by letter.
func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write([]byte(text))
}
