package processor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/state"
)

// Options are what an engine is made of. Those without a default are required.
type Options struct {
	App      string // names group, internal topics and transactional ids: letters, digits, '.', '_' and '-'
	Instance string // names this process among those of App, and stays over restarts; empty: made up once and kept in DataDir
	DataDir  string
	// Advertise is where the other instances reach this one's HTTP port (http://host:port); they learn it from the group. Empty: nowhere.
	Advertise string
	Lanes     int // 0: 1
	Standbys  int // copies of each shard that other instances keep; 0: none
	Topics    Topics

	Kafka []kgo.Opt // how to reach the cluster: brokers, TLS, SASL; and compression
	// Programme is the configured programme, its files by name. It is what an app begins with: the first instance publishes it.
	// From then on what stands on the control topic decides.
	Programme map[string][]byte
	Secret    []byte // under which lots are drawn, the same in all instances; nil: no rule may draw any
	Decoder   Decoder
	Encoder   Encoder

	Now      func() time.Time // nil: the wall clock
	Log      *slog.Logger     // nil: nobody reads it
	Observer Observer         // nil: nobody
	FS       vfs.FS           // for the store; nil: the disk

	MemoryBytes int64         // for store and accounts together; 0: 256 MiB
	FlushEvery  time.Duration // of the store; 0: 10 s

	CommitInterval     time.Duration // 0: 100 ms
	MaxRecords         int           // input records a transaction; 0: 10,000
	MaxBytes           int64         // produced bytes a transaction; 0: 2 MiB
	MaxRecordBytes     int64         // the largest record that our topics take; 0: 1,000,000
	SessionTimeout     time.Duration // 0: 10 s
	Heartbeat          time.Duration // 0: a fifth of SessionTimeout, at most 200 ms. A shard that moves waits until all have heard of it
	RebalanceTimeout   time.Duration // 0: 60 s
	TransactionTimeout time.Duration // 0: 10 s
	StaleAfter         time.Duration // 0: 84 h
	TimersQuiet        time.Duration // 0: a minute
	StopTimeout        time.Duration // 0: 10 s
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	or(&o.SessionTimeout, 10*time.Second)
	or(&o.Heartbeat, min(o.SessionTimeout/5, 200*time.Millisecond))
	or(&o.RebalanceTimeout, time.Minute)
	or(&o.TransactionTimeout, 10*time.Second)
	or(&o.StaleAfter, 84*time.Hour)
	o.Lanes = max(o.Lanes, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 256 << 20
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = 1_000_000
	}
	return o
}

// Engine is one process's part of an app: a store, and lanes that share it.
type Engine struct {
	o     Options
	admin *kgo.Client
	adm   *kadm.Client

	programmes *programmes
	shards     int32 // N; set before lanes are made

	mu    sync.Mutex
	lanes []*Lane
	store *state.Store
	phase string // why there are no lanes; empty: there are
}

