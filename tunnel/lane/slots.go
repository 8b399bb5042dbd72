package lane

import (
	"vpngw/fairness"
	"vpngw/offload"
	"vpngw/offload/udp"
)

const (
	bigSlot   = offload.VirtioHeaderLen + offload.MaxPacket + 55 // + the ESP trailer's room, a multiple of 64
	smallSlot = 2048
	smallMax  = smallSlot - 64 // longest read that fits with its trailer
	maxTrains = 64             // beyond, the longest blocked tunnel loses what it has sealed

	// burst is how many full trains of a tunnel are sent in a row. The peer wakes up for
	// the first and finds the others: fewer wake-ups, and superpackets that reach over
	// the border of two trains are glued whole. One that reaches over the last goes with it.
	burst = 4
)

// slot holds one packet read from the TUN, until its last segment is sealed.
type slot struct {
	buf    []byte
	seg    offload.Segmenter
	node   fairness.Node[*slot]
	tunnel *Tunnel
	next   uint8  // ESP next header: 4 or 41
	ecn    bool   // the packet's transport is ECN-capable
	flow   uint64 // of the flow hasher
	owner  *Lane  // whose pool it goes back to
}

func newSlot(size int, owner *Lane) *slot {
	s := &slot{buf: make([]byte, size), owner: owner}
	s.node.Value = s
	return s
}

// pool keeps spent slots of one size, the warmest on top. It grows to what the
// queue's byte bound lets wait, and one more.
type pool struct {
	size  int
	owner *Lane
	free  []*slot
}

func (p *pool) get() *slot {
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		return s
	}
	return newSlot(p.size, p.owner)
}

func (p *pool) put(s *slot) { p.free = append(p.free, s) }

// cost is the memory a slot takes.
func (s *slot) cost() int { return len(s.buf) }

func (l *Lane) release(s *slot) {
	s.tunnel = nil
	if s.owner != l {
		l.in[s.owner.index].spent.push(s) // without room it is left to the garbage collector
		return
	}
	if len(s.buf) == smallSlot {
		l.small.put(s)
	} else {
		l.big.put(s)
	}
}

// train is a udp.Train with the inner bytes of what is sealed in it, and the TOS that
// its datagrams leave with.
type train struct {
	udp   *udp.Train
	inner int
	tos   uint8
}

// takeTrain gives an empty train, or nil when all are held by blocked tunnels.
func (l *Lane) takeTrain() *train {
	if n := len(l.trains); n > 0 {
		t := l.trains[n-1]
		l.trains = l.trains[:n-1]
		return t
	}
	if l.trainsMade < maxTrains {
		l.trainsMade++
		return &train{udp: udp.NewTrain()}
	}
	return nil
}

func (l *Lane) giveTrain(t *train) {
	t.udp.Reset()
	t.inner = 0
	l.trains = append(l.trains, t)
}
