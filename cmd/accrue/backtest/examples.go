package backtest

import (
	"slices"
	"strings"
	"time"

	"accrue/schemas"
)

// Examples keeps, of each member, the event of which the two programmes made the largest difference each way, with what each said
// about it: at most two events a member, however long the history.
type Examples struct {
	members map[string]*[2]Example // where B gave more, where it gave less
}

// NewExamples returns an empty collection.
func NewExamples() *Examples { return &Examples{members: map[string]*[2]Example{}} }

// Example is one event of a member and the rule that made the largest difference there.
type Example struct {
	EventID    string `json:"event_id"`
	OrderID    string `json:"order_id,omitempty"`
	OccurredAt string `json:"occurred_at"`
	Rule       string `json:"rule"`
	PointsA    int64  `json:"points_a"`
	ReasonA    string `json:"reason_a"` // in the words of the decision; empty: the programme has no such rule
	PointsB    int64  `json:"points_b"`
	ReasonB    string `json:"reason_b"`

	difference int64 // of the whole event
}

// decided is one decision, as far as Examples need it.
type decided struct {
	source   schemas.Source
	member   string
	at       time.Time
	reason   string
	verdicts []verdict
}

// verdict is what one rule said to one event.
type verdict struct {
	rule, reason string
	points       int64 // granted or held
}

// remember keeps what was decided of the input that is being answered, until Examples.Compare.
func (c *Collector) remember(d *schemas.Decision) {
	s := c.source
	if d.Source.Topic != s.Topic || d.Source.Partition != s.Partition || d.Source.Offset != s.Offset {
		return // an event that had waited; what it came to stands in the sums
	}
	if n := len(c.decided); n < cap(c.decided) { // with the memory of an earlier one
		c.decided = c.decided[:n+1]
	} else {
		c.decided = append(c.decided, decided{})
	}
	to := &c.decided[len(c.decided)-1]
	to.source, to.member, to.at, to.reason, to.verdicts = d.Source, d.MemberID, d.OccurredAt, d.Reason, to.verdicts[:0]
	for i := range d.Verdicts {
		v := &d.Verdicts[i]
		points := v.Points
		if v.Verdict != schemas.VerdictGranted && v.Verdict != schemas.VerdictHeld {
			points = 0
		}
		to.verdicts = append(to.verdicts, verdict{v.RuleID, v.Reason, points})
	}
}

// Compare takes from both what they have decided since the last call. Both have been given the same inputs.
func (x *Examples) Compare(a, b *Collector) {
	i, j := 0, 0
	for i < len(a.decided) && j < len(b.decided) {
		one, other := &a.decided[i], &b.decided[j]
		if one.source.Topic == other.source.Topic && one.source.Partition == other.source.Partition && one.source.Offset == other.source.Offset {
			x.event(one, other)
			i, j = i+1, j+1
			continue
		}
		// One of the two waits for an answer and was not decided: pass over the other, which stands further on in neither.
		if k := slices.IndexFunc(b.decided[j:], func(d decided) bool { return d.source == one.source }); k >= 0 {
			j += k
		} else {
			i++
		}
	}
	a.decided, b.decided = a.decided[:0], b.decided[:0]
}

// event compares what the two made of one event.
func (x *Examples) event(a, b *decided) {
	var all adder
	difference := int64(0)
	most, rule := int64(0), ""
	note := func(id string, points int64) {
		all.add(&difference, points)
		if size := max(points, -points); size > most {
			most, rule = size, id
		}
	}
	for i := range a.verdicts {
		v := &a.verdicts[i]
		points := -v.points
		if other := b.verdictOf(v.rule, i); other != nil {
			points += other.points
		}
		note(v.rule, points)
	}
	for i := range b.verdicts {
		if v := &b.verdicts[i]; v.points != 0 && a.verdictOf(v.rule, i) == nil {
			note(v.rule, v.points)
		}
	}
	if difference == 0 || all.passed {
		return
	}
	x.keep(a, b, rule, difference)
}

func (x *Examples) keep(a, b *decided, rule string, difference int64) {
	both := x.members[a.member]
	if both == nil {
		both = &[2]Example{}
		x.members[strings.Clone(a.member)] = both
	}
	way := &both[0]
	if difference < 0 {
		way = &both[1]
	}
	if size := max(difference, -difference); size <= max(way.difference, -way.difference) {
		return
	}
	*way = Example{
		EventID: strings.Clone(a.source.EventID), OrderID: strings.Clone(a.source.OrderID), OccurredAt: a.at.UTC().Format(time.RFC3339),
		Rule: strings.Clone(rule), difference: difference,
	}
	if v := a.verdictOf(rule, 0); v != nil {
		way.PointsA, way.ReasonA = v.points, strings.Clone(v.reason)
	} else if len(a.verdicts) == 0 {
		way.ReasonA = strings.Clone(a.reason)
	}
	if v := b.verdictOf(rule, 0); v != nil {
		way.PointsB, way.ReasonB = v.points, strings.Clone(v.reason)
	} else if len(b.verdicts) == 0 {
		way.ReasonB = strings.Clone(b.reason)
	}
}

// verdictOf finds what a rule said; two programmes that are alike have it at the same place.
func (d *decided) verdictOf(rule string, likely int) *verdict {
	if likely < len(d.verdicts) && d.verdicts[likely].rule == rule {
		return &d.verdicts[likely]
	}
	for i := range d.verdicts {
		if d.verdicts[i].rule == rule {
			return &d.verdicts[i]
		}
	}
	return nil
}

// of is the example that shows why a member is better (or worse) off.
func (x *Examples) of(member string, better bool) *Example {
	both := x.members[member]
	if both == nil {
		return nil
	}
	way := &both[1]
	if better {
		way = &both[0]
	}
	if way.difference == 0 {
		return nil
	}
	return way
}
