package state_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

// textRow renders a row as {"kind": key, "text": value}, and parseTextRow reads it.
func textRow(key, value []byte) (json.RawMessage, error) {
	return json.Marshal(map[string]string{"kind": string(key), "text": string(value)})
}

func parseTextRow(raw json.RawMessage) (key, value []byte, err error) {
	var row struct{ Kind, Text string }
	err = json.Unmarshal(raw, &row)
	return []byte(row.Kind), []byte(row.Text), err
}

func fillForDump(t *testing.T, s *state.Store) {
	t.Helper()
	applyOne(t, s.Shard(0), 17, "bob & co", "h", "due=1790000000500 head")
	applyOne(t, s.Shard(0), 18, "ada", "h", "1")
	applyOne(t, s.Shard(0), 19, "ada", "f1", "2")
	o := state.NewOverlay()
	o.Put("\xfe\x00", []byte("h"), []byte("3"))
	o.Put(state.KeyName("device:d"), []byte("t"), []byte("4"))
	must(t, s.Shard(2).Apply(o, position(5)))
}

const dumped = `{"format":1,"app":"city-mart"}
{"shard":0,"position":{"cluster":"kafka-1","topic":"topic-1","offset":19,"applied_at":"2026-09-21T14:13:20Z"}}
{"shard":0,"member":"ada","row":{"kind":"f1","text":"2"}}
{"shard":0,"member":"ada","row":{"kind":"h","text":"1"}}
{"shard":0,"member":"bob & co","row":{"kind":"h","text":"due=1790000000500 head"}}
{"shard":2,"position":{"cluster":"kafka-1","topic":"topic-1","offset":5,"applied_at":"2026-09-21T14:13:20Z"}}
{"shard":2,"member_hex":"fe00","row":{"kind":"h","text":"3"}}
{"shard":2,"key":"device:d","row":{"kind":"t","text":"4"}}
{"rows":5}
`

func dump(t *testing.T, s *state.Store, o state.DumpOptions) string {
	t.Helper()
	var b bytes.Buffer
	must(t, s.Dump(&b, o))
	return b.String()
}

func TestDumpIsForPeople(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	fillForDump(t, s)
	if got := dump(t, s, state.DumpOptions{Positions: true, Row: textRow}); got != dumped {
		t.Errorf("dump is:\n%s\nwant:\n%s", got, dumped)
	}
	want := `{"format":1,"app":"city-mart"}` + "\n" +
		`{"shard":2,"member_hex":"fe00","row":{"key":"68","value":"33"}}` + "\n" +
		`{"shard":2,"key":"device:d","row":{"key":"74","value":"34"}}` + "\n" + `{"rows":2}` + "\n"
	if got := dump(t, s, state.DumpOptions{Shards: []int32{2, 5}}); got != want {
		t.Errorf("dump of one shard is:\n%s\nwant:\n%s", got, want)
	}
	broken := errors.New("no such row")
	err := s.Dump(&bytes.Buffer{}, state.DumpOptions{Row: func(_, _ []byte) (json.RawMessage, error) { return nil, broken }})
	mustBe(t, err, broken)
}

// A loaded store is the dumped one, due rows included; what its shards held before is gone.
func TestLoadIsTheInverseOfDump(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	fillForDump(t, s)
	other := openForTest(t, vfs.NewMem())
	applyOne(t, other.Shard(0), 99, "old", "h", "x")
	must(t, other.Load(strings.NewReader(dumped), parseTextRow))
	if got := dump(t, other, state.DumpOptions{Positions: true, Row: textRow}); got != dumped {
		t.Errorf("after load the dump is:\n%s", got)
	}
	due, err := other.Shard(0).Due(start().AddDate(1, 0, 0), 10)
	must(t, err)
	if len(due) != 1 || due[0].Member != "bob & co" || due[0].At.UnixMilli() != 1790000000500 {
		t.Errorf("due are %v", due)
	}
	third := openForTest(t, vfs.NewMem())
	must(t, third.Load(strings.NewReader(dump(t, s, state.DumpOptions{Positions: true})), nil))
	if got := dump(t, third, state.DumpOptions{Positions: true, Row: textRow}); got != dumped {
		t.Errorf("after load from hex the dump is:\n%s", got)
	}
}

// Many rows come in several batches; until the last the shard counts as empty of its changelog.
func TestLoadInBatches(t *testing.T) {
	s := openForTest(t, vfs.NewMem())
	o := state.NewOverlay()
	for i := range 2500 {
		o.Put(fmt.Sprint("m", i), []byte("h"), []byte{})
	}
	must(t, s.Shard(0).Apply(o, position(2500)))
	text := dump(t, s, state.DumpOptions{Positions: true})
	other := openForTest(t, vfs.NewMem())
	must(t, other.Load(strings.NewReader(text), nil))
	mustEqual(t, mustRead(t, other, 1), mustRead(t, s, 1))

	cut := text[:strings.LastIndex(text[:len(text)-20], "\n")+1]
	third := openForTest(t, vfs.NewMem())
	if err := third.Load(strings.NewReader(cut), nil); err == nil || !strings.Contains(err.Error(), "ends after line") {
		t.Fatalf("load of a cut dump: %v", err)
	}
	p, found, err := third.Shard(0).Position()
	must(t, err)
	if !found || p.Offset != 0 {
		t.Errorf("after a failed load the position is %+v", p)
	}
}

func TestLoadRefuses(t *testing.T) {
	const header = `{"format":1,"app":"city-mart"}` + "\n"
	for text, want := range map[string]string{
		"":                             "ends after line 0",
		"hello\n":                      "line 1",
		`{"shard":0}` + "\n":           "format 0",
		`{"format":1,"app":"metro"}`:   `"metro"`,
		header + `{"rows":1}`:          "0 rows were read, it says 1",
		header + `{"member":"x"}`:      "neither a row nor a position",
		header + `{"shard":0}`:         "no row",
		header + "{\"rows\":0}\n{}":    "more after the last line",
		header + `{"shard":0,"row":1}`: "no position before its rows",
		header + `{"shard":0,"member_hex":"x","row":1}`: "member_hex",
		header + `{"shard":0,"position":{"cluster":"c","topic":"t","offset":1}}` + "\n" +
			`{"shard":0,"member":"a","row":{"key":"x"}}`: "key:",
	} {
		s := openForTest(t, vfs.NewMem())
		if err := s.Load(strings.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("load of %q: error is %v, want %q", text, err, want)
		}
	}
}
