package programme

import (
	"errors"

	"accrue/schemas"
)

// header reads the keys that stand once. start is where the first file begins; whole says that all files could be read.
func (p *programmeParser) header(start Position, whole bool) {
	for _, key := range []string{"programme", "currency"} {
		if whole && !p.fields.has(key) {
			p.fail(start, "key `%s` is missing", key)
		}
	}
	if whole && !p.fields.has("rules") {
		p.warn(start, "the programme has no rules: nobody earns anything")
	}
	if n := p.fields.get("programme"); n != nil {
		p.out.ID = p.name(n, "`programme`")
	}
	p.money()
	p.zone(start, whole)
	p.words()
	p.spans()
	p.out.Expiry = p.expiry(p.fields)
	if n := p.fields.get("limits"); n != nil {
		p.out.Limits = p.limits(n, "`limits`")
	}
}

// money reads the currencies and settles the scale in which all amounts are counted.
func (p *programmeParser) money() {
	own := p.fields.get("currency")
	if own != nil {
		if currency, ok := p.currency(own, "`currency`"); ok {
			p.out.Currency = currency
			p.currencyKnown = true
		}
	}
	rates := p.otherRates()
	if !p.currencyKnown {
		return
	}
	rates = append(rates, rateRead{p.out.Currency, decimal{1, 0}, own})
	// 1 minor unit of a currency with d digits and rate r is r · 10^-d major units of the programme's.
	scale := 0
	for _, r := range rates {
		value := decimal{r.value.coefficient, r.value.digits + r.currency.Digits}.trim()
		if value.digits > maxScale {
			p.fail(r.node.pos, "a minor unit of %s would be counted with %d decimals; at most %d are", r.currency.Code,
				value.digits, maxScale)
			continue
		}
		scale = max(scale, value.digits)
	}
	p.out.Scale = scale
	for _, r := range rates {
		value := decimal{r.value.coefficient, r.value.digits + r.currency.Digits}.trim()
		units, ok := value.shift(scale)
		if !ok {
			if value.digits <= scale {
				p.fail(r.node.pos, "the rate of %s is too large", r.currency.Code)
			}
			continue
		}
		p.out.Rates[r.currency.Code] = Rate{Currency: r.currency, UnitsPerMinor: units}
	}
}

// maxScale leaves nine digits of an int64 for whole major units.
const maxScale = 9

type rateRead struct {
	currency Currency
	value    decimal
	node     *node
}

func (p *programmeParser) otherRates() []rateRead {
	n := p.fields.get("currencies")
	if n == nil {
		return nil
	}
	if n.kind != mapNode {
		p.fail(n.pos, "`currencies` must be a mapping (USD: \"7.10\"), not %s", n.describe())
		return nil
	}
	var rates []rateRead
	seen := map[string]bool{}
	for _, e := range n.entries {
		currency, ok := p.currency(e.key, "a currency")
		if !ok {
			continue
		}
		if seen[currency.Code] {
			p.fail(e.key.pos, "key `%s` twice", currency.Code)
			continue
		}
		seen[currency.Code] = true
		value, ok := p.rateValue(e.value, currency)
		if !ok {
			continue
		}
		if p.currencyKnown && currency == p.out.Currency {
			if value != (decimal{1, 0}) {
				p.fail(e.value.pos, "%s is the programme's own currency: its rate is 1", currency.Code)
			}
			continue
		}
		rates = append(rates, rateRead{currency, value, e.value})
	}
	return rates
}

func (p *programmeParser) rateValue(n *node, currency Currency) (decimal, bool) {
	if n.kind == nullNode {
		p.fail(n.pos, "`%s` has no value", currency.Code)
		return decimal{}, false
	}
	what := "the rate of " + currency.Code
	text, ok := p.scalar(n, what)
	if !ok {
		return decimal{}, false
	}
	value, ok := parseDecimal(text)
	switch {
	case !ok:
		p.invalid(n, notDecimal(what, text))
		return decimal{}, false
	case value.coefficient == 0:
		p.fail(n.pos, "%s must be above 0", what)
		return decimal{}, false
	}
	return value.trim(), true
}

func (p *programmeParser) currency(n *node, what string) (Currency, bool) {
	code, ok := p.scalar(n, what)
	if !ok {
		return Currency{}, false
	}
	currency, ok := CurrencyOf(code)
	if !ok {
		p.suggest(n.pos, nearestCurrency(code), "%s must be a code of ISO 4217, not %q", what, shorten(code))
	}
	return currency, ok
}

func (p *programmeParser) zone(start Position, whole bool) {
	if whole && !p.fields.has("time_zone") {
		p.warn(start, "key `time_zone` is missing: days, weeks and months are those of UTC")
		return
	}
	n := p.fields.get("time_zone")
	if n == nil {
		return
	}
	name, ok := p.scalar(n, "`time_zone`")
	if !ok {
		return
	}
	zone, err := LoadZone(name)
	var unknown *UnknownZone
	switch {
	case errors.As(err, &unknown):
		p.suggest(n.pos, unknown.Suggestion, "`time_zone` must be a name of the IANA time zones (Asia/Shanghai), not %q", shorten(name))
	case err != nil:
		p.fail(n.pos, "`time_zone` cannot be read: %v", err)
	default:
		p.out.Zone = zone
	}
}

// words reads the keys that are one of some words.
func (p *programmeParser) words() {
	if i, ok := p.word(p.fields, "earn_on"); ok {
		p.out.EarnOn = schemas.OrderStatus(statusWords[i])
	}
	if i, ok := p.word(p.fields, "rounding"); ok {
		p.out.Rounding = Rounding(i)
	}
	if i, ok := p.word(p.fields, "stacking"); ok {
		p.out.Stacking = Stacking(i)
	}
	p.out.Redemptions = p.yesNo(p.fields, "redemptions")
	if i, ok := p.word(p.fields, "clawback"); ok {
		p.out.Clawback = Clawback(i)
		if i > 0 && !p.out.Redemptions {
			p.fail(p.fields.found["clawback"].value.pos, "`clawback: %s` needs `redemptions: true`: else what was spent is not known", clawbackWords[i])
		}
	}
}

func (p *programmeParser) spans() {
	if d, ok := p.duration(p.fields, "return_window"); ok {
		p.out.ReturnWindow = d
	}
	if d, ok := p.duration(p.fields, "remember_orders"); ok {
		p.out.RememberOrders = d
	}
}

// amount reads money in major units, exactly.
func (p *programmeParser) amount(n *node, what string) Money {
	value, ok := p.amountOrZero(n, what)
	if ok && value == 0 && p.currencyKnown {
		p.fail(n.pos, "%s must be above 0", what)
		return 0
	}
	return value
}

func (p *programmeParser) amountOrZero(n *node, what string) (Money, bool) {
	text, ok := p.scalar(n, what)
	if !ok {
		return 0, false
	}
	value, ok := parseDecimal(text)
	if !ok {
		p.invalid(n, notDecimal(what, text))
		return 0, false
	}
	if !p.currencyKnown {
		return 0, true
	}
	if value.digits > p.out.Currency.Digits {
		p.fail(n.pos, "%s is money with %s: %s has %d", what, decimals(value.digits), p.out.Currency.Code, p.out.Currency.Digits)
		return 0, false
	}
	units, ok := value.shift(p.out.Scale)
	if !ok {
		p.fail(n.pos, "%s %s is too large", what, text)
	}
	return Money(units), ok
}

func decimals(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six"}
	switch {
	case n == 1:
		return "one decimal"
	case n < len(words):
		return words[n] + " decimals"
	}
	return counted(n, "decimal")
}
