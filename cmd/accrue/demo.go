package main

import (
	"context"
	_ "embed" // for the programme
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/demo"
	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
)

//go:embed demo/programme.yaml
var demoProgramme []byte

const (
	demoPatience = 30 * time.Second // for the engine to get ready, and for the next answer
	demoWaiting  = 10_000           // events on their way, where they are sent as fast as they are answered
	demoFlush    = 5 * time.Second  // for the last records at the end
	demoPorts    = 5                // that are tried for HTTP
	demoLines    = 3 * time.Second  // between two looks at what was granted
)

// newDemoCmd is `accrue demo`.
func newDemoCmd() *cobra.Command {
	d := &demoRun{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole system on this machine, with nothing installed",
		Long: "Runs a broker, a schema registry, the engine, and a shop whose members order, return, check in and sometimes send\n" +
			"rubbish, and prints every few seconds what was granted, and where the console is. All data is in one folder: started again it goes on with the\n" +
			"same members and their balances. With --events N --exit it sends N events as fast as the engine takes them, waits\n" +
			"until each is answered, and prints a summary.",
		Example: "  accrue demo\n  accrue demo --events 500 --exit\n  accrue demo --data /tmp/demo --rate 50 --programme my-programme.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case d.exit && !cmd.Flags().Changed("events"):
				return invalidf("--exit needs --events: after how many")
			case cmd.Flags().Changed("events") && d.events < 1:
				return invalidf("--events is a number of events from 1 on, not %d", d.events)
			case d.rate < 1 && cmd.Flags().Changed("rate"):
				return invalidf("--rate is a number of events a second from 1 on, not %d", d.rate)
			case d.data == "":
				return invalidf("--data is empty: name a folder")
			}
			if d.events == 0 && d.rate == 0 {
				d.rate = 5
			}
			d.out, d.errs = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return d.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.data, "data", "demo-data", "the folder that holds everything; delete it to begin anew")
	flags.Int64Var(&d.events, "events", 0, "close the shop after so many events (default: never)")
	flags.BoolVar(&d.exit, "exit", false, "with --events: print the summary and stop when all are answered")
	flags.Int64Var(&d.rate, "rate", 0, "events a second (default: 5, with --events as fast as the engine takes them)")
	flags.StringVar(&d.programme, "programme", "", "a programme of your own (default: the one in the folder)")
	return cmd
}

// demoRun is one run of the demo.
type demoRun struct {
	data      string
	events    int64 // 0: without end
	exit      bool
	rate      int64 // events a second; 0: as fast as they are answered
	programme string
	out, errs io.Writer

	config  processor.Config
	service *service
	shop    *demo.Shop
	watch   *demo.Watch
	summary summary
	sending *kgo.Client
	failed  atomic.Pointer[error] // a record that the broker did not take
}

func (d *demoRun) run(ctx context.Context) (err error) {
	if d.programme != "" { // said before anything is started
		if _, _, err := loadValid(d.programme); err != nil {
			return err
		}
	}
	ground, err := demo.Open(ctx, d.data, d.programme, demoProgramme)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ground.Close()) }()
	log, err := os.OpenFile(filepath.Join(ground.Dir, "engine.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the engine's log: %w", err)
	}
	defer log.Close()                                                //nolint:errcheck // its lines are written one by one
	if err := d.configure(ground, newLog(log, "info")); err != nil { //nolint:contextcheck // binding a port waits for nothing
		return err
	}
	if err := d.applyTopics(ctx); err != nil {
		return errors.Join(err, d.service.server.Close())
	}
	return d.runEngine(ctx, ground)
}

