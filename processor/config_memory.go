package processor

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Memory is an amount of memory: bytes, or a share of what the container may use.
type Memory struct {
	Percent int64 // 1 to 90; 0: Bytes holds
	Bytes   int64
}

// ParseMemory reads "25%", or bytes with or without a unit: "512MiB", "2GiB", "1073741824".
func ParseMemory(text string) (Memory, error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || percent < 1 || percent > 90 {
			return Memory{}, fmt.Errorf("%q is not a share from 1%% to 90%%", text)
		}
		return Memory{Percent: percent}, nil
	}
	n, err := parseBytes(text)
	if err == nil && n < 16<<20 {
		err = fmt.Errorf("%q is less than 16MiB, the least that the store works with", text)
	}
	return Memory{Bytes: n}, err
}

// Of returns the bytes that m comes to where the limit is total bytes.
func (m Memory) Of(total int64) int64 {
	if m.Percent > 0 {
		return total / 100 * m.Percent
	}
	return m.Bytes
}

// storeMemory returns what of state.memory, in bytes, the store may use for what is not flushed and for blocks.
func storeMemory(memory int64) int64 { return memory / 8 * 3 }

// hotMemory returns what of state.memory, in bytes, the store may use beside that for heads of members (rules.OpenReads).
func hotMemory(memory int64) int64 { return memory / 8 }

// accountMemory returns what of state.memory, in bytes, the accounts in memory of all lanes may use. The last quarter is left to the
// collector: what it has not taken back yet of accounts that were let go.
func accountMemory(memory int64) int64 { return memory / 4 }

// heapWithin returns how large Go's heap should become at most in a container of so many bytes, of which the store holds some
// outside of the heap: a tenth is left to the program itself and the page cache. Where the store is given more than there is, it is a
// quarter of the container, since the collector would do nothing else in less.
func heapWithin(container, outside int64) int64 { return max(container/10*9-outside, container/4) }

func parseBytes(text string) (int64, error) {
	number, unit := text, int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = strings.TrimSpace(rest), size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > 1<<50/unit {
		return 0, fmt.Errorf("%q is not an amount of bytes such as 1048576, 512MiB or 2GiB", text)
	}
	return n * unit, nil
}

// containerMemory returns the bytes that this process may use: the smaller of its control group's limit (version 2 or
// 1) and the machine's memory. Where neither can be read it assumes 1 GiB.
func containerMemory(root fs.FS) int64 {
	const fallback = 1 << 30
	smallest := int64(0)
	note := func(n int64, err error) {
		if err == nil && n > 0 && (smallest == 0 || n < smallest) {
			smallest = n
		}
	}
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := fs.ReadFile(root, file); err == nil {
			note(strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)) // "max" is no number: no limit
		}
	}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		fields := strings.Fields(string(text)) // "MemTotal: 24689764 kB ..." is the first line
		if len(fields) > 1 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			note(kib<<10, err)
		}
	}
	if smallest == 0 {
		return fallback
	}
	return smallest
}
