package rules

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"accrue/schemas"
)

// ErasuresKey is the key under which a shard keeps which of its members were erased.
const ErasuresKey = "erased members"

// Erasures are the members of a shard who were erased (erase.go): of each a hash under a salt, and when. Rows "s…" are salts, rows
// "e…" hashes. Like a Tally it stands beside the accounts, and belongs to one goroutine.
//
// A salt is made of the event that erases the first member of the shard, and stays with the hashes: so nothing can be looked up in a table of
// hashes that was made beforehand, but who holds the rows and has a guess can try it, which is what they are for. It does
// not depend on the secret of the lots, which may be changed. Where rows of several shards come together there are several salts.
type Erasures struct {
	rows  Rows
	salts [][]byte

	fresh    map[string]int64 // hashes that are not in the rows yet
	unsalted bool             // the salt is not
}

// saltBytes is the length of a salt.
const saltBytes = 16

// OpenErasures reads which members were erased, that is the salts of their hashes.
func (l *Ledger) OpenErasures(rows Rows) (*Erasures, error) {
	e := &Erasures{rows: rows}
	err := rows.Scan([]byte(saltRows), func(key, _ []byte) bool {
		e.salts = append(e.salts, slices.Clone(key[len(saltRows):]))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the salts of erased members: %w", err)
	}
	return e, nil
}

// Find says when a member was erased; false: they were not.
func (e *Erasures) Find(member string) (at time.Time, erased bool, err error) {
	for _, salt := range e.salts {
		hash := erasedHash(salt, member)
		if ms, found := e.fresh[string(hash)]; found {
			return instantUTC(ms), true, nil
		}
		row, err := e.rows.Get(append([]byte(erasedRows), hash...))
		if err != nil {
			return at, false, fmt.Errorf("look whether member %q was erased: %w", member, err)
		}
		if row == nil {
			continue
		}
		r := &reader{rest: row}
		r.version()
		ms := r.varint()
		if err := r.end(); err != nil {
			return at, false, &Broken{member, fmt.Errorf("read that it was erased: %w", err)}
		}
		return instantUTC(ms), true, nil
	}
	return at, false, nil
}

// Add notes that an event has erased its member at a time.
func (e *Erasures) Add(by *Event, at time.Time) {
	if len(e.salts) == 0 {
		member, event, _ := by.head()
		sum := sha256.Sum256(fmt.Appendf(nil, "salt of erased members\x00%s\x00%s\x00%d\x00%d\x00%s", event, by.Source.Topic, by.Source.Partition, by.Source.Offset, member))
		e.salts, e.unsalted = [][]byte{sum[:saltBytes]}, true
	}
	if e.fresh == nil {
		e.fresh = map[string]int64{}
	}
	e.fresh[string(erasedHash(e.salts[0], by.Member()))] = at.UnixMilli()
}

func erasedHash(salt []byte, member string) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(member))
	return h.Sum(nil)
}

// Save hands over the rows that are new. Key and value are the buffer's: they are valid until its next use.
func (e *Erasures) Save(b *Buffer, put func(key, value []byte)) {
	rows := &b.rows
	rows.begin(put)
	if e.unsalted {
		rows.emit(append([]byte(saltRows), e.salts[0]...), []byte{formatVersion})
		e.unsalted = false
	}
	hashes := make(map[string]bool, len(e.fresh))
	for hash := range e.fresh {
		hashes[hash] = true
	}
	for _, hash := range sortedKeys(hashes) {
		rows.emit(append([]byte(erasedRows), hash...), rows.cut(func(w *writer) {
			w.byte(formatVersion)
			w.varint(e.fresh[hash])
		}))
	}
	rows.emit, e.fresh = nil, nil
}

// Take is refused: nobody asks anything of it.
func (e *Erasures) Take(asked *schemas.Effect, _ time.Time, out *Outcome) error {
	out.reset()
	return &Broken{ErasuresKey, fmt.Errorf("member %q asks it for %q, which it does not answer", asked.FromMember, asked.Kind)}
}

// Advance does nothing: they stay for good.
func (e *Erasures) Advance(_, _ time.Time, out *Outcome) error {
	out.reset()
	return nil
}

// Due is false.
func (e *Erasures) Due() (time.Time, bool) { return time.Time{}, false }

// Size is about how many bytes it takes in memory.
func (e *Erasures) Size() int { return 200 + 40*len(e.salts) + 100*len(e.fresh) }

// FactBytes is 0.
func (e *Erasures) FactBytes() int { return 0 }

// Awake is false: there is nothing that Rest could let go.
func (e *Erasures) Awake() bool { return false }

// Rest does nothing.
func (e *Erasures) Rest() {}

// ErasedRow is a member who was erased, of whom only a hash is left, or with no time a salt of such hashes.
type ErasedRow struct {
	At time.Time `json:"at,omitzero"`
}
