// Package scenario reads and runs scenario files: what happens to some members, and what they have then. A scenario lies
// beside the programme that it is about and is written by the person who writes the programme:
//
//	title: A full refund leaves nothing
//	steps:
//	  - {order: o1, member: anna, at: 2026-06-01 10:00, total: 37.50}
//	  - expect: {member: anna, balance: 37, points: {spend: 37}}
//	  - {refund: o1, at: 2026-06-03 09:00}
//	  - expect: {member: anna, balance: 0}
//
// Events arrive in the order in which they are written; `at` is when they happened, local to the programme's time zone or
// with an offset (2026-06-01T10:00:00Z). Money is in major units and exact. The package is pure: bytes in, a Report out. It
// decides nothing itself: events go to a rules.Account each, as in `accrue simulate`.
//
// # Keys
//
//	title     what the scenario shows, in a sentence
//	member    whose events and expectations these are where a step names nobody
//	seed      the secret under which lots are drawn (chance, random); the same seed draws the same. Default: scenario
//	versions  later versions of the programme: a list of {file, from}
//	steps     a list of events and expectations:
//
//	order     id; at, total or lines [{line, sku, category, brand, quantity, amount, tags}], status (default: earn_on),
//	          currency, channel, store, device, coupons, attributes
//	refund    id of the order; at, lines [{line, quantity, amount}], or amount (of an order with a total; lowers it), or
//	          neither: everything
//	cancel    id of the order; at
//	check-in  the member (may be empty); at, activity, channel, store, device, attributes
//	profile   the member (may be empty); at, joined (a time), birthday (a date), zone, segments, attributes; or ends: true, which
//	          is a null value: from then on nothing is known of the member
//	command   grant, deduct, release, reject, block, unblock or set-tier; at, operator, reason, points, grant ({rule, of: event id}),
//	          tier, until
//	spend     id of the redemption; at, points. With `redemptions: true` the balance is then what the member can spend
//	return    id of the redemption; at, points
//	again     the event id of an event before, sent once more as it was
//	expect    at (first let happen what falls due until then, that instant included), balance, pending, tier, until (the end of the
//	          tier, as the last tier record says it; never), change (direction of the last tier record), points by rule
//	          (pending ones are among them), expires, campaign, entry and why by rule (of its last entry; never, none, EXPIRED, a part of
//	          its reason), decision and reason (a part of it) of the last event, alerts (the thresholds that it passed, "burst, farm"; none), notices (what was
//	          told ahead since then, "gold lacks 120 points"; none)
//
// Events have an event id of their own, `event`. By default it is the order's id with what happened ("o1 paid",
// "o1 refund", "o1 cancel") or the member's check-in, profile or command ("anna check-in", "anna profile", "anna grant"), with a number from the second on ("o1 refund 2").
package scenario
