package processor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// dialTimeout bounds the way to an open connection, TLS included.
const dialTimeout = 10 * time.Second

// tlsFiles are the contents of a TLSConfig's files at one moment. nil: no such file is configured.
type tlsFiles struct {
	ca, cert, key []byte
}

// read reads the files.
func (t TLSConfig) read() (tlsFiles, error) {
	var f tlsFiles
	for _, file := range []struct {
		path string
		into *[]byte
		what string
	}{{t.CAFile, &f.ca, "the authorities"}, {t.CertFile, &f.cert, "our certificate"}, {t.KeyFile, &f.key, "our certificate's key"}} {
		if file.path == "" {
			continue
		}
		var err error
		if *file.into, err = os.ReadFile(file.path); err != nil {
			return f, fmt.Errorf("reading %s: %w", file.what, err)
		}
	}
	return f, nil
}

func (f tlsFiles) equal(other tlsFiles) bool {
	return bytes.Equal(f.ca, other.ca) && bytes.Equal(f.cert, other.cert) && bytes.Equal(f.key, other.key)
}

// parse makes a configuration of what was read.
func (t TLSConfig) parse(f tlsFiles) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(f.ca) {
			return nil, fmt.Errorf("reading the authorities: %s holds no PEM certificate", t.CAFile)
		}
	}
	if f.cert != nil {
		pair, err := tls.X509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate from %s and %s: %w", t.CertFile, t.KeyFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// load reads the certificates.
func (t TLSConfig) load() (*tls.Config, error) {
	f, err := t.read()
	if err != nil {
		return nil, err
	}
	return t.parse(f)
}

// dial opens a TLS connection with what the files hold now. Connections are few and long: reading them each time is what makes
// a renewed certificate need no restart. One that is read while it is being replaced is an error, and the client dials again.
func (t TLSConfig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	config, err := t.load()
	if err != nil {
		return nil, err
	}
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}
	return dialer.DialContext(ctx, network, address)
}

// secureTransport is HTTP with files that may change: the certificates are those that the files hold at each request, and
// so is what authorize adds. Requests through it are few.
type secureTransport struct {
	tls       TLSConfig
	authorize func(*http.Request) error // nil: nobody asks who we are

	mu    sync.Mutex // guards what follows
	files tlsFiles   // what inner was made from
	inner *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (s *secureTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, err := s.current()
	if err == nil && s.authorize != nil {
		r = r.Clone(r.Context())
		err = s.authorize(r)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper closes it, also where it fails
		}
		return nil, err
	}
	return transport.RoundTrip(r)
}

// current returns a transport with what the files hold now.
func (s *secureTransport) current() (*http.Transport, error) {
	files, err := s.tls.read()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inner != nil && s.files.equal(files) {
		return s.inner, nil
	}
	config, err := s.tls.parse(files)
	if err != nil {
		return nil, err
	}
	if s.inner != nil {
		s.inner.CloseIdleConnections()
	}
	s.files = files
	s.inner = &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2,
	}
	return s.inner, nil
}
