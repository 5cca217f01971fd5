package processor

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answers watches whether brokers answer a consumer. One that is well has an answer at least every heartbeat, and every
// fetchWait where it reads. franz-go tries again by itself when it has none, and says so only once the session is over: that
// is much too late for readiness.
type answers struct {
	limit   time.Duration // without an answer for so long, nobody answers
	last    atomic.Int64  // when there was one, ns
	joining atomic.Bool   // a request is out whose answer may wait for other members
}

// answersEvery is how often it is looked.
const answersEvery = 100 * time.Millisecond

var (
	_ kgo.HookBrokerWrite      = (*answers)(nil)
	_ kgo.HookBrokerRead       = (*answers)(nil)
	_ kgo.HookBrokerDisconnect = (*answers)(nil)
)

func newAnswers(heartbeat time.Duration) *answers {
	a := &answers{limit: heartbeat + time.Second}
	a.last.Store(time.Now().UnixNano())
	return a
}

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (a *answers) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil && waitsForMembers(key) {
		a.joining.Store(true)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (a *answers) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if waitsForMembers(key) {
		a.joining.Store(false)
	}
	if err == nil {
		a.last.Store(time.Now().UnixNano())
	}
}

// OnBrokerDisconnect implements kgo.HookBrokerDisconnect.
func (a *answers) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { a.joining.Store(false) }

func waitsForMembers(key int16) bool {
	return key == kmsg.JoinGroup.Int16() || key == kmsg.SyncGroup.Int16()
}

// silence returns for how long nobody has answered, if that is too long.
func (a *answers) silence(now time.Time) (time.Duration, bool) {
	silent := now.Sub(time.Unix(0, a.last.Load()))
	return silent, silent > a.limit && !a.joining.Load()
}

// watch posts a Silence at each change until ctx ends.
func (a *answers) watch(ctx context.Context, post func(Event)) {
	ticker := time.NewTicker(answersEvery)
	defer ticker.Stop()
	silent := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if d, is := a.silence(time.Now()); is != silent {
			silent = is
			var err error
			if is {
				err = fmt.Errorf("no broker has answered for %s", d.Round(100*time.Millisecond))
			}
			post(Silence{err})
		}
	}
}
