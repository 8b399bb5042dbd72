package fairness

import "time"

const (
	simWire    = 1490 // bytes on the wire of a full segment
	simMemory  = 65920
	simPayload = 44 // segments in a full superpacket
)

// simTCP is a sender with a window that shrinks by three tenths on loss or mark, as
// CUBIC's, and else grows by one segment a round trip, as NewReno's; all of its window that is free leaves as one superpacket.
type simTCP struct {
	s      *sim
	tunnel *simTunnel
	hash   uint64
	rtt    time.Duration
	ecn    bool

	window, threshold float64
	flying, missing   int
	cutAt, ackedAt    int64
	number, last      int
	timeout           time.Duration
	timeouts          int
	losses, marks     int
	gap               int64
}

// tcp starts a flow at once.
func (s *sim) tcp(t *simTunnel, rtt time.Duration, ecn bool) *simTCP {
	f := &simTCP{s: s, tunnel: t, hash: s.rng.Uint64(), rtt: rtt, ecn: ecn, window: 10, threshold: 1e9, timeout: 200 * time.Millisecond, ackedAt: s.now}
	s.after(time.Duration(s.rng.Int64N(int64(time.Millisecond))), func() { f.push(); f.watch() })
	return f
}

func (f *simTCP) push() {
	free := int(f.window) - f.flying
	if free <= 0 || f.flying > 0 && free < min(int(f.window)/8+1, simPayload) {
		return
	}
	n := min(free, simPayload)
	f.flying += n
	f.number++
	f.s.enqueue(f.tunnel, &simPacket{from: f, number: f.number, last: &f.last},
		Packet{Flow: f.hash, Segments: n, Wire: simWire, LastWire: simWire, Memory: simMemory, ECN: f.ecn})
	if int(f.window)-f.flying > simPayload {
		f.s.after(10*time.Microsecond, f.push)
	}
}

func (f *simTCP) lost(segments int) {
	f.losses += segments
	f.missing += segments
}

func (f *simTCP) delivered(segments int, marked bool, _ int64) {
	f.s.after(f.rtt, func() {
		f.gap = max(f.gap, f.s.now-f.ackedAt)
		f.ackedAt = f.s.now
		f.timeout = 200 * time.Millisecond
		f.flying = max(f.flying-segments-f.missing, 0)
		if marked {
			f.marks++
		}
		if (marked || f.missing > 0) && f.s.now-f.cutAt > int64(f.rtt)+int64(5*time.Millisecond) {
			f.window = max(f.window*.7, 2)
			f.threshold = f.window
			f.cutAt = f.s.now
		} else if f.window < f.threshold {
			f.window += float64(segments)
		} else {
			f.window += float64(segments) / f.window
		}
		f.missing = 0
		f.push()
	})
}

func (f *simTCP) watch() {
	if f.flying > 0 && f.s.now-f.ackedAt > int64(f.timeout) && f.missing >= f.flying {
		f.timeouts++
		f.timeout *= 2
		f.ackedAt = f.s.now
		f.flying, f.missing, f.window = 0, 0, 2
	}
	f.push()
	f.s.after(10*time.Millisecond, f.watch)
}

// simStream sends packets of one size at a rate and never reacts: a flood, or a probe.
type simStream struct {
	s        *sim
	tunnel   *simTunnel
	flows    int // packets take turns, so that there are as many flows; 0: each is a flow of its own
	segments int
	wire     int
	every    time.Duration
	until    int64

	number  int
	last    int
	sent    int
	arrived int
	dropped int
	waits   []int64
}

func (s *sim) stream(t *simTunnel, flows, segments, wire int, every time.Duration) *simStream {
	f := &simStream{s: s, tunnel: t, flows: flows, segments: segments, wire: wire, every: every}
	base := s.rng.Uint64()
	var tick func()
	tick = func() {
		if f.until != 0 && s.now > f.until {
			return
		}
		hash := base
		if flows == 0 {
			hash = s.rng.Uint64()
		} else if flows > 1 {
			hash += uint64(f.number%flows) * 0x9e3779b97f4a7c15
		}
		f.number++
		p := &simPacket{from: f, number: f.number}
		if flows == 1 {
			p.last = &f.last
		}
		memory := 2048
		if segments > 1 {
			memory = simMemory
		}
		f.sent += segments
		s.enqueue(t, p, Packet{Flow: hash, Segments: segments, Wire: wire, LastWire: wire, Memory: memory})
		s.after(every*3/4+time.Duration(s.rng.Int64N(int64(every)/2+1)), tick)
	}
	s.after(time.Duration(s.rng.Int64N(int64(every)+1)), tick)
	return f
}

func (f *simStream) lost(segments int) { f.dropped += segments }

func (f *simStream) delivered(segments int, _ bool, wait int64) {
	f.arrived += segments
	f.waits = append(f.waits, wait)
}
