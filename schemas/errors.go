package schemas

import (
	"errors"
	"fmt"
)

// BadRecord is an error that lies in the record itself: trying again is of no use, it belongs to the dead letters. All
// other errors of [Decoder.Decode] are worth another try.
type BadRecord struct {
	Reason string // for people: what was found, and what was expected
}

// Error returns the reason.
func (e *BadRecord) Error() string { return e.Reason }

// badRecord formats a BadRecord.
func badRecord(format string, args ...any) *BadRecord {
	return &BadRecord{Reason: fmt.Sprintf(format, args...)}
}

// ErrSchemaUnknown is what a SchemaSource answers, wrapped or not, when there is no schema with that id.
var ErrSchemaUnknown = errors.New("schema is not in the registry")

// ErrSchemaUnusable is what a SchemaSource answers, wrapped, when the id names something that will never be of use here,
// for instance a Protobuf schema.
var ErrSchemaUnusable = errors.New("schema cannot be used")

// LineError says what is wrong with a JSON line.
type LineError struct {
	Path   string // the field, for instance "value.lines[2].amount"; empty: the line as a whole
	Offset int    // where in the line, in bytes from 0
	Reason string
}

// Error returns path, reason and position.
func (e *LineError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s (at byte %d)", e.Reason, e.Offset)
	}
	return fmt.Sprintf("%s: %s (at byte %d)", e.Path, e.Reason, e.Offset)
}
