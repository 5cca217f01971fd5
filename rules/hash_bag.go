package rules

// hashBag is a bag of hashes: it counts how often each is in it. It is a table of open addressing with linear probing, and a
// hash that is in it twice has two places. A busy member has tens of thousands of ids, and this takes 4 to 11 bytes for each, where a Go
// map takes several times that. newHashBag makes one.
type hashBag struct {
	places []uint32 // 0: free; as many as a power of two
	used   int
	zeros  int // how often the hash 0 is in it, which no place can hold
}

// newHashBag returns an empty bag with room for n hashes.
func newHashBag(n int) *hashBag {
	b := &hashBag{}
	b.grow(n)
	return b
}

// grow makes room for n hashes with a quarter of the places left free.
func (b *hashBag) grow(n int) {
	size := 8
	for 3*size < 4*n {
		size *= 2
	}
	old := b.places
	b.places = make([]uint32, size)
	for _, hash := range old {
		if hash != 0 {
			b.put(hash)
		}
	}
}

func (b *hashBag) put(hash uint32) {
	i := int(hash) & (len(b.places) - 1)
	for b.places[i] != 0 {
		i = (i + 1) & (len(b.places) - 1)
	}
	b.places[i] = hash
}

// count says how often a hash is in the bag.
func (b *hashBag) count(hash uint32) (n int) {
	if hash == 0 {
		return b.zeros
	}
	for i := int(hash) & (len(b.places) - 1); b.places[i] != 0; i = (i + 1) & (len(b.places) - 1) {
		if b.places[i] == hash {
			n++
		}
	}
	return n
}

func (b *hashBag) add(hash uint32) {
	if hash == 0 {
		b.zeros++
		return
	}
	if b.used++; 4*b.used > 3*len(b.places) {
		b.grow(b.used)
	}
	b.put(hash)
}

// remove takes a hash out once. It must be in the bag. Those behind it that would not be found across the gap are moved into it
// (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm R).
func (b *hashBag) remove(hash uint32) {
	if hash == 0 {
		b.zeros--
		return
	}
	mask := len(b.places) - 1
	gap := int(hash) & mask
	for b.places[gap] != hash {
		gap = (gap + 1) & mask
	}
	b.used--
	for i := (gap + 1) & mask; b.places[i] != 0; i = (i + 1) & mask {
		if home := int(b.places[i]) & mask; (i-home)&mask >= (i-gap)&mask {
			b.places[gap] = b.places[i]
			gap = i
		}
	}
	b.places[gap] = 0
}
