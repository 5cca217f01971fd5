package programme

import "accrue/schemas"

// The words that types have names for, in the order of their constants.
//
//nolint:gochecknoglobals // never changed
var (
	statusWords   = []string{string(schemas.Placed), string(schemas.Paid), string(schemas.Completed)}
	roundingWords = []string{"floor", "half_up", "half_even"}
	stackingWords = []string{"add", "multiply", "best"}
	clawbackWords = []string{"full", "within_balance", "pending_only"}
	metricWords   = []string{"points", "spend", "orders"}
	spanWords     = []string{"calendar_year", "lifetime"}
	thenWords     = []string{"requalify", "one_down", "keep"}
	triggerWords  = []string{"order", "check_in", "referral", "joined", "birthday", "tier_up"}
	afterWords    = []string{"joined", "first_order"}
	modeWords     = []string{"live", "shadow", "off"}
	countsWords   = []string{"both", "balance", "tier"}
	periodWords   = []string{"day", "week", "month", "year", "ever"}
	edgeWords     = []string{"cut", "drop", "finish"}
	elseWords     = []string{"reject", "release"}
	measureWords  = []string{"count", "sum(points)", "sum(amount)", "distinct(member)", "distinct(device)", ratioMeasure}
	subjectWords  = []string{"member", "device", "ip", "payment", "referrer", "store"}
	actionWords   = []string{"flag", "hold", "deny", "block"}
)

// ratioMeasure needs quotes in braces, where YAML takes its comma for its own; without them it is read all the same.
const ratioMeasure = "ratio(refunds, orders)"

//nolint:gochecknoglobals // never changed
var programmeShape = shape{
	name: "programme", what: "a programme", doc: "A rewards programme.",
	keys: []key{
		{"programme", simple(aName), "The programme's id, part of its version's name in all outputs.", false},
		{"currency", simple(aCurrency), "The currency of all amounts, a code of ISO 4217.", false},
		{"currencies", simple(byCurrency), "Other currencies that orders may have: how many of `currency` one is. Orders in any other are invalid.", false},
		{"time_zone", simple(aText), "The IANA time zone in which days, weeks and months are counted, where the member's own is not known.", false},
		{"earn_on", words(statusWords), "The order status that earns. Default PAID.", false},
		{"rounding", words(roundingWords), "How the exact points of a grant become whole. Default floor.", false},
		{"stacking", words(stackingWords), "How boosts of different groups combine. Default add.", false},
		{"expiry", either(mappingOf(&expiryShape), words([]string{neverWord})), "Until when points can be spent. Default never.", false},
		{"return_window", simple(aDuration), "How long refunds are honoured, and late events placed. Default 90 days.", false},
		{"remember_orders", simple(aDuration), "How long an order id is remembered, so that an order sent again pays nothing. Default 3 years.", false},
		{"limits", oneOrMoreOf(mappingOf(&limitShape)), "Limits over all rules, for each member.", false},
		{"clawback", words(clawbackWords), "What a refund may take back. Default full; the others need `redemptions: true`.", false},
		{"redemptions", simple(yesNo), "Whether the engine follows what is spent, and writes expiry itself. Default false.", false},
		{"tiers", mappingOf(&tiersShape), "The levels that members reach.", false},
		{"rules", listOf(mappingOf(&ruleShape)), "What members get, and for what. Rules are taken in this order.", false},
		{"fraud", listOf(mappingOf(&thresholdShape)), "Thresholds at which somebody looks before points are given.", false},
	},
}

// neverWord is what stands at `expiry` and `falls` instead of a time.
const neverWord = "never"

//nolint:gochecknoglobals // never changed
var expiryShape = shape{
	name: "expiry", what: "`expiry`", doc: "Until when points can be spent.",
	keys: []key{
		{"after", simple(aDuration), "Days or months from the day on which the points are available.", true},
		{"at", words([]string{"month_end"}), "month_end: not before that month has ended.", false},
		{"notice", oneOrMoreOf(simple(aDuration)), "How long ahead the member is told.", false},
	},
}

