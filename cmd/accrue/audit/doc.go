// Package audit proves a ledger from its topics: what the input and output topics of an app hold is held against each other, and
// against what the programme makes of the inputs when they are decided again.
//
// An Auditor takes inputs, then outputs, as they were read; Order tells in which order the engine has decided the inputs, a replay
// of them hands its answers to Recomputed, and Finish says what was found. Nothing here reads a topic or a clock.
//
// # What is proved
//
// Each is a Check of the report, with how much was held against it:
//
//	decisions   every input that the engine has read has exactly one decision or dead letter, and every one of these an input
//	entries     every entry_id is there once; the entries of a grant are numbered from 1 on without a gap, and are of one
//	            member, rule and source
//	sums        after each entry what is available and what is pending of its grant is at least 0, of a deduction by hand at most 0
//	sources     every entry follows from an input that is there, and was caused by one, or by time
//	tiers       a member's changes of tier follow on one another: each begins where the one before ended
//	budgets     the grants of a rule with one budget for ever are not more than it
//	grants      decided again, every grant comes to the same sums: none is missing, none is too many
//	balances    and so does every member's balance, what is pending, and the tier
//
// # What is taken as given
//
// What thresholds that many members share (device, ip, payment, store, referrer) have ruled: the alerts tell which were passed.
//
// # What is not proved
//
// Other rulings depend on what other members did before, in an order that no topic tells for certain: what a budget had left, whose
// devices had been used by then, what a refund may take. The replay takes the order of decided_at, which is theirs up to what
// happened within one moment. Where a member for whom such a ruling was asked for differs, that is told apart as "not proved", and is
// no difference; the checks of sums, entries and budgets hold for these members all the same. The reasons in words and what a
// decision said at first are not compared.
//
// When the engine has let time decide is told by what it has written then. What should have fallen due for a member after the last record
// of theirs is proved only where the caller says up to when time was to decide (Until).
package audit
