package schemas

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// What to expect on a core of 3 GHz: an order of 3 lines has 30 fields in about 200 bytes; at 15 ns a field with its
// allocation 0.5-1 µs. A JSON line of 21 lines has 1.7 KB and 130 fields; at 1 ns a byte and 20 ns a field 4-5 µs. Writing
// a decision of 24 verdicts is 5 KB in 200 fields; at 0.3 ns a byte and 10 ns a field 3-4 µs.

// benchOrder is a usual order.
func benchOrder(lines int) *Order {
	o := &Order{
		EventID: "paid-536365", OrderID: "536365", MemberID: "17850", Status: Paid,
		OccurredAt: time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC), Currency: "GBP", Channel: "web", Store: "United Kingdom",
	}
	for i := range lines {
		o.Lines = append(o.Lines, Line{
			LineID: fmt.Sprint(i + 1), SKU: fmt.Sprintf("%dA", 85123+i), Category: "goods", Quantity: 6, Amount: int64(1530 + i),
		})
	}
	return o
}

// benchGrant is a usual entry.
func benchGrant() *PointGrant {
	at := time.Date(2026, 6, 18, 8, 30, 0, 0, time.UTC)
	return &PointGrant{
		EntryID: "5f2c1f0b9a7e4d21.1", GrantID: "5f2c1f0b9a7e4d21", MemberID: "17850", Entry: EntryGranted,
		AvailableDelta: 37, TierDelta: 37, AvailableAt: at, ExpiresAt: at.AddDate(1, 0, 0), RuleID: "spend",
		RuleTitle: "每消费 1 元积 1 分", ProgrammeVersion: "city-mart/3",
		Source: Source{Topic: TopicOrders, Partition: 3, Offset: 123456, EventID: "paid-536365", OrderID: "536365"},
		Cause:  "paid-536365", OccurredAt: at, DecidedAt: at, Reason: "37 whole steps of 1.00 in 37.50",
	}
}

// benchDecision is a decision with 24 verdicts, as a programme of 24 rules gives it: a third of them grants.
func benchDecision() *Decision {
	at := time.Date(2026, 6, 18, 8, 30, 0, 0, time.UTC)
	d := &Decision{
		EventID: "paid-536365", MemberID: "17850", Source: benchGrant().Source, Outcome: OutcomeGranted,
		Reason:          "592 points: spend-0 74, spend-3 74; four-1 gave nothing: this is order 1 of the 4 that it takes within 30 days",
		AvailablePoints: 592, ProgrammeVersion: "city-mart@9f697ea4", OccurredAt: at, DecidedAt: at,
	}
	counted := []Number{{"counted", "249.45"}, {"exact", "74"}}
	for i := range 8 {
		d.Verdicts = append(d.Verdicts,
			Verdict{
				RuleID: fmt.Sprintf("spend-%d", i), RuleTitle: "每消费 1 元积 1 分", Verdict: VerdictGranted, Points: 74,
				Reason: "74 points: 249.45 counts, 30 for each full 100.00", Numbers: counted,
			},
			Verdict{
				RuleID: fmt.Sprintf("four-%d", i), RuleTitle: "A fourth order", Verdict: VerdictNothing,
				Reason: "this is order 1 of the 4 that it takes within 30 days", Numbers: counted,
			},
			Verdict{
				RuleID: fmt.Sprintf("abroad-%d", i), RuleTitle: "Parcels abroad", Verdict: VerdictNothing,
				Reason: `its condition is not met: order.store != "United Kingdom" && order.total >= 150.00`,
			})
	}
	return d
}

func BenchmarkDecodeOrder3(b *testing.B)  { benchmarkDecode(b, benchOrder(3)) }
func BenchmarkDecodeOrder21(b *testing.B) { benchmarkDecode(b, benchOrder(21)) }
func BenchmarkDecodeCheckIn(b *testing.B) {
	benchmarkDecode(b, &CheckIn{EventID: "e-123456", MemberID: "17850", OccurredAt: time.Unix(1e9, 0), Activity: "check-in"})
}

func benchmarkDecode(b *testing.B, v any) {
	kind, _ := KindOf(v)
	data := mustEncode(b, v)
	d := NewDecoder(ownSchemas())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(context.Background(), kind, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeGrant(b *testing.B)    { benchmarkEncode(b, benchGrant()) }
func BenchmarkEncodeDecision(b *testing.B) { benchmarkEncode(b, benchDecision()) }
func BenchmarkEncodeOrder3(b *testing.B)   { benchmarkEncode(b, benchOrder(3)) }

func benchmarkEncode(b *testing.B, v any) {
	e := NewEncoder(ids())
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = e.Append(dst[:0], v); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkParseLineOrder21(b *testing.B) {
	line, err := AppendLine(nil, TopicOrders, "", benchOrder(21))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLine(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendLineDecision(b *testing.B) {
	benchmarkAppendLine(b, TopicDecisions, benchDecision())
}

func BenchmarkAppendLineGrant(b *testing.B) { benchmarkAppendLine(b, TopicPointGrants, benchGrant()) }

func benchmarkAppendLine(b *testing.B, topic string, v any) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendLine(dst[:0], topic, "17850", v); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

// What a new writer's schema costs, once.
func BenchmarkResolve(b *testing.B) {
	text := KindOrder.SchemaText()
	for b.Loop() {
		if err := CheckReadable(KindOrder, text); err != nil {
			b.Fatal(err)
		}
	}
}
