package rules_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// rowStore holds the rows of one member as a store would: it honours what Save puts and deletes, and nothing else.
type rowStore map[string][]byte

func (s rowStore) Get(key []byte) ([]byte, error) { return s[string(key)], nil }

func (s rowStore) Scan(prefix []byte, yield func(key, value []byte) bool) error {
	return s.ScanFrom(prefix, prefix, yield)
}

func (s rowStore) ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if key >= string(from) && strings.HasPrefix(key, string(prefix)) && !yield([]byte(key), s[key]) {
			return nil
		}
	}
	return nil
}

func (s rowStore) put(key, value []byte) {
	if value == nil {
		delete(s, string(key))
		return
	}
	s[string(key)] = slices.Clone(value)
}

// grantSum is what the entries of one grant add up to.
type grantSum struct {
	member, rule, event      string
	topic                    string
	offset                   int64
	available, pending, tier int64
	expires                  time.Time // by the last entry
	revision                 int
}

func (g *grantSum) points() int64 {
	if g.available+g.pending != 0 {
		return g.available + g.pending
	}
	return g.tier
}

// standing is a member as a wallet and a reader of tier changes see it.
type standing struct {
	balance, pending int64
	tier             string
	until            time.Time
}

// replay sends events to accounts and adds up what they write. Every replay checks what must hold for any history: one
// decision for each event, entry ids used once, revisions that follow each other, sums that never go below 0.
type replay struct {
	t        rapid.TB
	w        *world
	ledger   *rules.Ledger
	accounts map[string]*rules.Account
	stores   map[string]rowStore // where set, accounts are saved after each event
	buffer   rules.Buffer
	grants   map[string]*grantSum
	members  map[string]*standing
	sent     []rules.Event
	now      time.Time            // of the newest event
	log      bytes.Buffer         // what was written, as JSON lines
	outcome  schemas.Outcome      // of the last event
	entries  []schemas.PointGrant // since somebody took them
	written  []schemas.PointGrant // all entries, until somebody empties it
	expired  map[string]int64     // points that EXPIRED entries took, by grant
	found    int64                // what could be spent before the last event, an order's; math.MinInt64: it is not known
	late     int                  // events decided LATE
	alerts   []schemas.FraudAlert // of the last event
	decision *schemas.Decision    // about the last event
	keys     map[string]rules.Key // what many members share
	lent     []string             // leases that the call in progress has used
	mail     *[]schemas.Effect    // what is on its way, where answers come late; nil: each is there at once
	decided  map[string]int       // decisions, by event
	asked    int                  // questions that keys have answered
	past     int                  // requests for places that were folded away
	falls    []schemas.TierChange // those down
	notices  map[string]schemas.Notice
	erasures *rules.Erasures // who was erased; nil: nobody is
	measures bool            // thresholds are asked; else what they said to the first replay is given
}

func (w *world) replay(t rapid.TB) *replay {
	measures := w.rulings == nil
	if measures {
		w.rulings = map[string]rules.Rulings{}
	}
	return &replay{
		measures: measures, t: t, w: w, ledger: w.ledger, accounts: map[string]*rules.Account{}, grants: map[string]*grantSum{}, members: map[string]*standing{},
		notices: map[string]schemas.Notice{}, expired: map[string]int64{}, keys: map[string]rules.Key{}, decided: map[string]int{},
	}
}

// stored makes the replay save each account after each event.
func (r *replay) stored() *replay {
	r.stores, r.measures = map[string]rowStore{}, true // what thresholds count is in the rows, too
	return r
}

func (r *replay) open(member string) *rules.Account {
	if a := r.accounts[member]; a != nil {
		return a
	}
	rows := rowStore{}
	if r.stores != nil {
		if r.stores[member] == nil {
			r.stores[member] = rows
		}
		rows = r.stores[member]
	}
	a, err := r.ledger.Open(member, rows)
	if err != nil {
		r.fatalf("open account: %v", err)
	}
	a.Borrow(r)
	if r.erasures != nil && a.New() {
		if at, erased, err := r.erasures.Find(member); err != nil {
			r.fatalf("look for the erased: %v", err)
		} else if erased {
			a.BeErased(at)
		}
	}
	r.accounts[member] = a
	if r.members[member] == nil {
		r.members[member] = &standing{tier: "member"}
	}
	return a
}

