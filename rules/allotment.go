package rules

import "slices"

// allotment is what one grant takes out of a budget.
type allotment struct {
	rule     string
	part     int32
	period   int32
	points   int64 // taken out of it, and not given back
	granted  int64 // of them when the rules were asked last; what was rejected since has gone back, and counted until then
	refused  bool  // there was none when it was asked for, and whoever is refused stays so
	hard     bool  // the event waits for it
	due      int64 // when the lease is no longer waited for; 0: it is not
	revision int64 // of the newest wish
	wishes   []asking
}

// asking is a wish that has not been answered.
type asking struct {
	revision int64
	points   int64
	state    wishState
}

type wishState uint8

const (
	wishNew     wishState = iota // to be said to the lease
	wishWaits                    // for the lease
	wishLeft                     // refused, to be remembered by the owner
	wishOwed                     // refused, and remembered by the owner
	wishGivenUp                  // waited too long: what comes goes back
	wishLate                     // waited too long: what comes is granted all the same
)

// asked is how many points the draw has, or may still get.
func (d *allotment) asked() int64 {
	points := d.points
	for i := range d.wishes {
		if d.wishes[i].state != wishGivenUp {
			points += d.wishes[i].points
		}
	}
	return points
}

// waits says that the lease has not answered yet.
func (d *allotment) waits() bool {
	for i := range d.wishes {
		if d.wishes[i].state <= wishWaits {
			return true
		}
	}
	return false
}

// silent says that the lease has not answered in time.
func (d *allotment) silent() bool {
	return slices.ContainsFunc(d.wishes, func(w asking) bool { return w.state >= wishGivenUp })
}

// wish adds a wish.
func (d *allotment) wish(points int64, state wishState) {
	d.revision++
	d.wishes = append(d.wishes, asking{d.revision, points, state})
}

func (f *fact) drawOf(rule string, part int32) *allotment {
	for i := range f.draws {
		if d := &f.draws[i]; d.rule == rule && d.part == part {
			return d
		}
	}
	return nil
}

// allows is how many of the points that a grant wants it may have. While the event waits for them they are reserved.
func (d *allotment) allows(points int64) int64 {
	switch {
	case d == nil:
		return 0
	case d.hard && d.waits():
		return points
	}
	return min(points, d.points)
}

// allowed is how many the grant had when the rules were asked last. What was held and is rejected has gone back to the budget, but limits
// counted it until then.
func (d *allotment) allowed(points int64) int64 {
	if d == nil {
		return 0
	}
	return max(d.allows(points), min(points, d.granted))
}

// isDone says that nothing has to be known of the allotment any more.
func (d *allotment) isDone() bool {
	return d.points == 0 && d.granted == 0 && len(d.wishes) == 0 && !d.refused
}

func (f *fact) encodeDraws(w *writer) {
	w.uvarint(uint64(len(f.draws)))
	for i := range f.draws {
		x := &f.draws[i]
		w.string(x.rule)
		w.varint(int64(x.part))
		w.varint(int64(x.period))
		w.varint(x.points)
		w.varint(x.granted)
		w.bool(x.refused)
		w.bool(x.hard)
		w.varint(x.due)
		w.varint(x.revision)
		w.uvarint(uint64(len(x.wishes)))
		for _, a := range x.wishes {
			w.varint(a.revision)
			w.varint(a.points)
			w.byte(byte(a.state))
		}
	}
}

func (f *fact) decodeDraws(r *reader) {
	f.draws = make([]allotment, r.count())
	for i := range f.draws {
		x := &f.draws[i]
		x.rule, x.part, x.period, x.points, x.granted = r.string(), int32(r.varint()), int32(r.varint()), r.varint(), r.varint()
		x.refused, x.hard, x.due, x.revision = r.bool(), r.bool(), r.varint(), r.varint()
		x.wishes = make([]asking, r.count())
		for j := range x.wishes {
			x.wishes[j] = asking{r.varint(), r.varint(), wishState(r.byte())}
		}
	}
}

// DrawRow is what a grant has taken out of a budget.
type DrawRow struct {
	Rule    string `json:"rule"`
	Part    int32  `json:"part,omitempty"`
	Period  int32  `json:"period,omitempty"`
	Points  int64  `json:"points"`
	Wanted  int64  `json:"wanted,omitempty"` // and not answered
	Refused bool   `json:"refused,omitempty"`
}

func (d *FactRow) describeDraws(f *fact) {
	for i := range f.draws {
		x := &f.draws[i]
		if x.points == 0 && len(x.wishes) == 0 && !x.refused {
			continue
		}
		d.Draws = append(d.Draws, DrawRow{x.rule, x.part, x.period, x.points, x.asked() - x.points, x.refused})
	}
}
