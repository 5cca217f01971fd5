package rules_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// world is a random programme, as its author would write it, with a random history of some members.
type world struct {
	texts  []string    // the versions of the programme
	from   []time.Time // when each begins; the first is zero
	days   int         // the shortest return_window
	ledger *rules.Ledger
	parsed programme.Versions
	events []rules.Event
	end    time.Time // after everything; all members are advanced to it

	// rulings are what thresholds said to the first replay, by event. Others are given them: they depend on the order of arrival,
	// and once given stay.
	rulings map[string]rules.Rulings
}

func pick[T any](t *rapid.T, label string, options ...T) T {
	return rapid.SampledFrom(options).Draw(t, label)
}

func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }

// newWorld draws a programme of one or two versions. The history is drawn by the law.
func newWorld(t *rapid.T, versions int) *world {
	w := &world{}
	w.days = math.MaxInt
	header := ""
	redemptions := oneIn(t, 2, "redemptions")
	tiers := !oneIn(t, 4, "no tiers") // as long as members hold a level no version may lack it
	for i := range versions {
		if i == 0 || oneIn(t, 2, "new header") {
			window := pick(t, "window", "3 days", "10 days", "30 days", "72h", "1 month")
			w.days = min(w.days, map[string]int{"3 days": 3, "10 days": 10, "30 days": 30, "72h": 3, "1 month": 28}[window])
			header = programmeHeader(t, window, tiers)
			if redemptions {
				header += "redemptions: true\n" + pick(t, "clawback", "", "", "clawback: within_balance\n", "clawback: pending_only\n")
			}
		}
		body := programmeBody(t, tiers)
		if strings.Contains(header, "earn_on: COMPLETED") { // a hold waits for another status
			body = strings.ReplaceAll(body, "until: COMPLETED", "until: PLACED")
		}
		text := header + body
		if i > 0 && tiers && oneIn(t, 3, "a level has another name") {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "{id: gold,", "{id: golden,"), `"gold"`, `"golden"`)
			text = strings.Replace(text, "tiers:\n", "tiers:\n  becomes: {gold: "+pick(t, "becomes", "golden", "golden", "platinum", "member")+"}\n", 1)
		}
		w.texts = append(w.texts, text)
		w.from = append(w.from, time.Time{})
	}
	return w
}

// withEqualRulings leaves out of a programme that rewards who invites what makes rulings there that another order of arrival does not.
// With another clawback than full, what a refund may take of who invited is ruled when it gets there (§4.4): it depends on what that
// member can spend then, and a refund that comes before its order has nothing to rule about, as nothing was granted. What one
// replay has ruled another cannot be given, as it has no place there. Of a member's own orders it can: Rulings.keeps. So laws that
// compare orders of arrival, or of timers, have either the one or the other; those that compare replays of one order have both.
func (w *world) withEqualRulings(t rapid.TB) {
	if slices.ContainsFunc(w.texts, func(text string) bool { return strings.Contains(text, "referrer: ") }) {
		w.withFullClawback(t)
	}
}

// ready parses the versions and makes the ledger.
func (w *world) ready(t rapid.TB) {
	for i, text := range w.texts {
		p, problems := programme.Parse(map[string][]byte{"programme.yaml": []byte(text)})
		if p == nil {
			t.Fatalf("the programme was drawn wrongly:\n%s\n%s", problems, text)
		}
		w.parsed = append(w.parsed, programme.Version{From: w.from[i], Programme: p})
	}
	w.ledger = w.newLedger(t)
}

