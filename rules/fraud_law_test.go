package rules_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// A threshold counts exactly what lies in its window, whatever the order of arrival, however much is folded away meanwhile, and
// whether the account is in memory or opened anew: the alerts are those of a count of all events that were accepted.
func TestThresholdsCountExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.SampledFrom([]int{1, 30, 24 * 9}).Draw(t, "hours")
		most := rapid.IntRange(1, 4).Draw(t, "most")
		window := strconv.Itoa(hours) + "h, over: " + strconv.Itoa(most)
		w := &world{days: 3, from: []time.Time{{}}, texts: []string{`programme: drawn
currency: CNY
time_zone: UTC
return_window: 72h
rules: [{id: check-in, on: check_in, earn: {points: 1}}]
fraud:
  - {id: burst, on: check_in, measure: count, by: member, within: ` + window + `, action: ` + pick(t, "action", "flag", "deny", "block") + `}
  - {id: devices, on: check_in, measure: distinct(device), by: member, within: ` + window + `, action: hold}
`}}
		w.ready(t)
		r := w.replay(t).stored()
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var accepted []*schemas.CheckIn
		for i := range rapid.IntRange(20, 120).Draw(t, "events") {
			at = at.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours later")) * time.Hour)
			c := &schemas.CheckIn{EventID: strconv.Itoa(i), MemberID: "m", Activity: "check-in", DeviceID: pick(t, "device", "", "a", "b", "c", "d", "e")}
			c.OccurredAt = at.Add(-time.Duration(rapid.IntRange(0, 74).Draw(t, "hours late")) * time.Hour)
			if oneIn(t, 5, "open anew") {
				r.reopen("m")
			}
			r.handle(rules.Event{CheckIn: c, Source: schemas.Source{Topic: schemas.TopicCheckIns, Offset: int64(i)}})
			if r.outcome == schemas.OutcomeLate {
				continue
			}
			accepted = append(accepted, c)
			counted, devices := 0, map[string]bool{}
			for _, x := range accepted {
				if ago := c.OccurredAt.Sub(x.OccurredAt); ago >= 0 && ago < time.Duration(hours)*time.Hour {
					counted++
					devices[x.DeviceID] = true
				}
			}
			delete(devices, "")
			r.alerted("burst", counted, most)
			r.alerted("devices", len(devices), most)
		}
	})
}

// alerted checks that the last event has an alert of a threshold exactly if what it measures is more than the most.
func (r *replay) alerted(threshold string, measured, most int) {
	r.t.Helper()
	value := ""
	for _, a := range r.alerts {
		if a.ThresholdID == threshold {
			value = a.MeasuredValue
		}
	}
	want := ""
	if measured > most {
		want = strconv.Itoa(measured)
	}
	if value != want {
		r.fatalf("threshold %s measures %q, it should be %q", threshold, value, want)
	}
}