//nolint:gochecknoglobals // never changed
var limitShape = shape{
	name: "limit", what: "a limit", doc: "A bound on what a member is granted in a period; of `times` and `points` it has one.",
	oneOf: []string{"times", "points"},
	keys: []key{
		{"times", simple(aWhole), "How often something may be granted.", false},
		{"points", simple(aWhole), "How many points may be granted.", false},
		{"per", words(periodWords), "The local calendar period; a week begins on Monday.", true},
		{"edge", words(edgeWords), "What the grant gets that would pass the limit: cut, what is left (the default); drop, nothing; finish, all of it.", false},
	},
}

//nolint:gochecknoglobals // never changed
var tiersShape = shape{
	name: "tiers", what: "`tiers`", doc: "The levels that members reach, and how long they stay.",
	keys: []key{
		{"by", words(metricWords), "What levels are reached by.", true},
		{"over", either(simple(aDuration), words(spanWords)), "What it is summed over: months or days up to now, the calendar year, or the lifetime.", true},
		{"then", words(thenWords), "What happens at the end of a level's validity to who no longer qualifies. Default requalify.", false},
		{"grace", simple(aDuration), "How much later the fall comes; shorter than `over`.", false},
		{"notice", oneOrMoreOf(simple(aDuration)), "How long before a fall the member is told what is still missing.", false},
		{"levels", listOf(mappingOf(&levelShape)), "The levels, ascending; the first is everybody's.", true},
		{"becomes", simple(byName), "Which level the members of a removed one have now: {silver: gold}.", false},
	},
}

//nolint:gochecknoglobals // never changed
var levelShape = shape{
	name: "level", what: "a level", doc: "A level that members reach.",
	keys: []key{
		{"id", simple(aName), "The level's id.", true},
		{"at", simple(aNumber), "The points, orders or amount (by `tiers.by`) from which it is reached.", true},
		{"falls", words([]string{neverWord}), "never: who has held it never falls below it.", false},
		{"expiry", either(mappingOf(&expiryShape), words([]string{neverWord})), "Until when what is earned at this level can be spent; it replaces the programme's `expiry` as a whole.", false},
	},
}

//nolint:gochecknoglobals // never changed
var ruleShape = shape{
	name: "rule", what: "a rule", doc: "One rule: it has `earn` or `boost`.",
	oneOf: []string{"earn", "boost"},
	keys: []key{
		{"id", simple(aName), "The rule's id. Limits, counters and budgets belong to it and carry over to the next version.", true},
		{"title", simple(aText), "What people read. Default: the id.", false},
		{"on", words(triggerWords), "What the rule listens to.", true},
		{"after", words(afterWords), "With `on: referral`, when it earns: at the referral, or at the friend's first order. A boost earns with the rules that it names.", false},
		{"when", simple(aCondition), "The condition, in CEL: order.total >= 10.00", false},
		{"lines", simple(aCondition), "Which lines of the order count, in CEL: line.category == \"food/tea\"", false},
		{"from", simple(aTime), "The first instant at which it holds, local to `time_zone`.", false},
		{"to", simple(aTime), "The instant from which it no longer holds, local to `time_zone`.", false},
		{"earn", mappingOf(&earnShape), "What it gives.", false},
		{"boost", mappingOf(&boostShape), "What it adds to other rules.", false},
		{"group", simple(aName), "Of the rules of a group only the one that gives most does.", false},
		{"each", mappingOf(&eachShape), "Grant again and again: for each so many orders, so much spend or so many days in a row.", false},
		{"chance", simple(aPercent), "How likely it is that the rule gives anything.", false},
		{"limit", oneOrMoreOf(mappingOf(&limitShape)), "Limits of this rule, for each member.", false},
		{"budget", either(simple(aWhole), mappingOf(&budgetShape)), "How many points the rule may give over all members.", false},
		{"mode", words(modeWords), "live (the default), shadow (decided, but nothing is granted) or off.", false},
		{"counts", words(countsWords), "What the points count for. Default both.", false},
		{"hold", either(simple(aDuration), mappingOf(&holdShape), words([]string{reviewWord})), "How long the points are pending: a time, until an order status, or until somebody reviews them.", false},
		{"expiry", either(mappingOf(&expiryShape), words([]string{neverWord})), "Until when these points can be spent; it replaces the programme's and the level's `expiry` as a whole.", false},
		{"campaign", simple(aText), "The campaign that grants of this rule are reported under.", false},
	},
}

