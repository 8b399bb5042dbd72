package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vpngw/integration/lab/load"
)

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{[]float64{5, 5, 5, 5}, 1},
		{[]float64{7, 0, 0, 0}, 0.25},
		{[]float64{200, 200, 1, 1}, 0.505},
		{[]float64{0, 0}, 0},
		{nil, 0},
	} {
		if got := load.Jain(c.shares); math.Abs(got-c.want) > 0.001 {
			t.Errorf("load.Jain(%v) = %.4f, want %.3f", c.shares, got, c.want)
		}
	}
}

func TestJainProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Float64Range(0.001, 1e4), 1, 12).Draw(t, "shares")
		index := load.Jain(shares)
		if least := 1 / float64(len(shares)); index < least-1e-9 || index > 1+1e-9 {
			t.Fatalf("%v is outside %v to 1", index, least)
		}
		factor := rapid.Float64Range(0.01, 100).Draw(t, "factor")
		scaled := slices.Clone(shares)
		for i := range scaled {
			scaled[i] *= factor
		}
		if math.Abs(load.Jain(scaled)-index) > 1e-9 {
			t.Fatalf("the unit matters: %v and %v", index, load.Jain(scaled))
		}
	})
}

func TestPercentile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for p, want := range map[float64]int{0: 1, 1: 1, 20: 1, 21: 2, 50: 3, 99: 5, 100: 5} {
		if got := load.Percentile(values, p); got != want {
			t.Errorf("percentile %v of 1 to 5 is %d, want %d", p, got, want)
		}
	}
	if got := load.Percentile([]int(nil), 50); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
	if !slices.Equal(values, []int{5, 1, 4, 2, 3}) {
		t.Error("the values were sorted in place")
	}
}

func TestWindows(t *testing.T) {
	var times []time.Duration
	var counts []uint64
	for i := range 12 { // readings each 100 ms; 1 Mbit/s, and twice that from the sixth on
		times = append(times, time.Duration(i)*100*time.Millisecond)
		counts = append(counts, uint64(12_500*(i+max(0, i-5))))
	}
	if got, want := windows(times, counts, 1, 4), []float64{1, 2}; !slices.EqualFunc(got, want, near) {
		t.Errorf("windows %v, want %v", got, want)
	}
	if got := windows(times, counts, 0, 12); got != nil {
		t.Errorf("a window of 12 steps in 11: %v", got)
	}
	if got := windows(times, counts[:6], 1, 4); !slices.EqualFunc(got, []float64{1}, near) {
		t.Errorf("windows of fewer counts than times: %v", got)
	}
	if got := rates(times[4:8], counts[4:8]); !slices.EqualFunc(got, []float64{1, 2, 2}, near) {
		t.Errorf("rates %v", got)
	}
	if got := mbit(1, 0); got != 0 {
		t.Errorf("a rate over no time: %v", got)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
