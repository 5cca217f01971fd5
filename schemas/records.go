package schemas

import "time"

// The tables of all records. Each line is a field of the *.avsc file of the same name, in the same order.

// tables holds one table for each kind, and the topics they stand in.
type tables struct {
	byKind [KindEffect + 1]record
	topics Topics // the default names
}

//nolint:gochecknoglobals // never changes once made; the tables hold no state
var recordTables = newTables()

// recordOf returns the kind's table; nil for no kind.
func recordOf(k Kind) record {
	if int(k) >= len(recordTables.byKind) {
		return nil
	}
	return recordTables.byKind[k]
}

func newTables() tables {
	source, numbers := sourceLayout(), numberLayout()
	var t tables
	t.byKind[KindOrder] = orderLayout()
	t.byKind[KindCheckIn] = checkInLayout()
	t.byKind[KindReferral] = referralLayout()
	t.byKind[KindMember] = memberLayout()
	t.byKind[KindCommand] = commandLayout()
	t.byKind[KindRedemption] = redemptionLayout()
	t.byKind[KindPointGrant] = pointGrantLayout(source)
	t.byKind[KindTierChange] = tierChangeLayout()
	t.byKind[KindDecision] = decisionLayout(source, numbers)
	t.byKind[KindFraudAlert] = fraudAlertLayout(numbers)
	t.byKind[KindNotice] = noticeLayout()
	t.byKind[KindEffect] = effectLayout(source, numbers)
	t.topics = DefaultTopics()
	return t
}

func orderLayout() *layout[Order] {
	return newLayout("Order",
		text("event_id", func(v *Order) *string { return &v.EventID }),
		text("order_id", func(v *Order) *string { return &v.OrderID }),
		text("member_id", func(v *Order) *string { return &v.MemberID }),
		enum("status", func(v *Order) *OrderStatus { return &v.Status },
			Placed, Paid, Completed, Cancelled, Refunded),
		instant("occurred_at", func(v *Order) *time.Time { return &v.OccurredAt }),
		text("currency", func(v *Order) *string { return &v.Currency }),
		optional("channel", func(v *Order) *string { return &v.Channel }),
		optional("store", func(v *Order) *string { return &v.Store }),
		texts("coupons", func(v *Order) *[]string { return &v.Coupons }),
		optional("payment_hash", func(v *Order) *string { return &v.PaymentHash }),
		optional("device_id", func(v *Order) *string { return &v.DeviceID }),
		optional("ip", func(v *Order) *string { return &v.IP }),
		list("lines", orderLineLayout(), func(v *Order) *[]Line { return &v.Lines }),
		list("refunded_lines", refundedLineLayout(), func(v *Order) *[]RefundedLine { return &v.RefundedLines }),
		textMap("attributes", func(v *Order) *map[string]string { return &v.Attributes }),
	)
}

func orderLineLayout() *layout[Line] {
	return newLayout("OrderLine",
		text("line_id", func(v *Line) *string { return &v.LineID }),
		optional("sku", func(v *Line) *string { return &v.SKU }),
		optional("category", func(v *Line) *string { return &v.Category }),
		optional("brand", func(v *Line) *string { return &v.Brand }),
		numberOr("quantity", 1, func(v *Line) *int64 { return &v.Quantity }),
		number("amount", func(v *Line) *int64 { return &v.Amount }),
		texts("tags", func(v *Line) *[]string { return &v.Tags }),
	)
}

func refundedLineLayout() *layout[RefundedLine] {
	return newLayout("RefundedLine",
		text("line_id", func(v *RefundedLine) *string { return &v.LineID }),
		numberOr("quantity", 0, func(v *RefundedLine) *int64 { return &v.Quantity }),
		numberOr("amount", 0, func(v *RefundedLine) *int64 { return &v.Amount }),
	)
}

func checkInLayout() *layout[CheckIn] {
	return newLayout("CheckIn",
		text("event_id", func(v *CheckIn) *string { return &v.EventID }),
		text("member_id", func(v *CheckIn) *string { return &v.MemberID }),
		instant("occurred_at", func(v *CheckIn) *time.Time { return &v.OccurredAt }),
		textOr("activity", "check-in", func(v *CheckIn) *string { return &v.Activity }),
		optional("channel", func(v *CheckIn) *string { return &v.Channel }),
		optional("store", func(v *CheckIn) *string { return &v.Store }),
		optional("device_id", func(v *CheckIn) *string { return &v.DeviceID }),
		optional("ip", func(v *CheckIn) *string { return &v.IP }),
		textMap("attributes", func(v *CheckIn) *map[string]string { return &v.Attributes }),
	)
}

