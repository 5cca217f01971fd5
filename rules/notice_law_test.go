package rules_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// Where nothing is taken back and all arrives in order, every fall of a tier was told ahead at each instant that the programme
// names, and nobody is told of a fall who has enough. (That no notice is told twice every replay checks.)
func TestFallsAreToldAhead(t *testing.T) {
	falls := 0
	for tries := 0; tries < 20 && falls == 0; tries++ { // histories are drawn, and a few may have nothing of it
		rapid.Check(t, func(t *rapid.T) {
			w := &world{days: 30, from: []time.Time{{}}}
			by := pick(t, "by", "points, levels: [{id: member, at: 0}, {id: gold, at: 5}, {id: platinum, at: 9}]", "orders, levels: [{id: member, at: 0}, {id: gold, at: 1}, {id: platinum, at: 3}]")
			w.texts = []string{`programme: drawn
currency: CNY
time_zone: ` + pick(t, "zone", "Asia/Shanghai", "Europe/Berlin", "America/New_York") + `
return_window: 30 days
tiers:
  {over: ` + pick(t, "over", "6 days", "1 month", "calendar_year") + `, then: ` + pick(t, "then", "requalify", "one_down") + pick(t, "grace", "", ", grace: 2 days", ", grace: 36h") + `,
   notice: [1 day, 60h, 4 days], by: ` + by + `}
rules:
  - {id: check-in, on: check_in, earn: {points: 3}}
  - {id: held, on: order, earn: {points: 4}, hold: 3 days}
`}
			w.ready(t)
			w.drawEvents(t, newClock(t, 29), 2, 12)
			w.withoutProfiles()
			w.events = slices.DeleteFunc(inOrder(w.events), func(e rules.Event) bool {
				return e.Command != nil || e.Order != nil && (e.Order.Status == schemas.Cancelled || e.Order.Status == schemas.Refunded)
			})
			r := w.replay(t).all(w.events)
			r.finish()
			p := w.parsed[0].Programme
			for _, fall := range r.falls {
				for _, ahead := range p.Tiers.Notice {
					falls++
					at := ahead.SubFrom(fall.EffectiveAt, p.Zone)
					if !slices.ContainsFunc(r.noticesOf(fall.MemberID), func(n schemas.Notice) bool {
						return n.Kind == schemas.NoticeTierFalls && n.Tier == fall.From && n.DueAt.Equal(fall.EffectiveAt) && n.OccurredAt.Equal(at)
					}) {
						r.fatalf("the fall was not told %s ahead, at %s: %+v", ahead, at, fall)
					}
				}
			}
		})
	}
	if falls == 0 {
		t.Error("no fall was to be told")
	}
}

func (r *replay) noticesOf(member string) []schemas.Notice {
	var list []schemas.Notice
	for _, n := range r.notices {
		if n.MemberID == member {
			list = append(list, n)
		}
	}
	return list
}
