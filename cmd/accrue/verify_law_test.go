package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/cmd/accrue/audit"
	"accrue/processor"
	"accrue/rules"
	"accrue/rules/programme"
	"accrue/schemas"
)

// What simulate writes for a random programme and history is proved whole; and none of it can be lost, doubled or changed without a
// difference that is told. (But an entry of 0, which tells of another reason only: nobody has more or less without it.)
func TestVerifyFindsWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		h := &shopHistory{Folder: folder}
		h.draw(t)
		text := drawShop(t, h.redemptions)
		file := h.write(t, "a.yaml", text)
		out := h.run(t, "simulate", "--programme", file, "--in", filepath.Join(h.Folder, "events.jsonl"))
		p, problems := programme.Parse(map[string][]byte{"a.yaml": []byte(text)})
		if problems.Failed() {
			t.Fatal(problems)
		}
		versions := programme.Versions{{Programme: p}}
		records := strings.Split(strings.TrimSpace(out), "\n")
		if r := auditLines(t, h, versions, records); !r.Passed() || len(r.NotProved) > 0 {
			t.Fatalf("it is not proved: %v\n%s", told(r), out)
		}
		what, spoilt := spoil(t, records)
		if r := auditLines(t, h, versions, spoilt); what != "" && r.Passed() && len(r.NotProved) == 0 {
			t.Fatalf("%s, and nothing is told of it:\n%s", what, strings.Join(spoilt, "\n"))
		}
	})
}

// told are the differences of a report.
func told(r *audit.Report) []string {
	var all []string
	for _, check := range r.Checks {
		all = append(all, check.Differences...)
	}
	return append(all, r.NotProved...)
}

// spoil does one wrong thing to the records; empty: there is none that it could be done to.
func spoil(t *rapid.T, records []string) (what string, spoilt []string) {
	var at []int
	for i, record := range records {
		entry := strings.HasPrefix(record, `{"topic":"`+schemas.TopicPointGrants+`"`)
		if entry && !strings.Contains(record, `"available_delta":0,"pending_delta":0,"tier_delta":0`) || strings.HasPrefix(record, `{"topic":"`+schemas.TopicDecisions+`"`) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return "", records
	}
	i := rapid.SampledFrom(at).Draw(t, "which")
	switch rapid.SampledFrom([]string{"lost", "doubled", "changed"}).Draw(t, "wrong") {
	case "lost":
		return "record " + records[i] + " is lost", slices.Delete(slices.Clone(records), i, i+1)
	case "doubled":
		return "record " + records[i] + " is there twice", slices.Insert(slices.Clone(records), i, records[i])
	default:
		changed := slices.Clone(records)
		// A point more: "available_delta":12 becomes 112, -5 becomes -15, 0 becomes 10.
		before, after, entry := strings.Cut(records[i], `"available_delta":`)
		if !entry {
			return "", records
		}
		sign := ""
		if strings.HasPrefix(after, "-") {
			sign, after = "-", after[1:]
		}
		if strings.HasPrefix(after, "0") {
			after = "10" + after[1:]
		} else {
			after = "1" + after
		}
		changed[i] = before + `"available_delta":` + sign + after
		return "record " + records[i] + " is changed", changed
	}
}

// auditLines audits JSON lines as if each topic were one partition.
func auditLines(t *rapid.T, h *shopHistory, versions programme.Versions, records []string) *audit.Report {
	whole := map[string]bool{}
	for _, kind := range schemas.Kinds() {
		whole[kind.Topic()] = true
	}
	asOf, err := time.Parse(time.RFC3339, h.asOf)
	if err != nil {
		t.Fatal(err)
	}
	v := &verifying{auditor: audit.New(versions, whole, 5), asOf: asOf}
	for i, line := range h.lines {
		in := lineInput([]byte(line), int64(i), nil)
		made := audit.Input{Place: audit.Place{Topic: in.source.Topic, Offset: int64(i)}, Record: in}
		if in.bad == "" {
			event, err := rules.NewEvent(in.message.Value, in.source, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			made.Member, made.EventID = event.Member(), event.EventID()
			made.Erases = event.Command != nil && event.Command.Kind == "ERASE"
		}
		v.auditor.Input(made)
		if in.bad != "" {
			v.auditor.DeadLetter(audit.Place{Topic: schemas.TopicDeadLetters, Offset: int64(i)}, made.Place)
		}
	}
	for i, line := range records {
		if strings.HasPrefix(line, `{"topic":"`+schemas.TopicDeadLetters+`"`) {
			continue
		}
		m, err := schemas.ParseLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		v.take(audit.Place{Topic: m.Topic, Offset: int64(i)}, m.Value)
	}
	ledger, err := rules.NewLedger(versions, rules.Secret([]byte("s")))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.again(t.Context(), &replay{shard: processor.NewMemoryShard(ledger)}, &progress{}); err != nil {
		t.Fatal(err)
	}
	return v.auditor.Finish("")
}
