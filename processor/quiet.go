package processor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// quietFor is how long a line stays unsaid that was said already. An outage repeats the same few lines thousands of times.
const quietFor = time.Minute

// quietMost bounds how many different lines are remembered.
const quietMost = 1000

// quiet keeps log lines from being repeated. The zero value is ready, and may be used by many goroutines.
type quiet struct {
	mu   sync.Mutex
	said map[string]saying
}

type saying struct {
	at    time.Time
	since int // times that it was kept back since
}

// due says whether the line may be said, and how often it was kept back before.
func (q *quiet) due(line string, now time.Time) (kept int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, before := q.said[line]
	if before && now.Sub(s.at) < quietFor {
		s.since++
		q.said[line] = s
		return 0, false
	}
	if q.said == nil || len(q.said) >= quietMost {
		q.said = make(map[string]saying)
	}
	q.said[line] = saying{at: now}
	return s.since, true
}

// warn writes a warning that is likely to repeat itself. Its text tells it apart from others, not what belongs to it.
func (q *quiet) warn(log *slog.Logger, now time.Time, text string, attrs ...any) {
	kept, ok := q.due(text, now)
	if !ok {
		return
	}
	if kept > 0 {
		attrs = append(attrs, "times_before", kept)
	}
	log.Warn(text, attrs...) //nolint:sloglint // callers have it as a literal
}

// kgoLog hands kgo's own lines on, one level lower than kgo has them: what matters of them comes as an error or an event. Below
// the level debug each is said at most once a minute, however many clients share it.
type kgoLog struct {
	log  *slog.Logger
	said *quiet
}

func newKgoLog(log *slog.Logger) kgoLog { return kgoLog{log, new(quiet)} }

// Level implements kgo.Logger.
func (k kgoLog) Level() kgo.LogLevel {
	if k.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelError
}

// Log implements kgo.Logger.
func (k kgoLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level != kgo.LogLevelError {
		k.log.Debug("kafka client: "+msg, keyvals...) //nolint:sloglint // franz-go's words
		return
	}
	if k.log.Enabled(context.Background(), slog.LevelDebug) {
		k.log.Info("kafka client: "+msg, keyvals...) //nolint:sloglint // franz-go's words
		return
	}
	kept, ok := k.said.due(msg, time.Now())
	if !ok {
		return
	}
	if kept > 0 {
		keyvals = append(keyvals, "times_before", kept)
	}
	k.log.Info("kafka client: "+msg, keyvals...) //nolint:sloglint // franz-go's words
}