// reopen throws an account away; the next event opens it from its rows.
func (r *replay) reopen(member string) { delete(r.accounts, member) }

func (r *replay) all(events []rules.Event) *replay {
	for i := range events {
		r.handle(events[i])
	}
	return r
}

func (r *replay) handle(e rules.Event) {
	r.sent = append(r.sent, e)
	if eventTime(&e).After(r.now) {
		r.now = eventTime(&e)
	}
	a := r.open(e.Member())
	var out rules.Outcome
	r.before(&e)
	name := e.Member() + e.Source.Topic + eventID(&e)
	if r.measures {
		if err := a.Handle(e, &out); err != nil {
			r.fatalf("handle event: %v", err)
		}
	} else if err := a.HandleRuled(e, r.w.rulings[name], &out); err != nil {
		r.fatalf("handle event: %v", err)
	}
	r.decision, r.alerts = nil, nil
	r.take(e.Member(), &out)
	r.checkClawback(&e)
	if r.mail != nil { // its answers may come later
		*r.mail = append(*r.mail, out.Requests...)
		return
	}
	r.effects(out.Requests)
	if d := r.decision; d == nil || d.EventID != eventID(&e) || d.Reason == "" {
		r.fatalf("the decision is %+v", d)
	}
	if r.decision.Outcome == schemas.OutcomeLate {
		r.late++
	}
	if r.outcome = r.decision.Outcome; r.measures && r.outcome != schemas.OutcomeDuplicate {
		r.w.rulings[name] = r.open(e.Member()).RulingsOf(e)
	}
}

// count has a key count an event, twice: the second time the answer is the same.
func (r *replay) count(e *schemas.Effect) []schemas.Effect {
	tally := r.key(e.MemberID)
	var out, twice rules.Outcome
	if err := tally.Take(e, time.Time{}, &out); err != nil {
		r.fatalf("count %+v: %v", e, err)
	}
	if err := tally.Take(e, time.Time{}, &twice); err != nil {
		r.fatalf("count once more %+v: %v", e, err)
	}
	if e.Kind != schemas.EffectCount && len(twice.Requests) > 0 {
		r.fatalf("told twice it says %+v", twice.Requests)
	}
	if e.Kind == schemas.EffectCount && !cmp.Equal(out.Requests, twice.Requests) {
		r.fatalf("asked twice it answers %+v and %+v", out.Requests, twice.Requests)
	}
	if len(out.Requests) > 0 {
		r.asked++
	}
	r.saveKey(e.MemberID)
	return out.Requests
}

// key opens what stands under a key.
func (r *replay) key(name string) rules.Key {
	rows := r.stores[name+" counted"]
	if rows == nil {
		rows = rowStore{}
		if r.stores != nil {
			r.stores[name+" counted"] = rows
		}
	}
	key := r.keys[name]
	if key == nil {
		var err error
		if key, err = r.ledger.OpenKey(name, rows); err != nil {
			r.fatalf("open key: %v", err)
		}
		r.keys[name] = key
	}
	return key
}

func (r *replay) saveKey(name string) {
	if r.stores != nil {
		r.key(name).Save(&r.buffer, r.stores[name+" counted"].put)
		if len(r.sent)%2 == 0 {
			delete(r.keys, name)
		}
	}
}

// effects has accounts take in what others ask of them, the oldest request first, and what that asks in turn. Each is asked
// twice: the second time nothing may change.
func (r *replay) effects(waiting []schemas.Effect) {
	for n := 0; len(waiting) > 0; waiting, n = waiting[1:], n+1 {
		if n > 10_000 {
			r.fatalf("accounts ask each other again and again, at last: %+v", waiting[0])
		}
		waiting = append(waiting, r.deliver(waiting[0])...)
	}
}

