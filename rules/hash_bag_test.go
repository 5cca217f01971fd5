package rules

import (
	"testing"

	"pgregory.net/rapid"
)

// A bag counts as a map does, whatever is put in and taken out, and however many hashes want one place.
func TestHashBagIsACountingMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bag, counts := newHashBag(rapid.IntRange(0, 20).Draw(t, "room")), map[uint32]int{}
		hashes := rapid.SliceOfN(rapid.SampledFrom([]uint32{0, 1, 2, 7, 8, 9, 15, 16, 1 << 31, 1<<31 | 7, 1<<32 - 1}), 1, 200).Draw(t, "hashes")
		for _, hash := range hashes {
			if counts[hash] > 0 && rapid.Bool().Draw(t, "remove") {
				counts[hash]--
				bag.remove(hash)
			} else {
				counts[hash]++
				bag.add(hash)
			}
			for other := range counts {
				if got := bag.count(other); got != counts[other] {
					t.Fatalf("hash %d is in it %d times, counted %d", other, counts[other], got)
				}
			}
		}
	})
}
