package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// heldPage is how many held grants a page lists, the oldest first.
const heldPage = 25

func (c *Console) showHeld(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows          []heldGrant
		Total, Points int64
		Review        bool
		State         string
		Lost          int64
		Since         time.Time
		From, To      int // of Total
		Next, Before  int // from which the pages beside begin; Next 0, Before -1: there is none
		Sent          string
	}{visit: v, Review: r.FormValue("all") == "", Before: -1, Sent: ours(r.FormValue("sent"))}
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
	data.State, data.Since = v.feedText(state), state.Since
	slices.SortFunc(data.Rows, func(a, b heldGrant) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.GrantID, b.GrantID)) })
	from, err := strconv.Atoi(r.FormValue("from"))
	if err != nil || from < 0 || from >= len(data.Rows) {
		from = 0
	}
	to := min(len(data.Rows), from+heldPage)
	if to < len(data.Rows) {
		data.Next = to
	}
	if from > 0 {
		data.Before = max(0, from-heldPage)
	}
	data.Rows, data.From, data.To = data.Rows[from:to], from+1, to
	c.write(w, r, http.StatusOK, "held", data)
	return nil
}

// newest are the newest of a list that came from several partitions, the newest first. The list stays as it is.
func newest[T any](list []T, most int, at func(T) time.Time) []T {
	list = slices.Clone(list)
	slices.Reverse(list) // of two of one moment the one that came last
	sortNewest(list, at)
	return list[:min(len(list), most)]
}

func sortNewest[T any](list []T, at func(T) time.Time) {
	slices.SortStableFunc(list, func(a, b T) int { return at(b).Compare(at(a)) })
}
