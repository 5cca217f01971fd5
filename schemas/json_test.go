package schemas

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Law: a line that was written reads back as the same record, and is JSON for everybody else.
func TestLineRoundTrip(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			want := Message{Topic: kind.Topic(), Key: drawText(t), Kind: kind, Value: drawRecord(t, kind)}
			want.HasKey = want.Key != ""
			line, err := AppendLine([]byte("before"), want.Topic, want.Key, want.Value)
			if err != nil {
				t.Fatal(err)
			}
			line, _ = bytes.CutPrefix(line, []byte("before"))
			if !jsontext.Value(line).IsValid() || bytes.ContainsAny(line, "\n\r") {
				t.Fatalf("no line of JSON: %s", line)
			}
			got, err := ParseLine(append(line, " \r\n"...))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			value, err := AppendValue(nil, want.Value)
			if err != nil || !bytes.HasSuffix(line, append(value, '}')) {
				t.Fatalf("AppendValue: %s, %v", value, err)
			}
		}))
	}
}

// goldenRecords are one short and one full record of kinds with every type of field.
func goldenRecords() []Message {
	at := time.Date(2026, 6, 18, 8, 30, 0, 0, time.UTC)
	return []Message{
		{Topic: TopicOrders, Key: "m1", Value: &Order{EventID: "e1", OrderID: "o1", MemberID: "m1", Status: Paid, OccurredAt: at, Currency: "CNY"}},
		{Topic: TopicOrders, Value: &Order{
			EventID: "e2", OrderID: "o1", MemberID: "m1", Status: Refunded, OccurredAt: at.Add(7 * time.Millisecond), Currency: "CNY",
			Channel: "web", Store: "s\"1\"", Coupons: []string{"c1", "c2"}, PaymentHash: "h", DeviceID: "d", IP: "10.0.0.1",
			Lines:         []Line{{LineID: "1"}, {LineID: "2", SKU: "s", Category: "food/tea", Brand: "b", Quantity: 2, Amount: -150, Tags: []string{"new"}}},
			RefundedLines: []RefundedLine{{LineID: "1", Quantity: 0, Amount: 100}}, Attributes: map[string]string{"b": "2", "a": "1\n"},
		}},
		{Topic: TopicCheckIns, Key: "m1", Value: &CheckIn{EventID: "e", MemberID: "m1", OccurredAt: at, Activity: "check-in"}},
		{Topic: TopicReferrals, Key: "m2", Value: &Referral{EventID: "e", ReferrerID: "m1", RefereeID: "m2", OccurredAt: at}},
		{Topic: TopicProfiles, Key: "m1", Value: &Member{EventID: "e", MemberID: "m1", OccurredAt: at, JoinedAt: at, Birthday: "1990-12-31", TimeZone: "Asia/Shanghai", Segments: []string{"vip"}}},
		{Topic: TopicProfiles, Key: "m1"},
		{Topic: TopicCommands, Key: "m1", Value: &Command{EventID: "e", MemberID: "m1", OccurredAt: at, Operator: "op", Kind: "GRANT", Points: 5}},
		{Topic: TopicRedemptions, Key: "m1", Value: &Redemption{EventID: "e", MemberID: "m1", OccurredAt: at, Kind: "SPENT", Points: 5}},
		{Topic: TopicPointGrants, Key: "m1", Value: &PointGrant{
			EntryID: "g1.1", GrantID: "g1", MemberID: "m1", Entry: EntryGranted, AvailableDelta: 37, TierDelta: 37, AvailableAt: at,
			RuleID: "spend", RuleTitle: "每消费 1 元积 1 分", ProgrammeVersion: "v1",
			Source: Source{Topic: TopicOrders, Partition: 3, Offset: 12, EventID: "e1", OrderID: "o1"}, Cause: "e1",
			OccurredAt: at, DecidedAt: at, Reason: "37 whole steps of 1.00",
		}},
		{Topic: TopicTierChanges, Key: "m1", Value: &TierChange{MemberID: "m1", From: "member", To: "gold", Direction: DirectionUp, Metric: "points", MetricValue: "1000", EffectiveAt: at, DecidedAt: at}},
		{Topic: TopicDecisions, Key: "m1", Value: &Decision{
			EventID: "e1", MemberID: "m1", Source: Source{Topic: TopicOrders}, Outcome: OutcomeGranted, Reason: "granted", AvailablePoints: 37,
			Verdicts:   []Verdict{{RuleID: "spend", Verdict: VerdictGranted, Points: 37, Reason: "37 steps", Numbers: []Number{{"total", "37.50"}}}},
			OccurredAt: at, DecidedAt: at,
		}},
		{Topic: TopicFraudAlerts, Key: "m1", Value: &FraudAlert{ThresholdID: "burst", MemberID: "m1", Measure: "count", MeasuredValue: "21", Limit: "20", Window: "1h", Action: "hold", Evidence: []Number{{"orders", "21"}}, EventID: "e", OccurredAt: at, DecidedAt: at}},
		{Topic: TopicNotices, Key: "m1", Value: &Notice{NoticeID: "n", MemberID: "m1", Kind: "TIER_FALLS", DueAt: at, Tier: "gold", Missing: "120", OccurredAt: at, DecidedAt: at}},
	}
}

