package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/rules/programme"
)

// Programmes tells lanes by which versions they decide. Safe for any goroutine.
type Programmes interface {
	// Known returns the ledger of all versions that are known, another one whenever that changes, and when it was last certain
	// that there are no others: the control topic was read to its end.
	Known() (ledger *rules.Ledger, at time.Time)
}

// controlEvery is how often the control topic is looked at.
const controlEvery = time.Second

// programmes follows the control topic for all lanes of a process. A version is on the topic PublishAhead before it is in
// force, and a lane decides only while what it knows is younger than ControlFresh: so no lane decides an event by the version
// before the one that was in force when it happened, whichever lane it is and whenever it learned of the version.
type programmes struct {
	client     *kgo.Client
	topic      string
	app        string
	configured *programme.Programme
	files      map[string][]byte // of the configured one
	secret     []byte            // of lots
	now        func() time.Time
	log        *slog.Logger

	reader controlReader // of whoever loads or follows
	shards int32         // that the internal topics had when they were loaded

	mu      sync.Mutex // guards what follows
	control Control
	seenAt  time.Time
}

// Known implements Programmes.
func (p *programmes) Known() (*rules.Ledger, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.control.ledger, p.seenAt
}

// load reads the topic whole, and writes what the first instance of an app has to: what the app is, and the configured
// programme as its first version. A *setupError says what a person has to set right.
func (p *programmes) load(ctx context.Context, shards int32) error {
	p.mu.Lock()
	p.control, p.seenAt = Control{secret: p.secret}, time.Time{}
	p.mu.Unlock()
	p.reader, p.shards = controlReader{client: p.client, topic: p.topic}, shards
	if err := p.read(ctx, false); err != nil {
		return err
	}
	if p.control.App == nil {
		value, err := encodeApp(AppRecord{ID: p.app, Shards: shards, Formats: ourFormats()})
		if err != nil {
			return err
		}
		if err := p.write(ctx, value); err != nil {
			return err
		}
	}
	if err := p.fits(shards); err != nil {
		return err
	}
	if len(p.control.versions) == 0 {
		value, err := encodeProgramme(p.configured.Version, p.files, time.Time{}, "the first instance", "", p.control.App.Formats.Grammar)
		if err != nil {
			return &setupError{text: err.Error()}
		}
		if err := p.write(ctx, value); err != nil {
			return err
		}
	}
	if len(p.control.versions) == 0 {
		return &setupError{text: fmt.Sprintf("the configured programme was published on %s and is not taken: %s", p.topic, p.lastIgnored())}
	}
	if err := p.lots(); err != nil {
		return err
	}
	p.summarize()
	return nil
}

// lots is an error where a version draws lots and this instance has no secret to draw them with.
func (p *programmes) lots() error {
	if needs := p.control.needs; needs != nil {
		return &setupError{text: fmt.Sprintf("rule %s of %s draws lots (chance, random), and this instance has no secret for them: set random.key_file to a file with the secret that the other instances have; "+
			"for the first one make it with `openssl rand -hex 32`", needs.Rule, needs.Programme)}
	}
	return nil
}

// write appends a record and reads it, and whatever others wrote meanwhile.
func (p *programmes) write(ctx context.Context, value []byte) error {
	if _, err := appendControl(ctx, p.client, p.topic, value); err != nil {
		return err
	}
	return p.read(ctx, false)
}

func (p *programmes) lastIgnored() string {
	for i := len(p.control.Published) - 1; i >= 0; i-- {
		if why := p.control.Published[i].Ignored; why != "" {
			return why
		}
	}
	return "it is not there"
}

// fits says what is wrong where the app on the topic is not the one that is configured.
func (p *programmes) fits(shards int32) error {
	a := p.control.App
	switch ours := ourFormats(); {
	case a.ID != p.app:
		return &setupError{text: fmt.Sprintf("%s is of app %s, and this is app %s: correct the key app, or delete the topic if it was copied by mistake", p.topic, a.ID, p.app)}
	case a.Shards < shards:
		return &setupError{text: fmt.Sprintf("app %s has %d shards by %s, and its internal topics have %d partitions: a change of the number of shards is not finished, "+
			"run `accrue topics reshard --shards %d` with this configuration", a.ID, a.Shards, p.topic, shards, shards), mayPass: true}
	case a.Shards > shards:
		return &setupError{text: fmt.Sprintf("app %s has %d shards by %s, and its internal topics have %d partitions: members would be looked for in the wrong one; "+
			"restore the topics as they were, or choose another app and load a dump into it (accrue state dump, accrue state load)", a.ID, a.Shards, p.topic, shards), mayPass: true}
	case !ours.knows(a.Formats):
		return &setupError{text: fmt.Sprintf("app %s is at formats %s, and this instance knows %s: run the version that its other instances run", a.ID, a.Formats, ours)}
	}
	return nil
}