func (w *world) newLedger(t rapid.TB) *rules.Ledger {
	ledger, err := rules.NewLedger(w.parsed, rules.Secret([]byte("drawn")), rules.Spaced(2), rules.Crowded(2))
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// onOrders says whether a kind of rule listens to orders.
func onOrders(kind string) bool {
	return kind != "streak" && kind != "check-in" && kind != "tier-up" && kind != "joined" && kind != "birthday" && kind != "invited" && kind != "first order" && !strings.HasPrefix(kind, "boost of ")
}

func programmeHeader(t *rapid.T, window string, tiers bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "programme: drawn\ncurrency: CNY\ncurrencies: {USD: \"7.1\", JPY: 0.0478}\nreturn_window: %s\n", window)
	fmt.Fprintf(&b, "time_zone: %s\n", pick(t, "zone", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"))
	fmt.Fprintf(&b, "rounding: %s\n", pick(t, "rounding", "floor", "half_up", "half_even"))
	fmt.Fprintf(&b, "stacking: %s\n", pick(t, "stacking", "add", "multiply", "best"))
	fmt.Fprintf(&b, "earn_on: %s\n", pick(t, "earn_on", "PAID", "PAID", "PAID", "COMPLETED"))
	if oneIn(t, 2, "expiry") {
		fmt.Fprintf(&b, "expiry: %s\n", drawExpiry(t))
	}
	if oneIn(t, 3, "programme limits") {
		fmt.Fprintf(&b, "limits: %s\n", drawLimits(t, 200))
	}
	if tiers {
		by := pick(t, "by", "points", "spend", "orders")
		levels := map[string][2]int{"points": {60, 200}, "spend": {100, 300}, "orders": {2, 4}}[by]
		over := pick(t, "over", "12 months", "1 month", "6 days", "calendar_year", "lifetime")
		fmt.Fprintf(&b, "tiers:\n  by: %s\n  over: %s\n", by, over)
		if over != "lifetime" {
			fmt.Fprintf(&b, "  then: %s\n", pick(t, "then", "requalify", "one_down", "keep"))
			if oneIn(t, 2, "grace") {
				fmt.Fprintf(&b, "  grace: %s\n", pick(t, "grace length", "2 days", "5 days", "36h"))
			}
			if oneIn(t, 3, "tier notice") {
				b.WriteString("  notice: [1 day, 60h, 4 days]\n")
			}
		}
		never := pick(t, "never", "", ", falls: never")
		if oneIn(t, 3, "expiry of a level") {
			never += ", expiry: " + drawExpiry(t)
		}
		fmt.Fprintf(&b, "  levels: [{id: member, at: 0}, {id: gold, at: %d%s}, {id: platinum, at: %d}]\n", levels[0], never, levels[1])
	}
	return b.String()
}

// mostFlat is the most points of a rule that gives so many.
const mostFlat = 40

func drawLimits(t *rapid.T, most int) string {
	list := make([]string, 0, 2)
	for range rapid.IntRange(1, 2).Draw(t, "limits") {
		edge := pick(t, "edge", "", ", edge: drop", ", edge: finish", ", edge: cut")
		least := 1
		if edge == ", edge: drop" {
			least = mostFlat // else nothing would ever be granted, which is refused
		}
		what := fmt.Sprintf("points: %d", rapid.IntRange(least, most).Draw(t, "limit points"))
		per := pick(t, "per", "day", "week", "month", "year", "ever")
		if oneIn(t, 2, "times") {
			what = fmt.Sprintf("times: %d", rapid.IntRange(1, 3).Draw(t, "limit times"))
		}
		text := fmt.Sprintf("{%s, per: %s%s}", what, per, edge)
		if len(list) == 0 || list[0][:7] != text[:7] || !strings.Contains(list[0], "per: "+per) {
			list = append(list, text)
		}
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// programmeBody draws rules. Their ids are the same in each version, so that what they count carries over.
func programmeBody(t *rapid.T, tiers bool) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	var earning []string
	invites := map[string][]string{} // rules on referrals, by kind
	for i := range rapid.IntRange(1, 5).Draw(t, "rules") {
		id := "r" + strconv.Itoa(i)
		kind := pick(t, "kind", "points", "per", "rate", "boost", "each orders", "each spend", "streak", "check-in", "per", "check-in", "random", "tier-up",
			"joined", "birthday", "invited", "first order", "first order", "boost of invited", "boost of first order", "boost of first order")
		if of, ok := strings.CutPrefix(kind, "boost of "); ok && len(invites[of]) == 0 {
			kind = of
		}
		if kind == "boost" && len(earning) == 0 || kind == "tier-up" && !tiers {
			kind = "points"
		}
		if onOrders(kind) && kind != "boost" {
			earning = append(earning, id)
		}
		of := earning
		if invited, ok := strings.CutPrefix(kind, "boost of "); ok {
			of = invites[invited]
		}
		if kind == "invited" || kind == "first order" {
			invites[kind] = append(invites[kind], id)
		}
		fmt.Fprintf(&b, "  - {id: %s, %s}\n", id, strings.Join(drawRule(t, kind, of), ", "))
	}
	b.WriteString(drawThresholds(t))
	return b.String()
}

// drawThresholds draws guards against fraud, of which each passes now and then.
func drawThresholds(t *rapid.T) string {
	if !oneIn(t, 3, "fraud") {
		return ""
	}
	var b strings.Builder
	b.WriteString("fraud:\n")
	for i := range rapid.IntRange(1, 2).Draw(t, "thresholds") {
		within := pick(t, "fraud within", "24h", "2 days", "1 month", "90m")
		what := pick(t, "measure",
			"on: order, measure: count, by: member, within: "+within+", over: 2",
			"on: order, measure: sum(amount), by: member, within: "+within+", over: 100.00",
			"on: order, measure: sum(points), by: member, within: "+within+", over: 30",
			"on: order, measure: \"ratio(refunds, orders)\", by: member, within: "+within+", over: 40%, at_least: 2",
			"on: check_in, measure: count, by: member, within: "+within+", over: 1",
			"on: check_in, measure: distinct(device), by: member, within: "+within+", over: 1",
			"on: order, when: order.total >= 50.00",
			"on: order, when: 'member.points < 50', measure: count, by: member, within: "+within+", over: 1",
			"on: order, measure: count, by: device, within: "+within+", over: 1",
			"on: order, measure: sum(amount), by: payment, within: "+within+", over: 80.00",
			"on: order, measure: sum(points), by: store, within: "+within+", over: 20",
			"on: order, measure: \"ratio(refunds, orders)\", by: ip, within: "+within+", over: 40%, at_least: 2",
			"on: check_in, measure: distinct(member), by: device, within: "+within+", over: 1",
			"on: check_in, when: 'member.points < 40', measure: distinct(device), by: ip, within: "+within+", over: 1",
			"on: referral, measure: count, by: referrer, within: "+within+", over: 1",
			"on: referral, when: referral.same_device",
			"on: referral, when: 'referral.same_device || member.points > 5', measure: distinct(device), by: ip, within: "+within+", over: 1",
		)
		action := pick(t, "action", "flag", "hold", "deny", "block", "block, for: 36h")
		fmt.Fprintf(&b, "  - {id: f%d, %s, action: %s}\n", i, what, action)
	}
	return b.String()
}

func drawRule(t *rapid.T, kind string, earning []string) []string {
	points := rapid.IntRange(1, mostFlat).Draw(t, "points")
	flat := fmt.Sprintf("earn: {points: %d}", points)
	within := pick(t, "within", "", ", within: 1 month", ", within: 3 days", ", within: 48h")
	var keys []string
	switch kind {
	case "points":
		keys = []string{"on: order", flat}
	case "per":
		keys = []string{"on: order", fmt.Sprintf("earn: {points: %d, per: %s}", points%3+1, pick(t, "each", "1.00", "10.00", "7.30"))}
	case "rate":
		keys = []string{"on: order", "earn: {rate: " + pick(t, "rate", "1.5", "0.333", "2") + "}"}
	case "boost of invited", "boost of first order":
		of := earning[:rapid.IntRange(1, len(earning)).Draw(t, "of")]
		keys = []string{"on: referral", fmt.Sprintf("boost: {of: [%s], by: %s%%}", strings.Join(of, ", "), pick(t, "by", "20", "100", "12.5"))}
	case "boost":
		of := earning[:rapid.IntRange(1, len(earning)).Draw(t, "of")]
		keys = []string{"on: order", fmt.Sprintf("boost: {of: [%s], by: %s%%}", strings.Join(of, ", "), pick(t, "by", "20", "100", "12.5"))}
	case "each orders":
		keys = []string{"on: order", flat, fmt.Sprintf("each: {orders: %d%s}", rapid.IntRange(2, 3).Draw(t, "orders"), within)}
	case "each spend":
		keys = []string{"on: order", flat, fmt.Sprintf("each: {spend: %s%s}", pick(t, "spend", "50.00", "120.00"), within)}
	case "streak":
		keys = []string{"on: check_in", flat, fmt.Sprintf("each: {streak: %d}", rapid.IntRange(2, 3).Draw(t, "streak"))}
	case "check-in":
		keys = []string{"on: check_in", flat}
	case "random":
		keys = []string{"on: order", fmt.Sprintf("earn: {random: {from: %d, to: %d}}", points, points+rapid.IntRange(1, 30).Draw(t, "span"))}
	case "tier-up":
		keys = []string{"on: tier_up", flat}
	case "joined", "birthday":
		keys = []string{"on: " + kind, flat}
	case "invited", "first order":
		after := map[string]string{"invited": "joined", "first order": "first_order"}[kind]
		sides := pick(t, "sides", "referrer: %d", "referee: %d", "referrer: %d, referee: 5", "referrer: %d, referee: 9")
		keys = []string{"on: referral", "after: " + after, "earn: {" + fmt.Sprintf(sides, points) + "}"}
	}
	return append(keys, ruleOptions(t, kind)...)
}

// ruleOptions draws the keys that any rule may have.
func ruleOptions(t *rapid.T, kind string) []string {
	var keys []string
	conditions := orderConditions()
	if kind == "joined" || kind == "birthday" {
		conditions = []string{`"vip" in member.segments`, "member.orders > 0", "member.points < 50", "now.getHours() < 12"}
	} else if strings.HasSuffix(kind, "invited") {
		conditions = []string{`referral.code == "c1"`, "member.points < 30", "!referral.same_device", "member.orders == 0", `"vip" in member.segments`, "now.getHours() < 12"}
	} else if strings.HasSuffix(kind, "first order") {
		conditions = append(conditions, "referral.same_device", `referral.code == "c1"`, `referral.code == "c1" || order.total >= 20.00`)
	} else if kind == "streak" || kind == "check-in" {
		conditions = []string{`"vip" in member.segments`, `member.attributes["colour"] == "red"`, `check_in.activity == "check-in"`, "member.points < 50", "member.streak >= 1", "member.orders > 0"}
	} else if kind == "tier-up" {
		conditions = []string{`member.tier == "gold"`, "member.points < 80", "member.pending == 0", "member.orders > 1"}
	} else if oneIn(t, 4, "lines") && kind != "boost" {
		keys = append(keys, "lines: '"+pick(t, "line condition", `line.category == "tea"`, "line.amount >= 5.00", "line.quantity > 1")+"'")
	}
	if oneIn(t, 2, "when") {
		keys = append(keys, "when: '"+rapid.SampledFrom(conditions).Draw(t, "condition")+"'")
	}
	switch {
	case strings.HasPrefix(kind, "boost") && oneIn(t, 2, "boost group"):
		keys = append(keys, "group: boosts")
	case (kind == "points" || kind == "per" || kind == "rate" || kind == "random" || kind == "invited" || kind == "first order") && oneIn(t, 4, "group"):
		keys = append(keys, "group: earning")
	}
	if oneIn(t, 3, "limit") {
		keys = append(keys, "limit: "+drawLimits(t, 60))
	}
	if oneIn(t, 3, "hold") {
		lengths := []string{"1 day", "3 days", "36h", "90m", "1 month", "review"}
		if onOrders(kind) {
			lengths = append(lengths, "{until: COMPLETED, within: 3 days, else: reject}", "{until: COMPLETED, within: 30h, else: release}")
		}
		keys = append(keys, "hold: "+rapid.SampledFrom(lengths).Draw(t, "hold length"))
	}
	if oneIn(t, 5, "expiry of a rule") {
		keys = append(keys, "expiry: "+drawExpiry(t))
	}
	if oneIn(t, 6, "budget") { // that is never used up: what it gives would depend on who comes first
		keys = append(keys, "budget: "+pick(t, "what budget", "1000000000", "{points: 1000000000, per: day}", "{points: 1000000000, per: month, queue: true}"))
	}
	if oneIn(t, 8, "chance") {
		keys = append(keys, "chance: "+pick(t, "how likely", "50%", "12.5%", "90%"))
	}
	switch rapid.IntRange(1, 12).Draw(t, "odd") {
	case 1:
		keys = append(keys, "mode: shadow")
	case 2:
		keys = append(keys, "counts: tier")
	case 3:
		keys = append(keys, "counts: balance")
	}
	return keys
}

func orderConditions() []string {
	return []string{
		"order.total >= 20.00", "order.number == 1", "order.number >= 3", "member.orders < 3", "member.points >= 30", "member.pending == 0",
		"member.spend > 50.00", "member.streak >= 2", `order.channel == "app"`, `"vip" in order.coupons`, "order.lines.size() >= 2",
		`"vip" in member.segments`, "member.age_days < 3", "now.getHours() < 12", "now.getDayOfWeek() == 0", `order.attributes["colour"] == "red"`, "member.points + member.pending < 100",
	}
}

// drawExpiry draws an expiry; many end within the history.
func drawExpiry(t *rapid.T) string {
	return pick(t, "expires", "never", "{after: 1 day}", "{after: 4 days}", "{after: 12 days}", "{after: 1 month, at: month_end}", "{after: 3 days, at: month_end}",
		"{after: 4 days, notice: [1 day, 36h]}", "{after: 1 month, at: month_end, notice: [3 days]}")
}

// clock draws instants near days on which calendars do odd things, of which some are equal.
type clock struct {
	begin time.Time
	unit  time.Duration
	units int
}

// newClock spans at most the given number of days.
func newClock(t *rapid.T, days int) clock {
	begin := pick(t, "begin", "2026-03-27T20:00:00Z", "2024-02-27T10:00:00Z", "2026-10-22T03:30:00Z", "2026-12-29T15:00:00Z", "2026-01-30T10:00:00Z")
	at, err := time.Parse(time.RFC3339, begin)
	if err != nil {
		t.Fatal(err)
	}
	span := time.Duration(days) * 24 * time.Hour
	unit := pick(t, "unit", time.Hour, 6*time.Hour, 24*time.Hour, 7*time.Minute)
	return clock{at, unit, int(min(span/unit, 1<<20))}
}

func (c clock) draw(t *rapid.T) time.Time {
	return c.begin.Add(time.Duration(rapid.IntRange(0, c.units).Draw(t, "at")) * c.unit)
}

// drawEvents draws a history of one to three members, in no order of time. Ids of orders are few, so that refunds find
// their orders, and come before them, and orders come twice.
func (w *world) drawEvents(t *rapid.T, c clock, least, most int) {
	members := rapid.IntRange(1, 3).Draw(t, "members")
	n := rapid.IntRange(least, most).Draw(t, "events")
	counts := map[string]int{}
	for range n {
		member := "m" + strconv.Itoa(rapid.IntRange(1, members).Draw(t, "member"))
		e := w.drawEvent(t, member, c.draw(t), n)
		counts[member+e.Source.Topic]++
		id := "e" + strconv.Itoa(counts[member+e.Source.Topic]*7919%1000) // so that the order of ids is not that of anything else
		setEventID(&e, id)
		e.Source.Offset = int64(len(w.events))
		w.events = append(w.events, e)
	}
	w.end = c.begin.Add(time.Duration(c.units)*c.unit + time.Duration(rapid.IntRange(0, 500).Draw(t, "days after"))*24*time.Hour)
}

func (w *world) drawEvent(t *rapid.T, member string, at time.Time, n int) rules.Event {
	kind := pick(t, "event", "order", "order", "order", "order", "check-in", "check-in", "refund", "refund", "part", "cancel", "placed", "profile", "command",
		"referral", "referral", "redemption", "redemption")
	if kind == "redemption" {
		return w.drawRedemption(t, member, at)
	}
	if kind == "referral" {
		return rules.Event{Source: schemas.Source{Topic: schemas.TopicReferrals}, Referral: &schemas.Referral{
			RefereeID: member, ReferrerID: pick(t, "referrer", "m1", "m2", "m3"), OccurredAt: at, Code: pick(t, "code", "c1", "c2"),
			DeviceID: pick(t, "device", "", "a", "b"), IP: pick(t, "ip", "", "x"),
		}}
	}
	if kind == "command" {
		return w.drawCommand(t, member, at)
	}
	if kind == "profile" {
		return w.drawProfile(t, member, at)
	}
	if kind == "check-in" {
		return rules.Event{Source: schemas.Source{Topic: schemas.TopicCheckIns}, CheckIn: &schemas.CheckIn{
			MemberID: member, OccurredAt: at, Activity: pick(t, "activity", "check-in", "check-in", "study"), DeviceID: pick(t, "device", "", "a", "b"), IP: pick(t, "ip", "", "x"),
		}}
	}
	o := &schemas.Order{
		MemberID: member, OrderID: "o" + strconv.Itoa(rapid.IntRange(1, max(n/2, 2)).Draw(t, "order id")), OccurredAt: at, Currency: "CNY",
	}
	switch kind {
	case "order", "placed":
		o.Status = schemas.Paid
		if kind == "placed" {
			o.Status = pick(t, "status", schemas.Placed, schemas.Completed)
		}
		o.Currency = pick(t, "currency", "CNY", "CNY", "USD", "JPY")
		o.Channel = pick(t, "channel", "app", "web")
		o.Lines = drawLines(t)
		if oneIn(t, 2, "traceable") {
			o.DeviceID, o.PaymentHash, o.Store, o.IP = pick(t, "device", "a", "b"), "card", "west", pick(t, "ip", "x", "y")
		}
		if oneIn(t, 3, "vip") {
			o.Coupons = []string{"vip"}
		}
		if oneIn(t, 2, "coloured") {
			o.Attributes = map[string]string{"colour": pick(t, "colour", "red", "blue")}
		}
	case "refund":
		o.Status = schemas.Refunded
	case "part":
		o.Status = schemas.Refunded
		o.RefundedLines = drawRefund(t)
	case "cancel":
		o.Status = schemas.Cancelled
	}
	return rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders}}
}

// drawCommand draws a command. Releases and rejections are of grants that may be held, or never were.
func (w *world) drawCommand(t *rapid.T, member string, at time.Time) rules.Event {
	c := &schemas.Command{MemberID: member, OccurredAt: at, Operator: "lin", Points: int64(rapid.IntRange(1, 60).Draw(t, "points by hand"))}
	c.Kind = pick(t, "command", "GRANT", "DEDUCT", "RELEASE", "REJECT", "RELEASE", "REJECT", "BLOCK", "UNBLOCK", "SET_TIER")
	switch c.Kind {
	case "RELEASE", "REJECT":
		c.GrantID = "none"
		own := slices.DeleteFunc(slices.Clone(w.events), func(e rules.Event) bool { return e.Member() != member })
		if len(own) > 0 {
			of := rapid.SampledFrom(own).Draw(t, "granted for")
			c.GrantID = rules.GrantIDOf(of, "r"+strconv.Itoa(rapid.IntRange(0, 4).Draw(t, "granted by")))
		}
	case "BLOCK":
		c.Until = at.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "blocked for")) * time.Hour)
	case "SET_TIER":
		c.Tier = pick(t, "tier by hand", "member", "gold", "platinum", "golden")
		if !oneIn(t, 3, "for ever") {
			c.Until = at.Add(time.Duration(rapid.IntRange(1, 500).Draw(t, "tier for")) * time.Hour)
		}
	}
	return rules.Event{Command: c, Source: schemas.Source{Topic: schemas.TopicCommands}}
}

