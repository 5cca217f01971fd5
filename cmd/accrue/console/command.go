package console

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// Bounds of what a person writes.
const (
	maxReason  = 500
	maxGrantID = 200
	maxPoints  = 1_000_000_000 // of one command by hand: a slip of a finger is not a fortune
	ourEvents  = "console-"
)

var onceForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// newOnce makes the number of a form. Its command has it in the event_id, so that however often a form is sent there is one command.
func newOnce() string { return rand.Text() }

// NewOnce is newOnce, for pages that have several forms.
func (v *visit) NewOnce() string { return newOnce() }

func isOurs(event string) bool { return strings.HasPrefix(event, ourEvents) }

// ours is an event_id of ours, and nothing else.
func ours(event string) string {
	if once, ok := strings.CutPrefix(event, ourEvents); ok && onceForm.MatchString(once) {
		return event
	}
	return ""
}

// command sends what an operator decided to the topic of commands, and goes back to where they were.
func (c *Console) command(w http.ResponseWriter, r *http.Request, v *visit) error {
	command, err := commandOf(r.PostForm, v)
	if err != nil {
		return err
	}
	if err := c.send(r.Context(), command); err != nil {
		return &problem{http.StatusBadGateway, "error.send", err}
	}
	c.o.Log.Info("an operator's command was sent", "kind", command.Kind, "event_id", command.EventID, "operator", command.Operator)
	back := "/member?id=" + url.QueryEscape(command.MemberID) + "&sent=" + url.QueryEscape(command.EventID)
	if r.PostForm.Get("back") == "held" {
		back = "/held?sent=" + url.QueryEscape(command.EventID)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// commandOf reads a form. What is wrong in it is said with the key of a text.
func commandOf(form url.Values, v *visit) (*schemas.Command, error) {
	wrong := func(key string) (*schemas.Command, error) {
		return nil, &problem{http.StatusUnprocessableEntity, key, nil}
	}
	c := &schemas.Command{
		MemberID: form.Get("member"), Kind: form.Get("kind"), Reason: strings.TrimSpace(form.Get("reason")), OccurredAt: v.Now.Truncate(time.Millisecond),
	}
	var err error
	if c.Operator, err = operatorOf(form, v); err != nil {
		return nil, err
	}
	once := form.Get("once")
	switch {
	case !onceForm.MatchString(once):
		return wrong("error.form")
	case !slices.Contains([]string{"GRANT", "DEDUCT", "RELEASE", "REJECT", "BLOCK", "UNBLOCK"}, c.Kind):
		return wrong("error.form")
	case c.MemberID == "" || len(c.MemberID) > maxMember || !utf8.ValidString(c.MemberID):
		return wrong("error.member")
	case c.Reason == "" || utf8.RuneCountInString(c.Reason) > maxReason || !utf8.ValidString(c.Reason):
		return wrong("error.reason")
	}
	c.EventID = ourEvents + once
	switch c.Kind {
	case "GRANT", "DEDUCT":
		points, err := strconv.ParseInt(strings.TrimSpace(form.Get("points")), 10, 64)
		if err != nil || points < 1 || points > maxPoints {
			return wrong("error.points")
		}
		c.Points = points
	case "RELEASE", "REJECT":
		if c.GrantID = form.Get("grant"); c.GrantID == "" || len(c.GrantID) > maxGrantID {
			return wrong("error.form")
		}
	case "BLOCK":
		if days := form.Get("days"); days != "" {
			n, err := strconv.Atoi(days)
			if err != nil || n < 1 || n > 3650 {
				return wrong("error.days")
			}
			c.Until = c.OccurredAt.AddDate(0, 0, n)
		}
	}
	return c, nil
}

// operatorOf is the name of who decides: of the session, or where nobody needs to sign in, of the form.
func operatorOf(form url.Values, v *visit) (string, error) {
	name := v.Operator
	if !v.Signed {
		name = strings.Join(strings.Fields(form.Get("operator")), " ")
	}
	if name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) {
		return "", &problem{http.StatusUnprocessableEntity, "error.operator.name", nil}
	}
	return name, nil
}

// send writes a command and waits until the brokers have it.
func (c *Console) send(ctx context.Context, command *schemas.Command) error {
	topic := c.o.Config.Topics.Commands
	client, err := c.kafka()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	id, found, err := c.o.Registry.LookUp(ctx, schemas.Subject(topic), schemas.KindCommand.SchemaText())
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("the schema of commands is not registered for %s: run accrue topics apply", topic)
	}
	value, err := schemas.NewEncoder(map[schemas.Kind]int{schemas.KindCommand: id}).Append(nil, command)
	if err != nil {
		return err
	}
	return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(command.MemberID), Value: value}).FirstErr()
}

// showAnswer is the part of a page that says what became of a command; it asks again until that is known.
func (c *Console) showAnswer(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Sent     string
		Decision *schemas.Decision
	}{visit: v, Sent: ours(r.FormValue("sent"))}
	if data.Sent == "" {
		return &problem{http.StatusUnprocessableEntity, "error.form", nil}
	}
	c.feed.look(func(t *tally, _ *fleet) { data.Decision = t.answers[data.Sent] })
	c.write(w, r, http.StatusOK, "answer", data)
	return nil
}
