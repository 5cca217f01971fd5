package explain

import (
	"slices"
	"time"

	"accrue/rules/programme"
)

// rules tells what members get, and for what.
func (t *teller) rules() {
	t.about = Subject{Kind: Rules}
	if len(t.p.Rules) == 0 {
		t.tell("rules", noRules)
		return
	}
	t.tell("rules", ruleOrder)
	if t.p.Tiers != nil && t.p.Tiers.By == programme.ByPoints {
		t.tell("rules", ruleDefaultsWithTiers)
	} else {
		t.tell("rules", ruleDefaults)
	}
	if slices.ContainsFunc(t.p.Rules, func(r *programme.Rule) bool { return r.On == programme.OnReferral }) {
		t.tell("rules", invitedOnce)
	}
	for _, rule := range t.p.Rules {
		t.rule(rule)
	}
}

// rule tells one rule. What it leaves out has been told for all rules.
func (t *teller) rule(r *programme.Rule) {
	t.about = Subject{Kind: Rule, ID: r.ID}
	if r.Title == r.ID {
		t.tell("title", heading, "title", r.ID)
	} else {
		t.tell("title", titleAndID, "title", r.Title, "id", r.ID)
	}
	switch r.Mode {
	case programme.Live:
	case programme.Shadow:
		t.tell("mode", modeShadow)
	case programme.Off:
		t.tell("mode", modeOff)
	}
	t.gives(r)
	if r.When != nil {
		t.tell("when", onlyIf, "condition", t.condition(r.When))
	}
	if r.Lines != nil {
		lines := onlyLines
		if r.Boost != nil {
			lines = anyLine
		}
		t.tell("lines", lines, "condition", t.condition(r.Lines))
	}
	t.inForce(r.From, r.To)
	if r.Group != "" {
		best := groupBest
		if r.On == programme.OnReferral {
			best = groupBestOfTwo
		}
		t.tell("group", best, "group", r.Group)
	}
	if r.Chance.Den != 0 {
		t.tell("chance", chance, "percent", percent(r.Chance))
	}
	t.bounds(r)
	t.hold(r.Hold)
	switch r.Counts {
	case programme.CountsBoth:
	case programme.CountsBalance:
		t.tell("counts", countsBalance)
	case programme.CountsTier:
		t.tell("counts", countsTier)
	}
	if r.Expiry != nil {
		whose := rulePoints
		if t.p.Tiers != nil && slices.ContainsFunc(t.p.Tiers.Levels, func(l programme.Level) bool { return l.Expiry != nil }) {
			whose = rulePointsAtAllLevels
		}
		t.expiry(r.Expiry, whose)
	}
	if r.Campaign != "" {
		t.tell("campaign", campaign, "campaign", t.quoted(r.Campaign))
	}
	t.example(r)
}

// gives tells what a rule listens to and what it gives.
func (t *teller) gives(r *programme.Rule) {
	if r.Boost != nil {
		of := make([]string, len(r.Boost.Of))
		for i, index := range r.Boost.Of {
			of[i] = t.say(ruleNamed, "id", t.p.Rules[index].ID)
		}
		t.tell("boost", t.boostOf(r), "on", t.say(triggerOf(r)), "by", percent(r.Boost.By), "of", t.list(of))
		return
	}
	t.tell("earn", earnGives, "on", t.say(triggerOf(r)), "what", t.earns(r))
}

// boostOf is how a boost is told: one of referrals says whose points it adds to.
func (t *teller) boostOf(r *programme.Rule) phrase {
	referrer, referee := false, false
	for _, index := range r.Boost.Of {
		earn := t.p.Rules[index].Earn
		referrer, referee = referrer || earn.Referrer != 0, referee || earn.Referee != 0
	}
	switch {
	case referrer && referee:
		return boostBoth
	case referrer:
		return boostReferrer
	case referee:
		return boostReferee
	}
	return boostGives
}

func triggerOf(r *programme.Rule) phrase {
	switch {
	case r.On == programme.OnCheckIn && r.Each != nil:
		return forCheckIns
	case r.On == programme.OnCheckIn:
		return forCheckIn
	case r.On == programme.OnReferral && r.After == programme.AfterFirstOrder:
		return forFirstOrder
	case r.On == programme.OnReferral:
		return forReferral
	case r.On == programme.OnJoined:
		return forJoining
	case r.On == programme.OnBirthday:
		return forBirthday
	case r.On == programme.OnTierUp:
		return forTierUp
	case r.Each != nil:
		return forOrders
	}
	return forOrder
}

