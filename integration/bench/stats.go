package main

import (
	"math"
	"slices"
)

// spread is what the rounds of one figure come to.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds"`
}

// spreadOf summarises values; false when there are none.
func spreadOf(values []float64) (spread, bool) {
	if len(values) == 0 {
		return spread{}, false
	}
	return spread{quantile(values, 0.5), slices.Min(values), slices.Max(values), len(values)}, true
}

// quantile returns the q-quantile (0 ≤ q ≤ 1) of values, interpolated between
// neighbours, so that the median of an even count is the mean of the middle two.
// It returns NaN for no values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// series holds one figure of one contestant by round. Rounds that failed are absent.
type series map[int]float64

func (s series) values() []float64 {
	v := make([]float64, 0, len(s))
	for _, x := range s {
		v = append(v, x)
	}
	return v
}

// paired applies f to the values of the rounds that both series have. Pairing
// by round is what cancels the drift of the machine between rounds.
func paired(a, b series, f func(a, b float64) float64) series {
	out := series{}
	for round, x := range a {
		if y, ok := b[round]; ok {
			out[round] = f(x, y)
		}
	}
	return out
}

// ratio returns a ÷ b of every round; rounds where b is not above zero have no
// meaningful ratio and are left out.
func ratio(a, b series) series {
	positive := series{}
	for round, y := range b {
		if y > 0 {
			positive[round] = y
		}
	}
	return paired(a, positive, func(x, y float64) float64 { return x / y })
}

// difference returns a − b of every round.
func difference(a, b series) series {
	return paired(a, b, func(x, y float64) float64 { return x - y })
}

// rotated returns names as the order of a round: every round starts one further,
// so that no contestant always runs after the same neighbour's warm-up.
func rotated[T any](names []T, round int) []T {
	if len(names) == 0 {
		return nil
	}
	k := round % len(names)
	return slices.Concat(names[k:], names[:k])
}
