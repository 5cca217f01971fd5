package backtest

import (
	"strings"

	"accrue/rules/explain"
)

// phrase is one text in each language. A {name} in it stands for what is filled in.
type phrase struct{ en, zh string }

// say is a phrase with its names filled in; with is names and values in turn. What is filled in is not looked at again.
func say(language explain.Language, what phrase, with ...string) string {
	rest := what.en
	if language == explain.Chinese {
		rest = what.zh
	}
	var text strings.Builder
	for {
		before, after, found := strings.Cut(rest, "{")
		text.WriteString(before)
		if !found {
			return text.String()
		}
		name, after, _ := strings.Cut(after, "}")
		for i := 0; i+1 < len(with); i += 2 {
			if with[i] == name {
				text.WriteString(with[i+1])
			}
		}
		rest = after
	}
}

// why says in words what made the difference for a member: the rules, the tier, and an event as an example.
func (in *Input) why(d *MemberDelta) []string {
	lines := []string{}
	for i := range d.Rules[:min(len(d.Rules), rulesShown)] {
		lines = append(lines, say(in.Language, whyRule, "rule", ruleText(&d.Rules[i]), "difference", difference(d.Rules[i].Difference),
			"a", count(d.Rules[i].A), "b", count(d.Rules[i].B)))
	}
	if more := len(d.Rules) - rulesShown; more > 0 {
		rest := int64(0)
		for _, rule := range d.Rules[rulesShown:] {
			rest += rule.Difference
		}
		lines = append(lines, say(in.Language, whyMore, "n", count(int64(more)), "difference", difference(rest)))
	}
	if d.TierA != d.TierB {
		lines = append(lines, say(in.Language, whyTier, "a", named(in.Language, d.TierA, noTier), "b", named(in.Language, d.TierB, noTier)))
	}
	if e := d.Example; e != nil {
		what := whyEvent
		if e.OrderID != "" {
			what = whyOrder
		}
		lines = append(lines, say(in.Language, what, "at", e.OccurredAt[:len("2006-01-02")], "event", e.EventID, "order", e.OrderID, "rule", e.Rule,
			"b", pointsText(in.Language, e.PointsB), "reasonB", reasonText(in.Language, e.ReasonB),
			"a", pointsText(in.Language, e.PointsA), "reasonA", reasonText(in.Language, e.ReasonA)))
	}
	return lines
}

// ruleText names a rule by its id, and by its title where it has one.
func ruleText(d *Delta) string {
	if d.Title == "" {
		return d.Key
	}
	return d.Key + " (" + d.Title + ")"
}

func pointsText(language explain.Language, n int64) string {
	if n == 1 {
		return say(language, onePoint)
	}
	return say(language, manyPoints, "n", count(n))
}

func reasonText(language explain.Language, reason string) string {
	if reason == "" {
		return say(language, noSuchRule)
	}
	return reason
}

// named is a name, or what stands for none.
func named(language explain.Language, name string, none phrase) string {
	if name == "" {
		return say(language, none)
	}
	return name
}

//nolint:gochecknoglobals // never changed
var (
	onePoint   = phrase{"1 point", "1分"}
	manyPoints = phrase{"{n} points", "{n}分"}
	noTier     = phrase{"no tier", "无等级"}
	noSegment  = phrase{"(in none)", "（无分群）"}
	noSuchRule = phrase{"it has no such rule", "没有这条规则"}
	whyRule    = phrase{"rule {rule}: {difference} points, {a} with A and {b} with B", "规则 {rule}：{difference}分，A 为 {a}，B 为 {b}"}
	whyMore    = phrase{"{n} more rules: {difference} points together", "另有 {n} 条规则，合计 {difference}分"}
	whyTier    = phrase{"ends as {b} with B, as {a} with A", "期末等级：B 为 {b}，A 为 {a}"}
	whyOrder   = phrase{
		`for example order {order} of {at}, rule {rule}: {b} with B ("{reasonB}"), {a} with A ("{reasonA}")`,
		"例如 {at} 的订单 {order}，规则 {rule}：B 为{b}（{reasonB}），A 为{a}（{reasonA}）",
	}
	whyEvent = phrase{
		`for example event {event} of {at}, rule {rule}: {b} with B ("{reasonB}"), {a} with A ("{reasonA}")`,
		"例如 {at} 的事件 {event}，规则 {rule}：B 为{b}（{reasonB}），A 为{a}（{reasonA}）",
	}
)
