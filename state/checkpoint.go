package state

import (
	"errors"
	"fmt"
)

// Checkpoint copies the store, as it is at some moment during the call, to dir, which must not exist. On
// one file system the tables are linked, not copied. Open opens the copy like any store.
func (s *Store) Checkpoint(dir string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.checkpoint(dir); err != nil {
		return fmt.Errorf("copy state from %s to %s: %w", s.dir, dir, err)
	}
	return nil
}

func (s *Store) checkpoint(dir string) error {
	fs := s.options.FS
	if _, err := fs.Stat(dir); err == nil {
		return errors.New("the target exists")
	}
	// Without a log a checkpoint holds only what was flushed (S2). What others write between the two is
	// simply not in the copy, whole batches of it.
	if err := s.Flush(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(databasePath(fs, dir)); err != nil {
		return err
	}
	return writeIdentity(fs, dir, s.id)
}
