package processor

import (
	"fmt"
	"slices"
	"strings"

	"accrue/schemas"
)

// didYouMean is what an error about an unknown name ends with; empty where nothing is close.
func didYouMean(name string, known []string) string {
	if close := nearest(name, known); close != "" {
		return fmt.Sprintf("; did you mean %q?", close)
	}
	return ""
}

// nearest returns the known name that a person most likely meant: one that differs by some letters, or the same last part
// in another section.
func nearest(name string, known []string) string {
	sorted := slices.Sorted(slices.Values(known))
	if best := schemas.Nearest(name, sorted); best != "" {
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
