package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// newTestRegistry makes a client for URLs.
func newTestRegistry(t *testing.T, config RegistryConfig) *Registry {
	t.Helper()
	r, err := NewRegistry(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// known shows the password to the registry.
type known struct{}

func (known) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth("user", "pass")
	return http.DefaultTransport.RoundTrip(r)
}

// The way of a schema from `topics apply` to a decoded record, with basic auth.
func TestRegistry(t *testing.T) {
	fake := srfake.New(srfake.WithAuth("Basic dXNlcjpwYXNz")) // user:pass
	defer fake.Close()
	ctx := t.Context()
	r := newTestRegistry(t, RegistryConfig{URLs: []string{fake.URL()}, HTTP: &http.Client{Transport: known{}}})

	ids := make(map[Kind]int)
	for _, kind := range Kinds() {
		subject := Subject(kind.Topic())
		if _, found, err := r.LatestID(ctx, subject); err != nil || found {
			t.Fatalf("%s before it is registered: %v, %v", subject, found, err)
		}
		if _, found, err := r.LookUp(ctx, subject, kind.SchemaText()); err != nil || found {
			t.Fatalf("%s before it is registered: %v, %v", subject, found, err)
		}
		if err := r.CheckCompatible(ctx, subject, kind.SchemaText()); err != nil {
			t.Fatal(err)
		}
		id, err := r.Register(ctx, subject, kind.SchemaText())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := r.Register(ctx, subject, kind.SchemaText()); err != nil || again != id {
			t.Fatalf("registered again: %d and %d, %v", id, again, err)
		}
		if latest, found, err := r.LatestID(ctx, subject); err != nil || !found || latest != id {
			t.Fatalf("latest: %d, %v, %v, expected %d", latest, found, err, id)
		}
		if found, ok, err := r.LookUp(ctx, subject, kind.SchemaText()); err != nil || !ok || found != id {
			t.Fatalf("looked up: %d, %v, %v, expected %d", found, ok, err, id)
		}
		ids[kind] = id
	}
	want := benchOrder(3)
	data, err := NewEncoder(ids).Append(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewDecoder(r).Decode(ctx, KindOrder, data)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.(*Order); !ok || o.EventID != want.EventID {
		t.Errorf("got %v", got)
	}
	if _, err := r.SchemaByID(ctx, 12345); !errors.Is(err, ErrSchemaUnknown) {
		t.Errorf("an id that is not there: %v", err)
	}
	if _, err := r.Register(ctx, "s", `{"type":`); err == nil {
		t.Error("a broken schema is registered")
	}

	// Without the password nothing is "unknown": the set-up is wrong, and the record can wait.
	stranger := NewDecoder(newTestRegistry(t, RegistryConfig{URLs: []string{fake.URL()}}))
	_, err = stranger.Decode(ctx, KindOrder, data)
	var bad *BadRecord
	if err == nil || errors.As(err, &bad) {
		t.Errorf("without a password: %v, expected an error that is worth another try", err)
	}
}

// A registry under a path, as Apicurio serves it; at the root there is a web page. What is no Avro schema is of no use for
// ever, what has the wrong path is not taken for "unknown".
func TestRegistryUnderPath(t *testing.T) {
	const base = "/apis/ccompat/v7"
	mux := http.NewServeMux()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	mux.HandleFunc("GET "+base+"/schemas/ids/1", answer(200, `{"schema":"\"string\""}`))
	mux.HandleFunc("GET "+base+"/schemas/ids/2", answer(200, `{"schemaType":"PROTOBUF","schema":"x"}`))
	mux.HandleFunc("GET "+base+"/schemas/ids/3", answer(200, `{"schema":"x","references":[{"name":"n","subject":"other","version":1}]}`))
	mux.HandleFunc("GET "+base+"/schemas/ids/4", answer(404, `{"error_code":40403,"message":"Schema 4 not found"}`))
	mux.HandleFunc("GET "+base+"/schemas/ids/5", answer(500, `{"error_code":50001,"message":"store"}`))
	mux.HandleFunc("POST "+base+"/compatibility/subjects/s/versions/latest",
		answer(200, `{"is_compatible":false,"messages":["field x","field y"]}`))
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	ctx := t.Context()
	down := httptest.NewServer(mux)
	down.Close()
	r := newTestRegistry(t, RegistryConfig{URLs: []string{down.URL + base, server.URL + base + "/"}, HTTP: server.Client()})

	for id, want := range map[int]string{
		1: "",
		2: "schema cannot be used: it is of type PROTOBUF, expected Avro",
		3: "schema cannot be used: it refers to other; only schemas that stand alone are supported",
		4: "schema id 4: schema is not in the registry",
		5: "asking the registry for schema id 5: store",
		6: "asking the registry for schema id 6: ",
	} {
		text, err := r.SchemaByID(ctx, id)
		if want == "" && (err != nil || text != `"string"`) || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("id %d: %s, %v, expected %s", id, text, err, want)
		}
	}
	wrongPath := newTestRegistry(t, RegistryConfig{URLs: []string{server.URL}, HTTP: server.Client()})
	if _, err := wrongPath.SchemaByID(ctx, 4); err == nil || errors.Is(err, ErrSchemaUnknown) {
		t.Errorf("wrong path: %v", err)
	}
	var incompatible *IncompatibleError
	err := r.CheckCompatible(ctx, "s", `"string"`)
	if !errors.As(err, &incompatible) || len(incompatible.Messages) != 2 ||
		err.Error() != "the schema is not compatible with the latest one of s: field x; field y" {
		t.Errorf("incompatible: %v", err)
	}
	server.Close()
	if _, err := r.SchemaByID(ctx, 1); err != nil {
		t.Errorf("a schema that was read is not kept: %v", err)
	}
	for name, call := range map[string]func() error{
		"id":         func() error { _, err := r.SchemaByID(ctx, 5); return err },
		"latest":     func() error { _, _, err := r.LatestID(ctx, "s"); return err },
		"look up":    func() error { _, _, err := r.LookUp(ctx, "s", "x"); return err },
		"register":   func() error { _, err := r.Register(ctx, "s", "x"); return err },
		"compatible": func() error { return r.CheckCompatible(ctx, "s", "x") },
	} {
		var response *sr.ResponseError
		if err := call(); err == nil || errors.As(err, &response) || errors.Is(err, ErrSchemaUnknown) {
			t.Errorf("%s of a registry that is gone: %v", name, err)
		}
	}
	if _, err := NewRegistry(RegistryConfig{}); err == nil {
		t.Error("a registry without a URL")
	}
}

// A registry gives no reason where it is not asked for any, or knows none.
func TestIncompatibleWithoutReason(t *testing.T) {
	if got := (&IncompatibleError{Subject: "s"}).Error(); got != "the schema is not compatible with the latest one of s" {
		t.Error(got)
	}
}

// countingSource counts what is asked, and answers as it is told.
type countingSource struct {
	mu     sync.Mutex
	asked  int // guarded by mu
	answer func(id int) (string, error)
}

func (s *countingSource) SchemaByID(_ context.Context, id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.answer(id)
}

// A flood of records with an id that is unknown asks once in a while, not once a record; when the schema turns up, it is
// found. A schema that cannot be read asks once for ever. A registry that is away is asked every time, and is nobody's
// bad record.
func TestDecoderAsksSeldom(t *testing.T) {
	now := time.Unix(0, 0)
	var answer error
	source := &countingSource{answer: func(int) (string, error) { return KindReferral.SchemaText(), answer }}
	d := NewDecoder(source, DecoderOptions{UnknownFor: time.Minute, Now: func() time.Time { return now }})
	data := mustEncode(t, &Referral{EventID: "e"})
	decode := func(kind Kind, times int) error {
		var err error
		for range times {
			_, err = d.Decode(context.Background(), kind, data)
		}
		return err
	}
	var bad *BadRecord
	step := func(name string, err error, isBad bool, asked int) {
		t.Helper()
		if (err != nil && errors.As(err, &bad)) != isBad {
			t.Errorf("%s: %v, expected a bad record: %v", name, err, isBad)
		}
		if source.asked != asked {
			t.Errorf("%s: asked %d times, expected %d", name, source.asked, asked)
		}
		source.asked = 0
	}
	answer = errors.New("no route to host")
	err := decode(KindReferral, 3)
	step("away", err, false, 3)
	if err == nil || err.Error() != "reading schema 3: no route to host" {
		t.Errorf("away: %v", err)
	}
	answer = fmt.Errorf("id 3: %w", ErrSchemaUnknown)
	step("unknown", decode(KindReferral, 1000), true, 1)
	now = now.Add(time.Minute)
	step("unknown a minute later", decode(KindReferral, 1000), true, 1)
	answer = nil
	step("known, but still believed unknown", decode(KindReferral, 10), true, 0)
	now = now.Add(time.Minute)
	step("known", decode(KindReferral, 1000), false, 1)
	step("of another kind", decode(KindOrder, 1000), true, 1)
	answer = fmt.Errorf("%w: it is of type JSON", ErrSchemaUnusable)
	step("unusable", decode(KindMember, 1000), true, 1)
}

// Ids by the hundred thousand, as rubbish behind a zero byte has them, fill no memory.
func TestCachesAreBounded(t *testing.T) {
	source := &countingSource{answer: func(int) (string, error) { return "", ErrSchemaUnknown }}
	d := NewDecoder(source)
	for id := range maxUnknown + 1000 {
		expectBad(t, d, KindOrder, AppendHeader(nil, id))
	}
	if n := len(d.unknown.entries); n != maxUnknown {
		t.Errorf("%d unknown ids are kept, expected %d", n, maxUnknown)
	}
	source.answer = func(int) (string, error) { return "", ErrSchemaUnusable }
	d = NewDecoder(source)
	for id := range maxPlans + 1000 {
		expectBad(t, d, KindOrder, AppendHeader(nil, id))
	}
	if n := len(d.plans.entries); n != maxPlans {
		t.Errorf("%d plans are kept, expected %d", n, maxPlans)
	}
}

// Decoder and encoder are used by all lanes at once; run with -race.
func TestConcurrentUse(t *testing.T) {
	d, e := NewDecoder(ownSchemas()), NewEncoder(ids())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				for _, kind := range []Kind{KindOrder, KindDecision} {
					want := sampleRecords()[kind]
					data, err := e.Append(nil, want)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := d.Decode(context.Background(), kind, data)
					if err != nil {
						t.Error(err)
						return
					}
					if again, err := e.Append(nil, got); err != nil || string(again) != string(data) {
						t.Errorf("%s changed: %v", kind, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// sampleRecords are two usual records.
func sampleRecords() map[Kind]any {
	return map[Kind]any{KindOrder: benchOrder(3), KindDecision: benchDecision()}
}
