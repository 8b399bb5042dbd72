package tunnel

import (
	"testing"
	"time"

	"vpngw/tunnel/lane"
)

// thousand is a gateway of 1,000 tunnels with a lane, as it stands when nothing happens.
func thousand(b *testing.B) *Gateway {
	b.Helper()
	g := manyTunnels(b, 1000)
	lanes, err := lane.NewGroup(lane.Config{}, 1)
	if err != nil {
		b.Fatal(err)
	}
	g.useLanes(lanes)
	g.openUplinks()
	ended := make(chan error)
	go func() { ended <- lanes.Lanes()[0].Run() }()
	b.Cleanup(func() {
		lanes.Stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		lanes.Close()
	})
	for _, t := range g.tunnels {
		g.setPeer(t, t.peer)
	}
	return g
}

// The benchmarks are what the control loop does for all tunnels at once: each second,
// when somebody asks, and when one of them has something to do.

func BenchmarkSample(b *testing.B) {
	g := thousand(b)
	for b.Loop() {
		g.sample(time.Now())
	}
}

func BenchmarkStatus(b *testing.B) {
	g := thousand(b)
	for b.Loop() {
		g.status()
	}
}

func BenchmarkReminder(b *testing.B) {
	g := thousand(b)
	for b.Loop() {
		now := time.Now()
		g.nextTunnel = now
		g.onTime(b.Context(), now)
	}
}
