package plot

import (
	"cmp"
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

// apart moves wanted places, which lie between low and high, until each is at least gap from its neighbours, no farther than
// needed and in the same order: the isotonic regression of what remains when every place gives up the gaps before it, by
// pooling adjacent violators. It returns them in the order of the argument.
func apart(wanted []float64, gap, low, high float64) []float64 {
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wanted[a], wanted[b]) })
	type pool struct{ sum, count float64 }
	var pools []pool
	for k, i := range order {
		p := pool{wanted[i] - float64(k)*gap, 1}
		for n := len(pools); n > 0 && pools[n-1].sum/pools[n-1].count > p.sum/p.count; n-- {
			p.sum, p.count = p.sum+pools[n-1].sum, p.count+pools[n-1].count
			pools = pools[:n-1]
		}
		pools = append(pools, p)
	}
	placed := make([]float64, len(wanted))
	last := high - float64(len(wanted)-1)*gap // of the first place, with all others behind it
	k := 0
	for _, p := range pools {
		at := min(max(p.sum/p.count, low), max(last, low))
		for range int(p.count) {
			placed[order[k]] = at + float64(k)*gap
			k++
		}
	}
	return placed
}
