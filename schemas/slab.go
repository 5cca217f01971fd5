package schemas

import "strings"

// Sizes of a slab: texts up to slabText share blocks of slabBlock bytes. A text that is kept keeps its block, so blocks
// are small: about four orders fit.
const (
	slabBlock = 1024
	slabText  = 256
)

// slab makes strings of bytes, many to one allocation.
type slab struct {
	block strings.Builder
	first int // size of the first block, if it is to be smaller
}

// add returns b as a string.
func (s *slab) add(b []byte) string {
	if len(b) > slabText {
		return string(b)
	}
	if s.block.Cap()-s.block.Len() < len(b) {
		s.block.Reset() // the strings cut from the old block keep it
		size := slabBlock
		if s.first > 0 {
			size, s.first = max(min(s.first, slabBlock), len(b)), 0
		}
		s.block.Grow(size)
	}
	start := s.block.Len()
	s.block.Write(b)
	return s.block.String()[start:]
}

// joinPath puts a field name or an index ("[2]") in front of a path.
func joinPath(name, path string) string {
	if path == "" || strings.HasPrefix(path, "[") {
		return name + path
	}
	return name + "." + path
}
