package programme

// ParseWhole parses a programme as if the ledger did all that the grammar has, so that tests of the grammar do not depend on how
// far the ledger is.
func ParseWhole(files map[string][]byte) (*Programme, Problems) { return newParser(nil).parse(files) }
