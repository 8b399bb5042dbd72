package lane

import "vpngw/offload"

// A TUN device that was made anew may have one queue only, for example because somebody else
// was faster to make it. That one is the first lane's. What comes in on the other lanes
// goes over to that one to be written.

// lend gives what this lane should write to the first lane, or drops it.
func (l *Lane) lend(vecs [][]byte, length, packets int) {
	p := &l.big
	if length <= smallSlot {
		p = &l.small
	}
	s := p.get()
	at := 0
	for _, v := range vecs {
		at += copy(s.buf[at:], v)
	}
	l.handOver(handed{slot: s, length: at, lent: packets}, l.group.lanes[0])
}

// writeLent writes what another lane has received.
func (l *Lane) writeLent(h handed) {
	l.single[0], l.single[1] = h.slot.buf[:offload.VirtioHeaderLen], h.slot.buf[offload.VirtioHeaderLen:h.length]
	if err := l.writeTUN(l.single[:], h.length, h.lent, destinationOf(l.single[1])); err != nil {
		l.counters.Drops.Add(writeFailure(err), h.lent)
	}
	l.release(h.slot)
}
