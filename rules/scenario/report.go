package scenario

import (
	"fmt"
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
)

// Problem is something wrong in a scenario file or its programme, so that it cannot be run, or a difference between what
// a scenario expects and what is.
type Problem struct {
	Pos     programme.Position
	Message string // lower case, no full stop
}

// String is the problem as one line: `file:line:column: message`.
func (p Problem) String() string {
	if p.Pos.Line == 0 {
		return p.Pos.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.Pos.File, p.Pos.Line, p.Pos.Column, p.Message)
}

// Problems are listed in the order of the file.
type Problems []Problem

func (ps *Problems) add(pos programme.Position, format string, args ...any) {
	*ps = append(*ps, Problem{pos, fmt.Sprintf(format, args...)})
}

// String is one line for each problem.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Report says how a scenario went.
type Report struct {
	Title        string
	Expectations int      // values that were compared
	Problems     Problems // why it could not be run; there are no differences then
	Differences  Problems // each value that is not as expected
	Updated      []byte   // the scenario file with each value as it is, expected or not

	// What was played, so that the same can be put to another engine to see whether it gives the same.
	Versions []Version // of the programme, the first one first
	Seed     string    // under which lots were drawn
	Moments  []Moment  // what happened, in order
}

// Version is a version of the programme of a scenario.
type Version struct {
	From  time.Time         // zero: from the beginning
	Files map[string][]byte // by name
}

// Moment is what a scenario put to the account of a member: an event, or that time went on.
type Moment struct {
	Member string
	Event  *rules.Event // nil: time went on
	At     time.Time    // when the event happened; up to when time went on, that instant included
}

// Passed reports whether the scenario could be run and every value was as expected.
func (r *Report) Passed() bool { return len(r.Problems)+len(r.Differences) == 0 }

// String lists what is wrong, one line each; empty: nothing is.
func (r *Report) String() string { return r.Problems.String() + r.Differences.String() }
