package processor

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"accrue/schemas"
)

// Permission is something that whoever does a job must be allowed at the brokers.
type Permission struct {
	Resource  kmsg.ACLResourceType
	Name      string
	Prefixed  bool // all names that begin so
	Operation kmsg.ACLOperation
	Why       string // what it is needed for
	Optional  bool   // without it something smaller than the job fails: Why says what
}

// Job is what somebody does with Accrue, and needs permissions for.
type Job string

// The jobs. One user may have several; each needs no more than its own.
const (
	JobRun     Job = "run"     // accrue run
	JobTopics  Job = "topics"  // accrue topics plan, apply and reshard
	JobOperate Job = "operate" // the commands for operators: rules, state, txn, dlq, tail, send of commands
)

// Jobs lists them.
func Jobs() []Job { return []Job{JobRun, JobTopics, JobOperate} }

// Permissions returns all that a job needs at the brokers under this configuration, and nothing more. What a permission
// implies (Read and Write imply Describe) is not in it.
func (c Config) Permissions(job Job) []Permission {
	switch job {
	case JobTopics:
		return c.topicsPermissions()
	case JobOperate:
		return c.operatePermissions()
	case JobRun:
	}
	return c.runPermissions()
}

func onTopic(name string, operation kmsg.ACLOperation, why string) Permission {
	return Permission{Resource: kmsg.ACLResourceTypeTopic, Name: name, Operation: operation, Why: why}
}

func (c Config) runPermissions() []Permission {
	var all []Permission
	for _, spec := range TopicSpecs(c) {
		switch spec.Role {
		case RoleInput:
			again := onTopic(spec.Name, kmsg.ACLOperationWrite, "for the console to send dead letters again; without it all else works")
			if spec.Name == c.Topics.Commands {
				again.Why = "for what operators do in the console; without it all else works"
			}
			again.Optional = true
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationRead, "to read events"), again)
		case RoleOutput:
			look := onTopic(spec.Name, kmsg.ACLOperationRead, "for the console to show what was written; without it all else works")
			look.Optional = true
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationWrite, "to write what is decided"), look)
		case RoleInternal:
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationRead, "to read the app's own state, effects and versions"),
				onTopic(spec.Name, kmsg.ACLOperationWrite, "to write them"))
		}
	}
	effects := onTopic(InternalTopic(c.App, "effects"), kmsg.ACLOperationDelete,
		"to let effects go that were taken in; without it all works and the topic grows for ever")
	effects.Optional = true
	return append(all, effects,
		Permission{Resource: kmsg.ACLResourceTypeGroup, Name: c.App, Operation: kmsg.ACLOperationRead, Why: "to share the shards and to commit offsets"},
		Permission{
			Resource: kmsg.ACLResourceTypeTransactionalId, Name: c.App + "-", Prefixed: true, Operation: kmsg.ACLOperationWrite,
			Why: "for transactions: each lane's own, and those of instances that are gone, which their successors end",
		})
}

func (c Config) topicsPermissions() []Permission {
	var all []Permission
	for _, spec := range TopicSpecs(c) {
		all = append(all, onTopic(spec.Name, kmsg.ACLOperationCreate, "to make the topic where it is missing"))
		switch spec.Role {
		case RoleInput: // others' topics are never changed
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationDescribe, "to see whether it is there"),
				onTopic(spec.Name, kmsg.ACLOperationDescribeConfigs, "to see how it is set"))
		case RoleOutput:
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationAlter, "to add partitions"),
				onTopic(spec.Name, kmsg.ACLOperationAlterConfigs, "to set it right"))
		case RoleInternal: // their partitions stay as they are, but for reshard
			all = append(all, onTopic(spec.Name, kmsg.ACLOperationDescribe, "to see whether it is there"),
				onTopic(spec.Name, kmsg.ACLOperationAlterConfigs, "to set it right"))
		}
	}
	return append(all, c.reshardPermissions()...)
}

// reshardPermissions are those that `topics reshard` needs on top of what makes topics.
func (c Config) reshardPermissions() []Permission {
	state, effects, control := InternalTopic(c.App, "state"), InternalTopic(c.App, "effects"), InternalTopic(c.App, "control")
	all := []Permission{
		onTopic(state, kmsg.ACLOperationAlter, "for accrue topics reshard, which moves what they hold"),
		onTopic(effects, kmsg.ACLOperationAlter, "for accrue topics reshard, which moves what they hold"),
	}
	for _, name := range []string{state, effects, control} {
		all = append(all, onTopic(name, kmsg.ACLOperationRead, "for accrue topics reshard, which moves what they hold"),
			onTopic(name, kmsg.ACLOperationWrite, "for accrue topics reshard, which moves what they hold"))
	}
	all = append(all,
		Permission{
			Resource: kmsg.ACLResourceTypeGroup, Name: c.App, Operation: kmsg.ACLOperationRead,
			Why: "for accrue topics reshard, to see that all is stopped and to commit where the changelogs end",
		},
		Permission{
			Resource: kmsg.ACLResourceTypeTransactionalId, Name: c.App + "-", Prefixed: true, Operation: kmsg.ACLOperationDescribe,
			Why: "for accrue topics reshard, to see that no transaction is open",
		},
		Permission{
			Resource: kmsg.ACLResourceTypeTransactionalId, Name: ReshardID(c.App), Operation: kmsg.ACLOperationWrite,
			Why: "for accrue topics reshard, which does it in one transaction",
		})
	for i := range all {
		all[i].Optional = true
	}
	return all
}

