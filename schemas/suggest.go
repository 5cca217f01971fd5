package schemas

import "strings"

// Nearest returns the known name that was probably meant by name, or "" where none is near: some letters differ, more in a
// long name than in a short one, capitals and small letters being equal. Of equally near ones the first wins. It is for
// error messages; longer names than 64 bytes are no slip of the pen.
func Nearest(name string, known []string) string {
	if len(name) < 2 || len(name) > 64 {
		return ""
	}
	limit := 2 // one letter
	switch {
	case len(name) >= 9:
		limit = 4
	case len(name) >= 4:
		limit = 3
	}
	folded := strings.ToLower(name)
	best, bestDistance := "", limit
	for _, candidate := range known {
		if d := editDistance(folded, strings.ToLower(candidate), bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance is the number of insertions, deletions, substitutions and swaps of neighbours between two texts, or limit
// where it is at least that.
func editDistance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= limit {
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

// suggest returns what an error about an unknown field ends with: the field that is meant, or which there are.
func suggest(found string, names []string) string {
	if near := Nearest(found, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; it has " + strings.Join(names, ", ")
}
