package rules_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules"
	"accrue/schemas"
)

// Of a member who is erased nothing is left, in no account and under no key, whatever comes later; the wallet is at 0. Others keep
// what they have.
func TestNothingIsLeftOfTheErased(t *testing.T) {
	linked := 0
	rapid.Check(t, func(t *rapid.T) {
		w, events := long(t, 10, 50)
		const who = "whoever is erased" // in no row by chance
		for i := range events {
			renameFirst(&events[i], who)
		}
		r := w.replay(t).stored()
		r.erasures = openErasures(t, r.ledger)
		when := rapid.IntRange(0, len(events)).Draw(t, "erased before event")
		r.all(events[:when])
		for member := range r.accounts {
			if oneIn(t, 2, "open anew") {
				r.reopen(member)
			}
		}
		linked += r.named(who)
		others := r.others(who)
		at := w.end.Add(time.Duration(rapid.IntRange(-900, 0).Draw(t, "hours before the end")) * time.Hour)
		arrives := at // a command may be dated back, but arrives behind what has arrived
		for i := range events[:when] {
			if newest := events[i].OccurredAt(); newest.After(arrives) {
				arrives = newest
			}
		}
		r.erase(who, at, arrives)
		if got := r.others(who); got != others {
			t.Fatalf("others had\n%s\nand have\n%s", others, got)
		}
		r.nothingLeft(who)
		r.reopen(who)
		for i := range events[when:] {
			r.handle(events[when+i])
			if e := &events[when+i]; e.Member() == who && (r.outcome != schemas.OutcomeNothing || !strings.Contains(r.decision.Reason, "was erased")) {
				t.Fatalf("an event that comes later is decided %+v", r.decision)
			}
		}
		for _, member := range slices.Sorted(maps.Keys(r.members)) {
			if member != who {
				r.advance(member, w.end)
				r.checkBalance(member)
			}
		}
		r.advanceKeys(w.end.AddDate(1, 0, 0)) // an empty tally stays until then
		r.nothingLeft(who)
	})
	if !t.Failed() && linked == 0 {
		t.Error("nobody was named elsewhere: this tests nothing")
	}
}

// renameFirst gives member m1 another name.
func renameFirst(e *rules.Event, name string) {
	rename := func(members ...*string) {
		for _, m := range members {
			if *m == "m1" {
				*m = name
			}
		}
	}
	switch {
	case e.Order != nil:
		rename(&e.Order.MemberID)
	case e.CheckIn != nil:
		rename(&e.CheckIn.MemberID)
	case e.Referral != nil:
		rename(&e.Referral.RefereeID, &e.Referral.ReferrerID)
	case e.Profile != nil:
		rename(&e.Profile.MemberID)
	case e.Command != nil:
		rename(&e.Command.MemberID)
	case e.Redemption != nil:
		rename(&e.Redemption.MemberID)
	}
}

func openErasures(t *rapid.T, ledger *rules.Ledger) *rules.Erasures {
	e, err := ledger.OpenErasures(rowStore{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// erase sends the command that erases a member, and is dated at a time.
func (r *replay) erase(who string, at, arrives time.Time) {
	spendable, _ := r.open(who).Points()
	before := r.members[who].balance
	e := rules.Event{
		Command: &schemas.Command{EventID: "erase", MemberID: who, OccurredAt: at, Kind: "ERASE", Operator: "ops", Reason: "asked for it"},
		Source:  schemas.Source{Topic: schemas.TopicCommands, Offset: 1 << 40}, Now: arrives,
	}
	r.advanceKeys(arrives)
	r.handle(e)
	r.erasures.Add(&e, arrives)
	if r.outcome != schemas.OutcomeNothing || !strings.Contains(r.decision.Reason, "erased by ops") {
		r.fatalf("the erasure is decided %+v", r.decision)
	}
	if m := r.members[who]; m.pending != 0 || before-m.balance != spendable || m.tier != "member" {
		r.fatalf("%d could be spent of %d by the entries; the erased member has %+v", spendable, before, *m)
	}
}

// advanceKeys does what timers do to keys.
func (r *replay) advanceKeys(to time.Time) {
	for name := range r.stores {
		if name, key := strings.CutSuffix(name, " counted"); key {
			var out rules.Outcome
			if err := r.key(name).Advance(to, to, &out); err != nil {
				r.fatalf("advance key %s: %v", name, err)
			}
			r.saveKey(name)
		}
	}
}

// others is what everybody else has.
func (r *replay) others(than string) string {
	var lines []string
	for _, line := range strings.Split(r.text(func(g *grantSum) bool { return g.member != than }), "\n") {
		if !strings.HasPrefix(line, than+" ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// named is how many stores of others hold a member's name.
func (r *replay) named(who string) (n int) {
	for name, rows := range r.stores {
		if name != who && holds(name, rows, who) != "" {
			n++
		}
	}
	return n
}

// nothingLeft says that no row and no key with rows holds a member's name.
func (r *replay) nothingLeft(who string) {
	for name, rows := range r.stores {
		if row := holds(name, rows, who); row != "" {
			r.fatalf("%s is left of %s, under %s", row, who, name)
		}
	}
}

func holds(name string, rows rowStore, who string) string {
	for key, value := range rows {
		if strings.Contains(name, who) || strings.Contains(key, who) || strings.Contains(string(value), who) {
			return fmt.Sprintf("row %q: %q", key, value)
		}
	}
	return ""
}
