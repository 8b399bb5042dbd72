package main

import (
	"maps"
	"testing"
)

func TestDrops(t *testing.T) {
	before := map[string]uint64{"queue_full": 5, "replayed": 1, "runt": 7}
	after := map[string]uint64{"queue_full": 9, "replayed": 3, "runt": 7, "tun_ring_full": 2, "no_route": 0}
	d := since(before, after)
	if want := map[string]uint64{"queue_full": 4, "replayed": 2, "tun_ring_full": 2}; !maps.Equal(d, want) {
		t.Errorf("since: %v, want %v", d, want)
	}
	congested, others := split(d)
	if want := map[string]uint64{"replayed": 2}; congested != 6 || !maps.Equal(others, want) {
		t.Errorf("%d by congestion and %v, want 6 and %v", congested, others, want)
	}
	if got, want := sum(d, nil, others), (map[string]uint64{"queue_full": 4, "replayed": 4, "tun_ring_full": 2}); !maps.Equal(got, want) {
		t.Errorf("sum: %v, want %v", got, want)
	}
	if _, others := split(map[string]uint64{"runt": 0}); len(others) > 0 {
		t.Errorf("a count of zero is taken for a drop: %v", others)
	}
}
