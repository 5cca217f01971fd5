package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/wording"
	"accrue/processor"
	"accrue/rules/explain"
	"accrue/schemas"
)

// Options are what a console is made of. All but Engine's and Budgets' results are required.
type Options struct {
	Config   processor.Config
	Server   *processor.Server
	Registry *schemas.Registry
	Decoder  *schemas.Decoder
	Engine   func() *processor.Engine        // of this process; nil: there is none yet
	Budgets  func() []processor.BudgetReport // those whose owner is here
	Log      *slog.Logger
}

// Console serves the pages. Its methods may be called from many goroutines.
type Console struct {
	o          Options
	pages      map[string]*template.Template
	words      map[explain.Language]wording.Words
	secret     []byte // of forms where there is no session
	protection *http.CrossOriginProtection
	folding    chan struct{} // at most one changelog is read at a time
	listing    chan struct{} // at most so many members' entries are
	retrying   chan struct{} // dead letters are sent again by one at a time
	feed       *feed
	others     *http.Client // asks other instances
	stopped    chan struct{}

	mu     sync.Mutex
	client *kgo.Client // made when it is first needed
}

// New makes a console and adds its pages to the server. Nothing is asked of Kafka before somebody reads.
func New(o Options) (*Console, error) {
	c := &Console{
		o: o, secret: make([]byte, 32), protection: http.NewCrossOriginProtection(),
		words: map[explain.Language]wording.Words{}, folding: make(chan struct{}, 1), listing: make(chan struct{}, 2), retrying: make(chan struct{}, 1), others: newAsker(), stopped: make(chan struct{}),
	}
	_, _ = rand.Read(c.secret) // never fails (crypto/rand)
	var err error
	for _, language := range explain.Languages() {
		if c.words[language], err = wording.In(language); err != nil {
			return nil, fmt.Errorf("make the console: %w", err)
		}
	}
	if c.pages, err = readPages(); err != nil {
		return nil, fmt.Errorf("make the console: %w", err)
	}
	c.feed = newFeed(feedOptions{config: o.Config, decoder: o.Decoder, log: o.Log, connect: c.kafka})
	c.handle()
	return c, nil
}

// Run serves until ctx ends; then what streams is ended, and the connections to Kafka are closed. It is called once.
func (c *Console) Run(ctx context.Context) {
	<-ctx.Done()
	close(c.stopped)
	c.feed.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.client.Close()
	}
}

// kafka returns the client for questions and commands. It outlives requests.
func (c *Console) kafka() (*kgo.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	options, err := c.o.Config.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	options = append(options, kgo.ClientID(c.o.Config.App+"-console"), kgo.RecordDeliveryTimeout(deliveryTimeout),
		kgo.RetryTimeout(askTimeout))
	if c.client, err = kgo.NewClient(options...); err != nil {
		return nil, fmt.Errorf("connect the console to Kafka: %w", err)
	}
	return c.client, nil
}

// Bounds of what a page waits for.
const (
	askTimeout      = 15 * time.Second
	deliveryTimeout = 10 * time.Second
)

// handle adds all pages.
func (c *Console) handle() {
	add := func(pattern string, access processor.Access, handler handler) {
		c.o.Server.Handle(pattern, processor.AccessOpen, c.visited(access, handler))
	}
	fed := func(pattern string, next handler) { // shows what the feed has read
		add(pattern, processor.AccessViewer, func(w http.ResponseWriter, r *http.Request, v *visit) error {
			c.feed.ready(r.Context())
			return next(w, r, v)
		})
	}
	c.o.Server.Handle("GET /assets/{name}", processor.AccessOpen, http.HandlerFunc(serveAsset))
	add("GET /login", processor.AccessOpen, c.showLogin)
	add("POST /login", processor.AccessOpen, c.login)
	add("POST /logout", processor.AccessOpen, c.logout)
	fed("GET /{$}", c.showOverview)
	fed("GET /rules", c.showRules)
	fed("GET /budgets", c.showBudgets)
	fed("GET /held", c.showHeld)
	add("GET /member", processor.AccessViewer, c.showMember)
	add("GET /member/entries", processor.AccessViewer, c.showEntries)
	add("GET /programme", processor.AccessViewer, c.showProgramme)
	fed("GET /shards", c.showShards)
	fed("GET /dead-letters", c.showDeadLetters)
	add("GET /live", processor.AccessViewer, c.stream)
	fed("GET /issuance", c.issuance)
	add("GET /answer", processor.AccessViewer, c.showAnswer)
	add("GET /api/member/{id}", processor.AccessViewer, c.memberJSON)
	add("GET /api/instance", processor.AccessViewer, c.instanceJSON)
	add("POST /dead-letters", processor.AccessOperator, c.retry)
	add("POST /command", processor.AccessOperator, c.command)
}

// problem is an error for the person in front of the page: a key of the words, and what it is about.
type problem struct {
	status int
	key    string
	err    error // nil: the key says it all
}

func (p *problem) Error() string {
	if p.err == nil {
		return p.key
	}
	return p.key + ": " + p.err.Error()
}

func (p *problem) Unwrap() error { return p.err }

// asProblem makes any error one that can be shown.
func asProblem(err error) *problem {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	return &problem{http.StatusBadGateway, "error.kafka", err}
}
