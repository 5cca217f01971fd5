package programme

import (
	"slices"
	"strings"
)

const mostThresholds = 1000

// MostCounted is how many events are counted under one key that is no member's (a device, a store) for one threshold.
const MostCounted = 10_000

// thresholds reads the fraud thresholds of all files, in order.
func (p *programmeParser) thresholds() {
	items := p.listed("fraud")
	if len(items) > mostThresholds {
		p.fail(items[mostThresholds].pos, "the programme has %d thresholds; at most %d are read", len(items), mostThresholds)
		return
	}
	for _, item := range items {
		p.threshold(item)
	}
}

// thresholdRead is a threshold with where its keys stand.
type thresholdRead struct {
	threshold *Threshold
	fields    fields
	complete  bool // no part of it failed
}

func (p *programmeParser) threshold(n *node) {
	before := p.errors
	f, ok := p.mapping(wholeMeasure(n), &thresholdShape)
	if !ok {
		return
	}
	t := &Threshold{Pos: n.pos}
	p.out.Fraud = append(p.out.Fraud, t)
	for _, key := range []string{"id", "on", "action"} {
		if !f.has(key) {
			p.fail(n.pos, "a threshold needs `%s`", key)
		}
	}
	if id := f.get("id"); id != nil {
		t.ID = p.name(id, "`id`")
	}
	if i, ok := p.word(f, "on"); ok {
		t.On = OnOrder + Trigger(i)
		t.When = p.condition(f, "when", sight(t.On, 0))
	}
	if i, ok := p.word(f, "measure"); ok {
		t.Measure = MeasureCount + Measure(i)
	}
	if i, ok := p.word(f, "by"); ok {
		t.By = ByMember + Subject(i)
	}
	t.Within, _ = p.duration(f, "within")
	t.AtLeast = p.wholeAt(f, "at_least")
	p.bound(f, t)
	if i, ok := p.word(f, "action"); ok {
		t.Action = ActionFlag + Action(i)
		if t.Action != ActionBlock && f.has("for") {
			p.fail(f.at("for"), "`for` goes with `action: block` only")
		}
	}
	t.For, _ = p.duration(f, "for")
	p.measured(n, f, t)
	p.guards = append(p.guards, thresholdRead{t, f, p.errors == before})
}

// bound reads what the measured value may be.
func (p *programmeParser) bound(f fields, t *Threshold) {
	n := f.get("over")
	if n == nil {
		return
	}
	switch t.Measure {
	case 0: // not written, or wrong: reported elsewhere
	case MeasureRefunds:
		t.Share, _ = p.percent(n, "`over`")
	case MeasureAmount:
		amount, _ := p.amountOrZero(n, "`over`")
		t.Over = int64(amount)
	case MeasureCount, MeasurePoints, MeasureMembers, MeasureDevices:
		if strings.HasSuffix(n.text, "%") {
			p.fail(n.pos, "`over` is a percentage with `measure: %s` only", ratioMeasure)
			return
		}
		t.Over, _ = p.wholeOrZero(n, "`over`")
	}
}

// measured checks that the parts of a measurement are there, and go together.
func (p *programmeParser) measured(n *node, f fields, t *Threshold) {
	if !f.has("measure") {
		for _, key := range []string{"by", "within", "over", "at_least"} {
			if f.has(key) {
				p.fail(f.at(key), "`%s` goes with `measure`: %s", key, oneOf(measureWords))
				return
			}
		}
		if !f.has("when") {
			p.fail(n.pos, "a threshold needs `measure`, `when` or both")
		}
		return
	}
	for _, key := range []string{"by", "within", "over"} {
		if !f.has(key) {
			p.fail(n.pos, "a threshold with `measure` needs `%s`", key)
		}
	}
	if t.Measure == 0 {
		return
	}
	if f.has("at_least") && t.Measure != MeasureRefunds {
		p.fail(f.at("at_least"), "`at_least` goes with `measure: %s` only", ratioMeasure)
	}
	if t.On == 0 {
		return
	}
	if t.On != OnOrder && (t.Measure == MeasureAmount || t.Measure == MeasureRefunds) {
		p.fail(f.found["measure"].value.pos, "`%s` measures orders: not with `on: %s`", t.Measure, t.On)
	}
	if t.By != 0 && !slices.Contains(subjectsOf(t.On), t.By) {
		p.fail(f.found["by"].value.pos, "`by: %s` does not go with `on: %s`: it has none", t.By, t.On)
	}
	if counts := t.Measure == MeasureCount || t.Measure == MeasureMembers || t.Measure == MeasureDevices; t.By > ByMember && (counts && t.Over >= MostCounted || t.AtLeast > MostCounted) {
		key := "over"
		if t.AtLeast > MostCounted {
			key = "at_least"
		}
		p.fail(f.found[key].value.pos, "by %s at most the newest %d events are counted: `%s` must be below that", t.By, MostCounted, key)
	}
	if t.Measure == MeasureMembers && t.By == ByMember || t.Measure == MeasureDevices && t.By == ByDevice {
		p.fail(f.found["by"].value.pos, "`%s` by %s is always 1", t.Measure, t.By)
	}
}

// subjectsOf are whose events can be measured together, by what the events hold.
func subjectsOf(on Trigger) []Subject {
	switch on { //nolint:exhaustive // nothing else has thresholds
	case OnOrder:
		return []Subject{ByMember, ByDevice, ByIP, ByPayment, ByStore}
	case OnCheckIn:
		return []Subject{ByMember, ByDevice, ByIP, ByStore}
	}
	return []Subject{ByMember, ByDevice, ByIP, ByReferrer}
}

// wholeMeasure puts together what YAML takes apart in {measure: ratio(refunds, orders)}: in braces a comma ends a value, so
// that `orders)` becomes a key without a value.
func wholeMeasure(n *node) *node {
	if n.kind != mapNode {
		return n
	}
	for i, e := range n.entries {
		if i+1 == len(n.entries) || e.key.text != "measure" || e.value.kind != scalarNode || e.value.style != plain {
			continue
		}
		next := n.entries[i+1]
		open := strings.Contains(e.value.text, "(") && !strings.Contains(e.value.text, ")")
		if !open || next.value.kind != nullNode || !strings.HasSuffix(next.key.text, ")") {
			continue
		}
		value := *e.value
		value.text += ", " + next.key.text
		whole := *n
		whole.entries = slices.Concat(n.entries[:i], []entry{{e.key, &value}}, n.entries[i+2:])
		return &whole
	}
	return n
}
