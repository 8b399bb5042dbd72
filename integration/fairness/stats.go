package main

import (
	"math"
	"time"
)

// rates turns readings of a byte counter at the given times into Mbit/s between one reading and the next.
func rates(times []time.Duration, counts []uint64) []float64 {
	n := min(len(times), len(counts))
	var r []float64
	for i := 1; i < n; i++ {
		r = append(r, mbit(counts[i]-counts[i-1], times[i]-times[i-1]))
	}
	return r
}

// mbit is the rate of bytes over a time, in Mbit/s, to a thousandth.
func mbit(bytes uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return math.Round(float64(bytes)*8/1e3/d.Seconds()) / 1e3
}

// windows are the mean rates of consecutive windows of n readings of a counter, the first skip readings left out. What is
// left of less than a whole window at the end is left out too.
func windows(times []time.Duration, counts []uint64, skip, n int) []float64 {
	var w []float64
	for from := skip; from+n < min(len(times), len(counts)); from += n {
		w = append(w, mbit(counts[from+n]-counts[from], times[from+n]-times[from]))
	}
	return w
}

// mean of no values is 0.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}
