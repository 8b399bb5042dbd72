package lane

import (
	"math/bits"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// A packet is handled by the lane that its tunnel calls home. One that comes to another
// lane, off that one's TUN queue or to a socket that is not the tunnel's, goes over by a
// ring of the two lanes: in its slot, which comes back by a ring the other way.
//
//	          ┌──▶ packets ──▶┐
//	  reader  │               │  home
//	          └◀── spent ◀────┘

const (
	// ringRoom bounds what a lane hands over to another that does not come to take it:
	// what two turns read. With many lanes each ring has half as much.
	ringRoom      = 4 * tunReads
	ringRoomSmall = tunReads
	fewLanes      = 4

	// spentRoom is how many spent slots wait for the lane that made them. More are left to
	// the garbage collector.
	spentRoom = 512
)

// handed is what goes over to another lane. Its slot names the tunnel.
type handed struct {
	slot   *slot
	length int // bytes in the slot: virtio header and packet, or an ESP datagram; 0: the slot waited in a queue
	lent   int // packets that a lane without a TUN queue has received: they are to be written

	// Of an ESP datagram: where it came from and to, and its TOS. Otherwise from is invalid.
	from, local netip.AddrPort
	tos         uint8
}

func (h *handed) isESP() bool { return h.from.IsValid() }

func (h *handed) packets() int {
	switch {
	case h.lent > 0:
		return h.lent
	case h.isESP():
		return 1
	}
	return h.slot.seg.Remaining()
}

// link is the way from one lane to another.
type link struct {
	from, to *Lane
	packets  *ring[handed] // from pushes, to pops
	spent    *ring[*slot]  // to pushes, from pops
	fence    fence         // that from asks of to
}

// mates is a lane's side of the others of its group; all nil and zero for a lane that is
// alone.
type mates struct {
	out, in []*link           // by the index of the other lane; nil at its own
	asleep  atomic.Bool       // it has to be woken
	wakes   uint64            // bits of lanes to wake at the end of the turn
	fencing uint64            // bits of lanes to ask for a fence
	atTurn  []func()          // commands for the beginning of a turn
	coming  map[*Tunnel]*move // tunnels that move here, or did a moment ago
	leaving map[*Tunnel]*move // tunnels that move away
	guest   guest
	asking  []*Tunnel // strands that wait for an answer
	pulse   pulseBuffers
}

// guest is what an ESP datagram that another lane has received is looked at with.
type guest struct {
	endpoint  endpoint
	datagrams udp.Datagrams
}

// linkAll lays the links of all pairs of lanes.
func (g *Group) linkAll() {
	room := ringRoom
	if len(g.lanes) > fewLanes {
		room = ringRoomSmall
	}
	for i, l := range g.lanes {
		l.index = i
		l.out, l.in = make([]*link, len(g.lanes)), make([]*link, len(g.lanes))
		l.coming, l.leaving = map[*Tunnel]*move{}, map[*Tunnel]*move{}
	}
	for i, from := range g.lanes {
		for j, to := range g.lanes {
			if i != j {
				k := &link{from: from, to: to, packets: newRing[handed](room), spent: newRing[*slot](spentRoom)}
				from.out[j], to.in[i] = k, k
			}
		}
	}
}

// several tells whether the lane is not the only one.
func (l *Lane) several() bool { return l.in != nil }

// handOver gives a packet to the lane that is its tunnel's home, or drops it.
func (l *Lane) handOver(h handed, home *Lane) {
	n := h.packets() // read before the slot is the other's
	if !l.out[home.index].packets.push(h) {
		l.refuse(h)
		return
	}
	l.counters.HandedOver.Add(uint64(n))
	l.wakes |= 1 << home.index
}

// refuse drops a packet for which another lane has no room.
func (l *Lane) refuse(h handed) {
	l.dropIn(h.slot.tunnel, drop.LaneFull, h.packets())
	l.release(h.slot)
}

// stays tells whether the packet just parsed, in s.buf[:n], is for this lane to handle now.
// Otherwise it is taken care of.
func (l *Lane) stays(s *slot, n int) bool {
	home := s.tunnel.home.Load()
	if home != l {
		l.handOver(handed{slot: s, length: n}, home)
		return false
	}
	if m := l.coming[s.tunnel]; m != nil {
		l.inOrder(m, handed{slot: s, length: n})
		return false
	}
	return true
}

// handOverESP gives a datagram to the home of the tunnel that its SPI is of. It returns
// false if that has been here for a while, or if nobody knows the SPI.
func (l *Lane) handOverESP(e *endpoint, d *udp.Datagrams, b []byte, spi uint32) bool {
	t := l.group.spis.find(spi)
	if t == nil {
		return false
	}
	home, m := t.home.Load(), l.coming[t]
	if home == l && (m == nil || m.arrived) {
		return false
	}
	p := &l.big
	if len(b) <= smallSlot {
		p = &l.small
	}
	s := p.get()
	s.tunnel = t
	h := handed{slot: s, length: copy(s.buf, b), from: d.From, tos: d.TOS}
	h.local, _ = ends(e, d)
	if home == l {
		l.detain(m, h, 0)
	} else {
		l.handOver(h, home)
	}
	return true
}

// takeHanded takes what the other lanes have handed over, and the slots that they gave
// back.
func (l *Lane) takeHanded() {
	for i, k := range l.in {
		if k == nil {
			continue
		}
		for s, ok := l.out[i].spent.pop(); ok; s, ok = l.out[i].spent.pop() {
			l.release(s)
		}
		passed := l.out[i].fence.passed() // before the ring is emptied: what it was asked for is in there
		for range len(k.packets.items) {
			h, ok := k.packets.pop()
			if !ok {
				break
			}
			l.taken(h)
		}
		l.afterFence(k.from, passed)
	}
}

// taken handles one packet handed over. Its tunnel may be on its way to or from here, or
// have moved on.
func (l *Lane) taken(h handed) {
	if h.lent > 0 {
		l.writeLent(h)
		return
	}
	t := h.slot.tunnel
	if home := t.home.Load(); home != l {
		if m := l.leaving[t]; m != nil {
			m.late = append(m.late, h)
		} else {
			l.handOver(h, home)
		}
		return
	}
	if m := l.coming[t]; m != nil && !m.arrived {
		l.detain(m, h, 0)
		return
	}
	l.handle(h)
}

// handle does with a packet handed over what is done with one that came to this lane.
func (l *Lane) handle(h handed) {
	s := h.slot
	if h.length == 0 {
		l.requeue(s)
		return
	}
	if !h.isESP() {
		l.parse(s, h.length) // as it was by the other lane
		l.accept(s, h.length)
		return
	}
	l.receiving = l.towardsPeer(s.tunnel)
	g := &l.guest
	g.endpoint = endpoint{local: h.local}
	g.datagrams = udp.Datagrams{From: h.from, To: h.local.Addr(), TOS: h.tos}
	l.datagram(&g.endpoint, &g.datagrams, s.buf[:h.length:h.length])
	l.endRun()
	l.flushIn() // which still reads from the slot
	l.release(s)
}

// wakeMates wakes the lanes that were given something and sleep.
func (l *Lane) wakeMates() {
	for ; l.wakes != 0; l.wakes &= l.wakes - 1 {
		mate := l.group.lanes[bits.TrailingZeros64(l.wakes)]
		if mate.asleep.Load() && mate.asleep.CompareAndSwap(true, false) {
			_, _ = unix.Write(mate.wake, wakeUp[:])
		}
	}
}

// fallAsleep says that the lane has to be woken from now on, and returns false if there is
// something to do after all.
func (l *Lane) fallAsleep() bool {
	l.asleep.Store(true)
	for i, k := range l.in {
		if k != nil && (!k.packets.empty() || k.fence.asked() || l.fencePassed(l.out[i])) {
			l.asleep.Store(false)
			return false
		}
	}
	return true
}

// meet is what a turn beside other lanes begins with.
func (l *Lane) meet() {
	for len(l.atTurn) > 0 {
		todo := l.atTurn
		l.atTurn = nil
		for _, f := range todo {
			f()
		}
	}
	l.takeHanded()
	l.beginFences()
}

// part lets the other lanes know what this turn has for them.
func (l *Lane) part() {
	l.endFences()
	l.askFences()
	l.wakeMates()
	l.askOn()
}
