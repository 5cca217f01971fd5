package rules

import (
	"accrue/rules/programme"
	"accrue/schemas"
)

// run decides facts one after the other, from a standing on. It is the one function of the ledger: a new fact at the head
// is a run of one fact from the head; a change of the past is a run from a snapshot.
type run struct {
	account *Account
	s       *standing
	explain *fact                // whose verdicts are wanted; nil: nobody's
	again   bool                 // the facts were decided before, and may be once more
	silent  bool                 // folding: only the standing is of interest
	out     *Outcome             // in whose memory the verdicts lie; valid while explain is set
	touched []*fact              // whose grants may differ from what was written, in the order in which that came up
	wants   []wanted             // of the facts that are decided, one after the other
	others  []wanted             // of those that are only touched, meanwhile
	tiers   []tierStep           // the tier changes of this run, in order
	notices []schemas.Notice     // what this run tells ahead, in order
	passed  passResult           // of the explained fact
	lines   []programme.LineView // reused by each pass
	cands   []candidate          // reused by each pass
	parts   []int64              // the points of their grants, one after the other; reused by each pass
	scope   programme.Scope      // reused by each condition
	order   programme.OrderView  // what it sees of the event: one of the two
	checkIn programme.CheckInView
	periods periods // of the event of the pass
	review  *ruling // which holds the grants of the pass until an operator decides; nil: none does
	level   int     // that the member held before the event of the pass, as an index
	event   *Event  // that has just arrived; nil: none has
	waiting bool    // the event of the pass is not decided yet: it is granted nothing
	part    int32   // of the first grant that a rule makes now

	referral programme.ReferralView // what conditions see of an invitation
	requests []requested            // what the facts that are decided ask of other accounts
	asked    []*fact                // those of them that have asked before
}

// passResult is what the rules said to the explained fact.
type passResult struct {
	verdicts []schemas.Verdict
	summary  string // of the verdicts
	reason   string // why nothing was asked of the rules; empty: they were asked
	denied   string // why the event may grant nothing; empty: it may
	granted  bool   // a command has granted or released
}

// newRun takes a run out of the pool, whose buffers it reuses.
func (a *Account) newRun() *run {
	r, _ := a.ledger.runs.Get().(*run)
	if r == nil {
		r = &run{}
	}
	r.account = a
	return r
}

// free gives the buffers back. Nothing of the run may be used after it.
func (r *run) free() {
	clear(r.touched)
	clear(r.cands)
	clear(r.lines)
	clear(r.requests)
	clear(r.asked)
	pool := &r.account.ledger.runs
	*r = run{
		lines: r.lines[:0], cands: r.cands[:0], parts: r.parts[:0], touched: r.touched[:0], wants: r.wants[:0], others: r.others[:0], tiers: r.tiers[:0],
		notices: r.notices[:0], requests: r.requests[:0], asked: r.asked[:0],
	}
	pool.Put(r)
}

// through decides the facts in order, and then what falls due up to asOf.
func (r *run) through(facts []*fact, asOf int64) error {
	for _, f := range facts {
		if err := r.advance(f.dueBefore()); err != nil {
			return err
		}
		if err := r.pass(f); err != nil {
			return err
		}
		r.s.last = f.key
	}
	return r.advance(asOf)
}

// advance lets happen what falls due up to the instant `to`, which is included: releases, then expiry, then ends of tiers, then
// that the member joins, then the birthday, and last what is told ahead. All of one kind at one instant are one pass.
func (r *run) advance(to int64) error {
	for {
		at, ok := r.s.next()
		if rise, kept := r.keptRise(); kept && (!ok || rise < at) {
			at, ok = rise, true
		}
		if !ok || at > to {
			return nil
		}
		r.s.due = max(r.s.due, at)
		v := r.account.ledger.at(at)
		var last factKey
		from := len(r.wants)
		if r.s.firstRelease() == at {
			if len(v.tierUps) > 0 {
				if err := r.see(v, r.s.local(at, v.programme)); err != nil {
					return err
				}
			}
			var err error
			if last, err = r.release(at); err != nil {
				return err
			}
			if err := r.look(v, at, last); err != nil {
				return err
			}
		}
		if err := r.keepRises(at, last, r.wants[from:]); err != nil {
			return err
		}
		if r.s.lots.due() == at {
			if err := r.expire(at); err != nil {
				return err
			}
		}
		if r.s.tier.fallsDue() == at {
			if err := r.endTier(v.programme, at); err != nil {
				return err
			}
		}
		if r.s.profile.coming.joined == at {
			if err := r.join(at); err != nil {
				return err
			}
		}
		if r.s.profile.coming.birthday == at {
			if err := r.celebrate(at); err != nil {
				return err
			}
		}
		if r.s.tier.notice == at {
			r.tellTier(v.programme, at)
		}
		if r.s.firstExpiring() == at {
			r.tellExpiry(v.programme, at)
		}
	}
}

// touch begins to collect what the grants of a fact should be, with what was written where the run does not decide the
// fact itself.
func (r *run) touch(f *fact) {
	if f.decided {
		return
	}
	f.decided = true
	from := len(r.others)
	for i := range f.grants {
		g := &f.grants[i]
		r.others = append(r.others, wanted{
			rule: g.rule, part: g.part, available: g.available, pending: g.pending, tier: g.tier, due: g.due, booked: g.booked, at: g.at, expires: g.expires,
			expired: g.expired,
		})
	}
	f.want = r.others[from:len(r.others):len(r.others)]
	r.touched = append(r.touched, f)
}

// begin says where what the grants of a fact should be begins, for a pass to fill.
func (r *run) begin(f *fact) (from int) {
	r.waiting = false
	if f.asked != nil {
		r.asked = append(r.asked, f)
	}
	if !f.decided {
		f.decided = true
		r.touched = append(r.touched, f)
	}
	return len(r.wants)
}
