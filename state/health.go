package state

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// health hears what Pebble does behind our back, turns it into Store.Err and into log lines: one for each
// change of state, none for a write.
//
// Pebble calls with its own locks held, and for a slow disk from the very goroutine that watches the
// disk; so lines are handed to a goroutine of our own and dropped where it does not keep up.
type health struct {
	dir   string
	log   *slog.Logger
	now   func() time.Time
	lines chan line
	stop  chan struct{} // closed when the store closes: no more waiting between attempts

	// broken is the error after which nothing works any more: ErrCorrupt or ErrFailed. The first stays.
	broken atomic.Pointer[error]

	dropped     atomic.Int64 // lines
	stalls      atomic.Int64
	slowWrites  atomic.Int64
	slowSaidAt  atomic.Int64 // ms; of the last line about a slow disk
	stallSaidAt atomic.Int64 // ms

	mu           sync.Mutex
	flushEnd     error // of the last flush, to tell whose error BackgroundError is
	flushErr     error // flushes are failing: the memtables fill up
	flushTries   int
	compactErr   error // compactions are failing: reads become slower, the disk fills up
	compactTries int
	failed       chan struct{} // closed and replaced at each failed flush, and when broken
}

// line is one log line on its way.
type line struct {
	level slog.Level
	text  string
	attrs []any
}

const (
	linesWaiting = 64
	// quietFor is how long a condition that repeats itself (slow writes, stalls) stays unsaid.
	quietFor = 10 * time.Second
	// retryMin and retryMax bound the wait after a failed flush or compaction. Pebble itself would try
	// again at once, for ever, and a full disk would cost a whole core.
	retryMin = 20 * time.Millisecond
	retryMax = time.Second
)

func newHealth(dir string, log *slog.Logger, now func() time.Time) *health {
	return &health{
		dir: dir, log: log.With("dir", dir), now: now,
		lines:  make(chan line, linesWaiting),
		stop:   make(chan struct{}),
		failed: make(chan struct{}),
	}
}

// say hands a line over without ever waiting.
func (h *health) say(level slog.Level, text string, attrs ...any) {
	select {
	case h.lines <- line{level, text, attrs}:
	default:
		h.dropped.Add(1)
	}
}

// report writes lines until done is closed and none is left.
func (h *health) report(done <-chan struct{}) {
	write := func(l line) {
		if n := h.dropped.Swap(0); n > 0 {
			h.log.Warn("state store log lines dropped", "lines", n)
		}
		h.log.Log(context.Background(), l.level, l.text, l.attrs...) //nolint:sloglint // the text is a constant where say is called
	}
	for {
		select {
		case l := <-h.lines:
			write(l)
		case <-done:
			for {
				select {
				case l := <-h.lines:
					write(l)
				default:
					return
				}
			}
		}
	}
}

// poison makes the error the store's end. Only the first is kept and said.
func (h *health) poison(err error) {
	if !h.broken.CompareAndSwap(nil, &err) {
		return
	}
	h.say(slog.LevelError, "state store is unusable", "err", err)
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.failed)
	h.failed = make(chan struct{})
}

// err returns what ails the store; see Store.Err.
func (h *health) err() error {
	if err := h.broken.Load(); err != nil {
		return *err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flushErr != nil {
		return h.flushErr
	}
	return h.compactErr
}

// writeErr returns why nothing may be written now. Failing compactions are no reason.
func (h *health) writeErr() error {
	if err := h.broken.Load(); err != nil {
		return *err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.flushErr
}

// failure returns a channel that is closed at the next failed flush.
func (h *health) failure() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// listener is what Pebble calls.
func (h *health) listener() *pebble.EventListener {
	return &pebble.EventListener{
		FlushEnd:        h.onFlushEnd,
		CompactionEnd:   h.onCompactionEnd,
		BackgroundError: h.onBackgroundError,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			h.poison(fmt.Errorf("read %s: %w: %w", info.Path, ErrCorrupt, info.Details))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			n := h.slowWrites.Add(1)
			if h.due(&h.slowSaidAt) {
				h.say(slog.LevelWarn, "disk of state store is slow", "path", info.Path, "operation", info.OpType.String(),
					"took", info.Duration, "slow_writes", n)
			}
		},
		LowDiskSpace: func(info pebble.LowDiskSpaceInfo) {
			h.say(slog.LevelWarn, "disk of state store is nearly full", "free_bytes", info.AvailBytes,
				"total_bytes", info.TotalBytes, "below_percent", info.PercentThreshold)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			n := h.stalls.Add(1)
			if h.due(&h.stallSaidAt) {
				h.say(slog.LevelWarn, "writes to state store wait for the disk", "reason", info.Reason, "stalls", n)
			}
		},
	}
}

// due says whether a repeating condition may be said again.
func (h *health) due(saidAt *atomic.Int64) bool {
	now, last := h.now().UnixMilli(), saidAt.Load()
	return (last == 0 || now-last >= quietFor.Milliseconds()) && saidAt.CompareAndSwap(last, now)
}

func (h *health) onFlushEnd(info pebble.FlushInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flushEnd = info.Err // also "empty table" from a flush of nothing, which no BackgroundError follows
	if info.Err == nil && h.flushErr != nil {
		h.say(slog.LevelInfo, "state store flushes again", "failed_attempts", h.flushTries)
		h.flushErr, h.flushTries = nil, 0
	}
}

func (h *health) onCompactionEnd(info pebble.CompactionInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if info.Err == nil && h.compactErr != nil {
		h.say(slog.LevelInfo, "state store compacts again", "failed_attempts", h.compactTries)
		h.compactErr, h.compactTries = nil, 0
	}
}

// onBackgroundError is called after a failed flush or compaction, and Pebble tries again when it returns.
// Pebble's lock is held: meanwhile writers wait, which is what they have to do, and readers do not.
func (h *health) onBackgroundError(err error) {
	if pebble.IsCorruptionError(err) {
		h.poison(fmt.Errorf("flush or compact: %w: %w", ErrCorrupt, err))
	}
	wait := time.NewTimer(min(retryMax, retryMin<<min(h.countFailure(err), 10)))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-h.stop:
	}
}

// countFailure files the error under flushes or compactions and returns how often it came in a row.
func (h *health) countFailure(err error) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flushEnd != nil && sameError(err, h.flushEnd) {
		h.flushEnd = nil
		first := h.flushErr == nil
		h.flushErr = fmt.Errorf("flush %s: %w", h.dir, err)
		h.flushTries++
		if first {
			h.say(slog.LevelError, "state store cannot flush, trying again", "err", err, "no_space", noSpace(err))
		}
		close(h.failed)
		h.failed = make(chan struct{})
		return h.flushTries
	}
	first := h.compactErr == nil
	h.compactErr = fmt.Errorf("compact %s: %w", h.dir, err)
	h.compactTries++
	if first {
		h.say(slog.LevelError, "state store cannot compact, trying again", "err", err, "no_space", noSpace(err))
	}
	return h.compactTries
}

// pebbleLog is where Pebble's own log goes: its errors to ours, its chatter nowhere.
type pebbleLog struct{ health *health }

func (l pebbleLog) Infof(string, ...any) {}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.health.say(slog.LevelError, "state store: "+fmt.Sprintf(format, args...))
}

// Fatalf is called where Pebble's memory and its MANIFEST may differ. Pebble expects the process to end
// here. Returning is safe for us, because nothing is served any more from then on (S6): all that this
// store will do is close, and what it wrote last is read again from the changelog.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.health.poison(fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...)))
}
