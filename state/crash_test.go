package state_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

// S1, S2: a crash leaves the store at a batch boundary that is not before the last flush that returned,
// the same for all shards, whatever part of the unsynced writes the disk kept. Memtables are small and
// some batches larger than one, so that Pebble also flushes on its own; crashes are cut while it does.
func TestCrashLeavesABatchBoundary(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := &crashRun{rng: rand.New(rand.NewPCG(seed, 0)), fs: vfs.NewCrashableMem()}
			c.run(t)
			lost += c.lost
			kept += c.kept
		})
	}
	// Otherwise the crashes met nothing that could go wrong.
	if lost < 5 || kept < 5 {
		t.Errorf("%d crashes lost batches, %d kept some that nobody had flushed", lost, kept)
	}
}

const crashShards = 3

// crashRun is one store's life: content after each batch, and which of them a crash may not lose.
type crashRun struct {
	rng     *rand.Rand
	fs      *vfs.MemFS
	store   *state.Store
	history []content // after 0, 1, 2... batches
	durable int       // index into history: flushed
	lost    int       // crashes that lost batches
	kept    int       // crashes that kept batches beyond the last flush
}

func (c *crashRun) run(t *testing.T) {
	c.history = []content{{}}
	c.store = open(t, c.fs)
	for range 6 {
		for range 5 + c.rng.IntN(60) {
			c.batch(t)
			if c.rng.IntN(15) == 0 {
				must(t, c.store.Flush())
				c.durable = len(c.history) - 1
			}
		}
		c.crash(t)
	}
	must(t, c.store.Close())
	c.store = open(t, c.fs)
	mustEqual(t, mustRead(t, c.store, crashShards), c.history[len(c.history)-1])
	must(t, c.store.Close())
}

// batch applies one overlay, or drops a shard.
func (c *crashRun) batch(t *testing.T) {
	t.Helper()
	n := int32(c.rng.IntN(crashShards))
	sh := c.store.Shard(n)
	after := maps.Clone(c.history[len(c.history)-1])
	if c.rng.IntN(25) == 0 {
		must(t, sh.Drop())
		maps.DeleteFunc(after, func(key, _ string) bool { return key[0] == byte('0'+n) })
		c.history = append(c.history, after)
		return
	}
	o := state.NewOverlay()
	size := 1 + c.rng.IntN(4000)
	if c.rng.IntN(20) == 0 {
		size = 80_000 // with a few rows larger than a memtable
	}
	for range 1 + c.rng.IntN(8) {
		member, key := fmt.Sprint("m", c.rng.IntN(20)), fmt.Sprint("r", c.rng.IntN(4))
		name := fmt.Sprintf("%d/%s/%s", n, member, key)
		if c.rng.IntN(5) == 0 {
			o.Put(member, []byte(key), nil)
			delete(after, name)
			continue
		}
		value := fmt.Sprint(len(c.history), strings.Repeat("x", size))
		o.Put(member, []byte(key), []byte(value))
		after[name] = value
	}
	due := start().Add(time.Duration(c.rng.IntN(50)) * time.Second)
	o.SetDue("m1", due)
	after[fmt.Sprintf("%d@%d/m1", n, due.UnixMilli())] = "due"
	p := position(int64(len(c.history)))
	must(t, sh.Apply(o, p))
	after[fmt.Sprint(n)] = fmt.Sprint(p)
	c.history = append(c.history, after)
}

// crash goes on with what the disk kept.
func (c *crashRun) crash(t *testing.T) {
	t.Helper()
	kept := c.fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: c.rng.IntN(101),
		RNG:                 rand.New(rand.NewPCG(c.rng.Uint64(), 0)),
	})
	must(t, c.store.Close())
	c.fs, c.store = kept, open(t, kept)
	got := mustRead(t, c.store, crashShards)
	for i := len(c.history) - 1; i >= c.durable; i-- {
		if maps.Equal(got, c.history[i]) {
			if i < len(c.history)-1 {
				c.lost++
			}
			if i > c.durable {
				c.kept++
			}
			c.history, c.durable = c.history[:i+1], i
			return
		}
	}
	t.Fatalf("after %d batches, %d of them flushed, the store is at none of their boundaries:\n%s",
		len(c.history)-1, c.durable, got)
}
