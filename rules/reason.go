package rules

import (
	"strconv"
	"strings"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file turns what a rule came to into words. While rules are asked only kinds and numbers are noted; text is made of
// them for the one event that somebody reads about, into one piece of memory.

// because is why a rule gives nothing, or what its amount rests on.
type because struct {
	kind   reasonKind
	number int64 // what the kind says
	failed error // with failedWhen, failedLines and deniedEvent
}

type reasonKind uint8

const (
	asEarned          reasonKind = iota // nothing stands in the way
	notInForce                          // `from` or `to`
	notMet                              // `when`
	failedWhen                          // `when` could not be worked out
	failedLines                         // `lines` could not be worked out
	noLineCounts                        // `lines` lets none through
	tooShort                            // what counts is short of one step
	roundedAway                         // less than a point
	lostInGroup                         // another rule of the group gives at least as much
	nothingBoosts                       // the boosted rules give nothing
	notLargest                          // stacking is best; number: index of the rule that is
	ordersShort                         // each orders; number: those counted
	dayCounted                          // each streak: the day has counted already
	daysShort                           // each streak; number: those counted
	spendShort                          // each spend; number: what is unused
	deniedEvent                         // a threshold denies the event, or the member is blocked
	notDrawn                            // `chance`
	firstOrderAwaited                   // a referral that earns at the first order
	noNewCustomer                       // a referral of somebody who has ordered before
	invitationWaits                     // thresholds have not all answered about the invitation
)

// binding is the limit that cut a grant, with its numbers.
type binding struct {
	limit     *programme.Limit // nil: none did
	programme bool             // one over all rules, not the rule's own
	times     bool             // by its times, not by its points
	left      int64            // of its points
	given     int64
}

// ruleWords are the texts about a rule that are the same for every event.
type ruleWords struct {
	inForce string // from when to when
	notMet  string
	earned  string // what the amount is, behind its number
	held    string
	group   string
	within  string
	chance  string // ", drawn with a chance of 5%"; empty: it is certain
	missed  string // the chance was not drawn
}

func wordsOf(rule *programme.Rule, p *programme.Programme) ruleWords {
	w := ruleWords{earned: earnText(rule, p)}
	if !rule.From.IsZero() || !rule.To.IsZero() {
		w.inForce = "it is in force " + forceText(rule, p)
	}
	if rule.When != nil {
		w.notMet = "its condition is not met: " + rule.When.Source
	}
	if !rule.Hold.IsZero() {
		w.held = ", held " + holdText(rule.Hold)
	}
	if rule.Chance.Den != 0 {
		share := exactInt(rule.Chance.Num).times(100, rule.Chance.Den).text() + "%"
		w.chance, w.missed = ", drawn with a chance of "+share, "its chance of "+share+" was not drawn"
	}
	if rule.Group != "" {
		w.group = "another rule of group " + rule.Group + " gives at least as much"
	}
	if rule.Each != nil && !rule.Each.Within.IsZero() {
		w.within = " within " + rule.Each.Within.String()
	}
	return w
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

// earnText says how an amount comes about, behind or before the number that is the event's own.
func earnText(rule *programme.Rule, p *programme.Programme) string {
	switch {
	case rule.Boost != nil:
		names := make([]string, 0, len(rule.Boost.Of))
		for _, of := range rule.Boost.Of {
			names = append(names, p.Rules[of].ID)
		}
		return exactInt(rule.Boost.By.Num).times(100, rule.Boost.By.Den).text() + "% of " + strings.Join(names, ", ")
	case rule.Each != nil && rule.Each.Spend > 0:
		return " times " + moneyText(rule.Each.Spend, p) + " spent"
	case rule.Each != nil && rule.Each.Orders > 0:
		return strconv.FormatInt(rule.Each.Orders, 10) + " orders"
	case rule.Each != nil:
		return strconv.FormatInt(rule.Each.Streak, 10) + " days in a row"
	case rule.On == programme.OnReferral:
		return "for having been invited"
	case rule.Earn.Random.To != 0:
		return "a random number from " + strconv.FormatInt(rule.Earn.Random.From, 10) + " to " + strconv.FormatInt(rule.Earn.Random.To, 10)
	case rule.Earn.Rate.Den != 0:
		return " counts, " + exactInt(rule.Earn.Rate.Num).times(1, rule.Earn.Rate.Den).text() + " for each 1 " + p.Currency.Code
	case rule.Earn.Per != 0:
		return " counts, " + strconv.FormatInt(rule.Earn.Points, 10) + " for each full " + moneyText(rule.Earn.Per, p)
	default:
		return "a fixed amount"
	}
}

// pieces are texts that are written one after the other and become strings together.
type pieces struct {
	bytes []byte
	ends  []int
}

func (t *pieces) add(s string)      { t.bytes = append(t.bytes, s...) }
func (t *pieces) addInt(n int64)    { t.bytes = strconv.AppendInt(t.bytes, n, 10) }
func (t *pieces) addPoints(n int64) { t.bytes = appendPoints(t.bytes, n) }
func (t *pieces) addMoney(m programme.Money, p *programme.Programme) {
	t.bytes = appendMoney(t.bytes, m, p)
}

// end ends a piece.
func (t *pieces) end() { t.ends = append(t.ends, len(t.bytes)) }

// piece is the text of a piece so far written.
func (t *pieces) piece(i int) []byte {
	from := 0
	if i > 0 {
		from = t.ends[i-1]
	}
	return t.bytes[from:t.ends[i]]
}

func (t *pieces) reset() { t.bytes, t.ends = t.bytes[:0], t.ends[:0] }

// reason is a verdict in words, with its numbers.
func (t *pieces) reason(c *candidate, v *version) {
	w := &v.words[c.index]
	shadow := c.rule.Mode == programme.Shadow
	if shadow {
		t.add("in shadow it would give ")
	}
	switch {
	case c.points != 0:
		t.addPoints(c.points)
		switch {
		case shadow:
		case c.atOnce:
		case c.review != nil:
			t.add(", held until an operator decides (")
			t.add(c.review.why())
			t.add(")")
		default:
			t.add(w.held)
		}
		t.add(": ")
	case shadow:
		t.add("nothing: ")
	}
	t.why(c, w, v.programme)
	if c.asked != 0 {
		t.add("; who invited is to get ")
		t.addPoints(c.asked)
		t.add(", within limits of their own")
	}
	t.cut(&c.cut)
	t.short(&c.short)
	t.end()
}

// why says what the amount rests on, or what stands in its way.
func (t *pieces) why(c *candidate, w *ruleWords, p *programme.Programme) {
	switch c.why.kind {
	case asEarned:
		t.earned(c, w, p)
		t.add(w.chance)
	case firstOrderAwaited:
		t.add("it gives at the member's first order")
	case noNewCustomer:
		t.add("the member has ordered before, and so is no new customer")
	case invitationWaits:
		t.add("it is not known yet whether the invitation may earn")
	case notDrawn:
		t.add(w.missed)
	case notInForce:
		t.add(w.inForce)
	case notMet:
		t.add(w.notMet)
	case failedWhen:
		t.add("its condition could not be worked out: ")
		t.add(c.why.failed.Error())
	case failedLines:
		t.add("its condition on lines could not be worked out: ")
		t.add(c.why.failed.Error())
	case noLineCounts:
		t.add("no line of the order counts for it")
	case tooShort:
		t.addMoney(c.counted, p)
		t.add(" is short of ")
		t.addMoney(c.rule.Earn.Per, p)
	case roundedAway:
		t.bytes = c.amount.append(t.bytes)
		t.add(" points are rounded to 0")
	case lostInGroup:
		t.add(w.group)
	case deniedEvent:
		t.add(c.why.failed.Error())
	case nothingBoosts:
		if c.asked != 0 { // they give something to who invited
			t.add(w.earned)
			return
		}
		t.add("the rules that it boosts give nothing")
	case notLargest:
		t.add("only the largest boost counts, which is ")
		t.add(p.Rules[c.why.number].ID)
	default:
		t.each(c, w, p)
	}
}

// each says what `each` still waits for.
func (t *pieces) each(c *candidate, w *ruleWords, p *programme.Programme) {
	switch each := c.rule.Each; c.why.kind {
	case ordersShort:
		t.add("this is order ")
		t.addInt(c.why.number)
		t.add(" of the ")
		t.addInt(each.Orders)
		t.add(" that it takes")
		t.add(w.within)
	case daysShort:
		t.add("this is day ")
		t.addInt(c.why.number)
		t.add(" of the ")
		t.addInt(each.Streak)
		t.add(" in a row that it takes")
	case spendShort:
		t.add("the unused spend is ")
		t.addMoney(programme.Money(c.why.number), p)
		t.add(" of the ")
		t.addMoney(each.Spend, p)
		t.add(" that it takes")
		t.add(w.within)
	default: // dayCounted
		t.add("a day counts once")
	}
}

// earned says how the amount came about.
func (t *pieces) earned(c *candidate, w *ruleWords, p *programme.Programme) {
	rule := c.rule
	switch {
	case c.invited != "":
		t.add("for inviting ")
		t.add(c.invited)
		if rule.Boost != nil {
			t.add(", ")
			t.add(w.earned)
		}
	case rule.Boost != nil:
		t.add(w.earned)
		t.add(" is ")
		t.bytes = c.amount.append(t.bytes)
	case rule.Each != nil && rule.Each.Spend > 0:
		t.addInt(c.parts)
		t.add(w.earned)
		t.add(w.within)
	case rule.Each != nil:
		t.add(w.earned)
		t.add(w.within)
	case rule.Earn.Rate.Den != 0, rule.Earn.Per != 0:
		t.addMoney(c.counted, p)
		t.add(w.earned)
	default:
		t.add(w.earned)
	}
}

// cut says which limit cut the grant, and to what.
func (t *pieces) cut(b *binding) {
	if b.limit == nil {
		return
	}
	whose := "; its limit of "
	if b.programme {
		whose = "; the programme's limit of "
	}
	t.add(whose)
	if b.times {
		t.addInt(b.limit.Times)
		t.add(" times ")
		t.add(periodText(b.limit.Per))
		t.add(" is used up")
		return
	}
	t.addInt(b.limit.Points)
	t.add(" points ")
	t.add(periodText(b.limit.Per))
	t.add(" leaves ")
	t.addInt(b.left)
	t.add(" of them, ")
	t.addInt(b.given)
	t.add(" given")
}

// numbers adds the numbers behind the verdict of a rule whose condition was met: what counted, how many times, and the exact
// points of each. Their values are pieces.
func (t *pieces) numbers(c *candidate, p *programme.Programme, list *[]schemas.Number) {
	if c.rule.On == programme.OnOrder {
		*list = append(*list, schemas.Number{Name: "counted"})
		t.addMoney(c.counted, p)
		t.end()
	}
	if c.parts > 1 {
		*list = append(*list, schemas.Number{Name: "times"})
		t.addInt(c.parts)
		t.end()
	}
	*list = append(*list, schemas.Number{Name: "exact"})
	t.bytes = c.amount.append(t.bytes)
	t.end()
}

// numbersOf is how many numbers a rule has.
func numbersOf(c *candidate) int {
	n := 1
	if c.rule.On == programme.OnOrder {
		n++
	}
	if c.parts > 1 {
		n++
	}
	return n
}

// summary is what the rules gave and why others gave nothing, each in the order of the file. The pieces before it are the
// verdicts of these rules.
func (t *pieces) summary(cands []candidate) {
	total, gave := int64(0), 0
	for i := range cands {
		if c := &cands[i]; c.points > 0 && c.rule.Mode != programme.Shadow {
			total, gave = total+c.points, gave+1
		}
	}
	begin := len(t.bytes)
	if gave > 0 {
		t.addPoints(total)
		t.add(": ")
	}
	first := true
	for i := range cands {
		if c := &cands[i]; c.points > 0 && c.rule.Mode != programme.Shadow {
			if !first {
				t.add(", ")
			}
			first = false
			t.add(c.rule.ID)
			t.add(" ")
			t.addInt(c.points)
		}
	}
	piece := 0
	for i := range cands {
		c := &cands[i]
		// Where something was given, rules whose condition was not met would only hide it; their verdicts say so.
		if c.points == 0 && c.rule.Mode != programme.Shadow && (gave == 0 || c.met) {
			if !first {
				t.add("; ")
			}
			first = false
			t.add(c.rule.ID)
			t.add(" gave nothing: ")
			t.bytes = append(t.bytes, t.piece(piece)...)
		}
		piece++
		if c.met {
			piece += numbersOf(c)
		}
	}
	if len(t.bytes) == begin {
		t.add("no rule of this programme listens to it")
	}
	t.end()
}

func periodText(per programme.Period) string {
	switch per {
	case programme.PerDay:
		return "a day"
	case programme.PerWeek:
		return "a week"
	case programme.PerMonth:
		return "a month"
	case programme.PerYear:
		return "a year"
	default:
		return "in all"
	}
}

func pointsText(n int64) string { return string(appendPoints(nil, n)) }

func appendPoints(text []byte, n int64) []byte {
	if n == 1 {
		return append(text, "1 point"...)
	}
	return append(strconv.AppendInt(text, n, 10), " points"...)
}
