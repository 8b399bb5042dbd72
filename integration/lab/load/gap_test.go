package load

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the ACKs and the readings are, the gap found is never shorter than the longest there was, and longer by no more
// than the time between readings.
func TestGapMeter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 2 * time.Second
		step := func(name string, most time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(1, int64(most)).Draw(t, name))
		}
		var acks []time.Duration // the start counts as one
		for at := time.Duration(0); at < end; at += step("ack", 300*time.Millisecond) {
			acks = append(acks, at)
		}
		var g gapMeter
		var between, before time.Duration
		read := func(at time.Duration) {
			last := time.Duration(0)
			for _, a := range acks {
				if a <= at {
					last = a
				}
			}
			g.observe(at, at-last)
			between, before = max(between, at-before), at
		}
		for at := time.Duration(0); at < end; at += step("look", 20*time.Millisecond) {
			read(at)
		}
		read(end)
		var longest time.Duration
		for i, a := range acks {
			next := end
			if i+1 < len(acks) {
				next = min(acks[i+1], end)
			}
			longest = max(longest, next-a)
		}
		if g.longest < longest || g.longest > longest+between {
			t.Fatalf("longest gap %v, there was one of %v, readings %v apart", g.longest, longest, between)
		}
	})
}

// What happened before the start does not count.
func TestGapMeterStart(t *testing.T) {
	var g gapMeter
	g.observe(0, time.Hour)
	g.observe(5*time.Millisecond, time.Hour)
	if g.longest != 5*time.Millisecond {
		t.Errorf("longest gap %v, 5 ms after the start", g.longest)
	}
}
