package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"accrue/cmd/accrue/console"
	"accrue/processor"
	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

const (
	// laneStop bounds each half of a lane's stop (finish and commit, then leave the group), so that a process is gone within
	// the 10 s that most supervisors give it.
	laneStop = 4 * time.Second
	// recordRoom is what Kafka's own framing of a batch of one record takes at most.
	recordRoom = 1 << 10
	// registryPause is how long a registry that does not answer is left alone.
	registryPause    = 500 * time.Millisecond
	registryPauseMax = 5 * time.Second
)

// service is an engine with what surrounds it: programme, schemas, metrics, HTTP. `run` and `demo` run the same one.
type service struct {
	config    processor.Config
	log       *slog.Logger
	programme *programme.Programme // the configured one
	files     map[string][]byte    // its files, named as they are published
	secret    []byte               // of lots; nil: none is configured
	registry  *schemas.Registry
	metrics   *processor.Metrics
	meter     *processor.Meter
	server    *processor.Server // nil: off
	console   *console.Console  // nil: there is no server

	mu     sync.Mutex // guards what follows
	engine *processor.Engine
	phase  string // why there is no engine yet
}

// newService reads the programme and binds the HTTP port. It asks nobody.
func newService(c processor.Config, log *slog.Logger) (*service, error) {
	if c.Programme == "" {
		return nil, invalidf("the configuration names no programme: set the key programme to a file or folder of rules (accrue rules check tells whether it is valid)")
	}
	s := &service{config: c, log: log, metrics: processor.NewMetrics(), phase: "starting"}
	s.meter = processor.NewMeter(s.metrics)
	s.metrics.Build.WithLabelValues(readBuild().Version).Set(1)
	var err error
	if s.programme, s.files, err = loadValid(c.Programme); err != nil {
		return nil, err
	}
	if s.secret, err = c.Random.Key(); err != nil {
		return nil, &invalidError{err}
	}
	if _, err := newLedger(s.programme, s.secret); err != nil { // said at once, not only when the brokers answer
		return nil, err
	}
	if s.registry, err = c.Registry.Open(); err != nil {
		return nil, err
	}
	if c.HTTP.Listen != "off" {
		if s.server, err = processor.NewServer(c.HTTP, s.metrics, s.notReady, log); err != nil {
			return nil, fmt.Errorf("%w; set http.listen to another port, or to off", err)
		}
		s.console, err = console.New(console.Options{
			Config: c, Server: s.server, Registry: s.registry, Decoder: schemas.NewDecoder(s.registry), Engine: s.runningEngine,
			Budgets: s.meter.Budgets, Log: log,
		})
		if err != nil {
			return nil, errors.Join(err, s.server.Close())
		}
	}
	return s, nil
}

// newLedger makes the ledger of one programme, which is in force for all time.
func newLedger(p *programme.Programme, secret []byte) (*rules.Ledger, error) {
	ledger, err := rules.NewLedger(programme.Versions{{Programme: p}}, rules.Secret(secret))
	var needs *rules.NeedsSecret
	if errors.As(err, &needs) {
		return nil, invalidf("rule %s of %s draws lots (chance, random): make a secret with `openssl rand -hex 32`, put it into a file that all instances have, and name that in random.key_file",
			needs.Rule, p.ID)
	}
	if err != nil {
		return nil, &invalidError{err}
	}
	return ledger, nil
}

// run runs until ctx ends or the engine cannot go on. What can be waited for is waited for; readiness tells what.
func (s *service) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	var serverErr error
	if s.server != nil {
		beside.Go(func() { s.console.Run(ctx) })
		beside.Go(func() {
			defer cancel()
			serverErr = s.server.Run(ctx)
		})
	}
	err := s.runEngine(ctx, &beside)
	cancel()
	beside.Wait()
	return errors.Join(err, serverErr)
}

func (s *service) runEngine(ctx context.Context, beside *sync.WaitGroup) error {
	ids, err := s.waitForSchemas(ctx)
	if err != nil || ids == nil {
		return err
	}
	options, err := s.options(ids)
	if err != nil {
		return err
	}
	engine, err := processor.New(options)
	if err != nil {
		return err
	}
	s.setEngine(engine)
	beside.Go(func() { s.metrics.Watch(ctx, engine) })
	return engine.Run(ctx)
}