// deliver has an account, or a key, take in one request or answer, and returns what that asks, or answers.
func (r *replay) deliver(e schemas.Effect) []schemas.Effect {
	if e.ForKey() {
		return r.count(&e)
	}
	if head, err := rules.DescribeRow([]byte("h"), r.stores[e.MemberID]["h"]); err == nil && !e.OccurredAt.After(head.Head.FoldedBefore) {
		r.past++
	}
	var out, twice rules.Outcome
	found, _ := r.open(e.MemberID).Points()
	due, isDue := r.open(e.MemberID).Due()
	if err := r.open(e.MemberID).Take(&e, time.Time{}, &out); err != nil {
		r.fatalf("take in %+v: %v", e, err)
	}
	r.take(e.MemberID, &out)
	if has, _ := r.open(e.MemberID).Points(); e.Kind == "" && e.Refunds > 0 && (!isDue || due.After(r.now)) && len(r.w.parsed) == 1 {
		if how := r.w.parsed[0].Programme.Clawback; how == programme.ClawbackWithinBalance && has < min(found, 0) || how == programme.ClawbackPendingOnly && has < found {
			r.fatalf("a friend's refund has left %d of %d that could be spent: %+v", has, found, out.Entries)
		}
	}
	if err := r.open(e.MemberID).Take(&e, time.Time{}, &twice); err != nil {
		r.fatalf("take in once more %+v: %v", e, err)
	}
	if e.Kind == schemas.EffectDevices {
		twice.Requests = nil
	}
	if _, erased := r.open(e.MemberID).Erased(); erased { // it says so each time
		return out.Requests
	}
	if out.Full || len(twice.Entries)+len(twice.TierChanges)+len(twice.Requests) > 0 || twice.Decision != nil {
		r.fatalf("taken twice it changes something: %+v", e)
	}
	return out.Requests
}

// before notes what a refund finds.
func (r *replay) before(e *rules.Event) {
	if r.entries = nil; e.Order != nil && r.measures {
		if due, ok := r.open(e.Member()).Due(); !ok || due.After(eventTime(e)) { // else what falls due first takes and gives as well
			r.found, _ = r.open(e.Member()).Points()
			return
		}
	}
	r.found = math.MinInt64
}

// checkClawback says that a refund has taken no more than it might.
func (r *replay) checkClawback(e *rules.Event) {
	if r.found == math.MinInt64 || e.Order == nil || e.Order.Status != schemas.Refunded && e.Order.Status != schemas.Cancelled {
		return
	}
	how := r.w.parsed[0].Programme.Clawback
	if len(r.w.parsed) > 1 && r.w.parsed[1].Programme.Clawback != how {
		return
	}
	has, _ := r.open(e.Member()).Points()
	if how == programme.ClawbackWithinBalance && has < min(r.found, 0) {
		r.fatalf("a refund has left %d of %d that could be spent", has, r.found)
	}
	for i := range r.entries {
		if x := &r.entries[i]; how == programme.ClawbackPendingOnly && x.AvailableDelta < 0 && x.Entry != schemas.EntryExpired {
			r.fatalf("a refund has taken what could be spent: %+v", *x)
		}
	}
}

// advance lets happen what falls due for a member.
func (r *replay) advance(member string, to time.Time) {
	var out rules.Outcome
	if err := r.open(member).Advance(to, to, &out); err != nil {
		r.fatalf("advance to %s: %v", to, err)
	}
	if out.Decision != nil {
		r.fatalf("time has made a decision: %+v", out.Decision)
	}
	r.take(member, &out)
	if r.mail == nil {
		r.effects(out.Requests)
	} else {
		*r.mail = append(*r.mail, out.Requests...)
	}
	if due, ok := r.open(member).Due(); ok && !due.After(to) && len(out.Requests) > 0 && r.mail == nil { // an answer has brought it
		r.advance(member, to)
		return
	}
	if due, ok := r.open(member).Due(); ok && !due.After(to) {
		r.fatalf("after advancing to %s something of %s is still due", to, due)
	}
}