// drawRedemption draws what is spent or given back, of few redemptions, so that a return finds what it returns, and comes before it.
func (w *world) drawRedemption(t *rapid.T, member string, at time.Time) rules.Event {
	return rules.Event{Source: schemas.Source{Topic: schemas.TopicRedemptions}, Redemption: &schemas.Redemption{
		MemberID: member, OccurredAt: at, Kind: pick(t, "redeemed", "SPENT", "SPENT", "RETURNED"), Points: int64(rapid.IntRange(1, 60).Draw(t, "redeemed points")),
		RedemptionID: pick(t, "redemption", "s1", "s2", "s3"),
	}}
}

// drawProfile draws a profile, or the end of one. Who joined, and when the birthday is, lies near the event, so that it happens.
func (w *world) drawProfile(t *rapid.T, member string, at time.Time) rules.Event {
	m := &schemas.Member{MemberID: member, OccurredAt: at}
	e := rules.Event{Profile: m, Source: schemas.Source{Topic: schemas.TopicProfiles}}
	if oneIn(t, 8, "ends") {
		e.ProfileEnds = true
		return e
	}
	near := func(label string) time.Time {
		return at.Add(time.Duration(rapid.IntRange(-30, 30).Draw(t, label)) * 6 * time.Hour)
	}
	if !oneIn(t, 3, "no time of joining") {
		m.JoinedAt = near("joined")
	}
	if !oneIn(t, 3, "no birthday") {
		m.Birthday = near("birthday").AddDate(-30, 0, 0).Format(time.DateOnly)
	}
	m.TimeZone = pick(t, "member's zone", "", "", "Asia/Shanghai", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe")
	if oneIn(t, 2, "vip") {
		m.Segments = []string{"vip"}
	}
	if oneIn(t, 2, "coloured") {
		m.Attributes = map[string]string{"colour": pick(t, "colour", "red", "blue")}
	}
	return e
}

func drawLines(t *rapid.T) []schemas.Line {
	lines := make([]schemas.Line, 0, 3)
	for i := range rapid.IntRange(1, 3).Draw(t, "lines") {
		lines = append(lines, schemas.Line{
			LineID: strconv.Itoa(i + 1), Category: pick(t, "category", "tea", "cup"), Quantity: int64(rapid.IntRange(1, 3).Draw(t, "quantity")),
			Amount: pick(t, "amount", int64(0), 1000, 2000, 5000, 10000, 333, 1999),
		})
	}
	return lines
}

func drawRefund(t *rapid.T) []schemas.RefundedLine {
	lines := make([]schemas.RefundedLine, 0, 2)
	for range rapid.IntRange(1, 2).Draw(t, "refunded lines") {
		lines = append(lines, schemas.RefundedLine{
			LineID: pick(t, "refunded line", "1", "2", "3"), Quantity: int64(rapid.IntRange(0, 2).Draw(t, "refunded quantity")),
			Amount: pick(t, "refunded amount", int64(0), 500, 1000, 3000, 20000),
		})
	}
	return lines
}

// eventHead is the id and the time of an event, to be read or set.
func eventHead(e *rules.Event) (id *string, at *time.Time) {
	switch {
	case e.Order != nil:
		return &e.Order.EventID, &e.Order.OccurredAt
	case e.CheckIn != nil:
		return &e.CheckIn.EventID, &e.CheckIn.OccurredAt
	case e.Command != nil:
		return &e.Command.EventID, &e.Command.OccurredAt
	case e.Redemption != nil:
		return &e.Redemption.EventID, &e.Redemption.OccurredAt
	case e.Referral != nil:
		return &e.Referral.EventID, &e.Referral.OccurredAt
	default:
		return &e.Profile.EventID, &e.Profile.OccurredAt
	}
}

func setEventID(e *rules.Event, id string) {
	to, _ := eventHead(e)
	*to = id
}

func eventTime(e *rules.Event) time.Time {
	_, at := eventHead(e)
	return *at
}

func eventID(e *rules.Event) string {
	id, _ := eventHead(e)
	return *id
}

// kindOf is the place of an event's kind at one instant.
func kindOf(e *rules.Event) int {
	switch {
	case e.Profile != nil:
		return 5
	case e.Order != nil:
		return 10
	case e.CheckIn != nil:
		return 20
	case e.Redemption != nil:
		return 50
	case e.Referral != nil:
		return 30
	default:
		return 40
	}
}

// inOrder is the history in the order of facts: (occurred_at, kind, event_id).
func inOrder(events []rules.Event) []rules.Event {
	list := slices.Clone(events)
	slices.SortStableFunc(list, func(a, b rules.Event) int {
		if c := eventTime(&a).Compare(eventTime(&b)); c != 0 {
			return c
		}
		if c := kindOf(&a) - kindOf(&b); c != 0 {
			return c
		}
		return strings.Compare(eventID(&a), eventID(&b))
	})
	return list
}
