package processor

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// mend lets new connections through again.
func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
}

// lines is a log that is counted.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (r *running) unready(word string) bool {
	return slices.ContainsFunc(r.Unready(), func(u Unready) bool { return u.Word == word })
}

// C12: brokers that are away for much longer than every timeout (here all are shortened, as ten minutes are to the usual ones) are
// waited for. Readiness says so at once, the log in a few lines, nothing ends, and it goes on by itself.
func TestLongOutage(t *testing.T) {
	s := newShop(t, 4)
	s.trade(50)
	m := newMachine("a")
	var log lines
	w := &watcher{}
	e := s.run(m, func(o *Options) {
		o.Log, o.Observer = log.logger(), w
		o.SessionTimeout, o.TransactionTimeout = 300*time.Millisecond, 400*time.Millisecond
	})
	s.check(s.read())
	s.trade(20)
	m.cable.cut()
	began := time.Now()
	eventually(t, "readiness tells of the brokers", func() bool { return e.unready(UnreadyBrokers) })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("readiness took %s", took)
	}
	s.trade(20)
	eventually(t, "the group is empty", func() bool {
		members, err := groupMembers(t.Context(), s.admin(), testApp)
		return err == nil && len(members) == 0
	})
	until := time.Now().Add(4 * time.Second) // ten of the longest timeout
	eventually(t, "the end of the outage", func() bool {
		if len(e.Unready()) == 0 {
			t.Fatal("ready during an outage")
		}
		return time.Now().After(until)
	})
	said := strings.Count(log.String(), "\n")
	m.cable.mend()
	s.trade(20)
	s.check(s.read())
	eventually(t, "ready", func() bool { return len(e.NotReady()) == 0 })
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
	if said > 60 {
		t.Errorf("%d lines of log by the end of the outage:\n%s", said, log.String())
	}
	t.Logf("%d lines", said)
	for _, line := range []string{"brokers do not answer", "brokers answer again"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log does not say %q:\n%s", line, log.String())
		}
	}
}

// With the default options silence is noticed within 3 s. Who waits for other members to join is not without an answer.
func TestSilence(t *testing.T) {
	a := newAnswers(Options{}.withDefaults().Heartbeat)
	if a.limit > 3*time.Second {
		t.Errorf("it takes %s", a.limit)
	}
	late := time.Now().Add(a.limit + time.Second)
	if _, silent := a.silence(late); !silent {
		t.Error("silence is not noticed")
	}
	a.OnBrokerWrite(kgo.BrokerMetadata{}, kmsg.JoinGroup.Int16(), 0, 0, 0, nil)
	if _, silent := a.silence(late); silent {
		t.Error("a member that waits for others is taken for one that nobody answers")
	}
	a.OnBrokerDisconnect(kgo.BrokerMetadata{}, nil)
	if _, silent := a.silence(late); !silent {
		t.Error("a broker that went away during a join is not noticed")
	}
}
