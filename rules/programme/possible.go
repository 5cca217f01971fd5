package programme

import (
	"fmt"
	"slices"
	"strings"
)

// possible is what a value can be, as far as is known: a number between bounds, or a text of a set.
type possible struct {
	whole     bool // a whole number: above 5 is from 6
	low, high *bound
	texts     []string // with isSet: one of these
	isSet     bool
	notNumber []decimal
	notText   []string
	none      bool // nothing is left
}

type bound struct {
	value    decimal
	included bool
}

func from(n int64) *bound { return &bound{decimal{n, 0}, true} }

// domain is what a value can be at all.
func (r *certainty) domain(subject string) *possible {
	switch subject {
	case "order.total", "line.amount", "member.spend":
		return &possible{low: from(0)}
	case "order.number":
		return &possible{whole: true, low: from(1)}
	case "line.quantity", "member.pending", "member.orders", "member.streak":
		return &possible{whole: true, low: from(0)}
	case "member.points", "member.age_days": // a debt; who joins later
		return &possible{whole: true}
	case "referral.same_device":
		return &possible{whole: true, low: from(0), high: from(1)}
	case "member.tier":
		if len(r.s.levels) == 0 {
			return &possible{texts: []string{""}, isSet: true}
		}
		return &possible{texts: r.s.levels, isSet: true}
	case "order.currency":
		return &possible{texts: r.s.currencies, isSet: len(r.s.currencies) > 0}
	}
	if strings.HasSuffix(subject, ".size()") {
		return &possible{whole: true, low: from(0)}
	}
	getter, _ := strings.CutPrefix(subject, "now.get") // when the member joined may not be known
	for _, shown := range []struct {
		name      string
		low, high int64
	}{
		{"Date()", 1, 31},
		{"DayOfMonth()", 0, 30},
		{"DayOfWeek()", 0, 6},
		{"DayOfYear()", 0, 365},
		{"Month()", 0, 11},
		{"Hours()", 0, 23},
		{"Minutes()", 0, 59},
		{"Seconds()", 0, 59},
		{"Milliseconds()", 0, 999},
	} {
		if getter == shown.name {
			return &possible{whole: true, low: from(shown.low), high: from(shown.high)}
		}
	}
	return &possible{}
}

// String is what the value can be, in words; empty: anything.
func (p *possible) String() string {
	switch {
	case p.isSet && len(p.texts) <= 5:
		quoted := make([]string, len(p.texts))
		for i, text := range p.texts {
			quoted[i] = fmt.Sprintf("%q", text)
		}
		return oneOf(quoted)
	case p.low != nil && p.high != nil:
		return fmt.Sprintf("from %s to %s", p.low.value, p.high.value)
	case p.low != nil:
		return fmt.Sprintf("at least %s", p.low.value)
	}
	return ""
}

// only leaves the given values.
func (p *possible) only(numbers []decimal, texts []string) {
	p.none = p.none || len(numbers) == 0 && len(texts) == 0
	if len(numbers) > 0 {
		p.above(slices.MinFunc(numbers, decimal.compare), true)
		p.below(slices.MaxFunc(numbers, decimal.compare), true)
		return
	}
	if !p.isSet {
		p.texts, p.isSet = texts, true
		return
	}
	p.texts = slices.DeleteFunc(slices.Clone(p.texts), func(text string) bool { return !slices.Contains(texts, text) })
}

// without takes the given values away.
func (p *possible) without(numbers []decimal, texts []string) {
	p.notNumber = append(p.notNumber, numbers...)
	p.notText = append(p.notText, texts...)
}

func (p *possible) above(value decimal, included bool) {
	if p.whole && !included && value.digits == 0 {
		if next, ok := value.plus(decimal{1, 0}); ok {
			value, included = next, true
		}
	}
	if p.low != nil {
		if c := p.low.value.compare(value); c > 0 || c == 0 && !p.low.included {
			return
		}
	}
	p.low = &bound{value, included}
}

func (p *possible) below(value decimal, included bool) {
	if p.whole && !included && value.digits == 0 {
		if before, ok := value.minus(decimal{1, 0}); ok {
			value, included = before, true
		}
	}
	if p.high != nil {
		if c := p.high.value.compare(value); c < 0 || c == 0 && !p.high.included {
			return
		}
	}
	p.high = &bound{value, included}
}

// empty says that nothing is left.
func (p *possible) empty() bool {
	if p.none {
		return true
	}
	if p.isSet {
		return !slices.ContainsFunc(p.texts, func(text string) bool { return !slices.Contains(p.notText, text) })
	}
	if p.low == nil || p.high == nil {
		return false
	}
	switch c := p.low.value.compare(p.high.value); {
	case c > 0:
		return true
	case c < 0:
		return false
	}
	alone := p.low.value
	return !p.low.included || !p.high.included ||
		slices.ContainsFunc(p.notNumber, func(not decimal) bool { return not.compare(alone) == 0 })
}