func referralLayout() *layout[Referral] {
	return newLayout("Referral",
		text("event_id", func(v *Referral) *string { return &v.EventID }),
		optional("code", func(v *Referral) *string { return &v.Code }),
		text("referrer_id", func(v *Referral) *string { return &v.ReferrerID }),
		text("referee_id", func(v *Referral) *string { return &v.RefereeID }),
		instant("occurred_at", func(v *Referral) *time.Time { return &v.OccurredAt }),
		optional("device_id", func(v *Referral) *string { return &v.DeviceID }),
		optional("ip", func(v *Referral) *string { return &v.IP }),
	)
}

func memberLayout() *layout[Member] {
	return newLayout("Member",
		text("event_id", func(v *Member) *string { return &v.EventID }),
		instant("occurred_at", func(v *Member) *time.Time { return &v.OccurredAt }),
		text("member_id", func(v *Member) *string { return &v.MemberID }),
		optionalInstant("joined_at", func(v *Member) *time.Time { return &v.JoinedAt }),
		optionalDate("birthday", func(v *Member) *string { return &v.Birthday }),
		optional("time_zone", func(v *Member) *string { return &v.TimeZone }),
		texts("segments", func(v *Member) *[]string { return &v.Segments }),
		textMap("attributes", func(v *Member) *map[string]string { return &v.Attributes }),
	)
}

func commandLayout() *layout[Command] {
	return newLayout("Command",
		text("event_id", func(v *Command) *string { return &v.EventID }),
		text("member_id", func(v *Command) *string { return &v.MemberID }),
		instant("occurred_at", func(v *Command) *time.Time { return &v.OccurredAt }),
		optional("operator", func(v *Command) *string { return &v.Operator }),
		optional("reason", func(v *Command) *string { return &v.Reason }),
		enum("kind", func(v *Command) *string { return &v.Kind },
			"GRANT", "DEDUCT", "RELEASE", "REJECT", "BLOCK", "UNBLOCK", "SET_TIER", "ERASE"),
		numberOr("points", 0, func(v *Command) *int64 { return &v.Points }),
		optional("grant_id", func(v *Command) *string { return &v.GrantID }),
		optional("tier", func(v *Command) *string { return &v.Tier }),
		optionalInstant("until", func(v *Command) *time.Time { return &v.Until }),
	)
}

func redemptionLayout() *layout[Redemption] {
	return newLayout("Redemption",
		text("event_id", func(v *Redemption) *string { return &v.EventID }),
		text("member_id", func(v *Redemption) *string { return &v.MemberID }),
		instant("occurred_at", func(v *Redemption) *time.Time { return &v.OccurredAt }),
		number("points", func(v *Redemption) *int64 { return &v.Points }),
		enum("kind", func(v *Redemption) *string { return &v.Kind },
			"SPENT", "RETURNED"),
		optional("redemption_id", func(v *Redemption) *string { return &v.RedemptionID }),
	)
}

func pointGrantLayout(source *layout[Source]) *layout[PointGrant] {
	return newLayout("PointGrant",
		text("entry_id", func(v *PointGrant) *string { return &v.EntryID }),
		text("grant_id", func(v *PointGrant) *string { return &v.GrantID }),
		text("member_id", func(v *PointGrant) *string { return &v.MemberID }),
		openEnum("entry", func(v *PointGrant) *EntryKind { return &v.Entry },
			EntryGranted, EntryHeld, EntryReleased, EntryRejected, EntryReversed, EntryAdjusted, EntryExpired),
		numberOr("available_delta", 0, func(v *PointGrant) *int64 { return &v.AvailableDelta }),
		numberOr("pending_delta", 0, func(v *PointGrant) *int64 { return &v.PendingDelta }),
		numberOr("tier_delta", 0, func(v *PointGrant) *int64 { return &v.TierDelta }),
		optionalInstant("available_at", func(v *PointGrant) *time.Time { return &v.AvailableAt }),
		optionalInstant("expires_at", func(v *PointGrant) *time.Time { return &v.ExpiresAt }),
		optional("rule_id", func(v *PointGrant) *string { return &v.RuleID }),
		optional("rule_title", func(v *PointGrant) *string { return &v.RuleTitle }),
		optional("programme_version", func(v *PointGrant) *string { return &v.ProgrammeVersion }),
		optional("campaign", func(v *PointGrant) *string { return &v.Campaign }),
		group("source", source, func(v *PointGrant) *Source { return &v.Source }),
		optional("cause", func(v *PointGrant) *string { return &v.Cause }),
		instant("occurred_at", func(v *PointGrant) *time.Time { return &v.OccurredAt }),
		instant("decided_at", func(v *PointGrant) *time.Time { return &v.DecidedAt }),
		optional("reason", func(v *PointGrant) *string { return &v.Reason }),
	)
}