// reviewWord is what stands at `hold` where only a person releases.
const reviewWord = "review"

//nolint:gochecknoglobals // never changed
var earnShape = shape{
	name: "earn", what: "`earn`", doc: "What a rule gives.",
	keys: []key{
		{"points", simple(aWhole), "Points: flat, or for each whole `per`.", false},
		{"per", simple(aNumber), "With `points`: the amount, in major units, that earns them.", false},
		{"rate", simple(aNumber), "Points for each major unit, in proportion.", false},
		{"random", mappingOf(&randomShape), "A random number of points.", false},
		{"referrer", simple(aWhole), "With `on: referral`: points for the member who invited.", false},
		{"referee", simple(aWhole), "With `on: referral`: points for the member who was invited.", false},
	},
}

//nolint:gochecknoglobals // never changed
var randomShape = shape{
	name: "random", what: "`random`", doc: "A random number of points, each equally likely.",
	keys: []key{
		{"from", simple(aWhole), "The least.", true},
		{"to", simple(aWhole), "The most.", true},
	},
}

//nolint:gochecknoglobals // never changed
var boostShape = shape{
	name: "boost", what: "`boost`", doc: "Adds to the points of other rules.",
	keys: []key{
		{"of", oneOrMoreOf(simple(aName)), "The rules that it adds to.", true},
		{"by", simple(aPercent), "How much of their points it adds.", true},
	},
}

//nolint:gochecknoglobals // never changed
var eachShape = shape{
	name: "each", what: "`each`", doc: "How often a flat grant repeats; it has one of `orders`, `spend` and `streak`.",
	oneOf: []string{"orders", "spend", "streak"},
	keys: []key{
		{"orders", simple(aWhole), "Once for so many orders.", false},
		{"spend", simple(aNumber), "Once for each so much spent, in major units.", false},
		{"streak", simple(aWhole), "Once for so many days in a row with a check-in.", false},
		{"within", simple(aDuration), "The time that the orders or the spend may be apart.", false},
	},
}

//nolint:gochecknoglobals // never changed
var budgetShape = shape{
	name: "budget", what: "`budget`", doc: "How many points a rule may give over all members.",
	keys: []key{
		{"points", simple(aWhole), "The points.", true},
		{"per", words([]string{"day", "month"}), "A budget for each day or month of the programme's time zone. Default: one for ever.", false},
		{"notice", oneOrMoreOf(simple(aPercent)), "When how much of it is given out a notice is written. Default 80%.", false},
		{"queue", simple(yesNo), "Whether what a refund gives back goes to the oldest refused first. Default false.", false},
	},
}

//nolint:gochecknoglobals // never changed
var holdShape = shape{
	name: "hold", what: "`hold`", doc: "Holds the points until the order has reached a status.",
	keys: []key{
		{"until", words(statusWords), "The status of the order that releases them.", true},
		{"within", simple(aDuration), "The deadline, from the order's time.", true},
		{"else", words(elseWords), "What happens at the deadline.", true},
	},
}

//nolint:gochecknoglobals // never changed
var thresholdShape = shape{
	name: "fraud", what: "a threshold", doc: "A guard against fraud: what is measured, and what happens when it is too much.",
	keys: []key{
		{"id", simple(aName), "The threshold's id.", true},
		{"on", words(triggerWords[:OnReferral]), "What it listens to.", true},
		{"when", simple(aCondition), "Which events it looks at, in CEL. Without `measure`: which events it acts on.", false},
		{"measure", words(measureWords), "What is measured.", false},
		{"by", words(subjectWords), "Whose events are measured together.", false},
		{"within", simple(aDuration), "The time up to the event in which they are.", false},
		{"over", either(simple(aNumber), simple(aPercent)), "It acts above this: a number, an amount in major units for sum(amount), a percentage for ratio(refunds, orders).", false},
		{"at_least", simple(aWhole), "With ratio(refunds, orders): fewer orders say nothing yet.", false},
		{"action", words(actionWords), "flag: an alert; hold: pending until released; deny: no grants; block: no grants for later events either.", true},
		{"for", simple(aDuration), "With `action: block`: how long. Default: until an operator ends it.", false},
	},
}
