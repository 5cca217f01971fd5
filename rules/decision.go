package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// only is the outcome of an event that changes nothing: a decision with its reason.
func (d *deciding) only(outcome schemas.Outcome, reason string) Outcome {
	member, event, occurredAt := d.event.head()
	source := d.event.Source
	source.EventID = event
	if d.event.Order != nil {
		source.OrderID = d.event.Order.OrderID
	}
	version := ""
	if !occurredAt.IsZero() {
		version = d.account.ledger.at(occurredAt.UnixMilli()).programme.Version
	}
	return Outcome{Decision: &schemas.Decision{
		EventID: event, MemberID: member, Source: source, Outcome: outcome, Reason: reason,
		ProgrammeVersion: version, OccurredAt: occurredAt, DecidedAt: d.now,
	}}
}

func (d *deciding) answer(outcome schemas.Outcome, reason string) *Outcome {
	o := d.only(outcome, reason)
	return &o
}

// decide writes the decision of a fact: what it was worth, and what each rule said.
func (d *deciding) decide(out *Outcome, r *run, entries []schemas.PointGrant) {
	outcome := d.only(schemas.OutcomeNothing, "")
	decision := outcome.Decision
	for i := range entries {
		decision.AvailablePoints += entries[i].AvailableDelta
		decision.PendingPoints += entries[i].PendingDelta
	}
	decision.Verdicts = r.passed.verdicts
	held := false
	for i := range decision.Verdicts {
		switch decision.Verdicts[i].Verdict {
		case schemas.VerdictGranted:
			decision.Outcome = schemas.OutcomeGranted
		case schemas.VerdictHeld:
			held = true
		}
	}
	if held && decision.Outcome == schemas.OutcomeNothing {
		decision.Outcome = schemas.OutcomeHeld
	}
	decision.Reason = d.reason(r, decision)
	if d.again != "" && len(entries) == 0 {
		decision.Outcome, decision.Reason = schemas.OutcomeDuplicate, d.again
	}
	out.Decision = decision
}

// reason sums up a decision in one sentence.
func (d *deciding) reason(r *run, decision *schemas.Decision) string {
	if d.fact.refunds() {
		return d.refundDecision(decision)
	}
	if r.passed.reason != "" {
		return r.passed.reason
	}
	return summary(decision.Verdicts)
}

// summary is what the rules gave and why others gave nothing, each in the order of the file.
func summary(verdicts []schemas.Verdict) string {
	var buffer [512]byte
	text := buffer[:0]
	total := int64(0)
	for i := range verdicts {
		if v := &verdicts[i]; v.Points > 0 && v.Verdict != schemas.VerdictShadow {
			if total > 0 {
				text = append(text, ", "...)
			}
			text = append(append(text, v.RuleID...), ' ')
			text = strconv.AppendInt(text, v.Points, 10)
			total += v.Points
		}
	}
	given := len(text)
	for i := range verdicts {
		// Where something was given, rules whose condition was not met would only hide it; their verdicts say so. A rule that
		// was asked has numbers.
		if v := &verdicts[i]; v.Verdict == schemas.VerdictNothing && (given == 0 || len(v.Numbers) > 0) {
			if len(text) > 0 {
				text = append(text, "; "...)
			}
			text = append(append(append(text, v.RuleID...), " gave nothing: "...), v.Reason...)
		}
	}
	switch {
	case given > 0:
		return pointsText(total) + ": " + string(text)
	case len(text) > 0:
		return string(text)
	default:
		return "no rule of this programme listens to it"
	}
}

func (d *deciding) refundDecision(decision *schemas.Decision) string {
	a, f := d.account, d.fact
	var order *fact
	if a.orders != nil {
		order = a.standsFor(f.order.id)
	}
	if order == nil {
		return fmt.Sprintf("order %s is not known; if it comes, this will count", f.order.id)
	}
	p := a.ledger.at(order.key.at).programme
	if !honours(p, order.key.at, f.key.at) {
		return fmt.Sprintf("order %s is of %s, and refunds are honoured for %s", f.order.id,
			time.UnixMilli(order.key.at).UTC().Format(time.RFC3339), p.ReturnWindow)
	}
	text := refundReason(order, f)
	switch change := decision.AvailablePoints + decision.PendingPoints; {
	case change < 0:
		return text + ": " + pointsText(-change) + " taken back"
	case change > 0:
		return text + ": " + pointsText(change) + " given back"
	default:
		return text + ": no points change"
	}
}

