package state

// Record is one record of the changelog: one row of one member.
type Record struct {
	// Key is the encoded member followed by the row's key, as EncodeKey writes it.
	Key []byte
	// Value is the row. Nil is a tombstone; empty and not nil is a row of no bytes.
	Value []byte
}

// EncodeKey returns the changelog key of a member's row. It is what the changelog is compacted by, so it
// never changes for a row that exists: another layout would have to begin with another first byte, and
// the rows under the old one be deleted.
func EncodeKey(member string, row []byte) []byte {
	key := make([]byte, 0, len(member)+len(row)+3)
	return append(appendMember(key, member), row...)
}

// DecodeKey is the inverse of EncodeKey. The row shares memory with the key. An error is ErrKey.
func DecodeKey(key []byte) (member string, row []byte, err error) {
	return splitMember(key)
}
