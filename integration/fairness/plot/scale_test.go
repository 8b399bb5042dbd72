package plot

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestScale(t *testing.T) {
	linear := scale{from: 0, to: 10, start: 100, end: 0}
	logarithmic := scale{from: 0.1, to: 1000, start: 0, end: 400, log: true}
	for _, c := range []struct {
		s           scale
		value, want float64
	}{
		{linear, 0, 100}, {linear, 10, 0}, {linear, 2.5, 75}, {linear, 11, 0}, {linear, -1, 100},
		{logarithmic, 0.1, 0}, {logarithmic, 1, 100}, {logarithmic, 1000, 400}, {logarithmic, 0, 0},
	} {
		if got := c.s.at(c.value); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v at %v: %v, want %v", c.s, c.value, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for most, want := range map[float64][]float64{
		100: {0, 20, 40, 60, 80, 100},
		213: {0, 50, 100, 150, 200, 250},
		8:   {0, 2, 4, 6, 8},
		0:   {0, 0.2, 0.4, 0.6, 0.8, 1},
	} {
		if got := ticks(most, 5); !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("ticks to %v: %v, want %v", most, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Float64Range(1e-3, 1e6).Draw(t, "most")
		got := ticks(most, 5)
		if last := got[len(got)-1]; last < most*(1-1e-9) || last > 2*most || len(got) < 3 || len(got) > 6 {
			t.Fatalf("ticks to %v: %v", most, got)
		}
	})
}

func TestDecades(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        []float64
	}{{0.09, 30, []float64{0.01, 0.1, 1, 10, 100}}, {0.1, 10, []float64{0.1, 1, 10}}, {1, 1, []float64{1, 10}}} {
		if got := decades(c.least, c.most); !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a/b-1) < 1e-9 }) {
			t.Errorf("decades from %v to %v: %v, want %v", c.least, c.most, got, c.want)
		}
	}
}

// Labels stay within bounds, apart, and in order.
func TestApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wanted := rapid.SliceOfN(rapid.Float64Range(0, 100), 0, 6).Draw(t, "wanted")
		got := apart(wanted, 16, 0, 100)
		for i := range got {
			if got[i] < -1e-9 || got[i] > 100+1e-9 {
				t.Fatalf("%v went to %v", wanted, got)
			}
			for j := range got {
				if i != j && (math.Abs(got[i]-got[j]) < 16-1e-6 || wanted[i] < wanted[j] && got[i] > got[j]) {
					t.Fatalf("%v went to %v", wanted, got)
				}
			}
		}
	})
	if got := apart([]float64{10, 60}, 16, 0, 100); !slices.Equal(got, []float64{10, 60}) {
		t.Errorf("labels with room were moved: %v", got)
	}
	// A crowd spreads around its middle.
	if got := apart([]float64{50, 50}, 16, 0, 100); math.Abs(got[0]-42) > 0.01 || math.Abs(got[1]-58) > 0.01 {
		t.Errorf("two at 50 went to %v", got)
	}
	if got := apart([]float64{50, 50, 50, 50}, 16, 0, 100); math.Abs(mean(got)-50) > 0.01 {
		t.Errorf("four at 50 went to %v", got)
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
