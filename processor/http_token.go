package processor

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"strings"
)

// Bearer returns the token that a request shows in its Authorization header; empty: none.
func Bearer(r *http.Request) string {
	shown, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if shown == r.Header.Get("Authorization") {
		return ""
	}
	return shown
}

// NeedsToken says whether reading needs a token; without one the port is on loopback only. Safe for any goroutine.
func (s *Server) NeedsToken() bool { return s.viewer != "" }

// Allowed is the most that whoever shows a token may do; empty: who shows none. AccessOpen: only what needs no token.
// Safe for any goroutine.
func (s *Server) Allowed(shown string) Access {
	switch {
	case s.viewer == "" && s.operator == "", shown != "" && s.holds(s.operator, shown):
		return AccessOperator
	case s.viewer == "", shown != "" && s.holds(s.viewer, shown):
		return AccessViewer
	}
	return AccessOpen
}

// SessionKey is a key that follows from the token for an access: all instances with the token have the same, and with another token
// it is another. False: there is no such token, or it cannot be read. Safe for any goroutine.
func (s *Server) SessionKey(access Access) ([]byte, bool) {
	file := ""
	switch access {
	case AccessViewer:
		file = s.viewer
	case AccessOperator:
		file = s.operator
	case AccessOpen:
	}
	if file == "" {
		return nil, false
	}
	token, err := readSecret(file)
	if err != nil {
		s.log.Error("no session is valid whose token cannot be read", "err", err)
		return nil, false
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("session of the console"))
	return mac.Sum(nil), true
}
