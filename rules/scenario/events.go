package scenario

import (
	"strconv"
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// sent is an event with how people speak of it.
type sent struct {
	event rules.Event
	name  string // "the refund of o1"
	at    time.Time
}

// events turns steps into events, and remembers them.
type events struct {
	*script
	byID   map[string]sent   // by event id
	orders map[string]string // member of an order
	totals map[string]bool   // orders given as a total
	offset int64
	grants func(member, rule, event string) string // the id of a grant; empty: there is none
}

// event reads the event of a step; false where it cannot be read.
func (e *events) event(st step) (sent, bool) {
	before := len(*e.problems)
	if st.kind == "again" {
		again, known := e.byID[e.text(st.what, "again")]
		if !known {
			e.problems.add(st.what.pos, "no event before has the id %q", st.what.text)
		}
		again.event.Source = e.source(again.event.Source.Topic)
		again.name += " again"
		return again, known
	}
	at := e.instant(st.keys["at"], "at")
	if at.IsZero() {
		e.problems.add(st.pos, "the step `%s` needs `at`: when it happened", st.kind)
	}
	if len(*e.problems) > before {
		return sent{}, false
	}
	var out sent
	var id string
	switch st.kind {
	case "order":
		out, id = e.order(st, at)
	case "refund", "cancel":
		out, id = e.takeBack(st, at)
	case "profile":
		out, id = e.profile(st, at)
	case "referral":
		out, id = e.referral(st, at)
	case "command":
		out, id = e.command(st, at)
	case "spend", "return":
		out, id = e.redemption(st, at)
	default:
		out, id = e.checkIn(st, at)
	}
	if len(*e.problems) > before {
		return sent{}, false
	}
	out.at = at
	e.byID[id] = out
	return out, true
}

func (e *events) source(topic string) schemas.Source {
	e.offset++
	return schemas.Source{Topic: topic, Offset: e.offset - 1}
}

// eventID is the id that a step gives, or the default with a number that makes it new.
func (e *events) eventID(st step, byDefault string) string {
	if id := e.text(st.keys["event"], "event"); id != "" {
		if _, twice := e.byID[id]; twice {
			e.problems.add(st.pos, "the event id %q was used before; to send an event once more, write `again: %s`", id, id)
		}
		return id
	}
	id := byDefault
	for n := 2; ; n++ {
		if _, taken := e.byID[id]; !taken {
			return id
		}
		id = byDefault + " " + strconv.Itoa(n)
	}
}

// memberOf is the member that a step names, else the order's, else the scenario's.
func (e *events) memberOf(st step, order string) string {
	member := e.text(st.keys["member"], "member")
	if member == "" {
		member = e.orders[order]
	}
	if member == "" {
		member = e.member
	}
	if member == "" {
		e.problems.add(st.pos, "whose is it? name the `member` here or at the top of the scenario")
	}
	if _, known := e.orders[order]; !known && order != "" {
		e.orders[order] = member
	}
	return member
}

func (e *events) order(st step, at time.Time) (sent, string) {
	p := e.versions.At(at)
	o := &schemas.Order{
		OrderID: e.text(st.what, "order"), OccurredAt: at, Status: p.EarnOn, Currency: p.Currency.Code,
		Channel: e.text(st.keys["channel"], "channel"), Store: e.text(st.keys["store"], "store"), DeviceID: e.text(st.keys["device"], "device"),
		IP: e.text(st.keys["ip"], "ip"), PaymentHash: e.text(st.keys["payment"], "payment"),
		Coupons: e.texts(st.keys["coupons"], "coupons"), Attributes: e.attributes(st.keys["attributes"]),
	}
	if status := e.text(st.keys["status"], "status"); status != "" {
		o.Status = schemas.OrderStatus(strings.ToUpper(status))
	}
	if code := e.text(st.keys["currency"], "currency"); code != "" {
		o.Currency = code
	}
	currency, known := programme.CurrencyOf(o.Currency)
	if !known {
		currency = p.Currency // the engine says what is wrong
	}
	o.MemberID = e.memberOf(st, o.OrderID)
	o.EventID = e.eventID(st, o.OrderID+" "+strings.ToLower(string(o.Status)))
	total, lines := st.keys["total"], st.keys["lines"]
	switch {
	case total != nil && lines != nil:
		e.problems.add(total.pos, "an order has either `total` or `lines`")
	case total != nil:
		o.Lines = []schemas.Line{{LineID: "1", Quantity: 1, Amount: e.money(total, "total", currency)}}
		e.totals[o.OrderID] = true
	case lines != nil:
		o.Lines = e.lines(lines, currency)
	}
	name := "the order " + o.OrderID
	if o.Status != p.EarnOn {
		name += " (" + string(o.Status) + ")"
	}
	return sent{event: rules.Event{Order: o, Source: e.source(schemas.TopicOrders)}, name: name}, o.EventID
}

func (e *events) lines(v *value, currency programme.Currency) []schemas.Line {
	if v.kind != list {
		e.problems.add(v.pos, "`lines` must be a list")
	}
	lines := make([]schemas.Line, 0, len(v.items))
	for i, item := range v.items {
		keys := e.keys(item, "a line", "line", "sku", "category", "brand", "quantity", "amount", "tags")
		l := schemas.Line{
			LineID: e.text(keys["line"], "line"), SKU: e.text(keys["sku"], "sku"), Category: e.text(keys["category"], "category"),
			Brand: e.text(keys["brand"], "brand"), Quantity: e.whole(keys["quantity"], "quantity", 1),
			Amount: e.money(keys["amount"], "amount", currency), Tags: e.texts(keys["tags"], "tags"),
		}
		if l.LineID == "" {
			l.LineID = strconv.Itoa(i + 1)
		}
		lines = append(lines, l)
	}
	return lines
}

// takeBack reads a refund or a cancellation.
func (e *events) takeBack(st step, at time.Time) (sent, string) {
	p := e.versions.At(at)
	o := &schemas.Order{OrderID: e.text(st.what, st.kind), OccurredAt: at, Status: schemas.Cancelled, Currency: p.Currency.Code}
	o.MemberID = e.memberOf(st, o.OrderID)
	o.EventID = e.eventID(st, o.OrderID+" "+st.kind)
	name := "the cancellation of " + o.OrderID
	if st.kind == "refund" {
		name = "the refund of " + o.OrderID
		o.Status = schemas.Refunded
		if amount := st.keys["amount"]; amount != nil {
			if !e.totals[o.OrderID] {
				e.problems.add(amount.pos, "`amount` is for an order with a `total`; say of which `lines` it is")
			}
			o.RefundedLines = []schemas.RefundedLine{{LineID: "1", Amount: e.money(amount, "amount", p.Currency)}}
		}
		if lines := st.keys["lines"]; lines != nil {
			for _, item := range lines.items {
				keys := e.keys(item, "a refunded line", "line", "quantity", "amount")
				o.RefundedLines = append(o.RefundedLines, schemas.RefundedLine{
					LineID: e.text(keys["line"], "line"), Quantity: e.whole(keys["quantity"], "quantity", 0),
					Amount: e.money(keys["amount"], "amount", p.Currency),
				})
			}
		}
	}
	return sent{event: rules.Event{Order: o, Source: e.source(schemas.TopicOrders)}, name: name}, o.EventID
}

func (e *events) checkIn(st step, at time.Time) (sent, string) {
	c := &schemas.CheckIn{
		MemberID: e.text(st.what, "check-in"), OccurredAt: at, Activity: e.text(st.keys["activity"], "activity"),
		Channel: e.text(st.keys["channel"], "channel"), Store: e.text(st.keys["store"], "store"), DeviceID: e.text(st.keys["device"], "device"),
		IP: e.text(st.keys["ip"], "ip"), Attributes: e.attributes(st.keys["attributes"]),
	}
	if c.MemberID == "" {
		c.MemberID = e.memberOf(st, "")
	}
	if c.Activity == "" {
		c.Activity = "check-in"
	}
	c.EventID = e.eventID(st, c.MemberID+" "+c.Activity)
	return sent{event: rules.Event{CheckIn: c, Source: e.source(schemas.TopicCheckIns)}, name: "the " + c.Activity}, c.EventID
}

// referral reads an invitation: of whom, and by whom.
func (e *events) referral(st step, at time.Time) (sent, string) {
	r := &schemas.Referral{
		RefereeID: e.text(st.what, "referral"), ReferrerID: e.text(st.keys["by"], "by"), OccurredAt: at,
		Code: e.text(st.keys["code"], "code"), DeviceID: e.text(st.keys["device"], "device"), IP: e.text(st.keys["ip"], "ip"),
	}
	if r.RefereeID == "" {
		r.RefereeID = e.memberOf(st, "")
	}
	if r.ReferrerID == "" {
		e.problems.add(st.pos, "the step `referral` needs `by`: who invited")
	}
	r.EventID = e.eventID(st, r.RefereeID+" referral")
	return sent{event: rules.Event{Referral: r, Source: e.source(schemas.TopicReferrals)}, name: "the invitation of " + r.RefereeID}, r.EventID
}

func (e *events) profile(st step, at time.Time) (sent, string) {
	m := &schemas.Member{
		MemberID: e.text(st.what, "profile"), OccurredAt: at, JoinedAt: e.instant(st.keys["joined"], "joined"),
		Birthday: e.text(st.keys["birthday"], "birthday"), TimeZone: e.text(st.keys["zone"], "zone"),
		Segments: e.texts(st.keys["segments"], "segments"), Attributes: e.attributes(st.keys["attributes"]),
	}
	if m.MemberID == "" {
		m.MemberID = e.memberOf(st, "")
	}
	ends := e.text(st.keys["ends"], "ends")
	if ends != "" && ends != "true" {
		e.problems.add(st.keys["ends"].pos, "`ends: true` ends the profile; otherwise leave it out")
	}
	m.EventID = e.eventID(st, m.MemberID+" profile")
	return sent{event: rules.Event{Profile: m, ProfileEnds: ends != "", Source: e.source(schemas.TopicProfiles)}, name: "the profile"}, m.EventID
}

func (e *events) command(st step, at time.Time) (sent, string) {
	kind := strings.ToLower(e.text(st.what, "command"))
	c := &schemas.Command{
		MemberID: e.memberOf(st, ""), OccurredAt: at, Kind: strings.ToUpper(strings.ReplaceAll(kind, "-", "_")),
		Operator: e.text(st.keys["operator"], "operator"), Reason: e.text(st.keys["reason"], "reason"),
		Points: e.whole(st.keys["points"], "points", 0), Tier: e.text(st.keys["tier"], "tier"), Until: e.instant(st.keys["until"], "until"),
	}
	switch grant := st.keys["grant"]; {
	case grant == nil:
	case grant.kind == mapping:
		keys := e.keys(grant, "a grant", "rule", "of")
		rule, of := e.text(keys["rule"], "rule"), e.text(keys["of"], "of")
		if c.GrantID = e.grants(c.MemberID, rule, of); c.GrantID == "" {
			e.problems.add(grant.pos, "rule %q has granted nothing to %s for the event %q so far", rule, c.MemberID, of)
		}
	default:
		c.GrantID = e.text(grant, "grant")
	}
	c.EventID = e.eventID(st, c.MemberID+" "+kind)
	return sent{event: rules.Event{Command: c, Source: e.source(schemas.TopicCommands)}, name: "the command " + kind}, c.EventID
}

func (e *events) redemption(st step, at time.Time) (sent, string) {
	r := &schemas.Redemption{
		MemberID: e.memberOf(st, ""), OccurredAt: at, Kind: map[string]string{"spend": "SPENT", "return": "RETURNED"}[st.kind],
		RedemptionID: e.text(st.what, st.kind), Points: e.whole(st.keys["points"], "points", 0),
	}
	r.EventID = e.eventID(st, strings.TrimSpace(r.RedemptionID+" "+strings.ToLower(r.Kind)))
	name := map[string]string{"spend": "the spending of ", "return": "the return of "}[st.kind] + r.RedemptionID
	return sent{event: rules.Event{Redemption: r, Source: e.source(schemas.TopicRedemptions)}, name: name}, r.EventID
}