// options translates the configuration.
func (s *service) options(ids map[schemas.Kind]int) (processor.Options, error) {
	c := s.config
	kafka, err := c.Kafka.ClientOptions()
	if err != nil {
		return processor.Options{}, err
	}
	return processor.Options{
		App: c.App, Instance: c.Instance, DataDir: c.Data, Lanes: c.Lanes, Standbys: c.Standbys, Topics: engineTopics(c),
		Kafka: kafka, Programme: s.files, Secret: s.secret, Decoder: schemas.NewDecoder(s.registry), Encoder: schemas.NewEncoder(ids),
		Log: s.log, Observer: s.meter,
		MemoryBytes: c.State.MemoryBytes, FlushEvery: c.State.FlushEvery, TimersQuiet: c.Timers.Quiet,
		CommitInterval: c.Commit.Interval, MaxRecords: c.Commit.MaxRecords, MaxBytes: c.Commit.MaxBytes,
		MaxRecordBytes: processor.MaxRecordBytes - recordRoom,
		SessionTimeout: c.Kafka.SessionTimeout, TransactionTimeout: c.Kafka.TransactionTimeout,
		StopTimeout: laneStop,
	}, nil
}

// engineTopics names the topics as the engine wants them.
func engineTopics(c processor.Config) processor.Topics {
	t := c.Topics
	topics := processor.Topics{
		Inputs:      map[string]schemas.Kind{},
		PointGrants: t.PointGrants, TierChanges: t.TierChanges, Decisions: t.Decisions, FraudAlerts: t.FraudAlerts,
		Notices: t.Notices, DeadLetters: t.DeadLetters,
		State: processor.InternalTopic(c.App, "state"), Effects: processor.InternalTopic(c.App, "effects"),
		Control: processor.InternalTopic(c.App, "control"),
	}
	for name, kind := range t.Kinds() {
		if kind.IsInput() {
			topics.Inputs[name] = kind
		}
	}
	return topics
}

// waitForSchemas learns the ids of the schemas that the engine writes, however long the registry is away; it logs that once.
// A nil map without an error: ctx ended.
func (s *service) waitForSchemas(ctx context.Context) (map[schemas.Kind]int, error) {
	kinds := func(k schemas.Kind) bool { return !k.IsInput() }
	topics := s.config.Topics.Kinds()
	topics[processor.InternalTopic(s.config.App, "effects")] = schemas.KindEffect
	pause, waited := registryPause, false
	for {
		ids, err := schemaIDs(ctx, s.registry, topics, kinds)
		var missing *missingSchemaError
		switch {
		case err == nil && waited:
			s.log.Info("schema registry answers", "url", s.config.Registry.URL)
			fallthrough
		case err == nil, errors.As(err, &missing):
			return ids, err
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // stopped while waiting
		}
		s.setPhase("waiting for the schema registry: " + err.Error())
		s.metrics.SetUnready(processor.Unready{Word: processor.UnreadyRegistry})
		if !waited {
			waited = true
			s.log.Warn("waiting for the schema registry, asking again until it answers", "url", s.config.Registry.URL, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pause):
		}
		pause = min(2*pause, registryPauseMax)
	}
}

// missingSchemaError says that the registry answers, and does not have a schema.
type missingSchemaError struct {
	kind  schemas.Kind
	topic string
}

func (e *missingSchemaError) Error() string {
	return fmt.Sprintf("the %s schema of this version is not registered for %s: run accrue topics apply with this configuration", e.kind, e.topic)
}

// schemaIDs looks up the ids of this version's schemas.
func schemaIDs(ctx context.Context, registry *schemas.Registry, topics schemas.Topics, wanted func(schemas.Kind) bool) (map[schemas.Kind]int, error) {
	ids := map[schemas.Kind]int{}
	for topic, kind := range topics {
		if !wanted(kind) {
			continue
		}
		id, found, err := registry.LookUp(ctx, schemas.Subject(topic), kind.SchemaText())
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, &missingSchemaError{kind, topic}
		}
		ids[kind] = id
	}
	return ids, nil
}

func (s *service) setEngine(e *processor.Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.phase = e, ""
}

// runningEngine is nil while there is none yet.
func (s *service) runningEngine() *processor.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine
}

func (s *service) setPhase(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

// notReady returns why this process is not ready, a reason each.
func (s *service) notReady() []string {
	s.mu.Lock()
	engine, phase := s.engine, s.phase
	s.mu.Unlock()
	if engine == nil {
		return []string{phase}
	}
	return engine.NotReady()
}
