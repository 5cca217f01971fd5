package schemas

import "strings"

// suggest returns "; did you mean ...?" for the name that is meant, or nothing.
func suggest(found string, names []string) string {
	const longest = 64 // a name longer than this is no slip of the pen
	if len(found) > longest {
		return ""
	}
	best, bestDistance := "", 3 // at most two letters off
	for _, name := range names {
		if plain(found) == plain(name) { // orderId, Order-ID
			return "; did you mean " + name + "?"
		}
		if d := distance(found, name); d < bestDistance && d < len(name)/2+1 {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return "; it has " + strings.Join(names, ", ")
	}
	return "; did you mean " + best + "?"
}

// plain takes away what spellings of a name differ in.
func plain(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// distance returns how many letters must be added, removed or changed to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
