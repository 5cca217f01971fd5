package console

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// Bounds of what is kept in memory.
const (
	flowSeconds  = 300
	keptRecent   = 50
	keptAlerts   = 200
	keptDead     = 200
	keptHeld     = 5_000
	keptCells    = 50_000
	keptTiers    = 200_000 // members whose tier is known
	keptAnswers  = 1_000
	keptAges     = 2_000 // events that percentiles are taken of
	valuePreview = 2 << 10
)

// second is what came in one second.
type second struct {
	at                    int64 // unix
	events, grants        int64
	denied, held, letters int64
}

// cell is where points are added up.
type cell struct {
	hour                 int64 // unix hours
	rule, campaign, tier string
}

// points are what entries of one cell came to.
type points struct {
	Entries              int64
	Granted, Held, Taken int64 // at once or by a release; still to be released when written; taken back or expired, above 0
	Expired              int64
}

func (p *points) add(q *points) {
	p.Entries += q.Entries
	p.Granted += q.Granted
	p.Held += q.Held
	p.Taken += q.Taken
	p.Expired += q.Expired
}

// heldGrant is a grant that waits for its release.
type heldGrant struct {
	GrantID, Member, Rule, Title, Order, Event, Reason string
	Points                                             int64
	At, Until                                          time.Time // Until zero: an operator decides
}

// letter is a dead letter as it is shown.
type letter struct {
	At             time.Time
	Partition      int32
	Offset         int64
	Key, Error     string
	From           string // topic/partition@offset
	Causes         []string
	Value          string
	Binary, Shorts bool
}

// tally adds up what the fleet has written. It is bounded, and guarded by its feed.
type tally struct {
	seconds [flowSeconds]second
	cells   map[cell]*points
	titles  map[string]string // by rule
	held    map[string]*heldGrant
	lost    int64 // held grants for which there was no room
	tiers   map[string]string
	recent  []*schemas.Decision // newest last
	alerts  []*schemas.FraudAlert
	dead    []letter
	low     map[string]*schemas.Notice // by notice_id, budgets only
	answers map[string]*schemas.Decision
	order   []string // of answers
	ages    []age
	nextAge int
}

// age is how old an event was when it was decided.
type age struct {
	at  int64
	age time.Duration
}

func newTally() *tally {
	return &tally{
		cells: map[cell]*points{}, titles: map[string]string{}, held: map[string]*heldGrant{}, tiers: map[string]string{},
		low: map[string]*schemas.Notice{}, answers: map[string]*schemas.Decision{},
	}
}

// take adds a record. What is no record of its topic, or has none (a dead letter), has no value.
func (t *tally) take(r *kgo.Record, value any) {
	s := t.second(r.Timestamp.Unix())
	switch v := value.(type) {
	case *schemas.Decision:
		t.decision(s, v, r.Timestamp)
	case *schemas.PointGrant:
		t.entry(v)
	case *schemas.TierChange:
		if _, known := t.tiers[v.MemberID]; known || len(t.tiers) < keptTiers {
			t.tiers[v.MemberID] = v.To
		}
	case *schemas.FraudAlert:
		t.alerts = keep(t.alerts, v, keptAlerts)
	case *schemas.Notice:
		if v.Kind == schemas.NoticeBudgetLow && len(t.low) < keptAnswers {
			t.low[v.NoticeID] = v
		}
	case nil:
		if len(r.Headers) > 0 {
			s.letters++
			t.dead = keep(t.dead, letterOf(r), keptDead)
		}
	}
}

// keep appends to a list of bounded length.
func keep[T any](list []T, v T, most int) []T {
	if len(list) >= most {
		list = slices.Delete(list, 0, len(list)-most+1)
	}
	return append(list, v)
}

// second is where a moment is counted. One that is out of the window counts nowhere.
func (t *tally) second(unix int64) *second {
	s := &t.seconds[unix%flowSeconds]
	switch {
	case s.at > unix:
		return &second{}
	case s.at < unix:
		*s = second{at: unix}
	}
	return s
}

func (t *tally) decision(s *second, d *schemas.Decision, written time.Time) {
	s.events++
	switch d.Outcome {
	case schemas.OutcomeGranted:
		s.grants++
	case schemas.OutcomeHeld:
		s.held++
	case schemas.OutcomeDenied:
		s.denied++
	case schemas.OutcomeNothing, schemas.OutcomeDuplicate, schemas.OutcomeLate, schemas.OutcomeInvalid:
	}
	t.recent = keep(t.recent, d, keptRecent)
	a := age{written.Unix(), d.DecidedAt.Sub(d.OccurredAt)}
	if len(t.ages) < keptAges {
		t.ages = append(t.ages, a)
	} else {
		t.ages[t.nextAge%keptAges] = a
	}
	t.nextAge++
	if isOurs(d.EventID) {
		if len(t.order) >= keptAnswers {
			delete(t.answers, t.order[0])
			t.order = t.order[1:]
		}
		if _, known := t.answers[d.EventID]; !known { // the first says what happened; a second click is a duplicate
			t.order = append(t.order, d.EventID)
			t.answers[d.EventID] = d
		}
	}
}

func (t *tally) entry(g *schemas.PointGrant) {
	at := cell{g.DecidedAt.Unix() / 3600, g.RuleID, g.Campaign, t.tiers[g.MemberID]}
	p := t.cells[at]
	if p == nil {
		if len(t.cells) >= keptCells {
			return
		}
		p = &points{}
		t.cells[at] = p
	}
	t.titles[g.RuleID] = g.RuleTitle
	p.Entries++
	switch {
	case g.Entry == schemas.EntryExpired:
		p.Expired -= g.AvailableDelta
	case g.AvailableDelta > 0:
		p.Granted += g.AvailableDelta
	default:
		p.Taken -= g.AvailableDelta
	}
	if g.Entry == schemas.EntryHeld {
		p.Held += g.PendingDelta
	}
	t.holds(g)
}

// holds follows what is held.
func (t *tally) holds(g *schemas.PointGrant) {
	h := t.held[g.GrantID]
	switch {
	case h != nil:
		h.Points += g.PendingDelta
		if h.Points <= 0 {
			delete(t.held, g.GrantID)
		}
	case g.PendingDelta <= 0:
	case len(t.held) >= keptHeld:
		t.lost++
	default:
		t.held[g.GrantID] = &heldGrant{
			GrantID: g.GrantID, Member: g.MemberID, Rule: g.RuleID, Title: g.RuleTitle, Order: g.Source.OrderID, Event: g.Source.EventID,
			Reason: g.Reason, Points: g.PendingDelta, At: g.OccurredAt, Until: g.AvailableAt,
		}
	}
}
