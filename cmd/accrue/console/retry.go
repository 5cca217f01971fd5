package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
)

// retryWait bounds one sending again. A transaction that somebody else left open may have to be waited for.
const retryWait = 25 * time.Second

// letterChoice is which dead letters a visitor wants to see. What is empty chooses nothing.
type letterChoice struct {
	Reason, From string // one of processor.Reasons, and a topic
	Within       string // "1h" or "24h" back
}

func (x *letterChoice) takes(l *letter, now time.Time) bool {
	back, err := time.ParseDuration(x.Within)
	return (x.Reason == "" || l.Reason == x.Reason) && (x.From == "" || l.Topic == x.From) && (err != nil || now.Sub(l.At) <= back)
}

func (c *Console) showDeadLetters(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows []letter
		letterChoice
		Reasons, Froms      []string // of all that are kept
		Topic, State        string
		Most, Open          int
		Told                bool // something was sent a moment ago
		Sent, Before, Wrong int
	}{visit: v, Most: keptDead, Topic: c.o.Config.Topics.DeadLetters, letterChoice: letterChoice{r.FormValue("reason"), r.FormValue("from"), r.FormValue("within")}}
	var all []letter
	state := c.feed.look(func(t *tally, _ *fleet) { all = slices.Clone(t.dead) })
	data.State = v.feedText(state)
	slices.Reverse(all)
	for _, reason := range processor.Reasons() {
		if slices.ContainsFunc(all, func(l letter) bool { return l.Reason == reason }) {
			data.Reasons = append(data.Reasons, reason)
		}
	}
	for i := range all {
		if topic := all[i].Topic; topic != "" && !slices.Contains(data.Froms, topic) {
			data.Froms = append(data.Froms, topic)
		}
		if data.takes(&all[i], v.Now) {
			data.Rows = append(data.Rows, all[i])
			if all[i].Retried == nil && all[i].Cannot == "" {
				data.Open++
			}
		}
	}
	slices.Sort(data.Froms)
	count := func(name string) int {
		n, err := strconv.Atoi(r.FormValue(name))
		if err != nil || n < 0 || n > keptDead {
			return 0
		}
		data.Told = data.Told || n > 0
		return n
	}
	data.Sent, data.Before, data.Wrong = count("sent"), count("before"), count("wrong")
	c.write(w, r, http.StatusOK, "dead-letters", data)
	return nil
}

// retry sends the chosen letters back to where they came from, each once, whoever else does the same.
func (c *Console) retry(w http.ResponseWriter, r *http.Request, v *visit) error {
	filter := processor.LetterFilter{}
	for _, text := range r.PostForm["id"] {
		id, err := processor.ParseLetterID(text)
		if err != nil {
			return &problem{http.StatusUnprocessableEntity, "error.form", nil}
		}
		filter.IDs = append(filter.IDs, id)
	}
	by, err := operatorOf(r.PostForm, v)
	switch {
	case err != nil:
		return err
	case len(filter.IDs) == 0 || len(filter.IDs) > keptDead:
		return &problem{http.StatusUnprocessableEntity, "error.choose", nil}
	}
	select {
	case c.retrying <- struct{}{}:
	default:
		return &problem{http.StatusConflict, "error.retrying", nil}
	}
	defer func() { <-c.retrying }()
	c.allowTime(w)
	ctx, cancel := context.WithTimeout(r.Context(), retryWait)
	defer cancel()
	sent, before, wrong, err := c.sendLetters(ctx, &filter, by)
	c.o.Log.Info("dead letters were sent again", "operator", by, "sent", sent, "sent_before", before, "cannot_be_sent", wrong, "err", err)
	switch {
	case errors.Is(err, processor.ErrRetryFenced):
		return &problem{http.StatusConflict, "error.retrying", err}
	case err != nil:
		return &problem{http.StatusBadGateway, "error.retry", err}
	}
	back := url.Values{"sent": {strconv.Itoa(sent)}, "before": {strconv.Itoa(before)}, "wrong": {strconv.Itoa(wrong)}}
	http.Redirect(w, r, "/dead-letters?"+back.Encode(), http.StatusSeeOther)
	return nil
}

func (c *Console) sendLetters(ctx context.Context, filter *processor.LetterFilter, by string) (sent, before, wrong int, err error) {
	options, err := c.o.Config.Kafka.ClientOptions()
	if err != nil {
		return 0, 0, 0, err
	}
	client, err := kgo.NewClient(append(options, processor.RetryOptions(c.o.Config.App)...)...)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	err = processor.RetryLetters(ctx, client, c.o.Config.EngineTopics(), filter, by, func(done processor.Retried) {
		switch {
		case done.Sent:
			sent++
		case done.Letter.Retried != nil:
			before++
		default:
			wrong++
		}
	})
	return sent, before, wrong, err
}
