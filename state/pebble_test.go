package state

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A new Pebble may bring a newer format of its files. Taking it means that the program before cannot open
// the store any more (it would be restored from the changelog), so it is taken by hand: raise pebbleFormat.
func TestPebbleFormatIsTheNewest(t *testing.T) {
	if pebbleFormat != pebble.FormatNewest {
		t.Errorf("pebbleFormat is %d, this Pebble's newest is %d", pebbleFormat, pebble.FormatNewest)
	}
}

func TestPebbleMemory(t *testing.T) {
	for memory, table := range map[int64]uint64{1 << 20: 256 << 10, 64 << 20: 16 << 20, 4 << 30: 32 << 20} {
		opts, release := pebbleOptions(vfs.NewMem(), memory, newHealth("", Options{}.withDefaults().Log, nil))
		defer release()
		if opts.MemTableSize != table || opts.Cache.MaxSize() != memory {
			t.Errorf("of %d bytes a memtable has %d, the cache %d", memory, opts.MemTableSize, opts.Cache.MaxSize())
		}
		if opts.EnsureDefaults(); opts.Validate() != nil {
			t.Errorf("options for %d bytes: %v", memory, opts.Validate())
		}
	}
}
