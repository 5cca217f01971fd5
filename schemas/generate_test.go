package schemas

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Generators of records for properties.

func genText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9-]{0,12}`), rapid.Just("满\t\"\\\u2028\x00"))
}

func genCount() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 1000))
}

func drawTime(t *rapid.T) time.Time {
	milli := rapid.Int64Range(minInstant+1, maxInstant).Draw(t, "ms")
	if rapid.Bool().Draw(t, "whole second") {
		milli = max(milli/1000*1000, minInstant+1000)
	}
	return time.UnixMilli(milli).UTC()
}

func drawOptionalTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "null") {
		return time.Time{}
	}
	return drawTime(t)
}

// drawList returns nil or a list, never an empty one: that is what records hold.
func drawList[E any](t *rapid.T, item func(*rapid.T) E) []E {
	all := rapid.SliceOfN(rapid.Custom(item), 0, 4).Draw(t, "list")
	if len(all) == 0 {
		return nil
	}
	return all
}

func drawText(t *rapid.T) string { return genText().Draw(t, "text") }

func drawMap(t *rapid.T) map[string]string {
	all := rapid.MapOfN(genText(), genText(), 0, 4).Draw(t, "map")
	if len(all) == 0 {
		return nil
	}
	return all
}

func drawSource(t *rapid.T) Source {
	return Source{
		Topic: drawText(t), Partition: rapid.Int32().Draw(t, "partition"), Offset: genCount().Draw(t, "offset"),
		EventID: drawText(t), OrderID: drawText(t),
	}
}

func drawNumber(t *rapid.T) Number { return Number{Name: drawText(t), Value: drawText(t)} }

func pick[E any](t *rapid.T, of ...E) E { return rapid.SampledFrom(of).Draw(t, "symbol") }

func drawLine(t *rapid.T) Line {
	return Line{
		LineID: drawText(t), SKU: drawText(t), Category: drawText(t), Brand: drawText(t),
		Quantity: genCount().Draw(t, "quantity"), Amount: genCount().Draw(t, "amount"), Tags: drawList(t, drawText),
	}
}

func drawRefunded(t *rapid.T) RefundedLine {
	return RefundedLine{LineID: drawText(t), Quantity: genCount().Draw(t, "quantity"), Amount: genCount().Draw(t, "amount")}
}

func drawVerdict(t *rapid.T) Verdict {
	return Verdict{
		RuleID: drawText(t), RuleTitle: drawText(t),
		Verdict: pick(t, VerdictGranted, VerdictHeld, VerdictNothing, VerdictShadow),
		Points:  genCount().Draw(t, "points"), Reason: drawText(t), Numbers: drawList(t, drawNumber),
	}
}

// drawRecord returns any record of a kind.
func drawRecord(t *rapid.T, kind Kind) any {
	switch kind {
	case KindOrder:
		return &Order{
			EventID: drawText(t), OrderID: drawText(t), MemberID: drawText(t),
			Status:     pick(t, Placed, Paid, Completed, Cancelled, Refunded),
			OccurredAt: drawTime(t), Currency: drawText(t), Channel: drawText(t), Store: drawText(t),
			Coupons: drawList(t, drawText), PaymentHash: drawText(t), DeviceID: drawText(t), IP: drawText(t),
			Lines: drawList(t, drawLine), RefundedLines: drawList(t, drawRefunded), Attributes: drawMap(t),
		}
	case KindCheckIn:
		return &CheckIn{
			EventID: drawText(t), MemberID: drawText(t), OccurredAt: drawTime(t), Activity: drawText(t),
			Channel: drawText(t), Store: drawText(t), DeviceID: drawText(t), IP: drawText(t), Attributes: drawMap(t),
		}
	case KindReferral:
		return &Referral{
			EventID: drawText(t), Code: drawText(t), ReferrerID: drawText(t), RefereeID: drawText(t),
			OccurredAt: drawTime(t), DeviceID: drawText(t), IP: drawText(t),
		}
	case KindMember:
		birthday := ""
		if rapid.Bool().Draw(t, "birthday") {
			birthday = drawTime(t).Format(dateForm)
		}
		return &Member{
			EventID: drawText(t), OccurredAt: drawTime(t), MemberID: drawText(t), JoinedAt: drawOptionalTime(t),
			Birthday: birthday, TimeZone: drawText(t), Segments: drawList(t, drawText), Attributes: drawMap(t),
		}
	case KindCommand:
		return &Command{
			EventID: drawText(t), MemberID: drawText(t), OccurredAt: drawTime(t), Operator: drawText(t), Reason: drawText(t),
			Kind:   pick(t, "GRANT", "DEDUCT", "RELEASE", "REJECT", "BLOCK", "UNBLOCK", "SET_TIER"),
			Points: genCount().Draw(t, "points"), GrantID: drawText(t), Tier: drawText(t), Until: drawOptionalTime(t),
		}
	case KindRedemption:
		return &Redemption{
			EventID: drawText(t), MemberID: drawText(t), OccurredAt: drawTime(t), Points: genCount().Draw(t, "points"),
			Kind: pick(t, "SPENT", "RETURNED"), RedemptionID: drawText(t),
		}
	default:
		return drawOutput(t, kind)
	}
}

// drawOutput returns any record of a kind that the engine writes.
func drawOutput(t *rapid.T, kind Kind) any {
	switch kind {
	case KindPointGrant:
		return &PointGrant{
			EntryID: drawText(t), GrantID: drawText(t), MemberID: drawText(t),
			Entry:          pick(t, EntryGranted, EntryHeld, EntryReleased, EntryRejected, EntryReversed, EntryAdjusted, EntryExpired),
			AvailableDelta: genCount().Draw(t, "available"), PendingDelta: genCount().Draw(t, "pending"),
			TierDelta: genCount().Draw(t, "tier"), AvailableAt: drawOptionalTime(t), ExpiresAt: drawOptionalTime(t),
			RuleID: drawText(t), RuleTitle: drawText(t), ProgrammeVersion: drawText(t), Campaign: drawText(t),
			Source: drawSource(t), Cause: drawText(t), OccurredAt: drawTime(t), DecidedAt: drawTime(t), Reason: drawText(t),
		}
	case KindTierChange:
		return &TierChange{
			MemberID: drawText(t), From: drawText(t), To: drawText(t),
			Direction: pick(t, DirectionUp, DirectionDown, DirectionRenewed, DirectionCorrected),
			Reason:    drawText(t), Metric: drawText(t), MetricValue: drawText(t), EffectiveAt: drawTime(t),
			ValidUntil: drawOptionalTime(t), ProgrammeVersion: drawText(t), Cause: drawText(t), DecidedAt: drawTime(t),
		}
	case KindDecision:
		return &Decision{
			EventID: drawText(t), MemberID: drawText(t), Source: drawSource(t),
			Outcome: pick(t, OutcomeGranted, OutcomeNothing, OutcomeHeld, OutcomeDenied, OutcomeDuplicate, OutcomeLate,
				OutcomeInvalid),
			Reason: drawText(t), AvailablePoints: genCount().Draw(t, "available"), PendingPoints: genCount().Draw(t, "pending"),
			Verdicts: drawList(t, drawVerdict), ProgrammeVersion: drawText(t), OccurredAt: drawTime(t), DecidedAt: drawTime(t),
		}
	case KindFraudAlert:
		return &FraudAlert{
			ThresholdID: drawText(t), MemberID: drawText(t), Measure: drawText(t), MeasuredValue: drawText(t),
			Limit: drawText(t), Window: drawText(t), Action: drawText(t), Evidence: drawList(t, drawNumber),
			EventID: drawText(t), ProgrammeVersion: drawText(t), OccurredAt: drawTime(t), DecidedAt: drawTime(t),
		}
	case KindNotice:
		return &Notice{
			NoticeID: drawText(t), MemberID: drawText(t), Kind: pick(t, "POINTS_EXPIRE", "TIER_FALLS", "BUDGET_LOW"),
			DueAt: drawTime(t), Points: genCount().Draw(t, "points"), Tier: drawText(t), Missing: drawText(t),
			Reason: drawText(t), OccurredAt: drawTime(t), DecidedAt: drawTime(t),
		}
	default:
		panic(fmt.Sprintf("no generator for %s", kind))
	}
}

// sampleRecord returns a fixed full record of a kind.
func sampleRecord(kind Kind) any {
	return rapid.Custom(func(t *rapid.T) any { return drawRecord(t, kind) }).Example(4)
}

// ids are the schema ids in tests: the kinds' own numbers.
func ids() map[Kind]int {
	all := make(map[Kind]int)
	for _, k := range Kinds() {
		all[k] = int(k)
	}
	return all
}

// texts is a SchemaSource of fixed schemas.
type schemaTexts map[int]string

func (s schemaTexts) SchemaByID(_ context.Context, id int) (string, error) {
	text, ok := s[id]
	if !ok {
		return "", fmt.Errorf("schema id %d: %w", id, ErrSchemaUnknown)
	}
	return text, nil
}

// ownSchemas holds our schemas under ids.
func ownSchemas() schemaTexts {
	all := make(schemaTexts)
	for kind, id := range ids() {
		all[id] = kind.SchemaText()
	}
	return all
}

// mustEncode encodes a record.
func mustEncode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := NewEncoder(ids()).Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
