package rules

import "slices"

// This file is about long series of which there are many copies: a member with tens of thousands of orders has as many instants of
// the tier metric, each snapshot of the standing has them, and each refund goes on from a copy of one. What is old of them is in
// pages that nobody writes to any more and that all copies share.

// frozen are the elements in front of a series, in pages of pageSize. Pages never change, nor does what a copy sees of the list.
type frozen[T element] struct {
	pages [][]T
	taken int // elements of pages[0] that were taken from the front
}

func (f *frozen[T]) len() int { return len(f.pages)*pageSize - f.taken }

func (f *frozen[T]) at(i int) T {
	i += f.taken
	return f.pages[i/pageSize][i%pageSize]
}

// takeFront removes the first n elements, and returns how many of them it did not have.
func (f *frozen[T]) takeFront(n int) (more int) {
	if len(f.pages) == 0 {
		return n
	}
	f.taken += n
	gone := min(f.taken/pageSize, len(f.pages))
	f.pages = f.pages[gone:]
	f.taken -= gone * pageSize
	if len(f.pages) == 0 {
		more, f.taken = f.taken, 0
	}
	return more
}

// common is how many elements in front the two have in common for certain: those of pages that they share.
func (f *frozen[T]) common(g *frozen[T]) int {
	if f.taken != g.taken {
		return 0
	}
	n := 0
	for n < len(f.pages) && n < len(g.pages) && &f.pages[n][0] == &g.pages[n][0] {
		n++
	}
	return max(n*pageSize-f.taken, 0)
}

// freeze moves elements from items to pages, if they are many. The last page stays: what is new is mostly near the end.
func (s *series[T]) freeze() {
	const most = 4 * pageSize
	if len(s.items) <= most {
		return
	}
	n := (len(s.items) - pageSize) / pageSize
	s.old.pages = slices.Grow(slices.Clip(s.old.pages), n)
	for page := range slices.Chunk(s.items[:n*pageSize], pageSize) {
		s.old.pages = append(s.old.pages, slices.Clip(page))
	}
	s.items = s.items[n*pageSize:]
}

// thaw makes the elements from a place on items, and returns where in them that is.
func (s *series[T]) thaw(i int) int {
	n := s.old.len()
	if i >= n {
		return i - n
	}
	page := (i + s.old.taken) / pageSize
	items := make([]T, 0, (len(s.old.pages)-page)*pageSize+len(s.items)+1)
	for _, p := range s.old.pages[page:] {
		items = append(items, p...)
	}
	s.items = append(items, s.items...)
	s.old.pages = s.old.pages[:page]
	if page == 0 {
		s.items, s.old.taken = s.items[s.old.taken:], 0
	}
	return i - s.old.len()
}
