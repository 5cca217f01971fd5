package programme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accrue/schemas"
)

// readGood parses a programme of testdata/good, about which there is nothing to report.
func readGood(t *testing.T, name string) *Programme {
	t.Helper()
	content, err := os.ReadFile("testdata/good/" + name)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := ParseWhole(map[string][]byte{name: content})
	if p == nil || len(problems) != 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	return p
}

// There is nothing to report about any of the good programmes.
func TestGoodProgrammes(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d programmes: %v", len(paths), err)
	}
	for _, path := range paths {
		readGood(t, filepath.Base(path))
	}
}

// The grammar's example is read as a whole, and what the ledger does not do yet is refused by name, nothing else.
func TestCityMart(t *testing.T) {
	p := readGood(t, "city-mart.yaml")
	if len(p.Rules) != 16 || len(p.Fraud) != 5 {
		t.Errorf("%d rules, %d thresholds", len(p.Rules), len(p.Fraud))
	}
	content, err := os.ReadFile("testdata/good/city-mart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := Parse(map[string][]byte{"city-mart.yaml": content})
	for _, problem := range problems {
		if !strings.HasSuffix(problem.Message, "is not supported by this version") {
			t.Errorf("%s", problem)
		}
	}
}

// Each word of the grammar becomes what the ledger reads.
func TestWhole(t *testing.T) {
	p := readGood(t, "whole.yaml")
	days := func(n int) Duration { return Duration{Days: n} }
	if !p.Expiry.Never() || p.Clawback != ClawbackPendingOnly || !p.Redemptions {
		t.Errorf("header: %+v, %v, %v", p.Expiry, p.Clawback, p.Redemptions)
	}
	wantTiers := &Tiers{
		By: ByOrders, Span: CalendarYear, Notice: []Duration{days(30), {Months: 1}},
		Levels: []Level{
			{ID: "member", Expiry: &Expiry{}},
			{ID: "gold", At: 10, FallsNever: true, Expiry: &Expiry{After: days(90), MonthEnd: true, Notice: []Duration{days(7)}}},
		},
		Becomes: map[string]string{"silver": "gold", "bronze": "member"},
	}
	if diff := cmp.Diff(wantTiers, p.Tiers); diff != "" {
		t.Errorf("tiers: -want +got:\n%s", diff)
	}
	completed := func(within Duration, release bool) Hold {
		return Hold{Until: schemas.Completed, Within: within, Release: release}
	}
	wantRules := []*Rule{
		{
			ID: "invite", On: OnReferral, After: AfterFirstOrder, Earn: &Earn{Referrer: 100, Referee: 50},
			Budget: &Budget{Points: 5000, Per: PerMonth, Queue: true, Notices: []Ratio{{1, 2}, {9, 10}}},
		},
		{ID: "introduce", On: OnReferral, After: AfterJoined, Earn: &Earn{Referrer: 10}, Hold: Hold{Review: true}, Campaign: "Spring 2026"},
		{
			ID: "double-invite", On: OnReferral, After: AfterFirstOrder, From: time.Date(2026, 5, 31, 16, 0, 0, 0, time.UTC), To: time.Date(2026, 6, 30, 16, 0, 0, 0, time.UTC),
			Boost: &Boost{Of: []int{0}, By: Ratio{1, 1}}, Group: "friends", Limits: []Limit{{Points: 500, Per: PerMonth}},
		},
		{ID: "introduce-more", On: OnReferral, After: AfterJoined, Boost: &Boost{Of: []int{1}, By: Ratio{1, 2}}, Hold: Hold{Review: true}},
		{ID: "welcome-friend", On: OnReferral, After: AfterJoined, Earn: &Earn{Referee: 20}},
		{ID: "welcome-more", On: OnReferral, After: AfterJoined, Boost: &Boost{Of: []int{4}, By: Ratio{1, 10}}, Group: "friends", Counts: CountsBalance},
		{ID: "welcome", On: OnJoined, Earn: &Earn{Points: 100}},
		{ID: "birthday", On: OnBirthday, Earn: &Earn{Random: Random{1, 88}}},
		{ID: "up", On: OnTierUp, Earn: &Earn{Points: 500}, Expiry: &Expiry{After: Duration{Months: 1}}},
		{
			ID: "spend", On: OnOrder, Earn: &Earn{Rate: Ratio{1, 2}}, Hold: completed(days(30), false), Expiry: &Expiry{},
			Chance: Ratio{1, 8},
		},
		{
			ID: "extra", On: OnOrder, Boost: &Boost{Of: []int{9}, By: Ratio{1, 20}}, Hold: completed(Duration{Elapsed: 24 * time.Hour}, true),
			Budget: &Budget{Points: 100, Per: PerDay, Notices: []Ratio{{8, 10}}},
		},
		{ID: "spree", On: OnOrder, Earn: &Earn{Points: 3}, Budget: &Budget{Points: 100, Per: PerEver, Notices: []Ratio{{8, 10}}}, Mode: Shadow},
	}
	for _, rule := range wantRules {
		rule.Title = rule.ID
	}
	if diff := cmp.Diff(wantRules, p.Rules, besidesConditions()); diff != "" {
		t.Errorf("rules: -want +got:\n%s", diff)
	}
	month := days(30)
	wantFraud := []*Threshold{
		{ID: "points", On: OnCheckIn, Measure: MeasurePoints, By: ByIP, Within: days(2), Over: 5000, Action: ActionFlag},
		{
			ID: "amount", On: OnOrder, Measure: MeasureAmount, By: ByPayment, Within: Duration{Elapsed: 30 * time.Minute}, Over: 999_950,
			Action: ActionDeny,
		},
		{
			ID: "devices", On: OnReferral, Measure: MeasureDevices, By: ByReferrer, Within: Duration{Elapsed: time.Hour}, Over: 3,
			Action: ActionBlock, For: Duration{Elapsed: 24 * time.Hour},
		},
		{ID: "shops", On: OnOrder, Measure: MeasureCount, By: ByStore, Within: Duration{Elapsed: time.Hour}, Over: 100, Action: ActionFlag},
		{ID: "returns", On: OnOrder, Measure: MeasureRefunds, By: ByMember, Within: month, Share: Ratio{67, 200}, AtLeast: 4, Action: ActionHold},
		{ID: "quoted", On: OnOrder, Measure: MeasureRefunds, By: ByMember, Within: month, Share: Ratio{1, 2}, Action: ActionBlock},
	}
	if diff := cmp.Diff(wantFraud, p.Fraud, besidesConditions()); diff != "" {
		t.Errorf("fraud: -want +got:\n%s", diff)
	}
	if p.Rules[0].When == nil || p.Rules[1].When != nil || p.Fraud[0].When != nil || p.Fraud[1].When == nil {
		t.Error("conditions are not where they were written")
	}
	last := p.Fraud[4].Pos
	if last.Line != 35 || last.Column != 5 {
		t.Errorf("a threshold is said to stand at %+v", last)
	}
}

func besidesConditions() cmp.Option {
	return cmp.FilterPath(func(path cmp.Path) bool {
		last := path.Last().String()
		return last == ".When" || last == ".Lines" || last == ".Pos"
	}, cmp.Ignore())
}

// What a threshold measures may hold a comma, which ends a value in braces.
func TestMeasureInBraces(t *testing.T) {
	p := readGood(t, "city-mart.yaml")
	abuse := p.Fraud[4]
	if abuse.Measure != MeasureRefunds || abuse.Share != (Ratio{1, 2}) || abuse.AtLeast != 5 || abuse.Action != ActionBlock || !abuse.For.IsZero() {
		t.Errorf("%+v", abuse)
	}
	if self := p.Fraud[3]; self.Measure != 0 || self.When == nil || self.Action != ActionDeny {
		t.Errorf("%+v", self)
	}
}

// Each line of the list of what the ledger does not do yet is refused, in the programmes that use every word of the grammar: so
// none is misspelt, and none stays behind when the grammar changes.
func TestNotYetIsRefused(t *testing.T) {
	files := TestdataFiles(t, "good", "doubtful")
	for _, line := range append(notYet(), "rule.on: referral", "member.tier", "hold.until") {
		refused := 0
		for name, content := range files {
			_, problems := newParser([]string{line}).parse(map[string][]byte{name: content})
			for _, problem := range problems {
				if problem.Severity != Error {
					continue
				}
				if !strings.HasSuffix(problem.Message, "is not supported by this version") || problem.Pos.Line < 2 {
					t.Errorf("%s: %s", line, problem)
				}
				refused++
			}
		}
		if refused == 0 {
			t.Errorf("%q is refused nowhere", line)
		}
	}
}
