package processor

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/rules"
	"accrue/schemas"
)

// world is one simulated run: a cluster, processes with lanes and disks, somebody who writes events, and a clock. One
// goroutine runs it, and everything that could go one way or another is drawn from its seed. (Pebble has goroutines of its
// own; it is flushed when the seed says so, so that what is on its disk does not depend on them.)
type world struct {
	seed   uint64
	plan   plan
	random *rand.Rand // the schedule
	topics Topics
	ledger *rules.Ledger // of all versions, those that are to come among them
	early  *rules.Ledger // of the first version
	ample  *rules.Ledger // as ledger, with a budget that is not used up; nil: it has none that is
	defect *simDefect

	step   int
	now    time.Time     // the lanes' clock, which leaps
	ticks  time.Duration // the broker's, which does not
	shared atomic.Int64  // now in ms, for other goroutines
	calm   bool          // no faults any more

	broker    *simBroker
	processes []*simProcess
	shop      *simShop
	check     *checker
	late      []func() // requests that are still on their way

	faults       []simFault // to come
	armed        map[string]int
	downTo       int // step up to which the brokers are away
	registryAway int
	healAt       map[*simProcess]int
	recreated    bool // the changelog was deleted and created again

	points  map[string]int // what was seen, and how often
	verbose bool
	lines   []string // the trace: its tail, or all of it if verbose
	hash    uint64
	failure error
}

// simFailure says what was found, by which checker.
type simFailure struct{ checker, text string }

func (f *simFailure) Error() string { return f.checker + ": " + f.text }

const traceTail = 60

func newWorld(seed uint64, p plan, ledger *simLedger, defect *simDefect, verbose bool) *world {
	topics := DefaultTopics(testApp)
	topics.Inputs = map[string]schemas.Kind{
		schemas.TopicOrders: schemas.KindOrder, schemas.TopicCheckIns: schemas.KindCheckIn, schemas.TopicProfiles: schemas.KindMember,
		schemas.TopicReferrals: schemas.KindReferral, schemas.TopicCommands: schemas.KindCommand,
	}
	w := &world{
		seed: seed, plan: p, random: rand.New(rand.NewPCG(seed, 2)), topics: topics, ledger: ledger.both[p.effective], early: ledger.first, ample: ledger.ample[p.effective], defect: defect, verbose: verbose,
		now: simBegin(), faults: slices.Clone(p.faults), armed: make(map[string]int),
		healAt: make(map[*simProcess]int), points: make(map[string]int), hash: fnv.New64a().Sum64(),
	}
	w.shared.Store(w.now.UnixMilli())
	w.shop = newSimShop(w)
	w.check = newChecker(w)
	w.broker = newSimBroker(w)
	for i := range p.processes {
		w.processes = append(w.processes, newSimProcess(w, string(rune('a'+i)), false))
		w.processes[i].startAt = w.random.IntN(40)
	}
	return w
}

func newSimProcess(w *world, name string, twin bool) *simProcess {
	return &simProcess{w: w, name: name, twin: twin, disk: vfs.NewCrashableMem(), ails: &simAilment{}, startAt: w.step}
}

// laneClock is what lanes take for the time.
func (w *world) laneClock() time.Time { return w.now.Add(w.defect.skew) }

// clock is the time for the store, some of whose goroutines ask.
func (w *world) clock() time.Time { return time.UnixMilli(w.shared.Load()).UTC() }

// seen counts something that a sweep wants to have happened.
func (w *world) seen(what string) { w.points[what]++ }

func (w *world) fail(checker, format string, args ...any) {
	if w.failure == nil {
		w.failure = &simFailure{checker, fmt.Sprintf(format, args...)}
		w.tracef("FAILED %s", w.failure)
	}
}

// tracef adds a line to the trace.
func (w *world) tracef(format string, args ...any) {
	line := fmt.Sprintf("%4d %s ", w.step, w.now.Format("02T15:04:05.000")) + fmt.Sprintf(format, args...)
	for i := range len(line) {
		w.hash = (w.hash ^ uint64(line[i])) * 1099511628211
	}
	w.noted(line)
}

func (w *world) noted(line string) {
	if !w.verbose && len(w.lines) >= 2*traceTail {
		w.lines = append(w.lines[:0], w.lines[traceTail:]...)
	}
	w.lines = append(w.lines, line)
}

func (w *world) tail() string {
	return strings.Join(w.lines[max(0, len(w.lines)-traceTail):], "\n")
}

// run runs the world to its end: with faults, then without, until all is as it should be, and so once more after all that is
// held or ends some day is due.
func (w *world) run() {
	for w.step < w.plan.steps && w.failure == nil {
		w.tick()
	}
	w.calmDown()
	w.settle()
	w.now = w.now.Add(15 * 24 * time.Hour)
	w.tracef("and two weeks later")
	w.shop.comeBack()
	w.settle()
	if w.failure == nil && w.seed%16 == 0 {
		w.recreate()
	}
	for _, p := range w.processes {
		p.ails.kind.Store(nil)
		p.closeStore()
	}
}

// calmSteps bounds how long it may take until all is as it should be.
const calmSteps = 6000