// configure makes the engine, which binds the port for HTTP: another one where somebody has taken it meanwhile.
func (d *demoRun) configure(ground *demo.Ground, log *slog.Logger) (err error) {
	for range demoPorts {
		if err = ground.Configure(); err != nil {
			return err
		}
		if d.config, err = processor.LoadConfig(ground.Config, nil); err != nil {
			return err
		}
		if d.service, err = newService(d.config, log); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return err
}

// applyTopics does what `accrue topics apply` does.
func (d *demoRun) applyTopics(ctx context.Context) error {
	registry, err := d.config.Registry.Client()
	if err != nil {
		return err
	}
	client, err := connect(ctx, d.config)
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := processor.PlanTopics(ctx, client, registry, d.config)
	if err != nil {
		return err
	}
	if err := refusals(plan); err != nil {
		return fmt.Errorf("%w\n%s", err, plan)
	}
	return processor.ApplyTopics(ctx, plan, func(processor.TopicStep) {})
}

// runEngine runs the engine around the shop: it is there before the first event, and ends after the last answer.
func (d *demoRun) runEngine(ctx context.Context, ground *demo.Ground) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx)) // Ctrl-C closes the shop first
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.service.run(working) }()
	err := d.waitReady(ctx, ended)
	if err == nil && ctx.Err() == nil {
		err = d.trade(ctx, working, ground)
	}
	stop()
	select {
	case engineErr := <-ended:
		err = errors.Join(err, engineErr)
	case <-time.After(demoPatience):
		err = errors.Join(err, fmt.Errorf("the engine did not stop within %s: see %s", demoPatience, filepath.Join(ground.Dir, "engine.log")))
	}
	if err == nil && ctx.Err() != nil {
		fmt.Fprintln(d.out, "stopped; start it again and it goes on")
	}
	return err
}

// waitReady waits until all shards are served. An engine that ends before has put its error back into ended.
func (d *demoRun) waitReady(ctx context.Context, ended chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for {
		why := d.service.notReady()
		if len(why) == 0 && d.serving() {
			return nil
		}
		if time.Since(begun) > demoPatience {
			return fmt.Errorf("the engine is not ready after %s: %s", demoPatience, why)
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			ended <- err
			return errors.New("the engine ended before it was ready")
		case <-tick.C:
		}
	}
}

// serving says whether every shard is served: ready is also a lane that has none.
func (d *demoRun) serving() bool {
	engine := d.service.runningEngine()
	if engine == nil {
		return false
	}
	served := 0
	for _, lane := range engine.Status() {
		served += len(lane.Shards)
	}
	return served > 0 && served == int(engine.Shards())
}

// trade runs the shop and the reader.
func (d *demoRun) trade(ctx, working context.Context, ground *demo.Ground) (err error) {
	if err := d.open(ctx, ground); err != nil {
		return err
	}
	defer d.sending.Close()
	reading, stop := context.WithCancel(working)
	read := make(chan error, 1)
	go func() { read <- d.watch.Run(reading) }()
	defer func() {
		stop()
		err = errors.Join(err, <-read)
	}()
	d.tell(ground)
	showing, hide := context.WithCancel(ctx)
	shown := make(chan struct{})
	go func() { d.show(showing); close(shown) }()
	err = d.sell(ctx)
	if err == nil && ctx.Err() == nil {
		err = d.settle(ctx)
	}
	if err == nil && !d.exit && ctx.Err() == nil {
		fmt.Fprintln(d.out, "the shop is closed; Ctrl-C ends the demo")
		<-ctx.Done()
	}
	hide()
	<-shown
	return errors.Join(err, d.shop.Save())
}

// open opens the shop and begins to watch.
func (d *demoRun) open(ctx context.Context, ground *demo.Ground) error {
	ids, err := schemaIDs(ctx, d.service.registry, d.config.Topics.Kinds(), schemas.Kind.IsInput)
	if err != nil {
		return err
	}
	topics := d.config.Topics
	if d.shop, err = demo.OpenShop(filepath.Join(ground.Dir, "shop.json"), schemas.NewEncoder(ids), topics.Orders, topics.CheckIns); err != nil {
		return err
	}
	options, err := d.config.Kafka.ClientOptions()
	if err != nil {
		return err
	}
	d.summary = newSummary()
	d.watch, err = demo.NewWatch(ctx, options, d.service.registry, topics, demo.Listener{
		Written:    func(o rules.Outcome) { d.summary.count(&o) },
		DeadLetter: func() { d.summary.dead++ },
		Earlier:    func(c *schemas.TierChange) { d.summary.standing[c.MemberID] = c.To },
	})
	if err != nil {
		return err
	}
	if d.sending, err = kgo.NewClient(append(options, kgo.ProducerLinger(2*time.Millisecond))...); err != nil {
		return fmt.Errorf("open the shop: %w", err)
	}
	return nil
}