func (t *teller) earns(r *programme.Rule) string {
	earn := r.Earn
	switch {
	case r.Each != nil:
		return t.each(r.Each, t.points(earn.Points))
	case earn.Rate.Den != 0:
		return t.say(earnRate, "points", t.count(points, times(earn.Rate, 1)), "one", t.inCurrency("1", t.p.Currency.Code))
	case earn.Per != 0:
		return t.say(earnPer, "points", t.points(earn.Points), "per", t.money(earn.Per))
	case earn.Random.To != 0:
		return t.say(earnRandom, "from", whole(earn.Random.From), "to", t.points(earn.Random.To))
	case earn.Referrer != 0 && earn.Referee != 0:
		return t.say(earnBoth, "referrer", t.points(earn.Referrer), "referee", t.points(earn.Referee))
	case earn.Referrer != 0:
		return t.say(earnReferrer, "referrer", t.points(earn.Referrer))
	case earn.Referee != 0:
		return t.say(earnReferee, "referee", t.points(earn.Referee))
	}
	return t.say(earnFlat, "points", t.points(earn.Points))
}

func (t *teller) each(each *programme.Each, points string) string {
	within := ""
	if !each.Within.IsZero() {
		within = t.say(withinTime, "time", t.duration(each.Within))
	}
	switch {
	case each.Orders > 0:
		return t.say(eachOrders, "points", points, "orders", t.count(orders, whole(each.Orders)), "within", within)
	case each.Spend > 0:
		return t.say(eachSpend, "points", points, "amount", t.money(each.Spend), "within", within)
	}
	return t.say(eachStreak, "points", points, "days", t.count(days, whole(each.Streak)))
}

// inForce tells from when to when a rule holds. A time that ends as a day begins is said by its last day.
func (t *teller) inForce(from, to time.Time) {
	first, last := t.instant(from), t.instant(to)
	lastDay := !to.IsZero() && beginsDay(to, t.p.Zone)
	if lastDay {
		day := programme.DayNumber(to, t.p.Zone) - 1
		last = t.instant(programme.Midnight(day, t.p.Zone))
	}
	switch {
	case from.IsZero() && to.IsZero():
	case to.IsZero():
		t.tell("from", fromOn, "from", first)
	case from.IsZero() && lastDay:
		t.tell("to", toDay, "to", last)
	case from.IsZero():
		t.tell("to", toInstant, "to", last)
	case lastDay && first == last:
		t.tell("from", onDay, "day", first)
	case lastDay:
		t.tell("from", fromToDay, "from", first, "to", last)
	default:
		t.tell("from", fromToInstant, "from", first, "to", last)
	}
}

// bounds tells the limits of a rule for each member, and the one over all.
func (t *teller) bounds(r *programme.Rule) {
	words := limitWords{timesOfRule, pointsOfRule, occasions}
	if r.On == programme.OnReferral {
		words = limitWords{timesOfReferrer, pointsOfReferrer, occasions}
	}
	for _, limit := range r.Limits {
		t.limit("limit", limit, words)
	}
	if r.Budget == nil {
		return
	}
	budget := map[programme.Period]phrase{
		programme.PerDay: budgetDay, programme.PerMonth: budgetMonth, programme.PerEver: budgetEver,
	}[r.Budget.Per]
	then := budgetRefused
	if r.Budget.Queue {
		then = budgetQueue
	}
	t.tell("budget", budget, "most", t.points(r.Budget.Points), "zone", t.p.Zone.String(), "then", t.say(then))
	var told []string
	for _, at := range r.Budget.Notices {
		told = append(told, percent(at))
	}
	t.tell("budget.notice", budgetNotice, "list", t.list(told))
}

// hold tells how long points are held.
func (t *teller) hold(h programme.Hold) {
	switch {
	case h.IsZero():
	case h.Review:
		t.tell("hold", holdReview)
	case h.Until != "" && h.Release:
		t.tell("hold", holdRelease, "status", t.status(h.Until), "within", t.duration(h.Within))
	case h.Until != "":
		t.tell("hold", holdReject, "status", t.status(h.Until), "within", t.duration(h.Within))
	default:
		t.tell("hold", holdTime, "time", t.duration(h.For))
	}
}
