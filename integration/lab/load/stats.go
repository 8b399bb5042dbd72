package load

import (
	"cmp"
	"math"
	"slices"
)

// Jain is Jain's fairness index of shares: 1 when all are equal, 1/n when one has everything. Of nothing at all it is 0: to
// share nothing is no merit.
func Jain(shares []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Median is the middle value, or the mean of the two in the middle; NaN of none.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// Percentile is the smallest value that at least p percent of the values do not exceed (nearest rank), so that the 99th of
// fewer than 100 values is the largest. It is the zero value of none.
func Percentile[T cmp.Ordered](values []T, p float64) T {
	return NearestRank(slices.Sorted(slices.Values(values)), p)
}

// NearestRank is the Percentile of values that are sorted already.
func NearestRank[T any](sorted []T, p float64) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
