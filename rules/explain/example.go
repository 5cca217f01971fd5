package explain

import (
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// example tells what the ledger gives for an amount, for rules whose points depend on it. It asks the ledger itself, with a
// programme in which nothing else can change the amount; where the ledger does not give points there is no example.
func (t *teller) example(r *programme.Rule) {
	earning := r
	if r.Boost != nil {
		earning = t.p.Rules[r.Boost.Of[0]]
	}
	if r.Mode == programme.Off || earning.On != programme.OnOrder || earning.Each != nil || earning.Earn == nil {
		return
	}
	minor, amount := t.sample(earning)
	if minor == 0 {
		return
	}
	alone := []*programme.Rule{{ID: "earn", On: programme.OnOrder, Earn: earning.Earn}}
	if r.Boost != nil {
		alone = append(alone, &programme.Rule{ID: "boost", On: programme.OnOrder, Boost: &programme.Boost{Of: []int{0}, By: r.Boost.By}})
	}
	given := granted(t.p, alone, minor)
	switch {
	case r.Boost == nil && given["earn"] > 0:
		t.tell("earn", exampleEarn, "amount", t.money(amount), "points", t.points(given["earn"]))
	case r.Boost != nil && given["earn"] > 0 && given["boost"] > 0:
		t.tell("boost", exampleBoost, "rule", earning.ID, "points", t.points(given["earn"]), "amount", t.money(amount),
			"more", t.points(given["boost"]))
	}
}

// sample is an amount, in minor units and in the programme's, that is no whole number of steps, so that the example shows what
// becomes of the rest; 0: the rule's points depend on no amount.
func (t *teller) sample(r *programme.Rule) (minor int64, amount programme.Money) {
	const most = int64(1) << 40 // so that nothing here passes 64 bits
	units := t.p.Rates[t.p.Currency.Code].UnitsPerMinor
	step := int64(r.Earn.Per)
	if r.Earn.Rate.Den != 0 {
		step = units
		for range t.p.Currency.Digits {
			step *= 10
		}
	}
	if units <= 0 || step <= 0 || step > most {
		return 0, 0
	}
	minor = step / units * 15 / 2 * 5 // 37.5 steps
	if step/units >= 1000 {
		minor = step / units * 5 / 2 // 2.5 steps
	}
	return minor, programme.Money(minor * units)
}

// granted is what the ledger gives a new member for an order of one line by a few rules alone, by their ids.
func granted(p *programme.Programme, alone []*programme.Rule, minor int64) map[string]int64 {
	small := &programme.Programme{
		ID: p.ID, Version: p.Version, Currency: p.Currency, Rates: p.Rates, Scale: p.Scale, Zone: p.Zone, EarnOn: p.EarnOn,
		Rounding: p.Rounding, ReturnWindow: p.ReturnWindow, RememberOrders: p.RememberOrders, Rules: alone,
	}
	ledger, err := rules.NewLedger(programme.Versions{{Programme: small}})
	if err != nil {
		return nil
	}
	account, err := ledger.Open("example", noRows{})
	if err != nil {
		return nil
	}
	order := &schemas.Order{
		EventID: "example", OrderID: "example", MemberID: "example", Status: p.EarnOn, Currency: p.Currency.Code,
		OccurredAt: time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC),
		Lines:      []schemas.Line{{LineID: "1", Quantity: 1, Amount: minor}},
	}
	var out rules.Outcome
	if err := account.Handle(rules.Event{Order: order}, &out); err != nil {
		return nil
	}
	given := map[string]int64{}
	for i := range out.Entries {
		given[out.Entries[i].RuleID] += out.Entries[i].AvailableDelta
	}
	return given
}

// noRows are the stored rows of a member of whom nothing is stored.
type noRows struct{}

func (noRows) Get([]byte) ([]byte, error)                                 { return nil, nil }
func (noRows) Scan([]byte, func(key, value []byte) bool) error            { return nil }
func (noRows) ScanFrom(_, _ []byte, _ func(key, value []byte) bool) error { return nil }
