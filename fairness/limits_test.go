package fairness

import (
	"testing"
	"time"
)

func TestWhatLimitsATunnel(t *testing.T) {
	for _, c := range []struct {
		name  string
		queue uint64 // rate
		class uint64
		load  uint64
		set   func(*sim, *simTunnel)
		want  Limit
	}{
		{"nothing", 100 * mbit, 0, 50 * mbit, nil, LimitNone},
		{"own rate", 100 * mbit, 10 * mbit, 50 * mbit, nil, LimitOwnRate},
		{"uplink", 100 * mbit, 0, 200 * mbit, nil, LimitUplink},
		{"in flight", 0, 0, 200 * mbit, func(s *sim, _ *simTunnel) { s.selfish = true }, LimitInFlight},
		{"socket", 100 * mbit, 0, 50 * mbit, func(s *sim, t *simTunnel) { s.sleeping[t.c] = true }, LimitSocket},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, 1, 105*mbit, Config{Rate: c.queue})
			busy, quiet := s.tunnel(ClassConfig{Rate: c.class}), s.tunnel(ClassConfig{})
			if c.set != nil {
				c.set(s, busy)
			}
			s.stream(busy, 1, 1, simWire, bitsTime(simWire, float64(c.load)))
			s.stream(quiet, 1, 1, 150, 5*time.Millisecond)
			read := func() (a, b Reading) {
				q := s.q.Counters()
				return Read(s.now, q, busy.c.Counters()), Read(s.now, q, quiet.c.Counters())
			}
			s.run(time.Second)
			busy0, quiet0 := read()
			s.run(time.Second)
			busy1, quiet1 := read()
			if got := busy1.Limit(busy0); got != c.want {
				t.Errorf("the busy tunnel is limited by %v, want %v", got, c.want)
			}
			if got := quiet1.Limit(quiet0); got != LimitNone {
				t.Errorf("the quiet tunnel is limited by %v, want %v", got, LimitNone)
			}
		})
	}
}
