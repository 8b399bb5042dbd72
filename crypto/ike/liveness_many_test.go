package ike

import (
	"testing"
	"time"
)

// TestManyPeersAreAskedTogether: with many peers the times of dead-peer detection fall
// together, a little before the interval and never after it; with few they are exact.
func TestManyPeersAreAskedTogether(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, interval := range []time.Duration{10 * time.Second, 2 * time.Second, 7} {
		for _, peers := range []int{1, manyPeers - 1, manyPeers, 1000} {
			m := New(Config{})
			m.Step(start, Tick{})
			for i := range peers {
				m.peers[PeerID(i)] = &peer{}
			}
			times := map[time.Time]int{}
			const heard = 400 // in a tenth of the interval
			for i := range heard {
				now := start.Add(interval + interval/10*time.Duration(i)/heard)
				m.Step(now, Tick{})
				at := m.dpdAt(interval)
				times[at]++
				if early := interval - at.Sub(now); early < 0 || early > interval/dpdParts {
					t.Fatalf("interval %v, %d peers: asked %v too early", interval, peers, early)
				}
			}
			together := len(times) <= dpdParts/10+1
			if want := peers >= manyPeers && interval > dpdParts; interval > dpdParts && together != want {
				t.Errorf("interval %v, %d peers: %d times for %d that were heard", interval, peers, len(times), heard)
			}
		}
	}
}
