package explain

// The phrases of conditions. They stand within a sentence.
//
//nolint:gochecknoglobals // never changed
var (
	asWritten  = phrase{"the condition `{source}` holds", "满足表达式 `{source}`"}
	andAlso    = phrase{"{before}, and {next}", "{before}，且{next}"}
	orElse     = phrase{"{before}, or {next}", "{before}，或{next}"}
	inBrackets = phrase{"({text})", "（{text}）"}
	always     = phrase{"in any case", "任何情况"}
	never      = phrase{"in no case", "无任何情况"}
	quoteBegin = phrase{`"`, "“"}
	quoteEnd   = phrase{`"`, "”"}

	sameDevice     = phrase{"the two members have used one device", "邀请人与受邀会员使用同一设备"}
	otherDevices   = phrase{"the two members have not used one device", "邀请人与受邀会员未使用同一设备"}
	hasAttribute   = phrase{"{owner} has the attribute {name}", "{owner}有属性{name}"}
	lacksAttribute = phrase{"{owner} has no attribute {name}", "{owner}没有属性{name}"}
	attributeNoun  = phrase{"the attribute {name} of {owner}", "{owner}的属性{name}"}
	includes       = phrase{"{list} include {item}", "{list}包含{item}"}
	includesNot    = phrase{"{list} do not include {item}", "{list}不包含{item}"}
	isNoneOf       = phrase{"{a} is neither {b}", "{a}不为{b}"}
	is             = phrase{"{a} is {b}", "{a}为{b}"}
	isNot          = phrase{"{a} is not {b}", "{a}不为{b}"}
	isEmpty        = phrase{"{a} is empty", "{a}为空"}
	isNotEmpty     = phrase{"{a} is not empty", "{a}不为空"}

	// By comparison.
	comparisons = []phrase{
		is, isNot, {"{a} is less than {b}", "{a}小于{b}"}, {"{a} is at most {b}", "{a}不超过{b}"}, {"{a} is more than {b}", "{a}大于{b}"}, {"{a} is at least {b}", "{a}至少为{b}"},
	}
	timeComparisons = []phrase{
		is, isNot, {"{a} is before {b}", "{a}早于{b}"}, {"{a} is not after {b}", "{a}不晚于{b}"}, {"{a} is after {b}", "{a}晚于{b}"}, {"{a} is not before {b}", "{a}不早于{b}"},
	}

	// By function, with the opposite.
	textTests = map[string][2]phrase{
		"startsWith": {{"{a} begins with {b}", "{a}以{b}开头"}, {"{a} does not begin with {b}", "{a}不以{b}开头"}},
		"endsWith":   {{"{a} ends with {b}", "{a}以{b}结尾"}, {"{a} does not end with {b}", "{a}不以{b}结尾"}},
		"contains":   {{"{a} contains {b}", "{a}含有{b}"}, {"{a} does not contain {b}", "{a}不含有{b}"}},
		"matches":    {{"{a} matches the pattern {b}", "{a}符合模式{b}"}, {"{a} does not match the pattern {b}", "{a}不符合模式{b}"}},
	}
	quantifiers = map[string][2]phrase{
		"exists":     {{"at least one of {list} is such that {predicate}", "{list}中至少有一项{predicate}"}, {"none of {list} is such that {predicate}", "{list}中没有一项{predicate}"}},
		"all":        {{"each of {list} is such that {predicate}", "{list}中每一项均{predicate}"}, {"not each of {list} is such that {predicate}", "{list}中并非每一项均{predicate}"}},
		"exists_one": {{"exactly one of {list} is such that {predicate}", "{list}中恰有一项{predicate}"}, {"not exactly one of {list} is such that {predicate}", "{list}中并非恰有一项{predicate}"}},
	}

	numberOf      = phrase{"the number of {list}", "{list}的数量"}
	numberOfThose = phrase{"the number of {list} such that {predicate}", "{list}中{predicate}的数量"}
	plus          = phrase{"{a} plus {b}", "{a}加{b}"}
	minus         = phrase{"{a} minus {b}", "{a}减{b}"}
	multiplied    = phrase{"{a} times {b}", "{a}乘以{b}"}
	timeBetween   = phrase{"the time from {b} to {a}", "自{b}至{a}的时长"}
	timeBefore    = phrase{"{b} before {a}", "{a}之前{b}"}
	timeAfter     = phrase{"{b} after {a}", "{a}之后{b}"}

	firstOrder    = phrase{"it is the member's first order", "该订单是会员的首单"}
	notFirstOrder = phrase{"it is not the member's first order", "该订单不是会员的首单"}
	nthOrder      = phrase{"it is the member's {nth} order", "该订单是会员的第{n}单"}
	firstOrders   = phrase{"it is one of the member's first {n} orders", "该订单是会员的前{n}单之一"}
	beforeHour    = phrase{"it is before {hour}:00", "时间早于{hour}:00"}
	fromHour      = phrase{"it is {hour}:00 or later", "时间不早于{hour}:00"}
	dayOfMonth    = phrase{"{nth}", "{n}日"}
	monthName     = phrase{"{name}", "{n}月"}
	weekdays      = []phrase{{"Sunday", "周日"}, {"Monday", "周一"}, {"Tuesday", "周二"}, {"Wednesday", "周三"}, {"Thursday", "周四"}, {"Friday", "周五"}, {"Saturday", "周六"}}

	onDayOfMonth  = [2]phrase{{"it is the {names} of a month", "当天是每月{names}"}, {"it is not the {names} of a month", "当天不是每月{names}"}}
	calendarParts = map[string]calendarPart{
		"getDate":         {phrase{"the day of the month", "当月日期"}, 1, 31, 0, onDayOfMonth},
		"getDayOfMonth":   {phrase{"the day of the month", "当月日期"}, 0, 30, 1, onDayOfMonth},
		"getMonth":        {phrase{"the month (January is 1)", "月份"}, 0, 11, 1, [2]phrase{{"the month is {names}", "当月是{names}"}, {"the month is not {names}", "当月不是{names}"}}},
		"getDayOfWeek":    {phrase{"the day of the week (Sunday is 0)", "星期（周日为 0）"}, 0, 6, 0, [2]phrase{{"it is a {names}", "当天是{names}"}, {"it is not a {names}", "当天不是{names}"}}},
		"getDayOfYear":    {phrase{"the day of the year", "当年的天数序号"}, 0, 365, 1, [2]phrase{}},
		"getFullYear":     {phrase{"the year", "年份"}, 0, 9999, 0, [2]phrase{}},
		"getHours":        {phrase{"the hour of the day (0 to 23)", "小时（0 至 23）"}, 0, 23, 0, [2]phrase{}},
		"getMinutes":      {phrase{"the minute of the hour (0 to 59)", "分钟（0 至 59）"}, 0, 59, 0, [2]phrase{}},
		"getSeconds":      {phrase{"the second of the minute (0 to 59)", "秒（0 至 59）"}, 0, 59, 0, [2]phrase{}},
		"getMilliseconds": {phrase{"the millisecond of the second (0 to 999)", "毫秒（0 至 999）"}, 0, 999, 0, [2]phrase{}},
	}

	theItem   = phrase{"it", "其"}
	ownLine   = phrase{"the line's", "商品行的"}
	itemsLine = phrase{"its", "其"}
	lineNouns = map[string]variableNoun{
		"sku":      {phrase{"{whose} product number", "{whose}商品编号"}, ofText},
		"category": {phrase{"{whose} category", "{whose}类目"}, ofText},
		"brand":    {phrase{"{whose} brand", "{whose}品牌"}, ofText},
		"quantity": {phrase{"{whose} quantity", "{whose}数量"}, ofNumber},
		"amount":   {phrase{"{whose} amount", "{whose}金额"}, ofMoney},
		"tags":     {phrase{"{whose} tags", "{whose}标签"}, ofList},
	}
	attributeOwners = map[string]phrase{
		"order.attributes":    {"the order", "订单"},
		"check_in.attributes": {"the activity", "活动"},
		"member.attributes":   {"the member", "会员"},
	}
	nouns = map[string]variableNoun{
		"order.total":       {phrase{"the order's total", "订单金额"}, ofMoney},
		"order.number":      {phrase{"the number of the order among the member's (the first is 1)", "订单在会员订单中的序号（首单为 1）"}, ofNumber},
		"order.channel":     {phrase{"the order's channel", "订单渠道"}, ofText},
		"order.store":       {phrase{"the order's store", "订单门店"}, ofText},
		"order.coupons":     {phrase{"the order's coupons", "订单所用优惠券"}, ofList},
		"order.currency":    {phrase{"the order's currency", "订单币种"}, ofText},
		"order.lines":       {phrase{"the order's lines", "订单商品行"}, ofList},
		"check_in.activity": {phrase{"the activity", "活动"}, ofText},
		"check_in.channel":  {phrase{"the activity's channel", "活动渠道"}, ofText},
		"check_in.store":    {phrase{"the activity's store", "活动门店"}, ofText},
		"referral.code":     {phrase{"the invitation code", "邀请码"}, ofText},
		"member.tier":       {phrase{"the member's level", "会员等级"}, ofLevel},
		"member.points":     {phrase{"the number of points that the member can spend", "会员可用积分"}, ofNumber},
		"member.pending":    {phrase{"the number of points that are held for the member", "会员冻结积分"}, ofNumber},
		"member.orders":     {phrase{"the number of the member's earlier orders", "会员此前的订单数"}, ofNumber},
		"member.spend":      {phrase{"the amount of the member's earlier orders", "会员此前的订单金额合计"}, ofMoney},
		"member.streak":     {phrase{"the number of days in a row with an activity, up to the day before or the day itself,", "会员截至前一日或当日的连续活动天数"}, ofNumber},
		"member.segments":   {phrase{"the member's segments", "会员所属人群"}, ofList},
		"member.joined_at":  {phrase{"the time at which the member joined", "会员入会时间"}, ofTime},
		"member.age_days":   {phrase{"the number of days since the member joined", "会员入会天数"}, ofNumber},
		"now":               {phrase{"the time of the event", "事件时间"}, ofTime},
	}
)
