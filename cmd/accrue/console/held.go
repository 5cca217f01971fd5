package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// shownHeldMost is how many held grants a page lists.
const shownHeldMost = 200

func (c *Console) showHeld(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows          []heldGrant
		Total, Points int64
		Review        bool
		State         string
		Lost          int64
		Once          string
		Sent          string
	}{visit: v, Review: r.FormValue("all") == "", Once: newOnce(), Sent: ours(r.FormValue("sent"))}
	state := c.feed.look(func(t *tally, _ *fleet) {
		data.Lost = t.lost
		for _, h := range t.held {
			if !data.Review || h.Until.IsZero() {
				data.Rows = append(data.Rows, *h)
				data.Total++
				data.Points += h.Points
			}
		}
	})
	data.State = v.feedText(state)
	slices.SortFunc(data.Rows, func(a, b heldGrant) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.GrantID, b.GrantID)) })
	data.Rows = data.Rows[:min(len(data.Rows), shownHeldMost)]
	c.write(w, r, http.StatusOK, "held", data)
	return nil
}

func sortNewest[T any](list []T, at func(T) time.Time) {
	slices.SortStableFunc(list, func(a, b T) int { return at(b).Compare(at(a)) })
}

func (c *Console) showDeadLetters(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows  []letter
		State string
		Most  int
		Topic string
	}{visit: v, Most: keptDead, Topic: c.o.Config.Topics.DeadLetters}
	state := c.feed.look(func(t *tally, _ *fleet) { data.Rows = slices.Clone(t.dead) })
	data.State = v.feedText(state)
	slices.Reverse(data.Rows)
	c.write(w, r, http.StatusOK, "dead-letters", data)
	return nil
}
