package fairness

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// sim is one uplink in virtual time: senders put superpackets into a queue, a lane takes
// slices out and gives them to a wire, and what arrives comes back to its sender.
type sim struct {
	t      *testing.T
	rng    *rand.Rand
	q      *Queue[*simPacket]
	now    int64
	events simEvents
	serial int

	link     float64 // bits per second of the wire below
	wireFree int64   // when it will have sent what it holds
	selfish  bool    // the lane reports what is in flight
	late     bool    // the lane's timers are late by 50 to 200 µs
	wake     int64   // of the next lane turn that is planned

	tunnels  []*simTunnel
	window   int64       // start of the running second
	seconds  [][]float64 // bytes per tunnel in each past second
	sent     float64     // bytes on the wire
	level    float64     // bytes ahead of the rate, of which the most
	peak     float64     // is this
	leveled  int64       // as of
	deepest  int64       // the longest queue of the wire
	sleeping map[*Class[*simPacket]]bool
}

type simTunnel struct {
	c     *Class[*simPacket]
	bytes float64
}

// simPacket is a superpacket of a sender.
type simPacket struct {
	node    Node[*simPacket]
	from    sender
	tunnel  *simTunnel
	arrived int64
	number  int // of the sender's, to see that none overtakes
	last    *int
}

// sender hears of its packets.
type sender interface {
	delivered(segments int, marked bool, wait int64)
	lost(segments int)
}

type simEvent struct {
	at    int64
	order int
	run   func()
}

type simEvents []simEvent

func (e simEvents) Len() int { return len(e) }
func (e simEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e simEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)   { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// newSim returns a sim whose wire has link bit/s and whose queue is shaped to c.Rate.
func newSim(t *testing.T, seed uint64, link float64, c Config) *sim {
	t.Logf("seed %d", seed)
	return &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), q: NewQueue[*simPacket](c), now: 1,
		link: link, late: true, window: 1, sleeping: map[*Class[*simPacket]]bool{},
	}
}

func (s *sim) tunnel(c ClassConfig) *simTunnel {
	t := &simTunnel{c: s.q.NewClass(c)}
	s.tunnels = append(s.tunnels, t)
	return t
}

func (s *sim) at(when int64, run func()) {
	s.serial++
	heap.Push(&s.events, simEvent{when, s.serial, run})
}

func (s *sim) after(d time.Duration, run func()) { s.at(s.now+int64(d), run) }

// run goes on for d of virtual time.
func (s *sim) run(d time.Duration) {
	end := s.now + int64(d)
	for len(s.events) > 0 && s.events[0].at <= end {
		e := heap.Pop(&s.events).(simEvent)
		for e.at >= s.window+int64(time.Second) {
			second := make([]float64, len(s.tunnels))
			for i, t := range s.tunnels {
				second[i], t.bytes = t.bytes, 0
			}
			s.seconds = append(s.seconds, second)
			s.window += int64(time.Second)
		}
		s.now = e.at
		e.run()
	}
	s.now = end
}

// enqueue hands a sender's packet to the lane.
func (s *sim) enqueue(t *simTunnel, p *simPacket, k Packet) {
	p.node.Value, p.tunnel, p.arrived = p, t, s.now
	s.q.Enqueue(s.now, t.c, &p.node, k)
	for {
		_, n := s.q.Evict()
		if n == nil {
			break
		}
		n.Value.from.lost(n.packet.Segments)
	}
	s.turn()
}

// turn is what a lane does: it serves until nothing may be sent, and sleeps.
func (s *sim) turn() {
	if s.selfish {
		below := max(float64(s.wireFree-s.now), 0) * s.link / 8e9
		s.q.InFlight(s.now, int(below), 0)
	}
	for {
		v := s.q.Next(s.now)
		switch v.Verdict {
		case Nothing:
			s.sleep()
			return
		case Drop:
			v.Node.Value.from.lost(v.Segments)
			s.q.Done(v, v.Segments)
		case Send:
			s.send(v)
		}
	}
}

func (s *sim) send(v Slice[*simPacket]) {
	p, bytes := v.Node.Value, float64(v.Node.wire(v.Segments))
	if s.sleeping[v.Class] {
		s.q.Done(v, 0)
		s.q.Block(v.Class)
		return
	}
	if p.last != nil {
		if p.number < *p.last {
			s.t.Fatalf("packet %d left after %d", p.number, *p.last)
		}
		*p.last = p.number
	}
	if rate := float64(s.q.uplink.rate); rate != 0 {
		s.level = max(s.level-float64(s.now-s.leveled)*rate/8e9, 0) + bytes
		s.peak, s.leveled = max(s.peak, s.level), s.now
	}
	wait := s.now - p.arrived
	s.q.Done(v, v.Segments)
	s.sent += bytes
	p.tunnel.bytes += bytes
	s.wireFree = max(s.wireFree, s.now) + int64(bytes*8e9/s.link)
	s.deepest = max(s.deepest, s.wireFree-s.now)
	s.at(s.wireFree, func() { p.from.delivered(v.Segments, v.Mark, wait) })
}

func (s *sim) sleep() {
	wake := s.q.Wake()
	if wake == 0 {
		return
	}
	if wake <= s.now {
		s.t.Fatalf("Next has nothing at %d, Wake says %d", s.now, wake)
	}
	if s.late {
		wake += int64(50*time.Microsecond) + s.rng.Int64N(int64(150*time.Microsecond))
	}
	if s.wake > s.now && s.wake <= wake {
		return // there will be a turn before
	}
	s.wake = wake
	s.at(wake, func() {
		if s.wake == s.now {
			s.turn()
		}
	})
}

// jain is Jain's index of fairness of shares by weight: 1 when all are equal.
func jain(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(x)) * squares)
}

// totals sums the seconds from the given one on.
func (s *sim) totals(from int) []float64 {
	sum := make([]float64, len(s.tunnels))
	for _, second := range s.seconds[from:] {
		for i, v := range second {
			sum[i] += v
		}
	}
	return sum
}
