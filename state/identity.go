package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What a store's directory holds: the identity as a file, so that it can be read without the database,
// by people too and when the database is damaged; and the database in a directory of its own.
const (
	identityFile    = "STATE.json"
	identityFileNew = "STATE.json.new"
	databaseDir     = "db"
	// layoutFormat is the number of the layout: directory, keys and position rows.
	layoutFormat = 1
)

// Identity says whose state a store holds.
type Identity struct {
	// App is the app id, the prefix of the internal topics.
	App string `json:"app"`
}

func (id Identity) check() error {
	if id.App == "" {
		return errors.New("the app id is empty")
	}
	return nil
}

// identityRow is what the file says.
type identityRow struct {
	Format int `json:"format"`
	Identity
}

func databasePath(fsys vfs.FS, dir string) string { return fsys.PathJoin(dir, databaseDir) }

// checkIdentity says whether the directory is id's store (true), or could become it (false).
func checkIdentity(fsys vfs.FS, dir string, id Identity) (bool, error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if i := slices.IndexFunc(names, func(name string) bool {
		return name != identityFile && name != identityFileNew && name != databaseDir && name != "lost+found"
	}); i >= 0 {
		return false, fmt.Errorf("%w: it holds %q, which no store does: give the state a directory of its own", ErrForeign, names[i])
	}
	if !slices.Contains(names, identityFile) {
		return false, nil
	}
	path := fsys.PathJoin(dir, identityFile)
	text, err := readFile(fsys, path)
	if err != nil {
		return false, err
	}
	var row identityRow
	if err := json.Unmarshal(text, &row); err != nil {
		return false, fmt.Errorf("%w: %s cannot be read, remove the directory (it is restored from the changelog): %w", ErrForeign, path, err)
	}
	if row.Format != layoutFormat {
		return false, fmt.Errorf("%w: %s says %d, this program knows %d: run the version that wrote it, or remove the directory (it is restored from the changelog)",
			ErrFormat, path, row.Format, layoutFormat)
	}
	if row.Identity != id {
		return false, fmt.Errorf("%w: it belongs to app %q, this is app %q: give each app a directory of its own, or remove this one (app %q restores it from its changelog)",
			ErrForeign, row.App, id.App, row.App)
	}
	return true, nil
}

// claim makes the directory id's, if it is not yet. REQUIRES: the database is open, and with it locked.
func (s *Store) claim(id Identity) error {
	found, err := checkIdentity(s.options.FS, s.dir, id)
	if err != nil || found {
		return err
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	rows := it.First()
	if err := it.Close(); err != nil {
		return err
	}
	if rows {
		return fmt.Errorf("%w: it holds rows, but no %s says whose: remove the directory (it is restored from the changelog)", ErrForeign, identityFile)
	}
	return writeIdentity(s.options.FS, s.dir, id)
}

// writeIdentity writes the file so that a crash leaves it whole or absent.
func writeIdentity(fsys vfs.FS, dir string, id Identity) error {
	text, err := json.Marshal(identityRow{Format: layoutFormat, Identity: id})
	if err != nil {
		return err
	}
	path, temporary := fsys.PathJoin(dir, identityFile), fsys.PathJoin(dir, identityFileNew)
	f, err := fsys.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// Destroy removes id's store from dir, damaged or not, so that Open starts with an empty one. It refuses
// a directory that is open (ErrLocked) or that is not id's store (ErrForeign). Where there is none it
// does nothing. Of Options only FS matters.
func Destroy(dir string, id Identity, o Options) error {
	o = o.withDefaults()
	if err := destroy(o.FS, dir, id); err != nil {
		return fmt.Errorf("destroy state in %s: %w", dir, err)
	}
	return nil
}

func destroy(fsys vfs.FS, dir string, id Identity) error {
	if err := id.check(); err != nil {
		return err
	}
	found, err := checkIdentity(fsys, dir, id)
	if err != nil {
		return err
	}
	path := databasePath(fsys, dir)
	names, err := fsys.List(path)
	if errors.Is(err, fs.ErrNotExist) {
		names, err = nil, nil
	}
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(names, func(name string) bool { return !emptyDatabaseHas(fsys, path, name) }); !found && i >= 0 {
		return fmt.Errorf("%w: no %s says whose %q in it is: remove it by hand", ErrForeign, identityFile, names[i])
	}
	if len(names) > 0 {
		lock, err := pebble.LockDirectory(path, fsys)
		if err != nil {
			return fmt.Errorf("%w: close it first: %w", ErrLocked, err)
		}
		// Held while the files go. The identity goes last: a crash in between can be destroyed again.
		err = fsys.RemoveAll(path)
		if err = errors.Join(err, lock.Close()); err != nil {
			return err
		}
	}
	for _, name := range []string{identityFileNew, identityFile} {
		if err := fsys.Remove(fsys.PathJoin(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !found && len(names) == 0 {
		return nil
	}
	return syncDir(fsys, dir)
}

// emptyDatabaseHas says whether a database that was only just created may have a file of this name. A
// crash between its first file and the identity leaves it without one.
func emptyDatabaseHas(fsys vfs.FS, dir, name string) bool {
	for _, prefix := range []string{"LOCK", "MANIFEST-", "OPTIONS-", "marker.", "temporary."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	if !strings.HasSuffix(name, ".log") { // Pebble creates one and writes nothing to it
		return false
	}
	info, err := fsys.Stat(fsys.PathJoin(dir, name))
	return err == nil && info.Size() == 0
}

func readFile(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
