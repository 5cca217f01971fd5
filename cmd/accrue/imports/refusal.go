package imports

import "fmt"

// Refusal says why a row, or what came of it, was not imported.
type Refusal struct {
	Line  int64  // in the file, from 1
	Order string // as far as known
	Kind  string // few words, the same for all of its kind
	Why   string // with what was found
	Raw   string // the row, where it could not be read; cut
}

// refused is the error of a row that is refused.
type refused struct{ kind, why string }

func (r *refused) Error() string { return r.why }

func refuse(kind, format string, args ...any) error {
	return &refused{kind, fmt.Sprintf(format, args...)}
}
