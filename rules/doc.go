// Package rules is the ledger: what a member has been granted, as a pure function of the member's facts, the programme
// versions and the time. It decides, and never acts: values in, values out.
//
// It must never import a Kafka client, a store, the network, the file system or a clock, starts no goroutine, and holds
// nothing that depends on the order of a map. An Account belongs to one goroutine; a Ledger may be shared.
//
// # One idea
//
//	entries written = f(facts, programmes, as of) − what has been written
//
// A fact is an accepted event. Facts have a total order that is not arrival: (occurred_at, kind, event_id), of awards also
// member and rule. A new fact at the head is applied to the standing (the fast path). A fact in the past, or a refund of an order in the past, is put in
// its place and everything from there on is decided again, from the nearest snapshot before it. Both are the same
// function, (*run).through; only the standing that it starts from differs. What the grants should be then is compared
// with what was written for them, and the difference is the entries.
//
// # What an account holds
//
//	head      the standing after all facts, what was written of the tier, the next due time      row "h"
//	facts     the accepted events of the window, each with the grants written for it, and with what
//	          it has asked of other accounts                                                       rows "f…"
//	base      the standing after all facts that were folded away                                  row "b"
//	past      awards whose place is folded away, read one by one                                    rows "w…"
//	kept      what time made of the member (joined, birthdays), with the grants written for it,
//	          and what entries need of folded facts whose points can still expire or wait for an
//	          operator                                                                              rows "k…"
//	pages     the full pages of lists that grow: ids, instants of the metric, uses, held grants,
//	          what is left of grants and what redemptions took (lots.go, with `redemptions: true`)  rows "p…"
//	snapshots standings between base and head; in memory only, see snapshot.go
//
// # Between accounts
//
// What an event earns another member (who invited) is that member's account's to grant. It is asked for (Outcome.Requests):
// the points wanted in all, with a revision. The other account takes it in (Account.Take) as a fact of its own, an award, at the
// place of the event that earned it. When deciding again comes to something else, it is asked for anew with the next revision,
// and the award is decided again. Kind 60 comes behind all that asks for something, so an award acts only on what is strictly
// later, and members who have invited each other come to an end. See referral.go, award.go, past_award.go.
//
// What many members share (a device, a store) is counted by a Tally, under a key of its own beside the accounts: rows "t" and
// "c…". An event about which a threshold asks there is a fact that waits (question.go): nothing of it is granted and nothing
// decided until each question has its answer, which is a ruling, or is given up after a day (answered.go). Then everything from
// the fact on is decided again, and its decision is written.
//
// The points of a budget lie with its owner (Budget, one key), with the leases of shards (Lease), or with grants (allotment), each in one
// place at every instant. While rules are asked a grant takes what it wants out of the lease of the account's shard, and what it
// needs no more goes back when the run is over. A lease that has too little asks the owner, and the grant waits; the owner
// calls all leases back before it says that the budget is used up. So a busy budget costs no message for most events, nobody is
// refused while points lie elsewhere, and never a point more is given than there are. See draw.go, lease.go, budget.go.
//
// # What falls due
//
// Holds, expiry (with `redemptions: true`), tiers, joining and birthdays have their own instants, which come before the events
// of that instant, in this order. A profile holds from its instant on, what falls due then included. What the newest profile
// says of joining and of the birthday holds for all of the past: see person.go. Last at an instant comes what is told
// ahead (notice.go), which changes nothing.
//
// # Invariants
//
//	R1  A standing depends on the facts up to its place alone, never on the order in which they arrived.
//	R2  base + facts of the window, decided again, give the head.
//	R3  For every grant 0 <= available + pending, and after an account is decided what was written is what is wanted.
//	R4  A fact is folded only when nothing of it waits for its time and no refund that would be honoured can still come. What waits
//	    for an operator stands in the base then, and what entries need of it beside the window.
//	R5  The head never names a fact that is neither stored nor folded.
//	R6  All amounts of money are whole numbers of 10^-scale of the programme's currency; points are whole; sums are checked.
//	R7  What can be spent is what is left of lots and of points that never expire, less what is owed (lots.go).
//
// # The path of an event
//
//	Account.Handle   validate.go (is it well formed) → place (seen before? late? where?) → run.through → diff → decision
//	run.through      for each fact: advance (what falls due before it) → pass (what the rules say) → tiers
//	pass             apply.go: condition → amount → group → limits → hold, in file order
package rules
