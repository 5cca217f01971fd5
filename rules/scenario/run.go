package scenario

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// Run runs a scenario. files are the files beside it by name, the programme's among them; other scenarios are left out.
// name is how the scenario is called in messages. Names of files that `versions` names are looked up beside it.
func Run(files map[string][]byte, name string, content []byte) *Report {
	report := &Report{Updated: content}
	s := readScript(files, name, content, &report.Problems)
	report.Title = s.title
	if len(report.Problems) > 0 {
		return report
	}
	ledger, err := rules.NewLedger(s.versions, rules.Secret([]byte(s.seed)))
	if err != nil {
		report.Problems.add(s.steps[0].pos, "%v", err)
		return report
	}
	report.Versions, report.Seed = s.files, s.seed
	r := &runner{
		script: s, ledger: ledger, report: report, members: map[string]*member{}, shared: map[string]rules.Key{},
		events: &events{script: s, byID: map[string]sent{}, orders: map[string]string{}, totals: map[string]bool{}},
	}
	r.events.grants = r.grantID
	for _, st := range s.steps {
		if err := r.step(st); err != nil {
			report.Problems.add(st.pos, "%v", err)
			break
		}
	}
	if len(report.Problems) > 0 {
		report.Differences = nil
		return report
	}
	report.Updated = rewrite(content, r.rewrites)
	return report
}

// runner runs the steps of a script one after the other.
type runner struct {
	*script
	ledger   *rules.Ledger
	report   *Report
	events   *events
	members  map[string]*member
	shared   map[string]rules.Key // what many members share
	last     string               // the member of the last event
	rewrites []rewriting
}

// member is an account with what it has written.
type member struct {
	account  *rules.Account
	balance  int64
	pending  int64
	grants   map[string]*sums               // by grant id
	entries  map[string]*schemas.PointGrant // the last of each rule
	tier     string
	change   *schemas.TierChange // the last; nil: none yet
	decision *schemas.Decision   // of the last event
	alerts   []string            // the thresholds that the last event passed
	notices  []string            // what was told ahead since the last event, or up to the instant that was last expected at
	after    string              // what happened last, in words
}

// sums is what the entries of one grant add up to.
type sums struct {
	rule, event              string
	available, pending, tier int64
	spendable                bool // it is more than points for the tier
}

// grantID finds what a rule has granted for an event; of several the one whose id sorts first.
func (r *runner) grantID(member, rule, event string) string {
	found := ""
	if m := r.members[member]; m != nil {
		for id, g := range m.grants {
			if g.rule == rule && g.event == event && (found == "" || id < found) {
				found = id
			}
		}
	}
	return found
}

func (r *runner) step(st step) error {
	if st.kind == "expect" {
		return r.expect(st)
	}
	event, ok := r.events.event(st)
	if !ok {
		return nil
	}
	if err := r.advanceBudgets(event.at); err != nil {
		return err
	}
	id := event.event.Member()
	m, err := r.open(id)
	if err != nil {
		return err
	}
	var out rules.Outcome
	if err := m.account.Handle(event.event, &out); err != nil {
		return fmt.Errorf("decide %s: %w", event.name, err)
	}
	m.notices, m.alerts, m.decision = nil, nil, nil
	r.report.Moments = append(r.report.Moments, Moment{Member: id, Event: &event.event, At: event.at})
	m.take(&out)
	if event.event.Redemption != nil { // the wallet has written that down itself
		if points, _ := m.account.Points(); r.versions[0].Programme.Redemptions {
			m.balance = points
		}
	}
	m.after = fmt.Sprintf("after %s of %s", event.name, r.instantText(event.at))
	r.last = id
	return r.effects(out.Requests, m.after)
}

// effects has other members' accounts, and keys, take in what an event asks of them, the oldest request first, and what that asks
// in turn, or answers.
func (r *runner) effects(waiting []schemas.Effect, after string) error {
	for ; len(waiting) > 0; waiting = waiting[1:] {
		if waiting[0].ForKey() {
			answers, err := r.ask(&waiting[0])
			if err != nil {
				return err
			}
			waiting = append(waiting, answers...)
			continue
		}
		m, err := r.open(waiting[0].MemberID)
		if err != nil {
			return err
		}
		var out rules.Outcome
		if err := m.account.Take(&waiting[0], time.Time{}, &out); err != nil {
			return fmt.Errorf("take in what %s asks of %s: %w", waiting[0].FromMember, waiting[0].MemberID, err)
		}
		m.take(&out)
		m.after = after
		waiting = append(waiting, out.Requests...)
	}
	return nil
}

// ask has a key take in what an event asks of it.
func (r *runner) ask(e *schemas.Effect) ([]schemas.Effect, error) {
	key, err := r.key(e.MemberID)
	if err != nil {
		return nil, err
	}
	var out rules.Outcome
	if err := key.Take(e, time.Time{}, &out); err != nil {
		return nil, fmt.Errorf("ask %s for %s: %w", e.MemberID, e.FromMember, err)
	}
	if m := r.members[r.last]; m != nil { // what is told of a budget concerns no member: it follows from the last event
		for i := range out.Notices {
			m.notices = append(m.notices, noticeText(&out.Notices[i]))
		}
	}
	return out.Requests, nil
}

