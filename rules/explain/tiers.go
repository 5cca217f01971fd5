package explain

import (
	"maps"
	"slices"

	"accrue/rules/programme"
)

// tiers tells the levels that members reach, and how they lose them.
func (t *teller) tiers() {
	t.about = Subject{Kind: Tiers}
	tiers := t.p.Tiers
	if tiers == nil {
		t.tell("tiers", noTiers)
		return
	}
	t.tell("by", reachedBy, "metric", t.metric(tiers.By), "span", t.span(tiers))
	switch tiers.Span {
	case programme.CalendarYear:
		t.tell("over", validYear)
	case programme.Lifetime:
		t.tell("over", validEver)
	case programme.Rolling:
		t.tell("over", validRolling, "over", t.duration(tiers.Over))
	}
	if tiers.Span != programme.Lifetime {
		t.fall(tiers)
	}
	for _, removed := range slices.Sorted(maps.Keys(tiers.Becomes)) {
		t.tell("becomes", becomes, "removed", removed, "now", tiers.Becomes[removed])
	}
	for i := range tiers.Levels {
		t.level(&tiers.Levels[i], i == 0, tiers.By)
	}
}

// fall tells what happens when a level is no longer valid.
func (t *teller) fall(tiers *programme.Tiers) {
	t.tell("then", []phrase{thenRequalify, thenOneDown, thenKeep}[tiers.Then])
	if tiers.Then == programme.Keep {
		return
	}
	if tiers.Grace.IsZero() {
		t.tell("grace", noGrace)
	} else {
		t.tell("grace", grace, "grace", t.duration(tiers.Grace))
	}
	if len(tiers.Notice) > 0 {
		t.tell("notice", tierNotice, "times", t.durations(tiers.Notice))
	}
}

func (t *teller) metric(by programme.Metric) string {
	return t.say([]phrase{byPoints, bySpend, byOrders}[by-programme.ByPoints])
}

func (t *teller) span(tiers *programme.Tiers) string {
	switch tiers.Span {
	case programme.CalendarYear:
		return t.say(inYear)
	case programme.Lifetime:
		return t.say(inLifetime)
	case programme.Rolling:
	}
	return t.say(inLast, "over", t.duration(tiers.Over))
}

func (t *teller) level(l *programme.Level, first bool, by programme.Metric) {
	t.about = Subject{Kind: Level, ID: l.ID}
	t.tell("id", heading, "title", l.ID)
	at := ""
	switch by {
	case programme.ByPoints:
		at = t.points(l.At)
	case programme.ByOrders:
		at = t.count(orders, whole(l.At))
	case programme.BySpend:
		at = t.money(programme.Money(l.At))
	}
	if first {
		t.tell("at", levelOfAll)
	} else {
		t.tell("at", levelFrom, "at", at)
	}
	if l.FallsNever {
		t.tell("falls", fallsNever)
	}
	if l.Expiry != nil {
		t.expiry(l.Expiry, levelPoints)
	}
}

// The phrases of levels.
//
//nolint:gochecknoglobals // never changed
var (
	heading      = phrase{"{title}", "{title}"}
	noTiers      = phrase{"There are no member levels.", "不设会员等级。"}
	reachedBy    = phrase{"A member's level follows from {metric} {span}.", "会员等级取决于{span}{metric}。"}
	byPoints     = phrase{"the points granted (held ones count once they are released)", "所得的积分（冻结的积分自解冻时计入）"}
	bySpend      = phrase{"the amount of the orders, less what was refunded,", "的订单金额（扣除退款）"}
	byOrders     = phrase{"the number of orders, without those refunded in full,", "的订单数（不含全额退款的订单）"}
	inLast       = phrase{"in the last {over}", "最近{over}内"}
	inYear       = phrase{"in the calendar year", "自然年内"}
	inLifetime   = phrase{"since the beginning", "历史累计"}
	validRolling = phrase{"Who reaches a level has it at once, for {over}.", "达到等级条件即时升级，有效期{over}。"}
	validYear    = phrase{"Who reaches a level has it at once, until the end of the next calendar year.", "达到等级条件即时升级，有效期至下一自然年年末。"}
	validEver    = phrase{"Who reaches a level has it at once, and for ever.", "达到等级条件即时升级，终身有效。"}

	thenRequalify = phrase{
		"At the end of that time who qualifies again has the level for another term; who does not falls to the level that is reached then.",
		"有效期届满时，再次达标的会员续期；未达标的会员降至届时所达到的等级。",
	}
	thenOneDown = phrase{
		"At the end of that time who qualifies again has the level for another term; who does not falls one level.",
		"有效期届满时，再次达标的会员续期；未达标的会员降一级。",
	}
	thenKeep = phrase{
		"At the end of that time everybody keeps the level, who qualifies again and who does not.",
		"有效期届满时，无论是否再次达标，会员均保留原等级。",
	}
	grace      = phrase{"The fall comes {grace} after the end; who reaches the level in that time keeps it.", "降级在有效期届满后{grace}执行；期间达标的会员保留等级。"}
	noGrace    = phrase{"The fall comes at the end itself, without grace.", "降级在有效期届满时立即执行，没有宽限期。"}
	tierNotice = phrase{"Members are told {times} before a fall what is still missing.", "降级前{times}提醒会员还差多少。"}
	becomes    = phrase{"Members of the former level {removed} have the level {now} now.", "原{removed}等级的会员转为{now}等级。"}
	levelOfAll = phrase{"Every member has at least this level.", "所有会员至少为此等级。"}
	levelFrom  = phrase{"It is reached at {at}.", "满{at}即达到。"}
	fallsNever = phrase{"Who has held it never falls below it.", "曾达到此等级的会员不会降到此等级以下。"}
)