func (c Config) operatePermissions() []Permission {
	var all []Permission
	control, state, commands := InternalTopic(c.App, "control"), InternalTopic(c.App, "state"), c.Topics.Commands
	for _, spec := range TopicSpecs(c) {
		all = append(all, onTopic(spec.Name, kmsg.ACLOperationRead, "to look into it (tail, state, rules list, txn list, dlq list)"))
	}
	const retries = "for accrue dlq retry, which sends dead letters back to where they came from"
	for _, spec := range TopicSpecs(c) {
		why := retries
		switch {
		case spec.Kind == schemas.KindOrder:
			why = "for accrue import, and for accrue dlq retry, which sends dead letters back to where they came from"
		case spec.Role == RoleInput && spec.Name != commands, spec.Name == InternalTopic(c.App, "effects"):
		case spec.Name == c.Topics.DeadLetters:
			why = "for accrue dlq retry, which marks there what it sent"
		default:
			continue
		}
		retry := onTopic(spec.Name, kmsg.ACLOperationWrite, why)
		retry.Optional = true
		all = append(all, retry)
	}
	load := onTopic(state, kmsg.ACLOperationWrite, "for accrue state load, into an app that has nothing; nothing else writes there for a person")
	load.Optional = true
	ids := Permission{
		Resource: kmsg.ACLResourceTypeTransactionalId, Name: c.App + "-", Prefixed: true, Operation: kmsg.ACLOperationDescribe,
		Why: "to see open transactions (txn list)",
	}
	abort := ids
	abort.Operation, abort.Why, abort.Optional = kmsg.ACLOperationWrite, "for accrue txn abort, accrue state load and accrue dlq retry; nothing else needs it", true
	offsets := onTopic(offsetsTopic, kmsg.ACLOperationRead, "for accrue txn list to see what hangs where the offsets are; nothing else needs it")
	offsets.Optional = true
	return append(all,
		onTopic(control, kmsg.ACLOperationWrite, "to publish versions of the programme"),
		onTopic(commands, kmsg.ACLOperationWrite, "to release, reject, grant, deduct and block by hand"),
		load, offsets,
		Permission{Resource: kmsg.ACLResourceTypeGroup, Name: c.App, Operation: kmsg.ACLOperationDescribe, Why: "to see which instances live"},
		ids, abort)
}

// SubjectsOf returns the subjects of the schema registry that a job reads, with the kind of each.
func (c Config) SubjectsOf(job Job) map[string]schemas.Kind {
	subjects := map[string]schemas.Kind{}
	for _, spec := range TopicSpecs(c) {
		if spec.Kind != 0 && (job != JobRun || !spec.Kind.IsInput()) {
			subjects[schemas.Subject(spec.Name)] = spec.Kind
		}
	}
	return subjects
}

// resourceFlag is how kafka-acls.sh names a resource.
func (p Permission) resourceFlag() string {
	switch p.Resource {
	case kmsg.ACLResourceTypeGroup:
		return "--group"
	case kmsg.ACLResourceTypeTransactionalId:
		return "--transactional-id"
	default:
		return "--topic"
	}
}

// operationName is how kafka-acls.sh names an operation.
func operationName(operation kmsg.ACLOperation) string {
	words := strings.Split(strings.ToLower(operation.String()), "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// String is the permission in words: "Write on all transactional ids that begin with shop-".
func (p Permission) String() string {
	what := strings.TrimPrefix(p.resourceFlag(), "--")
	if what == "transactional-id" {
		what = "transactional id"
	}
	if p.Prefixed {
		return fmt.Sprintf("%s on every %s that begins with %s", operationName(p.Operation), what, p.Name)
	}
	return fmt.Sprintf("%s on %s %s", operationName(p.Operation), what, p.Name)
}

// GrantCommand is the command with which a cluster's administrator gives permissions on one resource.
func GrantCommand(bootstrap, principal string, permissions ...Permission) string {
	first := permissions[0]
	words := []string{"kafka-acls.sh --bootstrap-server", bootstrap, "--add --allow-principal", shellQuoted(principal)}
	for _, p := range permissions {
		words = append(words, "--operation", operationName(p.Operation))
	}
	words = append(words, first.resourceFlag(), first.Name)
	if first.Prefixed {
		words = append(words, "--resource-pattern-type prefixed")
	}
	return strings.Join(words, " ")
}

// shellQuoted quotes what a shell would take apart: the name of a certificate has blanks and commas.
func shellQuoted(text string) string {
	if strings.ContainsAny(text, " \t'\"$&|;<>()*?\\") {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}
