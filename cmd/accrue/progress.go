package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows one line on a terminal while something takes longer than two seconds. On anything else it is silent.
type progress struct {
	terminal io.Writer // nil: not a terminal
	what     string
	begun    time.Time
	shown    time.Time
	count    int64
}

const progressAfter = 2 * time.Second

func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what, begun: time.Now()}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.terminal = w
		}
	}
	return p
}

// add counts; it looks at the clock only now and then.
func (p *progress) add(n int64) {
	p.count += n
	if p.terminal == nil || p.count%512 != 0 {
		return
	}
	p.show(time.Now())
}

func (p *progress) show(now time.Time) {
	if now.Sub(p.begun) < progressAfter || now.Sub(p.shown) < time.Second/4 {
		return
	}
	p.shown = now
	rate := p.count * 1000 / max(now.Sub(p.begun).Milliseconds(), 1)
	fmt.Fprintf(p.terminal, "\r\x1b[K%d %s, %d a second", p.count, p.what, rate)
}

// done clears the line.
func (p *progress) done() {
	if p.terminal != nil && !p.shown.IsZero() {
		fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}