// tell says what is going on, and where to look.
func (d *demoRun) tell(ground *demo.Ground) {
	how := fmt.Sprintf("%d events a second", d.rate)
	if d.rate == 0 {
		how = fmt.Sprintf("%d events, as fast as they are answered", d.events)
	}
	fmt.Fprintf(d.out, `A shop with %d members sends orders, returns, check-ins and some rubbish to Kafka: %s (run %d).
Accrue applies %s and writes points and tiers, exactly once.

  console     %s  (open it in a browser)
  programme   %s
  Kafka       %s (embedded)
  registry    %s (embedded)
  metrics     %s/metrics
  engine log  %s

In another terminal (from a checkout, write go run ./cmd/accrue for accrue):
  accrue tail rewards.point-grants --config %s
  accrue tail rewards.decisions --config %s
  accrue state get %s --config %s

`, demo.Members, how, d.shop.Run(), d.service.programme.Version, d.service.server.URL(), ground.Programme, ground.Broker, ground.Registry,
		d.service.server.URL(), filepath.Join(d.data, "engine.log"), d.configPath(), d.configPath(), demo.MemberName(0), d.configPath())
}

// configPath is the configuration as a person would type it here.
func (d *demoRun) configPath() string { return filepath.Join(d.data, "accrue.yaml") }

// sell sends events until there are enough or ctx ends.
func (d *demoRun) sell(ctx context.Context) error {
	var beat <-chan time.Time
	if d.rate > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(d.rate))
		defer ticker.Stop()
		beat = ticker.C
	}
	progress := newProgress(d.errs, "events")
	defer progress.done()
	for n := int64(0); d.events == 0 || n < d.events; n++ {
		if beat != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-beat:
			}
		} else if n%100 == 0 { // a look at what waits costs a lock
			if err := d.watch.Wait(ctx, demoWaiting, demoPatience); err != nil {
				return orStopped(ctx, err)
			}
		}
		if failed := d.failed.Load(); failed != nil {
			return *failed
		}
		if err := d.send(); err != nil { //nolint:contextcheck // what the shop sent has happened, whatever ends the run
			return err
		}
		progress.add(1)
	}
	return nil
}

func (d *demoRun) send() error {
	delivery, err := d.shop.Next(time.Now())
	if err != nil {
		return err
	}
	record := &kgo.Record{Topic: delivery.Topic, Key: []byte(delivery.Key), Value: delivery.Value}
	d.sending.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		if err != nil {
			err = fmt.Errorf("send to %s: %w", r.Topic, err)
			d.failed.CompareAndSwap(nil, &err)
			return
		}
		d.watch.Sent(r.Topic, r.Partition, r.Offset)
	})
	return nil
}

// settle waits until every event is answered, and prints the summary.
func (d *demoRun) settle(ctx context.Context) error {
	flushing, cancel := context.WithTimeout(ctx, demoFlush)
	defer cancel()
	if err := d.sending.Flush(flushing); err != nil {
		return orStopped(ctx, fmt.Errorf("send the last events: %w", err))
	}
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	if err := d.watch.Wait(ctx, 0, demoPatience); err != nil {
		if why := d.service.notReady(); len(why) > 0 {
			err = fmt.Errorf("%w; the engine says: %s", err, why)
		}
		return orStopped(ctx, err)
	}
	d.watch.Locked(func() {
		d.summary.tiers = d.memberTiers()
		d.summary.print(d.out)
	})
	return nil
}

// memberTiers counts the shop's members by tier.
func (d *demoRun) memberTiers() map[string]int64 {
	if d.service.programme.Tiers == nil {
		return nil
	}
	tiers := map[string]int64{}
	for i := range demo.Members {
		tier := d.summary.standing[demo.MemberName(i)]
		if tier == "" {
			tier = d.service.programme.Tiers.Levels[0].ID
		}
		tiers[tier]++
	}
	return tiers
}

// show prints every few seconds what came.
func (d *demoRun) show(ctx context.Context) {
	ticker := time.NewTicker(demoLines)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for i, line := range d.watch.Lines() {
				at := "         "
				if i == 0 {
					at = now.Format("15:04:05 ")
				}
				fmt.Fprintln(d.out, at+line)
			}
		}
	}
}

// orStopped makes an interrupt no error.
func orStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
