package configs

import "strings"

// longestSuggested bounds the work of one suggestion; no key is longer.
const longestSuggested = 64

// Suggest gives the candidate nearest to what was written, case aside, or "" when none is near: for a "did you mean".
func Suggest(written string, candidates []string) string { return suggest(written, candidates) }

// suggest gives the candidate nearest to what was written, case aside, or "" when none is near.
func suggest(written string, candidates []string) string {
	if written == "" || len(written) > longestSuggested {
		return ""
	}
	lower := strings.ToLower(written)
	best, bestDistance := "", 1+len(written)/3
	for _, c := range candidates {
		if d := distance(lower, strings.ToLower(c)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that make a into b, in bytes.
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			current[j] = min(replace, previous[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
