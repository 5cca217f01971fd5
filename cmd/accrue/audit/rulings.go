package audit

import (
	"accrue/schemas"
)

// This file is about what thresholds that many members share have ruled. It depends on what others did before, and is taken as given:
// there is an alert of each that was passed.

// passing is a threshold that an event of a member has passed.
type passing struct{ threshold, member, event string }

// Alert takes a fraud alert.
func (a *Auditor) Alert(f *schemas.FraudAlert) {
	if a.shared[f.ThresholdID] && f.MeasuredValue != "" { // without one it says that nobody has answered, which counts as not passed
		a.passed[passing{f.ThresholdID, f.MemberID, f.EventID}] = true
	}
}

// An answer that is above every limit that can be written, and small enough to be reckoned with.
const (
	aboveCounts = 1 << 40 // events, different ones
	aboveSums   = 1 << 60 // points, amounts
)

// Hear is told what accounts and keys say to each other in the replay, before it is taken in. What a key has counted becomes what it was
// found to be then: above the threshold's limit where there is an alert, else nothing. Other members' devices were asked for in an
// order that no topic tells, and the answer is in none.
func (a *Auditor) Hear(e *schemas.Effect) {
	switch {
	case e.Kind == schemas.EffectDevices:
		a.member(e.FromMember).ruled = "another member's devices were asked for, when they had used what by then"
	case e.Kind == schemas.EffectAnswer && a.shared[e.RuleID]:
		e.Events, e.Refunds, e.Distinct, e.Points = 0, 0, 0, 0
		if a.passed[passing{e.RuleID, e.MemberID, e.Source.EventID}] {
			e.Events, e.Refunds, e.Distinct, e.Points = aboveCounts, aboveCounts, aboveCounts, aboveSums
		}
	}
}

// budgeted says that a rule's budget may have ruled about a member's grants.
func (a *Auditor) budgeted(m *member, rule string) {
	if a.limited[rule] {
		m.ruled = "the budget of rule " + rule + " was drawn on, in an order among members that no topic tells"
	}
}
