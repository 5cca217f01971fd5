package processor

import (
	"strconv"
	"time"

	"accrue/schemas"
)

// MaxRecordBytes is the largest record that our own topics take, and the largest batch that our producers build. Input
// topics that we make take less (maxInputBytes), so that a forwarded record and a dead letter, which carry an input
// record whole with what is said about it, always fit.
const (
	MaxRecordBytes = 18 << 20
	maxInputBytes  = 16 << 20
)

// tombstoneRetention is how long a tombstone of a compacted topic stays readable (DESIGN: a store that slept for longer
// than half of it is restored from nothing).
const tombstoneRetention = 7 * 24 * time.Hour

// InternalTopic names one of the app's own topics. What is "state" (the changelog), "effects" (records for another
// shard) or "control" (programme versions, the shard count).
func InternalTopic(app, what string) string { return app + "-" + what }

// TopicRole says whose a topic is, and so what `topics apply` may do to it.
type TopicRole int

// The roles of a topic.
const (
	RoleInput    TopicRole = iota // others write it: made where missing, never changed
	RoleOutput                    // we write it, others read it: kept as TopicSpec says
	RoleInternal                  // ours alone: as RoleOutput, and its partitions are fixed for ever
)

// String is the role in a plan.
func (r TopicRole) String() string {
	return [...]string{"input", "output", "internal"}[r]
}

// TopicSpec is how a topic has to be.
type TopicSpec struct {
	Name       string
	Role       TopicRole
	Kind       schemas.Kind // what its values are; 0: bytes without a schema
	Partitions int32
	Configs    map[string]string
}

// TopicSpecs lists every topic of the configuration: inputs, outputs, internal ones.
func TopicSpecs(c Config) []TopicSpec {
	var specs []TopicSpec
	names := c.Topics.Names()
	for _, kind := range schemas.Kinds() {
		spec := TopicSpec{Name: names[kind.Topic()], Role: RoleOutput, Kind: kind, Partitions: c.Topics.Partitions}
		spec.Configs = c.Topics.logged(MaxRecordBytes)
		if kind.IsInput() {
			spec.Role = RoleInput
			spec.Configs = c.Topics.logged(maxInputBytes)
		}
		if kind == schemas.KindMember {
			spec.Configs = compacted(maxInputBytes)
		}
		specs = append(specs, spec)
	}
	forEver := TopicsConfig{ReplicationFactor: c.Topics.ReplicationFactor}
	control := forEver.logged(MaxRecordBytes)
	// A version must take effect at least ten minutes after it was appended, by the broker's clock.
	control["message.timestamp.type"] = "LogAppendTime"
	specs = append(specs,
		TopicSpec{Name: c.Topics.DeadLetters, Role: RoleOutput, Partitions: c.Topics.Partitions, Configs: c.Topics.logged(MaxRecordBytes)},
		TopicSpec{Name: InternalTopic(c.App, "state"), Role: RoleInternal, Partitions: c.Topics.Partitions, Configs: compacted(MaxRecordBytes)},
		TopicSpec{Name: InternalTopic(c.App, "effects"), Role: RoleInternal, Kind: schemas.KindEffect, Partitions: c.Topics.Partitions, Configs: forEver.logged(MaxRecordBytes)},
		TopicSpec{Name: InternalTopic(c.App, "control"), Role: RoleInternal, Partitions: 1, Configs: control},
	)
	for _, spec := range specs {
		// One replica may be away while we write; with a single replica none may.
		spec.Configs["min.insync.replicas"] = strconv.Itoa(max(1, int(c.Topics.ReplicationFactor)-1))
	}
	return specs
}

// logged is a topic that keeps its records for the configured time.
func (t TopicsConfig) logged(maxBytes int) map[string]string {
	retention := int64(-1)
	if t.Retention > 0 {
		retention = t.Retention.Milliseconds()
	}
	return map[string]string{
		"cleanup.policy":    "delete",
		"retention.ms":      strconv.FormatInt(retention, 10),
		"retention.bytes":   "-1",
		"max.message.bytes": strconv.Itoa(maxBytes),
	}
}

// compacted is a topic that keeps the last record of each key.
func compacted(maxBytes int) map[string]string {
	return map[string]string{
		"cleanup.policy":      "compact",
		"delete.retention.ms": strconv.FormatInt(tombstoneRetention.Milliseconds(), 10),
		"max.message.bytes":   strconv.Itoa(maxBytes),
	}
}

// Kinds says which kind of record each configured topic holds.
func (t TopicsConfig) Kinds() schemas.Topics {
	kinds := schemas.Topics{}
	names := t.Names()
	for _, kind := range schemas.Kinds() {
		kinds[names[kind.Topic()]] = kind
	}
	return kinds
}
