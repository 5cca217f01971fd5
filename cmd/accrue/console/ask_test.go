package console_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/console"
	"accrue/cmd/accrue/demo"
	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

const visitsProgramme = `programme: visits
currency: CNY
time_zone: Asia/Shanghai
return_window: 30 days
rules:
  - {id: visit, title: A visit, on: check_in, earn: {points: 5}}
`

const viewerToken = "viewer-token-of-the-fleet"

// house is what instances of a test share: a broker, a registry, topics, tokens.
type house struct {
	t        *testing.T
	config   processor.Config
	registry *schemas.Registry
	ids      map[schemas.Kind]int
	kafka    []kgo.Opt
}

func openHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	ground, err := demo.Open(t.Context(), dir, "", []byte(visitsProgramme))
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
	token := filepath.Join(dir, "viewer")
	if err := os.WriteFile(token, []byte(viewerToken), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, ids: map[schemas.Kind]int{}}
	if h.config, err = processor.LoadConfig(ground.Config, []string{"ACCRUE_HTTP_LISTEN=127.0.0.1:0", "ACCRUE_HTTP_VIEWER_TOKEN_FILE=" + token}); err != nil {
		t.Fatal(err)
	}
	if h.kafka, err = h.config.Kafka.ClientOptions(); err != nil {
		t.Fatal(err)
	}
	if h.registry, err = schemas.NewRegistry(schemas.RegistryConfig{URLs: []string{h.config.Registry.URL}}); err != nil {
		t.Fatal(err)
	}
	client := h.client()
	raw, err := h.config.Registry.Client()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := processor.PlanTopics(t.Context(), client, raw, h.config)
	if err == nil {
		err = processor.ApplyTopics(t.Context(), plan, func(processor.TopicStep) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	topics := h.config.Topics.Kinds()
	topics[processor.InternalTopic(h.config.App, "effects")] = schemas.KindEffect
	for topic, kind := range topics {
		id, found, err := h.registry.LookUp(t.Context(), schemas.Subject(topic), kind.SchemaText())
		if err != nil || !found {
			t.Fatal(topic, found, err)
		}
		h.ids[kind] = id
	}
	return h
}

func (h *house) client() *kgo.Client {
	h.t.Helper()
	client, err := kgo.NewClient(h.kafka...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(client.Close)
	return client
}

// checkIn sends a check-in of a member.
func (h *house) checkIn(client *kgo.Client, member, event string) {
	h.t.Helper()
	value, err := schemas.NewEncoder(h.ids).Append(nil, &schemas.CheckIn{
		EventID: event, MemberID: member, OccurredAt: time.Now().UTC().Truncate(time.Millisecond), Activity: "check-in",
	})
	if err == nil {
		err = client.ProduceSync(h.t.Context(), &kgo.Record{Topic: h.config.Topics.CheckIns, Key: []byte(member), Value: value}).FirstErr()
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// instance is one process of the fleet: an engine and a console.
type instance struct {
	url  string
	stop func()
}

// start starts one. It tells the others its own address, none ("-"), or another.
func (h *house) start(name, address string) *instance {
	h.t.Helper()
	c := h.config
	log := slog.New(slog.DiscardHandler)
	metrics := processor.NewMetrics()
	server, err := processor.NewServer(c.HTTP, metrics, func() []string { return nil }, log)
	if err != nil {
		h.t.Fatal(err)
	}
	o := processor.Options{
		App: c.App, Instance: name, DataDir: h.t.TempDir(), Lanes: 1, Topics: c.EngineTopics(), Kafka: h.kafka,
		Programme: map[string][]byte{"programme.yaml": []byte(visitsProgramme)}, Log: log,
		Decoder: schemas.NewDecoder(h.registry), Encoder: schemas.NewEncoder(h.ids),
	}
	switch address {
	case "":
		o.Advertise = server.URL()
	case "-":
	default:
		o.Advertise = address
	}
	engine, err := processor.New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	page, err := console.New(console.Options{
		Config: c, Server: server, Registry: h.registry, Decoder: schemas.NewDecoder(h.registry),
		Engine: func() *processor.Engine { return engine }, Budgets: func() []processor.BudgetReport { return nil }, Log: log,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { page.Run(ctx) })
	work.Go(func() {
		if err := engine.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	work.Go(func() {
		if err := server.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	i := &instance{server.URL(), sync.OnceFunc(func() { cancel(); work.Wait() })}
	h.t.Cleanup(i.stop)
	return i
}

// ask is a request with the viewer's token.
func (i *instance) ask(t *testing.T, path, asked string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+viewerToken)
	if asked != "" {
		request.Header.Set("Accrue-Asked", asked)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !ok(); <-tick.C {
		if time.Since(begun) > 40*time.Second {
			t.Fatal("waited too long until ", what)
		}
	}
}

// Every instance shows every member: those of another one are asked of it, those of one that is gone, or tells no address, come from the
// changelog; and all say the same. Names that mean something in a path are names like any other.
func TestMemberOfAnotherInstance(t *testing.T) {
	h := openHouse(t)
	a, b := h.start("a", ""), h.start("b", "")
	members := []string{"m1", "m2", "m3", "m4", "..", "a/b", "a&id=m1", "a#m1", "a%2Fb", "会员 1", `"><script>alert(1)</script>`}
	client := h.client()
	for n, member := range members {
		h.checkIn(client, member, fmt.Sprintf("e%d", n))
	}
	path := func(member string) string {
		return "/api/member/" + strings.ReplaceAll(url.PathEscape(member), ".", "%2E")
	}
	served := map[string]bool{} // by a, where it is asked by another instance
	until(t, "all members are shown by both, and each serves some", func() bool {
		clear(served)
		here := 0
		for _, member := range members {
			if status, _ := a.ask(t, path(member), ""); status != http.StatusOK {
				return false
			}
			status, _ := a.ask(t, path(member), "test")
			if other, _ := b.ask(t, path(member), "test"); (status == http.StatusOK) == (other == http.StatusOK) {
				return false // it moves
			}
			if served[member] = status == http.StatusOK; served[member] {
				here++
			}
		}
		return here > 0 && here < len(members)
	})
	for _, member := range members {
		_, atA := a.ask(t, path(member), "")
		_, atB := b.ask(t, path(member), "")
		var d rules.Description
		if err := json.Unmarshal([]byte(atA), &d); err != nil || d.Member != member || d.Balance != 5 || atA != atB {
			t.Errorf("%q is told as %q (%v) and as %q", member, atA, err, atB)
		}
		want := map[bool]string{true: "From the store of this instance", false: "From the store of the instance that serves this member"}[served[member]]
		if status, page := a.ask(t, "/member?id="+url.QueryEscape(member), ""); status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("the page of %q has status %d and not %q:\n%s", member, status, want, page)
		}
	}
	for _, i := range []*instance{a, b} {
		if status, text := i.ask(t, "/api/member/nobody", ""); status != http.StatusNotFound {
			t.Errorf("of nobody it is told %d %s", status, text)
		}
	}

	silent := h.start("c", "-")
	a.stop()
	until(t, "the one that tells no address serves some", func() bool {
		for _, member := range members {
			if status, _ := silent.ask(t, path(member), "test"); status == http.StatusOK {
				_, page := b.ask(t, "/member?id="+url.QueryEscape(member), "")
				return strings.Contains(page, "From the changelog")
			}
		}
		return false
	})
}

// Whoever is asked gets a session that reads, and is over in seconds: no token, and nothing that decides. What they answer is not believed
// where it is about somebody else, and a redirect is not followed.
func TestAskShowsNoToken(t *testing.T) {
	h := openHouse(t)
	shown := make(chan *http.Request, 1000)
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	t.Cleanup(thief.Close)
	h.start("thief", thief.URL)
	h.checkIn(h.client(), "m1", "e1")
	front := h.start("front", "-")
	var asked *http.Request
	for n := 0; asked == nil; n++ {
		member := fmt.Sprintf("m%d", n%8+1)
		h.checkIn(h.client(), member, fmt.Sprintf("e%d", n+2))
		until(t, member+" is shown", func() bool {
			status, _ := front.ask(t, "/api/member/"+member, "")
			return status == http.StatusOK
		})
		select {
		case asked = <-shown:
		default:
		}
	}
	if asked.Header.Get("Authorization") != "" || !strings.HasPrefix(asked.URL.Path, "/api/member/") || asked.Header.Get("Accrue-Asked") == "" {
		t.Errorf("the other instance was asked for %s with %v", asked.URL, asked.Header)
	}
	cookie, err := asked.Cookie("accrue_session")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(cookie.Value, ".")
	body, err := base64.RawURLEncoding.DecodeString(head)
	access, rest, _ := strings.Cut(string(body), "|")
	until, _, _ := strings.Cut(rest, "|")
	if ends, err2 := strconv.ParseInt(until, 10, 64); err != nil || err2 != nil || access != strconv.Itoa(int(processor.AccessViewer)) ||
		time.Until(time.Unix(ends, 0)) > 15*time.Second {
		t.Errorf("it was shown %q: %v", body, errors.Join(err, err2))
	}
}
