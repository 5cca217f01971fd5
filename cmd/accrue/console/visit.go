package console

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"accrue/cmd/accrue/wording"
	"accrue/processor"
	"accrue/rules/explain"
)

// maxForm bounds what a form may send.
const maxForm = 64 << 10

// visit is one request as pages see it.
type visit struct {
	wording.Words
	Language explain.Language
	Access   processor.Access
	Operator string // the name of who is signed in; empty: nobody is
	Signed   bool   // somebody is signed in
	Form     string // what proves that a form is ours
	Page     string
	Path     string // with its query, to come back to
	App      string
	Now      time.Time
	Reading  bool // what the page shows is not read to its end: it asks again
}

// MayDecide says whether the forms that decide are shown.
func (v *visit) MayDecide() bool { return v.Access == processor.AccessOperator }

// handler answers a request; an error is shown as a page.
type handler func(w http.ResponseWriter, r *http.Request, v *visit) error

// policy allows what we serve ourselves, and nothing that stands in a page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// visited finds out who asks, in which language, and whether they may.
func (c *Console) visited(needs processor.Access, next handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("Referrer-Policy", "same-origin")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Cache-Control", "no-store")
		language := c.language(w, r)
		v := &visit{
			Words: c.words[language], Language: language, App: c.o.Config.App, Now: time.Now().UTC(),
			Page: strings.Trim(r.URL.Path, "/"), Path: "/",
		}
		if r.Method == http.MethodGet {
			v.Path = r.URL.RequestURI()
		}
		c.recognize(r, v)
		if err := c.admit(w, r, v, needs); err != nil {
			c.fail(w, r, v, err)
			return
		}
		if v.Access < needs {
			c.turnAway(w, r, v)
			return
		}
		if err := next(w, r, v); err != nil {
			c.fail(w, r, v, err)
		}
	})
}

// recognize reads who asks: by the session's cookie, by a bearer token, or anyone where there are no tokens.
func (c *Console) recognize(r *http.Request, v *visit) {
	v.Access = c.o.Server.Allowed("")
	value := ""
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if s, ok := c.openSession(cookie.Value, v.Now); ok {
			v.Access, v.Operator, v.Signed = max(v.Access, s.access), s.name, true
			value = cookie.Value
		}
	}
	v.Form = hex.EncodeToString(sign(c.formKey(), value))
}

// formKey signs forms: where there are tokens by a key that all instances have, as a form may go to another than the one that made it.
func (c *Console) formKey() []byte {
	for _, access := range []processor.Access{processor.AccessOperator, processor.AccessViewer} {
		if key, ok := c.o.Server.SessionKey(access); ok {
			return sign(key, "forms")
		}
	}
	return c.secret
}

// admit turns away what no page of ours has sent.
func (c *Console) admit(w http.ResponseWriter, r *http.Request, v *visit, needs processor.Access) error {
	// Without tokens the port is on loopback. A name of somebody else's that leads here is a trick to read it from a web page.
	if !c.o.Server.NeedsToken() && !localHost(r.Host) {
		return &problem{http.StatusMisdirectedRequest, "error.host", nil}
	}
	if shown := processor.Bearer(r); shown != "" {
		access, err := c.checkToken(r, shown)
		if err != nil {
			return err
		}
		v.Access = access
	}
	if r.Method != http.MethodPost {
		return nil
	}
	if err := c.protection.Check(r); err != nil {
		return &problem{http.StatusForbidden, "error.origin", nil}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &problem{http.StatusBadRequest, "error.form", nil}
	}
	if v.Access < needs { // said as what it is
		return nil
	}
	if !hmac.Equal([]byte(r.PostForm.Get("form")), []byte(v.Form)) {
		return &problem{http.StatusForbidden, "error.stale", nil}
	}
	return nil
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// turnAway says what is missing: a person is shown the form, a program the status.
func (c *Console) turnAway(w http.ResponseWriter, r *http.Request, v *visit) {
	switch {
	case r.Method == http.MethodGet && !v.Signed && !strings.HasPrefix(r.URL.Path, "/api/") && processor.Bearer(r) == "":
		http.Redirect(w, r, "/login?next="+url.QueryEscape(v.Path), http.StatusSeeOther)
	case v.Access >= processor.AccessViewer:
		c.fail(w, r, v, &problem{http.StatusForbidden, "error.operator", nil})
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="accrue"`)
		c.fail(w, r, v, &problem{http.StatusUnauthorized, "error.token", nil})
	}
}

// fail shows an error as a page.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	p := asProblem(err)
	if p.status >= http.StatusInternalServerError {
		c.o.Log.Warn("a page of the console could not be shown", "path", r.URL.Path, "err", err)
	}
	data := struct {
		*visit
		Status int
		Text   string
		Detail string
	}{visit: v, Status: p.status, Text: v.T(p.key)}
	if p.err != nil {
		data.Detail = p.err.Error()
	}
	v.Page = "problem"
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, p.status, map[string]string{"error": strings.TrimSpace(data.Text + " " + data.Detail)})
		return
	}
	c.write(w, r, p.status, "problem", data)
}

// write renders a page; htmx gets its main part only. What is half rendered is never sent.
func (c *Console) write(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	var text bytes.Buffer
	name := "layout"
	if r.Header.Get("Hx-Request") == "true" {
		name = "main"
	}
	if err := c.pages[page].ExecuteTemplate(&text, name, data); err != nil {
		c.o.Log.Error("a page of the console is broken", "page", page, "err", err)
		http.Error(w, "this page is broken; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the client may be gone; there is nobody to tell
}
