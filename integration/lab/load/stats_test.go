package load

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 9}, 3},
	} {
		if got := Median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number, which could hold a bar")
	}
}

func TestPercentile(t *testing.T) {
	fifty := make([]time.Duration, 50)
	for i := range fifty {
		fifty[(i*7)%50] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		p    float64
		want time.Duration
	}{{0, 1}, {50, 25}, {51, 26}, {98, 49}, {99, 50}, {100, 50}} {
		if got := Percentile(fifty, c.p); got != c.want {
			t.Errorf("percentile %v of 1 to 50 is %d, want %d", c.p, got, c.want)
		}
	}
	if got := Percentile([]int(nil), 99); got != 0 {
		t.Errorf("percentile of nothing is %d", got)
	}
}
