package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
)

// metricKind is what a tier metric counts, and over what: a programme.Metric and a programme.Span. The numbers are stored.
type metricKind byte

func kindOf(tiers *programme.Tiers) metricKind {
	return metricKind(tiers.By)<<2 | metricKind(tiers.Span)
}

func (k metricKind) by() programme.Metric { return programme.Metric(k >> 2) }

func (k metricKind) span() programme.Span { return programme.Span(k & 3) }

// row names the rows of the instants of a metric.
func (k metricKind) row(owner string) string { return owner + "m" + string(rune('a'+k)) }

// measured is a kind of metric that a version's tiers go by, with the longest `over` of those versions.
type measured struct {
	kind metricKind
	over programme.Duration
}

// measure takes note of what the tiers of a version go by.
func (l *Ledger) measure(tiers *programme.Tiers) {
	if tiers == nil {
		return
	}
	kind := kindOf(tiers)
	for i := range l.measured {
		if m := &l.measured[i]; m.kind == kind {
			m.over = longer(m.over, tiers.Over)
			return
		}
	}
	l.measured = append(l.measured, measured{kind, tiers.Over})
}

// beginning is the standing of whom nothing is known.
func (l *Ledger) beginning() *standing {
	s := &standing{counted: l.counting.mark}
	if l.follows {
		s.lots = &lots{}
	}
	for _, m := range l.measured {
		s.metricOf(m.kind)
	}
	return s
}

// metricOf finds a metric. The pointer holds until the next call.
func (s *standing) metricOf(kind metricKind) *metricStanding {
	for i := range s.metrics {
		if s.metrics[i].kind == kind {
			return &s.metrics[i]
		}
	}
	s.metrics = append(s.metrics, metricStanding{kind: kind})
	return &s.metrics[len(s.metrics)-1]
}

func (s *standing) measures(kind metricKind) bool {
	for i := range s.metrics {
		if s.metrics[i].kind == kind {
			return true
		}
	}
	return false
}

// instants is how many instants of metrics are kept.
func (s *standing) instants() int {
	n := 0
	for i := range s.metrics {
		n += s.metrics[i].rolling.len()
	}
	return n
}

// measureAnew makes up for it that a version came whose tiers go by what was not counted, or whose limits bind it: it is counted,
// over all facts that are still kept. Of what is folded away by now nothing of the kind is known.
func (a *Account) measureAnew() error {
	anew := a.head.counted != a.ledger.counting.mark
	for _, m := range a.ledger.measured {
		anew = anew || !a.head.measures(m.kind)
	}
	if !anew {
		return nil
	}
	if err := a.load(); err != nil {
		return err
	}
	for _, m := range a.ledger.measured {
		a.base.metricOf(m.kind)
	}
	a.base.counted = a.ledger.counting.mark
	a.rebased, a.touched = true, true
	return a.rebuild()
}

// count adds an amount to all metrics that go by it.
func (r *run) count(p *programme.Programme, at int64, by programme.Metric, amount int64) error {
	if amount == 0 {
		return nil
	}
	for i := range r.s.metrics {
		m := &r.s.metrics[i]
		if m.kind.by() != by {
			continue
		}
		if err := m.count(at, amount, r.s.zone(p)); err != nil {
			return err
		}
		if m.kind.span() == programme.Rolling {
			if p.Tiers == nil || m.kind != kindOf(p.Tiers) {
				m.settle() // nobody asks for its value now
			}
			m.forget(r.account.ledger.measured, at, r.s.zone(p))
		}
	}
	return nil
}

func (m *metricStanding) count(at, amount int64, zone *time.Location) (err error) {
	if m.total, err = addInt(m.total, amount); err != nil {
		return err
	}
	switch m.kind.span() {
	case programme.Rolling:
		if m.fresh.instant != at {
			m.settle()
		}
		m.fresh = amountAt{at, m.fresh.amount + amount} // no more than the total
	case programme.CalendarYear:
		m.turn(programme.PerYear.Number(time.UnixMilli(at), zone))
		m.current += amount
	case programme.Lifetime: // the total is enough
	}
	return nil
}

