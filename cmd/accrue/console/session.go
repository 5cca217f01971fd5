package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"accrue/processor"
)

const (
	sessionCookie = "accrue_session"
	sessionLife   = 12 * time.Hour
	maxName       = 100 // letters of an operator's name
)

// session is who is signed in.
type session struct {
	access processor.Access
	name   string
	until  time.Time
}

// seal makes the cookie's value. The key follows from the token, so the session ends with it, and is valid on every instance.
func (s session) seal(key []byte) string {
	body := fmt.Sprintf("%d|%d|%s", s.access, s.until.Unix(), s.name)
	return base64.RawURLEncoding.EncodeToString([]byte(body)) + "." + base64.RawURLEncoding.EncodeToString(sign(key, body))
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// openSession reads a cookie's value; what is not signed, or is over, is none.
func (c *Console) openSession(value string, now time.Time) (session, bool) {
	head, tail, _ := strings.Cut(value, ".")
	body, err := base64.RawURLEncoding.DecodeString(head)
	signature, err2 := base64.RawURLEncoding.DecodeString(tail)
	parts := strings.SplitN(string(body), "|", 3)
	if err != nil || err2 != nil || len(parts) != 3 {
		return session{}, false
	}
	access, err := strconv.Atoi(parts[0])
	until, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || err2 != nil || now.Unix() >= until {
		return session{}, false
	}
	s := session{processor.Access(access), parts[2], time.Unix(until, 0)}
	key, ok := c.o.Server.SessionKey(s.access)
	return s, ok && hmac.Equal(signature, sign(key, string(body)))
}

// checkToken says what a token allows. A wrong one is answered late.
func (c *Console) checkToken(r *http.Request, shown string) (processor.Access, error) {
	if c.o.Server.Knows(shown) {
		return c.o.Server.Allowed(shown), nil
	}
	if !c.o.Server.SlowGuess(r.Context()) {
		return 0, &problem{http.StatusTooManyRequests, "error.guesses", nil}
	}
	return 0, &problem{http.StatusUnauthorized, "error.wrong", nil}
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request, v *visit) error {
	c.writeLogin(w, r, v, http.StatusOK, "", "")
	return nil
}

func (c *Console) writeLogin(w http.ResponseWriter, r *http.Request, v *visit, status int, name, wrong string) {
	v.Page = "login"
	c.write(w, r, status, "login", struct {
		*visit
		Next, Name, Wrong string
	}{v, ownPath(r.FormValue("next")), name, wrong})
}

func (c *Console) login(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := strings.Join(strings.Fields(r.PostForm.Get("name")), " ")
	if name == "" || utf8.RuneCountInString(name) > maxName {
		c.writeLogin(w, r, v, http.StatusUnprocessableEntity, name, v.T("login.name.missing"))
		return nil
	}
	access, err := c.checkToken(r, strings.TrimSpace(r.PostForm.Get("token")))
	if err != nil {
		p := asProblem(err)
		c.writeLogin(w, r, v, p.status, name, v.T(p.key))
		return nil
	}
	key, ok := c.o.Server.SessionKey(access)
	if !ok { // there are no tokens: nobody needs to sign in
		http.Redirect(w, r, ownPath(r.PostForm.Get("next")), http.StatusSeeOther)
		return nil
	}
	s := session{access, name, v.Now.Add(sessionLife)}
	c.setCookie(w, r, sessionCookie, s.seal(key), sessionLife)
	http.Redirect(w, r, ownPath(r.PostForm.Get("next")), http.StatusSeeOther)
	return nil
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request, _ *visit) error {
	c.setCookie(w, r, sessionCookie, "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// setCookie sets a cookie that no script reads and no other site sends.
func (c *Console) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	// Without TLS on the way a Secure cookie would never come back.
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

// ownPath is a path of ours to go to; anything that could lead elsewhere is the first page.
func ownPath(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
