package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows one line on a terminal while something takes longer than two seconds. On anything else it is silent.
type progress struct {
	terminal io.Writer // nil: not a terminal
	what     string
	begun    time.Time
	shown    time.Time
	count    int64

	total, position int64 // of what is read, in any unit; total 0: nobody knows
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
	before := p.count / 512
	p.count += n
	if p.terminal == nil || p.count/512 == before {
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
	fmt.Fprintf(p.terminal, "\r\x1b[K%s%d %s, %d a second", p.bar(), p.count, p.what, rate)
}

// barWidth is how many signs a full bar has.
const barWidth = 30

// bar shows how far it has come, where that is known.
func (p *progress) bar() string {
	if p.total <= 0 {
		return ""
	}
	done := int(min(p.position, p.total) * barWidth / p.total)
	return fmt.Sprintf("[%s%s] %3d%% ", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), min(p.position, p.total)*100/p.total)
}

// done clears the line.
func (p *progress) done() {
	if p.terminal != nil && !p.shown.IsZero() {
		fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}
