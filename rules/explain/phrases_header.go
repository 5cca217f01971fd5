package explain

// The phrases of the keys that stand once, and of what several parts have: expiry and limits.
//
//nolint:gochecknoglobals // never changed
var (
	name              = phrase{"This is the points programme {name}.", "本积分计划名为{name}。"}
	versionLine       = phrase{"Version {version}.", "版本{version}。"}
	currency          = phrase{"Amounts are in {code}.", "金额以{code}计。"}
	exchange          = phrase{"{one} counts as {value}.", "{one}按{value}计算。"}
	noOtherCurrency   = phrase{"An order in any other currency is invalid and earns nothing.", "其他币种的订单无效，不积分。"}
	noFurtherCurrency = phrase{
		"An order in any currency but these is invalid and earns nothing.",
		"上述币种以外的订单无效，不积分。",
	}
	zone = phrase{
		"Days, weeks (from Monday), months and years are those of the member's own time zone; where that is not known, and for all dates in this text, it is {zone}.",
		"天、周（从周一起）、月、年按会员所在时区计算；会员时区未知时按{zone}计算，本文中的日期也均为该时区的日期。",
	}
	earnOn          = phrase{"An order earns when it is {status}.", "订单在{status}时积分。"}
	statusPlaced    = phrase{"placed (PLACED)", "已下单（PLACED）"}
	statusPaid      = phrase{"paid (PAID)", "已付款（PAID）"}
	statusCompleted = phrase{"completed (COMPLETED)", "已完成（COMPLETED）"}
	roundFloor      = phrase{"Each grant is rounded once, down to whole points.", "每笔积分只取整一次，向下取整。"}
	roundHalfUp     = phrase{"Each grant is rounded once, to the nearest whole points, and a half is rounded up.", "每笔积分只取整一次，四舍五入取整。"}
	roundHalfEven   = phrase{
		"Each grant is rounded once, to the nearest whole points, and a half to the even number.",
		"每笔积分只取整一次，取最接近的整数，恰为一半时取偶数。",
	}
	stackAdd = phrase{
		"Boosts of different groups add up: each is worked out on the points before any boost.",
		"不同组的加成相加：每项加成都以加成前的积分为基数。",
	}
	stackMultiply = phrase{
		"Boosts of different groups multiply: each, in the order of the rules, is worked out on the points with the boosts before it.",
		"不同组的加成相乘：按规则的先后，每项加成都以计入前面各项加成后的积分为基数。",
	}
	stackBest     = phrase{"Of several boosts at one event only the largest counts.", "同一事件有多项加成时，只计最大的一项。"}
	refundsWithin = phrase{
		"A refund or cancellation is honoured when it comes within {window} of the order.",
		"订单发生后{window}内的退款或取消有效，逾期不再调整积分。",
	}
	lateBeyond = phrase{
		"An event that is {window} or more older than the member's newest one is late and changes nothing.",
		"比会员最新一次事件早{window}或更久的事件视为迟到，不产生任何影响。",
	}
	rememberOrders = phrase{
		"Order numbers are remembered for at least {time}: an order sent again in that time earns nothing twice.",
		"订单号至少保留{time}：期间重复提交的订单不会重复积分。",
	}
	noLimits     = phrase{"There is no limit over all rules together.", "所有规则合计不设上限。"}
	timesOfAll   = phrase{"All rules together give a member at most {most} {per}.", "所有规则合计，每位会员{per}最多获得{most}。"}
	pointsOfAll  = phrase{"All rules together give a member at most {most} {per}; {edge}.", "所有规则合计，每位会员{per}最多获得{most}；{edge}。"}
	clawbackFull = phrase{
		"A refund takes back all points that the refunded part has earned; those already spent become a debt that later points pay off.",
		"退款时收回退款部分所得的全部积分；已花掉的积分记为欠分，由以后所得的积分抵扣。",
	}
	clawbackBalance = phrase{
		"A refund takes back the points that the refunded part has earned, but no more than the member can spend when it arrives; the rest stays.",
		"退款时收回退款部分所得的积分，但不超过退款到达时会员可用的积分余额，其余保留。",
	}
	clawbackPending = phrase{
		"A refund takes back only those points of the refunded part that are still held when it arrives; what can be spent already stays.",
		"退款时只收回退款部分所得积分中在退款到达时仍在冻结的部分，已可用的积分保留。",
	}
	redemptionsHere = phrase{
		"What members spend is followed: the points that expire first are spent first, and expired points are taken off by themselves.",
		"系统跟踪会员的积分使用：先到期的积分先用，到期的积分自动扣除。",
	}
	redemptionsReturned = phrase{
		"Points that are given back go to where they were taken from and keep their expiry, those past it expire at once; what is spent beyond the balance is owed, and later points pay it off first.",
		"退回的积分回到原来的批次，到期日不变，已过期的立即失效；超出余额使用的积分记为欠分，由以后所得的积分优先抵扣。",
	}
	redemptionsElsewhere = phrase{
		"What members spend is not followed here; where points expire, the wallet takes them off.",
		"系统不跟踪会员的积分使用；积分如有到期，由积分钱包扣除。",
	}

	allPoints             = phrase{"Points", "积分"}
	levelPoints           = phrase{"Points earned at this level", "在此等级期间所得的积分"}
	rulePoints            = phrase{"Its points", "本规则的积分"}
	rulePointsAtAllLevels = phrase{"Its points, whatever the member's level,", "本规则的积分（不论会员等级）"}
	expiresNever          = phrase{"{what} never expire.", "{what}永不过期。"}
	expires               = phrase{
		"{what} can be spent until the end of the day that lies {after} after the day on which they become available.",
		"{what}自可用之日起满{after}的当天结束时过期。",
	}
	expiresMonthEnd = phrase{
		"{what} can be spent until the end of the month in which the day lies that is {after} after the day on which they become available.",
		"{what}自可用之日起满{after}的当月月末过期。",
	}
	expiryNotice = phrase{"Members are told {times} before points expire.", "积分到期前{times}提醒会员。"}

	perDay     = phrase{"in a calendar day", "每天"}
	perWeek    = phrase{"in a calendar week", "每周"}
	perMonth   = phrase{"in a calendar month", "每月"}
	perYear    = phrase{"in a calendar year", "每年"}
	perEver    = phrase{"in all", "累计"}
	edgeCut    = phrase{"a grant that would pass this gets what is left", "超出时只发剩余部分"}
	edgeDrop   = phrase{"a grant that would pass this gives nothing", "会超出上限的一笔不发放"}
	edgeFinish = phrase{"the grant that passes this is still given whole, those after it are not", "首次超出上限的一笔仍全额发放，其后不再发放"}
)