// settle enters what was counted since the last look at the metric: one element for all grants of a pass.
func (m *metricStanding) settle() {
	if m.fresh.amount != 0 {
		m.rolling.add(m.fresh)
		m.fresh = amountAt{}
	}
}

// turn makes year the current one.
func (m *metricStanding) turn(year int32) {
	switch {
	case year == m.year+1:
		m.before, m.current = m.current, 0
	case year > m.year:
		m.before, m.current = 0, 0
	}
	m.year = max(m.year, year)
}

// forget lets go of the instants that no version looks back to any more: another may reach further than the one in force.
func (m *metricStanding) forget(all []measured, at int64, zone *time.Location) {
	for _, x := range all {
		if x.kind == m.kind && m.rolling.reaches(x.over, at) {
			m.cut(x.over.SubFrom(time.UnixMilli(at), zone).UnixMilli() - slack)
		}
	}
}

// cut takes out what is not after an instant.
func (m *metricStanding) cut(at int64) {
	gone := m.rolling.notAfter(at)
	m.total -= sumOf(&m.rolling, gone)
	m.rolling.takeFront(gone)
}

// sumOf adds up the first n amounts.
func sumOf(s *series[amountAt], n int) (sum int64) {
	for i := range n {
		sum += s.at(i).amount
	}
	return sum
}

// value is the metric at an instant: summed over `over` before it, the instant included.
func (s *standing) value(p *programme.Programme, at int64) int64 {
	m := s.metricOf(kindOf(p.Tiers))
	switch p.Tiers.Span {
	case programme.Rolling:
		m.settle()
		if !m.rolling.reaches(p.Tiers.Over, at) {
			return m.total
		}
		cut := p.Tiers.Over.SubFrom(time.UnixMilli(at), s.zone(p)).UnixMilli()
		return m.total - sumOf(&m.rolling, m.rolling.notAfter(cut))
	case programme.CalendarYear:
		m.turn(programme.PerYear.Number(time.UnixMilli(at), s.zone(p)))
		return m.current
	default:
		return m.total
	}
}

// yearEnded is the metric of the year before the end of a validity. A tier that somebody has set may end inside a year: then it
// is the running one. The end of a year is another instant in another zone, at most a day and some hours apart.
func (s *standing) yearEnded(p *programme.Programme, ended int64) int64 {
	const apart = 26 * time.Hour
	end, zone := time.UnixMilli(ended), s.zone(p)
	year := programme.PerYear.Number(end.Add(apart), zone)
	m := s.metricOf(kindOf(p.Tiers))
	m.turn(year)
	if programme.PerYear.Number(end.Add(-apart), zone) == year && m.year == year {
		return m.current
	}
	return m.before
}

func (m *metricStanding) save(w *writer, owner string, rows *rowWriter) {
	w.byte(byte(m.kind))
	w.varint(m.total)
	w.varint(int64(m.year))
	w.varint(m.current)
	w.varint(m.before)
	m.rolling.save(w, m.kind.row(owner), rows)
}

func (m *metricStanding) load(r *reader, owner string, rows Rows) {
	m.kind = metricKind(r.byte())
	m.total, m.year, m.current, m.before = r.varint(), int32(r.varint()), r.varint(), r.varint()
	m.rolling = loadSeries(r, m.kind.row(owner), rows, getAmountAt)
}

func metricName(by programme.Metric) string {
	switch by {
	case programme.BySpend:
		return "spend"
	case programme.ByOrders:
		return "orders"
	default:
		return "points"
	}
}

func metricText(p *programme.Programme, value int64) string {
	if p.Tiers.By == programme.BySpend {
		return moneyText(programme.Money(value), p)
	}
	return fmt.Sprint(value)
}