func tierChangeLayout() *layout[TierChange] {
	return newLayout("TierChange",
		text("member_id", func(v *TierChange) *string { return &v.MemberID }),
		optional("from", func(v *TierChange) *string { return &v.From }),
		text("to", func(v *TierChange) *string { return &v.To }),
		openEnum("direction", func(v *TierChange) *Direction { return &v.Direction },
			DirectionUp, DirectionDown, DirectionRenewed, DirectionCorrected),
		optional("reason", func(v *TierChange) *string { return &v.Reason }),
		optional("metric", func(v *TierChange) *string { return &v.Metric }),
		optional("metric_value", func(v *TierChange) *string { return &v.MetricValue }),
		instant("effective_at", func(v *TierChange) *time.Time { return &v.EffectiveAt }),
		optionalInstant("valid_until", func(v *TierChange) *time.Time { return &v.ValidUntil }),
		optional("programme_version", func(v *TierChange) *string { return &v.ProgrammeVersion }),
		optional("cause", func(v *TierChange) *string { return &v.Cause }),
		instant("decided_at", func(v *TierChange) *time.Time { return &v.DecidedAt }),
	)
}

func decisionLayout(source *layout[Source], numbers *layout[Number]) *layout[Decision] {
	return newLayout("Decision",
		text("event_id", func(v *Decision) *string { return &v.EventID }),
		text("member_id", func(v *Decision) *string { return &v.MemberID }),
		group("source", source, func(v *Decision) *Source { return &v.Source }),
		openEnum("outcome", func(v *Decision) *Outcome { return &v.Outcome },
			OutcomeGranted, OutcomeNothing, OutcomeHeld, OutcomeDenied, OutcomeDuplicate, OutcomeLate, OutcomeInvalid),
		optional("reason", func(v *Decision) *string { return &v.Reason }),
		numberOr("available_points", 0, func(v *Decision) *int64 { return &v.AvailablePoints }),
		numberOr("pending_points", 0, func(v *Decision) *int64 { return &v.PendingPoints }),
		list("verdicts", verdictLayout(numbers), func(v *Decision) *[]Verdict { return &v.Verdicts }),
		optional("programme_version", func(v *Decision) *string { return &v.ProgrammeVersion }),
		instant("occurred_at", func(v *Decision) *time.Time { return &v.OccurredAt }),
		instant("decided_at", func(v *Decision) *time.Time { return &v.DecidedAt }),
	)
}

func verdictLayout(numbers *layout[Number]) *layout[Verdict] {
	return newLayout("Verdict",
		text("rule_id", func(v *Verdict) *string { return &v.RuleID }),
		optional("rule_title", func(v *Verdict) *string { return &v.RuleTitle }),
		openEnum("verdict", func(v *Verdict) *VerdictKind { return &v.Verdict },
			VerdictGranted, VerdictHeld, VerdictNothing, VerdictShadow),
		numberOr("points", 0, func(v *Verdict) *int64 { return &v.Points }),
		optional("reason", func(v *Verdict) *string { return &v.Reason }),
		list("numbers", numbers, func(v *Verdict) *[]Number { return &v.Numbers }),
	)
}

func fraudAlertLayout(numbers *layout[Number]) *layout[FraudAlert] {
	return newLayout("FraudAlert",
		text("threshold_id", func(v *FraudAlert) *string { return &v.ThresholdID }),
		text("member_id", func(v *FraudAlert) *string { return &v.MemberID }),
		optional("measure", func(v *FraudAlert) *string { return &v.Measure }),
		optional("measured_value", func(v *FraudAlert) *string { return &v.MeasuredValue }),
		optional("limit", func(v *FraudAlert) *string { return &v.Limit }),
		optional("window", func(v *FraudAlert) *string { return &v.Window }),
		optional("action", func(v *FraudAlert) *string { return &v.Action }),
		list("evidence", numbers, func(v *FraudAlert) *[]Number { return &v.Evidence }),
		text("event_id", func(v *FraudAlert) *string { return &v.EventID }),
		optional("programme_version", func(v *FraudAlert) *string { return &v.ProgrammeVersion }),
		instant("occurred_at", func(v *FraudAlert) *time.Time { return &v.OccurredAt }),
		instant("decided_at", func(v *FraudAlert) *time.Time { return &v.DecidedAt }),
	)
}

