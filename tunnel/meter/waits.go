package meter

import (
	"math"
	"time"

	"vpngw/fairness"
)

// Buckets is the number of buckets of Waits; the last one has no upper bound.
const Buckets = fairness.WaitBuckets

// Waits is a reading of fairness.Waits: slices of packets by how long they waited, in
// powers of two of a microsecond.
type Waits [Buckets]uint64

// Since returns the waits that were added after earlier.
func (w *Waits) Since(earlier *Waits) Waits {
	var d Waits
	for i := range w {
		d[i] = grown(earlier[i], w[i])
	}
	return d
}

// Plus returns the waits of both.
func (w *Waits) Plus(other *Waits) Waits {
	sum := *w
	for i := range other {
		sum[i] += other[i]
	}
	return sum
}

// Count returns the number of slices.
func (w *Waits) Count() (n uint64) {
	for _, b := range w {
		n += b
	}
	return n
}

// Quantile returns the wait that a part q (0 to 1) of the slices did not exceed; 0
// if there are none. Within a bucket they are taken to lie evenly, so it is
// right to a factor of two.
func (w *Waits) Quantile(q float64) time.Duration {
	total := w.Count()
	if total == 0 {
		return 0
	}
	rank := max(q*float64(total), 1)
	for i, n := range w {
		if rank > float64(n) {
			rank -= float64(n)
			continue
		}
		low, high := bounds(i)
		return low + time.Duration(math.Round(float64(high-low)*rank/float64(n)))
	}
	return w.Max() // rounding of a rank beyond 2^53
}

// Max returns a bound that no wait exceeded, less than twice the longest; 0
// if there are none.
func (w *Waits) Max() time.Duration {
	for i := Buckets - 1; i >= 0; i-- {
		if w[i] > 0 {
			_, high := bounds(i)
			return high
		}
	}
	return 0
}

// bounds returns between what waits bucket i lies.
func bounds(i int) (low, high time.Duration) {
	if i > 0 {
		low = fairness.WaitBelow(i - 1)
	}
	return low, fairness.WaitBelow(i)
}
