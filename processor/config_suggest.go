package processor

import (
	"fmt"
	"sort"
	"strings"
)

// didYouMean is what an error about an unknown name ends with; empty where nothing is close.
func didYouMean(name string, known []string) string {
	if close := nearest(name, known); close != "" {
		return fmt.Sprintf("; did you mean %q?", close)
	}
	return ""
}

// nearest returns the known name that a person most likely meant: at most a third of its letters wrong, or the same
// last part in another section.
func nearest(name string, known []string) string {
	best, bestAt := "", max(1, min(3, len(name)/3))+1
	sorted := append([]string(nil), known...)
	sort.Strings(sorted)
	for _, k := range sorted {
		if d := editDistance(name, k); d < bestAt {
			best, bestAt = k, d
		}
	}
	if best != "" {
		return best
	}
	last := name[strings.LastIndex(name, ".")+1:]
	for _, k := range sorted {
		if strings.HasSuffix(k, "."+last) {
			return k
		}
	}
	return ""
}

// editDistance counts the letters to insert, delete or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := before
			if a[i-1] != b[j-1] {
				cost++
			}
			before = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
