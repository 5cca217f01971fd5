package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accrue/schemas"
)

// TestShopYear applies a programme that uses most of the language to real orders and refunds, and compares every member's
// balance, pending points, tier and points by rule with what an independent program worked out from the specification. The
// order of arrival must not matter (refunds before their orders, months out of order), nor may sending every line twice.
func TestShopYear(t *testing.T) {
	events := shopEvents(t)
	shuffled := slices.Clone(events)
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var twice []string
	for _, line := range events {
		twice = append(twice, line, line)
	}
	for _, tc := range []struct {
		name, days string
		events     []string
	}{
		{"in order", "400", events},
		{"shuffled", "400", shuffled},
		{"every line twice", "400", twice},
		{"in order, short window", "90", events},
		{"every line twice, short window", "90", twice},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folder := filepath.Join("testdata", "online-retail")
			out := simulateLines(t, filepath.Join(folder, "programme-"+tc.days+"-days.yaml"), tc.events)
			want, err := os.ReadFile(filepath.Join(folder, "expected-"+tc.days+"-days.csv"))
			if err != nil {
				t.Fatal(err)
			}
			got := standings(t, out, string(want))
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("members differ from what was worked out independently (-want +got):\n%s", diff)
			}
			if again := simulateLines(t, filepath.Join(folder, "programme-"+tc.days+"-days.yaml"), tc.events); again != out {
				t.Error("a second run on the same input wrote other bytes")
			}
			decisions := strings.Count(out, `{"topic":"`+schemas.TopicDecisions+`"`)
			if decisions != len(tc.events) {
				t.Errorf("%d events have %d decisions", len(tc.events), decisions)
			}
		})
	}
}

func shopEvents(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "online-retail", "events.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func simulateLines(t *testing.T, programme string, events []string) string {
	t.Helper()
	var out, errs bytes.Buffer
	args := []string{"simulate", "--programme", programme, "--as-of", "2012-06-01T00:00:00Z"}
	if code := run(t.Context(), args, strings.NewReader(strings.Join(events, "\n")+"\n"), &out, &errs); code != exitDone {
		t.Fatalf("simulate ended with %d: %s", code, errs.String())
	}
	return out.String()
}

// standings adds up the entries as a wallet does, and writes them in the form of the expectation, for its members. It also
// sees to it that no entry comes twice and that no grant goes below nothing.
func standings(t *testing.T, out, want string) string {
	t.Helper()
	type member struct {
		balance, pending int64
		tier             string
		rules            map[string]int64
	}
	members := make(map[string]*member)
	entries, grants := make(map[string]bool), make(map[string]int64)
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var record struct {
			Topic string `json:"topic"`
			Key   string `json:"key"`
			Value struct {
				EntryID   string `json:"entry_id"`
				GrantID   string `json:"grant_id"`
				RuleID    string `json:"rule_id"`
				Available int64  `json:"available_delta"`
				Pending   int64  `json:"pending_delta"`
				Tier      int64  `json:"tier_delta"`
				To        string `json:"to"`
			} `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		m := members[record.Key]
		if m == nil {
			m = &member{tier: "member", rules: make(map[string]int64)}
			members[record.Key] = m
		}
		v := &record.Value
		switch record.Topic {
		case schemas.TopicPointGrants:
			if entries[v.EntryID] {
				t.Errorf("entry %s was written twice", v.EntryID)
			}
			entries[v.EntryID] = true
			m.balance += v.Available
			m.pending += v.Pending
			m.rules[v.RuleID] += v.Available + v.Pending
			if v.Available == 0 && v.Pending == 0 { // of a rule that counts for the tier alone
				m.rules[v.RuleID] += v.Tier
			}
			if grants[v.GrantID] += v.Available + v.Pending; grants[v.GrantID] < 0 {
				t.Errorf("grant %s goes below nothing", v.GrantID)
			}
		case schemas.TopicTierChanges:
			m.tier = v.To
		}
	}
	var b strings.Builder
	b.WriteString("member,balance,pending,tier,points by rule\n")
	for _, line := range strings.Split(strings.TrimSpace(want), "\n")[1:] {
		id, _, _ := strings.Cut(line, ",")
		m := members[id]
		if m == nil {
			m = &member{tier: "member"}
		}
		var byRule []string
		for _, rule := range slices.Sorted(maps.Keys(m.rules)) {
			if m.rules[rule] != 0 {
				byRule = append(byRule, fmt.Sprintf("%s=%d", rule, m.rules[rule]))
			}
		}
		fmt.Fprintf(&b, "%s,%d,%d,%s,%s\n", id, m.balance, m.pending, m.tier, strings.Join(byRule, " "))
	}
	return b.String()
}
