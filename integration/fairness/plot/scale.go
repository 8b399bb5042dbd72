package plot

import (
	"math"
	"slices"
	"strconv"
)

// scale leads values to pixels. The pixels may run backwards, as those of a y axis do.
type scale struct {
	from, to   float64 // values; above 0 on a logarithmic scale
	start, end float64 // pixels
	log        bool
}

// at is the pixel of a value; values outside the scale are led to its ends.
func (s scale) at(v float64) float64 {
	v = min(max(v, s.from), s.to)
	part := (v - s.from) / (s.to - s.from)
	if s.log {
		part = math.Log(v/s.from) / math.Log(s.to/s.from)
	}
	return s.start + part*(s.end-s.start)
}

// ticks are round values from 0 to at least most, about n of them.
func ticks(most float64, n int) []float64 {
	if most <= 0 {
		most = 1
	}
	rough := most / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * unit
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if factor*unit >= rough {
			step = factor * unit
			break
		}
	}
	count := int(math.Ceil(most/step - 1e-9))
	var all []float64
	for i := range count + 1 {
		all = append(all, float64(i)*step)
	}
	return all
}

// decades are the powers of ten from at most least to at least most, both above 0.
func decades(least, most float64) []float64 {
	var all []float64
	last := int(math.Ceil(math.Log10(most) - 1e-9))
	for e := int(math.Floor(math.Log10(least) + 1e-9)); e <= last; e++ {
		all = append(all, math.Pow10(e))
	}
	if len(all) == 1 {
		all = append(all, 10*all[0])
	}
	return all
}

// number is the shortest text of a tick, which is as exact as a sum of floating-point steps is.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }

// apart moves wanted places, which lie between low and high, until each is at least gap from its neighbours, and keeps their
// order. It returns them in the order of the argument.
func apart(wanted []float64, gap, low, high float64) []float64 {
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case wanted[a] < wanted[b]:
			return -1
		case wanted[a] > wanted[b]:
			return 1
		}
		return 0
	})
	placed := slices.Clone(wanted)
	// A crowd spreads around its middle: the whole is laid out downwards, then pushed back up as far as it hung over.
	for pass := 0; pass < len(order); pass++ {
		for k := 1; k < len(order); k++ {
			a, b := order[k-1], order[k]
			if lack := gap - (placed[b] - placed[a]); lack > 0 {
				placed[a] -= lack / 2
				placed[b] += lack / 2
			}
		}
	}
	at := low
	for _, i := range order {
		placed[i] = max(placed[i], at)
		at = placed[i] + gap
	}
	at = high
	for _, i := range slices.Backward(order) {
		placed[i] = min(placed[i], at)
		at = placed[i] - gap
	}
	return placed
}
