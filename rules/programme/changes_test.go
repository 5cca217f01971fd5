package programme_test

import (
	"strings"
	"testing"
	"time"

	"accrue/rules/programme"
)

const before = `programme: shop
currency: CNY
time_zone: Asia/Shanghai
limits: [{points: 20000, per: month}]
tiers:
  by: points
  over: 12 months
  levels:
    - {id: member, at: 0}
    - {id: gold, at: 1000}
rules:
  - id: spend
    title: a point a yuan
    on: order
    earn: {points: 1, per: 1.00}
  - {id: gold, title: gold earns more, on: order, when: member.tier == "gold", boost: {of: [spend], by: 20%}}
  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}
`

// A change is told in words with what was and what becomes; what is only written otherwise is none.
func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		edits []string // old, new, old, new ...
		want  string
	}{
		"nothing": {},
		"written otherwise": {edits: []string{
			"limits: [{points: 20000, per: month}]", "limits:\n  points: 20000   # a month\n  per: \"month\"",
			"of: [spend]", "of: spend", "    on: order\n    earn: {points: 1, per: 1.00}", "    earn:\n      points: 1\n      per: 1.00\n    on: order",
		}},
		"a header key": {
			edits: []string{"time_zone: Asia/Shanghai", "time_zone: Asia/Tokyo\nrounding: half_up"},
			want:  "changed: time_zone was Asia/Shanghai, becomes Asia/Tokyo\nnew: rounding: half_up",
		},
		"within a mapping": {
			edits: []string{"by: 20%", "by: 30%"},
			want:  "changed: rule gold (gold earns more): boost.by was 20%, becomes 30%",
		},
		"a key left out": {
			edits: []string{", limit: {times: 1, per: day}", ""},
			want:  "removed: rule visit: limit: it was {times: 1, per: day} (what was granted so far in the period counts)",
		},
		"a rule more and a rule less": {
			edits: []string{
				`  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}`,
				`  - {id: welcome, title: a first order, on: order, when: order.number == 1, earn: {points: 50}}`,
			},
			want: "removed: rule visit: it was on check_in, earn {points: 5}, limit {times: 1, per: day}\n" +
				"new: rule welcome (a first order): on order, when order.number == 1, earn {points: 50}",
		},
		"levels": {
			edits: []string{"    - {id: gold, at: 1000}", "    - {id: silver, at: 500}\n    - {id: gold, at: 1200}"},
			want: "new: level silver: at 500\n" +
				"changed: level gold: at was 1000, becomes 1200 (nobody falls before the end of the validity, and who reaches it rises at the next event)",
		},
		"a level has another name": {
			edits: []string{"    - {id: gold, at: 1000}", "    - {id: golden, at: 1000}\n  becomes: {gold: golden}"},
			want: "removed: level gold: it was at 1000 (its members have golden then, as long as they would have had it)\n" +
				"new: level golden: at 1000\n" +
				"new: tiers.becomes: {gold: golden}",
		},
		"another order": {
			edits: []string{
				"rules:\n", "rules:\n  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}\n",
				"\"gold\", boost: {of: [spend], by: 20%}}\n  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}\n",
				"\"gold\", boost: {of: [spend], by: 20%}}\n",
			},
			want: "changed: the order of rules was spend, gold, visit, becomes visit, spend, gold",
		},
		"limits": {
			edits: []string{"[{points: 20000, per: month}]", "[{points: 20000, per: month}, {times: 3, per: day}]"},
			want:  "changed: limits was {points: 20000, per: month}, becomes [{points: 20000, per: month}, {times: 3, per: day}]",
		},
	} {
		after := edited(t, before, c.edits...)
		var lines []string
		for _, change := range programme.Compare(files(before), files(after)) {
			lines = append(lines, change.String())
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, c.want)
		}
	}
}

// Rules spread over several files are the same rules.
func TestCompareFolders(t *testing.T) {
	head, rest, _ := strings.Cut(before, "  - {id: gold, title")
	folder := map[string][]byte{"a.yaml": []byte(head), "b.yaml": []byte("rules:\n  - {id: gold, title" + rest)}
	if changes := programme.Compare(files(before), folder); len(changes) > 0 {
		t.Errorf("one file against two: %v", changes)
	}
}

func files(text string) map[string][]byte { return map[string][]byte{"shop.yaml": []byte(text)} }

func edited(t *testing.T, text string, edits ...string) string {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the programme does not say %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}

func version(t *testing.T, text, from string) programme.Version {
	t.Helper()
	p, problems := programme.Parse(files(text))
	if p == nil {
		t.Fatalf("%s\n%s", problems, text)
	}
	if from == "" {
		return programme.Version{Programme: p}
	}
	at, err := time.Parse(time.DateOnly, from)
	if err != nil {
		t.Fatal(err)
	}
	return programme.Version{From: at, Programme: p}
}

// What the store cannot take is refused, whichever version it contradicts, with what to do instead.
func TestRefusals(t *testing.T) {
	silver := edited(t, before, "    - {id: gold, at: 1000}", "    - {id: silver, at: 500}\n    - {id: gold, at: 1000}")
	running := programme.Versions{version(t, before, "")}
	for name, c := range map[string]struct {
		versions programme.Versions
		next     programme.Version
		want     string // of the only reason; empty: there is none
	}{
		"as it was":         {running, version(t, before, "2026-07-01"), ""},
		"another programme": {running, version(t, edited(t, before, "programme: shop", "programme: mall"), "2026-07-01"), "it is programme mall, this app runs shop"},
		"another currency":  {running, version(t, edited(t, before, "currency: CNY", "currency: EUR"), "2026-07-01"), "its currency is EUR"},
		"finer amounts": {
			running, version(t, edited(t, before, "currency: CNY", "currency: CNY\ncurrencies: {USD: \"7.123\"}"), "2026-07-01"),
			"amounts are counted with 5 decimals, what is stored is counted with 2",
		},
		"coarser rates": {running, version(t, edited(t, before, "currency: CNY", "currency: CNY\ncurrencies: {USD: \"7\"}"), "2026-07-01"), ""},
		"a level less": {
			append(running, version(t, silver, "2026-07-01")), version(t, before, "2026-08-01"),
			"has no level silver, which members may hold from shop@",
		},
		"a level more, but not in the version after": {
			append(running, version(t, before, "2026-08-01")), version(t, silver, "2026-07-01"), "has no level silver",
		},
		"in place of the version that had the level": {
			append(running, version(t, silver, "2026-07-01")), version(t, before, "2026-07-01"), "",
		},
		"no tiers": {running, version(t, before[:strings.Index(before, "tiers:")]+
			"rules: [{id: spend, on: order, earn: {points: 1, per: 1.00}}]", "2026-07-01"), "keep one level"},
		"a longer span": {running, version(t, edited(t, before, "over: 12 months", "over: 24 months"), "2026-07-01"), ""},
	} {
		why := c.versions.Refusals(c.next)
		if c.want == "" && len(why) > 0 || c.want != "" && (len(why) != 1 || !strings.Contains(why[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, why, c.want)
		}
	}
}

// A version comes to stand at its time, in the place of one that has the same.
func TestVersionsWith(t *testing.T) {
	v := programme.Versions{version(t, before, ""), version(t, before, "2026-07-01")}
	june, july := version(t, before, "2026-06-01"), version(t, edited(t, before, "20%", "30%"), "2026-07-01")
	got := v.With(june).With(july)
	if len(got) != 3 || got[1] != june || got[2] != july || len(v) != 2 {
		t.Errorf("%v", got)
	}
}
