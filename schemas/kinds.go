package schemas

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// Kind names one of the record types.
type Kind uint8

// The kinds of records. The zero Kind is none of them.
const (
	KindOrder Kind = iota + 1
	KindCheckIn
	KindReferral
	KindMember
	KindCommand
	KindRedemption
	KindPointGrant
	KindTierChange
	KindDecision
	KindFraudAlert
	KindNotice
	// KindEffect is internal: no other system reads or writes it, so it is none of Kinds and has no default topic.
	KindEffect
)

// Kinds returns all kinds but KindEffect in the order of their declaration: first what the engine reads, then what it writes.
func Kinds() []Kind {
	return []Kind{
		KindOrder, KindCheckIn, KindReferral, KindMember, KindCommand, KindRedemption,
		KindPointGrant, KindTierChange, KindDecision, KindFraudAlert, KindNotice,
	}
}

// String returns the record's name in the Avro schema, for instance "Order".
func (k Kind) String() string {
	if r := recordOf(k); r != nil {
		return r.recordName()
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// IsInput reports whether the engine reads such records; all others it writes.
func (k Kind) IsInput() bool { return k >= KindOrder && k <= KindRedemption }

// Topic returns the kind's default topic name.
func (k Kind) Topic() string {
	switch k {
	case KindOrder:
		return TopicOrders
	case KindCheckIn:
		return TopicCheckIns
	case KindReferral:
		return TopicReferrals
	case KindMember:
		return TopicProfiles
	case KindCommand:
		return TopicCommands
	case KindRedemption:
		return TopicRedemptions
	case KindPointGrant:
		return TopicPointGrants
	case KindTierChange:
		return TopicTierChanges
	case KindDecision:
		return TopicDecisions
	case KindFraudAlert:
		return TopicFraudAlerts
	case KindNotice:
		return TopicNotices
	default:
		return ""
	}
}

// KindOf returns the kind of a value, which must be a pointer to one of the record types; false for anything else.
func KindOf(value any) (Kind, bool) {
	switch value.(type) {
	case *Order:
		return KindOrder, true
	case *CheckIn:
		return KindCheckIn, true
	case *Referral:
		return KindReferral, true
	case *Member:
		return KindMember, true
	case *Command:
		return KindCommand, true
	case *Redemption:
		return KindRedemption, true
	case *PointGrant:
		return KindPointGrant, true
	case *TierChange:
		return KindTierChange, true
	case *Decision:
		return KindDecision, true
	case *FraudAlert:
		return KindFraudAlert, true
	case *Notice:
		return KindNotice, true
	case *Effect:
		return KindEffect, true
	default:
		return 0, false
	}
}

// MemberOf returns the member that a record belongs to, which is also the key under which Accrue writes it: the referee
// of a referral, the member_id of all others. It is empty where the record lacks one and for a value that is no record.
func MemberOf(value any) string {
	switch v := value.(type) {
	case *Order:
		return v.MemberID
	case *CheckIn:
		return v.MemberID
	case *Referral:
		return v.RefereeID
	case *Member:
		return v.MemberID
	case *Command:
		return v.MemberID
	case *Redemption:
		return v.MemberID
	case *PointGrant:
		return v.MemberID
	case *TierChange:
		return v.MemberID
	case *Decision:
		return v.MemberID
	case *FraudAlert:
		return v.MemberID
	case *Notice:
		return v.MemberID
	case *Effect:
		return v.MemberID
	default:
		return ""
	}
}

// Topics says which kind of record each topic holds.
type Topics map[string]Kind

// DefaultTopics returns the default topic names of all kinds. The caller owns the map and may rename topics in it.
func DefaultTopics() Topics {
	topics := make(Topics)
	for _, k := range Kinds() {
		topics[k.Topic()] = k
	}
	return topics
}

// names returns the topics in alphabetical order, for messages.
func (t Topics) names() string {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Subject returns the registry's subject for a topic's values.
func Subject(topic string) string { return topic + "-value" }

//go:embed *.avsc
var schemaFiles embed.FS

// SchemaText returns the Avro schema of a default topic's records as JSON; false for a topic that is none of these.
func SchemaText(topic string) (string, bool) {
	kind, ok := recordTables.topics[topic]
	if !ok {
		return "", false
	}
	return kind.SchemaText(), true
}

// SchemaText returns the kind's Avro schema as JSON; empty for the zero Kind.
func (k Kind) SchemaText() string {
	text, err := schemaFiles.ReadFile(k.String() + ".avsc")
	if err != nil {
		return ""
	}
	return string(text)
}
