package state

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
)

// The decisions that a caller takes, one sentinel each. Test with errors.Is.
var (
	// ErrCorrupt says that what is on disk is damaged. Close the store, Destroy the directory, Open it
	// anew and restore from the changelog: nothing is lost, because the changelog is the log.
	ErrCorrupt = errors.New("state is corrupt")
	// ErrFailed says that the store cannot go on, though the disk may be whole (Pebble could not write
	// its MANIFEST, for example). Close the store and Open it again.
	ErrFailed = errors.New("store has failed")
	// ErrLocked says that another Store, here or in another process, has the directory open.
	ErrLocked = errors.New("directory is in use")
	// ErrForeign says that the directory belongs to another app, or is no store at all.
	ErrForeign = errors.New("directory is not this app's store")
	// ErrFormat says that another version of the program wrote the directory.
	ErrFormat = errors.New("store has another format")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store is closed")
	// ErrPosition says that a change does not follow from what the shard holds: it goes back, or comes
	// from another cluster or topic. Drop the shard and restore it.
	ErrPosition = errors.New("position does not follow")
	// ErrKey says that a changelog record's key is not one that EncodeKey wrote.
	ErrKey = errors.New("not a row's key")
)

// readError adds to the error of a read what was being done, and remembers damage: the first damaged
// block poisons the whole store (S6), for the caller is to drop it anyway.
func (s *Store) readError(doing string, err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s in %s: %w: %w", doing, s.dir, ErrCorrupt, err)
		s.health.poison(err)
		return err
	}
	return fmt.Errorf("%s in %s: %w", doing, s.dir, err)
}
