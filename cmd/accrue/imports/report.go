package imports

import (
	"io"
	"maps"
	"slices"

	"accrue/rules/programme"
)

// Currencies are the currencies of a report, in alphabetical order.
func Currencies(r *Report) []string {
	all := maps.Clone(r.Ordered)
	maps.Copy(all, r.Returned)
	return slices.Sorted(maps.Keys(all))
}

// WithColumns adds to the problems of a mapping the columns that its file lacks, where the mapping says enough to read the
// file's header. Reading it moves in.
func WithColumns(m *Mapping, problems programme.Problems, name string, in io.Reader) programme.Problems {
	_, err := New(m, Options{}).table(name, in)
	if wrong, ok := err.(*MappingError); ok { //nolint:errorlint // table returns it as it is
		problems = append(problems, wrong.Problems...)
	}
	return sortProblems(problems)
}
