package audit

import (
	"strconv"
	"strings"

	"accrue/schemas"
)

// byHand is the rule of what an operator grants or deducts.
const byHand = "by hand"

// Entry takes an entry, those of a member in their order.
func (a *Auditor) Entry(at Place, e *schemas.PointGrant) {
	a.counts.Entries++
	a.checks[checkEntries].Held++
	m := a.member(e.MemberID)
	m.seen(e.OccurredAt)
	a.budgeted(m, e.RuleID)
	id, text, cut := strings.Cut(e.EntryID, "-")
	revision, err := strconv.ParseInt(text, 10, 64)
	if !cut || err != nil || id != e.GrantID || revision < 1 {
		a.differs(checkEntries, "%s: entry_id %s is not the grant_id %s with a number", at, e.EntryID, e.GrantID)
		return
	}
	g := a.grants[e.GrantID]
	if g == nil {
		g = &grant{
			member: e.MemberID, rule: e.RuleID, source: e.Source, first: at,
			deduction: e.RuleID == byHand && e.AvailableDelta < 0,
		}
		a.grants[e.GrantID] = g
		if revision > 1 && !a.whole[at.Topic] { // earlier ones are gone by retention
			g.revision = revision - 1
		}
	}
	switch {
	case revision == g.revision && e.EntryID != "":
		a.differs(checkEntries, "%s: entry %s is there twice", at, e.EntryID)
		return
	case revision <= g.revision:
		a.differs(checkEntries, "%s: entry %s comes behind entry %d of its grant", at, e.EntryID, g.revision)
		return
	case revision > g.revision+1:
		a.differs(checkEntries, "%s: entry %s comes where number %d of its grant should be", at, e.EntryID, g.revision+1)
	}
	g.revision = revision
	nameless := a.erases && e.Source.EventID == "" && revision > 1 // it was for an event of a member who was erased
	if g.member != e.MemberID || g.rule != e.RuleID || g.source != e.Source && !nameless {
		a.differs(checkEntries, "%s: entry %s is of member %q, rule %s and event %s; its grant began as one of %q, %s and %s",
			at, e.EntryID, e.MemberID, e.RuleID, e.Source.EventID, g.member, g.rule, g.source.EventID)
	}
	a.sums(at, e, g)
	if !nameless {
		a.follows(at, e)
	}
}

// sums adds an entry to its grant.
func (a *Auditor) sums(at Place, e *schemas.PointGrant, g *grant) {
	a.checks[checkSums].Held++
	g.available += e.AvailableDelta
	g.pending += e.PendingDelta
	g.tier += e.TierDelta
	wrong := g.available < 0 || g.pending < 0
	if g.deduction {
		wrong = g.available > 0 || g.pending != 0
	}
	if wrong && (a.whole[at.Topic] || g.first == at) {
		a.differs(checkSums, "%s: after entry %s its grant has %d points available and %d pending", at, e.EntryID, g.available, g.pending)
	}
}

// follows holds the source and the cause of an entry against the inputs.
func (a *Auditor) follows(at Place, e *schemas.PointGrant) {
	a.checks[checkSources].Held++
	s := e.Source
	if s.Topic != "" && a.whole[s.Topic] {
		in := a.inputs[Place{s.Topic, s.Partition, s.Offset}]
		switch {
		case in == nil:
			a.differs(checkSources, "%s: entry %s names %s/%d@%d as its source, where there is no input", at, e.EntryID, s.Topic, s.Partition, s.Offset)
		case in.EventID != s.EventID && in.EventID != "":
			a.differs(checkSources, "%s: entry %s is of event %s, its source %s is event %s", at, e.EntryID, s.EventID, in.Place, in.EventID)
		case in.letter:
			a.differs(checkSources, "%s: entry %s is of the input %s, which is among the dead letters", at, e.EntryID, in.Place)
		case in.Member != e.MemberID: // what an event earns another member
			a.member(e.MemberID).with = append(a.member(e.MemberID).with, in.Member)
			a.member(in.Member).with = append(a.member(in.Member).with, e.MemberID)
		}
	}
	if e.Cause != "" && !a.events[e.Cause] && a.allWhole() {
		a.differs(checkSources, "%s: entry %s was caused by event %s, which is on no input topic", at, e.EntryID, e.Cause)
	}
}

// allWhole says that no input is missing by retention or compaction.
func (a *Auditor) allWhole() bool {
	for _, whole := range a.whole {
		if !whole {
			return false
		}
	}
	return true
}
