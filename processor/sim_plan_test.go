package processor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// plan is all that a seed draws ahead: sizes, what happens how often, and the faults. The schedule is drawn from another
// stream, so that a fault can be left out and the rest goes on being what it was.
type plan struct {
	shards, inputs   int32
	processes, lanes int
	standbys         int
	grain            int64 // of the positions that members announce
	members, events  int
	programme        int
	mix              []string // kinds of events
	shuffled, away   bool
	fences           bool // those who are gone are fenced; it is best effort only
	steps            int  // with faults

	commitEvery             time.Duration
	maxRecords, pollRecords int
	cacheBytes              int64
	fetch, piece            int // records a partition and fetch, at most
	tick                    int // ms a step, at most
	restart                 int // steps until a process that went down comes up
	happenings              int // of the cluster and the clients, a step, at most
	flushOneIn, tradeOneIn  int
	lateMarkers             int // steps by which markers come late, at most
	effective               int // which time the programme's second version has

	faults []simFault
}

// simFault is something that goes wrong, or a leap of the lanes' clock, at a step.
type simFault struct {
	step int
	kind string
	a, b int // which, and how long or how often
}

func (f simFault) String() string {
	return fmt.Sprintf("step %d: %s (%d, %d)", f.step, f.kind, f.a, f.b)
}

// The faults. Those with a colon strike the next request of their kind.
func simFaultKinds() []string {
	return []string{
		"crash", "crash when told", "crash and wipe", "stop", "pause", "pause before commit", "isolate", "slow", "kick", "rebalance", "fence", "twin",
		"down", "registry", "disk full", "disk failed", "time", "time", "time", "compact",
		"open", "produce", "offsets: coordinator", "offsets: abortable", "offsets: unknown member",
		"end: lost on its way", "end: answer lost", "end: late", "end: refused", "fetch offsets", "ends", "changelog",
		"answers: late",
	}
}

// drawPlan draws a plan: each seed has a subset of everything only, because what many seeds have in common hides what happens
// without it.
func drawPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to int) int { return from + r.IntN(to-from+1) }
	p := plan{
		shards: int32(between(1, 4)), inputs: int32(between(1, 5)), processes: between(1, 3), lanes: between(1, 2),
		members: between(1, 12), events: between(15, 110), programme: r.IntN(len(simProgrammes())),
		shuffled: r.IntN(2) == 0, away: r.IntN(3) > 0, fences: r.IntN(2) == 0, steps: between(200, 600),
		commitEvery: time.Duration(between(5, 100)) * time.Millisecond, maxRecords: between(1, 40), pollRecords: between(1, 20),
		cacheBytes: int64(between(1, 100)) * 1000, fetch: between(1, 20), piece: between(1, 60), restart: between(3, 120), tick: between(5, 60),
		happenings: between(2, 9), flushOneIn: between(10, 200), tradeOneIn: between(1, 6),
	}
	p.standbys, p.grain = r.IntN(3), int64(between(1, 20))
	if r.IntN(2) == 0 {
		p.lateMarkers = between(5, 100)
	}
	if p.processes*p.lanes > 4 {
		p.lanes = 1
	}
	kinds := []string{"order", "order", "order", "visit", "refund", "invitation", "profile", "rubbish", "nobody", "again", "erasure"}
	for _, kind := range kinds {
		if kind == "order" || r.IntN(2) == 0 {
			p.mix = append(p.mix, kind)
		}
	}
	var faults []string
	for _, kind := range simFaultKinds() {
		if r.IntN(5) < 2 {
			faults = append(faults, kind)
		}
	}
	days := 0
	for range between(0, 22) {
		if len(faults) == 0 {
			break
		}
		f := simFault{step: between(10, p.steps), kind: faults[r.IntN(len(faults))], a: r.IntN(1000), b: between(1, 60)}
		if f.kind == "down" && r.IntN(3) == 0 {
			f.b *= 4 // long enough for everything to time out
		}
		if f.kind == "time" {
			f.b = []int{1, 3, 12, 24, 48, 100}[r.IntN(6)] // hours
			if days += f.b; days > 40*24 {
				continue
			}
		}
		p.faults = append(p.faults, f)
	}
	slices.SortStableFunc(p.faults, func(a, b simFault) int { return a.step - b.step })
	p.effective = r.IntN(len(simEffective()))
	return p
}

func (p *plan) String() string {
	faults := make([]string, len(p.faults))
	for i, f := range p.faults {
		faults[i] = "  " + f.String()
	}
	without := *p
	without.faults = nil
	return fmt.Sprintf("%+v\nfaults:\n%s", without, strings.Join(faults, "\n"))
}

// strike makes the faults of this step happen.
func (w *world) strike() {
	for len(w.faults) > 0 && w.faults[0].step <= w.step {
		f := w.faults[0]
		w.faults = w.faults[1:]
		w.tracef("fault: %s (%d, %d)", f.kind, f.a, f.b)
		w.suffer(f)
	}
}

// suffer makes one fault happen.
func (w *world) suffer(f simFault) {
	switch f.kind {
	case "time":
		// A little less than what things are held for: they come due one after the other, while more arrives.
		w.now = w.now.Add(time.Duration(f.b)*time.Hour - time.Duration(3*f.a)*time.Millisecond)
		return
	case "down":
		w.downTo = max(w.downTo, w.step+2*f.b)
		return
	case "registry":
		w.registryAway = max(w.registryAway, w.step+2*f.b)
		return
	case "rebalance":
		w.broker.group.rebalance()
		return
	case "compact":
		for s := range w.plan.shards {
			w.broker.changelog(s).compact()
		}
		return
	}
	p := w.processes[f.a%len(w.processes)]
	if p.up {
		w.sufferProcess(p, p.lanes[f.a/8%len(p.lanes)], f)
	}
	if strings.Contains("open produce fetch offsets ends changelog", f.kind) || strings.Contains(f.kind, ": ") {
		w.armed[f.kind] += 1 + f.b%3
	}
}

// sufferProcess makes a fault of one process happen.
func (w *world) sufferProcess(p *simProcess, l *simLane, f simFault) {
	switch f.kind {
	case "crash", "crash and wipe":
		p.cutIn = 1 + f.b%25
		p.wipe = f.kind == "crash and wipe"
	case "crash when told":
		p.cutOn = 1 + f.b%3
	case "stop":
		p.stopping = true
		for _, l := range p.lanes {
			l.Stop()
		}
	case "pause":
		p.sleep(time.Duration(20*f.b) * time.Millisecond)
	case "pause before commit":
		p.sleepy = simSessionTimeout + time.Duration(20*f.b)*time.Millisecond
	case "isolate":
		l.client.isolated = w.step + 2*f.b + 60
	case "slow":
		l.slowTo = w.step + 2*f.b + 60
	case "kick":
		w.broker.group.leave(l.client.member)
	case "fence":
		w.broker.fence(l.client.name)
	case "twin":
		w.processes = append(w.processes, newSimProcess(w, p.name, true))
	case "disk full":
		p.ail(".sst")
		p.flush()
		w.seen("C12 disk full")
		w.healAt[p] = w.step + f.b
	case "disk failed":
		if raceEnabled {
			// Then Pebble asserts of itself what does not hold once its manifest could not be written: its goroutine panics, and
			// with it the process (cockroachdb/pebble#1784). Without the race detector it strikes in a thousand seeds.
			return
		}
		p.ail("MANIFEST")
		p.flush()
		w.healAt[p] = w.step + 1
	}
}