// settle runs the world until all is as it should be, and looks whether it is.
func (w *world) settle() {
	for begun := w.step; w.failure == nil && !w.converged(); {
		switch steps := w.step - begun; {
		case steps >= calmSteps:
			w.fail("liveness", "after %d steps without faults: %s", calmSteps, w.unrest())
			return
		case steps%500 == 499: // timers wait for inputs that bring what is long past
			w.now = w.now.Add(2 * timerFresh)
			w.tracef("a while later")
		}
		w.tick()
	}
	if w.failure == nil {
		w.check.end()
	}
}

// tick is one step: time passes, a lane makes a step, and something happens around it.
func (w *world) tick() {
	w.step++
	tick, happenings := w.plan.tick, w.plan.happenings
	if w.calm { // the network is quick enough for everything to get through in time
		tick, happenings = min(tick, 20), max(happenings, 6)
	}
	passed := time.Duration(1+w.random.IntN(tick)) * time.Millisecond
	w.ticks += passed
	w.now = w.now.Add(passed)
	w.strike()
	w.shared.Store(w.now.UnixMilli())
	w.broker.down = w.step < w.downTo
	if w.broker.down {
		w.seen("C12 brokers away")
	} else {
		w.broker.pass()
	}
	for _, p := range w.processes {
		w.care(p)
	}
	if !w.broker.down && w.random.IntN(w.plan.tradeOneIn) == 0 || w.calm {
		w.shop.trade()
	}
	w.stepSome()
	for range w.random.IntN(happenings + 1) {
		w.happen()
	}
}

// care is what happens to a process without being asked.
func (w *world) care(p *simProcess) {
	if at, ill := w.healAt[p]; ill && w.step >= at {
		delete(w.healAt, p)
		p.heal()
	}
	switch {
	case !p.up && w.step >= p.startAt:
		p.start()
	case p.up && !p.paused():
		if p.unflushed > 50_000 || w.random.IntN(w.plan.flushOneIn) == 0 {
			p.flush()
		}
		p.programmes.follow(w)
		for _, l := range p.lanes {
			l.client.beat()
		}
	}
}

// stepSome steps one of the lanes.
func (w *world) stepSome() {
	var ready []*simLane
	for _, p := range w.processes {
		if p.up && !p.paused() {
			for _, l := range p.lanes {
				if w.step >= l.slowTo && !l.done {
					ready = append(ready, l)
				}
			}
		}
	}
	if len(ready) > 0 {
		l := ready[w.random.IntN(len(ready))]
		l.process.step(l)
	}
}

// happen lets one thing happen between the clients and the cluster, or within it.
func (w *world) happen() {
	var clients []*simClient
	for _, p := range w.processes {
		if p.up && !p.paused() {
			for _, l := range p.lanes {
				if !l.client.off && !l.client.left {
					clients = append(clients, l.client)
				}
			}
		}
	}
	n := 2 * len(clients)
	switch i := w.random.IntN(n + 2); {
	case i < n:
		c := clients[i/2]
		if i%2 == 1 && c.group() || len(c.ops) == 0 {
			return
		}
		c.work(w.random.IntN(len(c.ops)))
	case w.broker.down:
	case len(w.late) > 0 && w.random.IntN(4) == 0:
		w.tracef("a request arrives late")
		w.late[0]()
		w.late = w.late[1:]
	default:
		w.broker.markSome()
	}
}

// strikes says whether a request is struck by a fault.
func (w *world) strikes(kind string) bool {
	if w.armed[kind] == 0 {
		return false
	}
	w.armed[kind]--
	w.seen("struck " + kind)
	w.tracef("struck: %s", kind)
	return true
}

// calmDown ends all faults.
func (w *world) calmDown() {
	w.tracef("from here on nothing goes wrong")
	w.calm, w.faults, w.downTo, w.registryAway = true, nil, 0, 0
	clear(w.armed)
	for _, arrives := range w.late {
		arrives()
	}
	w.late = nil
	var stay []*simProcess
	for _, p := range w.processes {
		p.heal()
		p.cutIn, p.cutOn, p.pausedTo, p.sleepy = 0, 0, 0, 0
		for _, l := range p.lanes {
			l.slowTo, l.client.isolated = 0, 0
		}
		if p.twin {
			if p.up {
				p.cut()
				p.bury(0)
			}
			continue
		}
		p.startAt = min(p.startAt, w.step+5)
		stay = append(stay, p)
	}
	clear(w.healAt)
	w.processes = stay
}

// crashing notes at which points a process dies.
func (w *world) crashing(p *simProcess) {
	w.tracef("%s loses its power", p.name)
	if p.unflushed > 0 {
		w.seen("C5")
	}
	for _, l := range p.lanes {
		if l.current != nil {
			w.seen("C1")
		}
		if t := l.ending; t != nil {
			e, told := l.client.told.(Ended)
			switch {
			case t.stage == flushing:
				w.seen("C2")
			case t.stage == committed, told && e.Outcome == OutcomeCommitted:
				w.seen("C4")
			case t.stage == committing:
				w.seen("C3")
			}
		}
		for h := range l.inOrder() {
			if h.state == restoring && h.at > h.did.From {
				w.seen("C6")
			}
		}
	}
}
