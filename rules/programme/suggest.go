package programme

import "strings"

// nearest returns the candidate that was probably meant by word, or "" where none is near: some letters differ, more in a
// long word than in a short one, capitals and small letters being equal. Of equally near ones the first wins.
func nearest(word string, candidates []string) string {
	if len(word) < 2 || len(word) > 64 {
		return ""
	}
	limit := 2 // one letter
	switch {
	case len(word) >= 9:
		limit = 4
	case len(word) >= 4:
		limit = 3
	}
	folded := strings.ToLower(word)
	best, bestDistance := "", limit
	for _, candidate := range candidates {
		if d := editDistance(folded, strings.ToLower(candidate), bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance is the number of insertions, deletions, substitutions and swaps of neighbours between two texts, or limit
// where it is at least that.
func editDistance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