// The exact form of every record is what people's scripts build on.
func TestLineGoldens(t *testing.T) {
	var got []byte
	for _, m := range goldenRecords() {
		line, err := AppendLine(nil, m.Topic, m.Key, m.Value)
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, line...), '\n')
	}
	file := filepath.Join("testdata", "lines.jsonl")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// checkInLine wraps the fields of a check-in's value into a line.
func checkInLine(fields string) string {
	return `{"topic":"engagement.check-ins","value":{"event_id":"e","member_id":"m","occurred_at":"2026-06-18T08:30:00Z"` + fields + `}}`
}

// orderLine wraps fields of an order's value into a line.
func orderLine(fields string) string {
	return `{"topic":"commerce.orders","value":{"event_id":"e","order_id":"o","member_id":"m","status":"PAID","occurred_at":"2026-06-18T08:30:00Z","currency":"CNY"` + fields + `}}`
}

// What is accepted in more than one form.
func TestLineForms(t *testing.T) {
	at := time.Date(2026, 6, 18, 8, 30, 0, 0, time.UTC)
	checkIn := func(change func(*CheckIn)) Message {
		v := &CheckIn{EventID: "e", MemberID: "m", OccurredAt: at, Activity: "check-in"}
		change(v)
		return Message{Topic: TopicCheckIns, Kind: KindCheckIn, Value: v}
	}
	order := func(change func(*Order)) Message {
		v := &Order{EventID: "e", OrderID: "o", MemberID: "m", Status: Paid, OccurredAt: at, Currency: "CNY"}
		change(v)
		return Message{Topic: TopicOrders, Kind: KindOrder, Value: v}
	}
	keyed := checkIn(func(*CheckIn) {})
	keyed.Key, keyed.HasKey = "k", true
	tests := []struct {
		name, line string
		want       Message
	}{
		{"defaults", checkInLine(``), checkIn(func(*CheckIn) {})},
		{"value before topic, white space, a key", `
		  { "value" : {"occurred_at":"2026-06-18T08:30:00Z", "member_id":"m","event_id":"e" } , "key":"k",	"topic": "engagement.check-ins" } `, keyed},
		{"null key", strings.Replace(checkInLine(``), "{", `{"key":null,`, 1), checkIn(func(*CheckIn) {})},
		{"null texts", checkInLine(`,"channel":null,"ip":null`), checkIn(func(*CheckIn) {})},
		{"empty lists", orderLine(`,"lines":[],"coupons":[ ],"attributes":{}`), order(func(*Order) {})},
		{
			"offset and microseconds", strings.Replace(checkInLine(``), "08:30:00Z", "16:30:00.123999+08:00", 1),
			checkIn(func(v *CheckIn) { v.OccurredAt = at.Add(123 * time.Millisecond) }),
		},
		{
			"escapes", checkInLine(`,"channel":"\"\\\/\b\f\n\r\t\u6ee1\ud83c\udf81","\u0069p":"x"`),
			checkIn(func(v *CheckIn) { v.Channel, v.IP = "\"\\/\b\f\n\r\t满🎁", "x" }),
		},
		{"other scripts", checkInLine(`,"channel":"满100送50"`), checkIn(func(v *CheckIn) { v.Channel = "满100送50" })},
		{
			"numbers", orderLine(`,"lines":[{"line_id":"1","amount":-9223372036854775808,"quantity":0},{"amount":9223372036854775807,"line_id":"2"},{"line_id":"3","amount":-0}]`),
			order(func(v *Order) {
				v.Lines = []Line{{LineID: "1", Amount: -1 << 63}, {LineID: "2", Quantity: 1, Amount: 1<<63 - 1}, {LineID: "3", Quantity: 1}}
			}),
		},
		{
			"a profile's end", `{"topic":"members.profiles","key":"m","value":null}`,
			Message{Topic: TopicProfiles, Key: "m", HasKey: true, Kind: KindMember},
		},
		{
			"a profile's end, value first", `{"value":null,"topic":"members.profiles","key":"m"}`,
			Message{Topic: TopicProfiles, Key: "m", HasKey: true, Kind: KindMember},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseLine([]byte(test.line))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	renamed := Topics{"shop.orders": KindOrder}
	got, err := renamed.ParseLine([]byte(strings.Replace(orderLine(""), TopicOrders, "shop.orders", 1)))
	if err != nil || got.Topic != "shop.orders" || got.Kind != KindOrder {
		t.Errorf("renamed topic: %v, %v", got, err)
	}
}

// What a person reads who wrote a line by hand: the field, what is wrong, where.
func TestLineErrors(t *testing.T) {
	tests := []struct{ line, want string }{
		{``, `expected an object {"topic": ..., "value": ...}, found the end of the line (at byte 0)`},
		{`[1]`, `expected an object {"topic": ..., "value": ...}, found a list (at byte 0)`},
		{`{}`, `the line has no "topic"; known are commerce.orders, engagement.check-ins`},
		{`{"topic":"commerce.orders"}`, `the line has no "value" (at byte 0)`},
		{`{"topic":"commerce.orders","value":null}`, `value: expected an object (Order), found null (at byte 35)`},
		{`{"topic":"members.profiles","value":null}`, `a null value needs a key, the member whose profile ends (at byte 0)`},
		{`{"topic":"commerce.order","value":{}}`, `topic: "commerce.order" is no topic with JSON lines; known are commerce.orders, engagement.check-ins`},
		{`{"topic":"commerce.orders","vlaue":{}}`, `a line has no field "vlaue"; did you mean value? (at byte 27)`},
		{`{"topic":"commerce.orders","topic":"x"}`, `the field "topic" stands here twice (at byte 27)`},
		{`{"key":5}`, `key: expected a text, found a number (at byte 7)`},
		{checkInLine(`,"chanel":"web"`), `value: CheckIn has no field "chanel"; did you mean channel? (at byte 109)`},
		{checkInLine(`,"deviceId":"d"`), `value: CheckIn has no field "deviceId"; did you mean device_id? (at byte 109)`},
		{checkInLine(`,"colour":"red"`), `value: CheckIn has no field "colour"; it has event_id, member_id, occurred_at, activity, channel`},
		{checkInLine(`,"ip":"a","ip":"b"`), `value.ip: the field stands here twice (at byte 118)`},
		{checkInLine(`,"attributes":{"a":"1","a":"2"}`), `value.attributes: "a" stands here twice (at byte 131)`},
		{checkInLine(`,"attributes":{"a":1}`), `value.attributes.a: expected a text, found a number (at byte 127)`},
		{checkInLine(`,"activity":null`), `value.activity: expected a text, found null (at byte 120)`},
		{checkInLine(`}`), `the line goes on after the object (at byte 110)`},
		{checkInLine(``) + `,`, `the line goes on after the object (at byte 110)`},
		{checkInLine(``) + "\x00", `the line goes on after the object (at byte 110)`},
		{checkInLine(`,`), `value: a comma before "}" (at byte 109)`},
		{checkInLine(``)[:80], `value: a text that is not closed (at byte 80)`},
		{`{"topic":"engagement.check-ins","value":{"event_id":"e","occurred_at":"2026-06-18T08:30:00Z"}}`, `value.member_id: the field is missing (at byte 40)`},
		{strings.Replace(checkInLine(``), "2026-06-18T08:30:00Z", "2026-06-18 08:30", 1), `value.occurred_at: "2026-06-18 08:30" is not a time like 2026-06-18T08:30:00Z (at byte 86)`},
		{strings.Replace(checkInLine(``), "2026-06-18", "2026-06-31", 1), `value.occurred_at: "2026-06-31T08:30:00Z" is not a time like 2026-06-18T08:30:00Z (at byte 86)`},
		{strings.Replace(checkInLine(``), "2026-06-18T08:30:00Z", "9999-12-31T23:30:00-08:00", 1), `value.occurred_at: "9999-12-31T23:30:00-08:00" is not in the years 1 to 9999 (at byte 86)`},
		{strings.Replace(checkInLine(``), `"2026-06-18T08:30:00Z"`, `1750000000000`, 1), `value.occurred_at: expected a time like 2026-06-18T08:30:00Z, found a number (at byte 86)`},
		{orderLine(`,"lines":[{"line_id":"1","amount":1},{"line_id":"2","amount":12.50}]`), `value.lines[1].amount: 12.50 is not a whole number (amounts are in minor units) (at byte 212)`},
		{orderLine(`,"lines":[{"line_id":"1","amount":1e3}]`), `value.lines[0].amount: 1e3 is not a whole number`},
		{orderLine(`,"lines":[{"line_id":"1","amount":"12"}]`), `value.lines[0].amount: expected a whole number, found a text`},
		{orderLine(`,"lines":[{"line_id":"1","amount":01}]`), `value.lines[0].amount: 01 is not a whole number`},
		{orderLine(`,"lines":[{"line_id":"1","amount":-}]`), `value.lines[0].amount: - is not a whole number`},
		{orderLine(`,"lines":[{"line_id":"1","amount":9223372036854775808}]`), `value.lines[0].amount: 9223372036854775808 is beyond the range of 64 bits`},
		{orderLine(`,"lines":[{"line_id":"1","amounnt":1}]`), `value.lines[0]: OrderLine has no field "amounnt"; did you mean amount?`},
		{orderLine(`,"lines":[{"line_id":"1"}]`), `value.lines[0].amount: the field is missing`},
		{orderLine(`,"lines":[1]`), `value.lines[0]: expected an object (OrderLine), found a number`},
		{orderLine(`,"lines":[{"line_id":"1","amount":1}`), `value.lines: expected a comma or "]", found "}"`},
		{orderLine(`,"lines":null`), `value.lines: expected a list of OrderLine, found null`},
		{orderLine(`,"coupons":["a",null]`), `value.coupons[1]: expected a text, found null`},
		{orderLine(`,"coupons":"a"`), `value.coupons: expected a list of texts, found a text`},
		{strings.Replace(orderLine(``), "PAID", "paid", 1), `value.status: "paid" is not known, expected one of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED (at byte 91)`},
		{strings.Replace(orderLine(``), `"PAID"`, `nul`, 1), `value.status: expected one of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED, found null`},
		{checkInLine(`,"ip":"` + "\t" + `"`), `value.ip: control character 0x09 in a text`},
		{checkInLine(`,"ip":"\x"`), `value.ip: an escape that JSON does not have, or half a surrogate pair`},
		{checkInLine(`,"ip":"\ud83c!"`), `value.ip: an escape that JSON does not have, or half a surrogate pair`},
		{checkInLine(`,"ip":"` + "\xff" + `"`), `the line is not valid UTF-8 (at byte 115)`},
		{`{"value":` + strings.Repeat("[", 100_000), `nested more than 32 deep (at byte 42)`},
		{
			`{"topic":"members.profiles","value":{"event_id":"e","member_id":"m","occurred_at":"2026-06-18T08:30:00Z","birthday":"1990-02-30"}}`,
			`value.birthday: "1990-02-30" is not a day like 1990-12-31 (at byte 116)`,
		},
		{`{"topic":"rewards.point-grants","value":{"source":{"partition":2147483648}}}`, `value.source.partition: 2147483648 is beyond the range of 32 bits (at byte 63)`},
	}
	for _, test := range tests {
		m, err := ParseLine([]byte(test.line))
		var bad *LineError
		if !errors.As(err, &bad) || m != (Message{}) {
			t.Errorf("%.200s:\n got %v, %v", test.line, m, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%.200s:\n got %v\nwant %s", test.line, err, test.want)
		}
		if bad.Offset < 0 || bad.Offset > len(test.line) {
			t.Errorf("%.200s: offset %d", test.line, bad.Offset)
		}
	}
}

// What cannot be written as a line says why, and leaves the buffer alone.
func TestAppendLineRefuses(t *testing.T) {
	tests := []struct {
		key   string
		value any
		want  string
	}{
		{"", nil, "writing a line of t: a null value needs a key"},
		{"k", 5, "writing a line of t: int is no record"},
		{"\xff", &Notice{}, `writing a line of t: the text "\xff" is not valid UTF-8`},
		{"k", (*Notice)(nil), "writing a line of t: *schemas.Notice is not a Notice"},
		{"k", &Notice{DueAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "writing a line of t: 10000-01-01 00:00:00 +0000 UTC is not in the years 1 to 9999"},
	}
	for _, test := range tests {
		got, err := AppendLine([]byte("before"), "t", test.key, test.value)
		if err == nil || err.Error() != test.want || string(got) != "before" {
			t.Errorf("got %q and %v, expected %s", got, err, test.want)
		}
	}
	if _, err := AppendValue(nil, 5); err == nil {
		t.Error("AppendValue writes an int")
	}
}

// FuzzParseLine: whatever the bytes are, there is a message or an error. What is accepted is JSON in the eyes of another
// parser, and is written and read again as the same.
func FuzzParseLine(f *testing.F) {
	for _, m := range goldenRecords() {
		line, err := AppendLine(nil, m.Topic, m.Key, m.Value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"value":{"a":[1,-2.5e3,true,null,{}]},"topic":"members.profiles"}`))
	f.Add([]byte(checkInLine(`,"channel":"\ud83c\udf81"`)))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := ParseLine(line)
		if err != nil {
			return
		}
		if !jsontext.Value(bytes.TrimSpace(line)).IsValid() {
			t.Fatalf("accepted though it is no JSON: %q", line)
		}
		again, err := AppendLine(nil, m.Topic, m.Key, m.Value)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ParseLine(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		n.HasKey = m.HasKey // an empty key is not written
		if diff := cmp.Diff(m, n); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
