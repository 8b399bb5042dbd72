package main

import (
	"testing"
	"time"
)

func TestArrivals(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []uint64
		want    probeResult
	}{
		{"all in order", []uint64{0, 1, 2, 3, 4}, probeResult{Sent: 5}},
		{"none", nil, probeResult{Sent: 5, Lost: 5}},
		{"one lost", []uint64{0, 1, 3, 4}, probeResult{Sent: 5, Lost: 1}},
		{"one twice", []uint64{0, 1, 1, 2, 3, 4}, probeResult{Sent: 5, Duplicates: 1}},
		{"one late", []uint64{0, 2, 1, 3, 4}, probeResult{Sent: 5, Reordered: 1}},
		{"one late and again", []uint64{0, 2, 1, 1, 3, 4}, probeResult{Sent: 5, Reordered: 1, Duplicates: 1}},
		{"one early", []uint64{0, 4, 1, 2, 3}, probeResult{Sent: 5, Reordered: 3}},
	} {
		var a arrivals
		for _, n := range c.numbers {
			a.add(n, time.Unix(0, 0))
		}
		if got := a.result(5); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	var a arrivals
	for i, at := range []int64{10, 11, 17, 19} {
		a.add(uint64(i), time.Unix(at, 0))
	}
	if got := a.result(4).LongestGap; got != 6*time.Second {
		t.Errorf("longest gap %v, want 6 s", got)
	}
}
