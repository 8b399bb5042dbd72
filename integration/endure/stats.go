package main

import (
	"cmp"
	"math"
	"slices"
)

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
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

// percentile is the smallest value that at least p percent of the values do not
// exceed (nearest rank), so that the 99th of fewer than 100 values is the largest.
// It is the zero value of none.
func percentile[T cmp.Ordered](values []T, p float64) T {
	var none T
	if len(values) == 0 {
		return none
	}
	s := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(s))))
	return s[min(max(rank, 1), len(s))-1]
}
