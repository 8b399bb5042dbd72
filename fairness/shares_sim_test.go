package fairness

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const mbit = 1_000_000

var simRates = []uint64{100 * mbit, 400 * mbit, 1000 * mbit}

// shaped returns a sim shaped to 95 % of its wire.
func shaped(t *testing.T, rate uint64) *sim {
	return newSim(t, rate+7, float64(rate)/.95, Config{Rate: rate})
}

// wantEven checks that in each second but the first two the tunnels' bytes by weight are
// even, that in all each is within 5 % of its share, and that the rate is reached.
func (s *sim) wantEven(weights ...float64) {
	s.t.Helper()
	const warm = 2
	byWeight := func(x []float64) []float64 {
		x = slices.Clone(x[:len(weights)])
		for i := range x {
			x[i] /= weights[i]
		}
		return x
	}
	for i, second := range s.seconds[warm:] {
		if j := jain(byWeight(second)); j < .98 {
			s.t.Errorf("second %d: Jain's index is %.3f: %.0f", i+warm, j, second)
		}
	}
	shares := byWeight(s.totals(warm))
	mean := 0.0
	for _, v := range shares {
		mean += v / float64(len(shares))
	}
	for i, v := range shares {
		if v < .95*mean || v > 1.05*mean {
			s.t.Errorf("tunnel %d has %.3f of its share", i, v/mean)
		}
	}
}

// wantRate checks that so much of a rate was reached in the seconds but the first two.
func (s *sim) wantRate(rate uint64, part float64) {
	s.t.Helper()
	sum := 0.0
	for _, v := range s.totals(2) {
		sum += v
	}
	got := sum * 8 / float64(len(s.seconds)-2) / float64(rate)
	s.t.Logf("%.4f of the rate", got)
	if got < part || got > 1.001 {
		s.t.Errorf("%.4f of the rate was reached, want %.3f", got, part)
	}
}

// wantBurst checks that what left at one instant was bounded.
func (s *sim) wantBurst() {
	s.t.Helper()
	bound := max(2*float64(max(s.q.slice, simWire)), float64(s.q.uplink.rate)/8e3)
	if s.peak > bound+1 {
		s.t.Errorf("%.0f bytes ahead of the rate, want ≤ %.0f", s.peak, bound)
	}
}

// wantPrompt checks that no packet of a sparse flow waited longer than two slices, one
// packet, and the lateness of the lane's timer; and that none was lost.
func (s *sim) wantPrompt(f *simStream, extra int) {
	s.t.Helper()
	bytes := 2*max(s.q.slice, simWire) + simWire + extra
	bound := time.Duration(float64(bytes)*8e9/float64(s.q.uplink.rate)) + 200*time.Microsecond
	slices.Sort(f.waits)
	p99, most := time.Duration(f.waits[len(f.waits)*99/100]), time.Duration(f.waits[len(f.waits)-1])
	s.t.Logf("sparse: p99 %v, max %v, of %d", p99, most, len(f.waits))
	if most > bound {
		s.t.Errorf("a sparse packet waited %v, want ≤ %v", most, bound)
	}
	if f.dropped > 0 || len(f.waits) < 100 {
		s.t.Errorf("%d sparse packets were lost, %d arrived", f.dropped, len(f.waits))
	}
}

func TestSimFourTunnels(t *testing.T) {
	for _, rate := range simRates {
		for _, ecn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%dM ecn=%v", rate/mbit, ecn), func(t *testing.T) {
				s := shaped(t, rate)
				var flows []*simTCP
				for i := range 4 {
					flows = append(flows, s.tcp(s.tunnel(ClassConfig{}), time.Duration(1+2*i)*time.Millisecond, ecn))
				}
				probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
				s.run(6 * time.Second)
				s.wantEven(1, 1, 1, 1)
				s.wantRate(rate, .97)
				s.wantBurst()
				s.wantPrompt(probe, 0)
				for _, f := range flows {
					if f.timeouts > 0 || f.gap > int64(100*time.Millisecond) {
						t.Errorf("%d timeouts, longest gap %v", f.timeouts, time.Duration(f.gap))
					}
					k := &f.tunnel.c.Counters().Kind[Bulk]
					if drops := k.Drops.Load(); ecn != (drops == 0) || ecn != (f.marks > 0) {
						t.Errorf("%d drops by AQM, %d marks", drops, f.marks)
					}
				}
			})
		}
	}
}

func TestSimEightFlowsAgainstOne(t *testing.T) {
	for _, rate := range simRates {
		t.Run(fmt.Sprintf("%dM", rate/mbit), func(t *testing.T) {
			s := shaped(t, rate)
			for i := range 4 {
				tunnel := s.tunnel(ClassConfig{})
				s.tcp(tunnel, 2*time.Millisecond, false)
				for range 7 * (i & 1) {
					s.tcp(tunnel, 2*time.Millisecond, false)
				}
			}
			probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
			beside := s.stream(s.tunnels[1], 1, 1, 150, 5*time.Millisecond)
			s.run(5 * time.Second)
			s.wantEven(1, 1, 1, 1)
			s.wantRate(rate, .97)
			// So many flows that begin at once are all sparse at first, and put their tunnels into
			// debt; after, probes are prompt, also that beside them.
			for _, f := range []*simStream{probe, beside} {
				f.waits = f.waits[len(f.waits)/8:]
				s.wantPrompt(f, 0)
			}
		})
	}
}

func TestSimWeights(t *testing.T) {
	s := shaped(t, 400*mbit)
	for _, w := range []int{1, 2, 5} {
		tunnel := s.tunnel(ClassConfig{Weight: w})
		for range 4 {
			s.tcp(tunnel, 2*time.Millisecond, true)
		}
	}
	s.run(6 * time.Second)
	s.wantEven(1, 2, 5)
	s.wantRate(400*mbit, .97)
}

func TestSimRateChanges(t *testing.T) {
	s := shaped(t, 400*mbit)
	for range 4 {
		s.tcp(s.tunnel(ClassConfig{}), 5*time.Millisecond, false)
	}
	s.run(4 * time.Second)
	s.wantRate(400*mbit, .97)
	for _, rate := range []uint64{50 * mbit, 300 * mbit} {
		s.q.SetRate(s.now, rate)
		s.seconds = nil
		s.run(5 * time.Second)
		s.wantEven(1, 1, 1, 1)
		s.wantRate(rate, .97)
	}
}
