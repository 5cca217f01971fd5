package processor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"accrue/rules/programme"
)

// A control topic is written by hand, and folded.
type controlTopic struct {
	t    *testing.T
	c    Control
	at   time.Time
	next int64
}

func newControlTopic(t *testing.T) *controlTopic {
	t.Helper()
	k := &controlTopic{t: t, at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	value, err := encodeApp(AppRecord{ID: testApp, Shards: testShards, Formats: ourFormats()})
	if err != nil {
		t.Fatal(err)
	}
	k.take(value)
	return k
}

// take appends a record a minute after the one before, and returns why it is ignored.
func (k *controlTopic) take(value []byte) string {
	k.t.Helper()
	before := k.c.Ignored
	k.c.Take(Record{Offset: k.next, Timestamp: k.at, Value: value})
	k.next, k.at = k.next+1, k.at.Add(time.Minute)
	if k.c.Ignored == before {
		return ""
	}
	return k.c.Published[len(k.c.Published)-1].Ignored
}

// version appends a version; no time: the first.
func (k *controlTopic) version(text string, effective time.Time) string {
	k.t.Helper()
	p, problems := programme.Parse(map[string][]byte{"test.yaml": []byte(text)})
	if p == nil {
		k.t.Fatal(problems)
	}
	value, err := encodeProgramme(p.Version, map[string][]byte{"test.yaml": []byte(text)}, effective, "ning", "", 1)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.take(value)
}

func (k *controlTopic) inForce(at time.Time) string {
	p := k.c.Versions().At(at)
	for _, v := range k.c.Published {
		if v.Programme == p {
			return string(v.Files["test.yaml"])
		}
	}
	return ""
}

// Versions count in the order of their times, whatever the order in which they were published.
func TestControlVersions(t *testing.T) {
	k := newControlTopic(t)
	june, july := k.at.Add(20*24*time.Hour), k.at.Add(40*24*time.Hour)
	second, third := strings.Replace(testProgramme, "points: 5", "points: 6", 1), strings.Replace(testProgramme, "points: 5", "points: 7", 1)
	for i, why := range []string{
		k.version(testProgramme, time.Time{}), k.version(testProgramme, time.Time{}), // two instances start
		k.version(third, july), k.version(second, june),
	} {
		if why != "" {
			t.Errorf("version %d is ignored: %s", i, why)
		}
	}
	if n := len(k.c.Versions()); n != 3 {
		t.Fatalf("%d versions, want 3", n)
	}
	for at, want := range map[time.Time]string{
		{}: testProgramme, june.Add(-time.Millisecond): testProgramme, june: second, july.Add(-time.Millisecond): second, july: third,
	} {
		if k.inForce(at) != want {
			t.Errorf("at %s another version is in force than the one that should be", at)
		}
	}
	// The way back, before it has come: with the same time, the one published later stands.
	if why := k.version(testProgramme, july); why != "" || k.inForce(july) != testProgramme || len(k.c.Versions()) != 3 {
		t.Errorf("taken back: %q", why)
	}
}

// What is broken, or cannot follow, never replaces what is good. Each is ignored for a reason that is told.
func TestControlIgnores(t *testing.T) {
	k := newControlTopic(t)
	effective := k.at.Add(24 * time.Hour)
	if why := k.version(testProgramme, effective); !strings.Contains(why, "has to be in force from the beginning") {
		t.Errorf("a first version with a time: %q", why)
	}
	if why := k.version(testProgramme, time.Time{}); why != "" {
		t.Fatal(why)
	}
	ledger := k.c.ledger
	raw := func(edit func(r *controlRecord)) []byte {
		text := strings.Replace(testProgramme, "points: 5", "points: 6", 1)
		p, _ := programme.Parse(map[string][]byte{"test.yaml": []byte(text)})
		r := controlRecord{Format: 1, Programme: &programmeRecord{
			Version: p.Version, Grammar: 1, Effective: &effective, By: "ning", Files: []programmeFile{{"test.yaml", []byte(text)}},
		}}
		edit(&r)
		value, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	soon := k.at
	for name, c := range map[string]struct {
		value []byte
		want  string
	}{
		"rubbish":               {[]byte("rubbish"), "it is no JSON record"},
		"a tombstone":           {nil, "it is no JSON record"},
		"more than a record":    {append(raw(func(*controlRecord) {}), "{}"...), "something follows its JSON"},
		"a format of tomorrow":  {raw(func(r *controlRecord) { r.Format = 2 }), "it has format 2, this app has formats up to 1"},
		"a grammar of tomorrow": {raw(func(r *controlRecord) { r.Programme.Grammar = 2 }), "it is of grammar 2"},
		"nothing":               {raw(func(r *controlRecord) { r.Programme = nil }), "neither an app nor a programme"},
		"not valid":             {raw(func(r *controlRecord) { r.Programme.Files[0].Content = []byte("programme: [") }), "it is not a valid programme: test.yaml:1:"},
		"no file":               {raw(func(r *controlRecord) { r.Programme.Files = nil }), "it is not a valid programme: there is no programme file"},
		"another digest":        {raw(func(r *controlRecord) { r.Programme.Version = "test@00000000" }), "it says that it is test@00000000"},
		"too soon":              {raw(func(r *controlRecord) { r.Programme.Effective = &soon }), "10m0s ahead are needed"},
		"a second first":        {raw(func(r *controlRecord) { r.Programme.Effective = nil }), "a later version needs a time"},
		"too large":             {raw(func(r *controlRecord) { r.Programme.Files[0].Content = make([]byte, maxProgrammeBytes+1) }), "more than 8388608"},
		"of another app":        {raw(func(r *controlRecord) { r.Programme, r.App = nil, &AppRecord{ID: "mall", Shards: 4} }), "this is app test with 4"},
		"of fewer shards":       {raw(func(r *controlRecord) { r.Programme, r.App = nil, &AppRecord{ID: testApp, Shards: 3} }), "of app test with 3 shards, this is app test with 4, and there are never fewer"},
		"older formats":         {raw(func(r *controlRecord) { r.Programme, r.App = nil, &AppRecord{ID: testApp, Shards: 4} }), "it goes back from formats"},
		"of another programme": {raw(func(r *controlRecord) {
			text := strings.Replace(testProgramme, "programme: test", "programme: mall", 1)
			p, _ := programme.Parse(map[string][]byte{"test.yaml": []byte(text)})
			r.Programme.Version, r.Programme.Files[0].Content = p.Version, []byte(text)
		}), "it is programme mall, this app runs test"},
	} {
		if why := k.take(c.value); !strings.Contains(why, c.want) {
			t.Errorf("%s: ignored for %q, want %q", name, why, c.want)
		}
	}
	if k.c.ledger != ledger || len(k.c.Versions()) != 1 {
		t.Errorf("one of them counts: %d versions", len(k.c.Versions()))
	}
	for range 2 * maxIgnored {
		k.take([]byte("rubbish"))
	}
	if n := len(k.c.Published); n != 1+maxIgnored || k.c.Ignored != 17+2*maxIgnored {
		t.Errorf("%d records are remembered of %d that are ignored", n, k.c.Ignored)
	}
	if why := k.take(raw(func(r *controlRecord) { later := k.at.Add(time.Hour); r.Programme.Effective = &later })); why != "" || len(k.c.Versions()) != 2 {
		t.Errorf("a good one after them: %q", why)
	}
}

// A programme that does not fit is refused before it is sent.
func TestControlProgrammeTooLarge(t *testing.T) {
	_, err := encodeProgramme("test@1", map[string][]byte{"a": make([]byte, maxProgrammeBytes), "b": {1}}, time.Time{}, "", "", 1)
	if want := fmt.Sprintf("the programme has %d bytes, and at most %d fit", maxProgrammeBytes+1, maxProgrammeBytes); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	value, err := encodeProgramme("test@1", map[string][]byte{"a": make([]byte, maxProgrammeBytes)}, time.Time{}, "", "", 1)
	if err != nil || len(value) > MaxRecordBytes*3/4 {
		t.Errorf("%v, %d bytes", err, len(value))
	}
}