// verdicts says what each rule came to.
func verdicts(cands []candidate, p *programme.Programme) []schemas.Verdict {
	list := make([]schemas.Verdict, 0, len(cands))
	behind := make([]schemas.Number, 0, 2*len(cands)) // one piece of memory for the numbers of all
	for i := range cands {
		c := &cands[i]
		v := schemas.Verdict{RuleID: c.rule.ID, RuleTitle: c.rule.Title, Verdict: schemas.VerdictNothing, Points: c.points}
		switch {
		case c.rule.Mode == programme.Shadow:
			v.Verdict = schemas.VerdictShadow
		case c.points > 0 && !c.rule.Hold.IsZero():
			v.Verdict = schemas.VerdictHeld
		case c.points > 0:
			v.Verdict = schemas.VerdictGranted
		}
		v.Reason = verdictReason(c, p)
		if c.met {
			from := len(behind)
			behind = appendNumbers(behind, c, p)
			v.Numbers = behind[from:len(behind):len(behind)]
		}
		list = append(list, v)
	}
	return list
}

// verdictReason is a verdict in words, with its numbers.
func verdictReason(c *candidate, p *programme.Programme) string {
	why := c.why
	if why == "" {
		why = earnText(c, p)
	}
	if c.cut != "" {
		why += "; " + c.cut
	}
	switch {
	case c.points == 0 && c.rule.Mode == programme.Shadow:
		return "in shadow it would give nothing: " + why
	case c.rule.Mode == programme.Shadow:
		return "in shadow it would give " + pointsText(c.points) + ": " + why
	case c.points == 0:
		return why
	case !c.rule.Hold.IsZero():
		return pointsText(c.points) + ", held for " + c.rule.Hold.String() + ": " + why
	default:
		return pointsText(c.points) + ": " + why
	}
}

// earnText says how the amount came about.
func earnText(c *candidate, p *programme.Programme) string {
	rule := c.rule
	switch {
	case rule.Boost != nil:
		names := make([]string, 0, len(rule.Boost.Of))
		for _, of := range rule.Boost.Of {
			names = append(names, p.Rules[of].ID)
		}
		return exactInt(rule.Boost.By.Num).times(100, rule.Boost.By.Den).text() + "% of " + strings.Join(names, ", ") + " is " + c.amount.text()
	case rule.Each != nil && rule.Each.Spend > 0:
		return strconv.FormatInt(c.parts, 10) + " times " + moneyText(rule.Each.Spend, p) + " spent" + withinText(rule.Each.Within)
	case rule.Each != nil && rule.Each.Orders > 0:
		return strconv.FormatInt(rule.Each.Orders, 10) + " orders" + withinText(rule.Each.Within)
	case rule.Each != nil:
		return strconv.FormatInt(rule.Each.Streak, 10) + " days in a row"
	case rule.Earn.Rate.Den != 0:
		return moneyText(c.counted, p) + " counts, " + exactInt(rule.Earn.Rate.Num).times(1, rule.Earn.Rate.Den).text() + " for each 1 " + p.Currency.Code
	case rule.Earn.Per != 0:
		return moneyText(c.counted, p) + " counts, " + strconv.FormatInt(rule.Earn.Points, 10) + " for each full " + moneyText(rule.Earn.Per, p)
	default:
		return "a fixed amount"
	}
}

// appendNumbers adds the numbers behind the verdict of a rule whose condition was met.
func appendNumbers(list []schemas.Number, c *candidate, p *programme.Programme) []schemas.Number {
	if c.rule.On == programme.OnOrder {
		list = append(list, schemas.Number{Name: "counted", Value: moneyText(c.counted, p)})
	}
	if c.parts > 1 {
		list = append(list, schemas.Number{Name: "times", Value: strconv.FormatInt(c.parts, 10)})
	}
	return append(list, schemas.Number{Name: "exact", Value: c.amount.text()})
}

// forceText says from when to when a rule is in force.
func forceText(rule *programme.Rule, p *programme.Programme) string {
	const day = "2006-01-02 15:04"
	switch {
	case rule.From.IsZero():
		return "until " + rule.To.In(p.Zone).Format(day)
	case rule.To.IsZero():
		return "from " + rule.From.In(p.Zone).Format(day)
	default:
		return "from " + rule.From.In(p.Zone).Format(day) + " until " + rule.To.In(p.Zone).Format(day)
	}
}
