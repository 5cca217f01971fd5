package explain

import "accrue/rules/programme"

// fraud tells the thresholds at which somebody looks before points are given.
func (t *teller) fraud() {
	t.about = Subject{Kind: Fraud}
	if len(t.p.Fraud) == 0 {
		t.tell("fraud", noThresholds)
		return
	}
	t.tell("fraud", thresholdsStay)
	for _, threshold := range t.p.Fraud {
		t.threshold(threshold)
	}
}

func (t *teller) threshold(g *programme.Threshold) {
	t.about = Subject{Kind: Threshold, ID: g.ID}
	t.tell("id", heading, "title", g.ID)
	event := eventWords[g.On-programme.OnOrder]
	if g.Measure == 0 {
		t.tell("when", actsOn, "event", t.say(event.one), "condition", t.condition(g.When))
	} else {
		t.measure(g, event)
		if g.When != nil {
			t.tell("when", looksAt, "events", t.say(event.all), "condition", t.condition(g.When))
		}
	}
	switch g.Action {
	case programme.ActionFlag:
		t.tell("action", actionFlag)
	case programme.ActionHold:
		t.tell("action", actionHold)
	case programme.ActionDeny:
		t.tell("action", actionDeny)
	case programme.ActionBlock:
		if g.For.IsZero() {
			t.tell("action", actionBlock)
		} else {
			t.tell("action", actionBlockFor, "time", t.duration(g.For))
		}
	}
}

// measure tells above what a threshold acts.
func (t *teller) measure(g *programme.Threshold, event eventWord) {
	over := ""
	what := phrase{}
	switch g.Measure {
	case programme.MeasureCount:
		what, over = overCount, t.count(event.counted, whole(g.Over))
	case programme.MeasurePoints:
		what, over = overPoints, t.points(g.Over)
	case programme.MeasureAmount:
		what, over = overAmount, t.money(programme.Money(g.Over))
	case programme.MeasureMembers:
		what, over = overDistinct, t.count(members, whole(g.Over))
	case programme.MeasureDevices:
		what, over = overDistinct, t.count(devices, whole(g.Over))
	case programme.MeasureRefunds:
		what, over = overShare, percent(g.Share)
	}
	atLeast := ""
	if g.AtLeast > 0 {
		atLeast = t.say(onceThereAre, "orders", t.count(orders, whole(g.AtLeast)))
	}
	t.tell("measure", what, "by", t.say(subjectWords[g.By-programme.ByMember]), "events", t.say(event.all), "over", over,
		"within", t.duration(g.Within), "once", atLeast)
	if g.By != programme.ByMember {
		t.tell("by", countedTogether, "by", t.say(subjectWords[g.By-programme.ByMember]), "event", t.say(event.one))
	}
}

// eventWord is what a threshold listens to.
type eventWord struct {
	one, all phrase
	counted  noun
}

// The phrases of thresholds.
//
//nolint:gochecknoglobals // never changed
var (
	// In the order of the triggers that thresholds listen to.
	eventWords = []eventWord{
		{phrase{"an order", "订单"}, phrase{"orders", "订单"}, orders},
		{phrase{"an activity", "活动"}, phrase{"activities", "活动"}, checkIns},
		{phrase{"an invitation", "邀请"}, phrase{"invitations", "邀请"}, referrals},
	}
	// In the order of the subjects.
	subjectWords = []phrase{
		{"one member", "同一会员"},
		{"one device", "同一设备"},
		{"one IP address", "同一 IP 地址"},
		{"one means of payment", "同一支付方式"},
		{"one inviting member", "同一邀请人"},
		{"one store", "同一门店"},
	}

	noThresholds   = phrase{"There are no thresholds against fraud.", "不设防作弊阈值。"}
	thresholdsStay = phrase{
		"A threshold is measured when an event arrives, that event counted; what it decides stays until a person decides otherwise.",
		"阈值在事件到达时计算，包含该事件本身；一经判定即生效，直至人工另行处理。",
	}
	actsOn       = phrase{"It acts on {event} if {condition}.", "符合以下条件的{event}即触发：{condition}。"}
	looksAt      = phrase{"Only those {events} are looked at and counted for which this holds: {condition}.", "只检查并计入符合以下条件的{events}：{condition}。"}
	overCount    = phrase{"It acts when {by} has more than {over} within {within}.", "{within}内{by}超过{over}时触发。"}
	overPoints   = phrase{"It acts when the {events} of {by} have earned more than {over} within {within}.", "{within}内{by}的{events}所得积分超过{over}时触发。"}
	overAmount   = phrase{"It acts when the {events} of {by} come to more than {over} within {within}.", "{within}内{by}的{events}金额超过{over}时触发。"}
	overDistinct = phrase{"It acts when the {events} of {by} are those of more than {over} within {within}.", "{within}内{by}的{events}涉及超过{over}时触发。"}
	overShare    = phrase{"It acts when something was refunded of more than {over} of the {events} of {by} within {within}{once}.", "{within}内{by}的{events}中有退款的占比超过{over}时触发{once}。"}
	onceThereAre = phrase{", once there are at least {orders}", "（至少有{orders}时才判断）"}

	countedTogether = phrase{
		"What {by} has to do with is counted together, whichever members it is of. Until that is known {event} waits: it earns nothing yet, and is decided then; what is not known within 24 hours counts as not passed, and an alert says so.",
		"{by}所涉及的{event}合并计算，不论属于哪位会员。结果得出之前{event}处于等待状态，暂不积分，得出后再作判定；24 小时内无结果按未触发处理，并发出警报。",
	}

	actionFlag     = phrase{"Then an alert goes out; nothing else changes.", "触发后只发出警报，不影响积分。"}
	actionHold     = phrase{"Then the points of that event are held until a person releases or rejects them.", "触发后该事件的积分冻结，由人工审核后解冻或取消。"}
	actionDeny     = phrase{"Then that event earns nothing.", "触发后该事件不积分。"}
	actionBlock    = phrase{"Then that event earns nothing, nor do later events of the member, until a person ends it.", "触发后该事件不积分，该会员此后的事件也不积分，直至人工解除。"}
	actionBlockFor = phrase{"Then that event earns nothing, nor do later events of the member for {time}.", "触发后该事件不积分，该会员此后{time}内的事件也不积分。"}
)