// summarize tells the log which versions there are, and whether the configured one is among them.
func (p *programmes) summarize() {
	now := p.now()
	inForce := p.control.versions.At(now)
	p.log.Info("programme versions are read", "versions", len(p.control.versions), "in_force", inForce.Version, "ignored", p.control.Ignored)
	for _, v := range p.control.versions {
		if v.From.After(now) {
			p.log.Info("programme version is to come", "version", v.Programme.Version, "effective", v.From)
		}
	}
	if p.configured.Version != inForce.Version {
		p.log.Warn("the configured programme is not the one in force, which decides: publish it with `accrue rules publish`, or configure the one in force",
			"configured", p.configured.Version, "in_force", inForce.Version)
	}
}

// read takes what came since. told says that each record goes to the log.
func (p *programmes) read(ctx context.Context, told bool) error {
	ctx, cancel := context.WithTimeout(ctx, offsetsTimeout)
	defer cancel()
	// The time before the question, as the wall has it: a machine that slept has not seen what was published meanwhile.
	asked := p.now().Round(0)
	p.mu.Lock()
	next := p.control // of which nothing changes that others read before it is whole
	p.mu.Unlock()
	before, ignored := len(next.Published), next.Ignored
	if err := p.reader.read(ctx, &next); err != nil {
		return err
	}
	p.mu.Lock()
	p.control, p.seenAt = next, asked
	p.mu.Unlock()
	if told {
		p.tell(next.Published[before:], next.Ignored-ignored)
	}
	return nil
}

// tell tells the log what was published.
func (p *programmes) tell(published []Published, ignored int) {
	for _, v := range published {
		if v.Ignored != "" {
			p.log.Error("programme version is ignored, the ones before stay", "version", v.Version, "offset", v.Offset, "by", v.By, "why", v.Ignored)
			ignored--
			continue
		}
		p.log.Info("programme version is published", "version", v.Version, "effective", v.Effective, "by", v.By, "note", v.Note)
	}
	if ignored > 0 {
		p.log.Error("records of the control topic are ignored", "records", ignored)
	}
}

// follow reads on until ctx ends. An error is a *setupError: nothing that waiting could set right.
func (p *programmes) follow(ctx context.Context) error {
	var said quiet
	for sleep(ctx, controlEvery) {
		err := p.read(ctx, true)
		var wrong *setupError
		switch {
		case errors.As(err, &wrong) && !wrong.mayPass:
			return err
		case err != nil && ctx.Err() == nil:
			said.warn(p.log, p.now(), "the control topic cannot be read, trying again", "err", err)
			continue
		}
		if n := p.control.App.Shards; n != p.shards {
			return &setupError{text: fmt.Sprintf("app %s has been given %d shards while this instance ran with %d: start it again, it then knows where members are", p.app, n, p.shards)}
		}
		if err := p.fits(p.shards); err != nil { // its formats may have been raised
			return err
		}
		if err := p.lots(); err != nil {
			return err
		}
	}
	return nil
}

// ProgrammeStatus is what a process knows of the versions of its programme.
type ProgrammeStatus struct {
	InForce  string        // the version in force
	Versions int           // that count, those to come among them
	Ignored  int           // records that every instance ignores
	Age      time.Duration // since the control topic was last read to its end
}

// status returns it; ok is false before the topic was read. Safe for any goroutine.
func (p *programmes) status() (s ProgrammeStatus, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.control.versions) == 0 {
		return s, false
	}
	now := p.now()
	return ProgrammeStatus{
		InForce: p.control.versions.At(now).Version, Versions: len(p.control.versions), Ignored: p.control.Ignored,
		Age: now.Round(0).Sub(p.seenAt),
	}, true
}

// upToDate takes in which versions were published, and says whether the lane may decide: not while it could have missed one.
// C13: a version is appended from outside, at any moment. It is in force long after this look can count.
func (l *Lane) upToDate(now time.Time) bool {
	ledger, at := l.o.Programmes.Known()
	if ledger != l.ledger {
		l.ledger = ledger
		for h := range l.inOrder() {
			if h.shard != nil {
				h.shard.Use(ledger)
			}
		}
	}
	waits := l.waiting != nil && l.waiting.For == UnreadyControl
	if age := now.Round(0).Sub(at); age > ControlFresh {
		if l.waiting == nil || waits {
			read := "has not been read to its end yet"
			if !at.IsZero() {
				read = fmt.Sprintf("was last read to its end %s ago", age.Round(time.Second))
			}
			l.wait(UnreadyControl, fmt.Errorf("lane %d does not know whether another version of the programme was published: the control topic %s",
				l.o.Number, read), now.Add(retryPause))
		}
		return false
	}
	if waits {
		l.goOn()
	}
	return true
}
