// Package backtest adds up what one programme, or two side by side, make of recorded events, and reports it: as text, as JSON
// and as a page.
//
// A Collector takes every answer of a replay (the core of the engine, which the command runs) and keeps sums only: by rule,
// campaign, day, tier and segment, by month, by budget, and a few numbers of each member. No entry is kept, so memory grows with
// members, rules and days, not with events; only of grants that expire something is kept (months.go).
// Build makes a Report of one Collector or two, and Text, JSON and Page write it. Nothing here reads a clock or depends on the
// order of a map: the same history gives the same bytes.
//
// # What is counted
//
// The points of an entry are what it changes in all, available and pending. Above 0 they are granted, below 0 reversed, of
// EXPIRED entries expired. Net is granted less reversed, what the programme has cost; less expired it is the sum of available and
// pending, which `accrue simulate` sums up. An entry belongs to the day of its occurred_at in the zone of the first programme, to
// the tier that the member held before it, and to each segment that the member was in then.
package backtest
