package schemas

import "time"

// The column types: what a field of a record can be. How they are read and written stands in avro.go and json.go.

// field is what all columns have.
type field struct {
	label string
	intro string // what stands in front of the value in plain JSON: ,"label":
	quote string // the same with the opening quote of a text
	must  bool   // the schema gives no default
}

func newField(label string, must bool) field {
	return field{label: label, intro: `,"` + label + `":`, quote: `,"` + label + `":"`, must: must}
}

func (f field) name() string { return f.label }
func (f field) needed() bool { return f.must }

// textColumn is a string, or ["null", "string"] whose null is the empty text.
type textColumn[T any] struct {
	field
	at       func(*T) *string
	nullable bool
	def      string
}

// text makes a column of required text.
func text[T any](name string, at func(*T) *string) column[T] {
	return &textColumn[T]{field: newField(name, true), at: at}
}

// optional makes a column of text that may be null.
func optional[T any](name string, at func(*T) *string) column[T] {
	return &textColumn[T]{field: newField(name, false), at: at, nullable: true}
}

// textOr makes a column of text with a default.
func textOr[T any](name, def string, at func(*T) *string) column[T] {
	return &textColumn[T]{field: newField(name, false), at: at, def: def}
}

func (c *textColumn[T]) reset() func(*T) {
	if c.def == "" {
		return nil
	}
	return func(v *T) { *c.at(v) = c.def }
}

// enumColumn is an enum. It is always required.
type enumColumn[T any, E ~string] struct {
	field
	at      func(*T) *E
	symbols []E
	unknown bool // the schema has the symbol UNKNOWN as the enum's default
}

// symbolUnknown stands for a symbol that came later than the reader. It is never written.
const symbolUnknown = "UNKNOWN"

// enum makes a column of an enum of which every symbol must be known: what cannot be understood is a bad record.
func enum[T any, E ~string](name string, at func(*T) *E, symbols ...E) column[T] {
	return &enumColumn[T, E]{field: newField(name, true), at: at, symbols: symbols}
}

// openEnum makes a column of an enum in which later symbols are read as UNKNOWN.
func openEnum[T any, E ~string](name string, at func(*T) *E, symbols ...E) column[T] {
	return &enumColumn[T, E]{field: newField(name, true), at: at, symbols: symbols, unknown: true}
}

func (c *enumColumn[T, E]) reset() func(*T) { return nil }

// numberColumn is an int or a long.
type numberColumn[T any, N int32 | int64] struct {
	field
	at  func(*T) *N
	def N
}

// number makes a column of a required number.
func number[T any, N int32 | int64](name string, at func(*T) *N) column[T] {
	return &numberColumn[T, N]{field: newField(name, true), at: at}
}

// numberOr makes a column of a number with a default.
func numberOr[T any, N int32 | int64](name string, def N, at func(*T) *N) column[T] {
	return &numberColumn[T, N]{field: newField(name, false), at: at, def: def}
}

func (c *numberColumn[T, N]) reset() func(*T) {
	if c.def == 0 {
		return nil
	}
	return func(v *T) { *c.at(v) = c.def }
}

// instantColumn is a timestamp-millis, or one or null.
type instantColumn[T any] struct {
	field
	at       func(*T) *time.Time
	nullable bool
}

// instant makes a column of a required time.
func instant[T any](name string, at func(*T) *time.Time) column[T] {
	return &instantColumn[T]{field: newField(name, true), at: at}
}

// optionalInstant makes a column of a time that may be null.
func optionalInstant[T any](name string, at func(*T) *time.Time) column[T] {
	return &instantColumn[T]{field: newField(name, false), at: at, nullable: true}
}

func (c *instantColumn[T]) reset() func(*T) { return nil }

// dateColumn is ["null", date], in the record a text like 2006-01-02.
type dateColumn[T any] struct {
	field
	at func(*T) *string
}

// optionalDate makes a column of a day that may be null.
func optionalDate[T any](name string, at func(*T) *string) column[T] {
	return &dateColumn[T]{field: newField(name, false), at: at}
}

func (c *dateColumn[T]) reset() func(*T) { return nil }

// textsColumn is an array of strings, empty by default.
type textsColumn[T any] struct {
	field
	at func(*T) *[]string
}

// texts makes a column of a list of texts.
func texts[T any](name string, at func(*T) *[]string) column[T] {
	return &textsColumn[T]{field: newField(name, false), at: at}
}

func (c *textsColumn[T]) reset() func(*T) { return nil }

// mapColumn is a map of strings, empty by default.
type mapColumn[T any] struct {
	field
	at func(*T) *map[string]string
}

// textMap makes a column of named texts.
func textMap[T any](name string, at func(*T) *map[string]string) column[T] {
	return &mapColumn[T]{field: newField(name, false), at: at}
}

func (c *mapColumn[T]) reset() func(*T) { return nil }

// groupColumn is a record in the record, of which every field has a default.
type groupColumn[T any, E comparable] struct {
	field
	at     func(*T) *E
	layout *layout[E]
}

// group makes a column of a record in the record.
func group[T any, E comparable](name string, l *layout[E], at func(*T) *E) column[T] {
	return &groupColumn[T, E]{field: newField(name, false), at: at, layout: l}
}

func (c *groupColumn[T, E]) reset() func(*T) { return nil }

// listColumn is an array of records, empty by default.
type listColumn[T, E any] struct {
	field
	at     func(*T) *[]E
	layout *layout[E]
}

// list makes a column of a list of records.
func list[T, E any](name string, l *layout[E], at func(*T) *[]E) column[T] {
	return &listColumn[T, E]{field: newField(name, false), at: at, layout: l}
}

func (c *listColumn[T, E]) reset() func(*T) { return nil }
