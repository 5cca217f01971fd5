package console

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/schemas"
)

// Bounds of what is kept in memory.
const (
	flowSeconds = 300
	keptRecent  = 50
	keptAlerts  = 200
	keptDead    = 200
	keptHeld    = 5_000
	keptCells   = 50_000
	keptTiers   = 200_000 // members whose tier is known
	keptAnswers = 1_000
	keptAges    = 2_000 // events that percentiles are taken of
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
	Entries        int64
	Granted, Taken int64 // of entries above and below 0, available and held ones together, as a backtest counts them; Taken is above 0
	Held           int64 // of Granted: what was held at first
	Expired        int64 // above 0; not in Taken
}

// Net is what the points cost: granted, less what was taken back.
func (p points) Net() int64 { return p.Granted - p.Taken }

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

// letter is a dead letter as it is shown: the parts that others wrote are cut.
type letter struct {
	ID            processor.LetterID
	At            time.Time
	Reason        string // one of processor.Reasons
	Key, Error    string
	From          string // topic/partition@offset; empty: Accrue did not write it
	Causes        []string
	Headers       []string
	Value         string
	Bytes         int64 // of the value as it came
	Binary, Short bool
	Cannot        string           // why it cannot be sent again; empty: it can
	Retried       *processor.Retry // nil: it was not sent again
}

// tally adds up what the fleet has written. It is bounded, and guarded by its feed.
type tally struct {
	topics  processor.Topics
	since   time.Time // what is older was not read
	seconds [flowSeconds]second
	cells   map[cell]*points
	missed  int64             // entries for which there was no cell
	titles  map[string]string // by rule
	held    map[string]*heldGrant
	lost    int64 // held grants for which there was no room
	tiers   map[string]string
	recent  []*schemas.Decision // newest last
	alerts  []*schemas.FraudAlert
	dead    []letter                   // those that were sent again too
	buried  int64                      // how many there were
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

// take adds a record. What is no record of its topic has no value, nor has a dead letter.
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
		if r.Topic == t.topics.DeadLetters {
			t.letter(s, r)
		}
	}
}

// letter adds a dead letter, or takes note that one was sent again.
func (t *tally) letter(s *second, r *kgo.Record) {
	l, id, retry := processor.ParseLetter(r)
	if l != nil {
		s.letters++
		t.buried++
		t.dead = keep(t.dead, letterOf(l, t.topics), keptDead)
		return
	}
	if i := slices.IndexFunc(t.dead, func(x letter) bool { return x.ID == id }); i >= 0 {
		t.dead[i].Retried = retry
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
	t.holds(g)
	at := cell{g.DecidedAt.Unix() / 3600, g.RuleID, g.Campaign, t.tiers[g.MemberID]}
	p := t.cells[at]
	if p == nil {
		if len(t.cells) >= keptCells {
			t.missed++
			return
		}
		p = &points{}
		t.cells[at] = p
	}
	t.titles[g.RuleID] = g.RuleTitle
	p.Entries++
	switch delta := g.AvailableDelta + g.PendingDelta; {
	case g.Entry == schemas.EntryExpired:
		p.Expired -= delta
	case delta > 0:
		p.Granted += delta
	default: // a release moves points, and is neither
		p.Taken -= delta
	}
	if g.Entry == schemas.EntryHeld {
		p.Held += g.PendingDelta
	}
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