// finish advances all members to the end and returns what everybody has, as text that can be compared.
func (r *replay) finish() string {
	for _, member := range slices.Sorted(maps.Keys(r.members)) {
		r.advance(member, r.w.end)
		r.checkBalance(member)
	}
	return r.text(func(*grantSum) bool { return true })
}

// checkBalance compares what a member can spend with what a wallet has: the entries, less what it has spent itself.
func (r *replay) checkBalance(member string) {
	balance, pending := r.members[member].balance, r.members[member].pending
	if r.w.parsed[0].Programme.Redemptions && r.late == 0 {
		seen, out := map[string]bool{}, map[string]int64{}
		own := slices.DeleteFunc(slices.Clone(r.sent), func(e rules.Event) bool { return e.Redemption == nil || e.Redemption.MemberID != member })
		for _, e := range inOrder(own) {
			switch s := e.Redemption; {
			case seen[s.EventID]:
			case s.Kind == "SPENT":
				out[s.RedemptionID] += s.Points
				balance -= s.Points
			default:
				back := min(s.Points, out[s.RedemptionID])
				out[s.RedemptionID] -= back
				balance += back
			}
			seen[e.Redemption.EventID] = true
		}
	} else if r.late > 0 {
		return
	}
	if has, held := r.open(member).Points(); has != balance || held != pending {
		r.fatalf("%s can spend %d, %d are held; by the entries and what was spent it is %d, %d", member, has, held, balance, pending)
	}
}

