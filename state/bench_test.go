package state_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/state"
)

const benchMembers = 100_000

// benchRows fills an overlay with rows of 200 bytes: heads and facts of random members.
func benchRows(rng *rand.Rand, rows int) *state.Overlay {
	o := state.NewOverlay()
	for i := range rows {
		member := fmt.Sprintf("member-%06d", rng.IntN(benchMembers))
		value := make([]byte, 200)
		for j := range value {
			value[j] = byte(rng.IntN(64)) // compresses to 3/4, about as encoded facts do
		}
		if i%2 == 0 {
			o.Put(member, []byte("h"), value)
		} else {
			o.Put(member, fmt.Appendf(nil, "f%013d", rng.Uint32()), value)
		}
	}
	return o
}

func openForBench(b *testing.B) *state.Store {
	b.Helper()
	o := state.Options{
		MemoryBytes: 256 << 20, FlushEvery: time.Hour, HasDue: func(key []byte) bool { return string(key) == "h" },
		DueOf: func(key, value []byte) (time.Time, bool) {
			return time.UnixMilli(int64(binary.BigEndian.Uint32(value))), string(key) == "h"
		},
	}
	s, err := state.Open(b.TempDir(), state.Identity{App: app}, o)
	must(b, err)
	b.Cleanup(func() { must(b, s.Close()) })
	return s
}

// reportCPU adds what the whole process spent, flushes and compactions beside the benchmark included, and
// what other processes on the machine do not distort.
func reportCPU(b *testing.B, rows int) {
	b.Helper()
	before := cpuTime(b)
	b.Cleanup(func() { b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*rows), "cpu-ns/row") })
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// A transaction of 1,000 rows to disk. Expected: a memtable insert of some 1.5 µs a row here, and 4-5 µs
// of CPU for flush and compaction that run beside it and show only where both cores are busy.
func BenchmarkApply1000(b *testing.B) {
	s := openForBench(b)
	rng := rand.New(rand.NewPCG(1, 1))
	overlays := make([]*state.Overlay, 64)
	for i := range overlays {
		overlays[i] = benchRows(rng, 1000)
	}
	reportCPU(b, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		must(b, s.Shard(0).Apply(overlays[i%len(overlays)], position(int64(i))))
	}
}

// Restoring: the same from changelog records, with an overlay to find the last value of each row.
func BenchmarkReplay1000(b *testing.B) {
	s := openForBench(b)
	rng := rand.New(rand.NewPCG(1, 1))
	batches := make([][]state.Record, 64)
	for i := range batches {
		batches[i] = benchRows(rng, 1000).Records()
	}
	reportCPU(b, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		must(b, s.Shard(0).Replay(batches[i%len(batches)], position(int64(i))))
	}
}

func BenchmarkOverlayPut(b *testing.B) {
	members := make([]string, 1000)
	for i := range members {
		members[i] = fmt.Sprintf("member-%06d", i)
	}
	key, value := []byte("h"), make([]byte, 200)
	reportCPU(b, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		o := state.NewOverlay()
		for _, member := range members {
			o.Put(member, key, value)
		}
	}
}

// A read that the older of two overlays of 1,000 rows answers. Expected: two times a map's 30 ns.
func BenchmarkOverlayGet(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	overlays := []*state.Overlay{benchRows(rng, 1000), benchRows(rng, 1000)}
	overlays[1].Put("member-000001", []byte("h"), []byte("1"))
	view := openForBench(b).Shard(0).View("member-000001", func() []*state.Overlay { return overlays })
	key := []byte("h")
	reportCPU(b, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		_, err := view.Get(key)
		must(b, err)
	}
}

// Reads of random members through two overlays that do not know them: from the store, hot and compacted
// (expected: 4-5 µs), and absent.
func BenchmarkView(b *testing.B) {
	s := openForBench(b)
	sh := s.Shard(0)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 200 {
		must(b, sh.Apply(benchRows(rng, 1000), position(int64(i))))
	}
	must(b, s.Flush())
	overlays := []*state.Overlay{state.NewOverlay(), state.NewOverlay()}
	through := func() []*state.Overlay { return overlays }
	views := make([]*state.View, benchMembers)
	for i := range views {
		views[i] = sh.View(fmt.Sprintf("member-%06d", i), through)
	}
	get := func(key string, view func() *state.View) func(b *testing.B) {
		return func(b *testing.B) {
			reportCPU(b, 1)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				_, err := view().Get([]byte(key))
				must(b, err)
			}
		}
	}
	random := func() *state.View { return views[rng.IntN(benchMembers)] }
	b.Run("get/store", get("h", random))
	b.Run("get/absent", get("nothing", random))
	b.Run("scan", func(b *testing.B) {
		reportCPU(b, 1)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			must(b, random().Scan(nil, func(_, _ []byte) bool { return true }))
		}
	})
}

// Opening a store of 100,000 rows that was closed cleanly.
func BenchmarkOpen(b *testing.B) {
	fs := vfs.NewMem()
	s := open(b, fs)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 100 {
		must(b, s.Shard(0).Apply(benchRows(rng, 1000), position(int64(i))))
	}
	must(b, s.Close())
	for b.Loop() {
		must(b, open(b, fs).Close())
	}
}