func (r *runner) key(name string) (rules.Key, error) {
	key := r.shared[name]
	if key == nil {
		var err error
		if key, err = r.ledger.OpenKey(name, noRows{}); err != nil {
			return nil, err
		}
		r.shared[name] = key
	}
	return key, nil
}

// Lease returns the lease of a budget: in a scenario there is one shard.
func (r *runner) Lease(of rules.BudgetKey) (*rules.Lease, error) {
	key, err := r.key(of.Lease(0))
	if err != nil {
		return nil, err
	}
	return key.(*rules.Lease), nil //nolint:forcetypeassert // by its name
}

func (r *runner) open(id string) (*member, error) {
	if m := r.members[id]; m != nil {
		return m, nil
	}
	account, err := r.ledger.Open(id, noRows{})
	if err != nil {
		return nil, err
	}
	account.Borrow(r)
	m := &member{account: account, grants: map[string]*sums{}, entries: map[string]*schemas.PointGrant{}, after: "in the beginning"}
	if tiers := r.versions[0].Programme.Tiers; tiers != nil {
		m.tier = tiers.Levels[0].ID
	}
	r.members[id] = m
	return m, nil
}

// advance lets happen what falls due for a member.
func (r *runner) advance(m *member, to time.Time) error {
	var out rules.Outcome
	if err := m.account.Advance(to, to, &out); err != nil {
		return fmt.Errorf("advance to %s: %w", to.Format(time.RFC3339), err)
	}
	m.take(&out)
	if err := r.effects(out.Requests, m.after); err != nil {
		return err
	}
	if due, is := m.account.Due(); is && !due.After(to) && len(out.Requests) > 0 { // an answer has brought it
		return r.advance(m, to)
	}
	return nil
}

// advanceBudgets opens budgets again that were used up and of which something has come back.
func (r *runner) advanceBudgets(to time.Time) error {
	for _, name := range slices.Sorted(maps.Keys(r.shared)) {
		budget, is := r.shared[name].(*rules.Budget)
		if !is {
			continue
		}
		if due, is := budget.Due(); !is || due.After(to) {
			continue
		}
		var out rules.Outcome
		if err := budget.Advance(to, to, &out); err != nil {
			return fmt.Errorf("advance %s to %s: %w", name, to.Format(time.RFC3339), err)
		}
		if err := r.effects(out.Requests, "in the beginning"); err != nil {
			return err
		}
	}
	return nil
}

// take adds up what was written.
func (m *member) take(out *rules.Outcome) {
	for i := range out.Entries {
		e := &out.Entries[i]
		m.entries[e.RuleID] = e
		m.balance += e.AvailableDelta
		m.pending += e.PendingDelta
		g := m.grants[e.GrantID]
		if g == nil {
			g = &sums{rule: e.RuleID, event: e.Source.EventID}
			m.grants[e.GrantID] = g
		}
		g.available += e.AvailableDelta
		g.pending += e.PendingDelta
		g.tier += e.TierDelta
		g.spendable = g.spendable || e.AvailableDelta != 0 || e.PendingDelta != 0
	}
	if out.Decision != nil {
		m.decision = out.Decision
	}
	for i := range out.Alerts {
		m.alerts = append(m.alerts, out.Alerts[i].ThresholdID)
	}
	for i := range out.Notices {
		m.notices = append(m.notices, noticeText(&out.Notices[i]))
	}
	for i := range out.TierChanges {
		m.change = &out.TierChanges[i]
		m.tier = m.change.To
	}
}

// noticeText is what a notice tells, in short.
func noticeText(n *schemas.Notice) string {
	if n.Kind == schemas.NoticeTierFalls {
		return fmt.Sprintf("%s lacks %s", n.Tier, n.Missing)
	}
	if n.Kind == schemas.NoticeBudgetLow {
		return fmt.Sprintf("%d left", n.Points)
	}
	return fmt.Sprintf("%d expire", n.Points)
}

// points is what a rule has given and not taken back, held points among it; of a rule that counts for the tier alone the
// points of the tier.
func (m *member) points(rule string) int64 {
	total := int64(0)
	for _, g := range m.grants {
		switch {
		case g.rule != rule:
		case g.spendable:
			total += g.available + g.pending
		default:
			total += g.tier
		}
	}
	return total
}

// noRows are the stored rows of a member of whom nothing is stored.
type noRows struct{}

func (noRows) Get([]byte) ([]byte, error)                                 { return nil, nil }
func (noRows) Scan([]byte, func(key, value []byte) bool) error            { return nil }
func (noRows) ScanFrom(_, _ []byte, _ func(key, value []byte) bool) error { return nil }
