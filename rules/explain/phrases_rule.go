package explain

// The phrases of rules.
//
//nolint:gochecknoglobals // never changed
var (
	noRules   = phrase{"There are no rules: nobody earns anything.", "没有任何规则：会员不会获得积分。"}
	ruleOrder = phrase{
		"At each event the rules are taken in this order; a condition sees the member as before the event.",
		"每次事件按以下顺序逐条适用规则；条件中的会员信息以事件发生前为准。",
	}
	ruleDefaults = phrase{
		"Unless a rule says otherwise, it holds at all times and for every member, has no limit and no budget of its own, and its points can be spent at once.",
		"除非规则另有说明：规则始终有效，适用于所有会员，不单独设上限和预算，积分立即可用。",
	}
	ruleDefaultsWithTiers = phrase{
		"Unless a rule says otherwise, it holds at all times and for every member, has no limit and no budget of its own, and its points can be spent at once and count for the member's level.",
		"除非规则另有说明：规则始终有效，适用于所有会员，不单独设上限和预算，积分立即可用并计入会员等级。",
	}
	invitedOnce = phrase{
		"Of several invitations of one member the earliest counts; nobody can invite themselves.",
		"同一会员多次受邀的，以最早一次为准；不能邀请自己。",
	}
	titleAndID = phrase{"{title} ({id})", "{title}（{id}）"}
	ruleNamed  = phrase{"{id}", "{id}"}
	modeShadow = phrase{
		"The rule is on trial (shadow): it is worked out and counts towards its own limits, but gives nothing and takes part in no group and no boost.",
		"本规则试运行（shadow）：只计算并计入自身上限，不发放积分，不参与分组和加成。",
	}
	modeOff = phrase{"The rule is switched off: it gives nothing.", "本规则已停用：不发放积分。"}

	earnGives     = phrase{"{on}: {what}.", "{on}：{what}。"}
	boostGives    = phrase{"{on}: {by} of the points of {of} on top, before their rounding and limits, as a grant of its own.", "{on}：在{of}所得积分（取整和上限之前）之外另加{by}，单独成为一笔。"}
	boostBoth     = phrase{"{on}: each of the two members gets {by} of that member's own points of {of} on top, before their rounding and limits, as a grant of its own.", "{on}：邀请人和受邀会员各在本人从{of}所得积分（取整和上限之前）之外另加{by}，单独成为一笔。"}
	boostReferrer = phrase{"{on}: the member who invited gets {by} of the points of {of} on top, before their rounding and limits, as a grant of its own.", "{on}：邀请人在{of}所得积分（取整和上限之前）之外另加{by}，单独成为一笔。"}
	boostReferee  = phrase{"{on}: the invited member gets {by} of the points of {of} on top, before their rounding and limits, as a grant of its own.", "{on}：受邀会员在{of}所得积分（取整和上限之前）之外另加{by}，单独成为一笔。"}
	forOrder      = phrase{"For an order", "每笔订单"}
	forOrders     = phrase{"For orders", "订单"}
	forCheckIn    = phrase{"For an activity (a check-in or any other)", "每次活动（签到或其他行为）"}
	forCheckIns   = phrase{"For activities (check-ins or any other)", "活动（签到或其他行为）"}
	forReferral   = phrase{"For an invitation, at once", "邀请好友（邀请时即发放）"}
	forFirstOrder = phrase{"For an invitation, at the invited member's first order of all, if that comes after it", "邀请好友（受邀会员在受邀后完成首单时发放，此前已有订单的不算）"}
	forJoining    = phrase{"For joining", "入会"}
	forBirthday   = phrase{"On each birthday of the member", "会员每年生日"}
	forTierUp     = phrase{"For each rise to a higher level", "每次升级"}

	earnFlat     = phrase{"{points}", "积{points}"}
	earnPer      = phrase{"{points} for each full {per}", "每满{per}积{points}"}
	earnRate     = phrase{"{points} for each {one}, in proportion", "每{one}积{points}，不足部分按比例计"}
	earnRandom   = phrase{"a random number from {from} to {to}, each equally likely", "随机积{from}至{to}，机会均等"}
	earnBoth     = phrase{"{referrer} to the member who invited, {referee} to the invited member", "邀请人得{referrer}，受邀会员得{referee}"}
	earnReferrer = phrase{"{referrer} to the member who invited", "邀请人得{referrer}"}
	earnReferee  = phrase{"{referee} to the invited member", "受邀会员得{referee}"}
	eachOrders   = phrase{"{points} for every {orders}{within}; each order is counted once", "{within}每满{orders}积{points}，每笔订单只计一次"}
	eachSpend    = phrase{"{points} for every {amount} spent{within}; each amount is counted once", "{within}累计每满{amount}积{points}，每笔金额只计一次"}
	eachStreak   = phrase{"{points} for every {days} in a row with at least one", "每连续{days}积{points}"}
	withinTime   = phrase{" within {time}", "{time}内"}

	onlyIf        = phrase{"Only if {condition}.", "条件：{condition}。"}
	onlyLines     = phrase{"Only those lines of the order count for which this holds: {condition}.", "只计入符合以下条件的商品行：{condition}。"}
	anyLine       = phrase{"Only if the order has a line for which this holds: {condition}.", "条件：订单中有符合以下条件的商品行：{condition}。"}
	onDay         = phrase{"Only on {day}.", "仅限{day}当天。"}
	fromOn        = phrase{"From {from} on.", "自{from}起。"}
	toDay         = phrase{"Until {to}, that day included.", "至{to}止（含当天）。"}
	toInstant     = phrase{"Until {to}, that moment not included.", "至{to}止（不含该时刻）。"}
	fromToDay     = phrase{"From {from} to {to}, the last day included.", "自{from}起至{to}止（含最后一天）。"}
	fromToInstant = phrase{"From {from} until {to}, the last moment not included.", "自{from}起至{to}止（不含最后时刻）。"}

	groupBest      = phrase{"Of the rules of group {group} only the one that gives most counts.", "{group}组的各规则中，只计最多的一项。"}
	groupBestOfTwo = phrase{"Of the rules of group {group} only the one that gives most counts, for each of the two members by what that member gets.", "{group}组的各规则中，对邀请人和受邀会员分别只计其所得最多的一项。"}
	chance         = phrase{"It gives by chance, {percent} of the times.", "按概率发放，每次的概率为{percent}。"}

	timesOfRule      = phrase{"A member gets it at most {most} {per}.", "每位会员{per}最多{most}。"}
	pointsOfRule     = phrase{"It gives a member at most {most} {per}; {edge}.", "每位会员{per}最多获得{most}；{edge}。"}
	timesOfReferrer  = phrase{"The member who invites gets it at most {most} {per}; the invited member's points are not limited by this.", "邀请人{per}最多获得{most}；受邀会员的积分不受此限。"}
	pointsOfReferrer = phrase{"It gives the member who invites at most {most} {per}; {edge}. The invited member's points are not limited by this.", "邀请人{per}最多获得{most}；{edge}。受邀会员的积分不受此限。"}

	budgetEver    = phrase{"All members together get at most {most} from it; {then}.", "所有会员合计最多发放{most}；{then}。"}
	budgetDay     = phrase{"All members together get at most {most} from it in a calendar day of {zone}; {then}.", "所有会员合计每天（{zone}时区）最多发放{most}；{then}。"}
	budgetMonth   = phrase{"All members together get at most {most} from it in a calendar month of {zone}; {then}.", "所有会员合计每月（{zone}时区）最多发放{most}；{then}。"}
	budgetRefused = phrase{"who comes when they are used up gets nothing, then or later", "用完后不再发放，事后也不补发"}
	budgetNotice  = phrase{"The operators are told when {list} of it has been given out.", "发放达到{list}时提前通知运营人员。"}
	budgetQueue   = phrase{"who comes when they are used up gets nothing at first, but what refunds give back goes to those who got nothing, the oldest first", "用完后暂不发放，因退款退回的额度按先后顺序补发给未得到的会员"}

	holdTime      = phrase{"The points are held for {time}; in that time they cannot be spent and do not count for a level.", "积分冻结{time}，期间不可使用，也不计入等级。"}
	holdReview    = phrase{"The points are held until a person releases or rejects them.", "积分冻结，由人工审核后解冻或取消。"}
	holdRelease   = phrase{"The points are held until the order is {status}, but for no more than {within} from the order; then they are released in any case.", "积分冻结至订单{status}；自下单起满{within}仍未达到的，也予解冻。"}
	holdReject    = phrase{"The points are held until the order is {status}; if it is not within {within} of the order, they are lost.", "积分冻结至订单{status}；自下单起满{within}仍未达到的，积分取消。"}
	countsBalance = phrase{"The points can be spent; they do not count for the member's level.", "积分可以使用，但不计入会员等级。"}
	countsTier    = phrase{"The points only count for the member's level; they cannot be spent.", "积分只计入会员等级，不可使用。"}
	campaign      = phrase{"Its points are reported under the campaign {campaign}.", "本规则的积分归入活动{campaign}统计。"}

	exampleEarn  = phrase{"For example, {amount} that counts gives {points}.", "例如：计入金额为{amount}时，积{points}。"}
	exampleBoost = phrase{"For example, where {rule} gives {points} for {amount}, this gives {more} more.", "例如：{amount}按{rule}积{points}时，本规则另积{more}。"}
)