func noticeLayout() *layout[Notice] {
	return newLayout("Notice",
		text("notice_id", func(v *Notice) *string { return &v.NoticeID }),
		textOr("member_id", "", func(v *Notice) *string { return &v.MemberID }),
		openEnum("kind", func(v *Notice) *string { return &v.Kind },
			NoticePointsExpire, NoticeTierFalls, NoticeBudgetLow),
		instant("due_at", func(v *Notice) *time.Time { return &v.DueAt }),
		numberOr("points", 0, func(v *Notice) *int64 { return &v.Points }),
		optional("tier", func(v *Notice) *string { return &v.Tier }),
		optional("missing", func(v *Notice) *string { return &v.Missing }),
		optional("reason", func(v *Notice) *string { return &v.Reason }),
		instant("occurred_at", func(v *Notice) *time.Time { return &v.OccurredAt }),
		instant("decided_at", func(v *Notice) *time.Time { return &v.DecidedAt }),
	)
}

func effectLayout(source *layout[Source], numbers *layout[Number]) *layout[Effect] {
	return newLayout("Effect",
		text("member_id", func(v *Effect) *string { return &v.MemberID }),
		text("from_member", func(v *Effect) *string { return &v.FromMember }),
		text("rule_id", func(v *Effect) *string { return &v.RuleID }),
		group("source", source, func(v *Effect) *Source { return &v.Source }),
		instant("occurred_at", func(v *Effect) *time.Time { return &v.OccurredAt }),
		number("revision", func(v *Effect) *int64 { return &v.Revision }),
		number("points", func(v *Effect) *int64 { return &v.Points }),
		optional("held_by", func(v *Effect) *string { return &v.HeldBy }),
		optional("held_why", func(v *Effect) *string { return &v.HeldWhy }),
		text("cause", func(v *Effect) *string { return &v.Cause }),
		instant("caused_at", func(v *Effect) *time.Time { return &v.CausedAt }),
		optional("reason", func(v *Effect) *string { return &v.Reason }),
		optional("programme_version", func(v *Effect) *string { return &v.ProgrammeVersion }),
		instant("decided_at", func(v *Effect) *time.Time { return &v.DecidedAt }),
		optional("kind", func(v *Effect) *string { return &v.Kind }),
		optional("measure", func(v *Effect) *string { return &v.Measure }),
		optionalInstant("since", func(v *Effect) *time.Time { return &v.Since }),
		optionalInstant("keep_until", func(v *Effect) *time.Time { return &v.KeepUntil }),
		optional("value", func(v *Effect) *string { return &v.Value }),
		texts("devices", func(v *Effect) *[]string { return &v.Devices }),
		numberOr("limit", 0, func(v *Effect) *int64 { return &v.Limit }),
		numberOr("events", 0, func(v *Effect) *int64 { return &v.Events }),
		numberOr("refunds", 0, func(v *Effect) *int64 { return &v.Refunds }),
		numberOr("distinct", 0, func(v *Effect) *int64 { return &v.Distinct }),
		list("evidence", numbers, func(v *Effect) *[]Number { return &v.Evidence }),
		numberOr("fact_at", 0, func(v *Effect) *int64 { return &v.FactAt }),
		numberOr("fact_kind", 0, func(v *Effect) *int32 { return &v.FactKind }),
		numberOr("part", 0, func(v *Effect) *int32 { return &v.Part }),
		numberOr("wish", 0, func(v *Effect) *int64 { return &v.Wish }),
		numberOr("wanted", 0, func(v *Effect) *int64 { return &v.Wanted }),
		numberOr("given", 0, func(v *Effect) *int64 { return &v.Given }),
		numberOr("returned", 0, func(v *Effect) *int64 { return &v.Returned }),
		numberOr("epoch", 0, func(v *Effect) *int64 { return &v.Epoch }),
		numberOr("ahead", 0, func(v *Effect) *int32 { return &v.Ahead }),
		numberOr("size", 0, func(v *Effect) *int64 { return &v.Size }),
		optional("state", func(v *Effect) *string { return &v.State }),
	)
}

func sourceLayout() *layout[Source] {
	return newLayout("Source",
		optional("topic", func(v *Source) *string { return &v.Topic }),
		numberOr("partition", 0, func(v *Source) *int32 { return &v.Partition }),
		numberOr("offset", 0, func(v *Source) *int64 { return &v.Offset }),
		optional("event_id", func(v *Source) *string { return &v.EventID }),
		optional("order_id", func(v *Source) *string { return &v.OrderID }),
	)
}

func numberLayout() *layout[Number] {
	return newLayout("Number",
		text("name", func(v *Number) *string { return &v.Name }),
		text("value", func(v *Number) *string { return &v.Value }),
	)
}
