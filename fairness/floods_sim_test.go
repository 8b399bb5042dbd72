package fairness

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// wantShare checks what the tunnels from the second on have of the fair share of them all,
// and that a flood in the first one has no more than that.
func (s *sim) wantShare(part float64, competing int) {
	s.t.Helper()
	totals := s.totals(2)
	sum := 0.0
	for _, v := range totals {
		sum += v
	}
	fair := sum / float64(competing)
	for i, v := range totals[1:competing] {
		if v < part*fair {
			s.t.Errorf("tunnel %d has %.3f of its share", i+1, v/fair)
		}
	}
	if totals[0] > 1.05*fair {
		s.t.Errorf("the flood has %.3f of its share", totals[0]/fair)
	}
}

func TestSimFloods(t *testing.T) {
	const rate = 100 * mbit
	for _, c := range []struct {
		name            string
		flows, segments int
		wire            int
		load            float64 // of the rate
	}{
		{"one flow", 1, 1, simWire, 3},
		{"one flow of superpackets", 1, simPayload, simWire, 3},
		{"100 flows", 100, 1, simWire, 3},
		{"10000 flows", 10000, 1, simWire, 3},
		{"scan", 0, 1, 130, 1},
		{"scan with large packets", 0, 1, simWire, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shaped(t, rate)
			every := bitsTime(c.segments*c.wire, c.load*rate)
			s.stream(s.tunnel(ClassConfig{}), c.flows, c.segments, c.wire, every)
			for i := range 3 {
				s.tcp(s.tunnel(ClassConfig{}), time.Duration(1+2*i)*time.Millisecond, i == 1)
			}
			probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
			s.run(4 * time.Second)
			s.wantShare(.9, 4)
			s.wantRate(rate, .97)
			s.wantBurst()
			s.wantPrompt(probe, 0)
		})
	}
}

// What the scheduler is for: in a FIFO the same flood starves the others, and probes wait
// for all that it queued.
func TestSimFloodInFIFO(t *testing.T) {
	const rate = 100 * mbit
	s := newSim(t, 1, rate/.95, Config{Rate: rate, FIFO: true, Limit: 4 << 20})
	s.stream(s.tunnel(ClassConfig{}), 1, 1, simWire, bitsTime(simWire, 3*rate))
	for range 3 {
		s.tcp(s.tunnel(ClassConfig{}), time.Millisecond, false)
	}
	probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
	s.run(4 * time.Second)
	s.wantRate(rate, .97)
	totals := s.totals(2)
	for i, got := range totals[1:4] {
		if got > totals[0]/10 {
			t.Errorf("tunnel %d has %.0f bytes beside a flood of %.0f", i+1, got, totals[0])
		}
	}
	slices.Sort(probe.waits)
	if p50 := time.Duration(probe.waits[len(probe.waits)/2]); p50 < 100*time.Millisecond || probe.dropped == 0 {
		t.Errorf("half of the probes wait less than %v, %d were lost", p50, probe.dropped)
	}
}

// A flow must not starve beside a flood in its own tunnel either.
func TestSimFloodInOwnTunnel(t *testing.T) {
	const rate = 100 * mbit
	for _, flows := range []int{1, 50} {
		t.Run(fmt.Sprintf("%d flows", flows), func(t *testing.T) {
			s := shaped(t, rate)
			tunnel := s.tunnel(ClassConfig{})
			s.stream(tunnel, flows, 1, simWire, bitsTime(simWire, 3*rate))
			victim := s.stream(tunnel, 1, simPayload, simWire, bitsTime(simPayload*simWire, 2*rate))
			s.run(3 * time.Second)
			fair := rate / 8 * 3 / float64(flows+1)
			if got := float64(victim.arrived * simWire); got < .9*fair || got > 1.1*fair {
				t.Errorf("a flow has %.3f of its share", got/fair)
			}
		})
	}
}

// A sparse flow of a tunnel keeps its delay beside that tunnel's bulk: ACKs of a download
// beside an upload.
func TestSimACKsBesideUpload(t *testing.T) {
	for _, rate := range simRates {
		t.Run(fmt.Sprintf("%dM", rate/mbit), func(t *testing.T) {
			s := shaped(t, rate)
			tunnel := s.tunnel(ClassConfig{})
			s.tcp(tunnel, 2*time.Millisecond, false)
			acks := s.stream(tunnel, 1, 1, 130, bitsTime(2*simWire, float64(rate))) // of a download at the same rate
			s.run(3 * time.Second)
			s.wantPrompt(acks, 0)
			s.wantRate(rate, .99)
		})
	}
}

