package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"accrue/schemas"
)

// Bounds of lists on pages, and of the stream.
const (
	shownRecent = 12
	shownAlerts = 20
	flowSpan    = 120 // seconds of the live chart
	minuteSpan  = 60
	streamWrite = 5 * time.Second // for one message
)

// flow is what the live part shows, once a second.
type flow struct {
	Times   []int64 `json:"times"`
	Events  []int64 `json:"events"`
	Grants  []int64 `json:"grants"`
	Denials []int64 `json:"denials"`

	PerSecond string `json:"per_second"` // over the last minute
	Lag       string `json:"lag"`
	Median    string `json:"median"`
	Slow      string `json:"slow"`
	HeldOpen  string `json:"held_open"`
	Alerts    string `json:"alerts"`
	Dead      string `json:"dead"`
	State     string `json:"state"`

	Recent []recent `json:"recent"`
}

// recent is one decision in a line.
type recent struct {
	At      string `json:"at"`
	Member  string `json:"member"`
	Event   string `json:"event"`
	Outcome string `json:"outcome"`
	Word    string `json:"word"`
	Points  string `json:"points"`
	Why     string `json:"why"`
}

func (c *Console) flow(v *visit) flow {
	var out flow
	now := time.Now().Unix()
	r := c.feed.look(func(t *tally, f *fleet) {
		var events, alerts int64
		for at := now - flowSpan; at < now; at++ {
			s := t.seconds[at%flowSeconds]
			if s.at != at {
				s = second{}
			}
			out.Times = append(out.Times, at)
			out.Events, out.Grants, out.Denials = append(out.Events, s.events), append(out.Grants, s.grants+s.held), append(out.Denials, s.denied)
			if at >= now-minuteSpan {
				events += s.events
			}
		}
		for _, a := range t.alerts {
			if a.DecidedAt.Unix() > now-24*3600 {
				alerts++
			}
		}
		out.PerSecond = fmt.Sprintf("%d.%d", events/minuteSpan, events%minuteSpan*10/minuteSpan)
		out.Median, out.Slow = t.latency(now)
		out.HeldOpen, out.Alerts, out.Dead, out.Lag = number(int64(len(t.held))), number(alerts), number(t.buried), "–"
		if alerts == keptAlerts {
			out.Alerts += "+"
		}
		if f != nil {
			out.Lag = number(f.Lag)
		}
		for _, d := range newest(t.recent, shownRecent, func(d *schemas.Decision) time.Time { return d.DecidedAt }) {
			out.Recent = append(out.Recent, recentOf(v, d))
		}
	})
	out.State = v.feedText(r)
	return out
}

func recentOf(v *visit, d *schemas.Decision) recent {
	r := recent{
		At: d.DecidedAt.UTC().Format("15:04:05"), Member: d.MemberID, Event: d.EventID, Outcome: string(d.Outcome),
		Word: v.Word("outcome", d.Outcome), Why: d.Reason,
	}
	if d.AvailablePoints != 0 {
		r.Points = signed(d.AvailablePoints)
	} else if d.PendingPoints != 0 {
		r.Points = v.T("points.held", number(d.PendingPoints))
	}
	if r.Why == "" {
		for i := range d.Verdicts {
			if d.Verdicts[i].Verdict == schemas.VerdictGranted || d.Verdicts[i].Verdict == schemas.VerdictHeld {
				r.Why = d.Verdicts[i].RuleTitle
				break
			}
		}
	}
	return r
}

// latency is how old events were when they were decided, of those of the last minute: the median, and what 19 of 20 stay below.
func (t *tally) latency(now int64) (median, slow string) {
	var ages []time.Duration
	for _, a := range t.ages {
		if a.at >= now-minuteSpan {
			ages = append(ages, max(0, a.age))
		}
	}
	if len(ages) == 0 {
		return "–", "–"
	}
	slices.Sort(ages)
	text := func(d time.Duration) string {
		switch {
		case d < time.Second:
			return d.Round(time.Millisecond).String()
		case d < time.Minute:
			return d.Round(100 * time.Millisecond).String()
		case d < 48*time.Hour:
			return d.Round(time.Second).String()
		}
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return text(ages[len(ages)/2]), text(ages[len(ages)*19/20])
}

// feedText says how much of the past the page knows.
func (v *visit) feedText(r reading) string {
	v.Reading = !r.Ready
	switch {
	case r.Trouble != nil:
		return v.T("feed.trouble", r.Trouble.Error())
	case !r.Ready && r.Left > 0:
		return v.T("feed.reading", number(r.Left))
	case !r.Ready:
		return v.T("feed.starting")
	}
	return v.T("feed.since", r.Since.UTC().Format("2006-01-02 15:04"))
}

func (c *Console) showOverview(w http.ResponseWriter, r *http.Request, v *visit) error {
	v.Page = "overview"
	data := struct {
		*visit
		Flow     flow
		NotReady []string
		Instance string
		InForce  string
		Alerts   []*schemas.FraudAlert
	}{visit: v, Flow: c.flow(v)}
	c.feed.look(func(t *tally, _ *fleet) {
		data.Alerts = newest(t.alerts, shownAlerts, func(a *schemas.FraudAlert) time.Time { return a.DecidedAt })
	})
	if e := c.o.Engine(); e != nil {
		data.NotReady, data.Instance = e.NotReady(), e.Instance()
		if s, ok := e.Programmes(); ok {
			data.InForce = s.InForce
		}
	}
	c.write(w, r, http.StatusOK, "overview", data)
	return nil
}

// stream sends the live part every second until the reader goes. It ends when the session would, and with the process.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, v *visit) error {
	out := http.NewResponseController(w)
	if err := out.SetReadDeadline(time.Time{}); err != nil { // the server's own is for whole requests
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	end := time.After(10 * time.Minute) // the browser comes again, and shows its session again
	for {
		text, err := json.Marshal(c.flow(v))
		if err != nil {
			return nil //nolint:nilerr // it is numbers and texts: it cannot fail
		}
		if out.SetWriteDeadline(time.Now().Add(streamWrite)) != nil {
			return nil
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || out.Flush() != nil {
			return nil //nolint:nilerr // the reader is gone
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-c.stopped:
			return nil
		case <-end:
			return nil
		case <-ticker.C:
		}
	}
}
