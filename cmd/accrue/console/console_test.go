package console

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/wording"
	"accrue/rules/explain"
	"accrue/rules/programme"
	"accrue/schemas"
)

// No page has a script or a style in it, and the outcomes are said in words.
func TestPages(t *testing.T) {
	en, err := wording.In(explain.English)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "<script>") || regexp.MustCompile(`\s(on\w+|style)=`).Match(text) {
			t.Errorf("%s has a script or a style in it: the policy forbids it", name)
		}
	}
	// What the engine may say is said in words.
	for _, o := range []schemas.Outcome{schemas.OutcomeGranted, schemas.OutcomeNothing, schemas.OutcomeHeld, schemas.OutcomeDenied, schemas.OutcomeDuplicate, schemas.OutcomeLate, schemas.OutcomeInvalid} {
		if en["outcome."+string(o)] == "" {
			t.Errorf("outcome %s has no word", o)
		}
	}
}

func TestOwnPath(t *testing.T) {
	for next, want := range map[string]string{
		"/held?all=1": "/held?all=1", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "": "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/",
	} {
		if got := ownPath(next); got != want {
			t.Errorf("ownPath(%q) = %q, not %q", next, got, want)
		}
	}
}

// What points cost is exact, with the programme's decimals.
func TestMoney(t *testing.T) {
	value, err := programme.ParsePointValue("0.005")
	if err != nil {
		t.Fatal(err)
	}
	for m, want := range map[money]string{
		{value, programme.Currency{Code: "CNY", Digits: 2}}:                  "−1,234,567.895",
		{value, programme.Currency{Code: "JPY"}}:                             "−1,234,567.895",
		{value, programme.Currency{}}:                                        "",
		{programme.PointValue{}, programme.Currency{Code: "CNY", Digits: 2}}: "",
	} {
		if got := m.Of(-246_913_579); got != want || m.Known() != (want != "") {
			t.Errorf("%+v: %q, %t, not %q", m, got, m.Known(), want)
		}
	}
	if got := (money{value, programme.Currency{Code: "CNY", Digits: 2}}).Of(200); got != "1.00" {
		t.Errorf("200 points cost %s", got)
	}
}

// Over time a step has what was decided in it, the newest first.
func TestIssuanceOverTime(t *testing.T) {
	tally := newTally()
	now := time.Date(2026, 11, 2, 10, 20, 0, 0, time.UTC)
	for i, rule := range []string{"spend", "spend", "bonus"} {
		at := now.Add(-time.Duration(i) * 12 * time.Hour)
		tally.take(&kgo.Record{Timestamp: at}, &schemas.PointGrant{MemberID: "m1", GrantID: rule, RuleID: rule, Entry: schemas.EntryGranted, AvailableDelta: int64(i + 1), DecidedAt: at})
	}
	tell := func(c choice) (text string) {
		for _, s := range tally.over(c, now) {
			text += fmt.Sprintf("%s %d; ", s.At.Format("02 15h"), s.Granted)
		}
		return text
	}
	for want, c := range map[string]choice{
		"02 10h 1; 01 22h 2; 01 10h 3; ": {By: "rule", Per: "hour"},
		"02 00h 1; 01 00h 5; ":           {By: "rule", Per: "day"},
		"02 00h 1; 01 00h 2; ":           {By: "rule", Per: "day", Of: "spend", One: true},
		"":                               {By: "campaign", Per: "day", Of: "spring", One: true},
	} {
		if got := tell(c); got != want {
			t.Errorf("%+v: %q, not %q", c, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "−1,234,567", -9223372036854775808: "−9,223,372,036,854,775,808"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, not %q", n, got, want)
		}
	}
}

// A held grant is open until its pending sum is 0; what was taken back is told apart from what expired.
func TestTallyAddsUp(t *testing.T) {
	tally := newTally()
	at := time.Date(2026, 11, 1, 10, 20, 0, 0, time.UTC)
	take := func(g schemas.PointGrant) {
		g.MemberID, g.RuleID, g.DecidedAt = "m1", "spend", at
		tally.take(&kgo.Record{Timestamp: at}, &g)
	}
	tally.take(&kgo.Record{Timestamp: at}, &schemas.TierChange{MemberID: "m1", To: "gold"})
	take(schemas.PointGrant{GrantID: "a", Entry: schemas.EntryGranted, AvailableDelta: 100})
	take(schemas.PointGrant{GrantID: "b", Entry: schemas.EntryHeld, PendingDelta: 40})
	take(schemas.PointGrant{GrantID: "c", Entry: schemas.EntryHeld, PendingDelta: 7})
	take(schemas.PointGrant{GrantID: "b", Entry: schemas.EntryReleased, PendingDelta: -40, AvailableDelta: 40})
	take(schemas.PointGrant{GrantID: "a", Entry: schemas.EntryReversed, AvailableDelta: -30})
	take(schemas.PointGrant{GrantID: "a", Entry: schemas.EntryExpired, AvailableDelta: -70})
	want := points{Entries: 6, Granted: 147, Held: 47, Taken: 30, Expired: 70}
	if got := tally.issuedBy("tier"); len(got) != 1 || got[0].ID != "gold" || got[0].points != want {
		t.Errorf("by tier: %+v, not %+v", got, want)
	} else if net := got[0].Net(); net != 117 {
		t.Errorf("net are %d points, not 117", net)
	}
	if len(tally.held) != 1 || tally.held["c"] == nil || tally.held["c"].Points != 7 {
		t.Errorf("held: %v, not only c", tally.held)
	}
	tally.take(&kgo.Record{Timestamp: at}, &schemas.Decision{EventID: "console-X", Outcome: schemas.OutcomeGranted})
	tally.take(&kgo.Record{Timestamp: at}, &schemas.Decision{EventID: "console-X", Outcome: schemas.OutcomeDuplicate})
	if s := tally.seconds[at.Unix()%flowSeconds]; s.events != 2 || s.grants != 1 {
		t.Errorf("the second has %+v", s)
	}
	if tally.answers["console-X"].Outcome != schemas.OutcomeGranted {
		t.Error("the answer to a command is that to its second click")
	}
}

// What nobody looks at is bounded.
func TestTallyIsBounded(t *testing.T) {
	tally := newTally()
	at := time.Unix(1_800_000_000, 0)
	for i := range int64(keptHeld + 10) {
		id, _ := json.Marshal(i)
		tally.take(&kgo.Record{Timestamp: at}, &schemas.PointGrant{GrantID: string(id), RuleID: string(id), Entry: schemas.EntryHeld, PendingDelta: 1, DecidedAt: at})
		tally.take(&kgo.Record{Timestamp: at, Headers: []kgo.RecordHeader{{Key: "x"}}}, nil)
		tally.take(&kgo.Record{Timestamp: at}, &schemas.Decision{EventID: ourEvents + string(id)})
	}
	if len(tally.held) != keptHeld || tally.lost != 10 || len(tally.dead) != keptDead || len(tally.answers) != keptAnswers || len(tally.recent) != keptRecent || len(tally.ages) != keptAges {
		t.Errorf("%d held, %d lost, %d dead letters, %d answers, %d recent, %d ages", len(tally.held), tally.lost, len(tally.dead), len(tally.answers), len(tally.recent), len(tally.ages))
	}
}
