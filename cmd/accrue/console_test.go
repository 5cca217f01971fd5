package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/demo"
	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

const (
	viewerToken, operatorToken = "viewer-secret", "operator-secret"
	consolePatience            = 60 * time.Second
	// evil is a member id, and a reason, that would run in a page which does not escape it.
	evil = `"><img src=x onerror="window.taken=1"><script>window.taken=1</script>`

	consoleProgramme = `programme: console-test
currency: CNY
redemptions: true
expiry: {after: 1 month}
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 1000}]}
rules:
  - {id: spend, title: "1 for 1", on: order, earn: {points: 1, per: 1.00}, campaign: always}
  - {id: big, title: "a bonus", on: order, when: order.total >= 100.00, earn: {points: 50}, hold: review}
  - {id: daily, on: check_in, earn: {points: 5}, budget: {points: 1000, per: day}}
`
)

// startConsole runs a service with tokens on an embedded broker, in which members have earned.
func startConsole(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	ground, err := demo.Open(t.Context(), dir, "", []byte(consoleProgramme))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ground.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := ground.Configure(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ground.Config)
	if err != nil {
		t.Fatal(err)
	}
	more := string(text) // http is its last key
	for key, token := range map[string]string{"viewer_token_file": viewerToken, "operator_token_file": operatorToken} {
		file := filepath.Join(dir, key)
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		more += fmt.Sprintf("  %s: %q\n", key, file)
	}
	more = regexp.MustCompile(`listen: .*`).ReplaceAllString(more, `listen: "127.0.0.1:0"`)
	if err := os.WriteFile(ground.Config, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := processor.LoadConfig(ground.Config, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run := &demoRun{config: config, service: s}
	if err := run.applyTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := run.waitReady(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	sendOrders(t, s)
	return s
}

// sendOrders sends an order, a return and a bonus that is held, of a member with a plain id and one with an evil one.
func sendOrders(t *testing.T, s *service) {
	t.Helper()
	ids, err := schemaIDs(t.Context(), s.registry, s.config.Topics.Kinds(), schemas.Kind.IsInput)
	if err != nil {
		t.Fatal(err)
	}
	client, err := connect(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	encoder := schemas.NewEncoder(ids)
	now := time.Now().UTC().Truncate(time.Millisecond)
	send := func(value []byte) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: s.config.Topics.Orders, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for n, member := range []string{"m1", evil} {
		order := schemas.Order{
			EventID: fmt.Sprintf("paid-%d", n), OrderID: fmt.Sprintf("o-%d", n), MemberID: member, Status: schemas.Paid, OccurredAt: now.Add(-time.Hour), Currency: "CNY",
			Lines: []schemas.Line{{LineID: evil, SKU: evil, Quantity: 1, Amount: 12000}, {LineID: "2", SKU: "tea", Quantity: 1, Amount: 3000}},
		}
		back := order
		back.EventID, back.Status, back.OccurredAt, back.Lines = fmt.Sprintf("back-%d", n), schemas.Refunded, now.Add(-30*time.Minute), nil
		back.RefundedLines = []schemas.RefundedLine{{LineID: "2", Quantity: 1, Amount: 3000}}
		for _, o := range []*schemas.Order{&order, &back} {
			value, err := encoder.Append(nil, o)
			if err != nil {
				t.Fatal(err)
			}
			send(value)
		}
	}
	send([]byte("<script>window.taken=1</script> is no order"))
}

// visitor is a browser without scripts: it keeps cookies and does not follow where it is sent.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

func newVisitor(t *testing.T, s *service) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, s.server.URL(), &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *visitor) do(method, path string, form url.Values, headers ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return response, string(body)
}

func (v *visitor) status(want int, method, path string, form url.Values, headers ...string) string {
	v.t.Helper()
	response, body := v.do(method, path, form, headers...)
	if response.StatusCode != want {
		v.t.Errorf("%s %s: %s, not %d\n%s", method, path, response.Status, want, body)
	}
	return body
}

// until asks for a page until it holds a text.
func (v *visitor) until(path, text string) string {
	v.t.Helper()
	body := ""
	for begun := time.Now(); time.Since(begun) < consolePatience; {
		if _, body = v.do("GET", path, nil); strings.Contains(body, text) {
			return body
		}
		<-time.After(100 * time.Millisecond)
	}
	v.t.Fatalf("%s never holds %q:\n%s", path, text, body)
	return ""
}

func field(body, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

func (v *visitor) signIn(name, token string) (*http.Response, string) {
	v.t.Helper()
	body := v.status(http.StatusOK, "GET", "/login", nil)
	return v.do("POST", "/login", url.Values{"form": {field(body, "form")}, "name": {name}, "token": {token}, "next": {"//evil.example/"}})
}

// Who may do what on the console, and what a page makes of what members can write: against a real engine on an embedded broker.
func TestConsole(t *testing.T) {
	s := startConsole(t)
	t.Run("a stranger sees nothing", func(t *testing.T) {
		v := newVisitor(t, s)
		for _, path := range []string{"/", "/rules", "/budgets", "/held", "/member?id=m1", "/member/entries?id=m1", "/programme", "/shards", "/dead-letters", "/live", "/issuance", "/answer"} {
			response, _ := v.do("GET", path, nil)
			if to := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/login?next=%2F") {
				t.Errorf("%s: %s to %q", path, response.Status, to)
			}
		}
		v.status(http.StatusUnauthorized, "GET", "/api/member/m1", nil)
		v.status(http.StatusUnauthorized, "POST", "/command", url.Values{"kind": {"GRANT"}})
		begun := time.Now()
		if response, body := v.signIn("eve", "guess"); response.StatusCode != http.StatusUnauthorized || time.Since(begun) < time.Second || strings.Contains(body, "guess") {
			t.Errorf("a wrong token: %s after %s\n%s", response.Status, time.Since(begun), body)
		}
		v.status(http.StatusUnauthorized, "GET", "/api/member/m1", nil, "Authorization", "Bearer guess")
		for _, cookie := range []string{"x", "Mnw5OTk5OTk5OTk5fGV2ZQ.AAAA", "Mnw5OTk5OTk5OTk5fGV2ZQ"} { // 2|9999999999|eve
			v.status(http.StatusSeeOther, "GET", "/held", nil, "Cookie", "accrue_session="+cookie)
		}
	})
	t.Run("files of ours and no others", func(t *testing.T) {
		v := newVisitor(t, s)
		v.status(http.StatusOK, "GET", "/assets/console.js", nil)
		v.status(http.StatusOK, "GET", "/assets/htmx.LICENSE", nil)
		for _, path := range []string{"/assets/..%2fconsole.go", "/assets/..%2f..%2f..%2fgo.mod", "/assets/%2e%2e%2ftemplates%2flayout.html", "/assets/..%5cconsole.go", "/assets/", "/assets/%2fetc%2fpasswd"} {
			v.status(http.StatusNotFound, "GET", path, nil)
		}
	})
	t.Run("a viewer reads and does not decide", func(t *testing.T) {
		v := newVisitor(t, s)
		response, _ := v.signIn("vera", viewerToken)
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/" {
			t.Fatalf("signing in: %s to %s", response.Status, response.Header.Get("Location"))
		}
		cookie := response.Header.Get("Set-Cookie")
		if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, viewerToken) {
			t.Errorf("the cookie is %s", cookie)
		}
		body := v.until("/held", "a bonus")
		if strings.Contains(body, `value="RELEASE"`) {
			t.Error("a viewer is shown what only an operator may do")
		}
		v.status(http.StatusForbidden, "POST", "/command", url.Values{"form": {field(body, "form")}, "kind": {"GRANT"}, "member": {"m1"}, "points": {"5"}, "reason": {"mine"}, "once": {strings.Repeat("A", 26)}})
		v.status(http.StatusForbidden, "POST", "/command", url.Values{}, "Authorization", "Bearer "+viewerToken)
		response, body = v.do("GET", "/programme?lang=zh", nil)
		if csp := response.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || !strings.Contains(body, `<html lang="zh">`) || !strings.Contains(body, "积分方案") {
			t.Errorf("in Chinese, under %s:\n%s", csp, body)
		}
		if body := v.status(http.StatusOK, "GET", "/shards", nil); !strings.Contains(body, "服务中") {
			t.Errorf("the language is not remembered:\n%s", body)
		}
	})
	t.Run("what members write is text", func(t *testing.T) {
		v := newVisitor(t, s)
		v.signIn("olga <b>", operatorToken)
		id := url.QueryEscape(evil)
		v.until("/?lang=en", "&lt;script&gt;window.taken=1")
		v.until("/dead-letters", "is no order")
		for _, path := range []string{"/", "/held?all=1", "/member?id=" + id, "/member/entries?id=" + id, "/dead-letters", "/rules", "/member?id=nobody" + id, "/login?next=" + id, "/programme?version=" + id + "&against=" + id, "/answer?sent=" + id} {
			_, body := v.do("GET", path, nil)
			if strings.Contains(body, "<script>window") || strings.Contains(body, "<img src=x") || strings.Contains(body, "olga <b>") {
				t.Errorf("%s lets markup through:\n%s", path, body)
			}
		}
	})
	t.Run("an operator decides, once", func(t *testing.T) { operatorDecides(t, s) })
	t.Run("a dead letter is sent again, once", func(t *testing.T) { deadLetterAgain(t, s) })
	t.Run("another instance says the same", func(t *testing.T) { otherInstance(t, s) })
}

// deadLetterAgain sends the one dead letter again. It fails again, so it is a new letter; who sends the first one once more is told.
func deadLetterAgain(t *testing.T, s *service) {
	viewer := newVisitor(t, s)
	viewer.signIn("vera", viewerToken)
	body := viewer.until("/dead-letters?lang=en", "is no order")
	if strings.Contains(body, `type="checkbox"`) {
		t.Error("a viewer may choose dead letters")
	}
	viewer.status(http.StatusForbidden, "POST", "/dead-letters", url.Values{"form": {field(body, "form")}, "id": {"0:0"}})

	v := newVisitor(t, s)
	v.signIn("olga", operatorToken)
	body = v.until("/dead-letters?lang=en", `name="id"`)
	m := regexp.MustCompile(`name="id" value="([0-9]+:[0-9]+)"`).FindStringSubmatch(body)
	form := url.Values{"form": {field(body, "form")}, "id": {m[1]}}
	v.status(http.StatusForbidden, "POST", "/dead-letters", url.Values{"id": {m[1]}})
	v.status(http.StatusForbidden, "POST", "/dead-letters", form, "Sec-Fetch-Site", "cross-site")
	v.status(http.StatusUnprocessableEntity, "POST", "/dead-letters", url.Values{"form": {field(body, "form")}})
	v.status(http.StatusUnprocessableEntity, "POST", "/dead-letters", url.Values{"form": {field(body, "form")}, "id": {"../../x"}})
	for _, want := range []string{"before=0&sent=1&wrong=0", "before=1&sent=0&wrong=0"} {
		response, body := v.do("POST", "/dead-letters", form)
		if to := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || to != "/dead-letters?"+want {
			t.Errorf("sent again: %s to %q, not %q\n%s", response.Status, to, want, body)
		}
	}
	body = v.until("/dead-letters?sent=1", "sent again</span>")
	if !strings.Contains(body, "olga") || !strings.Contains(body, "1 sent again; what fails again") {
		t.Errorf("the page does not say who sent what again:\n%s", body)
	}
	v.until("/dead-letters", `name="id"`) // the new one
}

// otherInstance has no shard: it reads members from the changelog. Who is signed in on one instance is on all.
func otherInstance(t *testing.T, s *service) {
	other, err := newService(s.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- other.server.Run(ctx) }()
	closed := make(chan struct{})
	go func() { other.console.Run(ctx); close(closed) }()
	t.Cleanup(func() {
		stop()
		<-closed
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	v := newVisitor(t, s)
	v.signIn("olga", operatorToken)
	here := v.status(http.StatusOK, "GET", "/api/member/"+url.PathEscape(evil), nil)
	v.base = other.server.URL()
	if there := v.status(http.StatusOK, "GET", "/api/member/"+url.PathEscape(evil), nil); there != here {
		t.Errorf("from the changelog:\n%s\nfrom the store:\n%s", there, here)
	}
	if body := v.status(http.StatusOK, "GET", "/member?id=m1&lang=en", nil); !strings.Contains(body, "From the changelog") {
		t.Errorf("the page does not say where it has this from:\n%s", body)
	}
	v.until("/held", "a bonus")

	// Who was erased is told apart from who was never there, here and there.
	erasing := erasure{operator: "olga", reason: "asked for it", wait: consolePatience, now: time.Now}
	if _, err := erasing.send(t.Context(), s.config, evil); err != nil {
		t.Fatal(err)
	}
	v.base = s.server.URL()
	v.until("/member?lang=en&id="+url.QueryEscape(evil), "This member was erased")
	for _, base := range []string{s.server.URL(), other.server.URL()} {
		v.base = base
		v.status(http.StatusGone, "GET", "/api/member/"+url.PathEscape(evil), nil)
		v.status(http.StatusNotFound, "GET", "/api/member/nobody", nil)
	}
}

func operatorDecides(t *testing.T, s *service) {
	v := newVisitor(t, s)
	v.signIn("olga", operatorToken)
	body := v.until("/member?id=m1&lang=en", `value="RELEASE"`)
	form := url.Values{"form": {field(body, "form")}, "once": {field(body, "once")}, "member": {"m1"}, "grant": {field(body, "grant")}, "kind": {"RELEASE"}, "reason": {"looked at " + evil}}
	without := func(key string) url.Values {
		less := url.Values{}
		for k, x := range form {
			if k != key {
				less[k] = x
			}
		}
		return less
	}
	v.status(http.StatusForbidden, "POST", "/command", without("form"))
	v.status(http.StatusUnprocessableEntity, "POST", "/command", without("reason"))
	v.status(http.StatusUnprocessableEntity, "POST", "/command", without("once"))
	v.status(http.StatusForbidden, "POST", "/command", form, "Sec-Fetch-Site", "cross-site")
	v.status(http.StatusForbidden, "POST", "/command", form, "Origin", "https://evil.example")
	v.status(http.StatusSeeOther, "POST", "/command", form)
	v.status(http.StatusSeeOther, "POST", "/command", form) // a double click
	sent := "console-" + field(body, "once")
	if answer := v.until("/answer?sent="+sent, "The engine has decided"); !strings.Contains(answer, ">granted<") && !strings.Contains(answer, ">nothing<") {
		t.Errorf("the answer is\n%s", answer)
	}
	grant := url.Values{"form": {field(body, "form")}, "once": {strings.Repeat("B", 26)}, "member": {"m1"}, "kind": {"GRANT"}, "points": {"7"}, "reason": {"sorry"}}
	v.status(http.StatusSeeOther, "POST", "/command", grant)
	v.status(http.StatusSeeOther, "POST", "/command", grant)
	v.until("/answer?sent=console-"+strings.Repeat("B", 26), "The engine has decided")

	// 120 of the order that is left, 50 released, 7 by hand; nothing twice.
	var d rules.Description
	text := v.status(http.StatusOK, "GET", "/api/member/m1", nil, "Authorization", "Bearer "+viewerToken)
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if d.Balance != 177 || d.Pending != 0 {
		t.Errorf("m1 has %d points and %d held, not 177 and 0:\n%s", d.Balance, d.Pending, text)
	}
	entries := v.status(http.StatusOK, "GET", "/member/entries?id=m1", nil)
	for _, want := range []string{"back-0", "taken back", "released", sent} {
		if !strings.Contains(entries, want) {
			t.Errorf("the ledger does not tell of %q:\n%s", want, entries)
		}
	}
	if page := v.status(http.StatusOK, "GET", "/member?id=m1", nil); !strings.Contains(page, "olga") || !strings.Contains(page, "Expires next") {
		t.Errorf("the page of the member does not say who released, and what expires:\n%s", page)
	}
}
