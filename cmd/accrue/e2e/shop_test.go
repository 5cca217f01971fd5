package e2e_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const retail = "../testdata/online-retail"

// shopEvents returns a real shop's orders and refunds as JSON lines, in the order of time, as often as wanted: each copy has
// members of its own.
func shopEvents(t *testing.T, copies int) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(retail, "events.jsonl.gz"))
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
	member := regexp.MustCompile(`"member_id":"(\d+)"`)
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		for n := range copies {
			lines = append(lines, member.ReplaceAllString(strings.TrimSpace(line), fmt.Sprintf(`"member_id":"$1-%d"`, n)))
		}
	}
	return lines
}

// checkIns returns some check-ins of the members of those events.
func checkIns(events []string, every int) []string {
	member := regexp.MustCompile(`"member_id":"([^"]+)"`)
	begin := time.Date(2011, 6, 1, 9, 30, 0, 0, time.UTC)
	var lines []string
	for i := 0; i < len(events); i += every {
		lines = append(lines, fmt.Sprintf(`{"topic":"engagement.check-ins","value":{"event_id":"in-%d","member_id":%q,"occurred_at":%q}}`,
			i, member.FindStringSubmatch(events[i])[1], begin.Add(time.Duration(i)*time.Minute).Format(time.RFC3339)))
	}
	return lines
}

// programme returns the shop's programme in which nothing is ever late, with check-ins, and with changes: pairs of old and new
// text.
func programme(t *testing.T, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(retail, "programme-400-days.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := string(text) + "  - {id: visit, on: check_in, earn: {points: 5}, limit: {times: 1, per: day}}\n"
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(p, changes[i]) != 1 {
			t.Fatalf("the programme does not say %q once", changes[i])
		}
		p = strings.Replace(p, changes[i], changes[i+1], 1)
	}
	return p
}

// disorder returns the lines in another order, many of them twice, as producers send that retry and have queues of their own.
func disorder(lines []string, random *rand.Rand) []string {
	const window = 400
	var out []string
	for begin := 0; begin < len(lines); begin += window {
		part := append([]string{}, lines[begin:min(begin+window, len(lines))]...)
		for range len(part) / 5 {
			part = append(part, lines[random.IntN(min(begin+window, len(lines)))])
		}
		random.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		out = append(out, part...)
	}
	return out
}