// Many tunnels, each with a slow stream, beside one with bulk: every stream is below its
// share, and so sparse, however long a round is.
func TestSimManySparseTunnels(t *testing.T) {
	const rate = 100 * mbit
	s := shaped(t, rate)
	for range 50 {
		s.tcp(s.tunnel(ClassConfig{}), 5*time.Millisecond, false)
	}
	s.run(time.Second) // all begin at once, and then all are sparse
	var voices []*simStream
	for range 50 {
		voices = append(voices, s.stream(s.tunnel(ClassConfig{}), 1, 1, 250, 20*time.Millisecond))
	}
	s.run(4 * time.Second)
	for _, v := range voices {
		s.wantPrompt(v, 50*250)
	}
}

func TestSimOwnRates(t *testing.T) {
	const rate = 100 * mbit
	s := shaped(t, rate)
	limits := []uint64{2 * mbit, 10 * mbit, 19 * mbit, 60 * mbit, 0, 0}
	for i, limit := range limits {
		tunnel := s.tunnel(ClassConfig{Rate: limit})
		s.stream(tunnel, 1, 1+43*(i&1), simWire, bitsTime(simWire*(1+43*(i&1)), rate))
	}
	s.run(6 * time.Second)
	s.wantRate(rate, .999)
	left := float64(rate - 31*mbit)
	for i, got := range s.totals(2) {
		want := left / 3
		if i < 3 {
			want = float64(limits[i])
		}
		if r := got * 8 / float64(len(s.seconds)-2) / want; r < .99 || r > 1.01 {
			t.Errorf("tunnel %d has %.4f of its rate or share", i, r)
		}
	}
}

// A tunnel whose socket is full costs the others nothing, and has its share when it is not.
func TestSimBlockedTunnel(t *testing.T) {
	const rate = 400 * mbit
	s := shaped(t, rate)
	dead := s.tunnel(ClassConfig{})
	s.tcp(dead, time.Millisecond, false)
	for range 3 {
		s.tcp(s.tunnel(ClassConfig{}), 2*time.Millisecond, false)
	}
	probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
	s.run(2 * time.Second)
	s.sleeping[dead.c] = true
	s.run(time.Second)
	s.seconds = nil
	s.run(4 * time.Second)
	s.wantRate(rate, .99)
	if got := s.totals(0)[0]; got != 0 {
		t.Errorf("%.0f bytes of a blocked tunnel", got)
	}
	delete(s.sleeping, dead.c)
	s.q.Unblock(dead.c)
	s.turn()
	s.run(2 * time.Second)
	s.seconds = nil
	s.run(5 * time.Second)
	s.wantEven(1, 1, 1, 1)
	s.wantPrompt(probe, 0)
}

// Long and lossy paths in some tunnels leave those with short ones their shares and more.
func TestSimMixedRoundTrips(t *testing.T) {
	const rate = 100 * mbit
	s := shaped(t, rate)
	s.tcp(s.tunnel(ClassConfig{}), 100*time.Millisecond, false)
	for _, rtt := range []time.Duration{20, 1, 1} {
		s.tcp(s.tunnel(ClassConfig{}), rtt*time.Millisecond, false)
	}
	probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
	s.run(8 * time.Second)
	s.wantShare(.9, 4)
	s.wantRate(rate, .97)
	s.wantPrompt(probe, 0)
}

// Without a rate the queue finds out what the wire takes: it keeps it busy, and the queue
// below short.
func TestSimInFlight(t *testing.T) {
	for _, link := range []float64{100 * mbit, 400 * mbit, 1000 * mbit, 10000 * mbit} {
		t.Run(fmt.Sprintf("%.0fM", link/mbit), func(t *testing.T) {
			s := newSim(t, uint64(link), link, Config{})
			s.selfish = true
			for i := range 4 {
				s.tcp(s.tunnel(ClassConfig{}), time.Duration(1+i)*time.Millisecond, true)
			}
			probe := s.stream(s.tunnel(ClassConfig{}), 1, 1, 150, 5*time.Millisecond)
			acks := s.stream(s.tunnels[0], 1, 1, 130, 200*time.Microsecond)
			s.run(time.Second)
			s.deepest = 0
			probe.waits, acks.waits = nil, nil
			s.run(3 * time.Second)
			if link < 10000*mbit { // above, the windows do not fill it
				s.wantEven(1, 1, 1, 1)
			}
			s.wantRate(uint64(link), .97)
			// What the wire holds, and what it sends until a late poll sees that it is dry.
			t.Logf("limit %d, slice %d, deepest %v", s.q.inflight.limit, s.q.slice, time.Duration(s.deepest))
			if s.deepest > int64(3*time.Millisecond) {
				t.Errorf("the wire's queue was %v long", time.Duration(s.deepest))
			}
			for _, f := range []*simStream{probe, acks} {
				most := time.Duration(slices.Max(f.waits))
				t.Logf("sparse: max %v", most)
				if f.dropped > 0 || most > 3*time.Millisecond {
					t.Errorf("%d sparse packets lost, one waited %v", f.dropped, most)
				}
			}
		})
	}
}

// bitsTime is what so many bytes take at a rate.
func bitsTime(bytes int, rate float64) time.Duration {
	return time.Duration(float64(bytes) * 8e9 / rate)
}