// validName is what app and instance may be made of: they become part of topic names and transactional ids.
var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`) // a constant in all but name

// New checks the options and makes an engine. Nothing is opened or asked before Run.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if !validName.MatchString(o.App) {
		return nil, fmt.Errorf("make engine: app %q: use 1 to 100 letters, digits, '.', '_' and '-'", o.App)
	}
	if o.Instance != "" && !validName.MatchString(o.Instance) {
		return nil, fmt.Errorf("make engine: instance %q: use 1 to 100 letters, digits, '.', '_' and '-'", o.Instance)
	}
	if len(o.Programme) == 0 || o.Decoder == nil || o.Encoder == nil || o.DataDir == "" || o.Topics.Control == "" || len(o.Topics.Inputs) == 0 {
		return nil, errors.New("make engine: programme, decoder, encoder, data dir, control and input topics are required")
	}
	configured, problems := programme.Parse(o.Programme)
	if configured == nil {
		return nil, fmt.Errorf("make engine: the programme is not valid:\n%s", problems)
	}
	admin, err := kgo.NewClient(kafkaOptions(o.Kafka, kgo.ClientID(o.App+"-admin"), kgo.WithLogger(newKgoLog(o.Log)))...)
	if err != nil {
		return nil, fmt.Errorf("make engine: kafka client: %w", err)
	}
	return &Engine{
		o: o, admin: admin, adm: kadm.NewClient(admin), phase: "not started",
		programmes: &programmes{
			client: admin, topic: o.Topics.Control, app: o.App, configured: configured, files: o.Programme, secret: o.Secret,
			now: o.Now, log: o.Log,
		},
	}, nil
}

// Run runs the engine until ctx ends, then stops it within StopTimeout: what was decided is committed, the groups are left,
// the store is flushed. The error says why it could not go on, and what to do. An outage of the brokers, the registry or the
// disk is no such reason; it is waited for. Run may be called once.
func (e *Engine) Run(ctx context.Context) error {
	defer e.admin.Close()
	instance, err := e.instance()
	if err != nil {
		return err
	}
	e.setInstance(instance)
	for {
		again, err := e.runOnce(ctx)
		if !again || ctx.Err() != nil {
			e.setPhase("stopped")
			return err
		}
		e.o.Log.Error("store is opened anew", "err", err)
	}
}

// runOnce runs lanes over one opening of the store. again says that a new opening can go on where this one could not.
func (e *Engine) runOnce(ctx context.Context) (again bool, err error) {
	store, err := e.awaitStore(ctx)
	if store == nil {
		return false, err
	}
	defer func() { //nolint:contextcheck // what is written is flushed, whatever ends the run
		e.setLanes(nil, nil)
		if closeErr := store.Close(); closeErr != nil && !again {
			err = errors.Join(err, fmt.Errorf("close store: %w", closeErr))
		}
		if errors.Is(err, state.ErrCorrupt) {
			err = errors.Join(err, e.destroyStore())
		}
	}()
	if err := e.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, err
	}
	err = e.runLanes(ctx, store)
	return classifyEngine(err) == RemedyReopen, err
}

// classifyEngine is classify for the end of a run; no error needs no remedy.
func classifyEngine(err error) Remedy {
	if err == nil || errors.Is(err, state.ErrPosition) {
		// A position that goes back is a bug: stop with everything that explains it.
		return RemedyStop
	}
	return classify(err)
}

func (e *Engine) storeDir() string { return filepath.Join(e.o.DataDir, "state") }

// waitingForDisk is how the phase begins in which the store cannot be opened for want of room.
const waitingForDisk = "waiting for room on the disk"

// awaitStore opens the store, and waits where the disk is full: what would need a person to start it again once there is room
// needs nobody to. No store and no error: ctx ended.
func (e *Engine) awaitStore(ctx context.Context) (*state.Store, error) {
	var said quiet
	for {
		store, err := e.openStore() //nolint:contextcheck // the store ends with Close, not with who opens it
		if err == nil {
			return store, nil
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			return nil, err
		}
		said.warn(e.o.Log, e.o.Now(), waitingForDisk, "err", err)
		e.setPhase(waitingForDisk + ": " + err.Error())
		if !sleep(ctx, time.Second) {
			return nil, nil
		}
	}
}

// openStore opens the store with its part of the memory. One that is damaged holds nothing that the changelog does not: it is
// thrown away.
func (e *Engine) openStore() (*state.Store, error) {
	e.setPhase("opening the store")
	options := state.Options{
		FS: e.o.FS, MemoryBytes: storeMemory(e.o.MemoryBytes), HotBytes: hotMemory(e.o.MemoryBytes), IsHot: rules.OpenReads, FlushEvery: e.o.FlushEvery,
		DueOf: rules.HeadDue, HasDue: rules.HasDue, Log: e.o.Log, Now: e.o.Now,
	}
	store, err := state.Open(e.storeDir(), state.Identity{App: e.o.App}, options)
	if errors.Is(err, state.ErrCorrupt) {
		e.o.Log.Error("store is damaged, restoring from the changelog", "err", err)
		if err := e.destroyStore(); err != nil {
			return nil, err
		}
		store, err = state.Open(e.storeDir(), state.Identity{App: e.o.App}, options)
	}
	return store, err
}

func (e *Engine) destroyStore() error {
	return state.Destroy(e.storeDir(), state.Identity{App: e.o.App}, state.Options{FS: e.o.FS, Log: e.o.Log})
}

// runLanes runs all lanes until ctx ends or one of them cannot go on; then the others stop, too.
func (e *Engine) runLanes(ctx context.Context, store *state.Store) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lanes := make([]*Lane, e.o.Lanes)
	writers := NewWriters()
	for i := range lanes {
		lanes[i] = e.lane(i, store, writers)
	}
	e.setLanes(lanes, store)
	e.o.Log.Info("engine started", "app", e.o.App, "instance", e.o.Instance, "lanes", e.o.Lanes, "shards", e.shards)
	failures := make([]error, len(lanes)+1)
	var work sync.WaitGroup
	work.Go(func() {
		defer cancel()
		failures[len(lanes)] = e.programmes.follow(ctx)
	})
	for i, lane := range lanes {
		work.Go(func() {
			defer cancel()
			failures[i] = lane.Run(ctx)
		})
	}
	work.Wait()
	return errors.Join(failures...)
}

// lane makes a lane with its clients.
func (e *Engine) lane(number int, store *state.Store, writers *Writers) *Lane {
	name := transactionalID(e.o.App, e.o.Instance, number)
	log := e.o.Log.With("lane", number)
	kafka := newClient(clientOptions{
		base: e.o.Kafka, admin: e.admin, group: e.o.App, name: name, siblings: e.laneNames(), shards: e.shards, topics: e.o.Topics,
		log: log, kafkaLog: newKgoLog(log),
		balancer: &balancer{
			effects: e.o.Topics.Effects, instance: e.o.Instance, address: e.o.Advertise, lane: number, standbys: e.o.Standbys,
			positions: func() map[int32]int64 { return positions(store, e.shards, e.o.Now().Add(-e.o.StaleAfter)) },
		},
		sessionTimeout: e.o.SessionTimeout, heartbeat: e.o.Heartbeat, rebalanceTimeout: e.o.RebalanceTimeout,
		transactionTimeout: e.o.TransactionTimeout, maxRecordBytes: e.o.MaxRecordBytes,
	})
	return NewLane(kafka, LaneOptions{
		Number: number, TransactionalID: name, Shards: e.shards, Topics: e.o.Topics,
		Programmes: e.programmes, Store: store, Writers: writers, Decoder: e.o.Decoder, Encoder: e.o.Encoder,
		Now: e.o.Now, Log: e.o.Log, Observer: e.o.Observer,
		CommitInterval: e.o.CommitInterval, MaxRecords: e.o.MaxRecords, MaxBytes: e.o.MaxBytes,
		MaxRecordBytes: e.o.MaxRecordBytes, CacheBytes: accountMemory(e.o.MemoryBytes) / int64(e.o.Lanes),
		TransactionTimeout: e.o.TransactionTimeout, StaleAfter: e.o.StaleAfter, TimersQuiet: e.o.TimersQuiet, StopTimeout: e.o.StopTimeout,
	})
}

// laneNames are the transactional ids of all lanes of this process.
func (e *Engine) laneNames() []string {
	names := make([]string, e.o.Lanes)
	for i := range names {
		names[i] = transactionalID(e.o.App, e.o.Instance, i)
	}
	return names
}

// transactionalID names a lane's producer. It is stable over restarts, so that the next process settles what this one leaves
// open, and it says who wrote what.
func transactionalID(app, instance string, lane int) string {
	return fmt.Sprintf("%s-%s-%d", app, instance, lane)
}

// positions reads how far the store is with each shard. One that cannot be read is one that it does not hold; so is one that
// slept since before fresh, which is of no use.
func positions(store *state.Store, shards int32, fresh time.Time) map[int32]int64 {
	at := make(map[int32]int64)
	for s := range shards {
		if p, ok, err := store.Shard(s).Position(); err == nil && ok && p.AppliedAt.After(fresh) {
			at[s] = p.Offset
		}
	}
	return at
}

// instance returns the configured name, or the one that this data folder was given when it was first used. Two processes
// cannot share a folder (the store is locked), so they cannot share the name.
func (e *Engine) instance() (string, error) {
	if e.o.Instance != "" {
		return e.o.Instance, nil
	}
	path := filepath.Join(e.o.DataDir, "instance")
	text, err := os.ReadFile(path) // the operator's own folder
	if name := strings.TrimSpace(string(text)); err == nil && validName.MatchString(name) {
		return name, nil
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	name := hex.EncodeToString(random[:])
	if err := os.MkdirAll(e.o.DataDir, 0o750); err != nil {
		return "", fmt.Errorf("name the instance: %w", err)
	}
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("name the instance: %w", err)
	}
	return name, nil
}

func (e *Engine) setInstance(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.Instance = name
}

// Instance is the name of this process among those of the app; empty: it has made none up yet. Safe for any goroutine.
func (e *Engine) Instance() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.o.Instance
}

func (e *Engine) setLanes(lanes []*Lane, store *state.Store) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lanes, e.store, e.phase = lanes, store, ""
}

func (e *Engine) setPhase(phase string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase = phase
}

// NotReady returns why this process is not ready, a reason each; none: all shards that it has are served. Safe for any
// goroutine.
func (e *Engine) NotReady() []string {
	var why []string
	for _, u := range e.Unready() {
		why = append(why, u.Text)
	}
	return why
}

// Unready is NotReady with the words for metrics.
func (e *Engine) Unready() []Unready {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.lanes) == 0 || e.phase != "" {
		word := UnreadyStarting
		switch {
		case strings.HasPrefix(e.phase, waitingForBrokers):
			word = UnreadyBrokers
		case strings.HasPrefix(e.phase, waitingForDisk):
			word = UnreadyDisk
		}
		return []Unready{{word, "the engine is " + e.phase}}
	}
	var why []Unready
	for _, l := range e.lanes {
		s := l.Status()
		why = append(why, s.Unready()...)
	}
	return why
}

// Status returns what each lane is doing. Safe for any goroutine.
func (e *Engine) Status() []LaneStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]LaneStatus, len(e.lanes))
	for i, l := range e.lanes {
		all[i] = l.Status()
	}
	return all
}

// Programmes returns what is known of the versions of the programme; false: nothing yet. Safe for any goroutine.
func (e *Engine) Programmes() (ProgrammeStatus, bool) { return e.programmes.status() }

// Store returns the open store, or nil. It may be closed by the time it is used, which then is an error.
func (e *Engine) Store() *state.Store {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.store
}

// Shards returns how many shards the app has; 0 while that is not known.
func (e *Engine) Shards() int32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shards
}
