package rules

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// all are the elements.
func (s *series[T]) all() []T {
	var list []T
	for i := range s.len() {
		list = append(list, s.at(i))
	}
	return list
}

// Whatever of a series is frozen, and whenever, it holds what a plain list would hold, and no copy of it sees what is done to another.
// What it says that it has in common with another version of itself is what rows need not be written for.
func TestFrozenSeriesIsAList(t *testing.T) {
	type pair struct {
		series series[amountAt]
		list   []amountAt
	}
	rapid.Check(t, func(t *rapid.T) {
		all := []pair{{}}
		add := func(p *pair, v amountAt) {
			i := 0
			for i < len(p.list) && p.list[i].instant <= v.instant {
				i++
			}
			p.list = slices.Insert(slices.Clone(p.list), i, v)
			p.series.add(v)
		}
		for n := range rapid.IntRange(0, 900).Draw(t, "elements") {
			add(&all[0], amountAt{int64(10 * n), 1})
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			p := &all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			n := len(p.list)
			at := rapid.IntRange(0, max(n-1, 0)).Draw(t, "place")
			switch what := rapid.SampledFrom([]string{"freeze", "copy", "append", "insert", "front", "remove", "set", "tail", "adopt"}).Draw(t, "what"); {
			case what == "freeze":
				p.series.freeze()
			case what == "copy" && len(all) < 6:
				all = append(all, pair{p.series.clone(), p.list})
			case what == "append":
				for m := range rapid.IntRange(1, 300).Draw(t, "more") {
					add(p, amountAt{int64(20_000 + m), 2})
				}
			case what == "insert":
				add(p, amountAt{rapid.Int64Range(0, 9000).Draw(t, "instant"), 3})
			case what == "front":
				p.series.takeFront(at)
				p.list = p.list[at:]
			case n == 0:
			case what == "remove":
				p.series.removeAt(at)
				p.list = slices.Delete(slices.Clone(p.list), at, at+1)
			case what == "set":
				v := amountAt{p.list[at].instant, 4}
				p.series.set(at, v)
				p.list = slices.Clone(p.list)
				p.list[at] = v
			case what == "tail":
				v := amountAt{1_000_000, 5}
				p.series.replaceTail(at, []amountAt{v})
				p.list = append(slices.Clone(p.list[:at]), v)
			case what == "adopt":
				from := &all[rapid.IntRange(0, len(all)-1).Draw(t, "from")]
				from.series.dirty = from.series.end()
				p.series.adopt(&from.series)
				same := 0
				for same < n && same < len(from.list) && p.list[same] == from.list[same] {
					same++
				}
				if got := p.series.dirty - p.series.first; got != int64(same) {
					t.Fatalf("%d elements are as stored, %d should be", got, same)
				}
			}
			for i := range all {
				if got := all[i].series.all(); !slices.Equal(got, all[i].list) {
					t.Fatalf("number %d is %v, expected %v", i, got, all[i].list)
				}
				for _, instant := range []int64{-1, 0, 35, 4000, 1_000_001} {
					want := 0
					for want < len(all[i].list) && all[i].list[want].instant <= instant {
						want++
					}
					if got := all[i].series.notAfter(instant); got != want {
						t.Fatalf("%d of number %d are not after %d, expected %d", got, i, instant, want)
					}
				}
			}
		}
	})
}

// A series that has no copies is added to in place, with the same result.
func TestAddAloneIsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var alone, other series[amountAt]
		for n, instant := range rapid.SliceOfN(rapid.Int64Range(0, 100), 0, 300).Draw(t, "instants") {
			if n%50 == 49 {
				alone.takeFront(10)
				other.takeFront(10)
				alone.dirty, other.dirty = alone.end(), other.end()
			}
			v := amountAt{instant, int64(n)}
			alone.addAlone(v)
			other.add(v)
		}
		if !slices.Equal(alone.all(), other.all()) || alone.dirty != other.dirty {
			t.Fatalf("%v, not written %d; in place: %v, %d", other.all(), other.dirty, alone.all(), alone.dirty)
		}
	})
}
