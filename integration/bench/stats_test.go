package main

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{5}, 0.5, 5},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{0, 10}, 0.25, 2.5},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing = %v, want NaN", got)
	}
}

func TestSpread(t *testing.T) {
	values := []float64{9, 2, 4}
	got, ok := spreadOf(values)
	if want := (spread{Median: 4, Min: 2, Max: 9, Rounds: 3}); !ok || got != want {
		t.Errorf("spreadOf = %v, %v, want %v", got, ok, want)
	}
	if !slices.Equal(values, []float64{9, 2, 4}) {
		t.Errorf("spreadOf changed its argument to %v", values)
	}
	if _, ok := spreadOf(nil); ok {
		t.Error("spreadOf of nothing claims to be something")
	}
}

// Half of the numbers lie on each side of the median, wherever they came from.
func TestMedianHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 30).Draw(t, "values")
		s, _ := spreadOf(values)
		var below, above int
		for _, v := range values {
			if v < s.Median {
				below++
			}
			if v > s.Median {
				above++
			}
			if v < s.Min || v > s.Max {
				t.Fatalf("%v lies outside %v", v, s)
			}
		}
		if below > len(values)/2 || above > len(values)/2 {
			t.Fatalf("%d below and %d above the median %v of %v", below, above, s.Median, values)
		}
	})
}

func TestPairing(t *testing.T) {
	a := series{0: 10, 1: 20, 2: 30, 4: 7}
	b := series{0: 5, 1: 0, 2: 10, 3: 1}
	if got, want := ratio(a, b), (series{0: 2, 2: 3}); !reflect.DeepEqual(got, want) {
		t.Errorf("ratio = %v, want %v: only rounds that both have, and none divided by zero", got, want)
	}
	if got, want := difference(a, b), (series{0: 5, 1: 20, 2: 20}); !reflect.DeepEqual(got, want) {
		t.Errorf("difference = %v, want %v", got, want)
	}
}

func TestRotated(t *testing.T) {
	names := []string{"A", "B", "C", "D"}
	for round, want := range [][]string{
		{"A", "B", "C", "D"}, {"B", "C", "D", "A"}, {"C", "D", "A", "B"}, {"D", "A", "B", "C"}, {"A", "B", "C", "D"},
	} {
		if got := rotated(names, round); !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
	}
	if got := rotated([]string(nil), 3); len(got) != 0 {
		t.Errorf("rotated nothing = %v", got)
	}
}
