package rules_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// checkInHistory is a history of check-ins under thresholds that look back some hours and allow so many.
type checkInHistory struct {
	*replay
	hours, most int
	accepted    []*schemas.CheckIn // with the last one
}

// overCheckIns draws histories: thresholds are what stands below `fraud:` for a window, draw says who checks in and where, check is
// called after each event that is not LATE.
func overCheckIns(t *testing.T, thresholds func(t *rapid.T, window string) string, draw func(t *rapid.T, c *schemas.CheckIn), check func(h *checkInHistory, last *schemas.CheckIn)) {
	rapid.Check(t, func(t *rapid.T) {
		h := checkInHistory{hours: rapid.SampledFrom([]int{1, 30, 24 * 9}).Draw(t, "hours"), most: rapid.IntRange(1, 4).Draw(t, "most")}
		w := &world{days: 3, from: []time.Time{{}}, texts: []string{`programme: drawn
currency: CNY
time_zone: UTC
return_window: 72h
rules: [{id: check-in, on: check_in, earn: {points: 1}}]
fraud:
` + thresholds(t, strconv.Itoa(h.hours)+"h, over: "+strconv.Itoa(h.most))}}
		w.ready(t)
		h.replay = w.replay(t).stored()
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		for i := range rapid.IntRange(20, 120).Draw(t, "events") {
			at = at.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours later")) * time.Hour)
			c := &schemas.CheckIn{EventID: strconv.Itoa(i), Activity: "check-in"}
			draw(t, c)
			c.OccurredAt = at.Add(-time.Duration(rapid.IntRange(0, 74).Draw(t, "hours late")) * time.Hour)
			if oneIn(t, 5, "open anew") {
				h.reopen(c.MemberID)
			}
			h.handle(rules.Event{CheckIn: c, Source: schemas.Source{Topic: schemas.TopicCheckIns, Offset: int64(i)}})
			if h.outcome != schemas.OutcomeLate {
				h.accepted = append(h.accepted, c)
				check(&h, c)
			}
		}
	})
}

// inWindow are those of the events that lie in the window which ends with one of them.
func (h *checkInHistory) inWindow(last *schemas.CheckIn) []*schemas.CheckIn {
	var in []*schemas.CheckIn
	for _, c := range h.accepted {
		if ago := last.OccurredAt.Sub(c.OccurredAt); ago >= 0 && ago < time.Duration(h.hours)*time.Hour {
			in = append(in, c)
		}
	}
	return in
}

// A threshold counts exactly what lies in its window, whatever the order of arrival, however much is folded away meanwhile, and
// whether the account is in memory or opened anew: the alerts are those of a count of all events that were accepted.
func TestThresholdsCountExactly(t *testing.T) {
	overCheckIns(t, func(t *rapid.T, window string) string {
		return "  - {id: burst, on: check_in, measure: count, by: member, within: " + window + ", action: " + pick(t, "action", "flag", "deny", "block") + "}\n" +
			"  - {id: devices, on: check_in, measure: distinct(device), by: member, within: " + window + ", action: hold}\n"
	}, func(t *rapid.T, c *schemas.CheckIn) {
		c.MemberID, c.DeviceID = "m", pick(t, "device", "", "a", "b", "c", "d", "e")
	}, func(h *checkInHistory, last *schemas.CheckIn) {
		devices := map[string]bool{}
		counted := h.inWindow(last)
		for _, c := range counted {
			devices[c.DeviceID] = true
		}
		delete(devices, "")
		h.alerted("burst", len(counted), h.most)
		h.alerted("devices", len(devices), h.most)
	})
}

// A key counts exactly what lies in the window, over all members, whatever the order of arrival, and whether it is in memory or
// opened anew: the alerts are those of a count of all events that were asked about before.
func TestKeysCountExactly(t *testing.T) {
	overCheckIns(t, func(t *rapid.T, window string) string {
		return "  - {id: burst, on: check_in, measure: count, by: device, within: " + window + ", action: " + pick(t, "action", "flag", "deny", "block") + "}\n" +
			"  - {id: members, on: check_in, measure: distinct(member), by: device, within: " + window + ", action: hold}\n" +
			"  - {id: devices, on: check_in, measure: distinct(device), by: store, within: " + window + ", action: flag}\n"
	}, func(t *rapid.T, c *schemas.CheckIn) {
		c.MemberID = pick(t, "member", "m1", "m2", "m3", "m4")
		c.Store, c.DeviceID = pick(t, "store", "", "west"), pick(t, "device", "", "a", "b")
	}, func(h *checkInHistory, last *schemas.CheckIn) {
		counted, members, devices := 0, map[string]bool{}, map[string]bool{}
		for _, c := range h.inWindow(last) {
			if c.DeviceID == last.DeviceID && c.DeviceID != "" {
				counted++
				members[c.MemberID] = true
			}
			if c.Store == last.Store && c.Store != "" {
				devices[c.DeviceID] = true
			}
		}
		delete(devices, "")
		h.alerted("burst", counted, h.most)
		h.alerted("members", len(members), h.most)
		h.alerted("devices", len(devices), h.most)
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