func (r *replay) text(which func(*grantSum) bool) string {
	var lines []string
	for id, g := range r.grants {
		if which(g) && (g.available != 0 || g.pending != 0 || g.tier != 0) {
			lines = append(lines, fmt.Sprintf("%s %s %s of %s: available %d pending %d tier %d expires %s", g.member, id, g.rule, g.event, g.available, g.pending, g.tier, g.expires.Format(time.RFC3339)))
		}
	}
	for name, m := range r.members {
		if *m == (standing{tier: "member"}) {
			continue // as somebody of whom nothing was heard
		}
		lines = append(lines, fmt.Sprintf("%s has %d, %d pending, is %s until %s", name, m.balance, m.pending, m.tier, m.until.Format(time.RFC3339)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (r *replay) take(member string, out *rules.Outcome) {
	r.saveLent()
	m := r.members[member]
	if out.Decision != nil {
		name := out.Decision.MemberID + out.Decision.Source.Topic + out.Decision.EventID
		if r.decided[name]++; r.mail == nil && r.decision != nil {
			r.fatalf("there is a second decision, %+v and %+v", r.decision, out.Decision)
		}
		r.decision = out.Decision
		r.record(schemas.TopicDecisions, out.Decision)
	}
	r.written = append(r.written, out.Entries...)
	for i := range out.Entries {
		e := &out.Entries[i]
		g := r.grants[e.GrantID]
		if g == nil {
			g = &grantSum{member: member, rule: e.RuleID, event: e.Source.EventID, topic: e.Source.Topic, offset: e.Source.Offset}
			r.grants[e.GrantID] = g
		}
		g.available += e.AvailableDelta
		g.pending += e.PendingDelta
		g.tier += e.TierDelta
		g.expires = e.ExpiresAt
		g.revision++
		r.entries = append(r.entries, *e)
		if e.Entry == schemas.EntryExpired {
			r.expired[e.GrantID] -= e.AvailableDelta
		}
		m.balance += e.AvailableDelta
		m.pending += e.PendingDelta
		switch {
		case e.MemberID != member || g.rule != e.RuleID || e.Reason == "",
			g.event != e.Source.EventID && (r.erasures == nil || e.Source.EventID != ""):
			r.fatalf("the entry is not its grant's: %+v", e)
		case e.Entry == schemas.EntryGranted && strings.Contains(e.Reason, "not met"):
			r.fatalf("the entry has the reason of another that was not granted: %+v", e)
		case e.EntryID != fmt.Sprintf("%s-%d", e.GrantID, g.revision):
			r.fatalf("entry %d of the grant has another id: %+v", g.revision, e)
		case (g.available < 0 || g.pending < 0 || g.tier < 0) && e.RuleID != "by hand":
			r.fatalf("after this entry the grant is below 0 (%+v): %+v", *g, e)
		}
		r.record(schemas.TopicPointGrants, e)
	}
	for i := range out.TierChanges {
		c := &out.TierChanges[i]
		if c.From != m.tier {
			r.fatalf("the tier was %s before this change: %+v", m.tier, c)
		}
		m.tier, m.until = c.To, c.ValidUntil
		if c.Direction == schemas.DirectionDown {
			r.falls = append(r.falls, *c)
		}
		r.record(schemas.TopicTierChanges, c)
	}
	for i := range out.Notices {
		n := &out.Notices[i]
		if _, told := r.notices[n.NoticeID]; told || n.MemberID != member || !n.OccurredAt.Before(n.DueAt) {
			r.fatalf("the notice was told before, is another member's, or is not ahead: %+v", n)
		}
		r.notices[n.NoticeID] = *n
		r.record(schemas.TopicNotices, n)
	}
	if err := r.open(member).CheckLots(); err != nil {
		r.fatalf("after this the lots of %s are wrong: %v", member, err)
	}
	r.alerts = append(r.alerts, out.Alerts...)
	for i := range out.Alerts {
		r.record(schemas.TopicFraudAlerts, &out.Alerts[i])
	}
	if r.stores != nil {
		r.open(member).Save(&r.buffer, r.stores[member].put)
		if len(r.sent)%3 != 0 { // in memory and out of it, both
			r.open(member).Rest()
		}
	}
}

func (r *replay) record(topic string, value any) {
	line, err := schemas.AppendLine(nil, topic, "", value)
	if err != nil {
		r.fatalf("write a record: %v", err)
	}
	r.log.Write(append(line, '\n'))
}

// fatalf fails the law with everything that is needed to see it again: the programme and the events as JSON lines, for
// `accrue simulate`.
func (r *replay) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\n\n%s", fmt.Sprintf(format, args...), r.w.story(r.sent))
}

func (w *world) story(events []rules.Event) string {
	var b strings.Builder
	for i, text := range w.texts {
		fmt.Fprintf(&b, "--- programme, from %s\n%s", w.from[i].Format(time.RFC3339), text)
	}
	b.WriteString("--- events\n")
	for i := range events {
		var value any = events[i].CheckIn
		switch {
		case events[i].Order != nil:
			value = events[i].Order
		case events[i].Profile != nil:
			value = events[i].Profile
		case events[i].Command != nil:
			value = events[i].Command
		case events[i].Redemption != nil:
			value = events[i].Redemption
		case events[i].Referral != nil:
			value = events[i].Referral
		}
		line, err := schemas.AppendLine(nil, events[i].Source.Topic, "", value)
		if err != nil {
			line = []byte(err.Error())
		}
		b.Write(append(line, '\n'))
	}
	fmt.Fprintf(&b, "--- as of %s\n", w.end.Format(time.RFC3339))
	return b.String()
}

// same fails where two replays of the same history end differently.
func same(what string, a, b *replay, x, y string) {
	a.t.Helper()
	if x == y {
		return
	}
	only := func(x, y string) string {
		lines := strings.Split(y, "\n")
		return strings.Join(slices.DeleteFunc(strings.Split(x, "\n"), func(l string) bool { return slices.Contains(lines, l) }), "\n")
	}
	a.fatalf("%s:\n%s\ninstead of\n%s\n\nthe other history:\n%s", what, only(y, x), only(x, y), b.w.story(b.sent))
}

// Lease returns the lease of a budget: there is one shard.
func (r *replay) Lease(of rules.BudgetKey) (*rules.Lease, error) {
	r.lent = append(r.lent, of.Lease(0))
	return r.key(of.Lease(0)).(*rules.Lease), nil
}

// saveLent saves the leases that the last call has used.
func (r *replay) saveLent() {
	for _, name := range r.lent {
		r.saveKey(name)
	}
	r.lent = nil
}
